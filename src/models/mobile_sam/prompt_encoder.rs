//! Points, boxes and masks as tokens and features.

use super::{MobileSamConfig, Prompt};
use crate::models::{ModelError, Weights};
use crate::nn::kernels::{Activation, add_assign};
use crate::nn::{LayerNorm, Linear, RandomFourier};
use rayon::prelude::*;

/// Epsilon of the channel-wise norms.
const EPS: f32 = 1e-6;

/// SAM's prompt encoder.
pub(super) struct PromptEncoder {
    positions: RandomFourier,
    /// Negative point, positive point, upper left and lower right corner.
    kinds: [Vec<f32>; 4],
    /// The padding point: there is no box.
    not_a_point: Vec<f32>,
    no_mask: Vec<f32>,
    mask: MaskEncoder,
    frame: usize,
    side: usize,
}

/// Mask logits to features at a quarter of their size.
struct MaskEncoder {
    first: (Linear, LayerNorm),
    second: (Linear, LayerNorm),
    widen: Linear,
}

impl PromptEncoder {
    pub(super) fn load(weights: &Weights, config: &MobileSamConfig) -> Result<Self, ModelError> {
        let root = "prompt_encoder";
        let width = config.hidden_size;
        let matrix = format!("{root}.pe_layer.positional_encoding_gaussian_matrix");
        let row = |name: &str| weights.get(&format!("{root}.{name}.weight"), &[1, width]);
        Ok(Self {
            positions: RandomFourier::new(weights.get(&matrix, &[2, width / 2])?),
            kinds: [
                row("point_embeddings.0")?,
                row("point_embeddings.1")?,
                row("point_embeddings.2")?,
                row("point_embeddings.3")?,
            ],
            not_a_point: row("not_a_point_embed")?,
            no_mask: row("no_mask_embed")?,
            mask: MaskEncoder::load(weights, config, &format!("{root}.mask_downscaling"))?,
            frame: config.image_size,
            side: config.grid_side(),
        })
    }

    /// Positions of the embedding's tokens, (tokens, width).
    pub(super) fn grid_positions(&self) -> Vec<f32> {
        self.positions.grid(self.side, self.side)
    }

    /// The prompt's tokens (n, width): points, then a padding point or the
    /// box's corners.
    pub(super) fn sparse(
        &self,
        prompt: &Prompt,
        photo: (u32, u32),
        resized: (usize, usize),
    ) -> Vec<f32> {
        let mut tokens = Vec::new();
        let mut push = |x: f32, y: f32, kind: usize| {
            let scale = |v: f32, photo: u32, resized: usize| {
                let scaled = f64::from(v) * (resized as f64 / f64::from(photo));
                (scaled as f32 + 0.5) / self.frame as f32
            };
            let (x, y) = (scale(x, photo.0, resized.0), scale(y, photo.1, resized.1));
            let mut token = self.positions.encode(x, y);
            add_assign(&mut token, &self.kinds[kind]);
            tokens.extend(token);
        };
        for point in &prompt.points {
            push(point.x, point.y, usize::from(point.positive));
        }
        if let Some([left, top, right, bottom]) = prompt.bbox {
            push(left, top, 2);
            push(right, bottom, 3);
        } else if !prompt.points.is_empty() {
            tokens.extend_from_slice(&self.not_a_point);
        }
        tokens
    }

    /// The embedding (tokens, width) as the decoder takes it without a mask.
    pub(super) fn without_mask(&self, embedding: &[f32]) -> Vec<f32> {
        let mut image = embedding.to_vec();
        image
            .par_chunks_mut(self.no_mask.len())
            .with_min_len(64)
            .for_each(|token| add_assign(token, &self.no_mask));
        image
    }

    /// The embedding with the features of mask logits added.
    pub(super) fn with_mask(&self, embedding: &[f32], mask: &[f32]) -> Vec<f32> {
        let mut image = self.mask.forward(mask, 4 * self.side);
        add_assign(&mut image, embedding);
        image
    }
}

impl MaskEncoder {
    fn load(weights: &Weights, config: &MobileSamConfig, name: &str) -> Result<Self, ModelError> {
        let channels = config.mask_input_channels;
        let conv = |index: usize, shape| weights.conv(&format!("{name}.{index}"), shape, true);
        let norm = |index: usize, n| weights.norm(&format!("{name}.{index}"), n, EPS);
        Ok(Self {
            first: (
                Linear::from(&conv(0, (channels / 4, 1, 2))?),
                norm(1, channels / 4)?,
            ),
            second: (
                Linear::from(&conv(3, (channels, channels / 4, 2))?),
                norm(4, channels)?,
            ),
            widen: Linear::from(&conv(6, (config.hidden_size, channels, 1))?),
        })
    }

    /// (side, side) to (side / 4 · side / 4, width).
    fn forward(&self, mask: &[f32], side: usize) -> Vec<f32> {
        let halve = |x: &[f32], side: usize, (conv, norm): &(Linear, LayerNorm)| {
            let mut x = conv.apply(&patches(x, side, conv.inputs() / 4));
            norm.apply(&mut x);
            Activation::Gelu.apply(&mut x);
            x
        };
        let x = halve(mask, side, &self.first);
        self.widen.apply(&halve(&x, side / 2, &self.second))
    }
}

/// The 2×2 patches of a square map, (patches, 2, 2, channels).
fn patches(x: &[f32], side: usize, channels: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len());
    for y in 0..side / 2 {
        for column in 0..side / 2 {
            for dy in 0..2 {
                let from = ((2 * y + dy) * side + 2 * column) * channels;
                out.extend_from_slice(&x[from..from + 2 * channels]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_in_reading_order() {
        let x: Vec<f32> = (0..16).map(|v| v as f32).collect();
        assert_eq!(
            patches(&x, 4, 1)[..8],
            [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0]
        );
        assert_eq!(patches(&x[..8], 2, 2), x[..8]);
    }
}
