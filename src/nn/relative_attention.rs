//! Self-attention on a map, whole or in windows, with decomposed relative
//! positions, as in SAM's image encoder.
//!
//! Kirillov et al. 2023, "Segment Anything" (arXiv 2304.02643); windows: Li et
//! al. 2022, ViTDet (arXiv 2203.16527); relative positions: Li et al. 2022,
//! MViTv2 (arXiv 2112.01526). For a query q and a key k of a grid,
//!
//! ```text
//! score = q·k · scale + q·rows[Δrow] + q·columns[Δcolumn],   Δ = query − key
//! ```
//!
//! with the unscaled query in the last two terms. A map of 64×64 tokens has
//! 4096² scores per attention head: only those of a block of queries exist at
//! a time.

use super::capture::{Bias, Grid, Grouping, QueryKey, Tokens, Windows};
use super::kernels::{
    Activation, Packed, PackedView, Scratch, gemm, linear, linear_add, softmax_relative,
    softmax_rows,
};
use super::values::{Values, map_size};
use super::{LayerAblation, LayerNorm, Linear};
use candle_core::{Device, Result, Tensor, bail};
use rayon::prelude::*;

/// Queries per task: more would push the scores of 4096 keys out of the cache.
const QUERIES: usize = 24;

/// Attention with its pre-norm and the residual connection.
#[derive(Clone, Debug)]
pub struct RelativeAttention {
    norm: LayerNorm,
    /// To ([query, key, value], heads, head_dim).
    qkv: Linear,
    project: Linear,
    heads: usize,
    /// Side of a window; none if all tokens see each other.
    window: Option<usize>,
    positions: Option<RelativePositions>,
    /// Query, key and value of padding, which is zero after the norm.
    padding: Vec<f32>,
}

/// One learned vector per distance in rows and per distance in columns.
#[derive(Clone, Debug)]
pub struct RelativePositions {
    /// (2 · grid.rows − 1, head_dim), Δ from −(rows − 1) on.
    rows: Tensor,
    /// (2 · grid.columns − 1, head_dim).
    columns: Tensor,
    grid: Grid,
    /// Both tables side by side, each from its end, so that a query's products
    /// with the rows (columns) of its keys are consecutive.
    reversed: Packed,
}

impl RelativePositions {
    /// For groups of `grid` tokens: `rows` (2 · grid.rows − 1, head_dim) and
    /// `columns` (2 · grid.columns − 1, head_dim), as checkpoints hold them.
    ///
    /// # Errors
    /// Never on a CPU; candle's tensor construction is fallible.
    ///
    /// # Panics
    /// If the lengths do not fit the grid.
    pub fn new(rows: Vec<f32>, columns: Vec<f32>, grid: Grid, head_dim: usize) -> Result<Self> {
        let (down, across) = (2 * grid.rows - 1, 2 * grid.columns - 1);
        assert!(rows.len() == down * head_dim && columns.len() == across * head_dim);
        let backwards = |table: &[f32]| -> Vec<f32> {
            table.rchunks_exact(head_dim).flatten().copied().collect()
        };
        let reversed = [backwards(&rows), backwards(&columns)].concat();
        Ok(Self {
            rows: Tensor::from_vec(rows, (down, head_dim), &Device::Cpu)?,
            columns: Tensor::from_vec(columns, (across, head_dim), &Device::Cpu)?,
            grid,
            reversed: Packed::from_linear(&reversed, None, down + across, head_dim),
        })
    }

    /// Products of a query at `place` of the grid with the rows and with the
    /// columns of all keys, out of its products with the reversed tables.
    fn of_query<'a>(&self, products: &'a [f32], place: usize) -> (&'a [f32], &'a [f32]) {
        let Grid { rows, columns } = self.grid;
        let (row, column) = (place / columns, place % columns);
        let across = &products[2 * rows - 1..];
        (
            &products[rows - 1 - row..][..rows],
            &across[columns - 1 - column..][..columns],
        )
    }
}

