//! Dense convolutions of any size, stride, padding and dilation.
//!
//! A convolution is a linear layer over each pixel's neighbourhood. Where the
//! taps of a filter's row are neighbours (dilation 1), the neighbourhoods of
//! some dozen pixels are gathered and multiplied at once. Dilated taps are
//! multiplied one by one, straight from the map: nothing is copied, and taps
//! that fall outside of the map (most of them, for ASPP's large rates on small
//! maps) cost nothing.

use super::FoldedConv;
use super::kernels::{Activation, Packed, gemm};
use super::values::{Values, map_size};
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;
use std::ops::Range;

/// Bytes of gathered neighbourhoods that a task keeps in the cache.
const GATHERED_BYTES: usize = 256 << 10;
/// Pixels that a task should have at least, so that weights are not read from
/// far away for each few of them.
const PIXELS: usize = 48;

/// Where the taps of a convolution lie, the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Input pixels from one output pixel to the next.
    pub stride: usize,
    /// Zeros around the map.
    pub padding: usize,
    /// Input pixels from one tap to the next.
    pub dilation: usize,
}

impl Reach {
    /// Of a filter of odd `side` whose output is as large as its input
    /// divided by `stride`, rounded up.
    pub fn centred(side: usize, stride: usize, dilation: usize) -> Self {
        Self {
            stride,
            padding: side / 2 * dilation,
            dilation,
        }
    }

    /// Length of the output of a filter of `side` taps over `length` pixels;
    /// `None` if it does not fit in.
    pub fn output(self, side: usize, length: usize) -> Option<usize> {
        let span = (side - 1) * self.dilation + 1;
        let room = (length + 2 * self.padding).checked_sub(span)?;
        Some(room / self.stride + 1)
    }

    /// The input pixel under tap `tap` at output pixel `i`, if it is inside.
    fn input(self, i: usize, tap: usize, length: usize) -> Option<usize> {
        let at = (i * self.stride + tap * self.dilation).checked_sub(self.padding)?;
        (at < length).then_some(at)
    }

    /// Output pixels of `count` whose tap `tap` lies inside the map.
    fn inside(self, tap: usize, length: usize, count: usize) -> Range<usize> {
        let offset = tap * self.dilation;
        let first = self.padding.saturating_sub(offset).div_ceil(self.stride);
        let end = (length + self.padding).saturating_sub(offset);
        let end = end.div_ceil(self.stride).min(count);
        first.min(end)..end
    }
}

/// A convolution with its activation.
#[derive(Clone, Debug)]
pub struct Conv2d {
    taps: Taps,
    bias: Vec<f32>,
    side: usize,
    inputs: usize,
    reach: Reach,
    act: Activation,
}

/// A convolution's weights.
#[derive(Clone, Debug)]
enum Taps {
    /// (side · side · in) to (out), with the bias: for neighbouring taps.
    Together(Packed),
    /// (in) to (out) for each tap: for dilated ones.
    Apart(Vec<Packed>),
}

/// A map as a slice with its size.
#[derive(Clone, Copy)]
pub(super) struct Map<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub columns: usize,
}

impl Conv2d {
    /// From weights with a square filter, batch normalisation folded in.
    ///
    /// # Panics
    /// If the weights' length does not fit their channels.
    pub fn new(conv: &FoldedConv, reach: Reach, act: Activation) -> Self {
        let (outputs, inputs) = (conv.outputs, conv.inputs);
        let area = conv.weight.len() / (outputs * inputs);
        let side = area.isqrt();
        assert_eq!(conv.weight.len(), outputs * inputs * side * side, "filter");
        let bias = conv.bias.clone().unwrap_or_else(|| vec![0.0; outputs]);
        // (out, in, taps) to (out, taps, in).
        let filters = conv.weight.chunks_exact(inputs * area);
        let tap = |filter: &[f32], tap| -> Vec<f32> {
            filter.iter().skip(tap).step_by(area).copied().collect()
        };
        let taps = if reach.dilation == 1 || side == 1 {
            let rows: Vec<f32> = filters
                .flat_map(|filter| (0..area).flat_map(move |t| tap(filter, t)))
                .collect();
            Taps::Together(Packed::from_linear(
                &rows,
                Some(&bias),
                outputs,
                inputs * area,
            ))
        } else {
            let matrix = |t: usize| -> Vec<f32> {
                filters.clone().flat_map(|filter| tap(filter, t)).collect()
            };
            let pack = |t| Packed::from_linear(&matrix(t), None, outputs, inputs);
            Taps::Apart((0..area).map(pack).collect())
        };
        Self {
            taps,
            bias,
            side,
            inputs,
            reach,
            act,
        }
    }

    /// Input channels.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Steps from one output to the next, in inputs.
    pub fn stride(&self) -> usize {
        self.reach.stride
    }

    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// (rows, columns) of the output for a map of (rows, columns).
    ///
    /// # Errors
    /// If the map is smaller than the filter.
    pub fn output_size(&self, (rows, columns): (usize, usize)) -> Result<(usize, usize)> {
        let length = |length| self.reach.output(self.side, length);
        match (length(rows), length(columns)) {
            (Some(rows), Some(columns)) => Ok((rows, columns)),
            _ => bail!(
                "a filter of {0}×{0} does not fit a map of {rows}×{columns}",
                self.side
            ),
        }
    }

