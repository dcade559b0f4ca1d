//! Where a photo's labels lie: the storage convention in one place.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::DatasetError;
use crate::photo::is_photo_path;

/// The files that belong to one photo.
///
/// ```text
/// FOLDER/PHOTO.jpg
/// FOLDER/labels/NAME.png       class map
/// FOLDER/instances/NAME.png    segment map
/// FOLDER/instances/NAME.json   the record: commits a save
/// FOLDER/patchlens.json        classes of the folder
/// FOLDER/.patchlens/journal/NAME.journal   unsaved edits
/// ```
/// NAME is the photo's stem, or its full file name where two photos of the
/// folder share the stem (letters' case apart, since a data set may move to a
/// disk that ignores it). A photo whose labels were saved before another one
/// with its stem came along, or left, keeps the name that its record has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelPaths {
    /// The folder that the photo is in.
    pub folder: PathBuf,
    /// The photo's file name.
    pub photo: OsString,
    /// Class map: 8-bit indexed PNG.
    pub labels: PathBuf,
    /// Segment map: 16-bit grey PNG.
    pub instances: PathBuf,
    /// Segments and checksums: JSON, written last.
    pub record: PathBuf,
    /// Classes and settings of the folder: JSON.
    pub settings: PathBuf,
    /// Unsaved edits.
    pub journal: PathBuf,
}

/// The part of a record that tells whose it is.
#[derive(Deserialize)]
struct Owner {
    photo: String,
}

impl LabelPaths {
    /// The files of the photo at `photo`, which need not exist. Lists the
    /// photo's folder once.
    pub fn for_photo(photo: &Path) -> Result<Self, DatasetError> {
        let (Some(file), Some(stem)) = (photo.file_name(), photo.file_stem()) else {
            return Err(DatasetError::NoName {
                path: photo.display().to_string(),
            });
        };
        let folder = match photo.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let by_stem = Self::named(&folder, file, stem);
        let by_file = Self::named(&folder, file, file);
        let (usual, other) = if stem_is_shared(&folder, file, stem) {
            (by_file, by_stem)
        } else {
            (by_stem, by_file)
        };
        if usual != other && !usual.record.exists() && other.is_recorded_for(file) {
            return Ok(other);
        }
        Ok(usual)
    }

    /// Whether the labels that bear the stem of `photo` were saved for it, even
    /// though other photos share the stem by now.
    pub(super) fn stem_is_recorded(folder: &Path, photo: &OsStr) -> bool {
        let stem = Path::new(photo).file_stem().unwrap_or(photo);
        Self::named(folder, photo, stem).is_recorded_for(photo)
    }

    fn named(folder: &Path, photo: &OsStr, name: &OsStr) -> Self {
        let with = |extension: &str| {
            let mut file = name.to_owned();
            file.push(extension);
            file
        };
        Self {
            folder: folder.to_owned(),
            photo: photo.to_owned(),
            labels: folder.join("labels").join(with(".png")),
            instances: folder.join("instances").join(with(".png")),
            record: folder.join("instances").join(with(".json")),
            settings: folder.join("patchlens.json"),
            journal: folder
                .join(".patchlens")
                .join("journal")
                .join(with(".journal")),
        }
    }

    /// Another photo of the folder that the record names as its own, if there
    /// is one: these files must then be left alone.
    pub fn other_owner(&self) -> Option<PathBuf> {
        let owner = self.owner()?;
        let path = self.folder.join(&owner);
        let is_other = *owner != *self.photo.to_string_lossy() && path.is_file();
        is_other.then_some(path)
    }

    fn is_recorded_for(&self, photo: &OsStr) -> bool {
        self.owner()
            .is_some_and(|owner| *owner == *photo.to_string_lossy())
    }

    fn owner(&self) -> Option<String> {
        let text = fs::read(&self.record).ok()?;
        let owner: Owner = serde_json::from_slice(&text).ok()?;
        Some(owner.photo)
    }
}

/// Whether another photo in `folder` has this stem. A folder that cannot be
/// listed is taken to have none.
fn stem_is_shared(folder: &Path, photo: &OsStr, stem: &OsStr) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let path = Path::new(&name);
        let same_stem = path
            .file_stem()
            .is_some_and(|other| other.eq_ignore_ascii_case(stem));
        same_stem && name != photo && is_photo_path(path)
    })
}
