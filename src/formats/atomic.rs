//! Writing files so that a crash, a full disk or a pulled plug leaves either
//! the old file or the new one, never half of one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::StoreError;
use super::protected::folder_of;

/// A new file, complete and on the disk, under a temporary name beside its
/// target. Dropping it removes it.
#[must_use = "a staged file appears only when it is committed"]
pub(super) struct Staged {
    file: NamedTempFile,
    target: PathBuf,
}

/// Write a file's content under a temporary name in the target's folder, which
/// is created where it is missing (its parent is not).
pub(super) fn stage(target: &Path, content: &[u8]) -> Result<Staged, StoreError> {
    stage_with(target, |file| file.write_all(content))
}

/// As [`stage`], with a function that writes the content.
pub(super) fn stage_with(
    target: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Staged, StoreError> {
    stage_file(target, |file| {
        write(file).map_err(|error| StoreError::write(target, &error))
    })
}

/// As [`stage_with`], for a function that goes back in the file, or fails in
/// ways of its own.
pub(super) fn stage_file<E: From<StoreError>>(
    target: &Path,
    write: impl FnOnce(&mut fs::File) -> Result<(), E>,
) -> Result<Staged, E> {
    let refused = |error: io::Error| StoreError::write(target, &error);
    let folder = folder_of(target);
    if !folder.is_dir() {
        fs::create_dir(folder).map_err(refused)?;
    }
    let mut file = new_file(folder).map_err(refused)?;
    write(file.as_file_mut())?;
    file.as_file().sync_all().map_err(refused)?;
    Ok(Staged {
        file,
        target: target.to_owned(),
    })
}

impl Staged {
    /// Give the file its name, replacing what had it. The folder is to be
    /// [synced](sync_folder) afterwards.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        let Self { file, target } = self;
        match file.persist(&target) {
            Ok(_) => Ok(()),
            Err(error) => Err(StoreError::write(&target, &error.error)),
        }
    }
}

/// Replace one file.
pub(super) fn write(target: &Path, content: &[u8]) -> Result<(), StoreError> {
    stage(target, content)?.commit()?;
    sync_folder(folder_of(target));
    Ok(())
}

/// Make sure that renames in a folder outlast a power cut, where the system
/// can. Failing means that it cannot, which is no reason to call a save failed:
/// the content was synced before.
pub(super) fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    }
}

/// A temporary file with the permissions that a new file usually gets; the
/// default ones would let nobody else read the labels.
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".patchlens-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // the process's umask is applied to it
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}
