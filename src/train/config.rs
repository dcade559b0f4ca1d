//! What is trained on what, as a JSON file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{OUTSIDE, TrainError};
use crate::models::deeplab::BackboneConfig;
use crate::models::registry;

/// One class of the merged space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassConfig {
    /// Name.
    pub name: String,
    /// Red, green, blue.
    pub color: [u8; 3],
}

/// One set of labelled photos.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetConfig {
    /// Name, for messages and logs.
    pub name: String,
    /// Folder of the photos to train on; relative to the configuration's folder.
    pub train: PathBuf,
    /// Folder of the photos to validate on.
    #[serde(default)]
    pub dev: Option<PathBuf>,
    /// Whether a tenth of the photos to train on, chosen by a hash of their
    /// names, is validated on instead.
    #[serde(default)]
    pub hold_out: bool,
    /// What classes of this set are called in the merged space: `{"symptom":
    /// "leaf symptom"}`; "ignore" leaves the pixels of a class out.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// Whether photos of this set surely show none of the classes that it does
    /// not annotate. Otherwise the loss compares only the annotated ones.
    #[serde(default)]
    pub exclusive: bool,
    /// Share of the samples, relative to that of the other sets.
    #[serde(default = "one")]
    pub weight: f32,
    /// Whether any orientation is as likely as upright: flips and quarter turns.
    #[serde(default)]
    pub any_orientation: bool,
    /// Whether bright on dark is as likely as dark on bright (microscopy).
    #[serde(default)]
    pub invert: bool,
}

impl Default for SetConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            train: PathBuf::new(),
            dev: None,
            hold_out: false,
            names: BTreeMap::new(),
            exclusive: false,
            weight: one(),
            any_orientation: false,
            invert: false,
        }
    }
}

fn one() -> f32 {
    1.0
}

/// How much each part of the loss counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossShares {
    /// Cross-entropy of the classes of pixels.
    pub cross_entropy: f32,
    /// Soft Dice of the classes of pixels.
    pub dice: f32,
    /// Cross-entropy of the rims of objects.
    pub boundary: f32,
    /// Cross-entropy of which classes are in the picture.
    pub presence: f32,
}

impl Default for LossShares {
    fn default() -> Self {
        Self {
            cross_entropy: 1.0,
            dice: 1.0,
            boundary: 1.0,
            presence: 0.1,
        }
    }
}

/// Settings that others follow from, so that a difference in them is told first.
const FIRST: [&str; 6] = ["classes", "sets", "backbone", "batch", "crop", "steps"];

/// What is trained on what, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The merged space in the order of its ids; the first is the background.
    pub classes: Vec<ClassConfig>,
    /// The sets.
    pub sets: Vec<SetConfig>,
    /// Side of the square parts that are trained on, in pixels.
    pub crop: usize,
    /// Longer side of a photo at scale 1, in pixels.
    pub long_edge: usize,
    /// Smallest and largest scale at random.
    pub scale: [f32; 2],
    /// Samples of a step.
    pub batch: usize,
    /// Steps of the whole training.
    pub steps: usize,
    /// The highest learning rate.
    pub learning_rate: f32,
    /// Steps until it is reached.
    pub warmup: usize,
    /// Decoupled weight decay of AdamW; one-dimensional tensors have none.
    pub weight_decay: f32,
    /// How much of the averaged weights a step keeps.
    pub ema: f32,
    /// Largest norm of the gradient of all weights together.
    pub clip: f32,
    /// What everything random follows from.
    pub seed: u64,
    /// Steps between validations; 0 for none.
    pub validate_every: usize,
    /// Photos of each set to validate on; 0 for all.
    pub validate_photos: usize,
    /// Steps between checkpoints (one is written every five minutes in any case).
    pub checkpoint_every: usize,
    /// Whether the network says where the rims of objects are.
    pub boundary: bool,
    /// Whether rare classes count more in the cross-entropy.
    pub class_weights: bool,
    /// How much each part of the loss counts.
    pub loss: LossShares,
    /// What the network stands on; `None` where whoever builds it says.
    pub backbone: Option<BackboneConfig>,
    /// Weights to begin with: a safetensors file, or the name of a model that
    /// is built in.
    pub init: Option<PathBuf>,
    /// Whether tensors that `init` lacks, or has in another shape, are begun at
    /// random instead of being an error.
    pub init_partly: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            classes: Vec::new(),
            sets: Vec::new(),
            crop: 256,
            long_edge: 384,
            scale: [0.6, 1.4],
            batch: 8,
            steps: 10_000,
            learning_rate: 1e-3,
            warmup: 300,
            weight_decay: 0.05,
            ema: 0.999,
            clip: 1.0,
            seed: 0,
            validate_every: 1000,
            validate_photos: 50,
            checkpoint_every: 500,
            boundary: false,
            class_weights: false,
            loss: LossShares::default(),
            backbone: None,
            init: None,
            init_partly: false,
        }
    }
}

