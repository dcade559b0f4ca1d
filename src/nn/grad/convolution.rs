//! Dense 3×3 convolutions.

use super::{Values, bias_or_zeros, expect, expect_values, needed, result, slice};
use crate::nn::kernels::Packed;
use crate::nn::kernels::gradients::{Neighbourhoods, column_sums, transpose, weight_gradient};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// Taps of a filter.
const TAPS: usize = 9;

struct Convolution {
    reach: Neighbourhoods,
    outputs: usize,
    inputs: usize,
}

/// A 3×3 convolution, padded by its dilation: `x` (n, rows, columns, in),
/// `weight` (out, in, 3, 3), `bias` (out) to (n, ⌈rows / stride⌉,
/// ⌈columns / stride⌉, out).
///
/// # Errors
/// If shapes do not fit, a tensor is empty or not f32 in main memory, stride
/// or dilation is 0.
pub fn conv3x3(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    dilation: usize,
) -> Result<Tensor> {
    let (_, rows, columns, inputs) = x.dims4()?;
    let outputs = weight.dim(0)?;
    expect("weight of a convolution", weight, &[outputs, inputs, 3, 3])?;
    expect_values("weight of a convolution", weight)?;
    expect_values("input of a convolution", x)?;
    if stride == 0 || dilation == 0 {
        bail!("a convolution's stride and dilation are at least 1");
    }
    let bias = bias_or_zeros(bias, outputs)?;
    let convolution = Convolution {
        reach: Neighbourhoods {
            rows,
            columns,
            stride,
            dilation,
        },
        outputs,
        inputs,
    };
    x.contiguous()?
        .apply_op3(&weight.contiguous()?, &bias, convolution)
}

impl Convolution {
    /// (out, in, taps) to (out, taps, in).
    fn taps_first(&self, weight: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(weight.len());
        for filter in weight.chunks_exact(self.inputs * TAPS) {
            for tap in 0..TAPS {
                out.extend(filter.iter().skip(tap).step_by(TAPS));
            }
        }
        out
    }

    /// (out, taps, in) to (out, in, taps).
    fn taps_last(&self, weight: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(weight.len());
        for filter in weight.chunks_exact(self.inputs * TAPS) {
            for input in 0..self.inputs {
                out.extend(filter.iter().skip(input).step_by(self.inputs));
            }
        }
        out
    }
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "conv3x3"
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
        let weight = self.taps_first(slice(weight, weight_layout)?);
        let bias = slice(bias, bias_layout)?;
        let packed = Packed::from_linear(&weight, Some(bias), self.outputs, TAPS * self.inputs);
        let (rows, columns) = self.reach.output();
        let samples = shape.dims()[0];
        let mut out = vec![0.0; samples * rows * columns * self.outputs];
        self.reach.forward(x, &packed, &mut out);
        result(out, (samples, rows, columns, self.outputs))
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
            let turned = transpose(&Values::of(weight)?, inputs * TAPS, outputs);
            let mut out = vec![0.0; x.elem_count()];
            self.reach.backward(gradient, &turned, inputs, &mut out);
            Ok(out)
        })?;
        let for_weight = needed(weight, || {
            let x = &*Values::of(x)?;
            let sizes = (outputs, TAPS * inputs);
            let unfolded = self.reach.unfolded(x, inputs);
            let found = weight_gradient(gradient, sizes, &unfolded);
            Ok(self.taps_last(&found))
        })?;
        let for_bias = needed(bias, || Ok(column_sums(gradient, outputs)))?;
        Ok((for_x, for_weight, for_bias))
    }
}
