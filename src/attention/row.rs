//! Where tokens look: rows of attention matrices, laid out on the photo.

use super::{AttentionError, Fusion, Heads, Query, TokenRect};
use crate::nn::capture::{Grid, Group, Grouping, QueryKey, Tokens};
use rayon::prelude::*;

/// Queries that are multiplied at a time.
pub(super) const BLOCK: usize = 96;
/// Up to so many queries of an attention head, packing its keys would cost more
/// than it saves.
const FEW: usize = 4;

/// One number per token of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    /// The grid.
    pub grid: Grid,
    /// (rows, columns), row-major.
    pub values: Vec<f32>,
}

impl Heatmap {
    /// All zero.
    pub fn zeros(grid: Grid) -> Self {
        let values = vec![0.0; grid.len()];
        Self { grid, values }
    }

    /// The value at (row, column), if that is on the grid.
    pub fn at(&self, row: usize, column: usize) -> Option<f32> {
        let inside = row < self.grid.rows && column < self.grid.columns;
        let index = row * self.grid.columns + column;
        inside.then(|| self.values.get(index).copied()).flatten()
    }

    /// A part of the map, as far as it lies on the grid.
    pub fn part(&self, part: TokenRect) -> Self {
        let Grid { rows, columns } = self.grid;
        let down = part.top.min(rows)..part.bottom.min(rows);
        let across = part.left.min(columns)..part.right.min(columns);
        let grid = Grid {
            rows: down.len(),
            columns: across.len(),
        };
        let row = |row: usize| &self.values[row * columns..][across.clone()];
        let values = down.flat_map(row).copied().collect();
        Self { grid, values }
    }

    /// The sums of the values in patches of `side` × `side` tokens, on the grid of
    /// the patches; what is less than a patch is left out.
    pub fn of_patches(&self, side: usize) -> Self {
        let side = side.max(1);
        let grid = Grid {
            rows: self.grid.rows / side,
            columns: self.grid.columns / side,
        };
        let patch = |index: usize| {
            let (row, column) = (index / grid.columns, index % grid.columns);
            let tokens =
                (0..side * side).map(|at| (row * side + at / side, column * side + at % side));
            tokens
                .filter_map(|(row, column)| self.at(row, column))
                .sum()
        };
        Self {
            grid,
            values: (0..grid.len()).map(patch).collect(),
        }
    }

    /// The sum of all values.
    pub fn sum(&self) -> f32 {
        self.values.iter().sum()
    }
}

/// Attention weights by what they fall on. A row of one attention head sums to
/// 1 over prefix, grid and padding together.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Weights of the tokens without a place (class token, registers, prompt
    /// tokens), in order.
    pub prefix: Vec<f32>,
    /// Weights over the grid, zero where the query cannot look (outside of its
    /// window or phase); `None` where tokens have no place.
    pub grid: Option<Heatmap>,
    /// What falls on the padding of windows, which is no part of the photo.
    pub padding: f32,
}

impl Row {
    /// All zero, over `tokens`.
    pub fn zeros(tokens: Tokens) -> Self {
        Self {
            prefix: vec![0.0; tokens.prefix],
            grid: tokens.grid.map(Heatmap::zeros),
            padding: 0.0,
        }
    }

    /// From one weight per token, prefix first.
    pub(super) fn of(tokens: Tokens, weights: &[f32]) -> Self {
        let (prefix, rest) = weights.split_at(tokens.prefix);
        Self {
            prefix: prefix.to_vec(),
            grid: tokens.grid.map(|grid| Heatmap {
                grid,
                values: rest.to_vec(),
            }),
            padding: 0.0,
        }
    }

    /// What falls on the tokens without a place.
    pub fn prefix_mass(&self) -> f32 {
        self.prefix.iter().sum()
    }

    /// The sum of all weights.
    pub fn total(&self) -> f32 {
        self.prefix_mass() + self.padding + self.grid.as_ref().map_or(0.0, Heatmap::sum)
    }

    /// Add the weights of a group's tokens, in their order.
    pub(super) fn add(
        &mut self,
        tokens: Tokens,
        grouping: Grouping,
        group: usize,
        weights: &[f32],
    ) {
        let add = |to: &mut f32, value: &f32| *to += value;
        if grouping == Grouping::Whole {
            let (prefix, rest) = weights.split_at(tokens.prefix.min(weights.len()));
            let pairs = self.prefix.iter_mut().zip(prefix);
            let grid = self.grid.iter_mut().flat_map(|map| &mut map.values);
            pairs
                .chain(grid.zip(rest))
                .for_each(|(to, value)| add(to, value));
            return;
        }
        for (place, value) in weights.iter().enumerate() {
            let position = grouping.position(tokens, group, place);
            let on_grid = position.zip(self.grid.as_mut()).and_then(|(at, map)| {
                let inside = at.0 < map.grid.rows && at.1 < map.grid.columns;
                inside.then(|| &mut map.values[at.0 * map.grid.columns + at.1])
            });
            add(on_grid.unwrap_or(&mut self.padding), value);
        }
    }

