//! Self-attention inside windows with a learned bias by distance, as in
//! TinyViT.

use super::capture::{Grid, Windows};
use super::kernels::{Packed, Scratch, add_assign, gemm, softmax_rows};
use super::values::{Values, map_size};
use super::{LayerNorm, Linear};
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

/// Window attention with its own pre-norm and the residual connection.
#[derive(Clone, Debug)]
pub struct WindowAttention {
    norm: LayerNorm,
    /// To (heads, [query, key, value], head_dim).
    qkv: Linear,
    project: Linear,
    /// (heads, tokens, tokens) of a window.
    bias: Tensor,
    heads: usize,
    side: usize,
}

/// Queries and keys, (windows, heads, tokens, head_dim) each.
pub type Window = (Tensor, Tensor);

/// Expand a table (heads, offsets) to (heads, side², side²). Offsets are the
/// pairs (|Δrow|, |Δcolumn|) in order of first appearance when all pairs of
/// tokens are gone through, first token outermost.
fn expand_bias(table: &[f32], heads: usize, side: usize) -> Vec<f32> {
    let tokens = side * side;
    // The first token sees every offset, in reading order: so that is the order.
    let offset = |a: usize, b: usize| {
        (a / side).abs_diff(b / side) * side + (a % side).abs_diff(b % side)
    };
    let mut out = Vec::with_capacity(heads * tokens * tokens);
    for row in table.chunks_exact(tokens).take(heads) {
        for a in 0..tokens {
            out.extend((0..tokens).map(|b| row[offset(a, b)]));
        }
    }
    out
}

impl WindowAttention {
    /// `bias_table` is (heads, side²), as checkpoints hold it.
    ///
    /// # Errors
    /// Never on a CPU; candle's tensor construction is fallible.
    ///
    /// # Panics
    /// If the widths do not fit each other.
    pub fn new(
        norm: LayerNorm,
        qkv: Linear,
        project: Linear,
        bias_table: &[f32],
        heads: usize,
        side: usize,
    ) -> Result<Self> {
        let tokens = side * side;
        assert!(heads > 0 && bias_table.len() == heads * tokens, "bias table");
        assert!(qkv.outputs() == 3 * project.inputs() && project.inputs().is_multiple_of(heads));
        let bias = expand_bias(bias_table, heads, side);
        let bias = Tensor::from_vec(bias, (heads, tokens, tokens), &Device::Cpu)?;
        Ok(Self { norm, qkv, project, bias, heads, side })
    }

    /// Attention heads.
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// Width of a query, key or value.
    pub fn head_dim(&self) -> usize {
        self.project.inputs() / self.heads
    }

    /// Side of a window.
    pub fn side(&self) -> usize {
        self.side
    }

    /// What the products are multiplied by.
    pub fn scale(&self) -> f32 {
        (self.head_dim() as f32).powf(-0.5)
    }

    /// The additive bias, (heads, tokens, tokens) of a window; shared.
    pub fn bias(&self) -> Tensor {
        self.bias.clone()
    }

    /// `x + attention(norm(x))`, (height, width, channels), and queries and
    /// keys if `record`. The grid is padded to whole windows with zeros before
    /// the norm; padded tokens are keys like others.
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor, record: bool) -> Result<(Tensor, Option<Window>)> {
        let channels = self.norm.channels();
        let (rows, columns) = map_size(x, channels)?;
        let values = Values::of(x)?;
        let windows = Windows::covering(Grid { rows, columns }, self.side);
        let (tokens, dim) = (self.side * self.side, self.head_dim());
        let len = if record { windows.count() * self.heads * tokens * dim } else { 0 };
        let (mut queries, mut keys) = (vec![0.0; len], vec![0.0; len]);
        let bias = Values::of(&self.bias)?;
        let job = Job {
            layer: self,
            bias: &bias,
            padding: self.qkv.apply(self.norm.bias()),
            values: &values,
            windows,
            rows,
            columns,
        };
        let parts = job.run(&mut queries, &mut keys);
        let out = job.gather(&parts);
        let shape = (windows.count(), self.heads, tokens, dim);
        let recorded = record
            .then(|| -> Result<Window> {
                let queries = Tensor::from_vec(queries, shape, x.device())?;
                Ok((queries, Tensor::from_vec(keys, shape, x.device())?))
            })
            .transpose()?;
        Ok((Tensor::from_vec(out, x.dims(), x.device())?, recorded))
    }
}

/// One forward pass.
struct Job<'a> {
    layer: &'a WindowAttention,
    bias: &'a [f32],
    /// Query, key and value of a padded token: the norm makes its bias of
    /// zeros, so they are the same for all and computed once.
    padding: Vec<f32>,
    values: &'a [f32],
    windows: Windows,
    rows: usize,
    columns: usize,
}

/// Buffers of a thread.
#[derive(Default)]
struct Buffers {
    normed: Vec<f32>,
    qkv: Vec<f32>,
    scores: Vec<f32>,
    mixed: Vec<f32>,
    keys: Scratch,
    values: Scratch,
}

