//! From a dense model's coarse scores to a class for each pixel of the photo.

use super::geometry::View;
use crate::label::{Mask, Span};
use crate::nn::Values;
use crate::task::{Cancelled, Task};
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// The class number of pixels that the network has not seen.
pub const OUTSIDE: u16 = u16::MAX;

/// Rows of the photo that are worked on between two looks at the cancel flag.
const BAND: usize = 256;

/// Which class each pixel of a photo has, by the model's own numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassMap {
    /// Width of the photo in pixels.
    pub width: usize,
    /// Height of the photo in pixels.
    pub height: usize,
    /// Class numbers, row-major; [`OUTSIDE`] where the network has not looked.
    pub ids: Vec<u16>,
}

/// The pixels of one class.
#[derive(Clone, Debug)]
pub struct ClassMask {
    /// The model's number of the class.
    pub id: usize,
    /// Its pixels.
    pub mask: Mask,
}

impl ClassMap {
    /// A map on which nothing has been looked at.
    pub fn unseen(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            ids: vec![OUTSIDE; width * height],
        }
    }

    /// The class with the highest score at each pixel of a photo of
    /// (width, height) pixels: `logits` (rows, columns, classes) lie over
    /// `view` and are interpolated bilinearly before the classes are compared
    /// (`align_corners` false), as `transformers` does in
    /// `post_process_semantic_segmentation`.
    ///
    /// # Errors
    /// If the logits are not a plain map or have no classes.
    pub fn from_logits(
        logits: &Tensor,
        view: &View,
        (width, height): (usize, usize),
        task: Task<'_>,
    ) -> Result<std::result::Result<Self, Cancelled>> {
        let mut map = Self::unseen(width, height);
        let painted = map.paint(logits, view, 0..height, task)?;
        Ok(painted.map(|()| map))
    }

    /// As [`ClassMap::from_logits`], on `rows` of the photo only.
    pub(super) fn paint(
        &mut self,
        logits: &Tensor,
        view: &View,
        rows: std::ops::Range<usize>,
        task: Task<'_>,
    ) -> Result<std::result::Result<(), Cancelled>> {
        let (height, width, classes) = logits.dims3()?;
        if height == 0 || width == 0 || classes == 0 || classes > usize::from(OUTSIDE) {
            bail!("no class map can be made of scores {:?}", logits.dims());
        }
        let values = Values::of(logits)?;
        let scores = Scores {
            values: &values,
            columns: width,
            classes,
            rows: Samples::new(view.top, view.bottom, height),
            across: Samples::new(view.left, view.right, width),
        };
        let inside = scores.across.pixels(self.width);
        let rows = rows.start..rows.end.min(self.height);
        let total = rows.len().max(1);
        for (band, start) in rows.clone().step_by(BAND).enumerate() {
            if let Err(cancelled) = task.check() {
                return Ok(Err(cancelled));
            }
            task.progress((band * BAND) as f32 / total as f32);
            let end = (start + BAND).min(rows.end);
            let seen = scores.rows.pixels(self.height);
            let ids = &mut self.ids[start * self.width..end * self.width];
            ids.par_chunks_mut(self.width)
                .enumerate()
                .filter(|(i, _)| seen.contains(&(start + i)))
                .for_each_init(Vec::new, |mixed, (i, row)| {
                    scores.row(start + i, mixed, inside.clone(), row);
                });
        }
        Ok(Ok(()))
    }

    /// The pixels of each class that occurs, in the order of the numbers.
    pub fn masks(&self) -> Vec<ClassMask> {
        let count = self.ids.iter().filter(|id| **id != OUTSIDE).max();
        let count = count.map_or(0, |id| usize::from(*id) + 1);
        let mut spans: Vec<Vec<Span>> = vec![Vec::new(); count];
        for (y, row) in self.ids.chunks_exact(self.width.max(1)).enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|a, b| a == b) {
                if let Some(spans) = spans.get_mut(usize::from(run[0])) {
                    spans.push(Span {
                        y: y as u32,
                        x0: x as u32,
                        x1: (x + run.len()) as u32,
                    });
                }
                x += run.len();
            }
        }
        let masks = spans.into_iter().enumerate();
        masks
            .filter(|(_, spans)| !spans.is_empty())
            .map(|(id, spans)| ClassMask {
                id,
                mask: Mask::from_sorted_spans(spans),
            })
            .collect()
    }

    /// Pixels of each of `classes` classes.
    pub fn counts(&self, classes: usize) -> Vec<u64> {
        let mut counts = vec![0; classes];
        for id in &self.ids {
            if let Some(count) = counts.get_mut(usize::from(*id)) {
                *count += 1;
            }
        }
        counts
    }
}

