//! What tokens look at: rows of attention matrices from recorded queries and
//! keys, rollout, statistics per attention head, and pictures of all that.
//!
//! A forward pass records queries and keys ([`crate::nn::capture`]), never
//! whole matrices: those of a photo would be gigabytes. From them
//! - [`row()`] and [`all_heads`] give where a token looks, fast enough for every
//!   movement of the pointer, and [`reverse()`] (or [`Reverse`], prepared for
//!   hovering) who looks at a token;
//! - [`rollout()`] follows attention through all layers of a plain Vision
//!   Transformer;
//! - [`relevance()`] weighs that with the gradient of a class: what its score
//!   rests on;
//! - [`statistics()`] and [`token_norms`] say what kind of an attention head it
//!   is;
//! - [`matrix()`] and [`attentions`] give whole matrices, for comparing with the
//!   reference implementations.
//!
//! What an attention head looks at becomes a mask:
//! - [`mass_threshold`] keeps the tokens that hold most of the attention, [`Growth`]
//!   those that a stroke of the attention brush reaches;
//! - [`Features`] finds tokens that are like others, on this photo and on further
//!   ones;
//! - a [`Guide`] brings such a [`TokenMask`] to pixels along the photo's edges,
//!   [`blocky`] as it is.
//!
//! Results lie on the token grid ([`Heatmap`]), with the tokens that have no
//! place on the photo beside it. [`render()`], [`overlay`] and [`Sheet`] draw
//! them, [`outline`] marks tokens and masks on the picture; [`npy()`] writes their
//! numbers and a [`Report`] says what they are of.
//!
//! Attention weights say where values were taken from, not what a prediction
//! depended on: raw attention is no causal evidence (Jain & Wallace 2019,
//! Wiegreffe & Pinter 2019).

mod brush;
mod color_map;
mod error;
mod frames;
mod guided;
mod layers;
mod marks;
mod mass;
mod matrix;
mod npy;
mod query;
mod refine;
mod relevance;
mod render;
mod report;
mod reverse;
mod rollout;
mod row;
mod sheet;
mod sight;
mod similar;
mod statistics;
mod token_mask;

#[cfg(test)]
pub(crate) mod testing;

pub use brush::Growth;
pub use color_map::ColorMap;
pub use error::AttentionError;
pub use frames::between_frames;
pub use layers::{AllMaps, Direction, LayerMaps, Layers, Place};
pub use marks::outline;
pub use mass::mass_threshold;
pub use matrix::{attentions, attentions_npy, matrix};
pub use npy::{maps_npy, npy};
pub use query::{Fusion, Heads, Query, TokenRect, key_view, tokens_under, visible};
pub use refine::{Guide, Refiner, blocky};
pub use relevance::{Relevance, Target, relevance};
pub use render::{Interpolation, Picture, Style, ValueRange, fade, overlay, render};
pub use report::{HeadReport, QueryReport, Report, Subject};
pub use reverse::{Reverse, reverse};
pub use rollout::{Rollout, RolloutOptions, check_rollout, rollout, rollout_row};
pub use row::{Heatmap, Row, all_heads, all_layers, row};
pub use sheet::{Caption, Cell, Line, Sheet};
pub use sight::{in_sight, patch_side, windows};
pub use similar::{Candidate, Features, Prototype, candidates};
pub use statistics::{HeadStatistics, TokenNorms, statistics, statistics_on_photo, token_norms};
pub use token_mask::TokenMask;
