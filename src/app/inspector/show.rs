//! From rows of attention to what is drawn on the canvas.

use super::labels::makes_labels;
use super::state::{Asking, Comparison, Inspector, Subject};
use crate::attention::{
    Direction, Fusion, Heatmap, LayerMaps, Place, Query, RolloutOptions, TokenMask, TokenRect,
    check_rollout, in_sight, mass_threshold, patch_side, token_norms, windows,
};
use crate::models::geometry::View;
use crate::nn::capture::{Grid, Grouping};
use std::borrow::Cow;

/// What the values of a picture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Shares of a token's attention.
    Attention,
    /// How much of an output token comes from each token.
    Rollout,
    /// Lengths of tokens in the residual stream.
    Norm,
    /// The difference of two attention heads' shares.
    Difference,
    /// Cosine similarity of features.
    Similarity,
    /// How much a class's score depends on each token.
    Relevance,
}

impl Unit {
    /// What a colour bar calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attention => "share of attention",
            Self::Rollout => "share of rollout",
            Self::Norm => "token norm",
            Self::Difference => "difference of shares",
            Self::Similarity => "cosine similarity",
            Self::Relevance => "relevance",
        }
    }
}

/// Tokens as (row, column) of a grid, with the part of the photo under that.
pub type AskedTokens = (Grid, View, Vec<(usize, usize)>);

/// A heatmap on the canvas.
#[derive(Clone, Debug)]
pub struct Picture {
    /// What it is of, in words.
    pub title: String,
    /// The values.
    pub map: Heatmap,
    /// The part of the photo under them.
    pub view: View,
    /// What they are.
    pub unit: Unit,
    /// The tokens asked for, on their grid over its part of the photo.
    pub asked: Option<AskedTokens>,
    /// The windows that the tokens asked for can see, of a layer that looks
    /// within windows.
    pub windows: Vec<TokenRect>,
    /// The tokens that hold most of the attention.
    pub held: Option<TokenMask>,
}

impl Picture {
    /// The part of the map that the windows are in: all of it without any.
    pub(super) fn in_sight(&self) -> Cow<'_, Heatmap> {
        match self.windows.iter().copied().reduce(TokenRect::union) {
            Some(part) => Cow::Owned(self.map.part(part)),
            None => Cow::Borrowed(&self.map),
        }
    }
}

/// All that [`Inspector::pictures`] are made from.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) struct Inputs {
    maps: u64,
    subject: Subject,
    layer: usize,
    heads: Vec<usize>,
    fusion: Fusion,
    compared: Option<(usize, usize)>,
    comparison: Comparison,
    rollout: Option<(Place, RolloutOptions)>,
    similar: bool,
    mass: f32,
}

impl Inspector {
    /// Draw anew if something has changed. Whether it has.
    pub(super) fn draw(&mut self, mass: f32) -> bool {
        let rollout = self
            .recorded
            .as_ref()
            .and_then(|known| known.rollout.as_ref());
        let inputs = Inputs {
            maps: self.maps.serial,
            subject: self.subject,
            layer: self.layer,
            heads: self.heads.clone(),
            fusion: self.fusion,
            compared: self.compared,
            comparison: self.comparison,
            rollout: rollout.map(|(place, options, _)| (place.clone(), *options)),
            similar: self.similar.is_some(),
            mass,
        };
        if self.drawn.as_ref() == Some(&inputs) {
            return false;
        }
        self.pictures = match self.subject {
            Subject::Heads => self.heads_pictures(),
            Subject::Rollout => self.rollout_picture().into_iter().collect(),
            Subject::Relevance => self.relevance_picture().into_iter().collect(),
            Subject::Norms => self.norms_picture().into_iter().collect(),
            Subject::Similarity => self.similarity_picture().into_iter().collect(),
        };
        for picture in self
            .pictures
            .iter_mut()
            .filter(|made| makes_labels(made.unit))
        {
            picture.held = Some(mass_threshold(&picture.map, mass));
        }
        self.drawn = Some(inputs);
        self.serial += 1;
        true
    }

    fn heads_pictures(&self) -> Vec<Picture> {
        let Some(first) = self.heads_picture(self.layer, &self.heads) else {
            return Vec::new();
        };
        let second = self
            .compared
            .and_then(|(layer, head)| self.heads_picture(layer, &[head]));
        match (second, self.comparison) {
            (None, _) => vec![first],
            (Some(second), Comparison::Difference) if second.map.grid == first.map.grid => {
                vec![difference(first, &second)]
            }
            // Grids of different sizes have no difference.
            (Some(second), _) => vec![first, second],
        }
    }

    fn heads_picture(&self, layer: usize, heads: &[usize]) -> Option<Picture> {
        let maps = self.maps().get(layer)?.as_ref().ok()?;
        let map = maps.fused(heads, self.fusion)?;
        let mut title = self.title(layer, heads, maps.maps.len());
        let record = self.layers()?.records.get(layer)?;
        let side = patch_side(record);
        if side > 1 {
            // What a token cannot see is not shown as if it got little.
            title += &format!(", by patches of {side} × {side} tokens");
        }
        Some(Picture {
            title,
            view: maps.view,
            map: map.of_patches(side),
            unit: Unit::Attention,
            asked: asked(maps),
            windows: self.windows(layer, maps),
            held: None,
        })
    }

