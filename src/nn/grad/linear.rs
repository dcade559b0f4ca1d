//! Linear layers, which 1×1 convolutions are, too.

use super::{Values, bias_or_zeros, expect_values, needed, result, slice};
use crate::nn::kernels::gradients::{column_sums, weight_gradient};
use crate::nn::kernels::{self, Activation, Packed};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

struct Linear {
    outputs: usize,
    inputs: usize,
}

/// `x · weightᵀ + bias`: `x` (…, in), `weight` (out, in), `bias` (out) to
/// (…, out).
///
/// # Errors
/// If shapes do not fit, a tensor is empty or not f32 in main memory.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    expect_values("weight of a linear layer", weight)?;
    expect_values("input of a linear layer", x)?;
    if x.dims().last() != Some(&inputs) {
        bail!("expected {inputs} channels, got {:?}", x.dims());
    }
    let bias = bias_or_zeros(bias, outputs)?;
    let layer = Linear { outputs, inputs };
    x.contiguous()?
        .apply_op3(&weight.contiguous()?, &bias, layer)
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        shape: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = slice(x, shape)?;
        let (weight, bias) = (slice(weight, weight_layout)?, slice(bias, bias_layout)?);
        let packed = Packed::from_linear(weight, Some(bias), self.outputs, self.inputs);
        let mut out = vec![0.0; x.len() / self.inputs * self.outputs];
        kernels::linear(x, &packed, &mut out, Activation::None);
        let mut dims = shape.dims().to_vec();
        dims.pop();
        dims.push(self.outputs);
        result(out, dims)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let gradient = &*Values::of(&gradient)?;
        let (outputs, inputs) = (self.outputs, self.inputs);
        let for_x = needed(x, || {
            let packed = Packed::from_matrix(&Values::of(weight)?, outputs, inputs);
            let mut out = vec![0.0; x.elem_count()];
            kernels::linear(gradient, &packed, &mut out, Activation::None);
            Ok(out)
        })?;
        let for_weight = needed(weight, || {
            let x = &*Values::of(x)?;
            let sizes = (outputs, inputs);
            Ok(weight_gradient(gradient, sizes, &(x, inputs)))
        })?;
        let for_bias = needed(bias, || Ok(column_sums(gradient, outputs)))?;
        Ok((for_x, for_weight, for_bias))
    }
}
