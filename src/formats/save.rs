//! Saving a photo's labels.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Map;

use super::atomic::{self, Staged};
use super::class_map::{Palette, class_map_png};
use super::folder_file::FolderFile;
use super::known::{self, Known, Three};
use super::record::{self, Record, checksum, entries, json};
use super::{StoreError, instance_map_png, journal};
use crate::dataset::LabelPaths;
use crate::document::Document;
use crate::label::{ClassId, Classes};

/// How to save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaveOptions {
    /// Give the class map PASCAL VOC's colours instead of the classes' own.
    pub voc_palette: bool,
    /// Replace label files even if this process did not open them or another
    /// program changed them since. Only for when the user said so.
    pub force: bool,
}

/// What a save wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveReport {
    /// The class map.
    pub labels: PathBuf,
    /// The segment map.
    pub instances: PathBuf,
    /// The record of segments and checksums.
    pub record: PathBuf,
    /// Bytes of the three files.
    pub bytes: u64,
    /// What the user should know, one sentence each.
    pub notes: Vec<String>,
}

/// Save the labels of the photo at `photo_path`: class map, segment map and
/// record, and the classes of the folder.
///
/// All files are complete on the disk before the first of them gets its name;
/// the record comes last. Whatever fails, the files of the save before stay.
pub fn save(
    photo_path: &Path,
    document: &Document,
    options: &SaveOptions,
) -> Result<SaveReport, StoreError> {
    let paths = LabelPaths::for_photo(photo_path)?;
    let known = known::recall(&paths);
    let old = Three::read(
        &paths,
        known::most_bytes(document.width(), document.height()),
    );
    let old = match old {
        Ok(old) => old,
        Err(_) if options.force => Three::default(),
        Err(error) => return Err(error),
    };
    let sums = old.checksums();
    if !options.force {
        check_unchanged(&paths, known.as_ref(), &sums)?;
    }
    let palette = if options.voc_palette {
        Palette::Voc
    } else {
        Palette::Classes
    };
    let (labels, instances) = rayon::join(
        || class_map_png(document, palette),
        || instance_map_png(document),
    );
    let (labels, instances) = (labels?, instances?);
    let mut notes = Vec::new();
    let known = Known {
        checksums: sums,
        classes: known.and_then(|known| known.classes),
    };
    let settings = settings(&paths, document, known.classes.as_ref(), &mut notes)?;
    let record = record(&paths, document, &labels, &instances, old.record.as_deref());
    let record = to_json(&record, &paths.record)?;

    journal::write(&paths, document, &instances, &known)?;
    let settings = settings
        .map(|settings| atomic::stage(&paths.settings, &settings))
        .transpose()?;
    let staged = [
        atomic::stage(&paths.labels, &labels)?,
        atomic::stage(&paths.instances, &instances)?,
        atomic::stage(&paths.record, &record)?,
    ];
    let new = [&labels, &instances, &record].map(|data| checksum(data));
    commit(&paths, document, known, settings, staged, new)?;
    // it says the same as the files now; one that stays is noticed as such
    let _ = journal::remove(&paths);
    Ok(SaveReport {
        bytes: (labels.len() + instances.len() + record.len()) as u64,
        labels: paths.labels,
        instances: paths.instances,
        record: paths.record,
        notes,
    })
}

/// Give all files their names, the record last.
///
/// What is on the disk afterwards is remembered even if one of them fails, so
/// that the save can be tried again.
fn commit(
    paths: &LabelPaths,
    document: &Document,
    mut known: Known,
    settings: Option<Staged>,
    staged: [Staged; 3],
    new: [String; 3],
) -> Result<(), StoreError> {
    let all = || {
        if let Some(settings) = settings {
            settings.commit()?;
        }
        known.classes = Some(Classes::clone(document.classes()));
        let sums = &mut known.checksums;
        let slots = [&mut sums.labels, &mut sums.instances, &mut sums.record];
        for ((file, slot), new) in staged.into_iter().zip(slots).zip(new) {
            file.commit()?;
            *slot = Some(new);
        }
        Ok(())
    };
    let done = all();
    known::remember(paths, known);
    [&paths.settings, &paths.labels, &paths.record]
        .iter()
        .filter_map(|path| path.parent())
        .for_each(atomic::sync_folder);
    done
}

