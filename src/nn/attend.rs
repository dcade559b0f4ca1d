//! Scaled dot-product attention of many queries over keys that are packed
//! once: what attention layers without a bias share.
//!
//! Neither all queries nor all keys are looked at together: a block of queries
//! meets one block of keys after the other, and what it has gathered is
//! rescaled whenever a larger score comes up ("Online normalizer calculation
//! for softmax", Milakov & Gimelshein 2018; FlashAttention, Dao et al. 2022).
//! So scores stay in the cache however many tokens there are.

use super::kernels::{PackedView, Running, Scratch, gemm, softmax_step};
use rayon::prelude::*;

/// Bytes of scores that a task keeps in the cache.
const SCORE_BYTES: usize = 192 << 10;
/// The most keys that are looked at together.
const KEYS: usize = 512;

/// Keys and values, packed for each attention head and block of keys.
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
        let mut out = vec![0.0; tokens.len() / pitch * self.inner()];
        let heads = out.par_chunks_mut((tokens.len() / pitch * self.dim).max(1));
        heads.enumerate().for_each(|(head, out)| {
            let from = from + head * self.dim;
            for (to, token) in out
                .chunks_exact_mut(self.dim)
                .zip(tokens.chunks_exact(pitch))
            {
                to.copy_from_slice(&token[from..from + self.dim]);
            }
        });
        out
    }
}

/// The keys and values of some tokens, ready to be asked.
pub(super) struct Memory<'a> {
    heads: Heads,
    /// Keys per block, the last one's excepted.
    block: usize,
    /// Head by head, the keys (dim, block) and values (block, dim) of each
    /// block.
    sides: Vec<Side<'a>>,
}

/// The keys and values of a block for one attention head.
struct Side<'a> {
    tokens: usize,
    keys: PackedView<'a>,
    values: PackedView<'a>,
}

impl<'a> Memory<'a> {
    /// From `tokens` (tokens, `pitch`), one at least, with the keys of all
    /// heads from column `keys` on and the values from column `values` on.
    pub fn new(
        packs: &'a mut Packs,
        heads: Heads,
        tokens: &[f32],
        pitch: usize,
        (keys, values): (usize, usize),
    ) -> Self {
        let count = tokens.len() / pitch;
        // Blocks of about the same size.
        let block = count.div_ceil(count.div_ceil(KEYS)).next_multiple_of(16);
        let blocks = count.div_ceil(block);
        packs.0.resize_with(heads.count * blocks, Default::default);
        let packs = packs.0.par_iter_mut().enumerate();
        let sides = packs.map(|(i, [key, value])| {
            let (head, first) = (i / blocks * heads.dim, i % blocks * block);
            let count = block.min(count - first);
            let part = |from: usize| &tokens[first * pitch + from + head..];
            let key = key.pack_transposed(part(keys), pitch, count, heads.dim);
            Side {
                tokens: count,
                // Scores have room for zero columns: cheaper than a ragged edge.
                keys: key.padded(),
                values: value.pack(part(values), pitch, count, heads.dim),
            }
        });
        Self {
            heads,
            block,
            sides: sides.collect(),
        }
    }

    /// Queries to take at a time: enough for the products to be efficient, few
    /// enough for their scores to stay in the cache.
    pub fn block(&self) -> usize {
        (SCORE_BYTES / (4 * self.block) / 6 * 6).clamp(12, 192)
    }

    /// Attend from `queries`, `pitch` apart, with all heads, on the calling
    /// thread: `mixed` (queries, inner) gets their values' weighted means.
    pub fn ask(&self, queries: &[f32], pitch: usize, mixed: &mut [f32], scores: &mut Vec<f32>) {
        let Heads { count, dim } = self.heads;
        let inner = self.heads.inner();
        let mut running = vec![Running::default(); mixed.len() / inner];
        scores.resize(running.len() * self.block, 0.0);
        for (head, sides) in self.sides.chunks(self.sides.len() / count).enumerate() {
            let from = head * dim;
            let (queries, mixed) = (&queries[from..], &mut mixed[from..]);
            running.fill(Running::default());
            for (i, side) in sides.iter().enumerate() {
                let ld = side.keys.n();
                let scores = &mut scores[..running.len() * ld];
                gemm(queries, pitch, running.len(), side.keys, scores, ld, false);
                softmax_step(scores, ld, side.tokens, self.heads.scale(), &mut running);
                if i > 0 {
                    scale_rows(mixed, inner, dim, &running, |row| row.shrink);
                }
                gemm(scores, ld, running.len(), side.values, mixed, inner, i > 0);
            }
            scale_rows(mixed, inner, dim, &running, |row| 1.0 / row.total);
        }
    }
}

/// Multiply the first `dim` of every `pitch` values by a factor for each row.
fn scale_rows(
    rows: &mut [f32],
    pitch: usize,
    dim: usize,
    running: &[Running],
    factor: impl Fn(&Running) -> f32,
) {
    for (row, running) in rows.chunks_mut(pitch).zip(running) {
        let factor = factor(running);
        for value in &mut row[..dim] {
            *value *= factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};

    /// By the definition, in double precision.
    fn by_hand(heads: Heads, queries: &[f32], tokens: &[f32]) -> Vec<f32> {
        let (dim, inner) = (heads.dim, heads.inner());
        let mut out = Vec::new();
        for query in queries.chunks_exact(inner) {
            for head in 0..heads.count {
                let part = |row: &[f32], from: usize| -> Vec<f64> {
                    let row = &row[from + head * dim..][..dim];
                    row.iter().map(|v| f64::from(*v)).collect()
                };
                let query = part(query, 0);
                let weights = tokens.chunks_exact(2 * inner).map(|token| {
                    let products = part(token, 0).into_iter().zip(&query).map(|(k, q)| k * q);
                    (products.sum::<f64>() * f64::from(heads.scale())).exp()
                });
                let weights: Vec<f64> = weights.collect();
                let total: f64 = weights.iter().sum();
                let mut mean = vec![0.0; dim];
                for (weight, token) in weights.iter().zip(tokens.chunks_exact(2 * inner)) {
                    let values = part(token, inner);
                    mean.iter_mut()
                        .zip(values)
                        .for_each(|(m, v)| *m += weight / total * v);
                }
                out.extend(mean.iter().map(|v| *v as f32));
            }
        }
        out
    }

    #[test]
    fn blocks_of_keys_add_up() {
        let heads = Heads { count: 3, dim: 5 };
        let inner = heads.inner();
        // One key; one block; two; and three whose sharpest keys come last, so
        // that what was gathered before is scaled down.
        for (asked, count) in [(1, 1), (7, 512), (4, 513), (13, 1500)] {
            let queries: Vec<f32> = noise(asked * inner, 1).iter().map(|v| 4.0 * v).collect();
            let mut tokens = noise(count * 2 * inner, 2);
            for (i, token) in tokens.chunks_exact_mut(2 * inner).enumerate() {
                let sharpness = 4.0 * i as f32 / count as f32;
                token[..inner].iter_mut().for_each(|v| *v *= sharpness);
            }
            let mut packs = Packs::default();
            let memory = Memory::new(&mut packs, heads, &tokens, 2 * inner, (0, inner));
            let mut mixed = vec![f32::NAN; asked * inner];
            memory.ask(&queries, inner, &mut mixed, &mut Vec::new());
            close(&mixed, &by_hand(heads, &queries, &tokens), 1e-5);
        }
    }
}
