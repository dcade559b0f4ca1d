//! What a layer says to a question.

use super::args::{Args, What};
use crate::attention::{
    AttentionError, HeadStatistics, Heatmap, Query, Reverse, Row, all_heads, check_rollout,
    reverse, rollout_row, row, statistics_on_photo,
};
use crate::cli::Failure;
use crate::cli::layers::{Layers, Side};
use crate::models::geometry::View;
use crate::nn::capture::{Grid, QueryKey};
use crate::task::detached;

/// What was asked of a layer, and what came out.
pub struct Found<'a> {
    /// The layer's number from 0.
    pub index: usize,
    /// The layer.
    pub record: &'a QueryKey,
    /// Whose attention.
    pub query: Query,
    /// One row, or one for each attention head.
    pub rows: Vec<Row>,
    /// The part of the photo that the rows lie on.
    pub view: View,
    /// The grid that the query's tokens are of, and the part of the photo that
    /// it lies on.
    pub asked: Option<(Grid, View)>,
    /// The part of the photo under the query tokens.
    queries: View,
}

impl<'a> Found<'a> {
    /// Of each layer that is asked, at least one.
    pub fn all(layers: &Layers<'a>, args: &Args) -> Result<Vec<Self>, Failure> {
        match args.what {
            What::Grid { layers: true, .. } => (0..layers.count())
                .map(|index| Self::of(layers, Some(index), args))
                .collect(),
            _ => Ok(vec![Self::of(layers, args.layer, args)?]),
        }
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
            query,
            rows,
            view: view(result),
            asked: tokens.grid.map(|grid| (grid, view(asked))),
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

    /// The statistics of the layer's attention heads, in pixels of the photo.
    pub fn statistics(&self) -> Result<Vec<HeadStatistics>, AttentionError> {
        detached(|task| statistics_on_photo(self.record, self.queries, task))
    }
}
