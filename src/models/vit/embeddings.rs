//! From a picture to the encoder's input.

use crate::models::ModelError;
use crate::nn::capture::Tokens;
use crate::nn::kernels::add_assign;
use crate::nn::{PatchEmbedding, PositionEncoding, Values};
use candle_core::Tensor;

/// Patches as tokens, in reading order, after tokens that were trained:
/// `[class, (distillation), (registers), patches]`. All but registers get a
/// position.
#[derive(Clone, Debug)]
pub(super) struct Embeddings {
    pub(super) patches: PatchEmbedding,
    /// (1 or 2, width): the class token and DeiT's distillation token.
    pub(super) class_tokens: Vec<f32>,
    /// (registers, width).
    pub(super) registers: Vec<f32>,
    pub(super) positions: PositionEncoding,
}

impl Embeddings {
    /// `pixels` (rows, columns, 3) to (tokens, width), and how they lie on the
    /// picture.
    pub(super) fn forward(&self, pixels: &Tensor) -> Result<(Tensor, Tokens), ModelError> {
        let (patches, grid) = self.patches.forward(pixels)?;
        let positions = self.positions.of(grid);
        let (first, places) = positions.split_at(self.class_tokens.len());

        let prefix = self.class_tokens.len() + self.registers.len();
        let mut tokens = Vec::with_capacity(prefix + places.len());
        tokens.extend(self.class_tokens.iter().zip(first).map(|(t, p)| t + p));
        tokens.extend_from_slice(&self.registers);
        tokens.extend_from_slice(&Values::of(&patches)?);
        add_assign(&mut tokens[prefix..], places);

        let width = self.patches.width();
        let layout = Tokens {
            prefix: prefix / width,
            grid: Some(grid),
        };
        let tokens = Tensor::from_vec(tokens, (layout.len(), width), pixels.device())?;
        Ok((tokens, layout))
    }
}
