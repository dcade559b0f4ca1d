//! Convolutions with folded batch normalisation, fused into blocks.
//!
//! Blocks work on horizontal bands of their output, one per task, and within a
//! band on strips of columns, keeping the last three rows of the intermediate
//! map: it never exists as a whole, which at 256×256×256 would be 64 MiB of
//! memory traffic per step.

mod stem;

pub use stem::ConvStem;

use super::kernels::{Activation, Packed, depthwise3x3, depthwise3x3_row, gemm, im2col3x3_row};
use super::values::{Values, map_size};
use candle_core::{Result, Tensor};
use rayon::prelude::*;

/// Output columns per strip.
const STRIP: usize = 64;

/// A dense convolution's weights and bias, batch normalisation already folded
/// in: `weight` (out, in, k, k), `bias` (out).
#[derive(Clone, Debug)]
pub struct FoldedConv {
    /// (out, in, k, k) row-major.
    pub weight: Vec<f32>,
    /// (out); `None` for a convolution without bias.
    pub bias: Option<Vec<f32>>,
    /// Output channels.
    pub outputs: usize,
    /// Input channels.
    pub inputs: usize,
}

impl FoldedConv {
    /// As a matrix over neighbourhoods: (out, k·k·in), tap by tap.
    fn pack(&self) -> Packed {
        let taps = self.weight.len() / (self.outputs * self.inputs);
        let mut rows = Vec::with_capacity(self.weight.len());
        for filter in self.weight.chunks_exact(self.inputs * taps) {
            for tap in 0..taps {
                rows.extend(filter.iter().skip(tap).step_by(taps));
            }
        }
        Packed::from_linear(
            &rows,
            self.bias.as_deref(),
            self.outputs,
            self.inputs * taps,
        )
    }
}

/// A depthwise 3×3 convolution, padding 1, stride 1.
#[derive(Clone, Debug)]
pub struct Depthwise {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Depthwise {
    /// From `weight` (channels, 1, 3, 3) and `bias` (channels).
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn new(weight: &[f32], bias: Vec<f32>) -> Self {
        assert_eq!(weight.len(), 9 * bias.len(), "depthwise weights");
        let weight = (0..9)
            .flat_map(|tap| weight.iter().skip(tap).step_by(9))
            .copied()
            .collect();
        Self { weight, bias }
    }

    /// (height, width, channels) to the same shape.
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, width) = map_size(x, self.bias.len())?;
        let values = Values::of(x)?;
        let mut out = vec![0.0; values.len()];
        depthwise3x3(&values, width, &self.weight, &self.bias, &mut out);
        Tensor::from_vec(out, x.dims(), x.device())
    }
}

/// A map as a slice with its size.
#[derive(Clone, Copy)]
struct Map<'a> {
    values: &'a [f32],
    height: usize,
    width: usize,
    channels: usize,
}

impl Map<'_> {
    /// Copy columns `x0 .. x0 + count` of row `y` to `out`, zeros outside.
    fn copy_row(&self, y: isize, x0: isize, count: usize, out: &mut [f32]) {
        out.fill(0.0);
        let Some((row, from, to)) = self.inside(y, x0, count) else {
            return;
        };
        let c = self.channels;
        let source = &self.values[(row * self.width + from) * c..(row * self.width + to) * c];
        let at = (from as isize - x0) as usize * c;
        out[at..at + source.len()].copy_from_slice(source);
    }

    /// Row and column range of what lies inside the map.
    fn inside(&self, y: isize, x0: isize, count: usize) -> Option<(usize, usize, usize)> {
        let row = usize::try_from(y).ok().filter(|y| *y < self.height)?;
        let from = x0.max(0) as usize;
        let to = usize::try_from(x0 + count as isize).ok()?.min(self.width);
        (from < to).then_some((row, from, to))
    }
}

/// The last three rows of an intermediate map, by row number.
struct Ring {
    rows: [Vec<f32>; 3],
    held: [Option<isize>; 3],
}

