//! Gradients of layer normalisation and the activation after it.

use super::activation::gelu_slope;
use super::{ROWS, sum_in_order};
use crate::nn::kernels::{Activation, dispatch, fma};
use rayon::prelude::*;

/// Partial sums per row.
const LANES: usize = 16;

/// What a layer normalisation learns from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NormGradients {
    /// Gradient of the input, (rows, channels).
    pub x: Vec<f32>,
    /// Gradient of the scale, (channels).
    pub weight: Vec<f32>,
    /// Gradient of the shift, (channels).
    pub bias: Vec<f32>,
}

/// Gradients of `then(layer_norm(x))` from that of its result; see
/// [`layer_norm`](crate::nn::kernels::layer_norm). Statistics are computed
/// again. Activations other than ReLU and GELU are taken for none.
///
/// # Panics
/// If a length does not fit.
pub fn layer_norm_gradient(
    x: &[f32],
    (weight, bias): (&[f32], &[f32]),
    eps: f32,
    then: Activation,
    gradient: &[f32],
) -> NormGradients {
    let c = weight.len();
    assert!(
        bias.len() == c && x.len() == gradient.len(),
        "gradient of a normalisation"
    );
    let mut out = vec![0.0; x.len()];
    let parts: Vec<Vec<f32>> = out
        .par_chunks_mut(ROWS * c)
        .zip(x.par_chunks(ROWS * c))
        .zip(gradient.par_chunks(ROWS * c))
        .map(|((out, x), gradient)| {
            let mut sums = vec![0.0; 2 * c];
            rows(x, weight, bias, eps, then, gradient, out, &mut sums);
            sums
        })
        .collect();
    let mut weight = sum_in_order(parts, 2 * c);
    let bias = weight.split_off(c);
    NormGradients {
        x: out,
        weight,
        bias,
    }
}

/// Sum of `term(a, b)` over two equally long rows.
#[inline(always)]
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder());
    for (a, b) in a.zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += term(*a, *b);
        }
    }
    for (lane, (a, b)) in lanes.iter_mut().zip(rest) {
        *lane += term(*a, *b);
    }
    lanes.iter().sum()
}

/// Turns `z`, what an activation got, into the gradient of that.
#[inline(always)]
fn through<const FMA: bool>(then: Activation, gradient: &[f32], z: &mut [f32]) {
    let pairs = z.iter_mut().zip(gradient);
    match then {
        Activation::Relu => {
            pairs.for_each(|(z, gradient)| *z = if *z <= 0.0 { 0.0 } else { *gradient });
        }
        Activation::Gelu => pairs.for_each(|(z, gradient)| *z = gelu_slope::<FMA>(*z) * gradient),
        _ => z.copy_from_slice(gradient),
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn rows_body<const FMA: bool>(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    eps: f32,
    then: Activation,
    gradient: &[f32],
    out: &mut [f32],
    sums: &mut [f32],
) {
    let c = weight.len();
    let inverse = 1.0 / c as f32;
    let (weights, biases) = sums.split_at_mut(c);
    let rows = x.chunks_exact(c).zip(gradient.chunks_exact(c));
    for ((x, gradient), out) in rows.zip(out.chunks_exact_mut(c)) {
        let mean = sum(x, x, |v, _| v) * inverse;
        let variance = sum(x, x, |v, _| (v - mean) * (v - mean)) * inverse;
        let scale = 1.0 / (variance + eps).sqrt();
        for (((out, x), weight), bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
            *out = fma::<FMA>((*x - mean) * scale, *weight, *bias);
        }
        through::<FMA>(then, gradient, out);
        for ((sum, out), x) in weights.iter_mut().zip(&*out).zip(x) {
            *sum = fma::<FMA>(*out, (*x - mean) * scale, *sum);
        }
        for ((sum, out), weight) in biases.iter_mut().zip(&mut *out).zip(weight) {
            *sum += *out;
            *out *= weight;
        }
        let level = sum(out, x, |g, _| g) * inverse;
        let slope = sum(out, x, |g, x| g * (x - mean)) * inverse * scale * scale;
        for (out, x) in out.iter_mut().zip(x) {
            *out = scale * (*out - level - (*x - mean) * slope);
        }
    }
}

dispatch! {
    /// Some rows: `out` gets the gradient of `x`, those of weight and bias are
    /// added to `sums`, one after the other.
    #[allow(clippy::too_many_arguments)]
    fn rows(
        x: &[f32],
        weight: &[f32],
        bias: &[f32],
        eps: f32,
        then: Activation,
        gradient: &[f32],
        out: &mut [f32],
        sums: &mut [f32],
    ) => rows_body
}
