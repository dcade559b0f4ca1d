//! Bilinear resizing of float planes (`align_corners` false, no antialias).

use super::{dispatch, fma};
use rayon::prelude::*;

/// Where the samples of one resized axis come from: sample i lies between
/// `index[i]` and the next one (clamped), `weight[i]` of the way.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Lower neighbour of each sample.
    pub index: Vec<u32>,
    /// Share of the upper neighbour, 0..1.
    pub weight: Vec<f32>,
    /// Samples of the source.
    pub source: usize,
}

impl Axis {
    /// From `source` to `target` samples: position (i + 0.5)·source/target -
    /// 0.5, not below 0.
    pub fn new(source: usize, target: usize) -> Self {
        let scale = source as f32 / target as f32;
        let last = source.saturating_sub(1);
        let (mut index, mut weight) = (Vec::with_capacity(target), Vec::with_capacity(target));
        for i in 0..target {
            let position = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
            let lower = (position as usize).min(last);
            index.push(lower as u32);
            weight.push(position - lower as f32);
        }
        Self {
            index,
            weight,
            source,
        }
    }

    /// Lower and upper neighbour of sample `i` and the share of the upper one.
    #[inline]
    pub fn at(&self, i: usize) -> (usize, usize, f32) {
        let lower = self.index[i] as usize;
        (
            lower,
            (lower + 1).min(self.source.saturating_sub(1)),
            self.weight[i],
        )
    }
}

/// Resize `plane`, (rows.source × columns.source), to (rows × columns) samples.
///
/// # Panics
/// If `plane` does not have the axes' size.
pub fn resize_plane(plane: &[f32], rows: &Axis, columns: &Axis) -> Vec<f32> {
    let width = columns.source;
    assert_eq!(plane.len(), rows.source * width, "plane to resize");
    let target = columns.index.len();
    let mut out = vec![0.0; rows.index.len() * target];
    if out.is_empty() {
        return out;
    }
    out.par_chunks_mut(target).enumerate().for_each(|(y, out)| {
        let (upper, lower, t) = rows.at(y);
        let (upper, lower) = (
            &plane[upper * width..][..width],
            &plane[lower * width..][..width],
        );
        for (x, out) in out.iter_mut().enumerate() {
            let (left, right, s) = columns.at(x);
            let above = (1.0 - s) * upper[left] + s * upper[right];
            let below = (1.0 - s) * lower[left] + s * lower[right];
            *out = (1.0 - t) * above + t * below;
        }
    });
    out
}

#[inline(always)]
fn mix_body<const FMA: bool>(first: &[f32], second: &[f32], share: f32, out: &mut [f32]) {
    for ((out, a), b) in out.iter_mut().zip(first).zip(second) {
        *out = fma::<FMA>(share, *b - *a, *a);
    }
}

#[inline(always)]
fn add_mix_body<const FMA: bool>(line: &[f32], columns: &Axis, channels: usize, out: &mut [f32]) {
    for (x, out) in out.chunks_exact_mut(channels).enumerate() {
        let (left, right, share) = columns.at(x);
        let left = &line[left * channels..][..channels];
        let right = &line[right * channels..][..channels];
        for ((out, a), b) in out.iter_mut().zip(left).zip(right) {
            *out += fma::<FMA>(share, *b - *a, *a);
        }
    }
}

dispatch! {
    /// `out` = `first`, and `share` of the way to `second`.
    pub fn interpolate(first: &[f32], second: &[f32], share: f32, out: &mut [f32]) => mix_body
}

dispatch! {
    /// Add a resized row to `out` (pixels, channels): `line` is
    /// (`columns.source`, channels).
    ///
    /// # Panics
    /// If `line` is too short.
    pub fn add_resized_row(
        line: &[f32],
        columns: &Axis,
        channels: usize,
        out: &mut [f32],
    ) => add_mix_body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::close;

    #[test]
    fn doubling_a_ramp() {
        // torch.nn.functional.interpolate([0, 4], size=4, mode="bilinear").
        let axis = Axis::new(2, 4);
        let one = Axis::new(1, 1);
        close(
            &resize_plane(&[0.0, 4.0], &one, &axis),
            &[0.0, 1.0, 3.0, 4.0],
            1e-6,
        );
        close(
            &resize_plane(&[0.0, 4.0], &axis, &one),
            &[0.0, 1.0, 3.0, 4.0],
            1e-6,
        );
    }

    #[test]
    fn rows_with_channels_resize_as_planes_do() {
        let (channels, columns) = (3, Axis::new(5, 13));
        let line: Vec<f32> = (0..15).map(|v| (v * v % 11) as f32).collect();
        let mut got = vec![1.0; 13 * channels];
        add_resized_row(&line, &columns, channels, &mut got);
        let mut portable = vec![1.0; 13 * channels];
        add_mix_body::<false>(&line, &columns, channels, &mut portable);
        close(&portable, &got, 1e-6);
        for channel in 0..channels {
            let plane =
                |v: &[f32]| -> Vec<f32> { v.iter().skip(channel).step_by(3).copied().collect() };
            let want = resize_plane(&plane(&line), &Axis::new(1, 1), &columns);
            let want: Vec<f32> = want.iter().map(|v| v + 1.0).collect();
            close(&plane(&got), &want, 1e-6);
        }
        let mut between = [0.0; 2];
        interpolate(&[1.0, 2.0], &[3.0, 10.0], 0.25, &mut between);
        assert_eq!(between, [1.5, 4.0]);
    }

    #[test]
    fn shrinking_takes_neighbours_only() {
        let plane: Vec<f32> = (0..9).map(|v| v as f32).collect();
        let got = resize_plane(&plane, &Axis::new(1, 1), &Axis::new(9, 3));
        close(&got, &[1.0, 4.0, 7.0], 1e-6);
    }
}