impl Ring {
    fn new(len: usize) -> Self {
        Self {
            rows: std::array::from_fn(|_| vec![0.0; len]),
            held: [None; 3],
        }
    }

    fn forget(&mut self) {
        self.held = [None; 3];
    }

    /// Rows `y - 1`, `y`, `y + 1`, of `len` values, made by `make` if missing.
    fn around(
        &mut self,
        y: isize,
        len: usize,
        mut make: impl FnMut(isize, &mut [f32]),
    ) -> [&[f32]; 3] {
        let slot = |y: isize| y.rem_euclid(3) as usize;
        for y in y - 1..=y + 1 {
            if self.held[slot(y)] != Some(y) {
                make(y, &mut self.rows[slot(y)][..len]);
                self.held[slot(y)] = Some(y);
            }
        }
        [y - 1, y, y + 1].map(|y| &self.rows[slot(y)][..len])
    }
}

/// Size of a side after a 3×3 convolution with padding 1.
fn strided(side: usize, stride: usize) -> usize {
    (side - 1) / stride + 1
}

/// Rows per band: tall enough that the overlap of bands is cheap, and several
/// bands per thread.
fn band_rows(height: usize) -> usize {
    height
        .div_ceil(3 * rayon::current_num_threads())
        .clamp(8, 32)
}

/// Strips of columns of a row: (start, count).
fn strips(width: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..width)
        .step_by(STRIP)
        .map(move |x| (x, STRIP.min(width - x)))
}

/// 1×1 expansion, depthwise 3×3, 1×1 projection, with GELU after the first
/// two: MobileNet's inverted bottleneck (stride 1, residual, GELU at the end)
/// and TinyViT's patch merging (stride 1 or 2, neither).
#[derive(Clone, Debug)]
pub struct Bottleneck {
    expand: Packed,
    depthwise: Depthwise,
    project: Packed,
    stride: usize,
    residual: bool,
}

impl Bottleneck {
    /// # Panics
    /// If the channels do not chain, or a residual would not fit.
    pub fn new(
        expand: &FoldedConv,
        depthwise: Depthwise,
        project: &FoldedConv,
        stride: usize,
        residual: bool,
    ) -> Self {
        assert_eq!(expand.outputs, depthwise.bias.len(), "expansion");
        assert_eq!(project.inputs, depthwise.bias.len(), "projection");
        assert!(
            !residual || (stride == 1 && expand.inputs == project.outputs),
            "residual"
        );
        Self {
            expand: expand.pack(),
            depthwise,
            project: project.pack(),
            stride,
            residual,
        }
    }

