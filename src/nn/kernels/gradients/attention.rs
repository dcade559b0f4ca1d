//! Attention and its gradient, an attention head at a time.
//!
//! The backward pass computes the probabilities again, some queries at a time:
//! (tokens × tokens) values are never held for all heads.

use crate::nn::kernels::{Scratch, dispatch, fma, gemm, gemm_turned, softmax_rows};
use rayon::prelude::*;

/// Queries at a time.
const QUERIES: usize = 96;
/// Partial sums per row.
const LANES: usize = 16;

/// How the heads lie in (samples, tokens, 3 · width): queries, keys, values,
/// each cut into the heads' parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Samples.
    pub samples: usize,
    /// Tokens of a sample.
    pub tokens: usize,
    /// Attention heads.
    pub count: usize,
    /// Channels of a head.
    pub channels: usize,
}

/// Queries, keys and values of a head, rows `3 · width` apart.
struct Head<'a> {
    queries: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
}

/// Buffers of a task.
#[derive(Default)]
struct Buffers {
    keys: Scratch,
    values: Scratch,
    mixed: Scratch,
    query_rows: Scratch,
    gradient_rows: Scratch,
}

impl Heads {
    fn width(&self) -> usize {
        self.count * self.channels
    }

    /// Factor of the scores.
    fn scale(&self) -> f32 {
        1.0 / (self.channels as f32).sqrt()
    }

    fn head<'a>(&self, qkv: &'a [f32], index: usize) -> Head<'a> {
        let (sample, head) = (index / self.count, index % self.count);
        let from = sample * self.tokens * 3 * self.width() + head * self.channels;
        Head {
            queries: &qkv[from..],
            keys: &qkv[from + self.width()..],
            values: &qkv[from + 2 * self.width()..],
        }
    }

    /// Copies each head's (tokens, channels) of `part` into rows of `thirds`
    /// times the width.
    fn join(&self, heads: &[Vec<f32>], thirds: usize, out: &mut [f32]) {
        let pitch = thirds * self.width();
        out.par_chunks_mut(pitch)
            .enumerate()
            .for_each(|(row, out)| {
                let (sample, token) = (row / self.tokens, row % self.tokens);
                for (piece, out) in out.chunks_exact_mut(self.channels).enumerate() {
                    let (third, head) = (piece / self.count, piece % self.count);
                    let from = (third * self.tokens + token) * self.channels;
                    let head = &heads[sample * self.count + head];
                    out.copy_from_slice(&head[from..from + out.len()]);
                }
            });
    }
}

/// softmax(q kᵀ / √channels) v: `out` is (samples, tokens, width).
///
/// # Panics
/// If a length does not fit.
pub fn attention(qkv: &[f32], heads: Heads, out: &mut [f32]) {
    let parts: Vec<Vec<f32>> = (0..heads.samples * heads.count)
        .into_par_iter()
        .map(|index| forward(heads.head(qkv, index), heads))
        .collect();
    heads.join(&parts, 1, out);
}

/// The gradient of `qkv` from that of the result: `out` is as `qkv`.
///
/// # Panics
/// If a length does not fit.
pub fn attention_gradient(qkv: &[f32], heads: Heads, gradient: &[f32], out: &mut [f32]) {
    let parts: Vec<Vec<f32>> = (0..heads.samples * heads.count)
        .into_par_iter()
        .map(|index| {
            let (sample, head) = (index / heads.count, index % heads.count);
            let from = sample * heads.tokens * heads.width() + head * heads.channels;
            backward(heads.head(qkv, index), heads, &gradient[from..])
        })
        .collect();
    heads.join(&parts, 3, out);
}

fn forward(head: Head<'_>, heads: Heads) -> Vec<f32> {
    let (tokens, d, pitch) = (heads.tokens, heads.channels, 3 * heads.width());
    let mut buffers = Buffers::default();
    let keys = buffers.keys.pack_transposed(head.keys, pitch, tokens, d);
    let values = buffers.values.pack(head.values, pitch, tokens, d);
    let mut scores = vec![0.0; QUERIES.min(tokens) * tokens];
    let mut out = vec![0.0; tokens * d];
    for (block, out) in out.chunks_mut(QUERIES * d).enumerate() {
        let rows = out.len() / d;
        let scores = &mut scores[..rows * tokens];
        let queries = &head.queries[block * QUERIES * pitch..];
        gemm(queries, pitch, rows, keys, scores, tokens, false);
        softmax_rows(scores, tokens, tokens, heads.scale(), None);
        gemm(scores, tokens, rows, values, out, d, false);
    }
    out
}

/// Gradients of queries, keys and values, one after the other.
fn backward(head: Head<'_>, heads: Heads, gradient: &[f32]) -> Vec<f32> {
    let (tokens, d, pitch) = (heads.tokens, heads.channels, 3 * heads.width());
    let mut buffers = Buffers::default();
    let keys = buffers.keys.pack_transposed(head.keys, pitch, tokens, d);
    let values = buffers
        .values
        .pack_transposed(head.values, pitch, tokens, d);
    let mixed = buffers.mixed.pack(head.keys, pitch, tokens, d);
    let most = QUERIES.min(tokens) * tokens;
    let (mut weights, mut slopes) = (vec![0.0; most], vec![0.0; most]);
    let mut out = vec![0.0; 3 * tokens * d];
    let (for_queries, rest) = out.split_at_mut(tokens * d);
    let (for_keys, for_values) = rest.split_at_mut(tokens * d);
    for (block, for_queries) in for_queries.chunks_mut(QUERIES * d).enumerate() {
        let rows = for_queries.len() / d;
        let len = rows * tokens;
        let (weights, slopes) = (&mut weights[..len], &mut slopes[..len]);
        let queries = &head.queries[block * QUERIES * pitch..];
        let gradient = &gradient[block * QUERIES * heads.width()..];
        gemm(queries, pitch, rows, keys, weights, tokens, false);
        softmax_rows(weights, tokens, tokens, heads.scale(), None);
        gemm(gradient, heads.width(), rows, values, slopes, tokens, false);

        let right = buffers.gradient_rows.pack(gradient, heads.width(), rows, d);
        gemm_turned(weights, tokens, tokens, right, for_values, d);

        softmax_slopes(weights, tokens, heads.scale(), slopes);
        gemm(slopes, tokens, rows, mixed, for_queries, d, false);
        let right = buffers.query_rows.pack(queries, pitch, rows, d);
        gemm_turned(slopes, tokens, tokens, right, for_keys, d);
    }
    out
}

#[inline(always)]
fn slopes_body<const FMA: bool>(weights: &[f32], columns: usize, scale: f32, slopes: &mut [f32]) {
    let rows = weights.chunks_exact(columns);
    for (weights, slopes) in rows.zip(slopes.chunks_exact_mut(columns)) {
        let mut lanes = [0.0f32; LANES];
        let pairs = weights.chunks(LANES).zip(slopes.chunks(LANES));
        for (weights, slopes) in pairs {
            for ((lane, weight), slope) in lanes.iter_mut().zip(weights).zip(slopes) {
                *lane = fma::<FMA>(*weight, *slope, *lane);
            }
        }
        let level: f32 = lanes.iter().sum();
        for (slope, weight) in slopes.iter_mut().zip(weights) {
            *slope = weight * (*slope - level) * scale;
        }
    }
}

dispatch! {
    /// Turns the gradients of probabilities into those of scores before their
    /// scaling.
    fn softmax_slopes(
        weights: &[f32],
        columns: usize,
        scale: f32,
        slopes: &mut [f32],
    ) => slopes_body
}
