//! Parts of a guide, and the photo's pixels that they decide about.

use super::THRESHOLD;
use crate::attention::render::{Interpolation, Sample, samples};
use crate::label::Span;
use crate::models::geometry::View;
use rayon::prelude::*;
use std::ops::Range;

/// A rectangle of pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    pub x: Range<usize>,
    pub y: Range<usize>,
}

impl Zone {
    /// Width and height.
    pub fn size(&self) -> (usize, usize) {
        (self.x.len(), self.y.len())
    }

    /// The same place, counted from the upper left corner of the zone.
    pub fn counted_from(&self, view: View) -> View {
        let (left, top) = (self.x.start as f64, self.y.start as f64);
        View {
            left: view.left - left,
            top: view.top - top,
            right: view.right - left,
            bottom: view.bottom - top,
        }
    }
}

/// Those of `side` pixels along an axis that a stretch covers, and so many
/// `beyond` its ends.
pub fn covering(start: f64, end: f64, beyond: usize, side: usize) -> Range<usize> {
    // The conversions saturate, and no number is 0.
    let first = start.min(end).floor().max(0.0) as usize;
    let past = start.max(end).ceil().max(0.0) as usize;
    first.saturating_sub(beyond).min(side)..past.saturating_add(beyond).min(side)
}

/// Where each of `pixels` along an axis lies between `coarse` ones that cover
/// the same.
pub fn stretched(pixels: usize, coarse: usize) -> Vec<Sample> {
    let samples = samples(
        pixels,
        (0.0, pixels as f64),
        coarse,
        Interpolation::Bilinear,
    );
    samples.into_iter().flatten().collect()
}

/// The pixels of a photo of (width, height) pixels where `map` exceeds
/// [`THRESHOLD`], which lies on the zone of a guide of `size` and is linear
/// between the centres of its pixels. Up to its ends where it exceeds it there.
pub fn spans(
    map: &[f32],
    zone: &Zone,
    size: (usize, usize),
    (width, height): (usize, usize),
) -> Vec<Span> {
    let rows = stretched(height, size.1);
    let pitch = width as f64 / size.0 as f64;
    let stride = zone.x.len();
    let inside = |row: &Sample| zone.y.contains(&row.lower) && zone.y.contains(&row.upper);
    let rows: Vec<_> = rows
        .iter()
        .enumerate()
        .filter(|row| inside(row.1))
        .collect();
    let rows = rows.par_iter().map_init(
        || vec![0.0; stride],
        |line, (y, row)| {
            let own = |y: usize| &map[(y - zone.y.start) * stride..][..stride];
            let between = own(row.lower).iter().zip(own(row.upper));
            for (value, (lower, upper)) in line.iter_mut().zip(between) {
                *value = lower + (upper - lower) * row.weight;
            }
            row_spans(line, (zone.x.start, pitch), (*y, width))
        },
    );
    rows.collect::<Vec<_>>().concat()
}

/// The spans of row `y` of `width` pixels, on which values stand `pitch` pixels
/// apart, the first of them that of pixel `left`.
pub fn row_spans(
    line: &[f32],
    (left, pitch): (usize, f64),
    (y, width): (usize, usize),
) -> Vec<Span> {
    // The first pixel whose centre is beyond; the conversion saturates.
    let beyond = |at: f64| ((at * pitch - 0.5).ceil() as usize).min(width);
    let mut crossings = Vec::new();
    let inside = |value: f32| value > THRESHOLD;
    if line.first().is_some_and(|value| inside(*value)) {
        crossings.push(beyond(left as f64));
    }
    for (index, two) in line.windows(2).enumerate() {
        if inside(two[0]) != inside(two[1]) {
            let between = f64::from((THRESHOLD - two[0]) / (two[1] - two[0]));
            crossings.push(beyond((left + index) as f64 + 0.5 + between));
        }
    }
    if crossings.len() % 2 == 1 {
        crossings.push(beyond((left + line.len()) as f64));
    }
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let span = |ends: &[usize; 2]| Span::new(side(y), side(ends[0]), side(ends[1]));
    crossings.as_chunks().0.iter().map(span).collect()
}
