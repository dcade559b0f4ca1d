//! The recorded layers of one forward pass, asked in terms of the photo: one
//! place, many layers with grids of their own.

use super::{
    AttentionError, Fusion, Heatmap, Query, Reverse, Row, all_heads, key_view, tokens_under,
};
use crate::label::Mask;
use crate::models::geometry::View;
use crate::nn::capture::{Grid, QueryKey, Tokens};
use crate::task::{Task, detached};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Whose attention is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// The class token.
    Class,
    /// The tokens under points of the photo, in pixels from its upper left
    /// corner.
    Points(Vec<[f32; 2]>),
    /// The tokens under a part of the photo: see [`tokens_under`].
    Area(Mask),
    /// A token without a place, from 0: a prompt token of a mask decoder.
    Prefix(usize),
}

/// Which way is looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Where the tokens asked for look.
    #[default]
    From,
    /// Who looks at the tokens asked for.
    To,
}

/// What a layer's attention heads show, as far as it lies on the photo.
#[derive(Clone, Debug)]
pub struct LayerMaps {
    /// One per attention head.
    pub maps: Vec<Heatmap>,
    /// Weights of the tokens without a place, in order, by attention head.
    pub prefix: Vec<Vec<f32>>,
    /// The part of the photo under the maps.
    pub view: View,
    /// What was asked for, in the layer's own tokens.
    pub query: Query,
    /// The grid that `query` lies on, with the part of the photo under it;
    /// `None` for tokens without a place.
    pub asked: Option<(Grid, View)>,
}

/// What each layer shows, or why it shows nothing.
pub type AllMaps = Vec<Result<LayerMaps, AttentionError>>;

impl LayerMaps {
    /// The heatmaps of some attention heads as one, of all if none is named;
    /// `None` if one of them does not exist.
    pub fn fused(&self, heads: &[usize], fusion: Fusion) -> Option<Heatmap> {
        let values = |head: usize| Some(&self.maps.get(head)?.values[..]);
        Some(Heatmap {
            grid: self.maps.first()?.grid,
            values: self.as_one(heads, fusion, values)?,
        })
    }

    /// What the same attention heads, as one, give to the tokens without a place.
    pub fn fused_prefix(&self, heads: &[usize], fusion: Fusion) -> Option<Vec<f32>> {
        self.as_one(heads, fusion, |head| Some(&self.prefix.get(head)?[..]))
    }

    fn as_one<'a>(
        &self,
        heads: &[usize],
        fusion: Fusion,
        of: impl Fn(usize) -> Option<&'a [f32]>,
    ) -> Option<Vec<f32>> {
        let all: Vec<&[f32]> = match heads {
            [] => (0..self.maps.len()).map(of).collect::<Option<_>>()?,
            some => some.iter().map(|head| of(*head)).collect::<Option<_>>()?,
        };
        let (first, others) = all.split_first()?;
        let mut fused = first.to_vec();
        let others = others.iter();
        others.for_each(|values| fusion.take(&mut fused, values));
        fusion.finish(&mut fused, all.len());
        Some(fused)
    }
}

/// The recorded layers of a forward pass. Clones share them.
#[derive(Clone, Debug)]
pub struct Layers {
    /// Queries and keys, layer by layer.
    pub records: Arc<[QueryKey]>,
    /// The part of the photo under the query grids.
    pub view: View,
}

impl Layers {
    /// Bytes of memory that the records hold.
    pub fn bytes(&self) -> usize {
        self.records.iter().map(QueryKey::bytes).sum()
    }

    /// Whether a layer has a class token.
    pub fn have_class_token(&self) -> bool {
        let asks = |record: &QueryKey| record.query_tokens.prefix > 0;
        self.records.first().is_some_and(asks)
    }

    /// The tokens asked for in a layer: of its queries, or to see who looks at
    /// them, of its keys.
    ///
    /// # Errors
    /// If the layer has no such tokens.
    pub fn query(
        &self,
        record: &QueryKey,
        place: &Place,
        direction: Direction,
    ) -> Result<Query, AttentionError> {
        let (tokens, view) = self.side(record, direction);
        let layer = || record.layer.clone();
        let grid = || {
            let none = || AttentionError::NoGrid { layer: layer() };
            tokens.grid.ok_or_else(none)
        };
        match place {
            Place::Class if tokens.prefix == 0 => {
                Err(AttentionError::NoClassToken { layer: layer() })
            }
            Place::Class => Ok(Query::Prefix(0)),
            Place::Prefix(index) => Ok(Query::Prefix(*index)),
            Place::Points(points) => some(under_points(points, view, grid()?), layer()),
            Place::Area(mask) => some(tokens_under(mask, view, grid()?), layer()),
        }
    }

    /// The tokens that are asked for, and the part of the photo under them.
    fn side(&self, record: &QueryKey, direction: Direction) -> (Tokens, View) {
        match direction {
            Direction::From => (record.query_tokens, self.view),
            Direction::To => (record.key_tokens, key_view(record, self.view)),
        }
    }