impl Config {
    /// Read a configuration; relative folders in it are relative to its own.
    ///
    /// # Errors
    /// If it cannot be read or asks for the impossible.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let config = Self::from_text(&super::pngs::small_text(path)?, path)?;
        config.checked(path)
    }

    /// Understand the text of the file `path`, which may leave out classes and
    /// sets that are known otherwise.
    ///
    /// # Errors
    /// If it is no configuration.
    pub fn from_text(text: &str, path: &Path) -> Result<Self, TrainError> {
        let config = serde_json::from_str(text);
        let mut config: Self = config.map_err(|error| TrainError::Config {
            file: path.display().to_string(),
            why: error.to_string(),
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for set in &mut config.sets {
            set.train = folder.join(&set.train);
            set.dev = set.dev.as_ref().map(|dev| folder.join(dev));
        }
        let is_built_in = |init: &PathBuf| registry::is_embedded_name(init.as_os_str());
        config.init = config.init.map(|init| match is_built_in(&init) {
            true => init,
            false => folder.join(init),
        });
        Ok(config)
    }

    /// It, if it can be trained.
    ///
    /// # Errors
    /// If it asks for the impossible; `file` is what it came from.
    pub fn checked(self, file: &Path) -> Result<Self, TrainError> {
        match self.check() {
            Ok(()) => Ok(self),
            Err(why) => Err(TrainError::Config {
                file: file.display().to_string(),
                why,
            }),
        }
    }

    /// What is impossible about it, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_classes()?;
        self.check_sets()?;
        let positive = [
            ("crop", self.crop as f32),
            ("long_edge", self.long_edge as f32),
            ("batch", self.batch as f32),
            ("steps", self.steps as f32),
            ("learning_rate", self.learning_rate),
            ("clip", self.clip),
            ("scale", self.scale[0]),
            ("checkpoint_every", self.checkpoint_every as f32),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, v)| !(*v > 0.0 && v.is_finite())) {
            return Err(format!("`{name}` must be above 0"));
        }
        let shares = self.loss;
        let not_negative = [
            ("weight_decay", self.weight_decay),
            ("loss.cross_entropy", shares.cross_entropy),
            ("loss.dice", shares.dice),
            ("loss.boundary", shares.boundary),
            ("loss.presence", shares.presence),
        ];
        if let Some((name, _)) = not_negative
            .iter()
            .find(|(_, v)| !(*v >= 0.0 && v.is_finite()))
        {
            return Err(format!("`{name}` must not be below 0"));
        }
        if !(0.0..1.0).contains(&self.ema) {
            return Err("`ema` must be at least 0 and below 1".to_owned());
        }
        if !(self.scale[1] >= self.scale[0] && self.scale[1] <= 16.0) {
            return Err("`scale` is [smallest, largest], of at most 16".to_owned());
        }
        let sides = [("crop", self.crop), ("long_edge", self.long_edge)];
        if let Some((name, _)) = sides.iter().find(|(_, side)| *side > 4096) {
            return Err(format!("`{name}` must be at most 4096 pixels"));
        }
        Ok(())
    }

    fn check_classes(&self) -> Result<(), String> {
        let count = self.classes.len();
        if !(2..=usize::from(OUTSIDE)).contains(&count) {
            return Err(format!(
                "`classes` has {count} classes, and from 2 to {OUTSIDE} can be trained (the first \
                 is the background)"
            ));
        }
        for (at, class) in self.classes.iter().enumerate() {
            if class.name.trim().is_empty() {
                return Err(format!("class {at} has no name"));
            }
            if self.classes[..at]
                .iter()
                .any(|other| other.name == class.name)
            {
                return Err(format!("two classes are named {:?}", class.name));
            }
        }
        Ok(())
    }

    fn check_sets(&self) -> Result<(), String> {
        if self.sets.is_empty() {
            return Err("`sets` is empty: give at least one folder of labelled photos".to_owned());
        }
        for (at, set) in self.sets.iter().enumerate() {
            if !(set.weight > 0.0 && set.weight.is_finite()) {
                return Err(format!(
                    "the set {:?} has a weight that is not above 0",
                    set.name
                ));
            }
            if self.sets[..at].iter().any(|other| other.name == set.name) {
                return Err(format!("two sets are named {:?}", set.name));
            }
            if set.hold_out && set.dev.is_some() {
                return Err(format!(
                    "the set {:?} has both photos to validate on and `hold_out`",
                    set.name
                ));
            }
            let is_known = |name: &String| {
                name == "ignore" || self.classes.iter().any(|class| class.name == *name)
            };
            if let Some(name) = set.names.values().find(|name| !is_known(name)) {
                return Err(format!(
                    "the set {:?} gives a class the name {name:?}, which is not in `classes`",
                    set.name
                ));
            }
        }
        Ok(())
    }

    /// The first setting in which two configurations train differently, with
    /// both values. Places of files, and how often to look, make no difference.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let (ours, theirs) = (self.comparable(), other.comparable());
        let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) else {
            return None;
        };
        // who says nothing of the backbone finds out by the names of tensors
        let is_unsaid = |key: &str| {
            let unsaid = |map: &Map<String, Value>| map.get(key).is_none_or(Value::is_null);
            key == "backbone" && (unsaid(&ours) || unsaid(&theirs))
        };
        let is_other = |key: &str| ours.get(key) != theirs.get(key) && !is_unsaid(key);
        let keys = FIRST.into_iter().chain(ours.keys().map(String::as_str));
        let key = keys.into_iter().find(|key| is_other(key))?;
        let told = |map: &Map<String, Value>| match map.get(key) {
            // as it was written, not as twice as many bits have it
            Some(Value::Number(number)) if number.is_f64() => number
                .as_f64()
                .map_or_else(String::new, |n| (n as f32).to_string()),
            Some(value) => value.to_string(),
            None => "unsaid".to_owned(),
        };
        Some(format!(
            "`{key}` is {} and was {}",
            told(&ours),
            told(&theirs)
        ))
    }

    fn comparable(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        let Value::Object(map) = &mut value else {
            return value;
        };
        for key in [
            "validate_every",
            "validate_photos",
            "checkpoint_every",
            "init",
            "init_partly",
        ] {
            map.remove(key);
        }
        if let Some(Value::Array(sets)) = map.get_mut("sets") {
            for set in sets.iter_mut().filter_map(Value::as_object_mut) {
                set.remove("train");
                set.remove("dev");
            }
        }
        value
    }

    /// The names of the classes, by id.
    pub fn class_names(&self) -> Vec<&str> {
        self.classes
            .iter()
            .map(|class| class.name.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Config, String> {
        let config: Config = serde_json::from_str(text).map_err(|error| error.to_string())?;
        config.check().map(|()| config)
    }

    const GOOD: &str = r#"{"classes": [{"name": "background", "color": [0, 0, 0]},
        {"name": "leaf", "color": [1, 2, 3]}], "sets": [{"name": "a", "train": "a/train"}]"#;

    #[test]
    fn defaults_fill_what_is_not_said() {
        let config = parsed(&format!("{GOOD}}}")).unwrap();
        assert_eq!((config.crop, config.long_edge), (256, 384));
        assert_eq!(config.sets[0].weight, 1.0);
        assert!(!config.sets[0].exclusive);
    }

    #[test]
    fn impossible_settings_are_refused_by_name() {
        let refused = |rest: &str| parsed(&format!("{GOOD}, {rest}}}")).unwrap_err();
        assert!(refused(r#""crops": 3"#).contains("crops"));
        assert!(refused(r#""crop": 0"#).contains("`crop`"));
        assert!(refused(r#""ema": 1.0"#).contains("`ema`"));
        assert!(refused(r#""scale": [2.0, 1.0]"#).contains("`scale`"));
        assert!(refused(r#""loss": {"dice": -1.0}"#).contains("loss.dice"));
        assert!(parsed("{}").unwrap_err().contains("`classes`"));
        let renamed = GOOD.replace(r#""a/train""#, r#""a", "names": {"x": "y"}"#);
        assert!(
            parsed(&format!("{renamed}}}"))
                .unwrap_err()
                .contains("\"y\"")
        );
    }

    #[test]
    fn only_what_matters_makes_a_difference() {
        let config = parsed(&format!("{GOOD}}}")).unwrap();
        let mut other = config.clone();
        other.validate_every = 3;
        other.sets[0].train = "elsewhere".into();
        assert_eq!(config.difference(&other), None);
        other.batch = 3;
        let said = config.difference(&other).unwrap();
        assert_eq!(said, "`batch` is 8 and was 3");
        other.batch = config.batch;
        other.sets[0].exclusive = true;
        assert!(config.difference(&other).unwrap().contains("`sets`"));
    }
}