/// Mean probability of each class over the places where it wins: how sure the
/// model is of it. `logits` (rows, columns, classes); 0 for what never wins.
///
/// # Errors
/// If the logits are not a plain map.
pub fn confidence(logits: &Tensor) -> Result<Vec<f32>> {
    let (sums, counts) = certainty(logits)?;
    Ok(means(&sums, &counts))
}

/// Sums over places by their number, 0 where there are none.
pub(super) fn means(sums: &[f64], counts: &[u64]) -> Vec<f32> {
    let mean = |(sum, count): (&f64, &u64)| (sum / (*count).max(1) as f64) as f32;
    sums.iter().zip(counts).map(mean).collect()
}

/// For each class, the sum of its probabilities over the places where it wins,
/// and their number.
pub(super) fn certainty(logits: &Tensor) -> Result<(Vec<f64>, Vec<u64>)> {
    let (_, _, classes) = logits.dims3()?;
    let values = Values::of(logits)?;
    let empty = || (vec![0f64; classes], vec![0u64; classes]);
    Ok(values
        .par_chunks(classes.max(1))
        .fold(empty, |(mut sums, mut counts), scores| {
            let best = highest(scores);
            let total: f32 = scores.iter().map(|s| (s - scores[best]).exp()).sum();
            sums[best] += f64::from(1.0 / total);
            counts[best] += 1;
            (sums, counts)
        })
        .reduce(empty, |mut a, b| {
            a.0.iter_mut().zip(b.0).for_each(|(a, b)| *a += b);
            a.1.iter_mut().zip(b.1).for_each(|(a, b)| *a += b);
            a
        }))
}

/// Index of the highest value, the first of equals, as `argmax` has it.
pub(super) fn highest(scores: &[f32]) -> usize {
    let mut best = 0;
    for (i, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = i;
        }
    }
    best
}

/// Where along one axis of the scores a photo pixel lies.
#[derive(Clone, Copy)]
pub(super) struct Samples {
    start: f32,
    scale: f32,
    last: usize,
    view: (f64, f64),
}

impl Samples {
    /// `count` samples between `start` and `end`, in photo pixels.
    pub fn new(start: f64, end: f64, count: usize) -> Self {
        Self {
            start: start as f32,
            scale: (count as f64 / (end - start)) as f32,
            last: count - 1,
            view: (start, end),
        }
    }

    /// The pixels whose centres lie in the view.
    pub fn pixels(&self, side: usize) -> std::ops::Range<usize> {
        let bound = |v: f64| ((v - 0.5).ceil().max(0.0) as usize).min(side);
        bound(self.view.0)..bound(self.view.1)
    }

    /// Lower and upper neighbour of a pixel and the share of the upper one.
    pub fn at(&self, pixel: usize) -> (usize, usize, f32) {
        let position = ((pixel as f32 + 0.5 - self.start) * self.scale - 0.5).max(0.0);
        let lower = (position as usize).min(self.last);
        let upper = (lower + 1).min(self.last);
        (lower, upper, (position - lower as f32).min(1.0))
    }
}

struct Scores<'a> {
    values: &'a [f32],
    columns: usize,
    classes: usize,
    rows: Samples,
    across: Samples,
}

impl Scores<'_> {
    /// The classes of one row of the photo. Between two columns with the same
    /// winner it wins too, since interpolation is a weighted mean: only where
    /// the winner changes are all scores interpolated.
    fn row(&self, y: usize, mixed: &mut Vec<f32>, inside: std::ops::Range<usize>, out: &mut [u16]) {
        let pitch = self.columns * self.classes;
        let (upper, lower, t) = self.rows.at(y);
        let (upper, lower) = (
            &self.values[upper * pitch..][..pitch],
            &self.values[lower * pitch..][..pitch],
        );
        mixed.clear();
        mixed.extend(upper.iter().zip(lower).map(|(a, b)| (1.0 - t) * a + t * b));
        let column = |x: usize| &mixed[x * self.classes..][..self.classes];
        let winners: Vec<u16> = (0..self.columns)
            .map(|x| highest(column(x)) as u16)
            .collect();
        let mut between = vec![0.0; self.classes];
        for x in inside {
            let (left, right, s) = self.across.at(x);
            out[x] = if winners[left] == winners[right] {
                winners[left]
            } else {
                let pairs = column(left).iter().zip(column(right));
                for (out, (a, b)) in between.iter_mut().zip(pairs) {
                    *out = (1.0 - s) * a + s * b;
                }
                highest(&between) as u16
            };
        }
    }
}

#[cfg(test)]
mod tests;
