//! Depthwise 3×3 convolutions.

use super::{Values, bias_or_zeros, expect, expect_values, needed, result, slice};
use crate::nn::kernels::gradients::{
    Depthwise, column_sums, depthwise, depthwise_input, depthwise_weights, transpose,
};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// Taps of a filter.
const TAPS: usize = 9;

struct Depthwise3x3(Depthwise);

/// A depthwise 3×3 convolution, padded by its dilation: `x` (n, rows,
/// columns, c), `weight` (c, 1, 3, 3), `bias` (c).
///
/// # Errors
/// If shapes do not fit, a tensor is empty or not f32 in main memory, or the
/// dilation is 0.
pub fn depthwise3x3(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    dilation: usize,
) -> Result<Tensor> {
    let (_, rows, columns, channels) = x.dims4()?;
    let what = "weight of a depthwise convolution";
    expect(what, weight, &[channels, 1, 3, 3])?;
    expect_values("input of a depthwise convolution", x)?;
    if dilation == 0 {
        bail!("a convolution's dilation is at least 1");
    }
    let bias = bias_or_zeros(bias, channels)?;
    let maps = Depthwise {
        rows,
        columns,
        channels,
        dilation,
    };
    x.contiguous()?
        .apply_op3(&weight.contiguous()?, &bias, Depthwise3x3(maps))
}

impl CustomOp3 for Depthwise3x3 {
    fn name(&self) -> &'static str {
        "depthwise3x3"
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
        let taps = transpose(slice(weight, weight_layout)?, TAPS, self.0.channels);
        let mut out = vec![0.0; x.len()];
        depthwise(x, self.0, &taps, slice(bias, bias_layout)?, &mut out);
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
        let gradient = &*Values::of(&gradient)?;
        let channels = self.0.channels;
        let for_x = needed(x, || {
            let taps = transpose(&Values::of(weight)?, TAPS, channels);
            let mut out = vec![0.0; x.elem_count()];
            depthwise_input(gradient, self.0, &taps, &mut out);
            Ok(out)
        })?;
        let for_weight = needed(weight, || {
            let sums = depthwise_weights(&Values::of(x)?, self.0, gradient);
            Ok(transpose(&sums, channels, TAPS))
        })?;
        let for_bias = needed(bias, || Ok(column_sums(gradient, channels)))?;
        Ok((for_x, for_weight, for_bias))
    }
}
