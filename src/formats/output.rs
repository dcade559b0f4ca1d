//! Results of asking a model, in files: written whole or not at all.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::atomic::{self, Staged};
use super::protected::folder_of;

/// Write several files that belong together, replacing those of these names:
/// nothing appears under its name before all are on the disk.
///
/// # Errors
/// If one cannot be written.
pub fn write_files(files: &[(PathBuf, Vec<u8>)]) -> Result<(), StoreError> {
    let staged = files.iter().map(|(path, bytes)| atomic::stage(path, bytes));
    let staged: Vec<Staged> = staged.collect::<Result<_, _>>()?;
    staged.into_iter().try_for_each(Staged::commit)?;
    let mut folders: Vec<&Path> = files.iter().map(|(path, _)| folder_of(path)).collect();
    folders.dedup();
    folders.into_iter().for_each(atomic::sync_folder);
    Ok(())
}

/// A file that is being written.
pub struct OutputFile<'f> {
    file: &'f mut File,
    target: &'f Path,
}

impl OutputFile<'_> {
    /// Write where the last writing ended.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| StoreError::write(self.target, &error))
    }

    /// Go on writing at the beginning.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn rewind(&mut self) -> Result<(), StoreError> {
        let moved = self.file.rewind();
        moved.map_err(|error| StoreError::write(self.target, &error))
    }
}

/// Write one file that is too large to be put together in memory, replacing the
/// one of this name when `write` has succeeded.
///
/// # Errors
/// Those of `write`, and if the system refuses.
pub fn write_file_with<E: From<StoreError>>(
    target: &Path,
    write: impl FnOnce(&mut OutputFile<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let staged = atomic::stage_file(target, |file| write(&mut OutputFile { file, target }))?;
    staged.commit()?;
    atomic::sync_folder(folder_of(target));
    Ok(())
}
