//! SAM's mask head: the image is upscaled four times by two transposed
//! convolutions, and each mask token is turned into a filter that reads its
//! mask off the upscaled image.

use super::capture::Grid;
use super::kernels::{Activation, Packed, gemm};
use super::{FoldedConv, LayerNorm, Linear, Mlp};
use rayon::prelude::*;

/// Upscaling and filters. See the module's description.
#[derive(Clone, Debug)]
pub struct MaskHead {
    /// Width to 2 × 2 × middle.
    first: Linear,
    norm: LayerNorm,
    /// Middle to 2 × 2 × filter.
    second: Linear,
    filters: Vec<Mlp>,
    channels: (usize, usize),
}

/// A transposed 2×2 convolution of stride 2, weight (in, out, 2, 2), as a
/// linear layer to (2, 2, out).
fn transposed(conv: &FoldedConv) -> Linear {
    let (inputs, outputs) = (conv.inputs, conv.outputs);
    let mut rows = Vec::with_capacity(conv.weight.len());
    for tap in 0..4 {
        for output in 0..outputs {
            rows.extend((0..inputs).map(|i| conv.weight[(i * outputs + output) * 4 + tap]));
        }
    }
    let bias = conv.bias.as_ref().map(|bias| bias.repeat(4));
    Linear::new(&rows, bias.as_deref(), 4 * outputs, inputs)
}

impl MaskHead {
    /// `first` and `second` are transposed convolutions with weights
    /// (in, out, 2, 2); `filters` one MLP per mask token.
    ///
    /// # Panics
    /// If the channels do not chain.
    pub fn new(
        first: &FoldedConv,
        norm: LayerNorm,
        second: &FoldedConv,
        filters: Vec<Mlp>,
    ) -> Self {
        assert!(first.outputs == norm.channels() && first.outputs == second.inputs);
        let channels = (first.outputs, second.outputs);
        Self {
            first: transposed(first),
            norm,
            second: transposed(second),
            filters,
            channels,
        }
    }

    /// Masks as logits, each (4·rows, 4·columns), one per mask token. `image`
    /// is (rows · columns, width), `tokens` (masks, width).
    pub fn forward(&self, image: &[f32], grid: Grid, tokens: &[f32]) -> Vec<Vec<f32>> {
        let width = self.first.inputs();
        let filters: Vec<f32> = self
            .filters
            .iter()
            .zip(tokens.chunks_exact(width))
            .flat_map(|(mlp, token)| mlp.apply(token))
            .collect();
        let masks = self.filters.len();
        let filters = Packed::from_linear(&filters, None, masks, self.channels.1);
        let pitch = 4 * grid.columns;
        // Row of the grid by row of the grid: (rows, masks, 4, 4·columns).
        let mut bands = vec![0.0; grid.rows * masks * 4 * pitch];
        bands
            .par_chunks_mut(masks * 4 * pitch)
            .zip(image.par_chunks(grid.columns * width))
            .for_each_init(Buffers::default, |buffers, (band, row)| {
                self.band(row, grid.columns, &filters, buffers, band);
            });
        (0..masks)
            .map(|mask| {
                let bands = bands.chunks_exact(masks * 4 * pitch);
                bands
                    .flat_map(|band| &band[mask * 4 * pitch..][..4 * pitch])
                    .copied()
                    .collect()
            })
            .collect()
    }

