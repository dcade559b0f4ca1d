//! Logits to a mask of the photo's pixels.
//!
//! SAM interpolates twice: to the model's frame, then, cropped, to the photo.
//! Doing that literally for 24 megapixels takes a while; here it is done row by
//! row, and pixels are only computed where the sign changes: a value between
//! two positive samples is positive, and one between two that are not is not.

use super::LowResMask;
use crate::label::{Mask, Span};
use crate::nn::kernels::Axis;
use rayon::prelude::*;

/// Photo rows per task.
const BAND: usize = 64;

/// `low_res` at the photo's size (width, height); `resized` is the photo's
/// part of the square frame of side `frame`.
pub(super) fn mask(
    low_res: &LowResMask,
    frame: usize,
    resized: (usize, usize),
    photo: (usize, usize),
) -> Mask {
    let upsampling = Upsampling::new(low_res, frame, resized, photo);
    let bands: Vec<usize> = (0..photo.1).step_by(BAND).collect();
    let spans: Vec<Vec<Span>> = bands
        .into_par_iter()
        .map_init(
            || Rows::new(resized.0),
            |rows, start| {
                let mut spans = Vec::new();
                for y in start..(start + BAND).min(photo.1) {
                    upsampling.row(y, rows, &mut spans);
                }
                spans
            },
        )
        .collect();
    Mask::from_sorted_spans(spans.concat())
}

struct Upsampling<'a> {
    low_res: &'a LowResMask,
    /// Frame row or column to low-resolution samples.
    enlarge: Axis,
    /// Photo row and column to samples of the cropped frame.
    rows: Axis,
    columns: Axis,
    /// First photo column of each frame column's interval, and an end.
    starts: Vec<usize>,
    /// Whether a low-resolution row has a positive sample.
    positive: Vec<bool>,
}

/// Two neighbouring rows of the frame, kept from one photo row to the next,
/// and the row between them.
struct Rows {
    held: [Option<usize>; 2],
    values: [Vec<f32>; 2],
    between: Vec<f32>,
    mixed: Vec<f32>,
}

impl Rows {
    fn new(width: usize) -> Self {
        Self {
            held: [None; 2],
            values: [vec![0.0; width], vec![0.0; width]],
            between: vec![0.0; width],
            mixed: Vec::new(),
        }
    }
}

impl<'a> Upsampling<'a> {
    fn new(
        low_res: &'a LowResMask,
        frame: usize,
        resized: (usize, usize),
        photo: (usize, usize),
    ) -> Self {
        let columns = Axis::new(resized.0, photo.0);
        let mut starts = vec![photo.0; resized.0 + 1];
        for (x, index) in columns.index.iter().enumerate().rev() {
            starts[*index as usize] = x;
        }
        // Intervals without a pixel of their own begin where the next one does.
        for i in (0..resized.0).rev() {
            starts[i] = starts[i].min(starts[i + 1]);
        }
        let positive = low_res
            .values()
            .chunks_exact(low_res.side())
            .map(|row| row.iter().any(|v| *v > 0.0));
        Self {
            low_res,
            enlarge: Axis::new(low_res.side(), frame),
            rows: Axis::new(resized.1, photo.1),
            columns,
            starts,
            positive: positive.collect(),
        }
    }

    /// Whether a row of the frame can hold anything positive.
    fn can_be_positive(&self, frame_row: usize) -> bool {
        let (upper, lower, _) = self.enlarge.at(frame_row);
        self.positive[upper] || self.positive[lower]
    }

    fn row(&self, y: usize, rows: &mut Rows, spans: &mut Vec<Span>) {
        let (upper, lower, t) = self.rows.at(y);
        if !self.can_be_positive(upper) && !self.can_be_positive(lower) {
            return;
        }
        self.hold(upper, lower, rows);
        let Rows {
            held,
            values,
            between,
            ..
        } = rows;
        let (a, b) = (&values[slot(held, upper)], &values[slot(held, lower)]);
        for ((out, a), b) in between.iter_mut().zip(a).zip(b) {
            *out = (1.0 - t) * a + t * b;
        }
        self.spans_of_row(y as u32, between, spans);
    }

    /// Make sure that both rows of the frame are there.
    fn hold(&self, upper: usize, lower: usize, rows: &mut Rows) {
        for needed in [upper, lower] {
            if rows.held.contains(&Some(needed)) {
                continue;
            }
            let keep = if needed == upper { lower } else { upper };
            let slot = usize::from(rows.held[0] == Some(keep));
            self.frame_row(needed, &mut rows.mixed, &mut rows.values[slot]);
            rows.held[slot] = Some(needed);
        }
    }

