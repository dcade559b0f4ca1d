//! Resizing 8-bit pictures exactly as Pillow does, bit for bit.
//!
//! Models were trained on what Pillow makes of a photo, and one grey level off
//! already moves a model's input by a hundredth. Pillow's method: filters are
//! stretched when shrinking (antialiasing), weights are normalised inside the
//! picture and then turned into fixed point of 22 bits, and the result is
//! rounded to 8 bits between the two passes.
//! Source: `src/libImaging/Resample.c` of Pillow 13.

use rayon::prelude::*;

/// How pixels are weighted. The numbers in comments are Pillow's `resample`
/// values, as preprocessor configurations use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// 0: the pixel at the centre.
    Nearest,
    /// 1: windowed sinc of three lobes.
    Lanczos,
    /// 2: triangle.
    Bilinear,
    /// 3: cubic with a = -0.5.
    Bicubic,
    /// 4: average.
    Box,
}

impl Filter {
    /// The filter with Pillow's number, if it is one that we have.
    pub fn from_pillow(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Nearest,
            1 => Self::Lanczos,
            2 => Self::Bilinear,
            3 => Self::Bicubic,
            4 => Self::Box,
            _ => return None,
        })
    }

    /// Half the width of the filter at scale 1.
    fn support(self) -> f64 {
        match self {
            Self::Nearest | Self::Box => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        match self {
            Self::Nearest | Self::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Self::Bilinear => (1.0 - x.abs()).max(0.0),
            Self::Bicubic => cubic(x.abs()),
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Lanczos => 0.0,
        }
    }
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI)
    }
}

/// Bits of a weight after the point.
const PRECISION: u32 = 22;

/// What each output sample is made of along one axis.
struct Taps {
    /// First source sample and number of samples, per output sample.
    ranges: Vec<(usize, usize)>,
    /// Fixed-point weights, `stride` per output sample.
    weights: Vec<i32>,
    stride: usize,
}

