//! 3×3 convolutions as products with unfolded neighbourhoods.

use super::products::Columns;
use super::walk::{Axis, Walk};
use crate::nn::kernels::{Packed, PackedView, Scratch, gemm};
use rayon::prelude::*;
use std::ops::Range;

/// Taps of a filter.
const TAPS: usize = 9;
/// Pixels whose neighbourhoods are unfolded at once.
const PIXELS: usize = 96;

/// Where the taps of a 3×3 convolution lie whose padding is its dilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbourhoods {
    /// Rows of the input.
    pub rows: usize,
    /// Columns of the input.
    pub columns: usize,
    /// Input pixels from one output pixel to the next.
    pub stride: usize,
    /// Input pixels from one tap to the next.
    pub dilation: usize,
}

/// The unfolded neighbourhoods (taps, channels) of all output pixels.
pub struct Unfolded<'a> {
    x: &'a [f32],
    channels: usize,
    walk: Walk,
}

impl Columns for Unfolded<'_> {
    fn pack<'a>(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        (values, scratch): &'a mut (Vec<f32>, Scratch),
    ) -> PackedView<'a> {
        let (k, n) = (rows.len(), columns.len());
        values.resize(k * n, 0.0);
        let asked = (rows, columns);
        self.walk.gather(self.x, self.channels, asked, values);
        scratch.pack(values, n, k, n)
    }
}

/// Input pixels that are under the same taps: those of one row and one column
/// of every `stride`. The gradient of the others is no business of theirs, so
/// that no product has factors which are always zero.
struct Phase {
    /// The first pixel's row and column.
    first: (usize, usize),
    /// The output pixels under whose taps the pixels are.
    walk: Walk,
    /// The taps.
    taps: Vec<usize>,
}

impl Neighbourhoods {
    /// Rows and columns of the output.
    pub fn output(&self) -> (usize, usize) {
        (
            self.rows.div_ceil(self.stride),
            self.columns.div_ceil(self.stride),
        )
    }

