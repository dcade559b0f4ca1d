//! Resizing maps inside a network as `torch.nn.functional.interpolate` does
//! with `align_corners=False`.
//!
//! All modes are separable and linear: every target row is a weighted sum of a
//! few source rows, every target column of a few source columns. [`Axis`]
//! holds those few for one direction.

use rayon::prelude::*;

/// How values between the samples of a map are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Two neighbours, also when shrinking.
    Bilinear,
    /// Cubic convolution of four neighbours (Keys 1981) with a = -0.75, also
    /// when shrinking; neighbours beyond the border are the border.
    Bicubic,
    /// Cubic convolution with a = -0.5 whose support grows with the scale when
    /// shrinking, weights normalised inside the map (`antialias=True`, the
    /// same as Pillow's).
    BicubicAntialias,
}

/// One sample of the source and its share.
#[derive(Clone, Copy, Debug, Default)]
struct Tap {
    index: usize,
    weight: f32,
}

/// What each target sample along one direction is made of: the same number of
/// taps for all, those that are not needed with weight 0.
struct Axis {
    taps: Vec<Tap>,
    per_sample: usize,
}

impl Axis {
    /// From `source` to `target` samples, neither 0. In f32, as PyTorch does,
    /// so that rounding goes the same way.
    fn new(source: usize, target: usize, interpolation: Interpolation) -> Self {
        let scale = source as f32 / target as f32;
        let samples = 0..target;
        match interpolation {
            Interpolation::Bilinear => Self::of(samples.map(|i| bilinear(i, scale, source))),
            Interpolation::Bicubic => Self::of(samples.map(|i| bicubic(i, scale, source))),
            Interpolation::BicubicAntialias => {
                Self::of(samples.map(|i| bicubic_antialias(i, scale, source)))
            }
        }
    }

    fn of(samples: impl Iterator<Item = Vec<Tap>>) -> Self {
        let samples: Vec<Vec<Tap>> = samples.collect();
        let per_sample = samples.iter().map(Vec::len).max().unwrap_or(1);
        let filled = samples.into_iter().flat_map(|mut taps| {
            taps.resize(per_sample, Tap::default());
            taps
        });
        Self {
            taps: filled.collect(),
            per_sample,
        }
    }

    /// The taps of each target sample in turn.
    fn samples(&self) -> impl Iterator<Item = &[Tap]> {
        self.taps.chunks_exact(self.per_sample)
    }

    fn sample(&self, i: usize) -> &[Tap] {
        &self.taps[i * self.per_sample..][..self.per_sample]
    }
}

fn bilinear(i: usize, scale: f32, source: usize) -> Vec<Tap> {
    let last = source - 1;
    let position = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
    let lower = (position as usize).min(last);
    let share = position - lower as f32;
    vec![
        Tap {
            index: lower,
            weight: 1.0 - share,
        },
        Tap {
            index: (lower + 1).min(last),
            weight: share,
        },
    ]
}

fn bicubic(i: usize, scale: f32, source: usize) -> Vec<Tap> {
    let last = source as isize - 1;
    // Not kept above 0: the border counts several times instead.
    let position = (i as f32 + 0.5) * scale - 0.5;
    let below = position.floor();
    let share = position - below;
    let tap = |offset: isize| Tap {
        index: (below as isize + offset).clamp(0, last) as usize,
        weight: cubic(share - offset as f32, -0.75),
    };
    (-1..=2).map(tap).collect()
}

fn bicubic_antialias(i: usize, scale: f32, source: usize) -> Vec<Tap> {
    let stretch = scale.max(1.0);
    let (centre, support) = (scale * (i as f32 + 0.5), 2.0 * stretch);
    let first = (centre - support + 0.5).max(0.0) as usize;
    let end = ((centre + support + 0.5) as usize).min(source);
    let weight = |index: usize| cubic((index as f32 - centre + 0.5) / stretch, -0.5);
    let total: f32 = (first..end).map(weight).sum();
    let tap = |index| Tap {
        index,
        weight: weight(index) / total,
    };
    (first..end).map(tap).collect()
}

/// The cubic convolution kernel with parameter `a`.
fn cubic(x: f32, a: f32) -> f32 {
    let x = x.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((x - 5.0) * x + 8.0) * x * a - 4.0 * a
    } else {
        0.0
    }
}

/// `out` = the weighted sum of the slices that `at` gives for the taps.
fn mix<'a>(taps: &[Tap], at: impl Fn(usize) -> &'a [f32], out: &mut [f32]) {
    if let [a, b] = taps {
        let (first, second) = (at(a.index), at(b.index));
        for ((out, first), second) in out.iter_mut().zip(first).zip(second) {
            *out = a.weight * first + b.weight * second;
        }
        return;
    }
    out.fill(0.0);
    for tap in taps.iter().filter(|tap| tap.weight != 0.0) {
        for (out, value) in out.iter_mut().zip(at(tap.index)) {
            *out += tap.weight * value;
        }
    }
}

/// Resize `map` (rows, columns, channels) to `target` (rows, columns), its
/// channels kept.
///
/// # Panics
/// If `map` does not have the stated size, or a size is 0.
pub fn resize_map(
    map: &[f32],
    (rows, columns, channels): (usize, usize, usize),
    target: (usize, usize),
    interpolation: Interpolation,
) -> Vec<f32> {
    assert_eq!(map.len(), rows * columns * channels, "map to resize");
    assert!(
        !map.is_empty() && target.0 > 0 && target.1 > 0,
        "empty maps cannot be resized"
    );
    if target == (rows, columns) {
        return map.to_vec();
    }
    let down = Axis::new(rows, target.0, interpolation);
    let across = Axis::new(columns, target.1, interpolation);
    let pitch = columns * channels;
    let mut out = vec![0.0; target.0 * target.1 * channels];
    out.par_chunks_mut(target.1 * channels)
        .enumerate()
        .for_each_init(
            || vec![0.0; pitch],
            |line, (row, out)| {
                mix(down.sample(row), |i| &map[i * pitch..][..pitch], line);
                for (taps, out) in across.samples().zip(out.chunks_exact_mut(channels)) {
                    mix(taps, |i| &line[i * channels..][..channels], out);
                }
            },
        );
    out
}

#[cfg(test)]
mod tests;
