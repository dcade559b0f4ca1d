//! Bilinear resizing.

use super::{Values, expect_values, needed, result, slice};
use crate::nn::kernels::Axis;
use crate::nn::kernels::gradients::{self, Resize};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

struct Bilinear(Resize);

/// Resize maps `x` (n, rows, columns, channels) to `size` (rows, columns),
/// bilinearly between pixel centres (PyTorch's `interpolate` with
/// `align_corners` false and without antialiasing).
///
/// # Errors
/// If a size is 0 or the tensor is not f32 in main memory.
pub fn resize(x: &Tensor, size: (usize, usize)) -> Result<Tensor> {
    let (_, rows, columns, channels) = x.dims4()?;
    expect_values("map to resize", x)?;
    if size.0 == 0 || size.1 == 0 {
        bail!("cannot resize to {size:?}");
    }
    if size == (rows, columns) {
        return Ok(x.clone());
    }
    x.contiguous()?.apply_op1(Bilinear(Resize {
        rows: Axis::new(rows, size.0),
        columns: Axis::new(columns, size.1),
        channels,
    }))
}

impl CustomOp1 for Bilinear {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, columns) = (self.0.rows.index.len(), self.0.columns.index.len());
        let shape = (layout.dims()[0], rows, columns, self.0.channels);
        let mut out = vec![0.0; shape.0 * rows * columns * self.0.channels];
        gradients::resize(slice(storage, layout)?, &self.0, &mut out);
        result(out, shape)
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        needed(x, || {
            let gradient = gradient.contiguous()?;
            let mut out = vec![0.0; x.elem_count()];
            gradients::resize_gradient(&Values::of(&gradient)?, &self.0, &mut out);
            Ok(out)
        })
    }
}
