//! Layer normalisation over the last dimension.

use super::{dispatch, fma};

/// Partial sums per row: one wide register each.
const LANES: usize = 8;

#[inline(always)]
fn sum<const FMA: bool>(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += term(*value);
        }
    }
    let mut total: f32 = lanes.iter().sum();
    for value in rest {
        total += term(*value);
    }
    total
}

#[inline(always)]
fn body<const FMA: bool>(x: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
    let channels = weight.len();
    let inverse = 1.0 / channels as f32;
    for row in x.chunks_exact_mut(channels) {
        let mean = sum::<FMA>(row, |v| v) * inverse;
        let variance = sum::<FMA>(row, |v| (v - mean) * (v - mean)) * inverse;
        let scale = 1.0 / (variance + eps).sqrt();
        for ((value, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
            *value = fma::<FMA>((*value - mean) * scale, *weight, *bias);
        }
    }
}

dispatch! {
    /// Normalise each row of `x` (rows, channels) in place to mean 0 and
    /// variance 1, then scale by `weight` and shift by `bias` (channels).
    /// Channels-last, this is also what segmentation models call LayerNorm2d.
    /// On the calling thread only; rows beyond a multiple of the channels are
    /// left alone.
    pub fn layer_norm(x: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) => body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};

    #[test]
    fn both_paths_match_the_definition() {
        for channels in [1, 5, 8, 32, 160] {
            let x = noise(3 * channels, 1);
            let (weight, bias) = (noise(channels, 2), noise(channels, 3));
            let mut want = x.clone();
            for row in want.chunks_exact_mut(channels) {
                let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / channels as f64;
                let variance = row
                    .iter()
                    .map(|v| (f64::from(*v) - mean).powi(2))
                    .sum::<f64>()
                    / channels as f64;
                for ((v, w), b) in row.iter_mut().zip(&weight).zip(&bias) {
                    let z = (f64::from(*v) - mean) / (variance + 1e-5).sqrt();
                    *v = (z * f64::from(*w) + f64::from(*b)) as f32;
                }
            }
            let (mut chosen, mut portable) = (x.clone(), x);
            layer_norm(&mut chosen, &weight, &bias, 1e-5);
            body::<false>(&mut portable, &weight, &bias, 1e-5);
            close(&chosen, &want, 1e-5);
            close(&portable, &want, 1e-5);
        }
    }
}
