//! Attention rollout: how much of each input token ends up in each output
//! token, if attention were all that mixes them (Abnar & Zuidema, "Quantifying
//! Attention Flow in Transformers", ACL 2020).
//!
//! Per layer, the attention heads are fused to one matrix A. The residual
//! connection passes a token on unchanged, so the identity is added and rows
//! are normalised to sum to 1 again: Â = (A + I) / rows. The rollout is the
//! product Â_last ⋯ Â_first; its row for an output token says which input
//! tokens it consists of.
//!
//! Discarding (from the vit-explain code) sets the lowest weights of A to zero
//! before the identity is added. Unlike that code, which divides by the sums of
//! the wrong axis, rows are normalised here as in the paper.

use super::row::BLOCK;
use super::{AttentionError, Fusion, Query, Row};
use crate::nn::capture::{Grouping, PackedHead, QueryKey, Tokens};
use crate::nn::kernels::{PackedView, Scratch, gemm};
use crate::task::Task;
use rayon::prelude::*;

/// Bytes that one layer's matrix may take: 8,192 tokens.
const LIMIT: u64 = 256 << 20;

/// How layers are rolled out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RolloutOptions {
    /// How the attention heads of a layer become one matrix.
    pub fusion: Fusion,
    /// The share of each layer's weights, lowest first, that is set to zero:
    /// 0 to less than 1. Attention to the class token (the first of the tokens
    /// without a place) is never discarded.
    pub discard_ratio: f64,
    /// The first layer that counts, from 0; those before it are left out.
    pub start_layer: usize,
}

impl Default for RolloutOptions {
    /// The paper's: mean over attention heads, nothing discarded, all layers.
    fn default() -> Self {
        Self {
            fusion: Fusion::Mean,
            discard_ratio: 0.0,
            start_layer: 0,
        }
    }
}

/// The rollout of all tokens.
#[derive(Clone, Debug)]
pub struct Rollout {
    tokens: Tokens,
    /// (tokens, tokens): each row sums to 1.
    matrix: Vec<f32>,
    layer: QueryKey,
}

impl Rollout {
    /// What the output tokens of `query` (the mean of several) consist of.
    ///
    /// # Errors
    /// If there are no such tokens.
    pub fn row(&self, query: &Query) -> Result<Row, AttentionError> {
        let places = sequence(query, &self.layer)?;
        let n = self.tokens.len();
        let mut mean = vec![0.0; n];
        for place in &places {
            Fusion::Mean.take(&mut mean, &self.matrix[place * n..][..n]);
        }
        Fusion::Mean.finish(&mut mean, places.len());
        Ok(Row::of(self.tokens, &mean))
    }

    /// The whole matrix, (tokens, tokens), prefix tokens first; each row sums
    /// to 1.
    pub fn matrix(&self) -> &[f32] {
        &self.matrix
    }

    /// How the tokens lie on the photo.
    pub fn tokens(&self) -> Tokens {
        self.tokens
    }
}

/// The rollout of all tokens over the layers of `records`, in their order. For
/// one query, [`rollout_row`] is far cheaper.
///
/// # Errors
/// If the layers do not share one sequence of tokens, an option is impossible,
/// there are too many tokens, or it is cancelled.
pub fn rollout(
    records: &[QueryKey],
    options: &RolloutOptions,
    task: Task<'_>,
) -> Result<Rollout, AttentionError> {
    let layers = chosen(records, options)?;
    let last = layers[layers.len() - 1];
    let matrix = rolled(layers, options, task, |last| last)?;
    Ok(Rollout {
        tokens: last.query_tokens,
        matrix,
        layer: last.clone(),
    })
}

/// The rollout's row for one query, without computing the others.
///
/// # Errors
/// As [`rollout`], or if there are no such tokens.
pub fn rollout_row(
    records: &[QueryKey],
    query: &Query,
    options: &RolloutOptions,
    task: Task<'_>,
) -> Result<Row, AttentionError> {
    let layers = chosen(records, options)?;
    let last = layers[layers.len() - 1];
    let places = sequence(query, last)?;
    let n = last.query_tokens.len();
    let start = |matrix: Vec<f32>| {
        let mut mean = vec![0.0; n];
        for place in &places {
            Fusion::Mean.take(&mut mean, &matrix[place * n..][..n]);
        }
        Fusion::Mean.finish(&mut mean, places.len());
        mean
    };
    let row = rolled(layers, options, task, start)?;
    Ok(Row::of(last.query_tokens, &row))
}

/// Whether the layers of `records` can be rolled out at all, which no query
/// changes.
///
/// # Errors
/// As [`rollout`], but for cancelling.
pub fn check_rollout(records: &[QueryKey], options: &RolloutOptions) -> Result<(), AttentionError> {
    chosen(records, options).map(|_| ())
}

/// The places in the sequence that a query means.
fn sequence(query: &Query, layer: &QueryKey) -> Result<Vec<usize>, AttentionError> {
    let places = query.places(layer, layer.query_tokens)?;
    Ok(places.into_values().flatten().collect())
}

