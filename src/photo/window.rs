//! 16-bit and floating-point samples, and the window through which they are
//! shown as 8 bits.

use rayon::prelude::*;

use super::Sample;

/// Which range of the original samples is shown as black to white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DisplayWindow {
    /// Samples up to here are shown black.
    pub lo: f32,
    /// Samples from here on are shown white. Always above `lo`.
    pub hi: f32,
    /// The smallest finite sample of the photo.
    pub min: f32,
    /// The largest finite sample of the photo.
    pub max: f32,
}

impl DisplayWindow {
    /// The same photo seen through `lo..hi`. The two are put in order; numbers
    /// that are not finite leave the side where it was.
    pub(super) fn moved(self, lo: f32, hi: f32) -> Self {
        let lo = if lo.is_finite() { lo } else { self.lo };
        let hi = if hi.is_finite() { hi } else { self.hi };
        let (lo, hi) = apart(lo.min(hi), lo.max(hi));
        Self { lo, hi, ..self }
    }
}

/// The window's sides, with room between them where they coincide.
fn apart(lo: f32, hi: f32) -> (f32, f32) {
    if lo < hi {
        (lo, hi)
    } else {
        (lo, lo + (lo.abs() * 1e-3).max(1.0))
    }
}

/// The original samples of a photo, upright, row by row.
pub(super) enum Samples {
    /// Greyscale, one sample a pixel.
    Grey16(Vec<u16>),
    /// RGB, three samples a pixel.
    Rgb16(Vec<u16>),
    /// Greyscale, one sample a pixel.
    GreyFloat(Vec<f32>),
    /// RGB, three samples a pixel.
    RgbFloat(Vec<f32>),
}

impl std::fmt::Debug for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Samples({} bytes)", self.bytes())
    }
}

impl Samples {
    /// Samples per pixel: 1 or 3.
    pub(super) fn channels(&self) -> u8 {
        match self {
            Self::Grey16(_) | Self::GreyFloat(_) => 1,
            Self::Rgb16(_) | Self::RgbFloat(_) => 3,
        }
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Grey16(v) | Self::Rgb16(v) => v.len() * 2,
            Self::GreyFloat(v) | Self::RgbFloat(v) => v.len() * 4,
        }
    }

    /// The samples of pixel number `i`, which must exist.
    pub(super) fn at(&self, i: usize) -> Sample {
        match self {
            Self::Grey16(v) => Sample::Grey(f32::from(v[i])),
            Self::GreyFloat(v) => Sample::Grey(v[i]),
            Self::Rgb16(v) => Sample::Rgb([0, 1, 2].map(|c| f32::from(v[i * 3 + c]))),
            Self::RgbFloat(v) => Sample::Rgb([0, 1, 2].map(|c| v[i * 3 + c])),
        }
    }

    /// The window to begin with.
    ///
    /// A range that is well used is shown whole, so that ordinary 16-bit photos
    /// (and floats of 0..1) look as their 8-bit copies do; otherwise, as with
    /// 12-bit microscopes, the 0.1 to 99.9 percentiles are stretched.
    pub(super) fn default_window(&self) -> DisplayWindow {
        match self {
            Self::Grey16(v) | Self::Rgb16(v) => window_of_u16(v),
            Self::GreyFloat(v) | Self::RgbFloat(v) => window_of_f32(v),
        }
    }

    /// 8-bit RGB through a window: rounded, clamped; NaN becomes black.
    pub(super) fn render(&self, window: DisplayWindow) -> Vec<u8> {
        let scale = 255.0 / (window.hi - window.lo);
        // `as` saturates and turns NaN into 0
        let shade = |v: f32| ((v - window.lo) * scale + 0.5) as u8;
        match self {
            Self::Grey16(v) => {
                let table = table_of(shade);
                grey(v, |v| table[usize::from(v)])
            }
            Self::Rgb16(v) => {
                let table = table_of(shade);
                colour(v, |v| table[usize::from(v)])
            }
            Self::GreyFloat(v) => grey(v, shade),
            Self::RgbFloat(v) => colour(v, shade),
        }
    }
}

