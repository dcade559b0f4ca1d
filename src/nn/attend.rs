//! Scaled dot-product attention of many queries over keys that are packed
//! once: what attention layers without a bias share.

use super::kernels::{PackedView, Scratch, gemm, softmax_rows};
use rayon::prelude::*;

/// Bytes of scores that a task keeps in the cache.
const SCORE_BYTES: usize = 192 << 10;

/// Keys and values as buffers that forward passes pack into.
#[derive(Default)]
pub(super) struct Packs(Vec<[Scratch; 2]>);

/// How a layer's channels are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heads {
    /// Attention heads.
    pub count: usize,
    /// Width of a query, key or value.
    pub dim: usize,
}

impl Heads {
    /// Width of all heads' queries, keys or values together.
    pub fn inner(self) -> usize {
        self.count * self.dim
    }

    /// What the products are multiplied by.
    pub fn scale(self) -> f32 {
        (self.dim as f32).powf(-0.5)
    }

    /// Part of the columns of `tokens` (tokens, `pitch`), those from `from`
    /// on, as (heads, tokens, dim).
    pub fn split(self, tokens: &[f32], pitch: usize, from: usize) -> Vec<f32> {
        let head = |head| tokens.chunks_exact(pitch).map(move |token| (head, token));
        (0..self.count)
            .flat_map(head)
            .flat_map(|(head, token)| &token[from + head * self.dim..][..self.dim])
            .copied()
            .collect()
    }
}

/// The keys and values of some tokens, ready to be asked.
pub(super) struct Memory<'a> {
    heads: Heads,
    tokens: usize,
    /// (dim, tokens) and (tokens, dim) of each head.
    sides: Vec<[PackedView<'a>; 2]>,
}

impl<'a> Memory<'a> {
    /// From `tokens` (tokens, `pitch`) with the keys of all heads from column
    /// `keys` on and the values from column `values` on.
    pub fn new(
        packs: &'a mut Packs,
        heads: Heads,
        tokens: &[f32],
        pitch: usize,
        (keys, values): (usize, usize),
    ) -> Self {
        let count = tokens.len() / pitch;
        packs.0.resize_with(heads.count, Default::default);
        let packs = packs.0.par_iter_mut().enumerate();
        let sides = packs.map(|(head, [key, value])| {
            let from = head * heads.dim;
            let key = key.pack_transposed(&tokens[keys + from..], pitch, count, heads.dim);
            let value = value.pack(&tokens[values + from..], pitch, count, heads.dim);
            // Scores have room for zero columns: cheaper than a ragged edge.
            [key.padded(), value]
        });
        Self {
            heads,
            tokens: count,
            sides: sides.collect(),
        }
    }

    /// Queries to take at a time: enough for the products to be efficient, few
    /// enough for their scores to stay in the cache.
    pub fn block(&self) -> usize {
        let row = 4 * self.tokens.next_multiple_of(16);
        (SCORE_BYTES / row / 6 * 6).clamp(12, 192)
    }

    /// Attend from `queries`, `pitch` apart, with all heads, on the calling
    /// thread: `mixed` (queries, inner) gets their values' weighted means.
    pub fn ask(&self, queries: &[f32], pitch: usize, mixed: &mut [f32], scores: &mut Vec<f32>) {
        let inner = self.heads.inner();
        let count = mixed.len() / inner;
        for (head, [keys, values]) in self.sides.iter().enumerate() {
            let from = head * self.heads.dim;
            let ld = keys.n();
            scores.resize(count * ld, 0.0);
            gemm(&queries[from..], pitch, count, *keys, scores, ld, false);
            softmax_rows(scores, ld, self.tokens, self.heads.scale(), None);
            gemm(scores, ld, count, *values, &mut mixed[from..], inner, false);
        }
    }
}
