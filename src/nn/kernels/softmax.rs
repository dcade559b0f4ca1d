//! Softmax over rows, with the scale and the additive bias of attention.

use super::{dispatch, fma};

/// e^x for x <= 0 or small: split off a power of two, then a polynomial of
/// degree 6 (Cephes' expf). Relative error about 2e-7; below -87 it is 0 or
/// the smallest normal number.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    // Adding 1.5·2^23 rounds to a whole number, kept in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    let shifted = fma::<FMA>(x, std::f32::consts::LOG2_E, MAGIC);
    let whole = shifted - MAGIC;
    let r = fma::<FMA>(whole, -0.693_359_4, x);
    let r = fma::<FMA>(whole, 2.121_944_4e-4, r);
    let p = fma::<FMA>(r, 1.987_569_1e-4, 1.398_199_9e-3);
    let p = fma::<FMA>(r, p, 8.333_452e-3);
    let p = fma::<FMA>(r, p, 4.166_579_6e-2);
    let p = fma::<FMA>(r, p, 1.666_666_5e-1);
    let p = fma::<FMA>(r, p, 0.5);
    let p = fma::<FMA>(r * r, p, r + 1.0);
    let exponent = shifted.to_bits().wrapping_add(127).wrapping_shl(23);
    p * f32::from_bits(exponent)
}

/// Partial results per row: four wide registers, so that one addition need not
/// wait for another.
const LANES: usize = 32;

/// The largest value, or the sum, of a row: `merge` joins two of them.
#[inline(always)]
fn reduce(row: &[f32], start: f32, merge: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = merge(*lane, *value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = merge(*lane, *value);
    }
    lanes.into_iter().fold(start, merge)
}

/// softmax of one row, in place.
#[inline(always)]
pub(super) fn softmax_row<const FMA: bool>(row: &mut [f32]) {
    scaled_row::<FMA>(row, 1.0);
}

/// softmax(row · scale) in place; scale must be positive. Several simple
/// passes over a row that stays in the cache vectorise better than few.
#[inline(always)]
fn scaled_row<const FMA: bool>(row: &mut [f32], scale: f32) {
    let top = reduce(row, f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
    for value in row.iter_mut() {
        *value = exp::<FMA>((*value - top) * scale);
    }
    let inverse = 1.0 / reduce(row, 0.0, |a, b| a + b);
    for value in row {
        *value *= inverse;
    }
}

#[inline(always)]
fn body<const FMA: bool>(x: &mut [f32], ld: usize, n: usize, scale: f32, bias: Option<&[f32]>) {
    for (i, row) in x.chunks_mut(ld).enumerate() {
        let row = &mut row[..n];
        match bias {
            Some(bias) => {
                for (value, bias) in row.iter_mut().zip(&bias[i * n..(i + 1) * n]) {
                    *value = fma::<FMA>(*value, scale, *bias);
                }
                softmax_row::<FMA>(row);
            }
            None => scaled_row::<FMA>(row, scale),
        }
    }
}

dispatch! {
    /// softmax(x · scale + bias) over the first `n` of every `ld` values, in
    /// place; what follows the first n is left alone. `bias` is (rows, n)
    /// without gaps; without it, scale must be positive. On the calling thread
    /// only.
    pub fn softmax_rows(
        x: &mut [f32],
        ld: usize,
        n: usize,
        scale: f32,
        bias: Option<&[f32]>,
    ) => body
}

/// How far the softmax of a row has come of which one part after the other is
/// looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Running {
    /// The largest value so far.
    top: f32,
    /// The sum of the weights so far: what they are to be divided by.
    pub total: f32,
    /// What results of earlier parts are to be multiplied by.
    pub shrink: f32,
}

impl Default for Running {
    /// Nothing was looked at.
    fn default() -> Self {
        Self {
            top: f32::NEG_INFINITY,
            total: 0.0,
            shrink: 0.0,
        }
    }
}

#[inline(always)]
fn step_body<const FMA: bool>(
    x: &mut [f32],
    ld: usize,
    n: usize,
    scale: f32,
    running: &mut [Running],
) {
    for (row, running) in x.chunks_mut(ld).zip(running) {
        let row = &mut row[..n];
        let top = reduce(row, running.top, |a, b| if b > a { b } else { a });
        for value in row.iter_mut() {
            *value = exp::<FMA>((*value - top) * scale);
        }
        running.shrink = exp::<FMA>((running.top - top) * scale);
        running.total = running.total * running.shrink + reduce(row, 0.0, |a, b| a + b);
        running.top = top;
    }
}

dispatch! {
    /// Turn the first `n` of every `ld` values of `x`, the next parts of some
    /// rows, into the weights of softmax(row · scale), not yet divided by their
    /// total; `running` keeps track for each row. Scale must be positive. On
    /// the calling thread only.
    pub fn softmax_step(
        x: &mut [f32],
        ld: usize,
        n: usize,
        scale: f32,
        running: &mut [Running],
    ) => step_body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};

    #[test]
    fn exp_is_accurate() {
        for i in -870..=200 {
            let x = i as f32 * 0.1;
            let want = f64::from(x).exp();
            for got in [exp::<false>(x), exp::<true>(x)] {
                assert!(
                    (f64::from(got) / want - 1.0).abs() < 4e-7,
                    "exp({x}) = {got}, not {want}"
                );
            }
        }
    }

    #[test]
    fn both_paths_match_the_definition() {
        agree(5, 29, 27, true);
        agree(3, 7, 1, false);
        agree(4, 80, 73, false);
        agree(2, 64, 64, true);
    }

    fn agree(rows: usize, ld: usize, n: usize, biased: bool) {
        let scale = 0.7;
        let x: Vec<f32> = noise(rows * ld, 1).iter().map(|v| v * 20.0).collect();
        let bias = noise(rows * n, 2);
        let bias = biased.then_some(bias.as_slice());
        let mut want = x.clone();
        for (i, row) in want.chunks_exact_mut(ld).enumerate() {
            let e: Vec<f64> = (0..n)
                .map(|j| f64::from(row[j]) * scale + bias.map_or(0.0, |b| f64::from(b[i * n + j])))
                .map(f64::exp)
                .collect();
            let total: f64 = e.iter().sum();
            row.iter_mut()
                .zip(&e)
                .for_each(|(v, e)| *v = (e / total) as f32);
        }
        let (mut chosen, mut portable) = (x.clone(), x);
        softmax_rows(&mut chosen, ld, n, scale as f32, bias);
        body::<false>(&mut portable, ld, n, scale as f32, bias);
        close(&chosen, &want, 1e-5);
        close(&portable, &want, 1e-5);
    }

    #[test]
    fn part_after_part_is_the_whole_row() {
        let (n, scale) = (90, 0.3);
        let x: Vec<f32> = noise(n, 5).iter().map(|v| v * 30.0).collect();
        let mut want = x.clone();
        softmax_rows(&mut want, n, n, scale, None);
        let bodies = [softmax_step, step_body::<false>];
        for step in bodies {
            let mut running = [Running::default()];
            let mut got: Vec<f32> = Vec::new();
            for part in x.chunks(37) {
                let mut part = part.to_vec();
                let n = part.len();
                step(&mut part, n, n, scale, &mut running);
                got.iter_mut().for_each(|v| *v *= running[0].shrink);
                got.extend(part);
            }
            got.iter_mut().for_each(|v| *v /= running[0].total);
            close(&got, &want, 1e-6);
        }
    }
}
