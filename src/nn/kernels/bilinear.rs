//! Bilinear resizing of float planes (`align_corners` false, no antialias).

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
    fn shrinking_takes_neighbours_only() {
        let plane: Vec<f32> = (0..9).map(|v| v as f32).collect();
        let got = resize_plane(&plane, &Axis::new(1, 1), &Axis::new(9, 3));
        close(&got, &[1.0, 4.0, 7.0], 1e-6);
    }
}