    /// One row of the grid, to (masks, 4, 4·columns).
    fn band(
        &self,
        row: &[f32],
        columns: usize,
        filters: &Packed,
        buffers: &mut Buffers,
        band: &mut [f32],
    ) {
        /// Grid cells whose upscaled values fit the cache.
        const CELLS: usize = 24;
        let (width, (middle, filter)) = (self.first.inputs(), self.channels);
        let view = filters.view().padded();
        let lanes = view.n();
        for start in (0..columns).step_by(CELLS) {
            let cells = CELLS.min(columns - start);
            let Buffers {
                first,
                second,
                logits,
            } = buffers;
            first.resize(cells * 4 * middle, 0.0);
            second.resize(cells * 16 * filter, 0.0);
            logits.resize(cells * 16 * lanes, 0.0);
            let row = &row[start * width..];
            gemm(
                row,
                width,
                cells,
                self.first.packed().view(),
                first,
                4 * middle,
                false,
            );
            self.norm.apply(first);
            Activation::Gelu.apply(first);
            gemm(
                first,
                middle,
                cells * 4,
                self.second.packed().view(),
                second,
                4 * filter,
                false,
            );
            Activation::Gelu.apply(second);
            gemm(second, filter, cells * 16, view, logits, lanes, false);
            for (i, logits) in logits.chunks_exact(lanes).enumerate() {
                // Bits of i: cell, then row and column of both upscalings.
                let y = (i >> 3 & 1) * 2 + (i >> 1 & 1);
                let x = (start + (i >> 4)) * 4 + (i >> 2 & 1) * 2 + (i & 1);
                for (mask, logit) in logits[..self.filters.len()].iter().enumerate() {
                    band[(mask * 4 + y) * 4 * columns + x] = *logit;
                }
            }
        }
    }
}

#[derive(Default)]
struct Buffers {
    first: Vec<f32>,
    second: Vec<f32>,
    logits: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};
    use candle_core::{Device, Tensor};

    #[test]
    fn it_agrees_with_transposed_convolutions() {
        let (h, w, c, middle, filter) = (3, 30, 8, 6, 4);
        let conv = |inputs: usize, outputs: usize, seed| FoldedConv {
            weight: noise(inputs * outputs * 4, seed),
            bias: Some(noise(outputs, seed + 1)),
            outputs,
            inputs,
        };
        let (first, second) = (conv(c, middle, 1), conv(middle, filter, 3));
        let norm = LayerNorm::new(noise(middle, 5), noise(middle, 6), 1e-6);
        let mlp = |seed| Mlp::new(vec![Linear::new(&noise(filter * c, seed), None, filter, c)]);
        let filters = vec![mlp(7), mlp(8), mlp(9)];
        let (image, tokens) = (noise(h * w * c, 10), noise(3 * c, 11));
        let up = |x: &Tensor, conv: &FoldedConv| {
            let dims = (conv.inputs, conv.outputs, 2, 2);
            let weight = Tensor::from_slice(&conv.weight, dims, &Device::Cpu).unwrap();
            let x = x
                .permute((2, 0, 1))
                .unwrap()
                .unsqueeze(0)
                .unwrap()
                .contiguous()
                .unwrap();
            let y = x
                .conv_transpose2d(&weight, 0, 0, 2, 1)
                .unwrap()
                .squeeze(0)
                .unwrap();
            let bias = conv.bias.as_ref().unwrap();
            let bias = Tensor::from_slice(bias, conv.outputs, &Device::Cpu).unwrap();
            let y = y.permute((1, 2, 0)).unwrap().broadcast_add(&bias).unwrap();
            y.contiguous().unwrap()
        };
        let x = Tensor::from_slice(&image, (h, w, c), &Device::Cpu).unwrap();
        let y = norm.forward(&up(&x, &first)).unwrap().gelu_erf().unwrap();
        let y = up(&y, &second).gelu_erf().unwrap();
        let head = MaskHead::new(&first, norm, &second, filters.clone());
        let got = head.forward(
            &image,
            Grid {
                rows: h,
                columns: w,
            },
            &tokens,
        );
        for (i, got) in got.iter().enumerate() {
            let filter_values = filters[i].apply(&tokens[i * c..(i + 1) * c]);
            let column = Tensor::from_slice(&filter_values, (filter, 1), &Device::Cpu).unwrap();
            let flat = y.reshape((h * w * 16, filter)).unwrap();
            let want = flat.matmul(&column).unwrap().flatten_all().unwrap();
            close(got, &want.to_vec1::<f32>().unwrap(), 1e-4);
        }
    }
}
