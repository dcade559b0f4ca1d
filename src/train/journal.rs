//! The log of a training: one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::TrainError;

/// A file of lines. A run that is continued cuts off what was written after its
/// checkpoint, because it will write that again.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Log {
    /// Open the log and go on after `length` bytes.
    pub fn open(path: &Path, length: u64) -> Result<Self, TrainError> {
        let open = || {
            let mut options = OpenOptions::new();
            let options = options.create(true).truncate(false).read(true).write(true);
            let mut file = options.open(path)?;
            let length = length.min(file.metadata()?.len());
            file.set_len(length)?;
            file.seek(SeekFrom::End(0))?;
            Ok((file, length))
        };
        let (file, length) = open().map_err(|error| Self::refused(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
        })
    }

    pub fn write(&mut self, line: &impl Serialize) -> Result<(), TrainError> {
        let text = serde_json::to_string(line).map(|text| text + "\n");
        let text = text.map_err(|error| TrainError::data(&self.path, error.to_string()))?;
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| Self::refused(&self.path, &error))?;
        self.length += text.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    fn refused(path: &Path, error: &std::io::Error) -> TrainError {
        TrainError::data(path, format!("the log cannot be written ({error})"))
    }
}
