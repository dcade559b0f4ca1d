//! Sets of labelled photos: folders in our storage convention.

mod seen;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::pictures::{self, Chances, Raw};
use super::{Config, Example, Examples, Random, SetConfig, Target, TrainError, pngs};
use crate::dataset::{DatasetError, natural_order};
use crate::formats::folder_classes;
use crate::label::{Class, Classes, IGNORE};
use crate::photo::{self, Limits};
use seen::{Seen, objects};

/// How the class ids of a set are those of the merged space.
#[derive(Clone, Debug)]
pub struct ClassSpace {
    /// The merged id of each id of the set; 255 for ignored ones, `None` for
    /// ids that the set does not have.
    to_merged: [Option<u8>; 256],
    /// Merged classes that the set annotates.
    own: Vec<bool>,
}

impl ClassSpace {
    /// The classes of the set in `folder` (its `patchlens.json`, or
    /// `classes.json`, there or one folder up) in the merged space.
    ///
    /// # Errors
    /// If there is none, or one of its classes has no place in the merged space.
    pub fn open(folder: &Path, set: &SetConfig, names: &[&str]) -> Result<Self, TrainError> {
        let (file, classes) = classes_of(folder)?;
        let mut to_merged = [None; 256];
        to_merged[usize::from(IGNORE)] = Some(IGNORE);
        let mut own = vec![false; names.len()];
        for class in &classes {
            let name = set.names.get(&class.name).unwrap_or(&class.name);
            let merged = match names.iter().position(|known| known == name) {
                Some(at) => at as u8,
                None if name == "ignore" => IGNORE,
                None if class.id == 0 => 0,
                None => {
                    let why = format!(
                        "its class {name:?} is none of the configuration's `classes`; add it, \
                         or give it a name of those under `names` of the set {:?} (or \"ignore\")",
                        set.name
                    );
                    return Err(TrainError::data(&file, why));
                }
            };
            to_merged[usize::from(class.id)] = Some(merged);
            if let Some(own) = own.get_mut(usize::from(merged)) {
                *own = true;
            }
        }
        Ok(Self { to_merged, own })
    }

    /// For each merged class whether the set annotates it.
    pub fn own(&self) -> &[bool] {
        &self.own
    }