/// Refuse to replace files that this process does not know. Files that are gone
/// are nobody's loss.
fn check_unchanged(
    paths: &LabelPaths,
    known: Option<&Known>,
    now: &Three<String>,
) -> Result<(), StoreError> {
    let empty = Three::default();
    let before = known.map_or(&empty, |known| &known.checksums);
    let files = [
        (&paths.labels, &before.labels, &now.labels),
        (&paths.instances, &before.instances, &now.instances),
        (&paths.record, &before.record, &now.record),
    ];
    let changed = files
        .into_iter()
        .find(|(_, before, now)| now.is_some() && before != now);
    let Some((path, ..)) = changed else {
        return Ok(());
    };
    let file = path.display().to_string();
    Err(match known {
        Some(_) => StoreError::ChangedOnDisk { file },
        None => StoreError::NotOpened { file },
    })
}

fn record(
    paths: &LabelPaths,
    document: &Document,
    labels: &[u8],
    instances: &[u8],
    old: Option<&[u8]>,
) -> Record {
    let old = old.and_then(|text| serde_json::from_slice::<Record>(text).ok());
    let (reviewed, rest) = old.map_or((false, Map::new()), |old| (old.reviewed, old.rest));
    Record {
        version: record::VERSION,
        photo: paths.photo.to_string_lossy().into_owned(),
        width: document.width(),
        height: document.height(),
        labels_sha256: checksum(labels),
        instances_sha256: checksum(instances),
        reviewed,
        segments: entries(document),
        rest,
    }
}

/// `patchlens.json` with the document's classes in it; `None` where it would
/// not change.
fn settings(
    paths: &LabelPaths,
    document: &Document,
    base: Option<&Classes>,
    notes: &mut Vec<String>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let ours = document.classes();
    let path = &paths.settings;
    let Some(old) = FolderFile::load(path)? else {
        let new = FolderFile {
            version: record::VERSION,
            classes: Classes::clone(ours),
            rest: Map::new(),
        };
        return to_json(&new, path).map(Some);
    };
    let nothing = Classes::only_background();
    let mut kept = Vec::new();
    let is_used = |id| is_used_elsewhere(paths, id);
    let new = old.merged(base.unwrap_or(&nothing), ours, is_used, &mut kept, path)?;
    notes.extend(kept.into_iter().map(|name| {
        format!("The class \"{name}\" stays in the folder's list, since other photos use it")
    }));
    if new == old {
        return Ok(None);
    }
    to_json(&new, path).map(Some)
}

fn to_json<T: serde::Serialize>(value: &T, path: &Path) -> Result<Vec<u8>, StoreError> {
    json(value).map_err(|error| StoreError::Encode {
        file: path.display().to_string(),
        why: error.to_string(),
    })
}

/// The part of a record that tells which classes it uses.
#[derive(Deserialize)]
struct UsedClasses {
    segments: Vec<UsedClass>,
}

#[derive(Deserialize)]
struct UsedClass {
    class: ClassId,
}

/// Whether another photo of the folder has segments of this class. Reads the
/// records one after the other, which only the deletion of a class asks for;
/// one that cannot be read may use it.
pub(super) fn is_used_elsewhere(paths: &LabelPaths, class: ClassId) -> bool {
    let Some(entries) = paths
        .record
        .parent()
        .and_then(|folder| fs::read_dir(folder).ok())
    else {
        return false;
    };
    let is_record = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "json");
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_record(path) && *path != paths.record)
        .any(|path| {
            let text = fs::read(&path).unwrap_or_default();
            match serde_json::from_slice::<UsedClasses>(&text) {
                Ok(used) => used.segments.iter().any(|segment| segment.class == class),
                Err(_) => true,
            }
        })
}