    /// (rows, columns, in) to (rows', columns', out).
    ///
    /// # Errors
    /// If the channels differ, the map is smaller than the filter or the
    /// tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (rows, columns) = map_size(x, self.inputs)?;
        let values = Values::of(x)?;
        let map = Map {
            values: &values,
            rows,
            columns,
        };
        let (high, wide) = self.output_size((rows, columns))?;
        let pitch = wide * self.outputs();
        let mut out = vec![0.0; high * pitch];
        let band = rows_per_task(high, wide);
        out.par_chunks_mut(band * pitch).enumerate().for_each_init(
            Vec::new,
            |gathered, (i, out)| {
                self.rows(map, i * band, wide, (out, self.outputs()), gathered);
                self.act.apply(out);
            },
        );
        Tensor::from_vec(out, (high, wide, self.outputs()), x.device())
    }

    /// Output rows from row `first` on, as many as `out` holds, before the
    /// activation; on the calling thread. Pixels are `ldc` apart in `out`,
    /// `wide` of them in a row; `gathered` is a buffer.
    pub(super) fn rows(
        &self,
        map: Map<'_>,
        first: usize,
        wide: usize,
        (out, ldc): (&mut [f32], usize),
        gathered: &mut Vec<f32>,
    ) {
        match &self.taps {
            Taps::Together(weights) => {
                let k = weights.k();
                let chunk = (GATHERED_BYTES / (4 * k)).clamp(24, 192) / 6 * 6;
                for (i, out) in out.chunks_mut(chunk * ldc).enumerate() {
                    let count = out.len().div_ceil(ldc);
                    gathered.resize(count * k, 0.0);
                    for (p, patch) in gathered.chunks_exact_mut(k).enumerate() {
                        let pixel = i * chunk + p;
                        self.gather(map, first + pixel / wide, pixel % wide, patch);
                    }
                    gemm(gathered, k, count, weights.view(), out, ldc, false);
                }
            }
            Taps::Apart(taps) => {
                for pixel in out.chunks_mut(ldc) {
                    pixel[..self.bias.len()].copy_from_slice(&self.bias);
                }
                for (tap, weights) in taps.iter().enumerate() {
                    for (y, out) in out.chunks_mut(wide * ldc).enumerate() {
                        self.add_tap(map, tap, weights, first + y, wide, (out, ldc));
                    }
                }
            }
        }
    }

    /// The neighbourhood of one output pixel, (side, side, in).
    fn gather(&self, map: Map<'_>, y: usize, x: usize, patch: &mut [f32]) {
        let c = self.inputs;
        // Columns of the filter that lie inside; neighbours, since the
        // dilation is 1 (or there is one tap only).
        let left = self.reach.padding.saturating_sub(x * self.reach.stride);
        let start = (x * self.reach.stride + left).saturating_sub(self.reach.padding);
        let left = left.min(self.side);
        let count = (self.side - left).min(map.columns.saturating_sub(start));
        for (tap, patch) in patch.chunks_exact_mut(self.side * c).enumerate() {
            let Some(row) = self.reach.input(y, tap, map.rows).filter(|_| count > 0) else {
                patch.fill(0.0);
                continue;
            };
            patch[..left * c].fill(0.0);
            patch[(left + count) * c..].fill(0.0);
            let from = (row * map.columns + start) * c;
            let source = &map.values[from..from + count * c];
            patch[left * c..(left + count) * c].copy_from_slice(source);
        }
    }

    /// Add what one tap contributes to an output row.
    fn add_tap(
        &self,
        map: Map<'_>,
        tap: usize,
        weights: &Packed,
        y: usize,
        wide: usize,
        (out, ldc): (&mut [f32], usize),
    ) {
        let reach = self.reach;
        let Some(row) = reach.input(y, tap / self.side, map.rows) else {
            return;
        };
        let inside = reach.inside(tap % self.side, map.columns, wide);
        let column = reach.input(inside.start, tap % self.side, map.columns);
        let Some(column) = column.filter(|_| !inside.is_empty()) else {
            return;
        };
        let source = &map.values[(row * map.columns + column) * self.inputs..];
        gemm(
            source,
            reach.stride * self.inputs,
            inside.len(),
            weights.view(),
            &mut out[inside.start * ldc..],
            ldc,
            true,
        );
    }
}

/// Output rows per task: enough pixels for the weights to be worth reading,
/// and several tasks for each thread if there are enough.
pub(super) fn rows_per_task(rows: usize, columns: usize) -> usize {
    let share = rows.div_ceil(4 * rayon::current_num_threads());
    share
        .clamp(1, PIXELS.div_ceil(columns).max(8))
        .max(PIXELS.div_ceil(columns))
        .min(rows.max(1))
}

/// Batch normalisation as it was at the end of the training, per channel.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// What the normalised values are multiplied by.
    pub weight: Vec<f32>,
    /// What is added then.
    pub bias: Vec<f32>,
    /// Running mean.
    pub mean: Vec<f32>,
    /// Running variance.
    pub variance: Vec<f32>,
    /// Added to the variance.
    pub eps: f64,
}

impl FoldedConv {
    /// The convolution followed by `norm`, as one convolution.
    ///
    /// # Panics
    /// If the norm has other channels.
    pub fn normalised(mut self, norm: &BatchNorm) -> Self {
        assert_eq!(norm.weight.len(), self.outputs, "channels of a norm");
        let mut bias = self.bias.unwrap_or_else(|| vec![0.0; self.outputs]);
        let filter = self.weight.len() / self.outputs;
        let filters = self.weight.chunks_exact_mut(filter).zip(&mut bias);
        for (i, (filter, bias)) in filters.enumerate() {
            let factor =
                f64::from(norm.weight[i]) / (f64::from(norm.variance[i]) + norm.eps).sqrt();
            for weight in filter {
                *weight = (f64::from(*weight) * factor) as f32;
            }
            let centred = f64::from(*bias) - f64::from(norm.mean[i]);
            *bias = (centred * factor + f64::from(norm.bias[i])) as f32;
        }
        self.bias = Some(bias);
        self
    }
}

#[cfg(test)]
mod tests;
