//! Dot products of one vector with many: a row or a column of an attention
//! matrix before its softmax.

use super::{dispatch, fma};

/// Values that are multiplied at a time: one AVX register.
const LANES: usize = 8;

#[inline(always)]
fn body<const FMA: bool>(rows: &[f32], with: &[f32], out: &mut [f32]) {
    let whole = with.len() / LANES * LANES;
    let (with, tail) = with.split_at(whole);
    for (out, row) in out
        .iter_mut()
        .zip(rows.chunks_exact((whole + tail.len()).max(1)))
    {
        let (row, rest) = row.split_at(whole);
        let mut lanes = [0.0f32; LANES];
        for (a, b) in row.chunks_exact(LANES).zip(with.chunks_exact(LANES)) {
            for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
                *lane = fma::<FMA>(*a, *b, *lane);
            }
        }
        let [a, b, c, d, e, f, g, h] = lanes;
        let mut sum = ((a + e) + (c + g)) + ((b + f) + (d + h));
        for (a, b) in rest.iter().zip(tail) {
            sum = fma::<FMA>(*a, *b, sum);
        }
        *out = sum;
    }
}

dispatch! {
    /// `out[i] = rows[i] · with`: `rows` are as long as `with`, without gaps.
    /// On the calling thread only.
    pub fn dots(rows: &[f32], with: &[f32], out: &mut [f32]) => body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};

    #[test]
    fn both_paths_match_the_definition() {
        for (n, k) in [(1, 64), (7, 13), (5, 3), (33, 16), (2, 0)] {
            let (rows, with) = (noise(n * k, 1), noise(k, 2));
            let product = |row: usize| {
                let row = &rows[row * k..][..k];
                row.iter().zip(&with).map(|(a, b)| a * b).sum()
            };
            let want: Vec<f32> = (0..n).map(product).collect();
            let (mut chosen, mut portable) = (vec![0.0; n], vec![0.0; n]);
            dots(&rows, &with, &mut chosen);
            body::<false>(&rows, &with, &mut portable);
            close(&chosen, &want, 1e-5);
            close(&portable, &want, 1e-5);
        }
    }
}
