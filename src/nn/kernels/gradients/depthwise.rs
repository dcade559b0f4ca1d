//! Gradients of the depthwise 3×3 convolution.

use super::sum_in_order;
use crate::nn::kernels::{depthwise_row, dispatch, fma};
use rayon::prelude::*;

/// Taps of a filter.
const TAPS: usize = 9;
/// Rows of pixels whose sum is taken at once.
const LINES: usize = 8;
/// Channels whose sums stay in registers: four wide ones.
const BLOCK: usize = 32;

/// The maps of a depthwise convolution, (samples, rows, columns, channels).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depthwise {
    /// Rows of a map.
    pub rows: usize,
    /// Columns of a map.
    pub columns: usize,
    /// Channels.
    pub channels: usize,
    /// Pixels from one tap to the next, and zeros around the map.
    pub dilation: usize,
}

impl Depthwise {
    /// Values of a row of pixels.
    fn pitch(&self) -> usize {
        self.columns * self.channels
    }

    /// The three rows under the taps of row `line`, counted over all samples;
    /// empty outside of the map.
    fn lines<'a>(&self, x: &'a [f32], line: usize) -> [&'a [f32]; 3] {
        let (first, row) = (line - line % self.rows, line % self.rows);
        [0, 1, 2].map(|tap| {
            let row = (row + tap * self.dilation).checked_sub(self.dilation);
            match row.filter(|row| *row < self.rows) {
                Some(row) => &x[(first + row) * self.pitch()..][..self.pitch()],
                None => &[],
            }
        })
    }
}

/// The convolution: `weight` (9, channels), `bias` (channels).
///
/// # Panics
/// If a length does not fit.
pub fn depthwise(x: &[f32], maps: Depthwise, weight: &[f32], bias: &[f32], out: &mut [f32]) {
    out.par_chunks_mut(maps.pitch())
        .enumerate()
        .for_each(|(line, out)| {
            depthwise_row(maps.lines(x, line), weight, bias, 1, maps.dilation, out);
        });
}

/// The gradient of the input: the convolution with the filter turned round.
///
/// # Panics
/// If a length does not fit.
pub fn depthwise_input(gradient: &[f32], maps: Depthwise, weight: &[f32], out: &mut [f32]) {
    let taps = weight.chunks_exact(maps.channels).rev();
    let turned: Vec<f32> = taps.flatten().copied().collect();
    depthwise(gradient, maps, &turned, &vec![0.0; maps.channels], out);
}

/// The gradient of the weights, (9, channels).
///
/// # Panics
/// If a length does not fit.
pub fn depthwise_weights(x: &[f32], maps: Depthwise, gradient: &[f32]) -> Vec<f32> {
    let len = TAPS * maps.channels;
    let parts = gradient
        .par_chunks(LINES * maps.pitch())
        .enumerate()
        .map(|(part, lines)| {
            let mut sums = vec![0.0; len];
            for (line, gradient) in lines.chunks_exact(maps.pitch()).enumerate() {
                let rows = maps.lines(x, part * LINES + line);
                row_sums(rows, gradient, maps, &mut sums);
            }
            sums
        })
        .collect();
    sum_in_order(parts, len)
}

#[inline(always)]
fn block_body<const FMA: bool, const N: usize>(
    pixels: impl Iterator<Item = (usize, usize)>,
    x: &[f32],
    gradient: &[f32],
    sums: &mut [f32],
) {
    let mut held = [0.0; N];
    for (from, to) in pixels {
        let (x, gradient) = (&x[from..from + N], &gradient[to..to + N]);
        for ((held, x), gradient) in held.iter_mut().zip(x).zip(gradient) {
            *held = fma::<FMA>(*x, *gradient, *held);
        }
    }
    for (sum, held) in sums.iter_mut().zip(held) {
        *sum += held;
    }
}

#[inline(always)]
fn row_body<const FMA: bool>(
    rows: [&[f32]; 3],
    gradient: &[f32],
    maps: Depthwise,
    sums: &mut [f32],
) {
    let (c, dilation, columns) = (maps.channels, maps.dilation, maps.columns);
    for (tap, sums) in sums.chunks_exact_mut(c).enumerate() {
        let x = rows[tap / 3];
        if x.is_empty() {
            continue;
        }
        let offset = tap % 3 * dilation;
        // Output columns whose tap lies inside the map.
        let first = dilation.saturating_sub(offset);
        let end = (columns + dilation).saturating_sub(offset).min(columns);
        let pixels =
            |from| (first..end).map(move |i| ((i + offset - dilation) * c + from, i * c + from));
        let mut from = 0;
        while from + BLOCK <= c {
            block_body::<FMA, BLOCK>(pixels(from), x, gradient, &mut sums[from..]);
            from += BLOCK;
        }
        while from + 8 <= c {
            block_body::<FMA, 8>(pixels(from), x, gradient, &mut sums[from..]);
            from += 8;
        }
        while from < c {
            block_body::<FMA, 1>(pixels(from), x, gradient, &mut sums[from..]);
            from += 1;
        }
    }
}

dispatch! {
    /// Adds a row's products of inputs and gradients to `sums` (9, channels).
    fn row_sums(
        rows: [&[f32]; 3],
        gradient: &[f32],
        maps: Depthwise,
        sums: &mut [f32],
    ) => row_body
}
