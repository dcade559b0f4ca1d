//! What the tests of training share: generated sets and a network that is small
//! enough to be trained in a moment.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use candle_core::Tensor;

use super::{Config, Example, Examples, Map, Random, Target, TrainError, TrainingSet};
use crate::models::ModelError;
use crate::models::deeplab::{Init, Network, Pass, Scores, Source};

/// A folder of photos, removed at the end.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path().join("labels")).unwrap();
        folder.classes(
            r#"[{"id": 0, "name": "background", "color": [0, 0, 0]},
                {"id": 2, "name": "spot", "color": [9, 9, 9]}]"#,
        );
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn classes(&self, list: &str) {
        let text = format!(r#"{{"name": "test", "classes": {list}}}"#);
        fs::write(self.path().join("classes.json"), text).unwrap();
    }

    pub fn photo(&self, name: &str, width: u32, height: u32) {
        let picture = image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 5) as u8, (y * 7) as u8, (x * y) as u8])
        });
        picture.save(self.path().join(name)).unwrap();
    }

    pub fn labels(&self, name: &str, width: u32, height: u32, id: impl Fn(u32, u32) -> u8) {
        let map = image::GrayImage::from_fn(width, height, |x, y| image::Luma([id(x, y)]));
        map.save(self.path().join("labels").join(format!("{name}.png")))
            .unwrap();
    }
}

/// A small training on `folder`.
pub(super) fn config(folder: &Folder) -> Config {
    let mut config = small();
    config.sets[0].train = folder.path().to_owned();
    config
}

/// A small training; its set has no folder.
pub(super) fn small() -> Config {
    let text = r#"{
        "classes": [{"name": "background", "color": [0, 0, 0]},
            {"name": "blob", "color": [255, 0, 0]}, {"name": "other", "color": [0, 255, 0]}],
        "sets": [{"name": "test", "train": ".", "names": {"spot": "blob"}}],
        "crop": 32, "long_edge": 32, "batch": 3, "steps": 12, "warmup": 3,
        "validate_every": 4, "checkpoint_every": 100, "ema": 0.9, "learning_rate": 0.01
    }"#;
    let config: Config = serde_json::from_str(text).unwrap();
    config.check().unwrap();
    config
}

/// Bright squares on a dark ground.
pub(super) struct Squares {
    pub photos: usize,
    pub side: usize,
    pub annotated: Arc<[bool]>,
}

impl Squares {
    pub fn new(photos: usize) -> Self {
        Self {
            photos,
            side: 16,
            annotated: [true, true, false].into(),
        }
    }

    fn example(&self, photo: usize, random: &mut Random) -> Example {
        let side = self.side;
        let (top, left) = (photo % (side / 2), photo * 3 % (side / 2));
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for at in 0..side * side {
            let (row, column) = (at / side, at % side);
            let is_inside =
                (top..top + side / 2).contains(&row) && (left..left + side / 2).contains(&column);
            let level = if is_inside { 1.0 } else { -1.0 };
            values.extend([0; 3].map(|_| level + 0.1 * random.normal()));
            labels.push(u8::from(is_inside));
        }
        Example {
            inputs: vec![Map {
                values,
                size: [side, side, 3],
            }],
            target: Target {
                rows: side,
                columns: side,
                labels,
                boundary: None,
                annotated: self.annotated.clone(),
            },
        }
    }
}

impl Examples for Squares {
    fn photos(&self) -> usize {
        self.photos
    }

    fn training(&self, photo: usize, random: &mut Random) -> Result<Example, TrainError> {
        Ok(self.example(photo, random))
    }

    fn whole(&self, photo: usize) -> Result<Example, TrainError> {
        Ok(self.example(photo, &mut Random::new(0, "whole", photo as u64)))
    }
}

/// A set of squares.
pub(super) fn squares(photos: usize) -> Vec<TrainingSet> {
    vec![TrainingSet {
        name: "test".to_owned(),
        weight: 1.0,
        own: vec![true, true, false],
        train: Box::new(Squares::new(photos)),
        dev: Some(Box::new(Squares::new(3))),
    }]
}

/// Two layers per pixel, and the mean of the pixels for what is in the picture.
pub(super) struct Tiny {
    first: Tensor,
    bias: Tensor,
    second: Tensor,
    presence: Tensor,
}

impl Tiny {
    pub fn build(source: &dyn Source) -> Result<Box<dyn Network>, ModelError> {
        Ok(Box::new(Self {
            first: source.tensor("first.weight", &[3, 8], Init::KaimingFanIn(3))?,
            bias: source.tensor("first.bias", &[8], Init::Zeros)?,
            second: source.tensor("second.weight", &[8, 3], Init::Normal(0.3))?,
            presence: source.tensor("presence.weight", &[8, 3], Init::Normal(0.3))?,
        }))
    }
}

impl Network for Tiny {
    fn observe(&self, inputs: &[Tensor], _: &mut Pass<'_>) -> Result<Scores, ModelError> {
        let (n, rows, columns, _) = inputs[0].dims4()?;
        let pixels = inputs[0].reshape((n * rows * columns, 3))?;
        let hidden = pixels.matmul(&self.first)?.broadcast_add(&self.bias)?;
        let hidden = hidden.relu()?;
        let dense = hidden.matmul(&self.second)?;
        let mean = hidden.reshape((n, rows * columns, 8))?.mean(1)?;
        Ok(Scores {
            dense: dense.reshape((n, rows, columns, 3))?,
            presence: Some(mean.matmul(&self.presence)?),
        })
    }
}
