//! What this process knows of the label files on disk.
//!
//! A save may only replace files whose content this process read or wrote
//! itself. The checksums at opening and after saving are remembered here, per
//! photo, for the life of the process: documents are plain values that pass
//! through undo lists and threads, and must not carry the state of a disk.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::record::checksum;
use crate::dataset::LabelPaths;
use crate::label::Classes;

/// The three files of one photo; `None` where a file does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Three<T> {
    pub labels: Option<T>,
    pub instances: Option<T>,
    pub record: Option<T>,
}

/// What was last read from, or written to, a photo's files.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Known {
    /// Their checksums.
    pub checksums: Three<String>,
    /// The folder's classes at that time; `None` where it had none.
    pub classes: Option<Classes>,
}

static KNOWN: LazyLock<Mutex<HashMap<PathBuf, Known>>> = LazyLock::new(Mutex::default);

fn all() -> MutexGuard<'static, HashMap<PathBuf, Known>> {
    // entries are inserted whole: a panic elsewhere cannot leave half of one
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same photo by another path is the same photo.
fn key(paths: &LabelPaths) -> PathBuf {
    let folder = fs::canonicalize(&paths.folder).unwrap_or_else(|_| paths.folder.clone());
    folder.join(paths.record.file_name().unwrap_or_default())
}

pub(super) fn recall(paths: &LabelPaths) -> Option<Known> {
    all().get(&key(paths)).cloned()
}

pub(super) fn remember(paths: &LabelPaths, known: Known) {
    all().insert(key(paths), known);
}

pub(super) fn forget(paths: &LabelPaths) {
    all().remove(&key(paths));
}

impl Three<Vec<u8>> {
    /// Read the files of a photo, none of which may have more than `most` bytes.
    pub(super) fn read(paths: &LabelPaths, most: u64) -> Result<Self, StoreError> {
        Ok(Self {
            labels: read(&paths.labels, most)?,
            instances: read(&paths.instances, most)?,
            record: read(&paths.record, most)?,
        })
    }

    pub(super) fn checksums(&self) -> Three<String> {
        let of = |data: &Option<Vec<u8>>| data.as_deref().map(checksum);
        Three {
            labels: of(&self.labels),
            instances: of(&self.instances),
            record: of(&self.record),
        }
    }
}

/// The bytes that label files of a photo of this size may have: uncompressed
/// 16-bit RGBA, and room for what PNG files carry along.
pub(super) fn most_bytes(width: u32, height: u32) -> u64 {
    (u64::from(width) * u64::from(height) * 8).saturating_add(16 << 20)
}

/// A whole file; `None` where there is none.
pub(super) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
                _ => Err(StoreError::read(path, &error)),
            };
        }
    };
    let mut data = Vec::new();
    let failed = |error: io::Error| StoreError::read(path, &error);
    file.take(most + 1).read_to_end(&mut data).map_err(failed)?;
    if data.len() as u64 > most {
        return Err(StoreError::Read {
            file: path.display().to_string(),
            why: format!(
                "it has more than {} MiB, too many for this photo",
                most >> 20
            ),
        });
    }
    Ok(Some(data))
}
