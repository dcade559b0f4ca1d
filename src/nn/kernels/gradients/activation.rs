//! Derivatives of activations.

use crate::nn::kernels::activation::erf;
use crate::nn::kernels::softmax::exp;
use crate::nn::kernels::{Activation, dispatch, fma};

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

/// Turns the gradient of an activation's results into that of its arguments `x`.
/// Where there is a kink, the slope is that on the left.
pub fn activation_gradient(activation: Activation, x: &[f32], gradient: &mut [f32]) {
    let mut times = |slope: fn(f32) -> f32| {
        let pairs = gradient.iter_mut().zip(x);
        pairs.for_each(|(gradient, x)| *gradient *= slope(*x));
    };
    match activation {
        Activation::None => {}
        Activation::Gelu => gelu_gradient(x, gradient),
        Activation::Relu => times(|x| f32::from(x > 0.0)),
        Activation::Relu6 => times(|x| f32::from(x > 0.0 && x <= 6.0)),
        Activation::Silu => times(|x| gated_slope(x, x, 1.0)),
        Activation::QuickGelu => times(|x| gated_slope(x, 1.702 * x, 1.702)),
        Activation::GeluTanh => times(gelu_tanh_slope),
        Activation::HardSwish => times(hard_swish_slope),
    }
}

/// Derivative of x · sigmoid(z), where `rate` is that of z.
fn gated_slope(x: f32, z: f32, rate: f32) -> f32 {
    let share = 1.0 / (1.0 + (-z).exp());
    share + x * share * (1.0 - share) * rate
}

/// (1 + tanh(z)) / 2 is sigmoid(2 z).
fn gelu_tanh_slope(x: f32) -> f32 {
    const TWICE: f32 = 1.595_769; // 2 · sqrt(2 / pi)
    let z = TWICE * (x + 0.044_715 * x.powi(3));
    gated_slope(x, z, TWICE * (1.0 + 3.0 * 0.044_715 * x * x))
}

fn hard_swish_slope(x: f32) -> f32 {
    if x <= -3.0 {
        0.0
    } else if x <= 3.0 {
        (2.0 * x + 3.0) / 6.0
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_the_activations() {
        let all = [
            Activation::None,
            Activation::Gelu,
            Activation::Relu,
            Activation::Silu,
            Activation::GeluTanh,
            Activation::QuickGelu,
            Activation::Relu6,
            Activation::HardSwish,
        ];
        for activation in all {
            for x in [-4.1f32, -2.2, -0.7, -0.05, 0.3, 1.1, 2.5, 4.4, 6.9] {
                let mut gradient = [2.0];
                activation_gradient(activation, &[x], &mut gradient);
                let step = 1e-2;
                let mut sides = [x - step, x + step];
                activation.apply(&mut sides);
                let want = (sides[1] - sides[0]) / step;
                let error = (gradient[0] - want).abs();
                assert!(
                    error < 2e-3,
                    "{activation:?} at {x}: {} for {want}",
                    gradient[0]
                );
            }
        }
    }
}
