//! From what was said to a whole configuration: what was not said follows from
//! the photos.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Args, Kind};
use crate::cli::Failure;
use crate::label::PALETTE;
use crate::models::deeplab::{BackboneConfig, DeepLabConfig, PlainVitConfig, TinyVitConfig};
use crate::models::registry;
use crate::train::{
    ClassConfig, Config, OpenedSet, SetConfig, TrainError, folder_classes, labelled,
};

/// Side of MobileSAM's frame, in pixels.
pub const FRAME: usize = 1024;

/// What is trained.
#[derive(Debug)]
pub struct Plan {
    /// The whole configuration.
    pub config: Config,
    /// What the network stands on.
    pub kind: Kind,
}

impl Plan {
    /// The network.
    pub fn network(&self) -> DeepLabConfig {
        let usual = match self.kind {
            Kind::TinyVit => BackboneConfig::TinyVit(TinyVitConfig::default()),
            Kind::PlainVit => BackboneConfig::PlainVit(PlainVitConfig::default()),
        };
        DeepLabConfig {
            backbone: self.config.backbone.clone().unwrap_or(usual),
            classes: self.config.classes.len(),
            boundary: self.config.boundary,
        }
    }

    /// The classes whose objects the network tells apart.
    pub fn objects(&self, opened: &[OpenedSet]) -> Vec<usize> {
        let is_of_objects = |class: &usize| {
            let mut sets = opened.iter().map(|set| set.train.objects());
            sets.any(|objects| objects[*class])
        };
        let classes = 0..self.config.classes.len();
        classes
            .filter(|class| self.config.boundary && is_of_objects(class))
            .collect()
    }
}

/// Put together what was said on the command line and in a file, and what
/// follows.
pub fn plan(args: &Args) -> Result<Plan, Failure> {
    let (mut config, mut said) = given(args)?;
    if !args.sets.is_empty() {
        if !config.sets.is_empty() {
            return Err(Failure::Sentence(
                "the configuration names the sets: leave out the folders, or the sets there"
                    .to_owned(),
            ));
        }
        config.sets = named_sets(args)?;
    }
    make_absolute(&mut config)?;
    if config.classes.is_empty() {
        config.classes = merged_classes(&config.sets)?;
    }
    let kind = kind(args, &config)?;
    override_with(args, &mut config, &mut said);
    let (mut photos, mut with_segments) = (0, 0);
    for set in &config.sets {
        let found = labelled(&set.train)?;
        photos += found.photos;
        with_segments += found.with_segments;
    }
    complete(&mut config, &said, kind, (photos, with_segments > 0));
    if let Some(init) = &args.init {
        config.init = init_of(init)?;
        config.init_partly = true;
    }
    if kind == Kind::TinyVit && config.long_edge != FRAME {
        return Err(Failure::Sentence(format!(
            "`long_edge` is {FRAME} with the backbone tinyvit, whose frame is that large"
        )));
    }
    let file = args
        .config
        .as_deref()
        .unwrap_or(Path::new("the command line"));
    let config = config.checked(file)?;
    Ok(Plan { config, kind })
}

/// What the file of settings says, and which of them it has.
fn given(args: &Args) -> Result<(Config, Map<String, Value>), Failure> {
    let begun = args.folder.join("config.json");
    let file = match &args.config {
        Some(file) => file.clone(),
        None if args.sets.is_empty() => begun,
        None => return Ok((Config::default(), Map::new())),
    };
    let text = std::fs::read_to_string(&file).map_err(|error| {
        Failure::Sentence(format!("{} cannot be read: {error}", file.display()))
    })?;
    let config = Config::from_text(&text, &file)?;
    let said = serde_json::from_str(&text).unwrap_or_default();
    Ok((config, said))
}

/// A set for each folder that was named.
fn named_sets(args: &Args) -> Result<Vec<SetConfig>, Failure> {
    let folders: Vec<PathBuf> = args
        .sets
        .iter()
        .map(|set| absolute(set))
        .collect::<Result<_, _>>()?;
    let set = |(at, folder): (usize, &PathBuf)| {
        let dev = args.validate.get(at);
        if folders[..at].contains(folder) {
            let folder = args.sets[at].display();
            return Err(Failure::Sentence(format!(
                "the folder {folder} is named twice"
            )));
        }
        Ok(SetConfig {
            name: name(folder, &folders),
            train: folder.clone(),
            dev: dev.map(|dev| absolute(dev)).transpose()?,
            hold_out: dev.is_none(),
            ..SetConfig::default()
        })
    };
    folders.iter().enumerate().map(set).collect()
}

/// As much of the end of a folder's path as tells it from the others; a folder
/// `train` is called after the one that it is in.
fn name(folder: &Path, all: &[PathBuf]) -> String {
    let parts = |path: &Path| -> Vec<String> {
        let parts = path.components().filter_map(|part| match part {
            std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        });
        let mut parts: Vec<String> = parts.collect();
        if parts.len() > 1 && parts.last().is_some_and(|last| last == "train") {
            parts.pop();
        }
        parts
    };
    let own = parts(folder);
    let end = |parts: &[String], count: usize| parts[parts.len().saturating_sub(count)..].join("/");
    let is_own = |count: &usize| {
        let others = all.iter().filter(|other| *other != folder);
        !others
            .map(|other| end(&parts(other), *count))
            .any(|other| other == end(&own, *count))
    };
    let count = (1..=own.len()).find(is_own);
    let name = end(&own, count.unwrap_or(own.len()));
    match (name.is_empty(), count) {
        (false, Some(_)) => name,
        _ => folder.display().to_string(),
    }
}

fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    folder.canonicalize().map_err(|error| {
        let folder = folder.display();
        Failure::Sentence(match error.kind() {
            std::io::ErrorKind::NotFound => format!("there is no folder {folder}"),
            _ => format!("the folder {folder} cannot be opened: {error}"),
        })
    })
}

/// The configuration is kept in another folder than it came from.
fn make_absolute(config: &mut Config) -> Result<(), Failure> {
    for set in &mut config.sets {
        set.train = absolute(&set.train)?;
        set.dev = set.dev.as_ref().map(|dev| absolute(dev)).transpose()?;
    }
    if let Some(init) = &config.init {
        // what is gone is missed only where a training begins with it
        let place = init.canonicalize().ok();
        let is_built_in = registry::is_embedded_name(init.as_os_str());
        config.init = place.filter(|_| !is_built_in).or(config.init.take());
    }
    Ok(())
}

/// The classes of all sets, merged by name; the background first.
fn merged_classes(sets: &[SetConfig]) -> Result<Vec<ClassConfig>, TrainError> {
    let mut merged: Vec<ClassConfig> = Vec::new();
    for set in sets {
        for class in &folder_classes(&set.train)? {
            let name = set.names.get(&class.name).unwrap_or(&class.name);
            let is_background = class.id == 0 && !merged.is_empty();
            if is_background || name == "ignore" || merged.iter().any(|known| known.name == *name) {
                continue;
            }
            let is_taken = |color: &[u8; 3]| merged.iter().any(|known| known.color == *color);
            let free = PALETTE.iter().find(|color| !is_taken(color));
            let color = match is_taken(&class.color) {
                true => *free.unwrap_or(&class.color),
                false => class.color,
            };
            merged.push(ClassConfig {
                name: name.clone(),
                color,
            });
        }
    }
    Ok(merged)
}

fn kind(args: &Args, config: &Config) -> Result<Kind, Failure> {
    let in_file = config.backbone.as_ref().map(Kind::of);
    match (args.backbone, in_file) {
        (Some(own), Some(other)) if own != other => Err(Failure::Sentence(
            "--backbone names another backbone than the configuration".to_owned(),
        )),
        (own, other) => Ok(own.or(other).unwrap_or(Kind::TinyVit)),
    }
}

/// What the command line says goes before what the file says.
fn override_with(args: &Args, config: &mut Config, said: &mut Map<String, Value>) {
    macro_rules! take {
        ($($field:ident),*) => {$(
            if let Some(value) = args.$field {
                config.$field = value;
                said.insert(stringify!($field).to_owned(), Value::Null);
            }
        )*};
    }
    take!(steps, batch, crop, learning_rate, seed);
}

/// Settings that nobody said, for `photos` photos, some of which may have maps
/// of segments. Few photos need few steps; what follows from the number of steps
/// keeps its share of them.
fn complete(
    config: &mut Config,
    said: &Map<String, Value>,
    kind: Kind,
    (photos, has_segments): (usize, bool),
) {
    macro_rules! unless_said {
        ($($field:ident = $value:expr;)*) => {$(
            if !said.contains_key(stringify!($field)) {
                config.$field = $value;
            }
        )*};
    }
    let is_tiny = kind == Kind::TinyVit;
    let (init, has_init) = match is_tiny {
        _ if config.backbone.is_some() => (None, false),
        true => (built_in(registry::TINY_DEEPLAB), true),
        false => (built_in(registry::PLAIN_DEEPLAB), true),
    };
    unless_said! {
        batch = if is_tiny { 4 } else { 8 };
        crop = if is_tiny { 512 } else { 256 };
        long_edge = if is_tiny { FRAME } else { 384 };
        weight_decay = if is_tiny { 0.02 } else { 0.05 };
        learning_rate = if is_tiny { 1e-3 } else { 5e-4 };
        boundary = has_segments;
        checkpoint_every = 100;
        init = init;
        init_partly = has_init;
    }
    let passes = if is_tiny { 30 } else { 60 };
    let most = if is_tiny { 6000 } else { 10_000 };
    unless_said! {
        steps = (photos * passes / config.batch.max(1)).clamp(300, most);
    }
    let steps = config.steps;
    unless_said! {
        warmup = (steps / 20).clamp(1, 300);
        ema = averaging(steps);
        validate_every = (steps / 12).max(1);
    }
}

/// How much of the averaged weights a step keeps: they are those of about the
/// last twentieth of the steps.
fn averaging(steps: usize) -> f32 {
    let keep = 1.0 - 20.0 / steps as f32;
    (keep.clamp(0.8, 0.999) * 1000.0).round() / 1000.0
}

fn built_in(name: &str) -> Option<PathBuf> {
    registry::embedded_weights(OsStr::new(name)).map(|_| PathBuf::from(name))
}

/// The weights that `--init` names.
fn init_of(word: &OsStr) -> Result<Option<PathBuf>, Failure> {
    if word == "none" {
        return Ok(None);
    }
    if registry::is_embedded_name(word) {
        return Ok(Some(PathBuf::from(word)));
    }
    let path = absolute(Path::new(word)).map_err(|_| {
        Failure::Sentence(format!(
            "--init {} is no built-in model, folder or file; none begins with random weights",
            word.display()
        ))
    })?;
    let file = match path.is_dir() {
        true => path.join("model.safetensors"),
        false => path,
    };
    match file.is_file() {
        true => Ok(Some(file)),
        false => Err(Failure::Sentence(format!("there is no {}", file.display()))),
    }
}

#[cfg(test)]
mod tests;
