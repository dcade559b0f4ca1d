//! Opening a photo's labels.

use std::collections::BTreeSet;
use std::path::Path;

use super::class_map::class_ids;
use super::folder_file::FolderFile;
use super::import::{Imported, LabelImport, imported, with_missing};
use super::known::{self, Known, Three};
use super::raster::{self, Raster};
use super::record::{self, Record, checksum, records};
use super::{StoreError, journal};
use crate::dataset::LabelPaths;
use crate::document::Document;
use crate::label::{ClassId, Classes, LabelMap};

/// What was found beside a photo.
#[derive(Debug)]
pub enum Opened {
    /// There are no labels: an empty document.
    Fresh(Document),
    /// The labels as they were saved, or as another program made them.
    Loaded(Document),
    /// Labels that must not be overwritten.
    ReadOnly {
        /// What can be shown of them; empty where nothing can.
        document: Document,
        /// Why, and what to do: one sentence for the user.
        why: String,
    },
}

/// How to treat class maps that other programs made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// How their pixels become segments.
    pub import: LabelImport,
    /// Whether ids that are not in the list of classes become classes named
    /// "class N". Without it, such a map opens read-only.
    pub add_classes: bool,
}

/// Open the labels of the photo at `photo_path`, which is `width` × `height`
/// pixels. `default_classes` are for folders without `patchlens.json`.
///
/// From here on [`save`](super::save) may replace the photo's files, unless
/// they opened read-only.
pub fn open(
    photo_path: &Path,
    width: u32,
    height: u32,
    default_classes: &Classes,
) -> Result<Opened, StoreError> {
    let options = OpenOptions::default();
    open_with(photo_path, width, height, default_classes, options)
}

/// As [`open`], with the user's choice about maps of other programs.
pub fn open_with(
    photo_path: &Path,
    width: u32,
    height: u32,
    default_classes: &Classes,
    options: OpenOptions,
) -> Result<Opened, StoreError> {
    let paths = LabelPaths::for_photo(photo_path)?;
    known::forget(&paths);
    let empty = |classes: &Classes| Document::new(width, height, classes.clone());
    let (classes, in_folder) = match FolderFile::load(&paths.settings) {
        Ok(Some(file)) => (file.classes.clone(), Some(file.classes)),
        Ok(None) => (default_classes.clone(), None),
        Err(error) => return Ok(refused(empty(default_classes), error.to_string())),
    };
    let files = match Three::read(&paths, known::most_bytes(width, height)) {
        Ok(files) => files,
        Err(error) => return Ok(refused(empty(&classes), error.to_string())),
    };
    let found = Found {
        paths: &paths,
        files: &files,
        size: (width, height),
        classes: &classes,
        options,
    };
    let opened = found.open();
    if !matches!(opened, Opened::ReadOnly { .. }) {
        let known = Known {
            checksums: files.checksums(),
            classes: in_folder,
        };
        known::remember(&paths, known);
    }
    Ok(opened)
}

fn refused(document: Document, why: String) -> Opened {
    Opened::ReadOnly { document, why }
}

/// The files of a photo, read and to be judged.
struct Found<'a> {
    paths: &'a LabelPaths,
    files: &'a Three<Vec<u8>>,
    size: (u32, u32),
    classes: &'a Classes,
    options: OpenOptions,
}

