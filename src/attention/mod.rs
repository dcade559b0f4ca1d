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
//! Results lie on the token grid ([`Heatmap`]), with the tokens that have no
//! place on the photo beside it. [`render()`], [`overlay`] and [`Sheet`] draw
//! them; [`npy()`] writes their numbers.
//!
//! Attention weights say where values were taken from, not what a prediction
//! depended on: raw attention is no causal evidence (Jain & Wallace 2019,
//! Wiegreffe & Pinter 2019).

mod color_map;
mod error;
mod matrix;
mod npy;
mod query;
mod relevance;
mod render;
mod reverse;
mod rollout;
mod row;
mod statistics;

#[cfg(test)]
mod testing;

pub use color_map::ColorMap;
pub use error::AttentionError;
pub use matrix::{attentions, matrix};
pub use npy::npy;
pub use query::{Fusion, Heads, Query, TokenRect, key_view, tokens_under, visible};
pub use relevance::{Relevance, Target, relevance};
pub use render::{Interpolation, Picture, Sheet, Style, ValueRange, overlay, render};
pub use reverse::{Reverse, reverse};
pub use rollout::{Rollout, RolloutOptions, rollout, rollout_row};
pub use row::{Heatmap, Row, all_heads, all_layers, row};
pub use statistics::{HeadStatistics, TokenNorms, statistics, token_norms};
