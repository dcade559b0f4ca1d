//! Why labels could not be read or written, worded for the person at work.

use std::io;
use std::path::Path;

use crate::dataset::DatasetError;

/// Why labels could not be read or written. Files that were there before are
/// untouched in every case.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// More segments than a segment map can number.
    #[error(
        "a segment map holds at most 65535 segments, and there are {count}: use class maps alone"
    )]
    TooManySegments {
        /// How many there are.
        count: usize,
    },
    /// The photo's place is no place for labels.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The operating system refused to write.
    #[error("{file} cannot be written: {advice}")]
    Write {
        /// The file, for showing.
        file: String,
        /// What the matter is and what to do.
        advice: String,
    },
    /// The operating system refused to read.
    #[error("{file} cannot be read ({why}): check its permissions and its disk")]
    Read {
        /// The file, for showing.
        file: String,
        /// What the operating system said.
        why: String,
    },
    /// There are labels that were not opened, or could not be.
    #[error(
        "{file} was there before and was not opened for editing, so it is not overwritten: \
         move it elsewhere, then save again"
    )]
    NotOpened {
        /// The file, for showing.
        file: String,
    },
    /// The labels changed on disk since they were opened.
    #[error(
        "{file} was changed by another program since it was opened, so it is not overwritten: \
         move it elsewhere and save again, or open the photo anew to go on from that version"
    )]
    ChangedOnDisk {
        /// The file, for showing.
        file: String,
    },
    /// `patchlens.json` is not as this program writes it.
    #[error(
        "{file} cannot be understood ({why}), so nothing is written: repair it or move it elsewhere"
    )]
    FolderFile {
        /// The file, for showing.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A class number was given two meanings at the same time.
    #[error(
        "class {id} is \"{theirs}\" in {file} by now and \"{ours}\" in this photo, so nothing is \
         written: rename the class here, or open the photo anew"
    )]
    ClassConflict {
        /// The class number.
        id: u8,
        /// Its name in the photo being saved.
        ours: String,
        /// Its name in the folder.
        theirs: String,
        /// `patchlens.json`, for showing.
        file: String,
    },
    /// The unsaved edits kept for a crash cannot be read.
    #[error(
        "the unsaved edits in {file} are damaged ({why}) and were left aside: \
         the labels are those saved last"
    )]
    Journal {
        /// The journal, for showing.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The labels are no longer those that the unsaved edits were made on.
    #[error(
        "the labels of {photo} were changed by another program after edits that were never saved: \
         the labels are the newer ones, and the edits were left aside in {file}; to go on with \
         those instead, put back the labels they were made on and rename that file to {name}"
    )]
    StaleJournal {
        /// The photo's file name, for showing.
        photo: String,
        /// Where the edits are now, for showing.
        file: String,
        /// The name that the journal goes by, for showing.
        name: String,
    },
    /// An export to a name of another format.
    #[error(
        "{file} does not end in .{extension}, the format of this export: choose a name that does"
    )]
    OtherFormat {
        /// The file, for showing.
        file: String,
        /// What it should end in.
        extension: &'static str,
    },
    /// An export over the photo itself.
    #[error("{file} is the photo itself, which is never written: choose another name")]
    OverPhoto {
        /// The file, for showing.
        file: String,
    },
    /// An export over a photo.
    #[error("{file} is a photo that you work with, which is never written: choose another name")]
    OverOtherPhoto {
        /// The file, for showing.
        file: String,
    },
    /// An export among the label files.
    #[error(
        "{file} is in a folder of saved labels, where exports could overwrite them: \
         export into another folder"
    )]
    OverLabels {
        /// The file, for showing.
        file: String,
    },
    /// An export into a folder that there is not.
    #[error("there is no folder {folder} to export into: create it or choose another place")]
    NoFolder {
        /// The folder, for showing.
        folder: String,
    },
    /// A class to be exported that there is not.
    #[error("there is no class {id} to export: choose one of the list of classes")]
    NoClass {
        /// The class number.
        id: u8,
    },
    /// Photo and labels of different sizes.
    #[error(
        "the labels are {labels} pixels and the photo {photo}, so they cannot be drawn together: \
         open the photo anew"
    )]
    SizeMismatch {
        /// Width × height of the labels.
        labels: String,
        /// Width × height of the photo.
        photo: String,
    },
    /// A file that is no label map.
    #[error("{why}")]
    Unfit {
        /// The file and what is wrong with it: a sentence.
        why: String,
    },
    /// A picture could not be encoded.
    #[error("the picture for {file} cannot be made ({why}): close other programs and try again")]
    Encode {
        /// What the picture is for.
        file: String,
        /// What the encoder said.
        why: String,
    },
}

impl StoreError {
    pub(super) fn write(path: &Path, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "the disk is full; free some space and try again".to_owned()
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "the folder is read-only; allow writing to it and try again, or copy the photos to \
                 another folder"
                    .to_owned()
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                "a file is where a folder should be; move it elsewhere and try again".to_owned()
            }
            io::ErrorKind::NotFound => {
                "the folder is gone; check whether its disk is connected and try again".to_owned()
            }
            _ => format!("{error}; check the disk and try again"),
        };
        Self::Write {
            file: path.display().to_string(),
            advice,
        }
    }

    pub(super) fn read(path: &Path, error: &io::Error) -> Self {
        Self::Read {
            file: path.display().to_string(),
            why: error.to_string(),
        }
    }
}
