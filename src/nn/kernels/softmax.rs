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

const LANES: usize = 8;

/// softmax of one row, in place.
#[inline(always)]
pub(super) fn softmax_row<const FMA: bool>(row: &mut [f32]) {
    let mut top = [f32::NEG_INFINITY; LANES];
    for chunk in row.chunks(LANES) {
        for (lane, value) in top.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    let top = top
        .iter()
        .fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
    let mut lanes = [0.0f32; LANES];
    let mut chunks = row.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *value = exp::<FMA>(*value - top);
            *lane += *value;
        }
    }
    let mut total: f32 = lanes.iter().sum();
    for value in chunks.into_remainder() {
        *value = exp::<FMA>(*value - top);
        total += *value;
    }
    let inverse = 1.0 / total;
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
            }
            None => row.iter_mut().for_each(|value| *value *= scale),
        }
        softmax_row::<FMA>(row);
    }
}

dispatch! {
    /// softmax(x · scale + bias) over the first `n` of every `ld` values, in
    /// place; what follows the first n is left alone. `bias` is (rows, n)
    /// without gaps. On the calling thread only.
    pub fn softmax_rows(
        x: &mut [f32],
        ld: usize,
        n: usize,
        scale: f32,
        bias: Option<&[f32]>,
    ) => body
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
        let (rows, ld, n, scale) = (5, 29, 27, 0.7);
        let x: Vec<f32> = noise(rows * ld, 1).iter().map(|v| v * 20.0).collect();
        let bias = noise(rows * n, 2);
        let mut want = x.clone();
        for (i, row) in want.chunks_exact_mut(ld).enumerate() {
            let e: Vec<f64> = (0..n)
                .map(|j| f64::from(row[j]) * scale + f64::from(bias[i * n + j]))
                .map(f64::exp)
                .collect();
            let total: f64 = e.iter().sum();
            row.iter_mut()
                .zip(&e)
                .for_each(|(v, e)| *v = (e / total) as f32);
        }
        let (mut chosen, mut portable) = (x.clone(), x);
        softmax_rows(&mut chosen, ld, n, scale as f32, Some(&bias));
        body::<false>(&mut portable, ld, n, scale as f32, Some(&bias));
        close(&chosen, &want, 1e-5);
        close(&portable, &want, 1e-5);
    }
}