    /// Where `place` looks, through each attention head of a layer. In a layer
    /// that asks from the photo to tokens without a place, such a token is
    /// asked the other way round: who on the photo looks at it.
    ///
    /// # Errors
    /// If the layer has no such tokens.
    pub fn looks(&self, record: &QueryKey, place: &Place) -> Result<LayerMaps, AttentionError> {
        if matches!(place, Place::Prefix(_)) && record.query_tokens.prefix == 0 {
            let prepared = detached(|task| Reverse::new(record, task))?;
            return self.looked_at(&prepared, place);
        }
        let query = self.query(record, place, Direction::From)?;
        let rows = all_heads(record, &query)?;
        self.laid_out(record, Direction::From, query, rows)
    }

    /// [`Layers::looks`] of all layers at once, in parallel.
    ///
    /// # Errors
    /// [`AttentionError::Cancelled`].
    pub fn all_look(&self, place: &Place, task: Task<'_>) -> Result<AllMaps, AttentionError> {
        each(&self.records, task, |record| self.looks(record, place))
    }

    /// Who looks at `place`, through each attention head of a prepared layer.
    ///
    /// # Errors
    /// If the layer has no such tokens.
    pub fn looked_at(&self, layer: &Reverse, place: &Place) -> Result<LayerMaps, AttentionError> {
        let record = layer.record();
        let query = self.query(record, place, Direction::To)?;
        let rows = layer.all_heads(&query)?;
        self.laid_out(record, Direction::To, query, rows)
    }

    /// [`Layers::looked_at`] of all layers, which are prepared, at once.
    ///
    /// # Errors
    /// [`AttentionError::Cancelled`].
    pub fn all_looked_at(
        &self,
        prepared: &[Reverse],
        place: &Place,
        task: Task<'_>,
    ) -> Result<AllMaps, AttentionError> {
        each(prepared, task, |layer| self.looked_at(layer, place))
    }

    /// How much arithmetic asking for `place` takes: products of queries and
    /// keys in all layers, in multiplications; of prepared layers, to see who
    /// looks there. For whoever wants to know if that can be done between two
    /// frames.
    pub fn cost(&self, place: &Place, direction: Direction) -> u64 {
        let one = |record: &QueryKey| {
            let asked = match self.query(record, place, direction) {
                Ok(Query::Tokens(tokens)) => tokens.len(),
                Ok(_) => 1,
                Err(_) => 0,
            };
            let others = record.grouping.members(match direction {
                Direction::From => record.key_tokens,
                Direction::To => record.query_tokens,
            });
            (asked * others * record.attention_heads * record.head_dim) as u64
        };
        self.records.iter().map(one).sum()
    }

    fn laid_out(
        &self,
        record: &QueryKey,
        direction: Direction,
        query: Query,
        rows: Vec<Row>,
    ) -> Result<LayerMaps, AttentionError> {
        let (tokens, asked) = self.side(record, direction);
        let view = match direction {
            Direction::From => key_view(record, self.view),
            Direction::To => self.view,
        };
        let placed = !matches!(query, Query::Prefix(_));
        let (mut maps, mut prefix) = (Vec::new(), Vec::new());
        for row in rows {
            maps.push(row.grid.ok_or_else(|| AttentionError::NoGrid {
                layer: record.layer.clone(),
            })?);
            prefix.push(row.prefix);
        }
        Ok(LayerMaps {
            maps,
            prefix,
            view,
            query,
            asked: tokens.grid.filter(|_| placed).map(|grid| (grid, asked)),
        })
    }
}

/// Do something with each layer, in parallel, unless it is cancelled.
fn each<L: Sync>(
    layers: &[L],
    task: Task<'_>,
    one: impl Fn(&L) -> Result<LayerMaps, AttentionError> + Sync,
) -> Result<AllMaps, AttentionError> {
    let layers = layers.par_iter();
    let one = |layer| {
        task.check()?;
        Ok(one(layer))
    };
    layers.map(one).collect()
}

/// The tokens of `grid`, which covers `view`, under points of the photo.
fn under_points(points: &[[f32; 2]], view: View, grid: Grid) -> Vec<(usize, usize)> {
    let token = |[x, y]: &[f32; 2]| view.token_from_image(grid, f64::from(*x), f64::from(*y));
    let tokens: BTreeSet<_> = points.iter().filter_map(token).collect();
    tokens.into_iter().collect()
}

fn some(tokens: Vec<(usize, usize)>, layer: String) -> Result<Query, AttentionError> {
    match tokens[..] {
        [] => Err(AttentionError::NotSeen { layer }),
        [(row, column)] => Ok(Query::Token { row, column }),
        _ => Ok(Query::Tokens(tokens)),
    }
}

#[cfg(test)]
mod tests;
