//! What tensors lie in: bytes in memory, or a file that is read piece by piece.

use crate::models::ModelError;
use std::borrow::Cow;
use std::fs::File;
use std::io::{Error, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A file or bytes.
pub(super) struct Source {
    name: String,
    length: u64,
    bytes: Bytes,
}

enum Bytes {
    Memory(Cow<'static, [u8]>),
    File(Mutex<File>),
}

impl Source {
    /// Bytes in memory; `name` is for errors.
    pub fn memory(bytes: Cow<'static, [u8]>, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            length: bytes.len() as u64,
            bytes: Bytes::Memory(bytes),
        }
    }

    /// A plain file.
    ///
    /// # Errors
    /// [`ModelError::Read`].
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let failed = |error: Error| ModelError::Read {
            path: path.to_owned(),
            why: error.to_string(),
        };
        // Before opening: that of a pipe would wait for somebody to write.
        let meta = path.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(failed(Error::other("it is not a file")));
        }
        Ok(Self {
            name: path.display().to_string(),
            length: meta.len(),
            bytes: Bytes::File(Mutex::new(File::open(path).map_err(failed)?)),
        })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// `length` bytes from `start` on. Nothing is allocated for bytes that are
    /// not there.
    ///
    /// # Errors
    /// [`ModelError::Read`].
    pub fn read(&self, start: u64, length: usize) -> Result<Cow<'_, [u8]>, ModelError> {
        let failed = |error: Error| ModelError::Read {
            path: self.name.clone().into(),
            why: error.to_string(),
        };
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(failed(Error::other("it is shorter than it claims")));
        }
        match &self.bytes {
            Bytes::Memory(bytes) => Ok((&bytes[start as usize..][..length]).into()),
            Bytes::File(file) => {
                let mut bytes = vec![0; length];
                // A thread that panicked has left no state but the position.
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(start))
                    .and_then(|_| file.read_exact(&mut bytes))
                    .map_err(failed)?;
                Ok(bytes.into())
            }
        }
    }

    /// The first bytes, up to `most`.
    ///
    /// # Errors
    /// [`ModelError::Read`].
    pub fn head(&self, most: usize) -> Result<Cow<'_, [u8]>, ModelError> {
        self.read(0, most.min(usize::try_from(self.length).unwrap_or(most)))
    }

    /// Whether this is what Git leaves in place of a large file that was not
    /// fetched.
    pub fn is_pointer(&self) -> bool {
        const BEGINNING: &[u8] = b"version https://git-lfs";
        self.head(BEGINNING.len())
            .is_ok_and(|head| *head == *BEGINNING)
    }
}

/// What is wrong with a Git LFS pointer.
pub(super) const POINTER: &str =
    "it is a pointer of Git LFS to the real file, which `git lfs pull` fetches";
