//! What a layer says to a question.

use super::args::{Args, Class, What};
use crate::attention::{
    AttentionError, Direction, HeadStatistics, Heatmap, Query, Reverse, Row, TokenRect, all_heads,
    check_rollout, in_sight, patch_side, reverse, rollout_row, row, statistics_on_photo, windows,
};
use crate::cli::Failure;
use crate::cli::layers::{Layers, Side};
use crate::models::ModelInfo;
use crate::models::geometry::View;
use crate::nn::capture::{Grid, QueryKey};
use crate::photo::Photo;
use crate::task::detached;
use crate::worker::{Observed, explained};

/// What was asked of a layer, and what came out.
pub struct Found<'a> {
    /// The layer's number from 0.
    pub index: usize,
    /// The layer.
    pub record: &'a QueryKey,
    /// Whose attention, if it is some token's.
    pub query: Option<Query>,
    /// One row, or one for each attention head.
    pub rows: Vec<Row>,
    /// The part of the photo that the rows lie on.
    pub view: View,
    /// The grid that the query's tokens are of, and the part of the photo that
    /// it lies on.
    pub asked: Option<(Grid, View)>,
    /// The class whose score is explained.
    pub class: Option<String>,
    /// Which way it was looked.
    pub direction: Direction,
    /// The part of the photo under the query tokens.
    queries: View,
}

impl<'a> Found<'a> {
    /// Of each layer that is asked, at least one.
    pub fn all(
        layers: &Layers<'a>,
        (observed, photo): (&Observed, &Photo),
        args: &Args,
    ) -> Result<Vec<Self>, Failure> {
        match &args.what {
            What::Relevance(class) => {
                let class = number_of(class, &observed.model.info)?;
                Ok(vec![Self::relevance(layers, (observed, photo), class)?])
            }
            What::Grid { layers: true, .. } => (0..layers.count())
                .map(|index| Self::of(layers, Some(index), args))
                .collect(),
            _ => Ok(vec![Self::of(layers, args.layer, args)?]),
        }
    }

    /// What the score of a class rests on.
    fn relevance(
        layers: &Layers<'a>,
        (observed, photo): (&Observed, &Photo),
        class: Option<usize>,
    ) -> Result<Self, Failure> {
        let (index, record) = layers.get(None).map_err(Failure::Sentence)?;
        let found = detached(|task| explained(observed, photo, class, None, task))?;
        Ok(Self {
            index,
            record,
            query: None,
            rows: vec![found.row],
            view: found.view,
            asked: None,
            class: Some(found.name),
            direction: Direction::From,
            queries: layers.view(record, Side::Queries),
        })
    }

    fn of(layers: &Layers<'a>, layer: Option<usize>, args: &Args) -> Result<Self, Failure> {
        let (index, record) = layers.get(layer).map_err(Failure::Sentence)?;
        let up_to = || layers.up_to(layer).map_err(Failure::Sentence);
        // First what no query could change.
        if let What::Rollout(options) = &args.what {
            check_rollout(up_to()?, options)?;
        }
        let (asked, result) = args.what.sides();
        let query = layers
            .query(record, asked, args.query)
            .map_err(Failure::Sentence)?;
        let rows = match &args.what {
            // Of no layer alone.
            What::Relevance(_) => Vec::new(),
            What::Row(heads) => vec![row(record, heads, &query)?],
            What::Reverse(heads) => vec![reverse(record, heads, &query)?],
            What::Grid { reverse: false, .. } => all_heads(record, &query)?,
            What::Grid { reverse: true, .. } => {
                detached(|task| Reverse::new(record, task)?.all_heads(&query))?
            }
            What::Rollout(options) => {
                let records = up_to()?;
                vec![detached(|task| {
                    rollout_row(records, &query, options, task)
                })?]
            }
        };
        let tokens = match asked {
            Side::Queries => record.query_tokens,
            Side::Keys => record.key_tokens,
        };
        let view = |side| layers.view(record, side);
        Ok(Self {
            index,
            record,
            query: Some(query),
            rows,
            view: view(result),
            asked: tokens.grid.map(|grid| (grid, view(asked))),
            class: None,
            direction: match asked {
                Side::Queries => Direction::From,
                Side::Keys => Direction::To,
            },
            queries: view(Side::Queries),
        })
    }

    /// The parts of the rows that lie on the photo.
    pub fn maps(&self) -> Result<Vec<&Heatmap>, AttentionError> {
        let maps: Option<Vec<_>> = self.rows.iter().map(|row| row.grid.as_ref()).collect();
        maps.ok_or_else(|| AttentionError::NoGrid {
            layer: self.record.layer.clone(),
        })
    }

    /// The first map as it is looked at: where a token sees those at its own place
    /// of patches only, by whole patches.
    pub fn shown(&self) -> Result<Option<Heatmap>, AttentionError> {
        let side = patch_side(self.record);
        Ok(self.maps()?.first().map(|map| map.of_patches(side)))
    }

    /// The windows of the tokens asked for; nothing in layers without windows.
    pub fn windows(&self) -> Result<Vec<TokenRect>, AttentionError> {
        match &self.query {
            Some(query) => windows(self.record, query, self.direction),
            None => Ok(Vec::new()),
        }
    }

    /// The maps as far as the tokens asked for can see, and the part of the photo
    /// under them.
    pub fn in_sight(&self) -> Result<(Vec<Heatmap>, View), AttentionError> {
        let maps = self.maps()?;
        match &self.query {
            Some(query) => in_sight(self.record, (query, self.direction), (&maps, self.view)),
            None => Ok((maps.into_iter().cloned().collect(), self.view)),
        }
    }

    /// The statistics of the layer's attention heads, in pixels of the photo.
    pub fn statistics(&self, photo: &Photo) -> Result<Vec<HeadStatistics>, AttentionError> {
        let size = (photo.width(), photo.height());
        detached(|task| statistics_on_photo(self.record, self.queries, size, task))
    }
}

/// The model's number of a class: given as such, or by name.
fn number_of(class: &Class, model: &ModelInfo) -> Result<Option<usize>, Failure> {
    let Class::Named(name) = class else {
        return Ok(None);
    };
    let classes = &model.labels.classes;
    let named = classes.iter().find(|label| label.name == *name);
    let number = named.map(|label| label.id).or(name.parse().ok());
    number.map(Some).ok_or_else(|| {
        const TOLD: usize = 20;
        let title = &model.title;
        let names: Vec<&str> = classes.iter().map(|label| label.name.as_str()).collect();
        let more = if names.len() > TOLD { ", …" } else { "" };
        let names = names[..names.len().min(TOLD)].join(", ");
        Failure::Sentence(format!(
            "{title} has no class {name:?}; it knows {names}{more}"
        ))
    })
}
