//! How well outlines match: the boundary F-score.

use rayon::prelude::*;

use super::confusion::mean;
use super::distance::squared_distances;
use crate::label::ClassId;

/// How far a point of an outline may lie from the other outline, as a share of
/// the photo's diagonal: as Csurka, Larlus and Perronnin 2013, "What is a good
/// evaluation measure for semantic segmentation?". (DAVIS, Perazzi et al. 2016,
/// takes 0.008 and rounds up to whole pixels.)
pub const TOLERANCE: f64 = 0.0075;

/// How well two outlines match on one photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundaryMatch {
    /// The share of the predicted outline that lies near the true one.
    pub precision: f64,
    /// The share of the true outline that lies near the predicted one.
    pub recall: f64,
}

impl BoundaryMatch {
    /// The outline of `class` in two class maps that are `width` pixels wide.
    /// `None` where it has an outline in neither.
    ///
    /// The outline are the pixels of the class beside a pixel of another one,
    /// across an edge. Pixels whose truth is none of `0..classes` are left out:
    /// neither they nor what touches them alone is outline. An outline that
    /// only one map has is matched nowhere. `tolerance` is in pixels.
    ///
    /// # Panics
    /// If the maps have different sizes.
    pub fn of(
        maps: [&[ClassId]; 2],
        width: usize,
        class: ClassId,
        classes: usize,
        tolerance: f64,
    ) -> Option<Self> {
        let [truth, prediction] = maps;
        assert_eq!(truth.len(), prediction.len(), "maps of the same size");
        let counts = |at: usize| usize::from(truth[at]) < classes;
        let [truth, prediction] = maps.map(|map| outline(map, width, class, counts));
        match (truth.contains(&true), prediction.contains(&true)) {
            (false, false) => None,
            (true, true) => Some(Self {
                precision: near(&prediction, &truth, width, tolerance),
                recall: near(&truth, &prediction, width, tolerance),
            }),
            _ => Some(Self {
                precision: 0.0,
                recall: 0.0,
            }),
        }
    }

    /// The harmonic mean of both.
    pub fn f_score(&self) -> f64 {
        let sum = self.precision + self.recall;
        if sum > 0.0 {
            2.0 * self.precision * self.recall / sum
        } else {
            0.0
        }
    }
}

/// The pixels of `class` with a neighbour of another class.
fn outline(
    map: &[ClassId],
    width: usize,
    class: ClassId,
    counts: impl Fn(usize) -> bool,
) -> Vec<bool> {
    let other = |at: usize| map[at] != class && counts(at);
    let is_outline = |at: usize| {
        let x = at % width;
        map[at] == class
            && counts(at)
            && (x > 0 && other(at - 1)
                || x + 1 < width && other(at + 1)
                || at >= width && other(at - width)
                || at + width < map.len() && other(at + width))
    };
    (0..map.len()).map(is_outline).collect()
}

/// The share of the pixels `of` within `tolerance` pixels of those of `other`.
fn near(of: &[bool], other: &[bool], width: usize, tolerance: f64) -> f64 {
    let distances = squared_distances(other, width);
    let pixels = of.iter().zip(&distances).filter(|(of, _)| **of);
    let near = |distance: u32| f64::from(distance) <= tolerance * tolerance;
    let matched = |(_, distance): (_, &u32)| f64::from(u8::from(near(*distance)));
    mean(pixels.map(matched)).unwrap_or(0.0)
}

/// Boundary F-scores of each class over many photos.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundaryScores {
    tolerance: f64,
    classes: Vec<Total>,
}

/// Over the photos on which a class has an outline.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Total {
    f_scores: f64,
    photos: u64,
}

impl BoundaryScores {
    /// No photos yet, for the classes `0..classes`. `tolerance` is a share of
    /// the photo's diagonal: see [`TOLERANCE`].
    pub fn new(classes: usize, tolerance: f64) -> Self {
        Self {
            tolerance,
            classes: vec![Total::default(); classes.min(usize::from(ClassId::MAX))],
        }
    }

    /// Add a photo: two class maps that are `width` pixels wide. Pixels whose
    /// truth is none of the classes are left out.
    ///
    /// # Panics
    /// If the maps have different sizes or no whole rows.
    pub fn add(&mut self, truth: &[ClassId], prediction: &[ClassId], width: usize) {
        if truth.is_empty() {
            return;
        }
        assert!(width > 0 && truth.len().is_multiple_of(width), "whole rows");
        let diagonal = (width as f64).hypot((truth.len() / width) as f64);
        let (count, tolerance) = (self.classes.len(), self.tolerance * diagonal);
        let occurring: Vec<ClassId> = occurring(truth, prediction, count);
        let of = |class: &ClassId| {
            BoundaryMatch::of([truth, prediction], width, *class, count, tolerance)
        };
        let found: Vec<Option<BoundaryMatch>> = occurring.par_iter().map(of).collect();
        for (class, found) in occurring.iter().zip(found) {
            if let Some(found) = found {
                let total = &mut self.classes[usize::from(*class)];
                total.f_scores += found.f_score();
                total.photos += 1;
            }
        }
    }

    /// The mean score of a class over the photos on which it has an outline in
    /// the truth or in the prediction; `None` where there is none.
    pub fn f_score(&self, class: usize) -> Option<f64> {
        let total = self.classes.get(class)?;
        (total.photos > 0).then(|| total.f_scores / total.photos as f64)
    }

    /// The mean over the classes that have a score.
    pub fn mean(&self) -> Option<f64> {
        mean((0..self.classes.len()).filter_map(|class| self.f_score(class)))
    }
}

/// The classes below `count` that occur in one of two maps.
fn occurring(truth: &[ClassId], prediction: &[ClassId], count: usize) -> Vec<ClassId> {
    let mut seen = [false; 256];
    for id in truth.iter().chain(prediction) {
        seen[usize::from(*id)] = true;
    }
    let ids = (0..=ClassId::MAX).take(count);
    ids.filter(|id| seen[usize::from(*id)]).collect()
}

#[cfg(test)]
mod tests;
