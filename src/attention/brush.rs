//! The attention brush: a stroke grows along the attention of an attention head.

use super::query::locate;
use super::row::BLOCK;
use super::sight::patch_side;
use super::{AttentionError, Fusion, Heads, Heatmap, Row, TokenMask, mass_threshold};
use crate::nn::capture::{Grid, PackedHead, QueryKey};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// What a stroke picks among the key tokens of a layer, while it goes on.
///
/// What a token *connects* is the smallest set of tokens that holds the share
/// `reach` (0 to 1) of its attention on the photo ([`mass_threshold`]). The
/// stroke begins with the part of it, tokens touching at corners, that holds the
/// start; which is in it even if it hardly looks at itself. Then each token of
/// the stroke adds its own such part, if
/// - it lies inside of what was grown before it, or beside that, and
/// - it and the start are connected: either looks at the other within `reach`.
///
/// So a stroke that slips off the object adds nothing. A larger reach never
/// gives a smaller set, and it does not matter how a stroke is cut into pieces.
///
/// Tokens of windowed layers see their window only, so the brush cannot leave
/// that of the start: draw its edges ([`super::visible`]). Where tokens of a
/// patch see every other patch's tokens at the same place only (MobileViT), a
/// patch counts as a whole. Where keys are reduced (SegFormer), the set lies on
/// the coarser grid of the keys.
#[derive(Clone, Debug)]
pub struct Growth {
    looks: Looks,
    /// The tokens that the stroke has touched: each counts once.
    touched: BTreeSet<Touched>,
    grown: Grown,
}

impl Growth {
    /// Begin at the query token `start` of `record`, as (row, column). Prepares
    /// the start's group, so that tokens cost no more than their rows.
    ///
    /// # Errors
    /// If there are no such attention heads or token, tokens have no place, or
    /// `reach` is no share.
    pub fn new(
        record: &QueryKey,
        heads: &Heads,
        start: (usize, usize),
        reach: f32,
    ) -> Result<Self, AttentionError> {
        if !(0.0..=1.0).contains(&reach) {
            return Err(AttentionError::Option {
                name: "the reach of the attention brush",
                value: reach.to_string(),
                expected: "a number from 0 to 1".to_owned(),
            });
        }
        let looks = Looks::new(record, heads, start)?;
        let grown = Grown::new(&looks, reach)?;
        Ok(Self {
            looks,
            touched: BTreeSet::new(),
            grown,
        })
    }

    /// Go on over the query tokens `path`, as (row, column) in their order.
    ///
    /// # Errors
    /// If there are no such tokens; nothing is added then.
    pub fn add(&mut self, path: &[(usize, usize)]) -> Result<(), AttentionError> {
        let stroke = self.looks.stroke(path)?;
        let touched = &mut self.touched;
        let new: Vec<Touched> = stroke
            .into_iter()
            .filter(|at| touched.insert(*at))
            .collect();
        // Most strokes are short; all tokens of a layer at once would be gigabytes.
        for part in new.chunks(BLOCK) {
            let places: Vec<usize> = part.iter().map(|token| token.place).collect();
            let maps = self.looks.maps(&places)?;
            let pairs = part.iter().zip(&maps);
            pairs.for_each(|(token, map)| self.grown.add(token.key, map));
        }
        Ok(())
    }

    /// What the stroke has picked so far, on the grid of the keys.
    pub fn tokens(&self) -> TokenMask {
        self.looks.on_grid(&self.grown.mask)
    }
}

/// The set as it grows.
#[derive(Clone, Debug)]
struct Grown {
    /// The key token under the start.
    start: (usize, usize),
    /// What the start connects.
    connected: TokenMask,
    mask: TokenMask,
    reach: f32,
}

impl Grown {
    fn new(looks: &Looks, reach: f32) -> Result<Self, AttentionError> {
        let (start, place) = (looks.start.key, looks.start.place);
        let maps = looks.maps(&[place])?;
        let connected = maps.first().map(|map| mass_threshold(map, reach));
        let connected = connected.ok_or(AttentionError::NoTokens)?;
        let mask = part(&connected, start);
        Ok(Self {
            start,
            connected,
            mask,
            reach,
        })
    }

    /// Add a token of the stroke, which looks as `map` says.
    fn add(&mut self, (row, column): (usize, usize), map: &Heatmap) {
        if !self.mask.touches(row, column) {
            return;
        }
        let own = mass_threshold(map, self.reach);
        let (start_row, start_column) = self.start;
        if self.connected.at(row, column) || own.at(start_row, start_column) {
            let mask = std::mem::replace(&mut self.mask, TokenMask::empty(own.grid));
            self.mask = mask.union(&part(&own, (row, column)));
        }
    }
}

/// The connected part of `mask` and the token that holds the token.
fn part(mask: &TokenMask, (row, column): (usize, usize)) -> TokenMask {
    let mut mask = mask.clone();
    mask.insert(row, column);
    mask.component(row, column)
}

