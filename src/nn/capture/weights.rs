//! Attention weights from recorded queries and keys: a row or a column at a
//! time, or many rows at once from packed keys.

use super::{Bias, Grid, QueryKey};
use crate::nn::kernels::{Packed, dots, gemm, softmax_rows};
use crate::nn::values::Values;
use candle_core::{Result, Tensor, bail};

/// The queries and keys of one group of a layer: see [`QueryKey::open`].
#[derive(Clone, Debug)]
pub struct Group<'r> {
    record: &'r QueryKey,
    /// (heads, queries, head_dim).
    queries: Tensor,
    /// (heads, keys, head_dim).
    keys: Tensor,
}

impl<'r> Group<'r> {
    pub(super) fn new(record: &'r QueryKey, (queries, keys): (Tensor, Tensor)) -> Self {
        Self {
            record,
            queries,
            keys,
        }
    }

    /// Number of queries.
    pub fn queries(&self) -> usize {
        self.queries.dims()[1]
    }

    /// Number of keys.
    pub fn keys(&self) -> usize {
        self.keys.dims()[1]
    }

    /// The attention weights of one query: one per key, summing to 1.
    ///
    /// # Errors
    /// If head or query do not exist.
    pub fn row(&self, head: usize, query: usize) -> Result<Vec<f32>> {
        self.record.row_of(&self.queries, &self.keys, head, query)
    }

    /// The attention weights that one key gets: one per query. `log_sums` is
    /// what [`PackedHead::log_sums`] gives for all queries of the group.
    ///
    /// # Errors
    /// If head or key do not exist, or `log_sums` are not one per query.
    pub fn column(&self, head: usize, key: usize, log_sums: &[f32]) -> Result<Vec<f32>> {
        let (queries, key_values) = (self.queries.get(head)?, self.keys.get(head)?.get(key)?);
        let (queries, key_values) = (Values::of(&queries)?, Values::of(&key_values)?);
        if log_sums.len() != self.queries() {
            bail!("{} sums for {} queries", log_sums.len(), self.queries());
        }
        let mut column = vec![0.0; log_sums.len()];
        dots(&queries, &key_values, &mut column);
        let scale = self.record.scale;
        let mut bias = self.record.bias.column(head, key, &queries)?;
        bias.resize(column.len(), 0.0);
        for ((value, bias), log_sum) in column.iter_mut().zip(&bias).zip(log_sums) {
            *value = (*value * scale + bias - log_sum).exp();
        }
        Ok(column)
    }

    /// An attention head with its keys packed.
    ///
    /// # Errors
    /// If there is no such head.
    pub fn packed(&self, head: usize) -> Result<PackedHead> {
        let keys = self.keys.get(head)?;
        let (n, dim) = (self.keys(), self.record.head_dim);
        Ok(PackedHead {
            queries: self.queries.get(head)?,
            keys: Packed::from_linear(&Values::of(&keys)?, None, n, dim),
            scale: self.record.scale,
            bias: PackedBias::of(&self.record.bias, head)?,
        })
    }
}

/// One attention head of a group with its keys packed once, for whoever needs
/// many rows of its matrix.
#[derive(Clone, Debug)]
pub struct PackedHead {
    /// (queries, head_dim).
    queries: Tensor,
    keys: Packed,
    scale: f32,
    bias: PackedBias,
}

#[derive(Clone, Debug)]
enum PackedBias {
    None,
    /// (queries, keys).
    Table(Tensor),
    Relative {
        rows: Packed,
        columns: Packed,
        grid: Grid,
    },
}

impl PackedBias {
    fn of(bias: &Bias, head: usize) -> Result<Self> {
        let packed = |table: &Tensor| -> Result<Packed> {
            let (n, k) = table.dims2()?;
            Ok(Packed::from_linear(&Values::of(table)?, None, n, k))
        };
        Ok(match bias {
            Bias::None => Self::None,
            Bias::Table(table) => Self::Table(table.get(head)?),
            Bias::Relative {
                rows,
                columns,
                grid,
            } => Self::Relative {
                rows: packed(rows)?,
                columns: packed(columns)?,
                grid: *grid,
            },
        })
    }

