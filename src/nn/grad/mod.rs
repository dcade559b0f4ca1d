//! Differentiable operations, channels-last, for models that are trained.
//!
//! The other modules of this layer own packed weights; these functions take
//! weights as tensors, which may be candle variables, and register what
//! candle's `backward` needs. They serve inference as well. Tensors are f32
//! in main memory. No gradient is computed for an argument that neither is
//! nor depends on a variable. Results do not depend on the number of threads.

mod activation;
mod attention;
mod convolution;
mod depthwise;
mod given;
mod linear;
mod norm;
mod resize;

pub use activation::gelu;
pub use attention::attention;
pub use convolution::conv3x3;
pub use depthwise::depthwise3x3;
pub use given::with_gradient;
pub use linear::linear;
pub use norm::layer_norm;
pub use resize::resize;

use super::values::Values;
use candle_core::{CpuStorage, DType, Device, Layout, Result, Shape, Tensor, bail};

/// The values of an argument of an operation.
fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("expected a contiguous tensor, got {layout:?}"),
    }
}

/// The result of an operation.
fn result(values: Vec<f32>, shape: impl Into<Shape>) -> Result<(CpuStorage, Shape)> {
    Ok((CpuStorage::F32(values), shape.into()))
}

/// The gradient of `argument`, if it needs one.
fn needed(argument: &Tensor, compute: impl FnOnce() -> Result<Vec<f32>>) -> Result<Option<Tensor>> {
    if !argument.track_op() {
        return Ok(None);
    }
    Tensor::from_vec(compute()?, argument.shape(), &Device::Cpu).map(Some)
}

/// Checks a weight's or a bias's shape.
fn expect(what: &str, tensor: &Tensor, shape: &[usize]) -> Result<()> {
    if tensor.dims() != shape {
        bail!("{what}: expected {shape:?}, got {:?}", tensor.dims());
    }
    Ok(())
}

/// Checks that a tensor has values.
fn expect_values(what: &str, tensor: &Tensor) -> Result<()> {
    if tensor.elem_count() == 0 {
        bail!("{what}: {:?} has no values", tensor.dims());
    }
    Ok(())
}

/// The bias, or zeros.
fn bias_or_zeros(bias: Option<&Tensor>, outputs: usize) -> Result<Tensor> {
    match bias {
        Some(bias) => {
            expect("bias", bias, &[outputs])?;
            bias.contiguous()
        }
        None => Tensor::zeros(outputs, DType::F32, &Device::Cpu),
    }
}

#[cfg(test)]
mod tests;
