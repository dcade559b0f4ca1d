//! What an export must never replace.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::dataset::LabelPaths;
use crate::photo::is_photo_path;

/// The folders beside a photo that hold labels or unsaved edits.
const KEPT: [&str; 3] = ["labels", "instances", ".patchlens"];

/// Files that an export must never replace: the photos being worked with, all
/// that is in the folders of their labels, and other photos that have labels.
#[derive(Debug)]
pub struct Protected {
    photos: HashSet<PathBuf>,
    folders: HashSet<PathBuf>,
}

impl Protected {
    /// Protect these photos and their labels.
    pub fn of<'a>(photos: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut protected = Self {
            photos: HashSet::new(),
            folders: HashSet::new(),
        };
        for photo in photos {
            // the photo's folder by the given path, and where a link leads to
            let real = resolved(photo);
            for folder in [folder_of(photo), folder_of(&real)] {
                let kept = KEPT.map(|name| resolved(&folder.join(name)));
                protected.folders.extend(kept);
            }
            protected.photos.insert(real);
        }
        protected
    }

    /// Whether an export may write to `target`.
    ///
    /// # Errors
    /// If it may not, for the user.
    pub fn check(&self, target: &Path) -> Result<(), StoreError> {
        let file = target.display().to_string();
        let real = resolved(target);
        // by its folder too: a link is replaced itself, not what it leads to
        let mut places = [resolved(folder_of(target)), real.clone()].into_iter();
        if places.any(|place| place.ancestors().any(|part| self.folders.contains(part))) {
            return Err(StoreError::OverLabels { file });
        }
        if self.photos.contains(&real) {
            return Err(if self.photos.len() == 1 {
                StoreError::OverPhoto { file }
            } else {
                StoreError::OverOtherPhoto { file }
            });
        }
        if is_photo_path(target) && target.exists() && has_labels(target) {
            return Err(StoreError::OverOtherPhoto { file });
        }
        Ok(())
    }
}

fn has_labels(photo: &Path) -> bool {
    LabelPaths::for_photo(photo).is_ok_and(|paths| {
        let files = [paths.labels, paths.instances, paths.record, paths.journal];
        files.iter().any(|file| file.exists())
    })
}

/// The folder that a file is in.
pub(super) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A path without links and detours, as far as it exists.
pub(super) fn resolved(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if parent != Path::new("") => resolved(parent).join(name),
        (_, Some(name)) => resolved_here(name),
        _ => path.to_owned(),
    }
}

fn resolved_here(name: &OsStr) -> PathBuf {
    Path::new(".").canonicalize().unwrap_or_default().join(name)
}
