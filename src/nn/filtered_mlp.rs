//! What MobileNetV2's inverted residual and SegFormer's Mix-FFN have in
//! common: each pixel's channels are widened, the wide map is filtered channel
//! by channel, and narrowed again.
//!
//! The wide map has several times the channels of the map itself, so it is
//! never there as a whole: slabs of rows are widened, filtered and narrowed,
//! and a slab keeps the last rows of the one before, which its filters still
//! reach. Memory does not grow with the height of the photo.

use super::kernels::{Activation, depthwise_row, gemm};
use super::values::{Values, map_size};
use super::{FoldedConv, LayerNorm, Linear};
use candle_core::{Result, Tensor};
use rayon::prelude::*;
use std::ops::Range;

/// Bytes of the wide map that are there at a time, if its rows allow it.
const SLAB_BYTES: usize = 2 << 20;
/// Pixels that a task widens or narrows at a time.
const PIXELS: usize = 96;

/// A depthwise 3×3 convolution of any stride and dilation, padded by its
/// dilation.
#[derive(Clone, Debug)]
pub struct ChannelFilter {
    weight: Vec<f32>,
    bias: Vec<f32>,
    stride: usize,
    dilation: usize,
}

impl ChannelFilter {
    /// From weights (channels, 1, 3, 3), batch normalisation folded in.
    ///
    /// # Panics
    /// If the weights are not those of such a convolution.
    pub fn new(conv: &FoldedConv, stride: usize, dilation: usize) -> Self {
        assert_eq!(conv.weight.len(), 9 * conv.outputs, "depthwise weights");
        // (channels, taps) to (taps, channels).
        let tap = |tap: usize| conv.weight.iter().skip(tap).step_by(9);
        Self {
            weight: (0..9).flat_map(tap).copied().collect(),
            bias: conv.bias.clone().unwrap_or_else(|| vec![0.0; conv.outputs]),
            stride,
            dilation,
        }
    }

    /// Channels.
    pub fn channels(&self) -> usize {
        self.bias.len()
    }

    /// Length of the output along a side of `length`.
    fn output(&self, length: usize) -> usize {
        (length - 1) / self.stride + 1
    }

    /// Input rows of `height` that the output rows `rows` reach.
    fn reached(&self, rows: Range<usize>, height: usize) -> Range<usize> {
        let first = (rows.start * self.stride).saturating_sub(self.dilation);
        let end = (rows.end - 1) * self.stride + self.dilation + 1;
        first..end.min(height)
    }
}

/// Widen, filter, narrow.
#[derive(Clone, Debug)]
pub(super) struct FilteredMlp {
    /// Before widening; not part of the residual.
    pub norm: Option<LayerNorm>,
    /// To the wide map, and what follows.
    pub widen: (Linear, Activation),
    /// Over the wide map, and what follows.
    pub filter: (ChannelFilter, Activation),
    /// To the output.
    pub narrow: Linear,
    /// Whether the input is added to the output.
    pub residual: bool,
}

impl FilteredMlp {
    /// # Panics
    /// If the channels do not chain, or a residual would not fit.
    pub fn check(&self) {
        let wide = self.filter.0.channels();
        assert!(self.widen.0.outputs() == wide && self.narrow.inputs() == wide);
        let norm = self
            .norm
            .as_ref()
            .map_or(self.inputs(), LayerNorm::channels);
        assert_eq!(norm, self.inputs(), "channels of the norm");
        let same = self.filter.0.stride == 1 && self.inputs() == self.narrow.outputs();
        assert!(!self.residual || same, "residual");
    }

    fn inputs(&self) -> usize {
        self.widen.0.inputs()
    }

