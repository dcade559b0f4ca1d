//! Points, boxes and masks as tokens and features.

use super::Prompt;
use super::design::Design;
use super::names::Names;
use crate::models::{ModelError, Weights};
use crate::nn::kernels::{Activation, add_assign};
use crate::nn::{LayerNorm, Linear, RandomFourier};
use rayon::prelude::*;

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
    activation: Activation,
    widen: Linear,
}

impl PromptEncoder {
    pub(super) fn load(
        weights: &Weights,
        design: &Design,
        names: &Names,
    ) -> Result<Self, ModelError> {
        let width = design.width;
        let row = |name: &str| weights.get(&format!("{name}.weight"), &[1, width]);
        let kind = |i: usize| row(&format!("{}.{i}", names.points));
        let matrix = names.positions.iter().find(|name| weights.has(name));
        let matrix = matrix.unwrap_or(&names.positions[0]);
        Ok(Self {
            positions: RandomFourier::new(weights.get(matrix, &[2, width / 2])?),
            kinds: [kind(0)?, kind(1)?, kind(2)?, kind(3)?],
            not_a_point: row("prompt_encoder.not_a_point_embed")?,
            no_mask: row("prompt_encoder.no_mask_embed")?,
            mask: MaskEncoder::load(weights, design, names)?,
            frame: design.frame,
            side: design.grid,
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
    fn load(weights: &Weights, design: &Design, names: &Names) -> Result<Self, ModelError> {
        let (channels, activation) = design.mask_prompt;
        let [conv1, norm1, conv2, norm2, conv3] = names.mask_prompt;
        let conv = |name, shape| {
            weights
                .conv(name, shape, true)
                .map(|conv| Linear::from(&conv))
        };
        let norm = |name, n| weights.norm(name, n, design.mask_prompt_eps);
        let few = channels / 4;
        Ok(Self {
            first: (conv(conv1, (few, 1, 2))?, norm(norm1, few)?),
            second: (conv(conv2, (channels, few, 2))?, norm(norm2, channels)?),
            activation,
            widen: conv(conv3, (design.width, channels, 1))?,
        })
    }

    /// (side, side) to (side / 4 · side / 4, width).
    fn forward(&self, mask: &[f32], side: usize) -> Vec<f32> {
        let halve = |x: &[f32], side: usize, (conv, norm): &(Linear, LayerNorm)| {
            let mut x = conv.apply(&patches(x, side, conv.inputs() / 4));
            norm.apply(&mut x);
            self.activation.apply(&mut x);
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