    /// Add the bias to `out` (places, keys), the scaled products of the
    /// queries at `places`, whose values are `asking` (places, head_dim).
    fn add(&self, places: &[usize], asking: &[f32], out: &mut [f32]) -> Result<()> {
        let keys = (out.len() / places.len().max(1)).max(1);
        match self {
            Self::None => {}
            Self::Table(table) => {
                let table = Values::of(table)?;
                for (out, place) in out.chunks_exact_mut(keys).zip(places) {
                    add(out, &table[place * keys..][..keys]);
                }
            }
            Self::Relative {
                rows,
                columns,
                grid,
            } => {
                let down = products(asking, rows);
                let across = products(asking, columns);
                let both = down
                    .chunks_exact(rows.n())
                    .zip(across.chunks_exact(columns.n()));
                for ((out, place), (down, across)) in
                    out.chunks_exact_mut(keys).zip(places).zip(both)
                {
                    add_relative(out, *place, down, across, *grid);
                }
            }
        }
        Ok(())
    }
}

impl PackedHead {
    /// Number of queries.
    pub fn queries(&self) -> usize {
        self.queries.dims()[0]
    }

    /// Number of keys.
    pub fn keys(&self) -> usize {
        self.keys.n()
    }

    /// What the softmax is taken of for the queries at `places`, to `out`
    /// (places, keys).
    ///
    /// # Errors
    /// If there is no query at one of the places or `out` has another size.
    pub fn logits(&self, places: &[usize], out: &mut [f32]) -> Result<()> {
        let queries = Values::of(&self.queries)?;
        let (dim, keys) = (self.keys.k(), self.keys.n());
        if out.len() != places.len() * keys {
            bail!("room for {} weights of {} queries", out.len(), places.len());
        }
        let mut asking = Vec::with_capacity(places.len() * dim);
        for place in places {
            match queries.chunks_exact(dim).nth(*place) {
                Some(query) => asking.extend_from_slice(query),
                None => bail!("no query {place} among {}", self.queries()),
            }
        }
        let keys_view = self.keys.view();
        gemm(&asking, dim, places.len(), keys_view, out, keys, false);
        out.iter_mut().for_each(|value| *value *= self.scale);
        self.bias.add(places, &asking, out)
    }

    /// The attention weights of the queries at `places`, to `out`
    /// (places, keys): each row sums to 1.
    ///
    /// # Errors
    /// If there is no query at one of the places or `out` has another size.
    pub fn weights(&self, places: &[usize], out: &mut [f32]) -> Result<()> {
        self.logits(places, out)?;
        softmax_rows(out, self.keys(), self.keys(), 1.0, None);
        Ok(())
    }

    /// As [`PackedHead::weights`], with the entropy of each row in nats.
    ///
    /// # Errors
    /// If there is no query at one of the places or `out` has another size.
    pub fn weights_and_entropies(&self, places: &[usize], out: &mut [f32]) -> Result<Vec<f32>> {
        self.logits(places, out)?;
        let logits = out.to_vec();
        softmax_rows(out, self.keys(), self.keys(), 1.0, None);
        let rows = logits
            .chunks_exact(self.keys())
            .zip(out.chunks_exact(self.keys()));
        // ln of a weight is its logit less the row's log-sum: no logarithms.
        let entropy = |(logits, weights): (&[f32], &[f32])| {
            let mut mean = [0.0];
            dots(logits, weights, &mut mean);
            (log_sum(weights, largest(logits)) - mean[0]).max(0.0)
        };
        Ok(rows.map(entropy).collect())
    }

    /// The logarithm of the softmax's denominator for each query at `places`:
    /// with it, any weight is one product and one `exp`.
    ///
    /// # Errors
    /// If there is no query at one of the places.
    pub fn log_sums(&self, places: &[usize]) -> Result<Vec<f32>> {
        let mut weights = vec![0.0; places.len() * self.keys()];
        self.logits(places, &mut weights)?;
        let tops: Vec<f32> = weights.chunks_exact(self.keys()).map(largest).collect();
        softmax_rows(&mut weights, self.keys(), self.keys(), 1.0, None);
        let rows = weights.chunks_exact(self.keys());
        Ok(rows.zip(tops).map(|(row, top)| log_sum(row, top)).collect())
    }
}