impl Job<'_> {
    /// The layer's contribution window by window, each (rows, columns,
    /// channels) of what lies inside the grid.
    fn run(&self, queries: &mut [f32], keys: &mut [f32]) -> Vec<Vec<f32>> {
        let len = self.layer.heads * self.layer.side.pow(2) * self.layer.head_dim();
        let count = self.windows.count();
        if queries.is_empty() {
            let one = |buffers: &mut Buffers, window| self.window(window, buffers, None);
            (0..count).into_par_iter().map_init(Buffers::default, one).collect()
        } else {
            let record = queries.par_chunks_mut(len).zip(keys.par_chunks_mut(len));
            let pairs = (0..count).into_par_iter().zip(record);
            pairs
                .map_init(Buffers::default, |buffers, (window, (queries, keys))| {
                    self.window(window, buffers, Some((queries, keys)))
                })
                .collect()
        }
    }

    /// First row and column of a window and its extent inside the grid.
    fn extent(&self, window: usize) -> (usize, usize, usize, usize) {
        let (y, x) = self.windows.position(window, 0);
        let side = self.layer.side;
        (y, x, side.min(self.rows - y), side.min(self.columns - x))
    }

    fn window(
        &self,
        window: usize,
        buffers: &mut Buffers,
        record: Option<(&mut [f32], &mut [f32])>,
    ) -> Vec<f32> {
        let (y, x, height, width) = self.extent(window);
        let Buffers { normed, qkv, scores, mixed, keys, values } = buffers;
        let layer = self.layer;
        let (side, channels, inner) = (layer.side, layer.norm.channels(), layer.project.inputs());
        let pitch = 3 * inner;
        normed.clear();
        for row in y..y + height {
            let from = (row * self.columns + x) * channels;
            normed.extend_from_slice(&self.values[from..from + width * channels]);
        }
        layer.norm.apply(normed);
        self.fill_qkv(normed, (height, width), qkv);
        if let Some((queries, keys)) = record {
            copy_heads(qkv, layer, queries, keys);
        }
        // Queries of whole rows, padded columns included: they are dropped below.
        let asked = if width == side { height * side } else { (height - 1) * side + width };
        mixed.resize(side * side * inner, 0.0);
        for head in 0..layer.heads {
            let bias = &self.bias[head * side.pow(4)..][..asked * side * side];
            attend(&qkv[3 * layer.head_dim() * head..], pitch, asked, layer, bias, scores, (keys, values), &mut mixed[head * layer.head_dim()..]);
        }
        let mut out = vec![0.0; height * width * channels];
        let weights: &Packed = layer.project.packed();
        if width == side {
            gemm(mixed, inner, height * side, weights.view(), &mut out, channels, false);
        } else {
            for (row, out) in out.chunks_exact_mut(width * channels).enumerate() {
                gemm(&mixed[row * side * inner..], inner, width, weights.view(), out, channels, false);
            }
        }
        out
    }

    /// Queries, keys and values of all tokens of a window, padded ones too.
    fn fill_qkv(&self, normed: &[f32], (height, width): (usize, usize), qkv: &mut Vec<f32>) {
        let (side, channels) = (self.layer.side, self.layer.norm.channels());
        let (weights, pitch) = (self.layer.qkv.packed(), self.layer.qkv.outputs());
        qkv.resize(side * side * pitch, 0.0);
        if width == side {
            gemm(normed, channels, height * side, weights.view(), qkv, pitch, false);
        } else {
            for (row, normed) in normed.chunks_exact(width * channels).enumerate() {
                let out = &mut qkv[row * side * pitch..];
                gemm(normed, channels, width, weights.view(), out, pitch, false);
            }
        }
        for (place, token) in qkv.chunks_exact_mut(pitch).enumerate() {
            if place / side >= height || place % side >= width {
                token.copy_from_slice(&self.padding);
            }
        }
    }

    /// Put the windows' contributions where they belong and add the input.
    fn gather(&self, parts: &[Vec<f32>]) -> Vec<f32> {
        let channels = self.layer.norm.channels();
        let side = self.layer.side;
        let across = self.windows.padded.columns / side;
        let pitch = self.columns * channels;
        let mut out = vec![0.0; self.values.len()];
        let rows = out.par_chunks_mut(pitch).zip(self.values.par_chunks(pitch)).enumerate();
        rows.for_each(|(y, (out, input))| {
            for (wx, out) in out.chunks_mut(side * channels).enumerate() {
                let part = &parts[y / side * across + wx];
                let from = y % side * out.len();
                out.copy_from_slice(&part[from..from + out.len()]);
            }
            add_assign(out, input);
        });
        out
    }
}

/// Copy queries and keys to (heads, tokens, head_dim).
fn copy_heads(qkv: &[f32], layer: &WindowAttention, queries: &mut [f32], keys: &mut [f32]) {
    let (dim, tokens) = (layer.head_dim(), layer.side * layer.side);
    for head in 0..layer.heads {
        for (place, token) in qkv.chunks_exact(3 * layer.project.inputs()).enumerate() {
            let (from, to) = (3 * dim * head, (head * tokens + place) * dim);
            queries[to..to + dim].copy_from_slice(&token[from..from + dim]);
            keys[to..to + dim].copy_from_slice(&token[from + dim..from + 2 * dim]);
        }
    }
}

/// One attention head of one window for its first `asked` tokens: `qkv` begins
/// with the head's query, `out` with its place in the mixed values.
#[allow(clippy::too_many_arguments)]
fn attend(
    qkv: &[f32],
    pitch: usize,
    asked: usize,
    layer: &WindowAttention,
    bias: &[f32],
    scores: &mut Vec<f32>,
    (keys, values): (&mut Scratch, &mut Scratch),
    out: &mut [f32],
) {
    let (dim, tokens) = (layer.head_dim(), layer.side * layer.side);
    let keys = keys.pack_transposed(&qkv[dim..], pitch, tokens, dim).padded();
    let ld = keys.n();
    scores.resize(asked * ld, 0.0);
    gemm(qkv, pitch, asked, keys, scores, ld, false);
    softmax_rows(scores, ld, tokens, layer.scale(), Some(bias));
    let values = values.pack(&qkv[2 * dim..], pitch, tokens, dim);
    gemm(scores, ld, asked, values, out, layer.project.inputs(), false);
}

#[cfg(test)]
mod tests;