    /// (rows, columns, in) to (rows / stride, columns / stride, out), rounded
    /// up.
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let size = map_size(x, self.inputs())?;
        let values = Values::of(x)?;
        let filter = &self.filter.0;
        let target = (filter.output(size.0), filter.output(size.1));
        let pitch = target.1 * self.narrow.outputs();
        let mut out = vec![0.0; target.0 * pitch];
        let per_slab = self.slab_rows(size.1, target.0);
        let mut slab = Slab {
            pitch: size.1 * filter.channels(),
            values: Vec::new(),
            rows: 0..0,
        };
        for (i, out) in out.chunks_mut(per_slab * pitch).enumerate() {
            let first = i * per_slab;
            let rows = first..first + out.len() / pitch;
            let reached = filter.reached(rows, size.0);
            let from = slab.rows.end.max(reached.start) * size.1;
            let fresh = slab.advance(reached);
            self.widen(&values[from * self.inputs()..], fresh);
            self.narrow(&values, &slab, first, (out, target.1));
        }
        Tensor::from_vec(out, (target.0, target.1, self.narrow.outputs()), x.device())
    }

    /// Output rows per slab: as many as memory allows, but some for each
    /// thread; slabs of about the same height.
    fn slab_rows(&self, columns: usize, rows: usize) -> usize {
        let row = 4 * columns * self.filter.0.channels() * self.filter.0.stride;
        let most = (SLAB_BYTES / row).max(4 * rayon::current_num_threads());
        rows.div_ceil(rows.div_ceil(most))
    }

    /// Widen the first pixels of `x`, as many as `wide` has room for.
    fn widen(&self, x: &[f32], wide: &mut [f32]) {
        let (layer, act) = &self.widen;
        let (k, n) = (layer.inputs(), layer.outputs());
        let x = &x[..wide.len() / n * k];
        let tasks = wide
            .par_chunks_mut(PIXELS * n)
            .zip(x.par_chunks(PIXELS * k));
        tasks.for_each_init(Vec::new, |normed, (wide, x)| {
            let x = match &self.norm {
                Some(norm) => {
                    normed.clear();
                    normed.extend_from_slice(x);
                    norm.apply(normed);
                    normed
                }
                None => x,
            };
            gemm(x, k, x.len() / k, layer.packed().view(), wide, n, false);
            act.apply(wide);
        });
    }

    /// Filter and narrow the slab into the output rows from `first` on.
    fn narrow(&self, x: &[f32], slab: &Slab, first: usize, (out, columns): (&mut [f32], usize)) {
        let (filter, act) = &self.filter;
        let (wide, n) = (filter.channels(), self.narrow.outputs());
        let pitch = columns * n;
        let threads = rayon::current_num_threads();
        let share = (out.len() / pitch).div_ceil(threads);
        let rows = PIXELS.div_ceil(columns).min(share.max(1));
        let tasks = out.par_chunks_mut(rows * pitch).enumerate();
        tasks.for_each_init(Vec::new, |filtered, (i, out)| {
            filtered.resize(out.len() / n * wide, 0.0);
            for (y, filtered) in filtered.chunks_exact_mut(columns * wide).enumerate() {
                let taps = slab.taps(filter, first + i * rows + y);
                let (stride, dilation) = (filter.stride, filter.dilation);
                depthwise_row(
                    taps,
                    &filter.weight,
                    &filter.bias,
                    stride,
                    dilation,
                    filtered,
                );
            }
            act.apply(filtered);
            if self.residual {
                out.copy_from_slice(&x[(first + i * rows) * pitch..][..out.len()]);
            }
            let weights = self.narrow.packed().view();
            gemm(
                filtered,
                wide,
                out.len() / n,
                weights,
                out,
                n,
                self.residual,
            );
        });
    }
}

/// Some rows of the wide map.
struct Slab {
    values: Vec<f32>,
    /// Which rows these are.
    rows: Range<usize>,
    /// Values per row.
    pitch: usize,
}

impl Slab {
    /// Move on to `rows`, keeping what is there of them; gives the room for
    /// those that are not.
    fn advance(&mut self, rows: Range<usize>) -> &mut [f32] {
        let kept = self.rows.end.saturating_sub(rows.start) * self.pitch;
        let end = self.rows.len() * self.pitch;
        self.values.copy_within(end - kept..end, 0);
        self.values.resize(rows.len() * self.pitch, 0.0);
        self.rows = rows;
        &mut self.values[kept..]
    }

    /// The rows under the three rows of taps of output row `y`, empty where
    /// they lie outside of the map.
    fn taps(&self, filter: &ChannelFilter, y: usize) -> [&[f32]; 3] {
        [0, 1, 2].map(|tap| {
            let row = (y * filter.stride + tap * filter.dilation).checked_sub(filter.dilation);
            match row.filter(|row| self.rows.contains(row)) {
                Some(row) => &self.values[(row - self.rows.start) * self.pitch..][..self.pitch],
                None => &[],
            }
        })
    }
}