fn table_of(shade: impl Fn(f32) -> u8) -> Vec<u8> {
    (0..=u16::MAX).map(|v| shade(f32::from(v))).collect()
}

/// Samples handled by one rayon task; a multiple of 3.
const CHUNK: usize = 3 << 16;

fn grey<T: Copy + Sync>(samples: &[T], shade: impl Fn(T) -> u8 + Sync) -> Vec<u8> {
    let mut rgb = vec![0; samples.len() * 3];
    rgb.par_chunks_mut(CHUNK * 3)
        .zip(samples.par_chunks(CHUNK))
        .for_each(|(rgb, samples)| {
            for (pixel, &sample) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(samples) {
                *pixel = [shade(sample); 3];
            }
        });
    rgb
}

fn colour<T: Copy + Sync>(samples: &[T], shade: impl Fn(T) -> u8 + Sync) -> Vec<u8> {
    let mut rgb = vec![0; samples.len()];
    rgb.par_chunks_mut(CHUNK)
        .zip(samples.par_chunks(CHUNK))
        .for_each(|(rgb, samples)| {
            for (out, &sample) in rgb.iter_mut().zip(samples) {
                *out = shade(sample);
            }
        });
    rgb
}

fn window_of_u16(samples: &[u16]) -> DisplayWindow {
    let mut counts = vec![0u64; 1 << 16];
    for &sample in samples {
        counts[usize::from(sample)] += 1;
    }
    let used = |v: &usize| counts[*v] > 0;
    let min = (0..counts.len()).find(used).unwrap_or(0) as f32;
    let max = (0..counts.len()).rfind(used).unwrap_or(0) as f32;
    let outside = samples.len() as u64 / 1000;
    let low = percentile(counts.iter().enumerate(), outside);
    let high = percentile(counts.iter().enumerate().rev(), outside);
    let (lo, hi) = if high - low > 16383.0 {
        (0.0, 65535.0)
    } else {
        apart(low, high)
    };
    DisplayWindow { lo, hi, min, max }
}

/// The first value, in the order given, with more than `outside` samples up to it.
fn percentile<'a>(counts: impl Iterator<Item = (usize, &'a u64)>, outside: u64) -> f32 {
    let mut sum = 0;
    for (value, &count) in counts {
        sum += count;
        if sum > outside {
            return value as f32;
        }
    }
    0.0
}

/// How many samples the percentiles of a float photo are taken from at most.
const MOST_SAMPLED: usize = 1 << 20;

fn window_of_f32(samples: &[f32]) -> DisplayWindow {
    let (min, max) = samples
        .par_iter()
        .filter(|v| v.is_finite())
        .fold(
            || (f32::INFINITY, f32::NEG_INFINITY),
            |(lo, hi), &v| (lo.min(v), hi.max(v)),
        )
        .reduce(
            || (f32::INFINITY, f32::NEG_INFINITY),
            |a, b| (a.0.min(b.0), a.1.max(b.1)),
        );
    if min > max {
        // nothing but NaN and infinities
        return DisplayWindow {
            lo: 0.0,
            hi: 1.0,
            min: 0.0,
            max: 0.0,
        };
    }
    let step = samples.len().div_ceil(MOST_SAMPLED) | 1;
    let finite = |v: &f32| v.is_finite();
    let mut some: Vec<f32> = samples
        .iter()
        .step_by(step)
        .copied()
        .filter(finite)
        .collect();
    if some.is_empty() {
        some.extend([min, max]);
    }
    let outside = some.len() / 1000;
    let last = some.len() - 1 - outside;
    let low = *some.select_nth_unstable_by(outside, f32::total_cmp).1;
    let high = *some.select_nth_unstable_by(last, f32::total_cmp).1;
    let (lo, hi) = if min >= 0.0 && max <= 1.0 && high - low > 0.25 {
        (0.0, 1.0)
    } else {
        apart(low, high)
    };
    DisplayWindow { lo, hi, min, max }
}
