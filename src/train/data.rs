//! Sets of labelled photos: folders in our storage convention.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::Deserialize;

use super::pictures::{self, Chances, Raw};
use super::{Config, Example, Examples, Random, SetConfig, Target, TrainError, TrainingSet, pngs};
use crate::dataset::{DatasetError, natural_order};
use crate::formats::folder_classes;
use crate::label::{Class, Classes, IGNORE};
use crate::photo::{self, Limits};

/// Decoded photos and labels that all sets together may keep in memory.
const BUDGET: usize = 2 << 30;

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

fn classes_of(folder: &Path) -> Result<(PathBuf, Classes), TrainError> {
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
        let space = ClassSpace::open(folder, set, &config.class_names())?;
        let (mut entries, without_labels) = entries(folder)?;
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
            let mut counts = vec![0u64; config.classes.len()];
            for label in &raw.labels {
                if let Some(count) = counts.get_mut(usize::from(*label)) {
                    *count += 1;
                }
            }
            entry.kept = keeps.then_some(raw);
            Ok(counts)
        });
        let counted: Vec<Vec<u64>> = counted.collect::<Result<_, TrainError>>()?;
        let mut pixels = vec![0; config.classes.len()];
        for counts in counted {
            pixels.iter_mut().zip(counts).for_each(|(all, n)| *all += n);
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
        })
    }

    /// For each merged class whether the set annotates it.
    pub fn own(&self) -> &[bool] {
        &self.space.own
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

/// A set that was opened, and what should be said about it.
pub struct OpenedSet {
    /// For [`Run::open`](super::Run::open).
    pub set: TrainingSet,
    /// Photos to train on.
    pub photos: usize,
    /// Photos in the folders that have no labels.
    pub without_labels: usize,
}

/// Open all sets of a configuration whose examples are photos.
///
/// # Errors
/// If a folder or a file of one cannot be used.
pub fn training_sets(config: &Config) -> Result<Vec<OpenedSet>, TrainError> {
    let mut budget = BUDGET;
    let opened = config.sets.iter().map(|set| {
        let train = Pictures::open(&set.train, set, config, &mut budget)?;
        let dev = set.dev.as_ref();
        let dev = dev
            .map(|folder| Pictures::open(folder, set, config, &mut budget))
            .transpose()?;
        let dev_without = dev.as_ref().map_or(0, Pictures::without_labels);
        Ok(OpenedSet {
            photos: train.photos(),
            without_labels: train.without_labels() + dev_without,
            set: TrainingSet {
                name: set.name.clone(),
                weight: set.weight,
                own: train.own().into(),
                train: Box::new(train),
                dev: dev.map(|dev| Box::new(dev) as Box<dyn Examples>),
            },
        })
    });
    opened.collect()
}

#[cfg(test)]
mod tests;