/// The layers that count, at least one, checked to be one sequence.
fn chosen<'r>(
    records: &'r [QueryKey],
    options: &RolloutOptions,
) -> Result<Vec<&'r QueryKey>, AttentionError> {
    if records.is_empty() {
        return Err(AttentionError::NoLayers);
    }
    if !(0.0..1.0).contains(&options.discard_ratio) {
        return Err(AttentionError::Option {
            name: "the discard ratio",
            value: options.discard_ratio.to_string(),
            expected: "a number from 0 to less than 1".to_owned(),
        });
    }
    let layers: Vec<&QueryKey> = records.iter().skip(options.start_layer).collect();
    if layers.is_empty() {
        return Err(AttentionError::Option {
            name: "the start layer",
            value: options.start_layer.to_string(),
            expected: format!("0 to {}", records.len() - 1),
        });
    }
    let tokens = layers[0].query_tokens;
    for layer in &layers {
        if let Some(why) = apart(layer, tokens) {
            let layer = layer.layer.clone();
            return Err(AttentionError::NotOneSequence { layer, why });
        }
    }
    let bytes = 4 * (tokens.len() as u64).pow(2);
    if bytes > LIMIT {
        return Err(AttentionError::TooLarge {
            what: "the rollout's matrix",
            bytes,
            limit: LIMIT,
        });
    }
    Ok(layers)
}

/// What sets a layer apart from one sequence of `tokens`.
fn apart(layer: &QueryKey, tokens: Tokens) -> Option<&'static str> {
    match layer.grouping {
        Grouping::Windows(_) => return Some("looks within windows"),
        Grouping::Phases { .. } => return Some("looks within phases of its patches"),
        Grouping::Whole => {}
    }
    if layer.query_tokens != layer.key_tokens {
        return Some("has other keys than queries");
    }
    (layer.query_tokens != tokens).then_some("has another grid than those before")
}

/// Rows of the product Â_last ⋯ Â_first: those that `start` takes of Â_last.
/// From the last layer to the first, so that few rows stay few.
fn rolled(
    layers: Vec<&QueryKey>,
    options: &RolloutOptions,
    task: Task<'_>,
    start: impl FnOnce(Vec<f32>) -> Vec<f32>,
) -> Result<Vec<f32>, AttentionError> {
    let n = layers[0].query_tokens.len();
    let count = layers.len();
    let mut backwards = layers.into_iter().rev().enumerate();
    let mut rows = match backwards.next() {
        Some((_, last)) => start(mixing(last, options, task)?),
        None => return Err(AttentionError::NoLayers),
    };
    let mut scratch = Scratch::default();
    for (done, layer) in backwards {
        task.progress(done as f32 / count as f32);
        let matrix = mixing(layer, options, task)?;
        task.check()?;
        rows = product(&rows, scratch.pack(&matrix, n, n, n), n);
    }
    task.progress(1.0);
    Ok(rows)
}

/// Â of a layer: (tokens, tokens), each row summing to 1.
fn mixing(
    layer: &QueryKey,
    options: &RolloutOptions,
    task: Task<'_>,
) -> Result<Vec<f32>, AttentionError> {
    let mut matrix = fused(layer, options.fusion, task)?;
    let n = layer.query_tokens.len();
    discard(
        &mut matrix,
        n,
        options.discard_ratio,
        layer.query_tokens.prefix > 0,
    );
    matrix
        .par_chunks_mut(n)
        .enumerate()
        .for_each(|(place, row)| {
            row[place] += 1.0;
            let share = 1.0 / row.iter().sum::<f32>();
            row.iter_mut().for_each(|value| *value *= share);
        });
    Ok(matrix)
}

/// The layer's attention matrix with its attention heads fused.
fn fused(layer: &QueryKey, fusion: Fusion, task: Task<'_>) -> Result<Vec<f32>, AttentionError> {
    let group = layer.open(0)?;
    let heads = (0..layer.attention_heads).into_par_iter();
    let heads: candle_core::Result<Vec<PackedHead>> =
        heads.map(|head| group.packed(head)).collect();
    let heads = heads?;
    let n = layer.query_tokens.len();
    let places: Vec<usize> = (0..n).collect();
    let mut matrix = vec![0.0; n * n];
    let blocks = matrix
        .par_chunks_mut(BLOCK * n)
        .zip(places.par_chunks(BLOCK));
    blocks.try_for_each_init(Vec::new, |weights: &mut Vec<f32>, (out, places)| {
        weights.resize(out.len(), 0.0);
        for (index, head) in heads.iter().enumerate() {
            task.check()?;
            if index == 0 {
                head.weights(places, out)?;
            } else {
                head.weights(places, weights)?;
                fusion.take(out, weights);
            }
        }
        fusion.finish(out, heads.len());
        Ok::<_, AttentionError>(())
    })?;
    Ok(matrix)
}

/// Set the lowest `ratio` of all weights to zero, sparing the first column if
/// it is a class token's. Weights equal to the highest of them stay.
fn discard(matrix: &mut [f32], n: usize, ratio: f64, class_token: bool) {
    let count = (ratio * matrix.len() as f64) as usize;
    if count == 0 {
        return;
    }
    let spared = usize::from(class_token);
    let mut weights: Vec<f32> = matrix
        .chunks_exact(n)
        .flat_map(|row| &row[spared..])
        .copied()
        .collect();
    if weights.is_empty() {
        return;
    }
    let index = count.min(weights.len() - 1);
    let (_, limit, _) = weights.select_nth_unstable_by(index, f32::total_cmp);
    for row in matrix.chunks_exact_mut(n) {
        for value in row[spared..].iter_mut().filter(|value| **value < *limit) {
            *value = 0.0;
        }
    }
}

/// `rows` (m, n) times a layer's matrix (n, n).
fn product(rows: &[f32], matrix: PackedView<'_>, n: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows.len()];
    out.par_chunks_mut(BLOCK * n)
        .zip(rows.par_chunks(BLOCK * n))
        .for_each(|(out, rows)| gemm(rows, n, rows.len() / n, matrix, out, n, false));
    out
}

#[cfg(test)]
mod tests;
