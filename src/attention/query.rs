//! What is asked: which tokens look, and through which attention heads.

use super::{AttentionError, Direction};
use crate::label::Mask;
use crate::models::geometry::View;
use crate::nn::capture::{Grid, Grouping, QueryKey, Tokens};
use std::collections::{BTreeMap, BTreeSet};

/// The tokens that look (or, in reverse, that are looked at).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// A token without a place on the photo, from 0: the class token is 0 in
    /// the ViT kin; prompt tokens are counted in the decoder's order.
    Prefix(usize),
    /// The token of the grid at (row, column).
    Token {
        /// Row, from 0 at the top.
        row: usize,
        /// Column, from 0 at the left.
        column: usize,
    },
    /// Several tokens of the grid as (row, column): the mean of their rows.
    /// Each counts once, however often it is named.
    Tokens(Vec<(usize, usize)>),
}

impl Query {
    /// The query token of `record` under the point (`x`, `y`) of the photo, of
    /// which `view` is what the network saw: one pointer position, asked of
    /// layers with different grids. `None` outside of the view, or where
    /// queries have no place.
    pub fn at(record: &QueryKey, view: View, x: f64, y: f64) -> Option<Self> {
        let (row, column) = view.token_from_image(record.query_tokens.grid?, x, y)?;
        Some(Self::Token { row, column })
    }

    /// The query tokens of `record` under a mask on the photo, of which `view`
    /// is what the network saw: those that it covers by half; if there are
    /// none, the one that it covers most. `None` if it touches no token.
    pub fn under(record: &QueryKey, mask: &Mask, view: View) -> Option<Self> {
        let tokens = tokens_under(mask, view, record.query_tokens.grid?);
        (!tokens.is_empty()).then_some(Self::Tokens(tokens))
    }

    /// Which places of which groups are meant, among `tokens` (the query or
    /// the key side of `record`).
    pub(super) fn places(
        &self,
        record: &QueryKey,
        tokens: Tokens,
    ) -> Result<BTreeMap<usize, Vec<usize>>, AttentionError> {
        let layer = || record.layer.clone();
        let mut found = BTreeMap::<usize, BTreeSet<usize>>::new();
        let mut add = |(group, place)| found.entry(group).or_default().insert(place);
        match self {
            Self::Prefix(index) if *index < tokens.prefix => {
                add((0, *index));
            }
            Self::Prefix(index) => {
                return Err(AttentionError::NoPrefix {
                    layer: layer(),
                    count: tokens.prefix,
                    index: *index,
                });
            }
            Self::Token { row, column } => {
                add(locate(record, tokens, *row, *column)?);
            }
            Self::Tokens(list) if list.is_empty() => return Err(AttentionError::NoTokens),
            Self::Tokens(list) => {
                for (row, column) in list {
                    add(locate(record, tokens, *row, *column)?);
                }
            }
        }
        let sorted =
            |(group, places): (usize, BTreeSet<usize>)| (group, places.into_iter().collect());
        Ok(found.into_iter().map(sorted).collect())
    }
}

/// Group and place of a token of the grid.
pub(super) fn locate(
    record: &QueryKey,
    tokens: Tokens,
    row: usize,
    column: usize,
) -> Result<(usize, usize), AttentionError> {
    let layer = || record.layer.clone();
    let grid = tokens
        .grid
        .ok_or_else(|| AttentionError::NoGrid { layer: layer() })?;
    if row >= grid.rows || column >= grid.columns {
        return Err(AttentionError::OutsideGrid {
            layer: layer(),
            row,
            column,
            rows: grid.rows,
            columns: grid.columns,
        });
    }
    Ok(record.grouping.locate(tokens, row, column))
}

/// The tokens of `grid` that a mask covers by half, as (row, column) in reading
/// order; if there are none, the one that it covers most. `view` is the part of
/// the photo that the grid lies on.
pub fn tokens_under(mask: &Mask, view: View, grid: Grid) -> Vec<(usize, usize)> {
    if grid.is_empty() {
        return Vec::new();
    }
    let rows = edges(view.top, view.bottom, grid.rows);
    let columns = edges(view.left, view.right, grid.columns);
    let mut covered = vec![0u64; grid.len()];
    for (row, counts) in covered.chunks_exact_mut(grid.columns).enumerate() {
        for span in mask.rows_between(rows[row], rows[row + 1]) {
            for (count, edge) in counts.iter_mut().zip(columns.windows(2)) {
                let overlap = span.x1.min(edge[1]).saturating_sub(span.x0.max(edge[0]));
                *count += u64::from(overlap);
            }
        }
    }
    let area = (view.right - view.left) * (view.bottom - view.top) / grid.len() as f64;
    let place = |index: usize| (index / grid.columns, index % grid.columns);
    let full = |index: &usize| covered[*index] as f64 >= 0.5 * area && covered[*index] > 0;
    let tokens: Vec<_> = (0..grid.len()).filter(full).map(place).collect();
    if !tokens.is_empty() {
        return tokens;
    }
    // The first of the most covered ones.
    let most = (0..grid.len()).rev().max_by_key(|index| covered[*index]);
    let most = most.filter(|index| covered[*index] > 0);
    most.map(place).into_iter().collect()
}

