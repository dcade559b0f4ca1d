//! Sets of tokens: what a threshold, a brush or a likeness picks on a grid.

use super::Heatmap;
use crate::label::{Mask, Rect};
use crate::nn::capture::Grid;

/// Which tokens of a grid are in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMask {
    /// The grid.
    pub grid: Grid,
    /// Whether each token is in the set, (rows, columns), row-major.
    pub on: Vec<bool>,
}

impl TokenMask {
    /// No tokens of `grid`.
    pub fn empty(grid: Grid) -> Self {
        let on = vec![false; grid.len()];
        Self { grid, on }
    }

    /// These tokens, as (row, column); those that are not on the grid are left
    /// out.
    pub fn from_tokens(grid: Grid, tokens: &[(usize, usize)]) -> Self {
        let mut mask = Self::empty(grid);
        for (row, column) in tokens {
            mask.insert(*row, *column);
        }
        mask
    }

    /// The tokens of `map` whose value is at least `least`.
    pub fn at_least(map: &Heatmap, least: f32) -> Self {
        let mut mask = Self::empty(map.grid);
        let pairs = mask.on.iter_mut().zip(&map.values);
        pairs.for_each(|(on, value)| *on = *value >= least);
        mask
    }

    /// Whether the token at (row, column) is in the set; not outside of the
    /// grid.
    pub fn at(&self, row: usize, column: usize) -> bool {
        let index = self.index(row, column);
        index.is_some_and(|index| self.on.get(index).copied().unwrap_or_default())
    }

    /// Number of tokens in the set.
    pub fn count(&self) -> usize {
        self.on.iter().filter(|on| **on).count()
    }

    /// Whether there are no tokens in the set.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The tokens in the set as (row, column), in reading order.
    pub fn tokens(&self) -> Vec<(usize, usize)> {
        let columns = self.grid.columns.max(1);
        let set = self.on.iter().enumerate().filter(|(_, on)| **on);
        set.map(|(index, _)| (index / columns, index % columns))
            .collect()
    }

    /// The connected part that holds the token at (row, column), tokens that
    /// touch at a corner belonging together; empty if that is not in the set.
    pub fn component(&self, row: usize, column: usize) -> Self {
        let mut part = Self::empty(self.grid);
        let mut reached = vec![(row, column)];
        while let Some((row, column)) = reached.pop() {
            if self.at(row, column) && !part.at(row, column) {
                part.insert(row, column);
                reached.extend(around(row, column));
            }
        }
        part
    }

    /// The connected parts, tokens that touch at a corner belonging together;
    /// in the order of their first tokens.
    pub fn components(&self) -> Vec<Self> {
        // A mask of which each pixel is a token.
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let area = Rect::of_size(side(self.grid.columns), side(self.grid.rows));
        let bytes: Vec<u8> = self.on.iter().map(|on| u8::from(*on)).collect();
        let parts = Mask::from_bitmap(area, &bytes).components();
        parts.iter().map(|part| self.of_pixels(part)).collect()
    }

    fn of_pixels(&self, pixels: &Mask) -> Self {
        let mut mask = Self::empty(self.grid);
        for span in pixels.spans() {
            (span.x0..span.x1).for_each(|x| mask.insert(span.y as usize, x as usize));
        }
        mask
    }

    /// The tokens in either set, of the same grid.
    pub fn union(mut self, other: &Self) -> Self {
        let pairs = self.on.iter_mut().zip(&other.on);
        pairs.for_each(|(on, other)| *on |= other);
        self
    }

    /// The set and all neighbours of its tokens, corners included.
    pub fn dilated(&self) -> Self {
        let mut mask = Self::empty(self.grid);
        for (row, column) in self.tokens() {
            around(row, column).for_each(|(row, column)| mask.insert(row, column));
        }
        mask
    }

    /// Whether the token at (row, column) or one of its eight neighbours is in
    /// the set.
    pub fn touches(&self, row: usize, column: usize) -> bool {
        around(row, column).any(|(row, column)| self.at(row, column))
    }

    /// 1 for the tokens in the set, 0 for the others: what
    /// [`super::Guide::refine`] takes.
    pub fn heatmap(&self) -> Heatmap {
        let value = |on: &bool| f32::from(u8::from(*on));
        Heatmap {
            grid: self.grid,
            values: self.on.iter().map(value).collect(),
        }
    }

    /// Put a token into the set, if it is on the grid.
    pub(super) fn insert(&mut self, row: usize, column: usize) {
        if let Some(on) = self
            .index(row, column)
            .and_then(|index| self.on.get_mut(index))
        {
            *on = true;
        }
    }

    fn index(&self, row: usize, column: usize) -> Option<usize> {
        let inside = row < self.grid.rows && column < self.grid.columns;
        inside.then(|| row * self.grid.columns + column)
    }
}

/// A token and its eight neighbours, of which some may not be on the grid.
fn around(row: usize, column: usize) -> impl Iterator<Item = (usize, usize)> {
    let near = |at: usize| at.saturating_sub(1)..=at.saturating_add(1);
    near(row).flat_map(move |row| near(column).map(move |column| (row, column)))
}

#[cfg(test)]
mod tests;
