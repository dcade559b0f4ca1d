//! Plain Vision Transformers: ViT (Dosovitskiy et al. 2021), DeiT (Touvron et
//! al. 2021), DINO (Caron et al. 2021), DINOv2 (Oquab et al. 2023) and DINOv2
//! with registers (Darcet et al. 2024), as Hugging Face checkpoints hold them.
//!
//! ```text
//!                                        class ┌────────────┐
//!                                          ┌───│ classifier │
//! ┌─┬─┬─┐                                  │   └────────────┘
//! ├─┼─┼─┤   [class] 1 2 3 4 5 6 7 8 9  ┌───┴───┐
//! ├─┼─┼─┤ ─    +    + + + + + + + + +  │Encoder│   block: + attend(norm(x))
//! └─┴─┴─┘      p    p p p p p p p p p  └───────┘          + mlp(norm(x))
//! patches   projected, with positions                     × depth, norm
//! ```
//!
//! They are one architecture in several configurations ([`VitConfig`]):
//!
//! | | class tokens | positions resized | feed-forward | classifier looks at |
//! |---|---|---|---|---|
//! | ViT, DINO | class | bicubic | MLP | class token |
//! | DeiT | class, distillation | bicubic | MLP | class token, or both: mean of two |
//! | DINOv2 | class | bicubic | MLP or SwiGLU, LayerScale | class token and mean patch |
//! | with registers | class, then registers | bicubic, antialiased | the same | the same |

mod config;
mod embeddings;
mod head;
mod load;
#[cfg(test)]
mod tests;
mod trace;

pub use config::{FeedForwardConfig, VitConfig};

use super::{Config, Family, Hidden, ModelError, OutputKind, Run, Traceable, VisionModel, Weights};
use crate::nn::capture::Tokens;
use crate::nn::{Pooling, TransformerEncoder, Watch};
use crate::task::Task;
use candle_core::Tensor;
use embeddings::Embeddings;
use head::DecodeHead;
use load::Loader;

/// A Vision Transformer with its decode head. Immutable; share it by `Arc`.
#[derive(Clone, Debug)]
pub struct VisionTransformer {
    embeddings: Embeddings,
    encoder: TransformerEncoder,
    head: DecodeHead,
    config: VitConfig,
    parameters: usize,
}

impl VisionTransformer {
    /// From a checkpoint's tensors and its `config.json`; `family` is one of
    /// [`Family::Vit`], [`Family::Deit`], [`Family::Dinov2`] and
    /// [`Family::Dinov2WithRegisters`].
    ///
    /// # Errors
    /// If the configuration makes no sense, or tensors are missing or do not
    /// fit it.
    pub fn load(weights: &Weights, config: &Config, family: Family) -> Result<Self, ModelError> {
        let architecture = VitConfig::read(config, family)?;
        let loader = Loader::new(weights, &architecture, family);
        let pooling = match family {
            Family::Dinov2 | Family::Dinov2WithRegisters => Pooling::ClassAndMean,
            _ => Pooling::CLASS,
        };
        Ok(Self {
            embeddings: loader.embeddings()?,
            encoder: loader.encoder()?,
            head: DecodeHead::load(weights, config, architecture.width, pooling)?,
            parameters: weights.parameters(),
            config: architecture,
        })
    }

    /// Its architecture.
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// The encoder's input (tokens, width) for `pixels`, and how it lies on them.
    fn embed(&self, pixels: &Tensor) -> Result<(Tensor, Tokens), ModelError> {
        let (height, width, _) = pixels.dims3()?;
        if height < self.config.patch.0 || width < self.config.patch.1 {
            return Err(ModelError::TooSmall {
                width,
                height,
                least: self.stride(),
            });
        }
        self.embeddings.forward(pixels)
    }
}

impl VisionModel for VisionTransformer {
    fn run(&self, pixels: &Tensor, watch: &Watch, task: Task<'_>) -> Result<Run, ModelError> {
        task.check()?;
        let (tokens, layout) = self.embed(pixels)?;
        let (tokens, records) = self
            .encoder
            .forward::<ModelError>(&tokens, layout, watch, task)?;
        let output = self.head.read(&tokens, layout)?;
        Ok(Run {
            output,
            hidden: Some(Hidden { tokens, layout }),
            records,
        })
    }

    fn kind(&self) -> OutputKind {
        self.head.kind()
    }

    fn stride(&self) -> usize {
        self.config.patch.0.max(self.config.patch.1)
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn traceable(&self) -> Option<&dyn Traceable> {
        Some(self)
    }
}