    /// One row of the frame, as wide as the photo's part of it.
    fn frame_row(&self, row: usize, mixed: &mut Vec<f32>, out: &mut [f32]) {
        let side = self.low_res.side();
        let (upper, lower, t) = self.enlarge.at(row);
        let values = self.low_res.values();
        let (upper, lower) = (
            &values[upper * side..][..side],
            &values[lower * side..][..side],
        );
        mixed.clear();
        mixed.extend(upper.iter().zip(lower).map(|(a, b)| (1.0 - t) * a + t * b));
        for (x, out) in out.iter_mut().enumerate() {
            let (left, right, s) = self.enlarge.at(x);
            *out = (1.0 - s) * mixed[left] + s * mixed[right];
        }
    }

    /// Append the spans of a photo row, given the samples of the frame.
    fn spans_of_row(&self, y: u32, samples: &[f32], spans: &mut Vec<Span>) {
        let mut open: Option<usize> = None;
        let mut set = |inside: bool, x: usize| match (inside, open) {
            (true, None) => open = Some(x),
            (false, Some(start)) => {
                spans.push(Span {
                    y,
                    x0: start as u32,
                    x1: x as u32,
                });
                open = None;
            }
            _ => {}
        };
        for (i, sample) in samples.iter().enumerate() {
            let (start, end) = (self.starts[i], self.starts[i + 1]);
            if start == end {
                continue;
            }
            let next = samples[(i + 1).min(samples.len() - 1)];
            match (*sample > 0.0, next > 0.0) {
                (true, true) => set(true, start),
                (false, false) => set(false, start),
                _ => {
                    for x in start..end {
                        let s = self.columns.weight[x];
                        set((1.0 - s) * sample + s * next > 0.0, x);
                    }
                }
            }
        }
        set(false, self.starts[samples.len()]);
    }
}

/// Which slot holds a row; the caller has made sure that one does.
fn slot(held: &[Option<usize>; 2], row: usize) -> usize {
    usize::from(held[0] != Some(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::promptable::framing::resized;
    use crate::nn::kernels::resize_plane;
    use crate::nn::testing::noise;

    #[test]
    fn it_is_two_interpolations_and_a_threshold() {
        let (side, frame) = (16, 64);
        // Smooth enough to have areas, rough enough to have edges everywhere.
        let coarse = resize_plane(&noise(25, 3), &Axis::new(5, side), &Axis::new(5, side));
        let low_res = LowResMask::new(coarse, side).unwrap();
        for photo in [
            (200, 130),
            (64, 64),
            (30, 50),
            (1, 90),
            (90, 1),
            (7, 3),
            (500, 499),
        ] {
            let part = resized(photo, frame);
            let whole = resize_plane(
                low_res.values(),
                &Axis::new(side, frame),
                &Axis::new(side, frame),
            );
            let cropped: Vec<f32> = whole
                .chunks(frame)
                .take(part.1)
                .flat_map(|row| &row[..part.0])
                .copied()
                .collect();
            let want = resize_plane(
                &cropped,
                &Axis::new(part.1, photo.1),
                &Axis::new(part.0, photo.0),
            );
            let got = mask(&low_res, frame, part, photo);
            let wrong = (0..photo.0 * photo.1)
                .filter(|i| {
                    let inside = got.contains((i % photo.0) as u32, (i / photo.0) as u32);
                    // The order of the sums differs, so exact zeros may round apart.
                    want[*i].abs() > 1e-6 && inside != (want[*i] > 0.0)
                })
                .count();
            assert_eq!(wrong, 0, "{photo:?}");
        }
    }

    #[test]
    fn nothing_and_everything() {
        let none = LowResMask::new(vec![-1.0; 16], 4).unwrap();
        assert!(mask(&none, 16, (16, 8), (100, 50)).is_empty());
        let all = LowResMask::new(vec![1.0; 16], 4).unwrap();
        assert_eq!(mask(&all, 16, (16, 8), (100, 50)).area(), 5000);
        let zero = LowResMask::new(vec![0.0; 16], 4).unwrap();
        assert!(mask(&zero, 16, (16, 8), (100, 50)).is_empty());
    }
}