/// A token of the stroke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Touched {
    /// Its place in the group, as a query.
    place: usize,
    /// The key token at its place: row and column.
    key: (usize, usize),
}

/// The group of the start with its attention heads, ready for many rows.
#[derive(Clone, Debug)]
struct Looks {
    record: QueryKey,
    heads: Vec<PackedHead>,
    fusion: Fusion,
    group: usize,
    start: Touched,
    /// Where the start lies in its patch, of layers with phases.
    phase: (usize, usize),
    /// The grid of the keys, of layers with phases that of the patches.
    keys: Grid,
}

impl Looks {
    fn new(
        record: &QueryKey,
        heads: &Heads,
        start: (usize, usize),
    ) -> Result<Self, AttentionError> {
        let (heads, fusion) = heads.of(record)?;
        let (group, place) = locate(record, record.query_tokens, start.0, start.1)?;
        let no_grid = || AttentionError::NoGrid {
            layer: record.layer.clone(),
        };
        let grid = record.key_tokens.grid.ok_or_else(no_grid)?;
        let side = patch_side(record);
        let keys = Grid {
            rows: grid.rows / side,
            columns: grid.columns / side,
        };
        let opened = record.open(group)?;
        let packed = heads.par_iter().map(|head| opened.packed(*head));
        Ok(Self {
            record: record.clone(),
            heads: packed.collect::<candle_core::Result<Vec<_>>>()?,
            fusion,
            group,
            start: Touched {
                place,
                key: on_keys(record, keys, start),
            },
            phase: (start.0 % side, start.1 % side),
            keys,
        })
    }

    /// The tokens of a stroke that are in the group of the start.
    fn stroke(&self, path: &[(usize, usize)]) -> Result<Vec<Touched>, AttentionError> {
        let (record, side) = (&self.record, patch_side(&self.record));
        let mut stroke = Vec::new();
        for (row, column) in path {
            locate(record, record.query_tokens, *row, *column)?;
            // The token of the patch that sees the start's group.
            let row = row / side * side + self.phase.0;
            let column = column / side * side + self.phase.1;
            let (group, place) = locate(record, record.query_tokens, row, column)?;
            let key = on_keys(record, self.keys, (row, column));
            if group == self.group {
                stroke.push(Touched { place, key });
            }
        }
        Ok(stroke)
    }

    /// Where the queries at `places` of the group look.
    fn maps(&self, places: &[usize]) -> Result<Vec<Heatmap>, AttentionError> {
        let rows = |head: &PackedHead| {
            let mut weights = vec![0.0; places.len() * head.keys()];
            head.weights(places, &mut weights)?;
            Ok(weights)
        };
        let rows: Result<Vec<Vec<f32>>, AttentionError> = self.heads.par_iter().map(rows).collect();
        let (mut rows, count) = (rows?.into_iter(), self.heads.len());
        let mut fused = rows.next().ok_or(AttentionError::NoHeads)?;
        rows.for_each(|row| self.fusion.take(&mut fused, &row));
        self.fusion.finish(&mut fused, count);
        let width = (fused.len() / places.len().max(1)).max(1);
        Ok(fused.chunks(width).map(|row| self.map(row)).collect())
    }

    /// The weights of the group's keys as a map.
    fn map(&self, weights: &[f32]) -> Heatmap {
        let tokens = self.record.key_tokens;
        let mut row = Row::zeros(tokens);
        row.add(tokens, self.record.grouping, self.group, weights);
        let map = row.grid.unwrap_or_else(|| Heatmap::zeros(self.keys));
        let side = patch_side(&self.record);
        if side == 1 {
            return map;
        }
        // A patch has the weight of its token that is seen.
        let weight = |index: usize| {
            let (row, column) = (index / self.keys.columns, index % self.keys.columns);
            map.at(row * side + self.phase.0, column * side + self.phase.1)
        };
        let weights = (0..self.keys.len()).map(|index| weight(index).unwrap_or_default());
        Heatmap {
            grid: self.keys,
            values: weights.collect(),
        }
    }

    /// A set of the tokens that [`Looks::map`] is over as one of key tokens.
    fn on_grid(&self, mask: &TokenMask) -> TokenMask {
        let side = patch_side(&self.record);
        let grid = self.record.key_tokens.grid.unwrap_or(self.keys);
        let mut all = TokenMask::empty(grid);
        for (row, column) in mask.tokens() {
            for token in 0..side * side {
                all.insert(row * side + token / side, column * side + token % side);
            }
        }
        all
    }
}

/// The key token (or patch) that stands for the query token at (row, column),
/// the nearest one where the reduction dropped a rest.
fn on_keys(record: &QueryKey, keys: Grid, (row, column): (usize, usize)) -> (usize, usize) {
    let reduction = record.reduction.max(patch_side(record));
    let at = |at: usize, side: usize| (at / reduction).min(side.saturating_sub(1));
    (at(row, keys.rows), at(column, keys.columns))
}

#[cfg(test)]
mod tests;
