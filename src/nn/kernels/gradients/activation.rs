//! Derivatives of activations.

use crate::nn::kernels::activation::erf;
use crate::nn::kernels::softmax::exp;
use crate::nn::kernels::{dispatch, fma};

/// Derivative of the exact GELU: Φ(x) + x φ(x).
#[inline(always)]
pub(super) fn gelu_slope<const FMA: bool>(x: f32) -> f32 {
    /// 1 / sqrt(2 pi).
    const DENSITY: f32 = 0.398_942_3;
    let below = fma::<FMA>(0.5, erf::<FMA>(x * std::f32::consts::FRAC_1_SQRT_2), 0.5);
    fma::<FMA>(x * DENSITY, exp::<FMA>(-0.5 * x * x), below)
}

#[inline(always)]
fn gelu_body<const FMA: bool>(x: &[f32], gradient: &mut [f32]) {
    for (gradient, x) in gradient.iter_mut().zip(x) {
        *gradient *= gelu_slope::<FMA>(*x);
    }
}

dispatch! {
    /// Turns the gradient of GELU's results into that of its arguments `x`.
    pub fn gelu_gradient(x: &[f32], gradient: &mut [f32]) => gelu_body
}