impl Found<'_> {
    fn open(&self) -> Opened {
        if let Some(other) = self.paths.other_owner() {
            let why = format!(
                "{} belongs to {}, so these labels are read-only: rename one of the two photos",
                self.paths.record.display(),
                other.display()
            );
            return refused(self.empty(), why);
        }
        match &self.files.record {
            Some(text) => self.recorded(text),
            None if self.files.instances.is_some() => self.unrecorded(),
            None => match &self.files.labels {
                Some(png) => self.foreign(png),
                None => Opened::Fresh(self.empty()),
            },
        }
    }

    fn empty(&self) -> Document {
        Document::new(self.size.0, self.size.1, self.classes.clone())
    }

    /// Files that this program saved.
    fn recorded(&self, text: &[u8]) -> Opened {
        let shown = self.paths.record.display();
        let record: Record = match serde_json::from_slice(text) {
            Ok(record) => record,
            Err(error) => {
                let why = format!(
                    "{shown} cannot be understood ({error}), so these labels are read-only: \
                     repair it or move it elsewhere"
                );
                return refused(self.empty(), why);
            }
        };
        if record.version > record::VERSION {
            let why = format!(
                "{shown} was written by a later PatchLens, so these labels are read-only: use that one"
            );
            return refused(self.empty(), why);
        }
        if (record.width, record.height) != self.size {
            let why = format!(
                "{shown} is for a photo of {} × {} pixels and this one is {} × {}, so these \
                 labels are read-only: put back the photo, or move the labels elsewhere",
                record.width, record.height, self.size.0, self.size.1
            );
            return refused(self.empty(), why);
        }
        if let Some(torn) = self.torn(&record) {
            return self
                .repaired(Some(&record))
                .map_or_else(|| refused(self.shown(&record), torn), Opened::Loaded);
        }
        match self.assembled(&record, self.classes) {
            Ok(document) => Opened::Loaded(document),
            Err(why) => refused(self.shown(&record), self.read_only(&why)),
        }
    }

    fn read_only(&self, why: &str) -> String {
        format!(
            "{why}, so these labels are read-only: repair patchlens.json and the files in \
             instances, or move them elsewhere"
        )
    }

    /// Why the files do not belong to one save, if they do not.
    fn torn(&self, record: &Record) -> Option<String> {
        let parts = [
            (
                &self.paths.labels,
                &self.files.labels,
                &record.labels_sha256,
            ),
            (
                &self.paths.instances,
                &self.files.instances,
                &record.instances_sha256,
            ),
        ];
        parts.into_iter().find_map(|(path, data, expected)| {
            let what = match data {
                None => "is missing",
                Some(data) if checksum(data) != *expected => {
                    "was changed by another program, or a save was interrupted"
                }
                Some(_) => return None,
            };
            Some(format!(
                "{} {what}, so these labels are read-only: put back the file that belongs to {}, \
                 or move that one elsewhere to start from the class map",
                path.display(),
                self.paths.record.display()
            ))
        })
    }

    /// What the files say, with classes as they are in `classes`.
    fn assembled(&self, record: &Record, classes: &Classes) -> Result<Document, String> {
        let path = &self.paths.instances;
        let png = self.files.instances.as_deref().unwrap_or_default();
        let Raster::Words(ids) = raster::decode(png, self.size, path)? else {
            return Err(format!("{} is not 16-bit grey", path.display()));
        };
        let labels = LabelMap::from_ids(self.size.0, self.size.1, &ids);
        Document::from_parts(labels, records(&record.segments), classes.clone())
            .map_err(|error| format!("in {}, {error}", self.paths.record.display()))
    }

    /// What can be shown of files that are not quite right.
    fn shown(&self, record: &Record) -> Document {
        let used: BTreeSet<ClassId> = record.segments.iter().map(|s| s.class).collect();
        let missing: Vec<ClassId> = used
            .into_iter()
            .filter(|&id| !self.classes.is_assignable(id))
            .collect();
        let classes = with_missing(self.classes, &missing);
        let assembled = self.assembled(record, &classes);
        assembled.unwrap_or_else(|_| self.empty())
    }

    /// A segment map without record: a first save that was interrupted, or
    /// another program's file.
    fn unrecorded(&self) -> Opened {
        if let Some(document) = self.repaired(None) {
            return Opened::Loaded(document);
        }
        let why = format!(
            "{} has no {} beside it, so these labels are read-only: move it elsewhere to start \
             from the class map",
            self.paths.instances.display(),
            self.paths.record.display()
        );
        let shown = self.files.labels.as_deref().map(|png| self.foreign(png));
        let document = match shown {
            Some(Opened::Loaded(document) | Opened::ReadOnly { document, .. }) => document,
            _ => self.empty(),
        };
        refused(document, why)
    }

    /// A class map without segments.
    fn foreign(&self, png: &[u8]) -> Opened {
        if let Some(document) = self.repaired(None) {
            return Opened::Loaded(document);
        }
        let path = self.paths.labels.display();
        let import = |raster| {
            imported(raster, self.size, self.classes, self.options.import)
                .map_err(|why| format!("{path} cannot be used: {why}"))
        };
        match raster::decode(png, self.size, &self.paths.labels).and_then(import) {
            Ok(Imported { document, unknown })
                if unknown.is_empty() || self.options.add_classes =>
            {
                Opened::Loaded(document)
            }
            Ok(Imported { document, unknown }) => {
                let why = format!(
                    "{path} uses {} that the list of classes lacks, so these labels are \
                     read-only: add classes with these numbers to patchlens.json",
                    numbers(&unknown)
                );
                refused(document, why)
            }
            Err(why) => {
                let why = format!("{why}; these labels are read-only: repair or move that file");
                refused(self.empty(), why)
            }
        }
    }

    /// The document of a save that was interrupted between its files.
    ///
    /// The journal, written before those files, holds it. It is believed only if
    /// each file is either as the old record says or as the journal's document
    /// would be saved, and that record is the one that the journal's edits were
    /// made on, or their own; otherwise another program changed something, which
    /// must not be lost.
    fn repaired(&self, old: Option<&Record>) -> Option<Document> {
        let journal = journal::read(self.paths).ok()??;
        if !journal.fits_record(self.files.record.as_deref()) {
            return None;
        }
        let document = journal.document;
        if (document.width(), document.height()) != self.size {
            return None;
        }
        let is_old = |data: &[u8], sum: Option<&String>| sum.is_some_and(|s| checksum(data) == *s);
        let decoded = |data: &[u8], path| raster::decode(data, self.size, path).ok();
        if let Some(data) = &self.files.labels
            && !is_old(data, old.map(|old| &old.labels_sha256))
            && decoded(data, &self.paths.labels)? != Raster::Bytes(class_ids(&document))
        {
            return None;
        }
        if let Some(data) = &self.files.instances
            && !is_old(data, old.map(|old| &old.instances_sha256))
            && decoded(data, &self.paths.instances)? != Raster::Words(document.labels().to_vec())
        {
            return None;
        }
        Some(document)
    }
}

/// "the number 3" or "the numbers 3, 4 and 7", of which many are cut short.
fn numbers(ids: &[ClassId]) -> String {
    const MOST: usize = 8;
    let mut shown: Vec<String> = ids.iter().take(MOST).map(ToString::to_string).collect();
    if ids.len() > MOST {
        shown.push(format!("{} more", ids.len() - MOST));
    }
    match shown.as_slice() {
        [one] => format!("the number {one}"),
        [first @ .., last] => format!("the numbers {} and {last}", first.join(", ")),
        [] => "no number".to_owned(),
    }
}
