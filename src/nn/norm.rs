//! Layer normalisation over the last dimension.

use super::kernels::gradients::layer_norm_gradient;
use super::kernels::{Activation, layer_norm};
use super::values::Values;
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// Values that a task normalises at a time.
const VALUES: usize = 16 << 10;

/// LayerNorm; channels-last, LayerNorm2d is the same thing.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

impl LayerNorm {
    /// From a checkpoint's `weight` and `bias` (channels).
    ///
    /// # Panics
    /// If they differ in length or are empty.
    pub fn new(weight: Vec<f32>, bias: Vec<f32>, eps: f32) -> Self {
        assert!(
            !weight.is_empty() && weight.len() == bias.len(),
            "parameters of a norm"
        );
        Self { weight, bias, eps }
    }

    /// Channels.
    pub fn channels(&self) -> usize {
        self.weight.len()
    }

    /// The shift, which is also what the norm makes of a constant row.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// Normalise rows (…, channels) in place, on the calling thread.
    pub fn apply(&self, rows: &mut [f32]) {
        layer_norm(rows, &self.weight, &self.bias, self.eps);
    }

    /// Rows (…, channels) normalised, on every core.
    ///
    /// # Panics
    /// If it is not a whole number of rows.
    pub fn of(&self, rows: &[f32]) -> Vec<f32> {
        let channels = self.channels();
        assert!(rows.len().is_multiple_of(channels), "rows of a norm");
        let some = (VALUES / channels).max(1) * channels;
        let mut out = vec![0.0; rows.len()];
        out.par_chunks_mut(some)
            .zip(rows.par_chunks(some))
            .for_each(|(out, rows)| {
                out.copy_from_slice(rows);
                self.apply(out);
            });
        out
    }

    /// The gradient of rows `x` (…, channels) from that of what
    /// [`LayerNorm::of`] makes of them.
    ///
    /// # Panics
    /// If the lengths differ or are no whole number of rows.
    pub(super) fn gradient(&self, x: &[f32], gradient: &[f32]) -> Vec<f32> {
        let parameters = (&*self.weight, &*self.bias);
        layer_norm_gradient(x, parameters, self.eps, Activation::None, gradient).x
    }

    /// (…, channels) to the same shape.
    ///
    /// # Errors
    /// If the last dimension differs or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.dims().last() != Some(&self.channels()) {
            bail!("expected {} channels, got {:?}", self.channels(), x.dims());
        }
        Tensor::from_vec(self.of(&Values::of(x)?), x.dims(), x.device())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_constant_row_becomes_the_bias() {
        let norm = LayerNorm::new(vec![2.0, 3.0], vec![0.5, -1.0], 1e-5);
        let x = Tensor::from_vec(vec![4f32; 2], (1, 2), &Device::Cpu).unwrap();
        assert_eq!(
            norm.forward(&x).unwrap().to_vec2::<f32>().unwrap(),
            [[0.5, -1.0]]
        );
        assert_eq!(norm.bias(), [0.5, -1.0]);
        let wrong = Tensor::from_vec(vec![4f32; 3], (1, 3), &Device::Cpu).unwrap();
        assert!(norm.forward(&wrong).is_err());
    }
}
