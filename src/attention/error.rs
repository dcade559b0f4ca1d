//! What can be asked wrongly of attention, in words for the user.

use crate::models::ModelError;
use crate::task::Cancelled;

/// Why attention could not be shown.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AttentionError {
    /// There is no such attention head.
    #[error(
        "layer {layer} has {heads} attention heads, counted from 0: there is no attention head {head}"
    )]
    NoHead {
        /// The layer's name.
        layer: String,
        /// Its attention heads.
        heads: usize,
        /// What was asked for.
        head: usize,
    },
    /// A set of attention heads without one.
    #[error("no attention head is chosen: choose at least one")]
    NoHeads,
    /// A set of tokens without one.
    #[error("no token is chosen: choose at least one")]
    NoTokens,
    /// There is no such class token, register or prompt token.
    #[error(
        "layer {layer} has {count} tokens without a place on the photo, counted from 0: there is no number {index}"
    )]
    NoPrefix {
        /// The layer's name.
        layer: String,
        /// Its tokens without a place.
        count: usize,
        /// What was asked for.
        index: usize,
    },
    /// The layer has no class token.
    #[error("layer {layer} has no class token: ask for a place of the photo instead")]
    NoClassToken {
        /// The layer's name.
        layer: String,
    },
    /// The model was not shown that part of the photo.
    #[error("the model was not shown this place of the photo, so layer {layer} has no token there")]
    NotSeen {
        /// The layer's name.
        layer: String,
    },
    /// The tokens of this side have no place on the photo.
    #[error(
        "the tokens asked for in layer {layer} have no place on the photo: ask by their number instead"
    )]
    NoGrid {
        /// The layer's name.
        layer: String,
    },
    /// A token outside of the grid.
    #[error(
        "the token at row {row}, column {column} lies outside the grid of layer {layer}, which has {rows} rows and {columns} columns"
    )]
    OutsideGrid {
        /// The layer's name.
        layer: String,
        /// Row asked for, from 0.
        row: usize,
        /// Column asked for, from 0.
        column: usize,
        /// Rows of the grid.
        rows: usize,
        /// Columns of the grid.
        columns: usize,
    },
    /// Rollout over layers whose tokens are not the same.
    #[error(
        "rollout needs layers that share one sequence of tokens, but layer {layer} {why}: look at single layers instead"
    )]
    NotOneSequence {
        /// The first layer that does not fit.
        layer: String,
        /// What sets it apart.
        why: &'static str,
    },
    /// Nothing was recorded.
    #[error("there are no recorded attention layers to roll out")]
    NoLayers,
    /// Relevance for a model without classes.
    #[error("{title} tells no classes, so there is none to explain: choose another model")]
    NoClasses {
        /// The model.
        title: String,
    },
    /// There is no such class.
    #[error("there is no class {class}: {title} knows {count} classes, counted from 0")]
    NoClass {
        /// The model.
        title: String,
        /// What was asked for.
        class: usize,
        /// How many there are.
        count: usize,
    },
    /// A class that wins nowhere on the photo.
    #[error("{name} is seen nowhere on this photo: choose another class, or a region to explain")]
    ClassNowhere {
        /// The class.
        name: String,
    },
    /// A region, of a model that classifies whole photos.
    #[error("{title} gives one answer for the whole photo: ask without a region")]
    NoRegions {
        /// The model.
        title: String,
    },
    /// Relevance for a model whose layers do not share one sequence of tokens.
    #[error(
        "what a class of {title} rests on cannot be followed back: that needs attention layers that share one sequence of tokens; look at single layers instead"
    )]
    NotTraceable {
        /// The model.
        title: String,
    },
    /// An option has an impossible value.
    #[error("{name} is {value}, expected {expected}")]
    Option {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// A result that would not fit into reasonable memory.
    #[error(
        "{what} would take {bytes} bytes, more than the {limit} allowed: ask for something smaller"
    )]
    TooLarge {
        /// What was asked for.
        what: &'static str,
        /// Bytes that it would take.
        bytes: u64,
        /// Bytes that it may take.
        limit: u64,
    },
    /// A photo whose pixels do not match its size.
    #[error("a photo of {width}×{height} pixels needs {expected} bytes of RGB, got {found}")]
    PhotoSize {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Bytes that it should have.
        expected: usize,
        /// Bytes that it has.
        found: usize,
    },
    /// A photo without pixels.
    #[error("the photo has no pixels")]
    EmptyPhoto,
    /// Values that do not match a grid of tokens.
    #[error("{what} of {rows}×{columns} tokens need {expected} values, got {found}")]
    ValueCount {
        /// What they are.
        what: &'static str,
        /// Rows of the grid.
        rows: usize,
        /// Columns of the grid.
        columns: usize,
        /// Values that there should be.
        expected: usize,
        /// Values that there are.
        found: usize,
    },
    /// Values that are no finite numbers.
    #[error("{0} hold values that are no finite numbers")]
    NotFinite(&'static str),
    /// Tokens of one grid where those of another are needed.
    #[error(
        "the tokens are chosen on a grid of {} rows and {} columns, the features have {} and {}",
        chosen.0, chosen.1, found.0, found.1
    )]
    OtherGrid {
        /// Rows and columns of the grid that they were chosen on.
        chosen: (usize, usize),
        /// Rows and columns of the features' grid.
        found: (usize, usize),
    },
    /// Features of different lengths.
    #[error(
        "features of {expected} numbers cannot be compared with features of {found}: use the same model and layer for both photos"
    )]
    OtherFeatures {
        /// Numbers of a feature that was learned from.
        expected: usize,
        /// Numbers of a feature that it is compared with.
        found: usize,
    },
    /// A layer whose keys say nothing of the whole photo.
    #[error(
        "the keys of layer {layer} are no features of the whole photo, since {why}: choose another layer"
    )]
    NoFeatures {
        /// The layer's name.
        layer: String,
        /// What is in the way.
        why: &'static str,
    },
    /// Tokens without anything in common that sets them apart from the photo.
    #[error(
        "the chosen tokens have nothing in common that sets them apart from the rest of the photo: choose others"
    )]
    NothingInCommon,
    /// The arithmetic failed.
    #[error("the attention could not be computed: {0}")]
    Compute(String),
    /// Stopped on request.
    #[error("cancelled")]
    Cancelled,
}

impl From<Cancelled> for AttentionError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl From<ModelError> for AttentionError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Cancelled => Self::Cancelled,
            ModelError::Compute(why) => Self::Compute(why),
            other => Self::Compute(other.to_string()),
        }
    }
}

impl From<candle_core::Error> for AttentionError {
    fn from(error: candle_core::Error) -> Self {
        // candle may append a backtrace on further lines.
        let text = error.to_string();
        Self::Compute(text.lines().next().unwrap_or_default().to_owned())
    }
}
