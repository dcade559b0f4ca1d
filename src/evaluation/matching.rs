//! Whether each object is found: the average precision of the 2018 Data Science
//! Bowl (Caicedo et al. 2019, "Nucleus segmentation across imaging experiments").

use std::collections::HashMap;

use super::confusion::mean;
use crate::label::SegmentId;

/// How many thresholds there are.
const COUNT: usize = 10;

/// The intersections over union that an object must exceed to count as found:
/// 0.5, 0.55, and so on up to 0.95.
pub const THRESHOLDS: [f64; COUNT] = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];

/// What was found of the objects of one photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceScore {
    /// Objects of the truth.
    pub truths: usize,
    /// Objects of the prediction.
    pub predictions: usize,
    /// For each of [`THRESHOLDS`], the objects that were found.
    pub found: [usize; COUNT],
}

impl InstanceScore {
    /// Compare two instance maps: one number for each pixel, the same for all
    /// pixels of an object, 0 for none. The numbers need not agree between the
    /// maps, and may have gaps.
    ///
    /// An object is found if the intersection over union with a predicted one
    /// exceeds the threshold. From one half on, no object can be matched twice.
    ///
    /// # Panics
    /// If they have different numbers of pixels.
    pub fn of(truth: &[SegmentId], prediction: &[SegmentId]) -> Self {
        assert_eq!(truth.len(), prediction.len(), "maps of the same size");
        let (truths, predictions) = (areas(truth), areas(prediction));
        let mut found = [0; COUNT];
        for ((truth, prediction), both) in overlaps(truth, prediction) {
            let areas = truths[usize::from(truth)] + predictions[usize::from(prediction)];
            let either = areas - both;
            for (step, found) in (0..).zip(&mut found) {
                // In twentieths, so that nothing is rounded.
                *found += usize::from(both * 20 > either * (10 + step));
            }
        }
        let count = |areas: &[u64]| areas.iter().skip(1).filter(|area| **area > 0).count();
        Self {
            truths: count(&truths),
            predictions: count(&predictions),
            found,
        }
    }

    /// Found objects among all that are in the truth, in the prediction or both,
    /// for each of [`THRESHOLDS`]. Where there is none, nothing is wrong: 1.
    pub fn precisions(&self) -> [f64; COUNT] {
        self.found.map(|found| {
            let all = self.truths + self.predictions - found;
            if all == 0 {
                1.0
            } else {
                found as f64 / all as f64
            }
        })
    }

    /// The mean of [`InstanceScore::precisions`].
    pub fn average_precision(&self) -> f64 {
        self.precisions().iter().sum::<f64>() / COUNT as f64
    }
}

/// The mean over photos of their average precisions; `None` of no photos.
pub fn dsb_average_precision(photos: &[InstanceScore]) -> Option<f64> {
    mean(photos.iter().map(InstanceScore::average_precision))
}

/// The pixels of each number.
fn areas(map: &[SegmentId]) -> Vec<u64> {
    let mut areas = vec![0; usize::from(SegmentId::MAX) + 1];
    map.iter().for_each(|id| areas[usize::from(*id)] += 1);
    areas
}

/// The pixels of each pair of objects that overlap.
fn overlaps(truth: &[SegmentId], prediction: &[SegmentId]) -> HashMap<(SegmentId, SegmentId), u64> {
    let mut overlaps = HashMap::new();
    // Maps have long runs of one pair.
    let (mut pair, mut length) = ((0, 0), 0);
    let mut end_run = |pair: (SegmentId, SegmentId), length: u64| {
        if pair.0 > 0 && pair.1 > 0 {
            *overlaps.entry(pair).or_default() += length;
        }
    };
    for next in truth.iter().copied().zip(prediction.iter().copied()) {
        if next != pair {
            end_run(pair, length);
            (pair, length) = (next, 0);
        }
        length += 1;
    }
    end_run(pair, length);
    overlaps
}

#[cfg(test)]
mod tests;