    /// (height, width, in) to (height / stride, width / stride, out), rounded
    /// up.
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let channels = self.expand.k();
        let (height, width) = map_size(x, channels)?;
        let values = Values::of(x)?;
        let map = Map {
            values: &values,
            height,
            width,
            channels,
        };
        let (rows, columns) = (strided(height, self.stride), strided(width, self.stride));
        let pitch = columns * self.project.n();
        let mut out = vec![0.0; rows * pitch];
        let band = band_rows(rows);
        out.par_chunks_mut(band * pitch).enumerate().for_each_init(
            || self.buffers(),
            |buffers, (i, out)| {
                for (x0, count) in strips(columns) {
                    buffers.0.forget();
                    for (y, out) in out.chunks_exact_mut(pitch).enumerate() {
                        let out = &mut out[x0 * self.project.n()..][..count * self.project.n()];
                        self.strip(map, i * band + y, x0, count, buffers, out);
                    }
                }
            },
        );
        Tensor::from_vec(out, (rows, columns, self.project.n()), x.device())
    }

    fn buffers(&self) -> (Ring, Vec<f32>) {
        let hidden = self.expand.n();
        (
            Ring::new(((STRIP - 1) * self.stride + 3) * hidden),
            vec![0.0; STRIP * hidden],
        )
    }

    /// One row of one strip of the output.
    fn strip(
        &self,
        map: Map<'_>,
        y: usize,
        x0: usize,
        count: usize,
        (ring, filtered): &mut (Ring, Vec<f32>),
        out: &mut [f32],
    ) {
        let (hidden, stride) = (self.expand.n(), self.stride);
        let span = (count - 1) * stride + 3;
        let left = (x0 * stride) as isize - 1;
        let make = |y, row: &mut [f32]| self.expand_row(map, y, left, span, row);
        let rows = ring.around((y * stride) as isize, span * hidden, make);
        let filtered = &mut filtered[..count * hidden];
        depthwise3x3_row(
            rows,
            &self.depthwise.weight,
            &self.depthwise.bias,
            stride,
            filtered,
        );
        Activation::Gelu.apply(filtered);
        if self.residual {
            map.copy_row(y as isize, x0 as isize, count, out);
        }
        let n = self.project.n();
        gemm(
            filtered,
            hidden,
            count,
            self.project.view(),
            out,
            n,
            self.residual,
        );
        if self.residual {
            Activation::Gelu.apply(out);
        }
    }

    /// One row of the expanded map; zero outside, since the depthwise
    /// convolution pads the expanded map.
    fn expand_row(&self, map: Map<'_>, y: isize, x0: isize, span: usize, row: &mut [f32]) {
        let Some((y, from, to)) = map.inside(y, x0, span) else {
            return row.fill(0.0);
        };
        let hidden = self.expand.n();
        let start = (from as isize - x0) as usize * hidden;
        let end = start + (to - from) * hidden;
        row[..start].fill(0.0);
        row[end..].fill(0.0);
        let source = &map.values[(y * map.width + from) * map.channels..];
        let row = &mut row[start..end];
        gemm(
            source,
            map.channels,
            to - from,
            self.expand.view(),
            row,
            hidden,
            false,
        );
        Activation::Gelu.apply(row);
    }
}

/// A dense 3×3 convolution, padding 1, stride 1.
#[derive(Clone, Debug)]
pub struct Conv3x3 {
    packed: Packed,
    inputs: usize,
}

impl Conv3x3 {
    /// From 3×3 weights.
    pub fn new(conv: &FoldedConv) -> Self {
        Self {
            packed: conv.pack(),
            inputs: conv.inputs,
        }
    }

    /// (height, width, in) to (height, width, out).
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        /// Pixels whose neighbourhoods (9 · 256 values) fit the cache.
        const PIXELS: usize = 24;
        let (height, width) = map_size(x, self.inputs)?;
        let values = Values::of(x)?;
        let map = Map {
            values: &values,
            height,
            width,
            channels: self.inputs,
        };
        let (c, n, k) = (self.inputs, self.packed.n(), self.packed.k());
        let mut out = vec![0.0; height * width * n];
        out.par_chunks_mut(width * n).enumerate().for_each_init(
            || (vec![0.0; 3 * (PIXELS + 2) * c], vec![0.0; PIXELS * k]),
            |(rows, patches), (y, out)| {
                for (i, out) in out.chunks_mut(PIXELS * n).enumerate() {
                    let count = out.len() / n;
                    let rows = &mut rows[..3 * (count + 2) * c];
                    for (dy, row) in rows.chunks_exact_mut((count + 2) * c).enumerate() {
                        let left = (i * PIXELS) as isize - 1;
                        map.copy_row((y + dy) as isize - 1, left, count + 2, row);
                    }
                    let (first, rest) = rows.split_at((count + 2) * c);
                    let (second, third) = rest.split_at((count + 2) * c);
                    let patches = &mut patches[..count * k];
                    im2col3x3_row([first, second, third], c, 1, patches);
                    gemm(patches, k, count, self.packed.view(), out, n, false);
                }
            },
        );
        Tensor::from_vec(out, (height, width, n), x.device())
    }
}

/// A 1×1 convolution of a map is a linear layer; a larger one is a linear
/// layer over its neighbourhoods, (k, k, in) values each.
impl From<&FoldedConv> for super::Linear {
    fn from(conv: &FoldedConv) -> Self {
        Self::from_packed(conv.pack())
    }
}

#[cfg(test)]
mod tests;
