//! Layer normalisation over the channels.

use super::{Values, expect, expect_values, needed, result, slice};
use crate::nn::kernels::gradients::layer_norm_gradient;
use crate::nn::kernels::{self, Activation};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Rows of a task.
const ROWS: usize = 64;

struct LayerNorm {
    eps: f32,
    then: Activation,
}

/// Normalise the last dimension of `x` (…, c) to mean 0 and variance 1, scale
/// by `weight` (c), shift by `bias` (c), then the activation: none, ReLU or
/// GELU.
///
/// # Errors
/// If shapes do not fit, a tensor is empty or not f32 in main memory, or for
/// another activation.
pub fn layer_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f32,
    then: Activation,
) -> Result<Tensor> {
    let channels = weight.dims1()?;
    expect("shift of a normalisation", bias, &[channels])?;
    expect_values("input of a normalisation", x)?;
    if x.dims().last() != Some(&channels) {
        bail!("expected {channels} channels, got {:?}", x.dims());
    }
    if !matches!(then, Activation::None | Activation::Relu | Activation::Gelu) {
        bail!("{then:?} cannot follow a normalisation");
    }
    let (weight, bias) = (weight.contiguous()?, bias.contiguous()?);
    x.contiguous()?
        .apply_op3(&weight, &bias, LayerNorm { eps, then })
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
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
        let (weight, bias) = (slice(weight, weight_layout)?, slice(bias, bias_layout)?);
        let mut out = slice(x, shape)?.to_vec();
        out.par_chunks_mut(ROWS * weight.len()).for_each(|rows| {
            kernels::layer_norm(rows, weight, bias, self.eps);
            self.then.apply(rows);
        });
        result(out, shape.shape().clone())
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
        let found = layer_norm_gradient(
            &Values::of(x)?,
            (&Values::of(weight)?, &Values::of(bias)?),
            self.eps,
            self.then,
            &Values::of(&gradient)?,
        );
        Ok((
            needed(x, || Ok(found.x))?,
            needed(weight, || Ok(found.weight))?,
            needed(bias, || Ok(found.bias))?,
        ))
    }
}
