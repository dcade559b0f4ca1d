//! What a heatmap is of, in words and numbers, for files beside it.

use super::{HeadStatistics, Heads, Heatmap, Query, ValueRange};
use crate::models::geometry::View;
use crate::nn::capture::{Grid, QueryKey};
use serde::Serialize;

/// What was looked at.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The model as it was asked for: a name or a folder.
    pub model: &'a str,
    /// The model's title.
    pub title: &'a str,
    /// The layer's number from 0.
    pub layer: usize,
    /// How many layers the model has.
    pub layers: usize,
    /// The layer.
    pub record: &'a QueryKey,
    /// What is shown of it: a row, `reverse`, `rollout` and the like.
    pub kind: &'a str,
    /// Through which attention heads, in words: see [`Heads`]'s `Display`, or
    /// `all` where each is shown by itself.
    pub heads: &'a str,
    /// Whose attention; `None` of what is nobody's, as the norms of tokens.
    pub query: Option<&'a Query>,
    /// The part of the photo that the result lies on, in its pixels.
    pub view: View,
}

/// What rows of attention are of, for JSON. Field names are part of the
/// program's interface: scripts read them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The model as it was asked for.
    pub model: String,
    /// The model's title.
    pub title: String,
    /// The layer's number from 0.
    pub layer: usize,
    /// Its name, as in the checkpoint.
    pub layer_name: String,
    /// How many layers the model has.
    pub layers: usize,
    /// How many attention heads the layer has.
    pub attention_heads: usize,
    /// Through which of them: a number, `mean`, `max of 1, 4`, `all`.
    pub attention_head: String,
    /// What is shown: `row`, `reverse`, `rollout` and the like.
    pub kind: String,
    /// Whose attention; null of what is nobody's.
    pub query: Option<QueryReport>,
    /// Rows and columns of the token grid.
    pub grid: [usize; 2],
    /// The part of the photo under it: left, top, right, bottom in pixels.
    pub view: [f64; 4],
    /// Attention on tokens without a place (class token, registers), in order:
    /// of the first map.
    pub prefix: Vec<f32>,
    /// The lowest value on the grid, of all maps.
    pub lowest: f32,
    /// The highest value on the grid, of all maps.
    pub highest: f32,
    /// How each attention head behaves over all queries, where that was asked
    /// for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Vec<HeadReport>>,
}

/// Whose attention a report is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueryReport {
    /// In words.
    pub text: String,
    /// The tokens of the grid, as (row, column).
    pub tokens: Vec<(usize, usize)>,
}

impl From<&Query> for QueryReport {
    fn from(query: &Query) -> Self {
        let (text, tokens) = match query {
            Query::Prefix(index) => (format!("token {index} without a place"), Vec::new()),
            Query::Token { row, column } => (
                format!("token at row {row}, column {column}"),
                vec![(*row, *column)],
            ),
            Query::Tokens(tokens) => (format!("mean over {} tokens", tokens.len()), tokens.clone()),
        };
        Self { text, tokens }
    }
}

/// [`HeadStatistics`] of an attention head, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HeadReport {
    /// The attention head, from 0.
    pub attention_head: usize,
    /// Entropy of its rows in nats.
    pub entropy: f32,
    /// Mean attention distance in pixels of the photo; null where tokens have
    /// no place.
    pub mean_distance: Option<f32>,
    /// Share of attention on tokens without a place.
    pub prefix_mass: f32,
    /// Share of attention on the padding of windows.
    pub padding_mass: f32,
}

impl Report {
    /// Of the `maps` that were found, with the attention that the first one's
    /// tokens spend on tokens without a place.
    pub fn new(subject: &Subject<'_>, maps: &[&Heatmap], prefix: &[f32]) -> Self {
        let grid = maps.first().map(|map| map.grid);
        let Grid {
            rows: down,
            columns,
        } = grid.unwrap_or(Grid {
            rows: 0,
            columns: 0,
        });
        let (lowest, highest) = ValueRange::Full.of(maps);
        let View {
            left,
            top,
            right,
            bottom,
        } = subject.view;
        Self {
            model: subject.model.to_owned(),
            title: subject.title.to_owned(),
            layer: subject.layer,
            layer_name: subject.record.layer.clone(),
            layers: subject.layers,
            attention_heads: subject.record.attention_heads,
            attention_head: subject.heads.to_owned(),
            kind: subject.kind.to_owned(),
            query: subject.query.map(QueryReport::from),
            grid: [down, columns],
            view: [left, top, right, bottom],
            prefix: prefix.to_vec(),
            lowest,
            highest,
            statistics: None,
        }
    }

    /// With the statistics of the layer's attention heads, in their order.
    pub fn with_statistics(self, heads: &[HeadStatistics]) -> Self {
        let one = |(attention_head, head): (usize, &HeadStatistics)| HeadReport {
            attention_head,
            entropy: head.entropy,
            mean_distance: head.mean_distance,
            prefix_mass: head.prefix_mass,
            padding_mass: head.padding_mass,
        };
        Self {
            statistics: Some(heads.iter().enumerate().map(one).collect()),
            ..self
        }
    }
}

impl std::fmt::Display for Heads {
    /// A number, `mean`, `max`, `min`, or `mean of 1, 4`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(head) => write!(f, "{head}"),
            Self::Mean => f.write_str("mean"),
            Self::Max => f.write_str("max"),
            Self::Min => f.write_str("min"),
            Self::Set(heads, fusion) => {
                let heads: Vec<String> = heads.iter().map(usize::to_string).collect();
                write!(f, "{fusion} of {}", heads.join(", "))
            }
        }
    }
}

impl std::fmt::Display for super::Fusion {
    /// `mean`, `max` or `min`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Min => "min",
        })
    }
}

#[cfg(test)]
mod tests;