impl RelativeAttention {
    /// `qkv` maps to ([query, key, value], heads, head_dim); `window` is the
    /// side of the windows, none for one group of all tokens. Without
    /// `positions` scores are plain products.
    ///
    /// # Panics
    /// If the widths do not fit each other.
    pub fn new(
        norm: LayerNorm,
        qkv: Linear,
        project: Linear,
        heads: usize,
        window: Option<usize>,
        positions: Option<RelativePositions>,
    ) -> Self {
        assert!(qkv.outputs() == 3 * project.inputs() && project.inputs().is_multiple_of(heads));
        assert!(window != Some(0), "windows of nothing");
        let padding = qkv.apply(&vec![0.0; qkv.inputs()]);
        Self {
            norm,
            qkv,
            project,
            heads,
            window,
            positions,
            padding,
        }
    }

    /// Width of a query, key or value.
    pub fn head_dim(&self) -> usize {
        self.project.inputs() / self.heads
    }

    /// What the products are multiplied by.
    pub fn scale(&self) -> f32 {
        (self.head_dim() as f32).powf(-0.5)
    }

    /// `x + attention(norm(x))`, (rows, columns, channels), without the
    /// attention heads that are `off`, and what the weights were computed from
    /// if a `layer` is named. Windows at the right
    /// and bottom are padded with zeros *after* the norm, and padded tokens are
    /// keys like others.
    ///
    /// # Errors
    /// If the channels differ, the map is not the grid of the relative
    /// positions, or the tensor is not plain f32.
    pub fn forward(
        &self,
        x: &Tensor,
        layer: Option<&str>,
        off: LayerAblation<'_>,
    ) -> Result<(Tensor, Option<QueryKey>)> {
        let (rows, columns) = map_size(x, self.norm.channels())?;
        let grid = Grid { rows, columns };
        let groups = Groups::new(grid, self.window);
        if let Some(positions) = &self.positions
            && positions.grid != groups.extent
        {
            let (found, wanted) = (groups.extent, positions.grid);
            bail!("a map of {found:?} tokens for positions of {wanted:?}");
        }
        let mut out = Values::of(x)?.to_vec();
        let mut qkv = vec![0.0; grid.len() * self.qkv.outputs()];
        let normed = self.norm.of(&out);
        linear(&normed, self.qkv.packed(), &mut qkv, Activation::None);
        drop(normed);
        let job = Job {
            layer: self,
            qkv: &qkv,
            groups,
        };
        let record = layer.map(|layer| job.record(layer)).transpose()?;
        let mut mixed = job.gathered(&job.mix());
        off.silence(&mut mixed, self.project.inputs(), self.head_dim());
        linear_add(&mixed, self.project.packed(), &mut out);
        Ok((Tensor::from_vec(out, x.dims(), x.device())?, record))
    }
}

/// How tokens are grouped: windows, or all of them.
#[derive(Clone, Copy, Debug)]
struct Groups {
    grid: Grid,
    /// Tokens of a group, padding included.
    extent: Grid,
    /// None if there is but one group.
    windows: Option<Windows>,
}

/// The part of the grid that a group covers.
#[derive(Clone, Copy, Debug)]
struct Part {
    top: usize,
    left: usize,
    inside: Grid,
}

impl Groups {
    fn new(grid: Grid, window: Option<usize>) -> Self {
        let side = |side| Grid {
            rows: side,
            columns: side,
        };
        Self {
            grid,
            extent: window.map_or(grid, side),
            windows: window.map(|side| Windows::covering(grid, side)),
        }
    }

    fn count(&self) -> usize {
        self.windows.map_or(1, Windows::count)
    }

    fn part(&self, group: usize) -> Part {
        let (top, left) = self
            .windows
            .map_or((0, 0), |windows| windows.position(group, 0));
        Part {
            top,
            left,
            inside: Grid {
                rows: self.extent.rows.min(self.grid.rows - top),
                columns: self.extent.columns.min(self.grid.columns - left),
            },
        }
    }