    /// Turn the ids of a class map into merged ones.
    ///
    /// # Errors
    /// If one is not a class of the set; the number is returned.
    pub fn merge(&self, labels: &mut [u8]) -> Result<(), u8> {
        for label in labels {
            *label = self.to_merged[usize::from(*label)].ok_or(*label)?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct ClassesFile {
    classes: Vec<Class>,
}

/// The classes of the set in `folder`, and the file that names them.
pub(super) fn classes_of(folder: &Path) -> Result<(PathBuf, Classes), TrainError> {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    for folder in [Some(whole.as_path()), whole.parent()]
        .into_iter()
        .flatten()
    {
        if let Some(classes) = folder_classes(folder)? {
            return Ok((folder.join("patchlens.json"), classes));
        }
        let file = folder.join("classes.json");
        if file.is_file() {
            let wrong = |why: String| TrainError::data(&file, why);
            let text = pngs::small_text(&file)?;
            let found: ClassesFile =
                serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
            let classes = Classes::from_list(found.classes);
            let classes = classes.map_err(|error| wrong(error.to_string()))?;
            return Ok((file, classes));
        }
    }
    let why = "neither it nor the folder that it is in has a patchlens.json or classes.json, \
               which name the classes";
    Err(TrainError::data(folder, why))
}

/// One photo of a set.
struct Entry {
    photo: PathBuf,
    labels: PathBuf,
    instances: Option<PathBuf>,
    /// Rows and columns.
    size: [usize; 2],
    kept: Option<Raw>,
}

/// The photos of a folder with labels.
pub struct Pictures {
    entries: Vec<Entry>,
    space: ClassSpace,
    annotated: Arc<[bool]>,
    chances: Chances,
    boundary: bool,
    without_labels: usize,
    pixels: Vec<u64>,
    objects: Vec<bool>,
}

/// Which photos of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All of them.
    All,
    /// A tenth, chosen by a hash of their names, and at least one.
    HeldOut,
    /// The others.
    Rest,
}

impl Share {
    /// Its photos among `entries`.
    fn of(self, mut entries: Vec<Entry>) -> Vec<Entry> {
        if self == Self::All {
            return entries;
        }
        let name = |entry: &Entry| entry.photo.file_name().unwrap_or_default().to_owned();
        let hash = |entry: &Entry| Sha256::digest(name(entry).as_encoded_bytes());
        let mut hashes: Vec<_> = entries.iter().map(hash).collect();
        hashes.sort_unstable();
        let count = ((entries.len() + 5) / 10).max(1);
        let last = hashes.get(count - 1).copied();
        entries.retain(|entry| {
            let is_held_out = last.is_some_and(|last| hash(entry) <= last);
            is_held_out == (self == Self::HeldOut)
        });
        entries
    }
}

impl Pictures {
    /// Open the photos in `folder` or its `images`, with their labels. Photos
    /// without labels are left out and counted. What fits into `budget` bytes
    /// is kept in memory, and the budget reduced by it.
    ///
    /// # Errors
    /// If the folder, its classes or a file cannot be used.
    pub fn open(
        folder: &Path,
        set: &SetConfig,
        config: &Config,
        budget: &mut usize,
    ) -> Result<Self, TrainError> {
        Self::open_share(folder, set, config, budget, Share::All)
    }

    /// As [`Pictures::open`], some of the photos.
    ///
    /// # Errors
    /// If the folder, its classes or a file cannot be used.
    pub fn open_share(
        folder: &Path,
        set: &SetConfig,
        config: &Config,
        budget: &mut usize,
        share: Share,
    ) -> Result<Self, TrainError> {
        let space = ClassSpace::open(folder, set, &config.class_names())?;
        let (entries, without_labels) = entries(folder)?;
        let found = entries.len();
        let mut entries = share.of(entries);
        if entries.is_empty() && found > 0 {
            let why = "only one of its photos has labels, and that is validated on: label more, \
                       or name photos to validate on";
            return Err(TrainError::data(folder, why));
        }
        if entries.is_empty() {
            let why = format!("it has no photo with a class map in {}", labels_in(folder));
            return Err(TrainError::data(folder, why));
        }
        let keeps = entries.iter().map(|entry| {
            let pixel = if entry.instances.is_some() { 6 } else { 4 };
            let bytes = entry.size[0] * entry.size[1] * pixel;
            let keeps = bytes <= *budget;
            *budget -= if keeps { bytes } else { 0 };
            keeps
        });
        let keeps: Vec<bool> = keeps.collect();
        let counted = entries.par_iter_mut().zip(keeps).map(|(entry, keeps)| {
            let raw = read(entry, &space)?;
            let seen = Seen::of(&raw, config.classes.len());
            entry.kept = keeps.then_some(raw);
            Ok(seen)
        });
        let seen: Vec<Seen> = counted.collect::<Result<_, TrainError>>()?;
        let mut pixels = vec![0; config.classes.len()];
        for seen in &seen {
            let counts = pixels.iter_mut().zip(&seen.pixels);
            counts.for_each(|(all, n)| *all += n);
        }
        let annotated = space.own.iter().map(|own| *own || set.exclusive);
        Ok(Self {
            annotated: annotated.collect(),
            entries,
            space,
            chances: Chances {
                crop: config.crop,
                long_edge: config.long_edge,
                scale: config.scale,
                any_orientation: set.any_orientation,
                invert: set.invert,
            },
            boundary: config.boundary,
            without_labels,
            pixels,
            objects: objects(&seen, config.classes.len()),
        })
    }

    /// For each merged class whether the set annotates it.
    pub fn own(&self) -> &[bool] {
        &self.space.own
    }

    /// For each merged class whether it forms objects.
    pub fn objects(&self) -> &[bool] {
        &self.objects
    }

    /// Photos that were left out because they have no labels.
    pub fn without_labels(&self) -> usize {
        self.without_labels
    }

    /// The file of a photo.
    pub fn file(&self, photo: usize) -> &Path {
        &self.entries[photo].photo
    }

    /// Rows and columns of a photo.
    pub(super) fn size(&self, photo: usize) -> [usize; 2] {
        self.entries[photo].size
    }

    /// For each merged class whether the photos tell about it.
    pub(super) fn annotated(&self) -> Arc<[bool]> {
        self.annotated.clone()
    }

    /// Whether any orientation is as likely as upright.
    pub(super) fn any_orientation(&self) -> bool {
        self.chances.any_orientation
    }

    /// Whether targets say where the rims of objects are.
    pub(super) fn has_boundary(&self) -> bool {
        self.boundary
    }

    /// A photo with its labels, from memory or from its files.
    pub(super) fn raw(&self, photo: usize) -> Result<std::borrow::Cow<'_, Raw>, TrainError> {
        let entry = &self.entries[photo];
        Ok(match &entry.kept {
            Some(raw) => std::borrow::Cow::Borrowed(raw),
            None => std::borrow::Cow::Owned(read(entry, &self.space)?),
        })
    }
}

impl Examples for Pictures {
    fn photos(&self) -> usize {
        self.entries.len()
    }

    fn training(&self, photo: usize, random: &mut Random) -> Result<Example, TrainError> {
        let raw = self.raw(photo)?;
        let part = pictures::part(&raw, &self.chances, random);
        Ok(Example {
            inputs: vec![part.map],
            target: Target {
                rows: self.chances.crop,
                columns: self.chances.crop,
                labels: part.labels,
                boundary: self.boundary.then_some(part.boundary),
                annotated: self.annotated.clone(),
            },
        })
    }

