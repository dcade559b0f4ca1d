//! MobileSAM: a TinyViT-5M encoder with SAM's prompt encoder and mask decoder.
//!
//! Zhang et al. 2023, "Faster Segment Anything" (arXiv 2306.14289); TinyViT:
//! Wu et al. 2022 (arXiv 2207.10666). Tensor names are those of the original
//! checkpoint.

mod config;
mod encoder;

pub use config::MobileSamConfig;

use super::preprocess::{Preprocessor, Resize};
use super::promptable::{ORIGINAL, PromptableModel};
use super::{Checkpoint, ModelError, Weights};
use crate::photo::resample::Filter;
use encoder::Encoder;
use std::borrow::Cow;

/// From the bytes of a safetensors file with the sizes of the original: f32,
/// f16 or bf16, batch norms folded or not.
///
/// # Errors
/// Anything that is wrong with the weights.
pub fn from_safetensors(
    bytes: impl Into<Cow<'static, [u8]>>,
) -> Result<PromptableModel, ModelError> {
    let weights = Weights::parse(bytes, "model.safetensors")?;
    let config = MobileSamConfig::default();
    build(&weights, &config, &preprocessor(config.image_size))
}

/// The original's steps, to a frame of that side.
pub fn preprocessor(frame: usize) -> Preprocessor {
    Preprocessor {
        resize: Resize::LongestEdge(frame),
        filter: Filter::Bilinear,
        crop: None,
        rescale: None,
        normalize: Some(([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])),
        bgr: false,
        pad: Some((frame, frame)),
        divisor: 1,
    }
}

/// From the tensors of a checkpoint.
///
/// # Errors
/// Anything that is wrong with its configuration or weights.
pub fn load(weights: &Weights, checkpoint: &Checkpoint) -> Result<PromptableModel, ModelError> {
    let config = MobileSamConfig::of(&checkpoint.config)?;
    build(weights, &config, &checkpoint.preprocessor)
}

fn build(
    weights: &Weights,
    config: &MobileSamConfig,
    preprocessor: &Preprocessor,
) -> Result<PromptableModel, ModelError> {
    PromptableModel::load(weights, config.design(), &ORIGINAL, preprocessor, || {
        Encoder::load(weights, config)
    })
}

#[cfg(test)]
mod tests;