    /// A group's tokens (tokens, width), padding included: `padding.len()`
    /// values of each row of `map`, whose rows are `pitch` long.
    fn gather(&self, group: usize, map: &[f32], pitch: usize, padding: &[f32], out: &mut Vec<f32>) {
        let Part { top, left, inside } = self.part(group);
        out.clear();
        for row in 0..self.extent.rows {
            let covered = if row < inside.rows { inside.columns } else { 0 };
            let first = (top + row) * self.grid.columns + left;
            for token in first..first + covered {
                out.extend_from_slice(&map[token * pitch..][..padding.len()]);
            }
            for _ in covered..self.extent.columns {
                out.extend_from_slice(padding);
            }
        }
    }

    /// Group and place in it of a token of the grid.
    fn locate(&self, token: usize) -> (usize, usize) {
        let columns = self.grid.columns;
        self.windows.map_or((0, token), |windows| {
            windows.locate(token / columns, token % columns)
        })
    }
}

/// One forward pass.
struct Job<'a> {
    layer: &'a RelativeAttention,
    /// (tokens, [query, key, value], heads, head_dim).
    qkv: &'a [f32],
    groups: Groups,
}

/// Which of the three.
#[derive(Clone, Copy)]
enum Kind {
    Query,
    Key,
    Value,
}

/// Buffers of a thread.
#[derive(Default)]
struct Buffers {
    tokens: Vec<f32>,
    keys: Scratch,
    values: Scratch,
    block: Block,
}

#[derive(Default)]
struct Block {
    scores: Vec<f32>,
    products: Vec<f32>,
}