/// The first pixel of each token along an axis, and one past the last token's:
/// a pixel belongs to the token that holds its centre.
pub(super) fn edges(start: f64, end: f64, tokens: usize) -> Vec<u32> {
    let step = (end - start) / tokens as f64;
    // The conversion saturates, so what lies outside of the photo is dropped.
    (0..=tokens)
        .map(|token| (start + token as f64 * step - 0.5).ceil() as u32)
        .collect()
}

/// How the rows of several attention heads become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fusion {
    /// Their mean; sums to 1 like each of them.
    #[default]
    Mean,
    /// The largest weight of each token; sums to more than 1.
    Max,
    /// The smallest weight of each token; sums to less than 1.
    Min,
}

impl Fusion {
    /// Take `values` into `fused`, which starts as the first head's values.
    /// [`Fusion::finish`] completes the mean.
    pub(super) fn take(self, fused: &mut [f32], values: &[f32]) {
        let pairs = fused.iter_mut().zip(values);
        match self {
            Self::Mean => pairs.for_each(|(fused, value)| *fused += value),
            Self::Max => pairs.for_each(|(fused, value)| *fused = fused.max(*value)),
            Self::Min => pairs.for_each(|(fused, value)| *fused = fused.min(*value)),
        }
    }

    /// The last step, after `count` heads.
    pub(super) fn finish(self, fused: &mut [f32], count: usize) {
        if self == Self::Mean {
            let share = 1.0 / count as f32;
            fused.iter_mut().for_each(|value| *value *= share);
        }
    }
}

/// The attention heads that are looked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heads {
    /// One, from 0.
    One(usize),
    /// The mean over all.
    Mean,
    /// The maximum over all.
    Max,
    /// The minimum over all.
    Min,
    /// Some of them, fused. Each counts once.
    Set(Vec<usize>, Fusion),
}

impl Heads {
    /// The attention heads of `record` that are meant, and how to fuse them.
    pub(super) fn of(&self, record: &QueryKey) -> Result<(Vec<usize>, Fusion), AttentionError> {
        let heads = record.attention_heads;
        let (chosen, fusion) = match self {
            Self::One(head) => (vec![*head], Fusion::Mean),
            Self::Mean => ((0..heads).collect(), Fusion::Mean),
            Self::Max => ((0..heads).collect(), Fusion::Max),
            Self::Min => ((0..heads).collect(), Fusion::Min),
            Self::Set(set, fusion) => {
                let set: BTreeSet<usize> = set.iter().copied().collect();
                (set.into_iter().collect::<Vec<_>>(), *fusion)
            }
        };
        match chosen.iter().find(|head| **head >= heads) {
            Some(head) => Err(AttentionError::NoHead {
                layer: record.layer.clone(),
                heads,
                head: *head,
            }),
            None if chosen.is_empty() => Err(AttentionError::NoHeads),
            None => Ok((chosen, fusion)),
        }
    }
}

/// The part of the photo under the key grid of `record`, of which `view` is
/// under the query grid: less than all of it where the keys are reduced and
/// leave a rest. What a row is drawn over.
pub fn key_view(record: &QueryKey, view: View) -> View {
    let share = |keys: usize, queries: usize| {
        let covered = (keys * record.reduction) as f64 / queries.max(1) as f64;
        covered.min(1.0)
    };
    match (record.query_tokens.grid, record.key_tokens.grid) {
        (Some(queries), Some(keys)) => view.upper_left(
            share(keys.columns, queries.columns),
            share(keys.rows, queries.rows),
        ),
        _ => view,
    }
}

/// A rectangle of tokens: half-open, in rows and columns of a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRect {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// One past the last row.
    pub bottom: usize,
    /// One past the last column.
    pub right: usize,
}

impl TokenRect {
    /// The smallest rectangle that holds both.
    pub fn union(self, other: Self) -> Self {
        Self {
            top: self.top.min(other.top),
            left: self.left.min(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }
}

/// The parts of the key grid that `query` can see at all, or of the query grid
/// that can see it: its windows, as far as they lie on the grid, or else the
/// whole grid (of which a layer with phases sees every other token). Whoever
/// draws a windowed row draws these edges, so that nobody mistakes them for an
/// object's.
///
/// # Errors
/// If the query names tokens that do not exist.
pub fn visible(
    record: &QueryKey,
    query: &Query,
    direction: Direction,
) -> Result<Vec<TokenRect>, AttentionError> {
    let (asked, seen) = match direction {
        Direction::From => (record.query_tokens, record.key_tokens),
        Direction::To => (record.key_tokens, record.query_tokens),
    };
    let places = query.places(record, asked)?;
    let Some(grid) = seen.grid else {
        return Ok(Vec::new());
    };
    let Grouping::Windows(windows) = record.grouping else {
        return Ok(vec![TokenRect {
            top: 0,
            left: 0,
            bottom: grid.rows,
            right: grid.columns,
        }]);
    };
    let window = |group: &usize| {
        let (top, left) = windows.position(*group, 0);
        TokenRect {
            top,
            left,
            bottom: (top + windows.side).min(grid.rows),
            right: (left + windows.side).min(grid.columns),
        }
    };
    Ok(places.keys().map(window).collect())
}

#[cfg(test)]
mod tests;