impl Taps {
    fn new(source: usize, target: usize, filter: Filter) -> Self {
        let scale = source as f64 / target as f64;
        let stretch = scale.max(1.0);
        let support = filter.support() * stretch;
        let stride = support.ceil() as usize * 2 + 1;
        let mut ranges = Vec::with_capacity(target);
        let mut weights = vec![0; stride * target];
        let mut exact = Vec::with_capacity(stride);
        for (i, weights) in weights.chunks_exact_mut(stride).enumerate() {
            let centre = (i as f64 + 0.5) * scale;
            // Casts saturate: below zero is zero, as Pillow clamps.
            let first = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(source);
            exact.clear();
            exact.extend(
                (first..end).map(|s| filter.weight((s as f64 - centre + 0.5) * (1.0 / stretch))),
            );
            let total: f64 = exact.iter().sum();
            for (fixed, exact) in weights.iter_mut().zip(&exact) {
                let share = if total == 0.0 { *exact } else { exact / total };
                let scaled = share * f64::from(1u32 << PRECISION);
                *fixed = (scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i32;
            }
            ranges.push((first, end.saturating_sub(first)));
        }
        Self {
            ranges,
            weights,
            stride,
        }
    }

    fn of(&self, i: usize) -> (usize, &[i32]) {
        let (first, count) = self.ranges[i];
        (first, &self.weights[i * self.stride..][..count])
    }
}

#[inline]
fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Resize interleaved 8-bit pixels of 1 to 4 `channels` from `size` to
/// `target` (width, height each).
///
/// # Panics
/// If `pixels` does not have that size, a side is zero or there are no or more
/// than four channels.
pub fn resize(
    pixels: &[u8],
    size: (usize, usize),
    channels: usize,
    target: (usize, usize),
    filter: Filter,
) -> Vec<u8> {
    assert_eq!(
        pixels.len(),
        size.0 * size.1 * channels,
        "size of the picture"
    );
    assert!(
        size.0 > 0 && size.1 > 0 && target.0 > 0 && target.1 > 0,
        "a side is zero"
    );
    match channels {
        1 => resize_channels::<1>(pixels, size, target, filter),
        2 => resize_channels::<2>(pixels, size, target, filter),
        3 => resize_channels::<3>(pixels, size, target, filter),
        4 => resize_channels::<4>(pixels, size, target, filter),
        _ => panic!("{channels} channels"),
    }
}

fn resize_channels<const C: usize>(
    pixels: &[u8],
    (width, height): (usize, usize),
    (new_width, new_height): (usize, usize),
    filter: Filter,
) -> Vec<u8> {
    if filter == Filter::Nearest {
        return nearest::<C>(pixels, (width, height), (new_width, new_height));
    }
    let columns = (new_width != width).then(|| Taps::new(width, new_width, filter));
    let rows = (new_height != height).then(|| Taps::new(height, new_height, filter));
    match (columns, rows) {
        (None, None) => pixels.to_vec(),
        (Some(columns), None) => horizontal::<C>(pixels, width, &columns),
        (None, Some(rows)) => vertical(pixels, width * C, &rows),
        // Pillow 13 shrinks the height first where that saves most work.
        (Some(columns), Some(rows))
            if height > new_height && lost(height, new_height) > 2 * lost(width, new_width) =>
        {
            horizontal::<C>(&vertical(pixels, width * C, &rows), width, &columns)
        }
        (Some(columns), Some(rows)) => vertical(
            &horizontal::<C>(pixels, width, &columns),
            new_width * C,
            &rows,
        ),
    }
}

fn lost(before: usize, after: usize) -> i64 {
    before as i64 - after as i64
}

fn horizontal<const C: usize>(pixels: &[u8], width: usize, taps: &Taps) -> Vec<u8> {
    let pitch = taps.ranges.len() * C;
    let mut out = vec![0; pixels.len() / (width * C) * pitch];
    out.par_chunks_mut(pitch)
        .zip(pixels.par_chunks(width * C))
        .for_each(|(out, row)| {
            let (row, _) = row.as_chunks::<C>();
            let (out, _) = out.as_chunks_mut::<C>();
            for (i, out) in out.iter_mut().enumerate() {
                let (first, weights) = taps.of(i);
                let mut sums = [1 << (PRECISION - 1); C];
                for (pixel, weight) in row[first..first + weights.len()].iter().zip(weights) {
                    for (sum, value) in sums.iter_mut().zip(pixel) {
                        *sum += i32::from(*value) * weight;
                    }
                }
                *out = sums.map(to_byte);
            }
        });
    out
}

/// `pitch` is the length of a row.
fn vertical(pixels: &[u8], pitch: usize, taps: &Taps) -> Vec<u8> {
    let mut out = vec![0; pitch * taps.ranges.len()];
    out.par_chunks_mut(pitch)
        .enumerate()
        .for_each_init(Vec::new, |sums, (i, out)| {
            let (first, weights) = taps.of(i);
            sums.clear();
            sums.resize(pitch, 1i32 << (PRECISION - 1));
            for (row, weight) in pixels[first * pitch..].chunks_exact(pitch).zip(weights) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += i32::from(*value) * weight;
                }
            }
            for (out, sum) in out.iter_mut().zip(&*sums) {
                *out = to_byte(*sum);
            }
        });
    out
}

/// Pillow takes the pixel under each centre, walking in steps (so that the
/// rounding errors add up the same way).
fn nearest<const C: usize>(
    pixels: &[u8],
    (width, height): (usize, usize),
    (new_width, new_height): (usize, usize),
) -> Vec<u8> {
    let (columns, rows) = (centres(width, new_width), centres(height, new_height));
    let mut out = vec![0; new_width * new_height * C];
    out.par_chunks_mut(new_width * C)
        .zip(rows)
        .for_each(|(out, y)| {
            let row = &pixels[y * width * C..][..width * C];
            for (out, x) in out.chunks_exact_mut(C).zip(&columns) {
                out.copy_from_slice(&row[x * C..][..C]);
            }
        });
    out
}

fn centres(source: usize, target: usize) -> Vec<usize> {
    let step = source as f64 / target as f64;
    let mut at = step * 0.5;
    let mut centres = Vec::with_capacity(target);
    for _ in 0..target {
        centres.push((at as usize).min(source - 1));
        at += step;
    }
    centres
}

#[cfg(test)]
mod tests;
