//! A convolutional stem: two strided convolutions without the map between.

use super::{FoldedConv, Map, Ring, STRIP, band_rows, strided, strips};
use crate::nn::kernels::{Activation, Packed, gemm, im2col3x3_row};
use crate::nn::values::{Values, map_size};
use candle_core::{Result, Tensor};
use rayon::prelude::*;

/// Two 3×3 convolutions of stride 2 with GELU between them: a quarter of the
/// size. TinyViT's patch embedding.
#[derive(Clone, Debug)]
pub struct ConvStem {
    first: Packed,
    second: Packed,
    inputs: usize,
}

impl ConvStem {
    /// # Panics
    /// If the channels do not chain.
    pub fn new(first: &FoldedConv, second: &FoldedConv) -> Self {
        assert_eq!(first.outputs, second.inputs, "channels of a stem");
        Self {
            first: first.pack(),
            second: second.pack(),
            inputs: first.inputs,
        }
    }

    /// (height, width, in) to (height / 4, width / 4, out), rounded up.
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (height, width) = map_size(x, self.inputs)?;
        let values = Values::of(x)?;
        let map = Map {
            values: &values,
            height,
            width,
            channels: self.inputs,
        };
        let middle = (strided(height, 2), strided(width, 2));
        let (rows, columns) = (strided(middle.0, 2), strided(middle.1, 2));
        let n = self.second.n();
        let pitch = columns * n;
        let mut out = vec![0.0; rows * pitch];
        let band = band_rows(rows);
        out.par_chunks_mut(band * pitch).enumerate().for_each_init(
            || StemBuffers::new(self),
            |buffers, (i, out)| {
                for (x0, count) in strips(columns) {
                    buffers.ring.forget();
                    for (y, out) in out.chunks_exact_mut(pitch).enumerate() {
                        let out = &mut out[x0 * n..][..count * n];
                        self.strip(map, middle, i * band + y, x0, count, buffers, out);
                    }
                }
            },
        );
        Tensor::from_vec(out, (rows, columns, n), x.device())
    }

    /// One row of one strip of the output.
    #[allow(clippy::too_many_arguments)]
    fn strip(
        &self,
        map: Map<'_>,
        middle: (usize, usize),
        y: usize,
        x0: usize,
        count: usize,
        buffers: &mut StemBuffers,
        out: &mut [f32],
    ) {
        let hidden = self.first.n();
        let span = (count - 1) * 2 + 3;
        let left = (x0 * 2) as isize - 1;
        let StemBuffers {
            ring,
            pixels,
            first,
            second,
        } = buffers;
        let rows = ring.around((y * 2) as isize, span * hidden, |y, row| {
            row.fill(0.0);
            let frame = Map {
                values: &[],
                height: middle.0,
                width: middle.1,
                channels: hidden,
            };
            if let Some((y, from, to)) = frame.inside(y, left, span) {
                let row = &mut row[(from as isize - left) as usize * hidden..];
                self.first_row(map, y, from, to, (pixels, first), row);
            }
        });
        let second = &mut second[..count * 9 * hidden];
        im2col3x3_row(rows, hidden, 2, second);
        gemm(
            second,
            9 * hidden,
            count,
            self.second.view(),
            out,
            self.second.n(),
            false,
        );
    }

    /// Pixels `from..to` of row `y` of the first convolution's output.
    fn first_row(
        &self,
        map: Map<'_>,
        y: usize,
        from: usize,
        to: usize,
        (pixels, patches): (&mut [Vec<f32>; 3], &mut [f32]),
        row: &mut [f32],
    ) {
        let count = to - from;
        let (span, hidden) = ((count - 1) * 2 + 3, self.first.n());
        let len = span * self.inputs;
        for (i, pixels) in pixels.iter_mut().enumerate() {
            let y = (2 * y + i) as isize - 1;
            map.copy_row(y, (2 * from) as isize - 1, span, &mut pixels[..len]);
        }
        let k = 9 * self.inputs;
        let patches = &mut patches[..count * k];
        let rows = [&pixels[0][..len], &pixels[1][..len], &pixels[2][..len]];
        im2col3x3_row(rows, self.inputs, 2, patches);
        let row = &mut row[..count * hidden];
        gemm(patches, k, count, self.first.view(), row, hidden, false);
        Activation::Gelu.apply(row);
    }
}

/// What a task of [`ConvStem`] works in.
struct StemBuffers {
    ring: Ring,
    pixels: [Vec<f32>; 3],
    first: Vec<f32>,
    second: Vec<f32>,
}

impl StemBuffers {
    fn new(stem: &ConvStem) -> Self {
        let span = (STRIP - 1) * 2 + 3;
        let hidden = stem.first.n();
        Self {
            ring: Ring::new(span * hidden),
            pixels: std::array::from_fn(|_| vec![0.0; (2 * span + 1) * stem.inputs]),
            first: vec![0.0; span * 9 * stem.inputs],
            second: vec![0.0; STRIP * 9 * hidden],
        }
    }
}
