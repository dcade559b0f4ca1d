//! A folder of photos as a data set: where each photo's labels lie, which
//! photos there are, and in which order.
//!
//! Nothing here reads or writes labels; [`formats`](crate::formats) does, at
//! the places that [`LabelPaths`] names.

mod order;
mod paths;
mod scan;

#[cfg(test)]
mod tests;

pub use order::natural_order;
pub use paths::LabelPaths;
pub use scan::{PhotoEntry, PhotoStatus, scan};

/// Why a folder could not be used as a data set.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The folder does not exist.
    #[error("the folder {folder} does not exist: check the name, or whether its disk is connected")]
    Missing {
        /// The folder, for showing.
        folder: String,
    },
    /// The path is no folder.
    #[error("{folder} is not a folder: open it as a photo, or choose the folder that it is in")]
    NotAFolder {
        /// The path, for showing.
        folder: String,
    },
    /// The operating system refused to list it.
    #[error("the folder {folder} cannot be listed ({why}): check its permissions and its disk")]
    Unreadable {
        /// The folder, for showing.
        folder: String,
        /// What the operating system said.
        why: String,
    },
    /// A path like "/" or "..", which names no file.
    #[error("{path} names no photo: choose a file")]
    NoName {
        /// The path, for showing.
        path: String,
    },
}
