//! Two special softmaxes of attention.
//!
//! The few-tokens side of cross-attention: a handful of prompt tokens looking
//! at thousands of image tokens. Scores are kept (image tokens, 16): one lane
//! per prompt token, so that softmax over the image vectorises.
//!
//! Decomposed relative positions: the bias of a key is the sum of one number
//! for its row and one for its column, so it is never written out.

use super::softmax::{exp, softmax_row};
use super::{dispatch, fma};

/// Lanes per row of scores: prompt tokens beyond this take another pass.
const LANES: usize = 16;

#[inline(always)]
fn softmax_body<const FMA: bool>(scores: &mut [f32], scale: f32) {
    let mut top = [f32::NEG_INFINITY; LANES];
    for row in scores.chunks_exact(LANES) {
        for (top, value) in top.iter_mut().zip(row) {
            *top = if *value > *top { *value } else { *top };
        }
    }
    let mut total = [0.0f32; LANES];
    for row in scores.chunks_exact_mut(LANES) {
        for ((value, top), total) in row.iter_mut().zip(&top).zip(&mut total) {
            *value = exp::<FMA>((*value - top) * scale);
            *total += *value;
        }
    }
    let inverse = total.map(|total| 1.0 / total);
    for row in scores.chunks_exact_mut(LANES) {
        for (value, inverse) in row.iter_mut().zip(&inverse) {
            *value *= inverse;
        }
    }
}

#[inline(always)]
fn mix_body<const FMA: bool>(
    weights: &[f32],
    tokens: usize,
    values: &[f32],
    (stride, dim): (usize, usize),
    out: &mut [f32],
) {
    // SAM's own width, known to the compiler.
    if dim == LANES {
        mix_rows::<FMA>(weights, tokens, values, (stride, LANES), out);
    } else {
        mix_rows::<FMA>(weights, tokens, values, (stride, dim), out);
    }
}

#[inline(always)]
fn mix_rows<const FMA: bool>(
    weights: &[f32],
    tokens: usize,
    values: &[f32],
    (stride, dim): (usize, usize),
    out: &mut [f32],
) {
    for (row, value) in weights.chunks_exact(LANES).zip(values.chunks(stride)) {
        let value = &value[..dim];
        for (weight, out) in row[..tokens].iter().zip(out.chunks_exact_mut(dim)) {
            for (out, value) in out.iter_mut().zip(value) {
                *out = fma::<FMA>(*weight, *value, *out);
            }
        }
    }
}

#[inline(always)]
fn relative_body<const FMA: bool>(row: &mut [f32], scale: f32, down: &[f32], across: &[f32]) {
    for (keys, down) in row.chunks_exact_mut(across.len()).zip(down) {
        for (value, across) in keys.iter_mut().zip(across) {
            *value = fma::<FMA>(*value, scale, down + across);
        }
    }
    softmax_row::<FMA>(row);
}

dispatch! {
    /// softmax(row · scale + bias) of one query, in place, for keys on a grid:
    /// `row` is (rows, columns), and the bias of a key is `down[row] +
    /// across[column]`.
    pub fn softmax_relative(row: &mut [f32], scale: f32, down: &[f32], across: &[f32]) =>
        relative_body
}

dispatch! {
    /// softmax(scores · scale) down each of the sixteen columns of `scores`
    /// (image tokens, 16), in place; scale must be positive.
    pub fn token_softmax(scores: &mut [f32], scale: f32) => softmax_body
}

dispatch! {
    /// `out` (tokens, dim) += weightsᵀ · values: `weights` (image tokens, 16)
    /// of which the first `tokens` lanes count, `values` rows of `dim`
    /// values at a distance of `stride`; `layout` is (stride, dim).
    ///
    /// # Panics
    /// If a slice is too short or `tokens` exceeds 16.
    pub fn mix_values(
        weights: &[f32],
        tokens: usize,
        values: &[f32],
        layout: (usize, usize),
        out: &mut [f32],
    ) => mix_body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};

    #[test]
    fn a_column_is_a_softmax_and_mixing_is_a_product() {
        let (n, tokens, stride) = (37, 5, 40);
        let scores: Vec<f32> = noise(n * LANES, 1).iter().map(|v| v * 9.0).collect();
        let values = noise(n * stride, 2);
        let mut weights = scores.clone();
        token_softmax(&mut weights, 0.25);
        let mut portable = scores.clone();
        softmax_body::<false>(&mut portable, 0.25);
        close(&weights, &portable, 1e-5);
        for dim in [LANES, 5, 33] {
            let mut out = vec![0.0; tokens * dim];
            mix_values(&weights, tokens, &values, (stride, dim), &mut out);
            for t in 0..tokens {
                let e: Vec<f64> = (0..n)
                    .map(|i| (f64::from(scores[i * LANES + t]) * 0.25).exp())
                    .collect();
                let total: f64 = e.iter().sum();
                for d in 0..dim {
                    let want: f64 = (0..n)
                        .map(|i| e[i] / total * f64::from(values[i * stride + d]))
                        .sum();
                    assert!((f64::from(out[t * dim + d]) - want).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn relative_positions_are_a_bias_by_row_and_column() {
        let (rows, columns, scale) = (3, 5, 0.7);
        let row: Vec<f32> = noise(rows * columns, 1).iter().map(|v| v * 9.0).collect();
        let (down, across) = (noise(rows, 2), noise(columns, 3));
        let bias: Vec<f32> = (0..rows * columns)
            .map(|key| down[key / columns] + across[key % columns])
            .collect();
        let mut want = row.clone();
        super::super::softmax_rows(&mut want, 15, 15, scale, Some(&bias));
        let (mut chosen, mut portable) = (row.clone(), row);
        softmax_relative(&mut chosen, scale, &down, &across);
        relative_body::<false>(&mut portable, scale, &down, &across);
        close(&chosen, &want, 1e-6);
        close(&portable, &want, 1e-6);
    }
}
