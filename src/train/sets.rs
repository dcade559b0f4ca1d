//! Opening the sets of a configuration.

use std::path::Path;

use super::data::{Share, classes_of};
use super::{Config, Examples, Pictures, SetConfig, TrainError, TrainingSet};
use crate::label::Classes;

/// Decoded photos and labels that all sets together may keep in memory.
const BUDGET: usize = 2 << 30;

/// A set whose photos were found, with their labels.
pub struct OpenedSet {
    /// What the configuration says about it.
    pub config: SetConfig,
    /// Photos to train on.
    pub train: Pictures,
    /// Photos to validate on.
    pub dev: Option<Pictures>,
}

impl OpenedSet {
    /// How many photos are trained on.
    pub fn photos(&self) -> usize {
        self.train.photos()
    }

    /// How many are validated on.
    pub fn dev_photos(&self) -> usize {
        self.dev.as_ref().map_or(0, Pictures::photos)
    }

    /// Photos in its folders that have no labels.
    pub fn without_labels(&self) -> usize {
        // those of a folder of which a part is validated on are the same
        let dev = self.dev.as_ref().filter(|_| !self.config.hold_out);
        self.train.without_labels() + dev.map_or(0, Pictures::without_labels)
    }

    /// All its photos with labels.
    pub fn all(&self) -> impl Iterator<Item = &Pictures> {
        [&self.train].into_iter().chain(&self.dev)
    }

    /// The set as it is trained on: `examples` turns photos into what the
    /// network is shown.
    ///
    /// # Errors
    /// Those of `examples`.
    pub fn into_training(
        self,
        examples: impl Fn(Pictures) -> Result<Box<dyn Examples>, TrainError>,
    ) -> Result<TrainingSet, TrainError> {
        Ok(TrainingSet {
            name: self.config.name,
            weight: self.config.weight,
            own: self.train.own().into(),
            train: examples(self.train)?,
            dev: self.dev.map(examples).transpose()?,
        })
    }
}

/// Open all sets of a configuration.
///
/// # Errors
/// If a folder or a file of one cannot be used.
pub fn open_sets(config: &Config) -> Result<Vec<OpenedSet>, TrainError> {
    let mut budget = BUDGET;
    let mut open = |set: &SetConfig, folder: &Path, share: Share| {
        Pictures::open_share(folder, set, config, &mut budget, share)
    };
    let opened = config.sets.iter().map(|set| {
        let (train, dev) = match (&set.dev, set.hold_out) {
            (Some(dev), _) => (Share::All, Some((dev, Share::All))),
            (None, true) => (Share::Rest, Some((&set.train, Share::HeldOut))),
            (None, false) => (Share::All, None),
        };
        let train = open(set, &set.train, train)?;
        let dev = dev.map(|(folder, share)| open(set, folder, share));
        Ok(OpenedSet {
            config: set.clone(),
            train,
            dev: dev.transpose()?,
        })
    });
    opened.collect()
}

/// The classes of the labelled photos in `folder`.
///
/// # Errors
/// If no file there, or one folder up, names them.
pub fn folder_classes(folder: &Path) -> Result<Classes, TrainError> {
    Ok(classes_of(folder)?.1)
}
