//! The journal: unsaved edits, kept so that a crash does not take them.
//!
//! One file per photo, `.patchlens/journal/NAME.journal`:
//! ```text
//! "PLJ1"            4 bytes
//! checksum          32 bytes, SHA-256 of all that follows
//! header length     4 bytes, little-endian
//! header            JSON: size, segments, classes
//! segment map       16-bit grey PNG
//! ```

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::raster::{self, Raster};
use super::record::{self, Record, SegmentEntry, checksum, entries, records};
use super::{StoreError, atomic, instance_map_png, known};
use crate::dataset::LabelPaths;
use crate::document::Document;
use crate::label::{Classes, LabelMap};

const MAGIC: &[u8; 4] = b"PLJ1";

/// A byte of deflate makes at most about a thousand; a header that claims more
/// pixels than that lies.
const MOST_EXPANSION: u64 = 1100;

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    width: u32,
    height: u32,
    segments: Vec<SegmentEntry>,
    classes: Classes,
}

/// Keep the edits of a photo that are not saved yet.
pub fn save_journal(photo_path: &Path, document: &Document) -> Result<(), StoreError> {
    let paths = LabelPaths::for_photo(photo_path)?;
    write(&paths, document, &instance_map_png(document)?)
}

/// The edits of a photo that were kept and are not saved; `None` where there
/// are none. A journal that cannot be read is an error, and stays where it is.
pub fn load_journal(photo_path: &Path) -> Result<Option<Document>, StoreError> {
    let paths = LabelPaths::for_photo(photo_path)?;
    let Some(journal) = read(&paths)? else {
        return Ok(None);
    };
    Ok((!is_saved(&paths, &journal)).then_some(journal.document))
}

/// Forget the kept edits of a photo. It is no error if there are none.
pub fn drop_journal(photo_path: &Path) -> Result<(), StoreError> {
    remove(&LabelPaths::for_photo(photo_path)?)
}

pub(super) fn remove(paths: &LabelPaths) -> Result<(), StoreError> {
    match fs::remove_file(&paths.journal) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(()),
        Err(error) => Err(StoreError::write(&paths.journal, &error)),
    }
}

/// Write the journal of a document whose segment map is encoded already.
pub(super) fn write(
    paths: &LabelPaths,
    document: &Document,
    instances: &[u8],
) -> Result<(), StoreError> {
    let header = Header {
        version: record::VERSION,
        width: document.width(),
        height: document.height(),
        segments: entries(document),
        classes: Classes::clone(document.classes()),
    };
    let failed = |why: &dyn std::fmt::Display| StoreError::Encode {
        file: "the journal".to_owned(),
        why: why.to_string(),
    };
    let header = serde_json::to_vec(&header).map_err(|error| failed(&error))?;
    let length = u32::try_from(header.len()).map_err(|error| failed(&error))?;
    let mut body = length.to_le_bytes().to_vec();
    body.extend(header);
    body.extend(instances);
    let sum = Sha256::digest(&body);
    let journals = paths.journal.parent();
    if let Some(hidden) = journals
        .and_then(Path::parent)
        .filter(|hidden| !hidden.is_dir())
    {
        fs::create_dir(hidden).map_err(|error| StoreError::write(hidden, &error))?;
    }
    let staged = atomic::stage_with(&paths.journal, |file| {
        file.write_all(MAGIC)?;
        file.write_all(&sum)?;
        file.write_all(&body)
    })?;
    staged.commit()?;
    journals.into_iter().for_each(atomic::sync_folder);
    Ok(())
}

/// A journal that was read.
pub(super) struct Journal {
    pub document: Document,
    /// Checksum of its segment map's PNG.
    instances: String,
    segments: Vec<SegmentEntry>,
}

/// Read and verify a photo's journal.
pub(super) fn read(paths: &LabelPaths) -> Result<Option<Journal>, StoreError> {
    let Some(data) = known::read(&paths.journal, u64::MAX - 1)? else {
        return Ok(None);
    };
    let parsed = parse(&data, &paths.journal).map_err(|why| StoreError::Journal {
        file: paths.journal.display().to_string(),
        why,
    })?;
    Ok(Some(parsed))
}

fn parse(data: &[u8], path: &Path) -> Result<Journal, String> {
    let cut = || "it ends too early".to_owned();
    let rest = data.strip_prefix(MAGIC).ok_or("it is no journal")?;
    let (sum, body) = rest.split_at_checked(32).ok_or_else(cut)?;
    if Sha256::digest(body).as_slice() != sum {
        return Err("its checksum is wrong".to_owned());
    }
    let (length, rest) = body.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (header, png) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header: Header = serde_json::from_slice(header).map_err(|error| error.to_string())?;
    if header.version > record::VERSION {
        return Err("a later PatchLens wrote it".to_owned());
    }
    let (width, height) = (header.width, header.height);
    let claimed = u64::from(width) * u64::from(height) * 2;
    if claimed > png.len() as u64 * MOST_EXPANSION {
        return Err(format!("it cannot hold {width} × {height} pixels"));
    }
    let Raster::Words(ids) = raster::decode(png, (width, height), path)? else {
        return Err("its segment map is not 16-bit grey".to_owned());
    };
    let labels = LabelMap::from_ids(width, height, &ids);
    let document = Document::from_parts(labels, records(&header.segments), header.classes)
        .map_err(|error| error.to_string())?;
    Ok(Journal {
        document,
        instances: checksum(png),
        segments: header.segments,
    })
}

/// Whether the saved files hold what the journal does: then a crash came
/// between the save and the removal of its journal.
fn is_saved(paths: &LabelPaths, journal: &Journal) -> bool {
    let saved = fs::read(&paths.record)
        .ok()
        .and_then(|text| serde_json::from_slice::<Record>(&text).ok());
    saved.is_some_and(|record| {
        record.instances_sha256 == journal.instances && record.segments == journal.segments
    })
}
