//! Self-attention inside windows with a learned bias by distance, as in
//! TinyViT.

use super::capture::{Grid, Windows};
use super::kernels::{Scratch, add_assign, gemm, softmax_rows};
use super::values::{Values, map_size};
use super::{LayerAblation, LayerNorm, Linear};
use candle_core::{Device, Result, Tensor, bail};
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

/// Expand a table (heads, offsets) to (heads, side², side²). Offsets are the
/// pairs (|Δrow|, |Δcolumn|) in order of first appearance when all pairs of
/// tokens are gone through, first token outermost.
fn expand_bias(table: &[f32], heads: usize, side: usize) -> Vec<f32> {
    let tokens = side * side;
    // The first token sees every offset, in reading order: so that is the order.
    let offset =
        |a: usize, b: usize| (a / side).abs_diff(b / side) * side + (a % side).abs_diff(b % side);
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
        assert!(
            heads > 0 && bias_table.len() == heads * tokens,
            "bias table"
        );
        assert!(qkv.outputs() == 3 * project.inputs() && project.inputs().is_multiple_of(heads));
        let bias = expand_bias(bias_table, heads, side);
        let bias = Tensor::from_vec(bias, (heads, tokens, tokens), &Device::Cpu)?;
        Ok(Self {
            norm,
            qkv,
            project,
            bias,
            heads,
            side,
        })
    }

    /// Channels of the map.
    pub fn channels(&self) -> usize {
        self.norm.channels()
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

    /// `x + attention(norm(x))`, (height, width, channels). The grid is padded
    /// to whole windows with zeros before the norm; padded tokens are keys like
    /// others. Attention heads that are `off` contribute nothing.
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor, off: LayerAblation<'_>) -> Result<Tensor> {
        let values = Values::of(x)?;
        let bias = Values::of(&self.bias)?;
        let job = Job::new(self, x, &values, &bias)?;
        let one = |buffers: &mut Buffers, window| job.window(window, off, buffers);
        let windows = (0..job.windows.count()).into_par_iter();
        let parts: Vec<Vec<f32>> = windows.map_init(Buffers::default, one).collect();
        Tensor::from_vec(job.gather(&parts), x.dims(), x.device())
    }

    /// Queries and keys that [`WindowAttention::forward`] computes in one
    /// window of `x`, bit for bit: (heads, tokens, head_dim) each.
    ///
    /// # Errors
    /// As `forward`, or if there is no such window.
    pub fn queries_and_keys(&self, x: &Tensor, window: usize) -> Result<(Tensor, Tensor)> {
        let values = Values::of(x)?;
        let bias = Values::of(&self.bias)?;
        let job = Job::new(self, x, &values, &bias)?;
        if window >= job.windows.count() {
            bail!("no window {window} among {}", job.windows.count());
        }
        let mut buffers = Buffers::default();
        job.project(window, &mut buffers);
        let shape = (self.heads, self.side * self.side, self.head_dim());
        let (queries, keys) = split_heads(&buffers.qkv, self);
        let queries = Tensor::from_vec(queries, shape, x.device())?;
        Ok((queries, Tensor::from_vec(keys, shape, x.device())?))
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

impl<'a> Job<'a> {
    fn new(
        layer: &'a WindowAttention,
        x: &Tensor,
        values: &'a [f32],
        bias: &'a [f32],
    ) -> Result<Self> {
        let (rows, columns) = map_size(x, layer.norm.channels())?;
        Ok(Self {
            layer,
            bias,
            padding: layer.qkv.apply(layer.norm.bias()),
            values,
            windows: Windows::covering(Grid { rows, columns }, layer.side),
            rows,
            columns,
        })
    }

    /// First row and column of a window and its extent inside the grid.
    fn extent(&self, window: usize) -> (usize, usize, usize, usize) {
        let (y, x) = self.windows.position(window, 0);
        let side = self.layer.side;
        (y, x, side.min(self.rows - y), side.min(self.columns - x))
    }

    /// Fill `buffers.qkv` for a window.
    fn project(&self, window: usize, buffers: &mut Buffers) {
        let (y, x, height, width) = self.extent(window);
        let channels = self.layer.norm.channels();
        let normed = &mut buffers.normed;
        normed.clear();
        for row in y..y + height {
            let from = (row * self.columns + x) * channels;
            normed.extend_from_slice(&self.values[from..from + width * channels]);
        }
        self.layer.norm.apply(normed);
        self.fill_qkv(normed, (height, width), &mut buffers.qkv);
    }

    /// The layer's contribution in a window: (rows, columns, channels) of what
    /// lies inside the grid.
    fn window(&self, window: usize, off: LayerAblation<'_>, buffers: &mut Buffers) -> Vec<f32> {
        self.project(window, buffers);
        let (_, _, height, width) = self.extent(window);
        let layer = self.layer;
        let (side, channels, inner) = (layer.side, layer.norm.channels(), layer.project.inputs());
        // Padded columns between the rows are asked too and dropped below.
        let asked = (height - 1) * side + width;
        buffers.mixed.resize(side * side * inner, 0.0);
        for head in 0..layer.heads {
            let bias = &self.bias[head * side.pow(4)..][..asked * side * side];
            attend(layer, head, asked, bias, buffers);
        }
        off.silence(&mut buffers.mixed, inner, layer.head_dim());
        let mut out = vec![0.0; height * width * channels];
        let weights = layer.project.packed().view();
        // A window as wide as the grid's part has no gaps between its rows.
        let (rows, count) = if width == side {
            (1, height * width)
        } else {
            (height, width)
        };
        for (row, out) in out
            .chunks_exact_mut(count * channels)
            .enumerate()
            .take(rows)
        {
            let mixed = &buffers.mixed[row * side * inner..];
            gemm(mixed, inner, count, weights, out, channels, false);
        }
        out
    }

    /// Queries, keys and values of all tokens of a window, padded ones too.
    fn fill_qkv(&self, normed: &[f32], (height, width): (usize, usize), qkv: &mut Vec<f32>) {
        let (side, channels) = (self.layer.side, self.layer.norm.channels());
        let (weights, pitch) = (self.layer.qkv.packed(), self.layer.qkv.outputs());
        qkv.resize(side * side * pitch, 0.0);
        if width == side {
            gemm(
                normed,
                channels,
                height * side,
                weights.view(),
                qkv,
                pitch,
                false,
            );
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
        let rows = out
            .par_chunks_mut(pitch)
            .zip(self.values.par_chunks(pitch))
            .enumerate();
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

/// Queries and keys of a window, (heads, tokens, head_dim) each.
fn split_heads(qkv: &[f32], layer: &WindowAttention) -> (Vec<f32>, Vec<f32>) {
    let (dim, pitch) = (layer.head_dim(), layer.qkv.outputs());
    let part = |index: usize| {
        (0..layer.heads)
            .flat_map(|head| qkv.chunks_exact(pitch).map(move |token| (head, token)))
            .flat_map(|(head, token)| &token[(3 * head + index) * dim..][..dim])
            .copied()
            .collect()
    };
    (part(0), part(1))
}

/// One attention head of one window for its first `asked` tokens, from
/// `buffers.qkv` to its columns of `buffers.mixed`.
fn attend(layer: &WindowAttention, head: usize, asked: usize, bias: &[f32], buffers: &mut Buffers) {
    let Buffers {
        qkv,
        scores,
        mixed,
        keys,
        values,
        ..
    } = buffers;
    let (dim, tokens, pitch) = (
        layer.head_dim(),
        layer.side * layer.side,
        layer.qkv.outputs(),
    );
    let qkv = &qkv[3 * dim * head..];
    let keys = keys
        .pack_transposed(&qkv[dim..], pitch, tokens, dim)
        .padded();
    let ld = keys.n();
    scores.resize(asked * ld, 0.0);
    gemm(qkv, pitch, asked, keys, scores, ld, false);
    softmax_rows(scores, ld, tokens, layer.scale(), Some(bias));
    let values = values.pack(&qkv[2 * dim..], pitch, tokens, dim);
    gemm(
        scores,
        ld,
        asked,
        values,
        &mut mixed[head * dim..],
        layer.project.inputs(),
        false,
    );
}

#[cfg(test)]
mod tests;
