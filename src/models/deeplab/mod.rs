//! DeepLabV3+ on Vision Transformers, which PatchLens trains itself.
//!
//! ```text
//! inputs ── backbone ─┬─ deep map ─┬─ Aspp ── enlarged ─┐
//!                     │            └─ mean ── presence  ├─ decoder ── scores
//!                     └─ fine maps ──────── narrowed ───┘
//! ```
//!
//! | backbone | inputs | trained |
//! |---|---|---|
//! | plain ViT | a picture | all of it, from scratch |
//! | TinyViT | the maps of MobileSAM's encoding | what stands on them |
//!
//! The layers are those of [`crate::nn::grad`], which training and use share.

mod aspp;
mod decoder;
mod layers;
mod model;
mod network;
mod plain_vit;
mod source;
mod tiny_vit;
mod trace;

pub use model::VitDeepLab;
pub use network::{Network, Pass, Scores};
pub use plain_vit::PlainVitConfig;
pub use source::{Init, Source};
pub use tiny_vit::TinyVitConfig;

use super::{Config, ModelError};
use aspp::Aspp;
use decoder::{Decoder, StepPlan};
use layers::Linear;
use network::{Backbone, DeepLabV3Plus};
use plain_vit::PlainVit;
use serde::{Deserialize, Serialize};
use source::Part;
use tiny_vit::TinyVit;

/// What a network stands on, with its sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackboneConfig {
    /// A plain Vision Transformer.
    PlainVit(PlainVitConfig),
    /// MobileSAM's encoder.
    TinyVit(TinyVitConfig),
}

/// The largest width, depth or number of classes that is believed.
const LIMIT: usize = 4096;

/// Sizes of a network: the `network` of its `config.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeepLabConfig {
    /// What it stands on.
    pub backbone: BackboneConfig,
    /// Classes, with the background.
    pub classes: usize,
    /// Whether the last score says where segments touch or end.
    pub boundary: bool,
}

impl DeepLabConfig {
    /// Read and check a configuration.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn of(config: &Config) -> Result<Self, ModelError> {
        let section = config.section("network");
        let section = section.ok_or_else(|| config.bad("it has no section \"network\""))?;
        let sizes: Self = section.parse()?;
        sizes.check().map_err(|why| config.bad(why))?;
        Ok(sizes)
    }

    fn check(&self) -> Result<(), &'static str> {
        let all = match &self.backbone {
            BackboneConfig::PlainVit(sizes) => sizes.all(),
            BackboneConfig::TinyVit(sizes) => sizes.all(),
        };
        let believed = |size: &usize| (1..=LIMIT).contains(size);
        if !all.iter().all(believed) || !believed(&self.classes) {
            return Err("a size of the network is zero or absurdly large");
        }
        match &self.backbone {
            BackboneConfig::PlainVit(sizes) => sizes.check(),
            BackboneConfig::TinyVit(_) => Ok(()),
        }
    }

    /// Scores of a place.
    pub fn outputs(&self) -> usize {
        self.classes + usize::from(self.boundary)
    }

    /// The network with parameters from `source`.
    ///
    /// # Errors
    /// Those of `source`.
    pub fn build(&self, source: &dyn Source) -> Result<Box<dyn Network>, ModelError> {
        let part = Part::of(source, "backbone");
        Ok(match &self.backbone {
            BackboneConfig::PlainVit(sizes) => {
                let backbone = PlainVit::new(&part, sizes)?;
                let steps = [StepPlan {
                    fine: sizes.stem[1],
                    narrowed: 48,
                    below: 128,
                    to: 128,
                    convs: 2,
                }];
                self.on(backbone, source, (&[2, 4, 8], false), &steps)?
            }
            BackboneConfig::TinyVit(sizes) => {
                let backbone = TinyVit::new(&part, sizes)?;
                let steps = [
                    StepPlan {
                        fine: sizes.maps[1],
                        narrowed: 48,
                        below: 128,
                        to: 128,
                        convs: 1,
                    },
                    StepPlan {
                        fine: sizes.maps[0],
                        narrowed: 32,
                        below: 64,
                        to: 64,
                        convs: 1,
                    },
                ];
                self.on(backbone, source, (&[6, 12, 18], true), &steps)?
            }
        })
    }

    fn on<B: Backbone + 'static>(
        &self,
        backbone: B,
        source: &dyn Source,
        (rates, separable): (&[usize], bool),
        steps: &[StepPlan],
    ) -> Result<Box<dyn Network>, ModelError> {
        let part = |name| Part::of(source, name);
        let width = backbone.width();
        let aspp = Aspp::new(&part("aspp"), (width, PYRAMID), rates, separable)?;
        Ok(Box::new(DeepLabV3Plus {
            aspp,
            decoder: Decoder::new(&part("decoder"), PYRAMID, steps, self.outputs())?,
            presence: Some(Linear::new(&part("presence"), width, self.classes)?),
            backbone,
        }))
    }
}

/// Channels of the pyramid.
const PYRAMID: usize = 128;

#[cfg(test)]
mod tests;
