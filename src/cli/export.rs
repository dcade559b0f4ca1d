//! `patchlens export`: the saved labels of many photos into one folder.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::Failure;
use super::output::{complain, print};
use crate::document::Document;
use crate::formats::{self, ExportKind, ExportRequest, Opened, Protected};
use crate::label::{ClassId, Classes};
use crate::photo::{self, Limits};

/// What to export and where.
#[derive(Debug)]
pub struct Args {
    /// The photos, in the order named.
    pub images: Vec<PathBuf>,
    /// What to write for each.
    pub kind: Kind,
    /// The folder to write into.
    pub folder: PathBuf,
    /// What decoding may use.
    pub limits: Limits,
}

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Class map.
    Classes,
    /// Segment map.
    Instances,
    /// Mask of one class.
    Binary {
        /// Its name or number.
        class: String,
    },
    /// The photo with its labels.
    Overlay,
}

/// Run the subcommand: every photo is tried.
pub fn run(args: &Args) -> Result<(), Failure> {
    let folder = &args.folder;
    if !folder.is_dir() {
        let folder = folder.display();
        return Err(Failure::Sentence(format!(
            "there is no folder {folder} to export into: create it or choose another place"
        )));
    }
    let protected = Protected::of(args.images.iter().map(PathBuf::as_path));
    let mut taken = HashSet::new();
    let mut failed = false;
    for (image, target) in targets(&args.images, folder) {
        let written = if taken.insert(target.clone()) {
            protected
                .check(&target)
                .map_err(|error| error.to_string())
                .and_then(|()| export(args, image, &target))
        } else {
            Err(format!(
                "{} would overwrite the export of another photo, {}: export it into another folder",
                image.display(),
                target.display()
            ))
        };
        match written {
            Ok(paths) => {
                for path in paths {
                    print(&format!("Wrote {}.\n", path.display()))?;
                }
            }
            Err(sentence) => {
                complain(&sentence);
                failed = true;
            }
        }
    }
    if failed { Err(Failure::Told) } else { Ok(()) }
}

/// Export one photo; the files written.
fn export(args: &Args, image: &Path, target: &Path) -> Result<Vec<PathBuf>, String> {
    let photo = photo::decode(image, &args.limits).map_err(|error| error.to_string())?;
    let document = saved_labels(image, photo.width(), photo.height())?;
    let kind = match &args.kind {
        Kind::Classes => ExportKind::ClassMap,
        Kind::Instances => ExportKind::InstanceMap,
        Kind::Overlay => ExportKind::Overlay,
        Kind::Binary { class } => ExportKind::Binary(
            find_class(document.classes(), class)
                .ok_or_else(|| format!("{} has no class {class:?}", image.display()))?,
        ),
    };
    let request = ExportRequest {
        kind,
        path: target.to_owned(),
    };
    formats::export(&photo, &document, &request).map_err(|error| error.to_string())
}

/// The labels saved beside a photo. Ones that cannot be trusted are not exported.
fn saved_labels(image: &Path, width: u32, height: u32) -> Result<Document, String> {
    match formats::open(image, width, height, &Classes::default()) {
        Ok(Opened::Loaded(document)) => Ok(document),
        Ok(Opened::Fresh(_)) => Err(format!("{} has no saved labels", image.display())),
        Ok(Opened::ReadOnly { why, .. }) => Err(why),
        Err(error) => Err(error.to_string()),
    }
}

/// A class by its name, or else by its number: a class may be called "7".
fn find_class(classes: &Classes, wanted: &str) -> Option<ClassId> {
    let named = classes.iter().find(|class| class.name == wanted);
    let numbered = || wanted.parse().ok().and_then(|id| classes.get(id));
    named.or_else(numbered).map(|class| class.id)
}

/// Each photo, once, with the file to write for it: NAME.png, where NAME is the
/// photo's stem, or its full file name where two of the photos share a stem.
fn targets<'a>(images: &'a [PathBuf], folder: &Path) -> Vec<(&'a Path, PathBuf)> {
    let mut seen = HashSet::new();
    let images: Vec<&Path> = images
        .iter()
        .map(PathBuf::as_path)
        .filter(|image| seen.insert(*image))
        .collect();
    let mut stems: HashMap<&OsStr, u32> = HashMap::new();
    for image in &images {
        *stems
            .entry(image.file_stem().unwrap_or_default())
            .or_default() += 1;
    }
    let target = |image: &Path| {
        let stem = image.file_stem().unwrap_or_default();
        let shared = stems.get(stem).is_some_and(|count| *count > 1);
        let mut name: OsString = if shared {
            image.file_name()
        } else {
            Some(stem)
        }
        .unwrap_or_default()
        .to_owned();
        name.push(".png");
        folder.join(name)
    };
    images
        .into_iter()
        .map(|image| (image, target(image)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stems_unless_two_photos_share_one() {
        let images = ["d/a.jpg", "d/a.png", "d/b.c.jpg", "d/a.jpg"].map(PathBuf::from);
        let targets = targets(&images, Path::new("out"));
        let names: Vec<String> = targets
            .iter()
            .map(|(_, target)| target.display().to_string())
            .collect();
        assert_eq!(names, ["out/a.jpg.png", "out/a.png.png", "out/b.c.png"]);
    }

    #[test]
    fn a_class_is_found_by_name_before_number() {
        let mut classes = Classes::default();
        let cat = classes.add("cat").unwrap();
        let seven = classes.add("0").unwrap();
        assert_eq!(find_class(&classes, "cat"), Some(cat));
        assert_eq!(find_class(&classes, &cat.to_string()), Some(cat));
        assert_eq!(find_class(&classes, "0"), Some(seven));
        assert_eq!(find_class(&classes, "dog"), None);
        assert_eq!(find_class(&classes, "999"), None);
    }
}
