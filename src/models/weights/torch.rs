//! Checkpoints that `torch.save` wrote (PyTorch 1.6 and later): an archive of a
//! pickle, which says which tensors there are, and one member per storage.

use super::pickle::{self, Described};
use super::source::{POINTER, Source};
use super::zip::Archive;
use super::{Entries, Entry, ModelError};
use safetensors::Dtype;

/// The largest pickle that is read, in bytes: some 10,000 tensors take 2 MB.
const MAX_PICKLE: u64 = 16 << 20;
/// How files of PyTorch before 1.6 begin: a pickle of a magic number.
const OLD: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9";

/// The tensors of a PyTorch checkpoint, with `source` 0.
///
/// # Errors
/// [`ModelError::NotTorch`].
pub(super) fn entries(source: &Source) -> Result<Entries, ModelError> {
    read(source).map_err(|why| ModelError::NotTorch {
        file: source.name().to_owned(),
        why,
    })
}

/// How often, on average, a file's bytes may be used by its tensors.
const MOST_SHARING: u64 = 4;

fn read(source: &Source) -> Result<Entries, String> {
    let head = source.head(OLD.len()).map_err(|error| error.to_string())?;
    if !head.starts_with(b"PK\x03\x04") {
        return Err(match () {
            () if source.is_pointer() => POINTER,
            () if *head == *OLD => "it was saved by PyTorch before 1.6 or in the old format",
            () => "it is no archive",
        }
        .to_owned());
    }
    let archive = Archive::read(source)?;
    let mut pickles = archive
        .names()
        .filter_map(|name| name.strip_suffix("data.pkl"));
    let folder = match (pickles.next(), pickles.next()) {
        (Some(folder), None) => folder.to_owned(),
        (None, _) => return Err("its archive has no data.pkl".to_owned()),
        _ => return Err("its archive has several data.pkl".to_owned()),
    };
    if let Some(order) = member(source, &archive, &format!("{folder}byteorder"), 16)?
        && *order != *b"little"
    {
        return Err("its numbers are big-endian".to_owned());
    }
    let pickle = member(source, &archive, &format!("{folder}data.pkl"), MAX_PICKLE)?;
    let tensors = pickle::tensors(&pickle.unwrap_or_default())?;
    let entries: Entries = tensors
        .into_iter()
        .map(|tensor| {
            let entry = entry(&archive, &folder, &tensor)
                .map_err(|why| format!("tensor {}: {why}", tensor.name))?;
            Ok((tensor.name, entry))
        })
        .collect::<Result<_, String>>()?;
    // Tensors may share a storage, as tied weights do, but not all of them.
    let claimed = entries.values().map(|entry| entry.length as u64);
    let claimed = claimed.fold(0, u64::saturating_add);
    if claimed > source.len().saturating_mul(MOST_SHARING) {
        return Err(format!(
            "its tensors claim {claimed} bytes, it has {}",
            source.len()
        ));
    }
    Ok(entries)
}

/// The bytes of a member, if there is one of this name.
fn member<'a>(
    source: &'a Source,
    archive: &Archive<'_>,
    name: &str,
    most: u64,
) -> Result<Option<std::borrow::Cow<'a, [u8]>>, String> {
    let Some((start, length)) = archive.find(name)? else {
        return Ok(None);
    };
    if length > most {
        return Err(format!("{name} in its archive has {length} bytes"));
    }
    let bytes = source.read(start, length as usize);
    bytes.map(Some).map_err(|error| error.to_string())
}

/// Where a tensor lies, which is inside its storage.
fn entry(archive: &Archive<'_>, folder: &str, tensor: &Described) -> Result<Entry, String> {
    let storage = format!("{folder}data/{}", tensor.storage);
    let found = archive.find(&storage)?;
    let (start, length) = found.ok_or_else(|| format!("{storage} is not in its archive"))?;
    let beyond = || format!("it reaches beyond its storage of {length} bytes");
    let width = tensor.dtype.bitsize() / 8;
    let (count, span) = extent(&tensor.shape, &tensor.strides).ok_or_else(beyond)?;
    let bytes = |values: usize| values.checked_mul(width).map(|bytes| bytes as u64);
    let (offset, size) = bytes(tensor.offset).zip(bytes(span)).ok_or_else(beyond)?;
    // Values that are used more than once would let it claim more than there is.
    let inside = offset.checked_add(size).is_some_and(|end| end <= length);
    if !inside || count > span {
        return Err(beyond());
    }
    let strided = !is_row_major(&tensor.shape, &tensor.strides);
    Ok(Entry {
        source: 0,
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
        start: start + offset,
        length: size as usize,
        strides: strided.then(|| tensor.strides.clone()),
    })
}

/// Number of values, and how many values lie from the first to the last.
fn extent(shape: &[usize], strides: &[usize]) -> Option<(usize, usize)> {
    let count = shape
        .iter()
        .try_fold(1usize, |product, side| product.checked_mul(*side))?;
    if count == 0 {
        return Some((0, 0));
    }
    let span = shape
        .iter()
        .zip(strides)
        .try_fold(1usize, |span, (side, stride)| {
            span.checked_add(stride.checked_mul(side - 1)?)
        })?;
    Some((count, span))
}

fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1usize;
    shape.iter().zip(strides).rev().all(|(side, stride)| {
        let fits = *side <= 1 || *stride == expected;
        expected = expected.saturating_mul(*side);
        fits
    })
}

/// The kind of numbers in a storage of that class of `torch`.
pub(super) fn dtype(storage: &str) -> Option<Dtype> {
    Some(match storage {
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "DoubleStorage" => Dtype::F64,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::BOOL,
        _ => return None,
    })
}