/// The logarithm of a softmax's denominator from its result and its largest
/// input: the largest weight is `exp(top) / denominator`.
fn log_sum(weights: &[f32], top: f32) -> f32 {
    top - largest(weights).ln()
}

/// The largest value, eight at a time so that it vectorises.
fn largest(values: &[f32]) -> f32 {
    let mut top = [f32::NEG_INFINITY; 8];
    for chunk in values.chunks(top.len()) {
        for (top, value) in top.iter_mut().zip(chunk) {
            *top = if *value > *top { *value } else { *top };
        }
    }
    top.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// `asking` (n, k) times a packed table (k, m).
fn products(asking: &[f32], table: &Packed) -> Vec<f32> {
    let m = asking.len() / table.k();
    let mut out = vec![0.0; m * table.n()];
    gemm(
        asking,
        table.k(),
        m,
        table.view(),
        &mut out,
        table.n(),
        false,
    );
    out
}

/// Add the decomposed relative positions to the products of the query at
/// `place`. `down` and `across` are its products with the whole tables.
fn add_relative(out: &mut [f32], place: usize, down: &[f32], across: &[f32], grid: Grid) {
    let (row, column) = (place / grid.columns, place % grid.columns);
    // Keys in order are offsets in reverse.
    let offsets = |table: &[f32], at: usize, side: usize| -> Vec<f32> {
        table[at..at + side].iter().rev().copied().collect()
    };
    let down = offsets(down, row, grid.rows);
    let across = offsets(across, column, grid.columns);
    for (out, down) in out.chunks_exact_mut(grid.columns).zip(down) {
        for (out, across) in out.iter_mut().zip(&across) {
            *out += down + across;
        }
    }
}

fn add(out: &mut [f32], values: &[f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += value;
    }
}

impl Bias {
    /// What is added to the scaled products of one query, (keys); empty if
    /// nothing.
    pub(super) fn row(&self, head: usize, query: usize, asking: &[f32]) -> Result<Vec<f32>> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Table(table) => Ok(Values::of(&table.get(head)?.get(query)?)?.to_vec()),
            Self::Relative {
                rows,
                columns,
                grid,
            } => {
                let against = |table: &Tensor| -> Result<Vec<f32>> {
                    let table = Values::of(table)?;
                    let mut out = vec![0.0; table.len() / asking.len().max(1)];
                    dots(&table, asking, &mut out);
                    Ok(out)
                };
                let mut out = vec![0.0; grid.len()];
                add_relative(&mut out, query, &against(rows)?, &against(columns)?, *grid);
                Ok(out)
            }
        }
    }

    /// What is added to the scaled products of one key, (queries); empty if
    /// nothing. `queries` are all of the group, (queries, head_dim).
    fn column(&self, head: usize, key: usize, queries: &[f32]) -> Result<Vec<f32>> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Table(table) => {
                let table = table.get(head)?;
                let keys = table.dim(1)?;
                let values = Values::of(&table)?;
                Ok(values.iter().skip(key).step_by(keys).copied().collect())
            }
            Self::Relative {
                rows,
                columns,
                grid,
            } => {
                let (rows, columns) = (Values::of(rows)?, Values::of(columns)?);
                let dim = rows.len() / (2 * grid.rows - 1);
                let (key_row, key_column) = (key / grid.columns, key % grid.columns);
                let one = |place: usize, query: &[f32]| {
                    let down = place / grid.columns + grid.rows - 1 - key_row;
                    let across = place % grid.columns + grid.columns - 1 - key_column;
                    let mut sums = [0.0; 2];
                    dots(&rows[down * dim..][..dim], query, &mut sums[..1]);
                    dots(&columns[across * dim..][..dim], query, &mut sums[1..]);
                    sums[0] + sums[1]
                };
                let queries = queries.chunks_exact(dim).enumerate();
                Ok(queries.map(|(place, query)| one(place, query)).collect())
            }
        }
    }
}
