//! Exports: single files that the user asks for, at places of his choice.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::class_map::{Palette, class_map_png};
use super::protected::{Protected, folder_of, resolved};
use super::{StoreError, atomic, binary_mask_png, instance_map_png, overlay_png};
use crate::document::Document;
use crate::label::{ClassId, Classes};
use crate::photo::Photo;

/// The opacity of the tint in an exported overlay picture.
const OVERLAY_OPACITY: f32 = 0.5;

/// The folder beside a photo that its exports are offered to go into: beside the
/// photo itself they would be listed as photos.
const EXPORTS: &str = "exports";

/// What an export shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// Class ids, 8-bit indexed.
    ClassMap,
    /// Segment ids, 16-bit grey.
    InstanceMap,
    /// 255 where this class is, 8-bit grey.
    Binary(ClassId),
    /// The photo with its labels drawn over it.
    Overlay,
}

impl ExportKind {
    /// A file name to offer for the export of `photo`: its stem with what is
    /// exported, as `street_labels.png`.
    pub fn file_name(self, photo: &Path, classes: &Classes) -> OsString {
        let what = match self {
            Self::ClassMap => "labels".to_owned(),
            Self::InstanceMap => "instances".to_owned(),
            Self::Overlay => "overlay".to_owned(),
            Self::Binary(class) => plain_name(classes.name(class)),
        };
        let mut name = photo.file_stem().unwrap_or_default().to_owned();
        name.push(format!("_{what}.png"));
        name
    }

    /// A file to offer for the export of `photo`: `exports/NAME` in the photo's
    /// folder, with the [name](Self::file_name) to offer. [`export`] creates
    /// that folder where it is missing.
    pub fn proposed_path(self, photo: &Path, classes: &Classes) -> PathBuf {
        exports_folder(photo).join(self.file_name(photo, classes))
    }
}

/// A name as a part of a file's name on every system.
pub fn plain_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
    name.chars().map(plain).collect()
}

/// The folder that exports of `photo` are offered to go into, which need not be
/// there yet.
pub fn exports_folder(photo: &Path) -> PathBuf {
    photo.with_file_name(EXPORTS)
}

/// One export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRequest {
    /// What to show.
    pub kind: ExportKind,
    /// The PNG file to write; a name without extension gets ".png".
    pub path: PathBuf,
}

/// Write an export, replacing a file of that name. Returns the files written.
/// The folder must exist, unless it is `exports` beside the photo.
///
/// # Errors
/// Also where it would replace photos or saved labels, see [`Protected`].
pub fn export(
    photo: &Photo,
    document: &Document,
    request: &ExportRequest,
) -> Result<Vec<PathBuf>, StoreError> {
    let path = export_target(photo, &request.path, "png")?;
    let png = match request.kind {
        ExportKind::ClassMap => class_map_png(document, Palette::Classes),
        ExportKind::InstanceMap => instance_map_png(document),
        ExportKind::Binary(class) => binary_mask_png(document, class),
        ExportKind::Overlay => overlay_png(photo, document, OVERLAY_OPACITY),
    }?;
    atomic::write(&path, &png)?;
    Ok(vec![path])
}

/// The file that an export of `photo` is to be written to: `path`, which gets
/// the extension if it has none.
///
/// # Errors
/// If it has another extension, would replace photos or saved labels (see
/// [`Protected`]), or is in a folder that neither exists nor is the one offered.
pub fn export_target(
    photo: &Photo,
    path: &Path,
    extension: &'static str,
) -> Result<PathBuf, StoreError> {
    let path = with_extension(path, extension)?;
    Protected::of(photo.path()).check(&path)?;
    check_folder(photo, &path)?;
    Ok(path)
}

fn with_extension(path: &Path, extension: &'static str) -> Result<PathBuf, StoreError> {
    match path.extension() {
        None => Ok(path.with_extension(extension)),
        Some(known) if known.eq_ignore_ascii_case(extension) => Ok(path.to_owned()),
        Some(_) => Err(StoreError::OtherFormat {
            file: path.display().to_string(),
            extension,
        }),
    }
}

/// Writing creates the target's folder where it is missing: only the one that
/// was offered may be meant, others are slips of the pen.
fn check_folder(photo: &Photo, target: &Path) -> Result<(), StoreError> {
    let folder = folder_of(target);
    let offered = photo.path().map(exports_folder);
    if folder.is_dir() || offered.is_some_and(|offered| resolved(&offered) == resolved(folder)) {
        return Ok(());
    }
    Err(StoreError::NoFolder {
        folder: folder.display().to_string(),
    })
}