    /// "Layer 3, attention head 2".
    fn title(&self, layer: usize, heads: &[usize], of: usize) -> String {
        let fusion = match self.fusion {
            Fusion::Mean => "mean",
            Fusion::Max => "maximum",
            Fusion::Min => "minimum",
        };
        match heads {
            [only] => format!("Layer {layer}, attention head {only}"),
            [] => format!("Layer {layer}, {fusion} of {of} attention heads"),
            some => {
                let names: Vec<String> = some.iter().map(usize::to_string).collect();
                format!(
                    "Layer {layer}, {fusion} of attention heads {}",
                    names.join(", ")
                )
            }
        }
    }

    /// The windows of the tokens asked for, into which they look or from which
    /// they are looked at; nothing in layers without windows.
    pub fn windows(&self, layer: usize, maps: &LayerMaps) -> Vec<TokenRect> {
        let record = self.layers().and_then(|layers| layers.records.get(layer));
        let windows = record.map(|record| windows(record, &maps.query, self.way()));
        windows.and_then(Result::ok).unwrap_or_default()
    }

    /// All maps of a layer as far as the tokens asked for can see, and the part of
    /// the photo under them; `None` where they see all there is.
    pub fn in_sight(&self, layer: usize, maps: &LayerMaps) -> Option<(Vec<Heatmap>, View)> {
        let record = self.layers()?.records.get(layer)?;
        if record.grouping == Grouping::Whole {
            return None;
        }
        let all: Vec<&Heatmap> = maps.maps.iter().collect();
        in_sight(record, (&maps.query, self.way()), (&all, maps.view)).ok()
    }

    /// Which way the rows are that are there.
    fn way(&self) -> Direction {
        let of = self.maps.of.as_ref();
        of.map_or(self.direction, |(_, direction, _)| *direction)
    }

    /// Whether the two attention heads that are compared have a difference: grids
    /// of different sizes have none.
    pub fn has_difference(&self) -> bool {
        let grid = |layer: usize| {
            let maps = self.maps().get(layer)?.as_ref().ok()?;
            maps.maps.first().map(|map| map.grid)
        };
        let compared = self.compared.and_then(|(layer, _)| grid(layer));
        compared.is_some() && compared == grid(self.layer)
    }

    /// Why the layers cannot be rolled out, if they cannot.
    pub fn unfit_for_rollout(&self) -> Option<String> {
        let layers = &self.inspection()?.layers;
        let unfit = check_rollout(&layers.records, &RolloutOptions::default()).err();
        unfit.map(|why| why.to_string())
    }

    fn rollout_picture(&self) -> Option<Picture> {
        let (place, _, whole) = self.recorded.as_ref()?.rollout.as_ref()?;
        let layers = &self.inspection()?.layers;
        let last = layers.records.last()?;
        let query = layers.query(last, place, Direction::From).ok();
        Some(Picture {
            title: "Rollout through all layers".to_owned(),
            map: whole.row.grid.clone()?,
            view: whole.view,
            unit: Unit::Rollout,
            // Of the place that it was found for, wherever the pointer is now.
            asked: query.and_then(|query| {
                let grid = last.query_tokens.grid?;
                Some((grid, layers.view, tokens_of(&query)?))
            }),
            windows: Vec::new(),
            held: None,
        })
    }

    fn relevance_picture(&self) -> Option<Picture> {
        let explained = self.explained()?;
        Some(Picture {
            title: format!("What {} rests on", explained.name),
            map: explained.row.grid.clone()?,
            view: explained.view,
            unit: Unit::Relevance,
            asked: None,
            windows: Vec::new(),
            held: None,
        })
    }

    fn norms_picture(&self) -> Option<Picture> {
        if self.asking == Asking::Prompt {
            return None;
        }
        let layers = self.layers()?;
        let map = token_norms(layers.records.get(self.layer)?)?.grid?;
        Some(Picture {
            title: format!("Token norms after layer {}", self.layer),
            map,
            view: layers.view,
            unit: Unit::Norm,
            asked: None,
            windows: Vec::new(),
            held: None,
        })
    }

    fn similarity_picture(&self) -> Option<Picture> {
        let similar = self.similar.as_ref()?;
        Some(Picture {
            title: "More like this".to_owned(),
            map: similar.map.clone(),
            view: similar.view,
            unit: Unit::Similarity,
            asked: None,
            windows: Vec::new(),
            held: None,
        })
    }
}

/// The tokens asked for.
fn asked(maps: &LayerMaps) -> Option<AskedTokens> {
    let (grid, view) = maps.asked?;
    Some((grid, view, tokens_of(&maps.query)?))
}

/// The tokens of a grid that are asked for.
fn tokens_of(query: &Query) -> Option<Vec<(usize, usize)>> {
    match query {
        Query::Prefix(_) => None,
        Query::Token { row, column } => Some(vec![(*row, *column)]),
        Query::Tokens(tokens) => Some(tokens.clone()),
    }
}

/// `first` less `second`, which has the same grid.
fn difference(first: Picture, second: &Picture) -> Picture {
    let pairs = first.map.values.iter().zip(&second.map.values);
    let values = pairs.map(|(a, b)| a - b).collect();
    Picture {
        title: format!("{} less {}", first.title, second.title.to_lowercase()),
        map: Heatmap {
            grid: first.map.grid,
            values,
        },
        unit: Unit::Difference,
        ..first
    }
}