impl Job<'_> {
    /// One attention head's queries, keys or values of a group: (tokens,
    /// head_dim).
    fn gather(&self, kind: Kind, group: usize, head: usize, out: &mut Vec<f32>) {
        let (dim, pitch) = (self.layer.head_dim(), self.layer.qkv.outputs());
        let at = (kind as usize * self.layer.heads + head) * dim;
        let padding = &self.layer.padding[at..at + dim];
        self.groups
            .gather(group, &self.qkv[at..], pitch, padding, out);
    }

    /// The mixed values by group and attention head: (tokens, head_dim) each.
    fn mix(&self) -> Vec<Vec<f32>> {
        let heads = self.layer.heads;
        if self.groups.windows.is_none() {
            // One large group: its queries are shared out.
            let mut buffers = Buffers::default();
            let share = |queries: &[f32], keys: PackedView<'_>, values: PackedView<'_>| {
                let dim = self.layer.head_dim();
                let mut out = vec![0.0; queries.len()];
                out.par_chunks_mut(QUERIES * dim).enumerate().for_each_init(
                    Block::default,
                    |block, (i, out)| {
                        self.attend(i * QUERIES, queries, (keys, values), block, out);
                    },
                );
                out
            };
            return (0..heads)
                .map(|head| self.group(0, head, &mut buffers, |_, q, k, v| share(q, k, v)))
                .collect();
        }
        (0..self.groups.count() * heads)
            .into_par_iter()
            .map_init(Buffers::default, |buffers, i| {
                self.group(i / heads, i % heads, buffers, |block, q, k, v| {
                    let mut out = vec![0.0; q.len()];
                    self.attend(0, q, (k, v), block, &mut out);
                    out
                })
            })
            .collect()
    }

    /// Hand queries (tokens, head_dim), packed keys and values of one group
    /// and attention head to `attend`.
    fn group(
        &self,
        group: usize,
        head: usize,
        buffers: &mut Buffers,
        attend: impl FnOnce(&mut Block, &[f32], PackedView<'_>, PackedView<'_>) -> Vec<f32>,
    ) -> Vec<f32> {
        let Buffers {
            tokens,
            keys,
            values,
            block,
        } = buffers;
        let (dim, count) = (self.layer.head_dim(), self.groups.extent.len());
        self.gather(Kind::Key, group, head, tokens);
        let keys = keys.pack_transposed(tokens, dim, count, dim).padded();
        self.gather(Kind::Value, group, head, tokens);
        let values = values.pack(tokens, dim, count, dim);
        self.gather(Kind::Query, group, head, tokens);
        attend(block, tokens, keys, values)
    }

    /// What the queries from number `first` of the group on read; as many as
    /// `out` has room for.
    fn attend(
        &self,
        first: usize,
        queries: &[f32],
        (keys, values): (PackedView<'_>, PackedView<'_>),
        block: &mut Block,
        out: &mut [f32],
    ) {
        let dim = self.layer.head_dim();
        let (asked, ld) = (out.len() / dim, keys.n());
        let queries = &queries[first * dim..][..out.len()];
        block.scores.resize(asked * ld, 0.0);
        gemm(queries, dim, asked, keys, &mut block.scores, ld, false);
        self.softmax(first, queries, ld, block);
        gemm(&block.scores, ld, asked, values, out, dim, false);
    }

    /// From products to weights.
    fn softmax(&self, first: usize, queries: &[f32], ld: usize, block: &mut Block) {
        let Block { scores, products } = block;
        let (scale, count) = (self.layer.scale(), self.groups.extent.len());
        let Some(positions) = &self.layer.positions else {
            return softmax_rows(scores, ld, count, scale, None);
        };
        let (dim, asked) = (self.layer.head_dim(), scores.len() / ld);
        let tables = positions.reversed.view().padded();
        let pitch = tables.n();
        products.resize(asked * pitch, 0.0);
        gemm(queries, dim, asked, tables, products, pitch, false);
        let rows = scores.chunks_exact_mut(ld);
        for (i, (row, products)) in rows.zip(products.chunks_exact(pitch)).enumerate() {
            let (down, across) = positions.of_query(products, first + i);
            softmax_relative(&mut row[..count], scale, down, across);
        }
    }

    /// The mixed values in the order of the map: (tokens, [heads, head_dim]).
    fn gathered(&self, mixed: &[Vec<f32>]) -> Vec<f32> {
        let (heads, dim) = (self.layer.heads, self.layer.head_dim());
        let mut out = vec![0.0; self.groups.grid.len() * heads * dim];
        let tokens = out.par_chunks_mut(heads * dim).with_min_len(64);
        tokens.enumerate().for_each(|(token, out)| {
            let (group, place) = self.groups.locate(token);
            let heads = &mixed[group * heads..][..heads];
            for (out, head) in out.chunks_exact_mut(dim).zip(heads) {
                out.copy_from_slice(&head[place * dim..][..dim]);
            }
        });
        out
    }

    fn record(&self, layer: &str) -> Result<QueryKey> {
        let tokens = Tokens {
            prefix: 0,
            grid: Some(self.groups.grid),
        };
        let grouping = self
            .groups
            .windows
            .map_or(Grouping::Whole, Grouping::Windows);
        let bias = self
            .layer
            .positions
            .as_ref()
            .map_or(Bias::None, |positions| Bias::Relative {
                rows: positions.rows.clone(),
                columns: positions.columns.clone(),
                grid: positions.grid,
            });
        QueryKey::grouped(
            layer.to_owned(),
            grouping,
            (tokens, self.heads_first(Kind::Query)?),
            (tokens, self.heads_first(Kind::Key)?),
            self.layer.scale(),
            bias,
        )
    }

    /// (groups, heads, tokens of a group, head_dim).
    fn heads_first(&self, kind: Kind) -> Result<Tensor> {
        let (heads, dim) = (self.layer.heads, self.layer.head_dim());
        let (groups, count) = (self.groups.count(), self.groups.extent.len());
        let mut out = vec![0.0; groups * heads * count * dim];
        out.par_chunks_mut(count * dim)
            .enumerate()
            .for_each_init(Vec::new, |tokens, (i, out)| {
                self.gather(kind, i / heads, i % heads, tokens);
                out.copy_from_slice(tokens);
            });
        Tensor::from_vec(out, (groups, heads, count, dim), &Device::Cpu)
    }
}

#[cfg(test)]
mod tests;
