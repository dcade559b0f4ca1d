//! The folder that is open: its photos in order, and which one is shown.

use std::path::{Path, PathBuf};

use crate::dataset::PhotoEntry;

/// An opened folder.
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Its photos in natural order.
    pub photos: Vec<PhotoEntry>,
}

impl Folder {
    /// Where `photo` stands in the folder.
    pub fn position(&self, photo: &Path) -> Option<usize> {
        self.photos.iter().position(|entry| entry.path == photo)
    }

    /// The photo `by` places after `photo`, staying in the folder.
    pub fn neighbour(&self, photo: &Path, by: isize) -> Option<&Path> {
        let at = self.position(photo)?;
        let next = at.checked_add_signed(by)?;
        self.photos.get(next).map(|entry| entry.path.as_path())
    }
}
