//! Activations, in place. One pass over data that is still in the cache.

use super::softmax::exp;
use super::{dispatch, fma};

/// What follows a linear map or a convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// The exact (erf) GELU.
    Gelu,
    /// max(x, 0).
    Relu,
    /// x · sigmoid(x), also called swish.
    Silu,
    /// GELU's approximation by tanh.
    GeluTanh,
    /// GELU's approximation x · sigmoid(1.702 x).
    QuickGelu,
    /// min(max(x, 0), 6).
    Relu6,
    /// x · min(max(x + 3, 0), 6) / 6.
    HardSwish,
}

impl Activation {
    /// The one that a Hugging Face `config.json` calls `name` (`hidden_act`);
    /// `None` if it is not supported.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "linear" => Self::None,
            "gelu" | "gelu_python" => Self::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_accurate" | "gelu_pytorch_tanh"
            | "gelu_python_tanh" => Self::GeluTanh,
            "quick_gelu" => Self::QuickGelu,
            "relu" => Self::Relu,
            "relu6" => Self::Relu6,
            "silu" | "swish" => Self::Silu,
            "hardswish" => Self::HardSwish,
            _ => return None,
        })
    }

    /// Apply to every value.
    pub fn apply(self, values: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Gelu => gelu(values),
            Self::Relu => relu(values),
            Self::Silu => silu(values),
            Self::GeluTanh => gelu_tanh(values),
            Self::QuickGelu => quick_gelu(values),
            Self::Relu6 => relu6(values),
            Self::HardSwish => hard_swish(values),
        }
    }
}

/// erf as a quotient of polynomials in x, minimax on |x| <= 4 (the
/// coefficients are Eigen's); beyond that erf is ±1 in single precision.
/// Largest error about 3e-7.
#[inline(always)]
pub(super) fn erf<const FMA: bool>(x: f32) -> f32 {
    let x = if x > 4.0 { 4.0 } else { x };
    let x = if x < -4.0 { -4.0 } else { x };
    let s = x * x;
    let p = fma::<FMA>(s, -2.726_142_3e-10, 2.770_681_5e-8);
    let p = fma::<FMA>(s, p, -2.101_024e-6);
    let p = fma::<FMA>(s, p, -5.692_506_5e-5);
    let p = fma::<FMA>(s, p, -7.349_906_5e-4);
    let p = fma::<FMA>(s, p, -2.954_6e-3);
    let p = fma::<FMA>(s, p, -1.609_603_3e-2);
    let q = fma::<FMA>(s, -1.456_607_2e-5, -2.133_740_6e-4);
    let q = fma::<FMA>(s, q, -1.682_827e-3);
    let q = fma::<FMA>(s, q, -7.373_329_3e-3);
    let q = fma::<FMA>(s, q, -1.426_474e-2);
    x * p / q
}

#[inline(always)]
fn gelu_body<const FMA: bool>(values: &mut [f32]) {
    for value in values {
        let half = 0.5 * *value;
        let e = erf::<FMA>(*value * std::f32::consts::FRAC_1_SQRT_2);
        *value = fma::<FMA>(half, e, half);
    }
}

#[inline(always)]
fn relu_body<const FMA: bool>(values: &mut [f32]) {
    for value in values {
        *value = if *value < 0.0 { 0.0 } else { *value };
    }
}

/// x · sigmoid(z). The exponent is cut off at 88, far beyond where the product
/// is 0 in single precision.
#[inline(always)]
fn gated<const FMA: bool>(x: f32, z: f32) -> f32 {
    x / (1.0 + exp::<FMA>(-z))
}

#[inline(always)]
fn silu_body<const FMA: bool>(values: &mut [f32]) {
    for value in values {
        *value = gated::<FMA>(*value, *value);
    }
}

/// (1 + tanh(z)) / 2 is sigmoid(2 z).
#[inline(always)]
fn gelu_tanh_body<const FMA: bool>(values: &mut [f32]) {
    const TWICE: f32 = 1.595_769; // 2 · sqrt(2 / pi)
    for value in values {
        let x = *value;
        let inner = TWICE * fma::<FMA>(0.044_715 * x * x, x, x);
        *value = gated::<FMA>(x, inner);
    }
}

#[inline(always)]
fn quick_gelu_body<const FMA: bool>(values: &mut [f32]) {
    for value in values {
        *value = gated::<FMA>(*value, 1.702 * *value);
    }
}

/// min(max(x, 0), 6), which lets NaN through.
#[inline(always)]
fn clip6(x: f32) -> f32 {
    let x = if x < 0.0 { 0.0 } else { x };
    if x > 6.0 { 6.0 } else { x }
}

#[inline(always)]
fn relu6_body<const FMA: bool>(values: &mut [f32]) {
    for value in values {
        *value = clip6(*value);
    }
}

#[inline(always)]
fn hard_swish_body<const FMA: bool>(values: &mut [f32]) {
    for value in values {
        *value *= clip6(*value + 3.0) * (1.0 / 6.0);
    }
}