    /// The neighbourhoods of the pixels of `x`.
    pub fn unfolded<'a>(&self, x: &'a [f32], channels: usize) -> Unfolded<'a> {
        let walk = self.walk();
        Unfolded { x, channels, walk }
    }

    /// The input pixels under the taps of the output pixels.
    fn walk(&self) -> Walk {
        let axis = |source: usize| Axis {
            places: source.div_ceil(self.stride),
            stride: self.stride,
            source,
            offsets: [-1, 0, 1].map(|tap| tap * self.dilation as isize).into(),
        };
        Walk::new(axis(self.rows), axis(self.columns))
    }

    /// The convolution of `x` (samples, rows, columns, channels): `weight` is
    /// from (taps, channels) to the output channels, which `out` has.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward(&self, x: &[f32], weight: &Packed, out: &mut [f32]) {
        products(x, weight, TAPS, &self.walk(), out);
    }

    /// The gradient of the input (samples, rows, columns, `inputs`) from that
    /// of the output: `turned` is the weight as (inputs, taps, outputs).
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn backward(&self, gradient: &[f32], turned: &[f32], inputs: usize, out: &mut [f32]) {
        let outputs = turned.len() / (inputs * TAPS);
        let phases: Vec<(Phase, Packed)> = self
            .phases()
            .into_iter()
            .map(|phase| {
                let weight = some_taps(turned, outputs, &phase.taps);
                let k = phase.taps.len() * outputs;
                let packed = Packed::from_linear(&weight, None, inputs, k);
                (phase, packed)
            })
            .collect();
        if let [(phase, packed)] = phases.as_slice() {
            return products(gradient, packed, phase.taps.len(), &phase.walk, out);
        }
        let (rows, columns) = self.output();
        out.par_chunks_mut(self.rows * self.columns * inputs)
            .zip(gradient.par_chunks(rows * columns * outputs))
            .for_each(|(out, gradient)| {
                for (phase, packed) in &phases {
                    self.spread(gradient, phase, packed, out);
                }
            });
    }

    /// The phases that there are, as many as the stride in both directions.
    fn phases(&self) -> Vec<Phase> {
        let (down, across) = (self.axes(self.rows), self.axes(self.columns));
        let mut phases = Vec::new();
        for (row, (down, row_taps)) in down.iter().enumerate() {
            for (column, (across, column_taps)) in across.iter().enumerate() {
                let taps = row_taps.iter().flat_map(|row| {
                    let tap = move |column: &usize| 3 * row + column;
                    column_taps.iter().map(tap)
                });
                phases.push(Phase {
                    first: (row, column),
                    taps: taps.collect(),
                    walk: Walk::new(down.clone(), across.clone()),
                });
            }
        }
        phases
    }

    /// For each phase of one direction, where the output pixels are from one
    /// to the next, and under which of their three taps the input pixels are.
    fn axes(&self, length: usize) -> Vec<(Axis, Vec<usize>)> {
        let axis = |first: usize| {
            // Last tap first, so that offsets ascend.
            let taps: Vec<usize> = (0..3)
                .rev()
                .filter(|tap| {
                    let distance = self.offset(first, *tap);
                    distance.rem_euclid(self.stride as isize) == 0
                })
                .collect();
            let offset = |tap: &usize| self.offset(first, *tap).div_euclid(self.stride as isize);
            let axis = Axis {
                places: (length - first).div_ceil(self.stride),
                stride: 1,
                source: length.div_ceil(self.stride),
                offsets: taps.iter().map(offset).collect(),
            };
            (axis, taps)
        };
        (0..self.stride.min(length)).map(axis).collect()
    }

    /// Where a filter's centre is, in input pixels, whose tap is at `place`.
    fn offset(&self, place: usize, tap: usize) -> isize {
        place as isize + (1 - tap as isize) * self.dilation as isize
    }

    /// Writes one sample's pixels of a phase.
    fn spread(&self, gradient: &[f32], phase: &Phase, weight: &Packed, out: &mut [f32]) {
        let n = weight.n();
        let columns = phase.walk.columns();
        let places = phase.walk.places();
        let (k, taps) = (weight.k(), phase.taps.len());
        if taps == 0 {
            return;
        }
        let mut unfolded = vec![0.0; PIXELS * k];
        let mut found = vec![0.0; PIXELS * n];
        for from in (0..places).step_by(PIXELS) {
            let pixels = from..places.min(from + PIXELS);
            let count = pixels.len();
            let whole = (pixels.clone(), 0..k);
            phase.walk.gather(gradient, k / taps, whole, &mut unfolded);
            gemm(&unfolded, k, count, weight.view(), &mut found, n, false);
            for (place, found) in pixels.zip(found.chunks_exact(n)) {
                let row = phase.first.0 + place / columns * self.stride;
                let column = phase.first.1 + place % columns * self.stride;
                out[(row * self.columns + column) * n..][..n].copy_from_slice(found);
            }
        }
    }
}

/// Of (inputs, all taps, outputs) some taps, in their order.
fn some_taps(turned: &[f32], outputs: usize, taps: &[usize]) -> Vec<f32> {
    let mut weight = Vec::with_capacity(turned.len() / TAPS * taps.len());
    for filter in turned.chunks_exact(TAPS * outputs) {
        for tap in taps {
            weight.extend_from_slice(&filter[tap * outputs..][..outputs]);
        }
    }
    weight
}

fn products(x: &[f32], weight: &Packed, taps: usize, walk: &Walk, out: &mut [f32]) {
    let (k, n) = (weight.k(), weight.n());
    out.par_chunks_mut(PIXELS * n).enumerate().for_each_init(
        || vec![0.0; PIXELS * k],
        |unfolded, (block, out)| {
            let pixels = out.len() / n;
            let from = block * PIXELS;
            let all: (Range<usize>, Range<usize>) = (from..from + pixels, 0..k);
            walk.gather(x, k / taps, all, unfolded);
            gemm(unfolded, k, pixels, weight.view(), out, n, false);
        },
    );
}
