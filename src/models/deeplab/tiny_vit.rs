//! MobileSAM's frozen TinyViT as a backbone: what trains is what joins its
//! maps.

use super::layers::{Norm, Point};
use super::network::{Backbone, Features, Pass};
use super::source::Part;
use crate::models::ModelError;
use crate::nn::kernels::Activation;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// Channels of the encoder's maps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TinyVitConfig {
    /// At strides 4, 8 and 16, and of the embedding, also at stride 16.
    pub maps: [usize; 4],
    /// What both maps at stride 16 are narrowed to, together.
    pub width: usize,
}

impl Default for TinyVitConfig {
    fn default() -> Self {
        Self {
            maps: [64, 128, 320, 256],
            width: 192,
        }
    }
}

impl TinyVitConfig {
    /// All of its sizes.
    pub(super) fn all(&self) -> Vec<usize> {
        [&self.maps[..], &[self.width]].concat()
    }
}

/// The maps of an [`crate::models::Encoding`] as a backbone's features: its
/// last two side by side are the deep map.
pub(super) struct TinyVit {
    norms: Vec<Norm>,
    join: Point,
    config: TinyVitConfig,
}

impl TinyVit {
    pub fn new(part: &Part<'_>, config: &TinyVitConfig) -> Result<Self, ModelError> {
        let norms = config.maps.iter().enumerate().map(|(i, channels)| {
            Norm::new(
                &part.part(format_args!("norms.{i}")),
                *channels,
                Activation::None,
            )
        });
        let deep = config.maps[2] + config.maps[3];
        Ok(Self {
            norms: norms.collect::<Result<_, _>>()?,
            join: Point::new(&part.part("join"), deep, config.width)?,
            config: config.clone(),
        })
    }
}

impl Backbone for TinyVit {
    fn forward(&self, inputs: &[Tensor], pass: &mut Pass<'_>) -> Result<Features, ModelError> {
        if inputs.len() != self.norms.len() {
            let why = format!("expected {} maps, got {}", self.norms.len(), inputs.len());
            return Err(ModelError::Compute(why));
        }
        pass.step(0, 3)?;
        let maps = self
            .norms
            .iter()
            .zip(inputs)
            .map(|(norm, map)| norm.forward(map));
        let maps = maps.collect::<Result<Vec<_>, _>>()?;
        let deep = Tensor::cat(&maps[2..], 3)?;
        Ok(Features {
            deep: self.join.forward(&deep)?,
            fine: vec![maps[1].clone(), maps[0].clone()],
        })
    }

    fn width(&self) -> usize {
        self.config.width
    }
}