#[inline(always)]
fn add_body<const FMA: bool>(values: &mut [f32], other: &[f32]) {
    for (value, other) in values.iter_mut().zip(other) {
        *value += other;
    }
}

dispatch! {
    /// The exact (erf) GELU of every value, in place. NaN stays NaN.
    pub fn gelu(values: &mut [f32]) => gelu_body
}

dispatch! {
    /// max(x, 0) of every value, in place. NaN stays NaN.
    pub fn relu(values: &mut [f32]) => relu_body
}

dispatch! {
    /// x · sigmoid(x) of every value, in place. NaN stays NaN.
    pub fn silu(values: &mut [f32]) => silu_body
}

dispatch! {
    fn gelu_tanh(values: &mut [f32]) => gelu_tanh_body
}

dispatch! {
    fn quick_gelu(values: &mut [f32]) => quick_gelu_body
}

dispatch! {
    fn relu6(values: &mut [f32]) => relu6_body
}

dispatch! {
    fn hard_swish(values: &mut [f32]) => hard_swish_body
}

dispatch! {
    /// Add `other` to `values`, element by element.
    pub fn add_assign(values: &mut [f32], other: &[f32]) => add_body
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Abramowitz and Stegun 7.1.5: the series of erf, in double precision.
    fn erf_series(x: f64) -> f64 {
        // Beyond this the series loses more digits than the limit is off (3e-9).
        if x.abs() > 4.2 {
            return x.signum();
        }
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / n as f64;
            sum += term / (2 * n + 1) as f64;
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn gelu_is_the_erf_form_on_both_paths() {
        let inputs: Vec<f32> = (-4000..=4000).map(|i| i as f32 * 0.002).collect();
        let (mut chosen, mut portable) = (inputs.clone(), inputs.clone());
        gelu(&mut chosen);
        gelu_body::<false>(&mut portable);
        for ((x, a), b) in inputs.iter().zip(&chosen).zip(&portable) {
            let x = f64::from(*x);
            let want = 0.5 * x * (1.0 + erf_series(x * std::f64::consts::FRAC_1_SQRT_2));
            assert!(
                (f64::from(*a) - want).abs() < 1e-6,
                "gelu({x}) = {a}, not {want}"
            );
            assert!(
                (f64::from(*b) - want).abs() < 1e-6,
                "gelu({x}) = {b}, not {want}"
            );
        }
    }

    #[test]
    fn not_a_number_is_not_hidden() {
        for name in [
            "gelu",
            "relu",
            "silu",
            "gelu_new",
            "quick_gelu",
            "relu6",
            "hardswish",
        ] {
            let mut values = [f32::NAN; 9];
            Activation::named(name).unwrap().apply(&mut values);
            assert!(values.iter().all(|v| v.is_nan()), "{name}");
        }
    }

    #[test]
    fn gates_match_their_definitions_on_both_paths() {
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        let tanh = |x: f64| (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
        type Pair = (&'static str, fn(&mut [f32]), Box<dyn Fn(f64) -> f64>);
        let pairs: [Pair; 5] = [
            (
                "silu",
                silu_body::<false>,
                Box::new(move |x| x * sigmoid(x)),
            ),
            (
                "gelu_pytorch_tanh",
                gelu_tanh_body::<false>,
                Box::new(move |x| 0.5 * x * (1.0 + tanh(x).tanh())),
            ),
            (
                "quick_gelu",
                quick_gelu_body::<false>,
                Box::new(move |x| x * sigmoid(1.702 * x)),
            ),
            (
                "relu6",
                relu6_body::<false>,
                Box::new(|x| x.clamp(0.0, 6.0)),
            ),
            (
                "hardswish",
                hard_swish_body::<false>,
                Box::new(|x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0),
            ),
        ];
        let inputs: Vec<f32> = (-6000..=6000).map(|i| i as f32 * 0.02).collect();
        for (name, portable, want) in pairs {
            let (mut chosen, mut plain) = (inputs.clone(), inputs.clone());
            Activation::named(name).unwrap().apply(&mut chosen);
            portable(&mut plain);
            for ((x, a), b) in inputs.iter().zip(&chosen).zip(&plain) {
                let want = want(f64::from(*x));
                for got in [*a, *b] {
                    let off = (f64::from(got) - want).abs();
                    assert!(
                        off < 1e-6 * x.abs().max(1.0) as f64,
                        "{name}({x}) = {got}, not {want}"
                    );
                }
            }
        }
        assert_eq!(Activation::named("xielu"), None);
    }

    #[test]
    fn relu_and_sum() {
        let mut values = vec![-1.0, 0.0, 2.5];
        Activation::Relu.apply(&mut values);
        assert_eq!(values, [0.0, 0.0, 2.5]);
        add_assign(&mut values, &[1.0, 2.0, 3.0]);
        assert_eq!(values, [1.0, 2.0, 5.5]);
    }
}
