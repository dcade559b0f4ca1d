//! Activations.

use super::{Values, needed, result, slice};
use crate::nn::kernels::{self, gradients};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// Values of a task.
const PIECE: usize = 1 << 14;

struct Gelu;

/// The exact (erf) GELU of every value.
///
/// # Errors
/// If `x` is not f32 in main memory.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Gelu)
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut out = slice(storage, layout)?.to_vec();
        out.par_chunks_mut(PIECE).for_each(kernels::gelu);
        result(out, layout.shape().clone())
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        needed(x, || {
            let gradient = gradient.contiguous()?;
            let mut out = Values::of(&gradient)?.to_vec();
            out.par_chunks_mut(PIECE)
                .zip(Values::of(x)?.par_chunks(PIECE))
                .for_each(|(out, x)| gradients::gelu_gradient(x, out));
            Ok(out)
        })
    }
}