    fn take(&mut self, other: &Row, fusion: Fusion) {
        fusion.take(&mut self.prefix, &other.prefix);
        if let Some((map, other)) = self.grid.as_mut().zip(other.grid.as_ref()) {
            fusion.take(&mut map.values, &other.values);
        }
        let mut padding = [self.padding];
        fusion.take(&mut padding, &[other.padding]);
        self.padding = padding[0];
    }

    /// Rows of several attention heads as one.
    pub(super) fn fused(rows: Vec<Row>, fusion: Fusion) -> Option<Row> {
        let count = rows.len();
        let mut rows = rows.into_iter();
        let mut fused = rows.next()?;
        rows.for_each(|row| fused.take(&row, fusion));
        fusion.finish(&mut fused.prefix, count);
        if let Some(map) = &mut fused.grid {
            fusion.finish(&mut map.values, count);
        }
        let mut padding = [fused.padding];
        fusion.finish(&mut padding, count);
        fused.padding = padding[0];
        Some(fused)
    }
}

/// Where `query` looks: the row of its attention weights, over the key side of
/// the layer.
///
/// # Errors
/// If there are no such attention heads or tokens.
pub fn row(record: &QueryKey, heads: &Heads, query: &Query) -> Result<Row, AttentionError> {
    let (heads, fusion) = heads.of(record)?;
    let rows = rows_of(record, &heads, query)?;
    Row::fused(rows, fusion).ok_or(AttentionError::NoHeads)
}

/// Where `query` looks, through each attention head by itself. Attention heads
/// are computed in parallel.
///
/// # Errors
/// If there are no such tokens.
pub fn all_heads(record: &QueryKey, query: &Query) -> Result<Vec<Row>, AttentionError> {
    let heads: Vec<usize> = (0..record.attention_heads).collect();
    rows_of(record, &heads, query)
}

/// [`all_heads`] for several layers at once, in parallel: the whole head grid
/// of an inspector. Layers differ in their grids, so each has its own query:
/// see [`Query::at`].
///
/// # Errors
/// If there are no such tokens in one of the layers.
pub fn all_layers(asked: &[(&QueryKey, Query)]) -> Result<Vec<Vec<Row>>, AttentionError> {
    let asked = asked.par_iter();
    asked
        .map(|(record, query)| all_heads(record, query))
        .collect()
}

fn rows_of(record: &QueryKey, heads: &[usize], query: &Query) -> Result<Vec<Row>, AttentionError> {
    let asked = Asked::new(record, query)?;
    let heads = heads.par_iter();
    heads.map(|head| asked.row(*head)).collect()
}

/// The queries of a layer that look, with their groups' keys.
struct Asked<'r> {
    record: &'r QueryKey,
    groups: Vec<(usize, Group<'r>, Vec<usize>)>,
    /// Number of queries.
    count: usize,
}

impl<'r> Asked<'r> {
    fn new(record: &'r QueryKey, query: &Query) -> Result<Self, AttentionError> {
        let places = query.places(record, record.query_tokens)?;
        let count = places.values().map(Vec::len).sum();
        let open = |(index, places)| Ok((index, record.open(index)?, places));
        // Windowed layers compute a group's queries and keys when it is opened.
        let groups: Result<Vec<_>, AttentionError> = places.into_par_iter().map(open).collect();
        Ok(Self {
            record,
            groups: groups?,
            count,
        })
    }

    /// The mean row of the queries, through one attention head.
    fn row(&self, head: usize) -> Result<Row, AttentionError> {
        let (tokens, grouping) = (self.record.key_tokens, self.record.grouping);
        let mut row = Row::zeros(tokens);
        for (index, group, places) in &self.groups {
            let mut weights = summed(group, head, places)?;
            let share = 1.0 / self.count as f32;
            weights.iter_mut().for_each(|weight| *weight *= share);
            row.add(tokens, grouping, *index, &weights);
        }
        Ok(row)
    }
}

/// The sum of the rows of the queries at `places`.
fn summed(group: &Group<'_>, head: usize, places: &[usize]) -> Result<Vec<f32>, AttentionError> {
    let mut sum = vec![0.0; group.keys()];
    let mut add = |row: &[f32]| Fusion::Mean.take(&mut sum, row);
    if places.len() <= FEW {
        for place in places {
            add(&group.row(head, *place)?);
        }
        return Ok(sum);
    }
    let packed = group.packed(head)?;
    let block = |weights: &mut Vec<f32>, places: &[usize]| {
        weights.resize(places.len() * packed.keys(), 0.0);
        packed.weights(places, weights)?;
        let mut sum = vec![0.0; packed.keys()];
        for row in weights.chunks_exact(packed.keys()) {
            Fusion::Mean.take(&mut sum, row);
        }
        Ok(sum)
    };
    // Added in order, so that the result does not depend on the threads.
    let blocks = places.par_chunks(BLOCK).map_init(Vec::new, block);
    let blocks: Result<Vec<_>, AttentionError> = blocks.collect();
    blocks?.iter().for_each(|row| add(row));
    Ok(sum)
}

#[cfg(test)]
mod tests;
