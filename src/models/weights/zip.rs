//! The directory of a ZIP archive whose members are stored, not compressed, as
//! `torch.save` writes them: enough to find where each one lies.
//!
//! Source: PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5.3 (ZIP64).

use super::source::Source;
use std::collections::HashMap;

/// The largest directory that is read, in bytes.
const MAX_DIRECTORY: u64 = 16 << 20;
/// Length of the record at the end, without its comment.
const END: usize = 22;
/// The longest comment, and the ZIP64 locator before the end.
const BEFORE_END: usize = 65_535 + 20;
/// Length of a member's header in front of its data, without its name.
const LOCAL: usize = 30;

/// The members of an archive, by name.
pub(super) struct Archive<'a> {
    source: &'a Source,
    members: HashMap<String, Member>,
}

/// One member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    /// Where its local header is.
    header: u64,
    size: u64,
    /// Neither compressed nor encrypted.
    stored: bool,
}

impl<'a> Archive<'a> {
    /// Read the directory.
    ///
    /// # Errors
    /// What is wrong with the archive.
    pub fn read(source: &'a Source) -> Result<Self, String> {
        let (start, length) = directory(source)?;
        if length > MAX_DIRECTORY {
            return Err(format!("its directory has {} MiB", length >> 20));
        }
        let bytes = piece(source, start, length as usize)?;
        let mut members = HashMap::new();
        let mut rest = &*bytes;
        while rest.starts_with(b"PK\x01\x02") {
            let (name, member, length) =
                member(rest).ok_or("the directory of its archive is damaged")?;
            members.insert(name, member);
            rest = &rest[length..];
        }
        Ok(Self { source, members })
    }

    /// The names of all members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// First byte and length of a member's data, which lie in the file; `None`
    /// if there is no such member.
    ///
    /// # Errors
    /// What is wrong with the member.
    pub fn find(&self, name: &str) -> Result<Option<(u64, u64)>, String> {
        let Some(member) = self.members.get(name) else {
            return Ok(None);
        };
        if !member.stored {
            return Err(format!("{name} in its archive is compressed"));
        }
        let header = piece(self.source, member.header, LOCAL)?;
        let lengths = number(&header, 26, 2).zip(number(&header, 28, 2));
        let lengths = lengths.filter(|_| header.starts_with(b"PK\x03\x04"));
        let (name_length, extra) = lengths.ok_or("the directory of its archive is damaged")?;
        let start = member.header + LOCAL as u64 + name_length + extra;
        let end = start.checked_add(member.size);
        if end.is_none_or(|end| end > self.source.len()) {
            return Err(format!(
                "{name} in its archive reaches beyond the end of the file"
            ));
        }
        Ok(Some((start, member.size)))
    }
}

/// Where the directory begins and how long it is, from the records at the end.
fn directory(source: &Source) -> Result<(u64, u64), String> {
    let length = source.len().min((END + BEFORE_END) as u64);
    let tail_start = source.len() - length;
    let tail = piece(source, tail_start, length as usize)?;
    let missing = || "its archive has no end; the file is cut off".to_owned();
    let ends = tail.windows(4).rposition(|four| four == b"PK\x05\x06");
    let end = ends.ok_or_else(missing)?;
    let record = tail[end..].get(..END).ok_or_else(missing)?;
    let (size, start) = number(record, 12, 4)
        .zip(number(record, 16, 4))
        .ok_or_else(missing)?;
    let locator = end.checked_sub(20).map(|at| &tail[at..end]);
    match locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
        Some(locator) => {
            let at = number(locator, 8, 8).ok_or_else(missing)?;
            let record = piece(source, at, 56)?;
            let values = number(&record, 40, 8).zip(number(&record, 48, 8));
            let values = values.filter(|_| record.starts_with(b"PK\x06\x06"));
            let (size, start) = values.ok_or_else(missing)?;
            Ok((start, size))
        }
        None => Ok((start, size)),
    }
}

/// The first entry of a directory: its name, the member and the entry's length.
fn member(bytes: &[u8]) -> Option<(String, Member, usize)> {
    let lengths = [28, 30, 32].map(|at| number(bytes, at, 2));
    let [name_length, extra_length, comment] = lengths;
    let name_end = 46 + name_length? as usize;
    let extra_end = name_end + extra_length? as usize;
    let name = String::from_utf8_lossy(bytes.get(46..name_end)?).into_owned();
    let extra = bytes.get(name_end..extra_end)?;
    let (packed, size) = (number(bytes, 20, 4)?, number(bytes, 24, 4)?);
    let header = number(bytes, 42, 4)?;
    let mut long = zip64(extra);
    // Only the fields that do not fit into 32 bits are in the extra field.
    let mut widened = |value: u64| match value {
        0xffff_ffff => {
            let (eight, rest) = long.split_at_checked(8)?;
            long = rest;
            number(eight, 0, 8)
        }
        _ => Some(value),
    };
    let size = widened(size)?;
    let packed = widened(packed)?;
    let member = Member {
        header: widened(header)?,
        size,
        stored: number(bytes, 10, 2)? == 0 && number(bytes, 8, 2)? & 1 == 0 && packed == size,
    };
    let length = extra_end + comment? as usize;
    (length <= bytes.len()).then_some((name, member, length))
}

/// The ZIP64 part of an extra field; empty if there is none.
fn zip64(mut extra: &[u8]) -> &[u8] {
    while let Some((kind, length)) = number(extra, 0, 2).zip(number(extra, 2, 2)) {
        let end = 4 + length as usize;
        let Some(part) = extra.get(4..end) else {
            break;
        };
        if kind == 1 {
            return part;
        }
        extra = &extra[end..];
    }
    &[]
}

/// A little-endian number of `width` bytes (at most 8).
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}

fn piece(source: &Source, start: u64, length: usize) -> Result<std::borrow::Cow<'_, [u8]>, String> {
    source
        .read(start, length)
        .map_err(|_| "its archive reaches beyond the end of the file".to_owned())
}