    fn whole(&self, photo: usize) -> Result<Example, TrainError> {
        let raw = self.raw(photo)?;
        Ok(Example {
            inputs: vec![pictures::whole(&raw, self.chances.long_edge)],
            target: Target {
                rows: raw.rows,
                columns: raw.columns,
                labels: raw.labels.clone(),
                boundary: None,
                annotated: self.annotated.clone(),
            },
        })
    }

    fn covers(&self, photo: usize) -> [f32; 2] {
        let fitted = pictures::fitted(self.entries[photo].size, self.chances.long_edge);
        let padded = pictures::padded(fitted);
        [0, 1].map(|side| fitted[side] as f32 / padded[side] as f32)
    }

    fn pixels(&self) -> Vec<u64> {
        self.pixels.clone()
    }
}

fn read(entry: &Entry, space: &ClassSpace) -> Result<Raw, TrainError> {
    let photo = photo::decode(&entry.photo, &Limits::default())?;
    let size = [photo.height() as usize, photo.width() as usize];
    let mut labels = pngs::bytes(&entry.labels, size)?;
    space.merge(&mut labels).map_err(|id| {
        let why = format!("it holds the class {id}, which the set does not have");
        TrainError::data(&entry.labels, why)
    })?;
    let instances = entry.instances.as_ref();
    let instances = instances.map(|path| pngs::words(path, size)).transpose()?;
    Ok(Raw {
        rows: size[0],
        columns: size[1],
        rgb: photo.rgb().to_vec(),
        labels,
        instances,
    })
}

fn labels_in(folder: &Path) -> String {
    folder.join("labels").display().to_string()
}

/// The labelled photos of a folder in natural order, and how many others there are.
fn entries(folder: &Path) -> Result<(Vec<Entry>, usize), TrainError> {
    let images = folder.join("images");
    let photos = if images.is_dir() { &images } else { folder };
    let listed = fs::read_dir(photos).map_err(|error| DatasetError::Unreadable {
        folder: photos.display().to_string(),
        why: error.to_string(),
    })?;
    let files = listed.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = files.filter(|path| photo::is_photo_path(path)).collect();
    files.sort_by(|a, b| {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_owned();
        natural_order(&name(a).to_string_lossy(), &name(b).to_string_lossy())
    });
    let stems = stems(&files);
    let count = files.len();
    let found = files.into_iter().filter_map(|photo| {
        let is_shared = stems.get(&stem(&photo)).is_some_and(|count| *count > 1);
        let labels = beside(folder, "labels", &photo, is_shared)?;
        Some((
            labels,
            beside(folder, "instances", &photo, is_shared),
            photo,
        ))
    });
    let entry = |(labels, instances, photo): (PathBuf, Option<PathBuf>, PathBuf)| {
        Ok(Entry {
            size: pngs::size(&labels)?,
            photo,
            labels,
            instances,
            kept: None,
        })
    };
    let entries: Vec<Entry> = found.map(entry).collect::<Result<_, TrainError>>()?;
    let without_labels = count - entries.len();
    Ok((entries, without_labels))
}

/// What a folder of photos has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Photos with labels.
    pub photos: usize,
    /// Of those, photos with segment maps.
    pub with_segments: usize,
}

/// Count the labelled photos in `folder` or its `images`.
///
/// # Errors
/// If it cannot be listed, or a class map is no PNG.
pub fn labelled(folder: &Path) -> Result<Labelled, TrainError> {
    let (entries, _) = entries(folder)?;
    Ok(Labelled {
        photos: entries.len(),
        with_segments: entries.iter().filter(|e| e.instances.is_some()).count(),
    })
}

fn stem(photo: &Path) -> String {
    let stem = photo.file_stem().unwrap_or_default();
    stem.to_string_lossy().to_lowercase()
}

fn stems(photos: &[PathBuf]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for photo in photos {
        *counts.entry(stem(photo)).or_default() += 1;
    }
    counts
}

/// The map of a photo in a subfolder: named after the whole file name, or after
/// the stem where no other photo shares it.
fn beside(folder: &Path, kind: &str, photo: &Path, is_shared: bool) -> Option<PathBuf> {
    let with_png = |name: &std::ffi::OsStr| {
        let mut name = name.to_owned();
        name.push(".png");
        folder.join(kind).join(name)
    };
    let by_file = with_png(photo.file_name()?);
    let by_stem = with_png(photo.file_stem()?);
    if by_file.is_file() {
        return Some(by_file);
    }
    (!is_shared && by_stem.is_file()).then_some(by_stem)
}

#[cfg(test)]
mod tests;
