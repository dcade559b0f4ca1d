//! Linear layers and plain stacks of them.

use super::kernels::{Activation, Packed, gemm, linear};
use super::values::Values;
use candle_core::{Result, Tensor, bail};

/// `x · wᵀ + b` over the last dimension.
#[derive(Clone, Debug)]
pub struct Linear {
    packed: Packed,
}

impl Linear {
    /// From a checkpoint's `weight` (out, in) and `bias` (out).
    ///
    /// # Panics
    /// If a length does not fit `inputs` and `outputs`.
    pub fn new(weight: &[f32], bias: Option<&[f32]>, outputs: usize, inputs: usize) -> Self {
        Self {
            packed: Packed::from_linear(weight, bias, outputs, inputs),
        }
    }

    pub(super) fn from_packed(packed: Packed) -> Self {
        Self { packed }
    }

    /// Input features.
    pub fn inputs(&self) -> usize {
        self.packed.k()
    }

    /// Output features.
    pub fn outputs(&self) -> usize {
        self.packed.n()
    }

    /// The weights as the kernels take them.
    pub fn packed(&self) -> &Packed {
        &self.packed
    }

    /// The layer that takes gradients of the outputs back to gradients of the
    /// inputs, `y · w`. Packs the weights anew.
    pub(crate) fn turned(&self) -> Self {
        Self::from_packed(self.packed.transposed())
    }

    /// (…, in) to (…, out).
    ///
    /// # Errors
    /// If the last dimension is not `inputs`, or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut dims = x.dims().to_vec();
        match dims.last_mut() {
            Some(last) if *last == self.inputs() => *last = self.outputs(),
            _ => bail!("expected {} features, got {:?}", self.inputs(), x.dims()),
        }
        let mut out = vec![0.0; dims.iter().product()];
        linear(&Values::of(x)?, &self.packed, &mut out, Activation::None);
        Tensor::from_vec(out, dims, x.device())
    }

    /// A few rows on the calling thread: `x` (m, in) to (m, out).
    ///
    /// # Panics
    /// If `x` is not a whole number of rows.
    pub fn apply(&self, x: &[f32]) -> Vec<f32> {
        assert!(
            x.len().is_multiple_of(self.inputs()),
            "rows of a linear layer"
        );
        let m = x.len() / self.inputs();
        let mut out = vec![0.0; m * self.outputs()];
        gemm(
            x,
            self.inputs(),
            m,
            self.packed.view(),
            &mut out,
            self.outputs(),
            false,
        );
        out
    }
}

/// Linear layers with ReLU between them.
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// In order of application; the last one has no activation.
    pub fn new(layers: Vec<Linear>) -> Self {
        Self { layers }
    }

    /// A few rows on the calling thread.
    ///
    /// # Panics
    /// If `x` is not a whole number of rows of the first layer.
    pub fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut x = x.to_vec();
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                Activation::Relu.apply(&mut x);
            }
            x = layer.apply(&x);
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};
    use candle_core::Device;

    #[test]
    fn linear_agrees_with_candle() {
        let (x, w, b) = (noise(2 * 3 * 5, 1), noise(7 * 5, 2), noise(7, 3));
        let x = Tensor::from_vec(x, (2, 3, 5), &Device::Cpu).unwrap();
        let ours = Linear::new(&w, Some(&b), 7, 5).forward(&x).unwrap();
        let w = Tensor::from_vec(w, (7, 5), &Device::Cpu).unwrap();
        let b = Tensor::from_vec(b, 7, &Device::Cpu).unwrap();
        let want = x
            .broadcast_matmul(&w.t().unwrap())
            .unwrap()
            .broadcast_add(&b)
            .unwrap();
        assert_eq!(ours.dims(), want.dims());
        let want = want.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        close(
            &ours.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            &want,
            1e-6,
        );
        assert!(Linear::new(&[0.0; 4], None, 2, 2).forward(&x).is_err());
    }

    #[test]
    fn mlp_has_relu_between_layers_only() {
        let negate = Linear::new(&[-1.0], None, 1, 1);
        let mlp = Mlp::new(vec![negate.clone(), negate]);
        assert_eq!(mlp.apply(&[2.0]), [0.0]);
        assert_eq!(mlp.apply(&[-2.0]), [-2.0]);
    }
}
