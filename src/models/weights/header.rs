//! The header of a safetensors file.

use super::source::{POINTER, Source};
use super::{Entries, Entry, ModelError};
use safetensors::tensor::Metadata;

/// The largest header that is read: some 40,000 tensors.
const MAX_HEADER: u64 = 4 << 20;
/// Bytes that hold the header's length.
const LENGTH: u64 = 8;

/// The tensors of a safetensors file, with `source` 0. The header is checked:
/// the tensors lie one after the other and fill the file.
///
/// # Errors
/// [`ModelError::NotSafetensors`].
pub(super) fn entries(source: &Source) -> Result<Entries, ModelError> {
    let unusable = |why: String| ModelError::NotSafetensors {
        file: source.name().to_owned(),
        why,
    };
    if source.is_pointer() {
        return Err(unusable(POINTER.to_owned()));
    }
    let head = source.head(LENGTH as usize)?;
    let Some(length) = head.first_chunk::<{ LENGTH as usize }>() else {
        return Err(unusable(format!("it has {} bytes only", source.len())));
    };
    let length = u64::from_le_bytes(*length);
    if length > source.len() - LENGTH {
        let held = source.len();
        return Err(unusable(format!(
            "its header claims {length} bytes, the file has {held}"
        )));
    }
    if length > MAX_HEADER {
        return Err(unusable(format!("its header has {} MiB", length >> 20)));
    }
    let header = source.read(LENGTH, length as usize)?;
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| unusable(first_line(&error.to_string())))?;
    let data = LENGTH + length;
    let claimed = metadata.data_len() as u64;
    if data.checked_add(claimed) != Some(source.len()) {
        let held = source.len() - data;
        return Err(unusable(format!(
            "its tensors take {claimed} bytes, the file has {held}"
        )));
    }
    let entries = metadata.offset_keys().into_iter().filter_map(move |name| {
        let info = metadata.info(&name)?;
        let (start, end) = info.data_offsets;
        let entry = Entry {
            source: 0,
            dtype: info.dtype,
            shape: info.shape.clone(),
            start: data + start as u64,
            length: end - start,
            strides: None,
        };
        Some((name, entry))
    });
    Ok(entries.collect())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
