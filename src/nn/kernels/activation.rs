//! Activations, in place. One pass over data that is still in the cache.

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
}

impl Activation {
    /// Apply to every value.
    pub fn apply(self, values: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Gelu => gelu(values),
            Self::Relu => relu(values),
        }
    }
}

/// erf as a quotient of polynomials in x, minimax on |x| <= 4 (the
/// coefficients are Eigen's); beyond that erf is ±1 in single precision.
/// Largest error about 3e-7.
#[inline(always)]
fn erf<const FMA: bool>(x: f32) -> f32 {
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
        let mut values = [f32::NAN; 9];
        gelu(&mut values);
        assert!(values.iter().all(|v| v.is_nan()));
        relu(&mut values);
        assert!(values.iter().all(|v| v.is_nan()));
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
