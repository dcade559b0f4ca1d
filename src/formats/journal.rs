//! The journal: unsaved edits, kept so that a crash does not take them.
//!
//! One file per photo, `.patchlens/journal/NAME.journal`:
//! ```text
//! "PLJ1"            4 bytes
//! checksum          32 bytes, SHA-256 of all that follows
//! header length     4 bytes, little-endian
//! header            JSON: size, segments, classes, and the checksums of the
//!                   label files and the folder's classes the edits were made on
//! segment map       16-bit grey PNG
//! ```
//! Edits made on labels that another program has replaced since are not offered
//! again: saving them would undo that program's work. Their journal is kept
//! under another name, `NAME.stale-CHECKSUM`.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::class_map::class_ids;
use super::folder_file::FolderFile;
use super::known::{self, Known, Three};
use super::raster::{self, Raster};
use super::record::{self, Record, SegmentEntry, checksum, entries, hexadecimal, records};
use super::save::is_used_elsewhere;
use super::{StoreError, atomic, instance_map_png};
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
    /// What the edits were made on; nothing for a photo without labels.
    #[serde(default)]
    base: Known,
}

/// Keep the edits of a photo that are not saved yet.
pub fn save_journal(photo_path: &Path, document: &Document) -> Result<(), StoreError> {
    let paths = LabelPaths::for_photo(photo_path)?;
    let base = known::recall(&paths).unwrap_or_default();
    write(&paths, document, &instance_map_png(document)?, &base)
}

/// The edits of a photo that were kept and are not saved; `None` where there
/// are none. Changes that other photos made to the folder's classes meanwhile
/// are merged into them.
///
/// # Errors
/// A journal that cannot be read stays where it is. One whose edits were made on
/// labels, or classes, that another program replaced since is kept under another
/// name ([`StoreError::StaleJournal`]).
pub fn load_journal(photo_path: &Path) -> Result<Option<Document>, StoreError> {
    let paths = LabelPaths::for_photo(photo_path)?;
    let Some(journal) = read(&paths)? else {
        return Ok(None);
    };
    let (width, height) = (journal.document.width(), journal.document.height());
    let files = Three::read(&paths, known::most_bytes(width, height))?;
    if !journal.fits(&paths, &files) {
        return Err(set_aside(&paths, &journal));
    }
    let Some(folder) = FolderFile::load(&paths.settings)? else {
        return Ok(Some(journal.document));
    };
    let Some(classes) = journal.classes_in(&paths, &folder) else {
        return Err(set_aside(&paths, &journal));
    };
    if journal.is_recorded(files.record.as_deref()) && classes == folder.classes {
        // a crash came between the save and the removal of its journal
        return Ok(None);
    }
    journal.with_classes(&paths, classes).map(Some)
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

/// Keep a journal that no longer belongs to the labels where nothing reads or
/// overwrites it, and say so.
fn set_aside(paths: &LabelPaths, journal: &Journal) -> StoreError {
    let mut name = paths.journal.file_stem().unwrap_or_default().to_owned();
    // by its content, so that two of them do not take the same name
    name.push(format!(".stale-{}", &journal.checksum[..12]));
    let aside = paths.journal.with_file_name(name);
    // where the folder cannot be changed, nothing overwrites the journal either
    let moved = fs::rename(&paths.journal, &aside).is_ok();
    let file = if moved { &aside } else { &paths.journal };
    let name = paths.journal.file_name().unwrap_or_default();
    StoreError::StaleJournal {
        photo: paths.photo.display().to_string(),
        file: file.display().to_string(),
        name: name.display().to_string(),
    }
}

/// Write the journal of a document whose segment map is encoded already, made
/// on the labels that `base` knows.
pub(super) fn write(
    paths: &LabelPaths,
    document: &Document,
    instances: &[u8],
    base: &Known,
) -> Result<(), StoreError> {
    let header = Header {
        version: record::VERSION,
        width: document.width(),
        height: document.height(),
        segments: entries(document),
        classes: Classes::clone(document.classes()),
        base: base.clone(),
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
    /// Checksum of the journal.
    checksum: String,
    /// Checksum of its segment map's PNG.
    instances: String,
    segments: Vec<SegmentEntry>,
    /// What the edits were made on.
    base: Known,
}

impl Journal {
    /// Whether each of the photo's files is as it was when the edits were made,
    /// or as a save of the edits left it, or gone: then nothing is lost by going
    /// on with them.
    fn fits(&self, paths: &LabelPaths, files: &Three<Vec<u8>>) -> bool {
        let document = &self.document;
        let size = (document.width(), document.height());
        let base = &self.base.checksums;
        let labels = &files.labels;
        let instances = &files.instances;
        self.fits_record(files.record.as_deref())
            && is_as_before(instances.as_deref(), base.instances.as_deref(), |data| {
                checksum(data) == self.instances
            })
            && is_as_before(labels.as_deref(), base.labels.as_deref(), |data| {
                raster::decode(data, size, &paths.labels)
                    .is_ok_and(|map| map == Raster::Bytes(class_ids(document)))
            })
    }

    /// As for all files, for the record alone.
    pub(super) fn fits_record(&self, record: Option<&[u8]>) -> bool {
        let base = self.base.checksums.record.as_deref();
        is_as_before(record, base, |text| self.is_recorded(Some(text)))
    }

    /// Whether a record tells of a save of this document.
    fn is_recorded(&self, record: Option<&[u8]>) -> bool {
        let record = record.and_then(|text| serde_json::from_slice::<Record>(text).ok());
        record.is_some_and(|record| {
            record.instances_sha256 == self.instances && record.segments == self.segments
        })
    }

    /// The folder's classes as a save of this document would leave them; `None`
    /// where a class got another name both here and there.
    fn classes_in(&self, paths: &LabelPaths, folder: &FolderFile) -> Option<Classes> {
        let nothing = Classes::only_background();
        let base = self.base.classes.as_ref().unwrap_or(&nothing);
        let is_used = |id| is_used_elsewhere(paths, id);
        let ours = self.document.classes();
        let merged = folder.merged(base, ours, is_used, &mut Vec::new(), &paths.settings);
        merged.ok().map(|folder| folder.classes)
    }

    fn with_classes(self, paths: &LabelPaths, classes: Classes) -> Result<Document, StoreError> {
        if classes == **self.document.classes() {
            return Ok(self.document);
        }
        let labels = self.document.labels().clone();
        Document::from_parts(labels, records(&self.segments), classes)
            .map_err(|error| unreadable(&paths.journal, error.to_string()))
    }
}

fn is_as_before(
    now: Option<&[u8]>,
    before: Option<&str>,
    is_ours: impl FnOnce(&[u8]) -> bool,
) -> bool {
    now.is_none_or(|now| before.is_some_and(|sum| checksum(now) == sum) || is_ours(now))
}

fn unreadable(path: &Path, why: String) -> StoreError {
    StoreError::Journal {
        file: path.display().to_string(),
        why,
    }
}

/// Read and verify a photo's journal.
pub(super) fn read(paths: &LabelPaths) -> Result<Option<Journal>, StoreError> {
    let Some(data) = known::read(&paths.journal, u64::MAX - 1)? else {
        return Ok(None);
    };
    let parsed = parse(&data, &paths.journal);
    parsed
        .map(Some)
        .map_err(|why| unreadable(&paths.journal, why))
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
        checksum: hexadecimal(sum),
        instances: checksum(png),
        segments: header.segments,
        base: header.base,
    })
}
