//! SAM with its own ViT encoder, in transformers' format (`SamModel`), and
//! SlimSAM, which is the same with narrower layers.
//!
//! Kirillov et al. 2023, "Segment Anything" (arXiv 2304.02643); SlimSAM: Chen
//! et al. 2023 (arXiv 2312.05284). Follows transformers' `modeling_sam.py`.

mod config;
mod encoder;

pub use config::{MaskDecoderConfig, PromptEncoderConfig, SamConfig, VisionConfig};

use super::promptable::{HUGGING_FACE, PromptableModel};
use super::{Checkpoint, ModelError, Weights};
use encoder::Encoder;

/// From the tensors of a checkpoint.
///
/// # Errors
/// Anything that is wrong with its configuration or weights.
pub fn load(weights: &Weights, checkpoint: &Checkpoint) -> Result<PromptableModel, ModelError> {
    let config = SamConfig::of(&checkpoint.config)?;
    let (design, preprocessor) = (config.design(), &checkpoint.preprocessor);
    PromptableModel::load(weights, design, &HUGGING_FACE, preprocessor, || {
        Encoder::load(weights, &config.vision_config)
    })
}

#[cfg(test)]
mod tests;
