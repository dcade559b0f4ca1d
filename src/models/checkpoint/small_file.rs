//! Reading files that ought to be small.

use crate::models::ModelError;
use std::fs::File;
use std::io::{Error, Read};
use std::path::Path;

/// The bytes of a file of at most `limit` bytes.
///
/// # Errors
/// [`ModelError::Read`] if it is larger, not a plain file, or cannot be read.
pub(in crate::models) fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>, ModelError> {
    let bytes = read_head(path, limit + 1)?;
    if bytes.len() as u64 > limit {
        return Err(ModelError::Read {
            path: path.to_owned(),
            why: format!("it is larger than {} MiB", limit.div_ceil(1 << 20)),
        });
    }
    Ok(bytes)
}

/// The first `limit` bytes of a file, or all if there are fewer.
///
/// # Errors
/// [`ModelError::Read`] if it is not a plain file or cannot be read.
pub(in crate::models) fn read_head(path: &Path, limit: u64) -> Result<Vec<u8>, ModelError> {
    let failed = |error: Error| ModelError::Read {
        path: path.to_owned(),
        why: error.to_string(),
    };
    // Before opening: that of a pipe would wait for somebody to write.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(failed(Error::other("it is not a file")));
    }
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
