//! Which classes are taken for which.

use serde::{Deserialize, Serialize};

use crate::label::{ClassId, IGNORE};

/// Counts of pixels by their class in the truth and in the prediction.
///
/// A pixel whose truth is none of the classes ([`IGNORE`] never is one) is left
/// out. One whose prediction is none of them counts as missed: it is wrong for
/// the class of its truth and right for none.
///
/// Serialises as rows of counts, one for each class of the truth: the predicted
/// classes, then the missed ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Vec<u64>>", try_from = "Vec<Vec<u64>>")]
pub struct Confusion {
    classes: usize,
    /// (classes, classes + 1), the last column for missed pixels.
    counts: Vec<u64>,
}

/// Rows that are no confusion matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a confusion matrix has at most 255 rows, and each one count more than there are rows")]
pub struct NoConfusion;

impl Confusion {
    /// No pixels yet, for the classes `0..classes`; more than 255 of them, which
    /// no class map holds, count as 255.
    pub fn new(classes: usize) -> Self {
        let classes = classes.min(usize::from(IGNORE));
        Self {
            classes,
            counts: vec![0; classes * (classes + 1)],
        }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Count the pixels of two class maps of the same size.
    ///
    /// # Panics
    /// If they have different numbers of pixels.
    pub fn add(&mut self, truth: &[ClassId], prediction: &[ClassId]) {
        assert_eq!(truth.len(), prediction.len(), "maps of the same size");
        for (truth, prediction) in truth.iter().zip(prediction) {
            let row = usize::from(*truth);
            if row < self.classes {
                let column = usize::from(*prediction).min(self.classes);
                self.counts[row * (self.classes + 1) + column] += 1;
            }
        }
    }

    /// Add the counts of another matrix of the same classes.
    ///
    /// # Panics
    /// If it has another number of classes.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.classes, other.classes, "matrices of the same classes");
        for (own, other) in self.counts.iter_mut().zip(&other.counts) {
            *own += other;
        }
    }

    /// Pixels of class `truth` that were taken for class `prediction`.
    pub fn count(&self, truth: usize, prediction: usize) -> u64 {
        let inside = truth < self.classes && prediction < self.classes;
        if inside {
            self.at(truth, prediction)
        } else {
            0
        }
    }

    /// Pixels of class `truth` that were taken for none of the classes.
    pub fn missed(&self, truth: usize) -> u64 {
        let inside = truth < self.classes;
        if inside {
            self.at(truth, self.classes)
        } else {
            0
        }
    }

    fn at(&self, row: usize, column: usize) -> u64 {
        self.counts[row * (self.classes + 1) + column]
    }

    /// Pixels that have this class in the truth.
    pub fn truth_pixels(&self, class: usize) -> u64 {
        let row = (0..self.classes).map(|other| self.count(class, other));
        row.sum::<u64>() + self.missed(class)
    }

    /// Pixels that have this class in the prediction.
    pub fn predicted_pixels(&self, class: usize) -> u64 {
        (0..self.classes)
            .map(|other| self.count(other, class))
            .sum()
    }

    /// All pixels that were counted.
    pub fn pixels(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Whether the class occurs in the truth or in the prediction.
    pub fn occurs(&self, class: usize) -> bool {
        self.truth_pixels(class) + self.predicted_pixels(class) > 0
    }

    /// Intersection over union of a class; `None` where it occurs in neither.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let both = self.count(class, class);
        let either = self.truth_pixels(class) + self.predicted_pixels(class) - both;
        ratio(both, either)
    }

    /// Mean IoU over the classes that occur in the truth or in the prediction.
    pub fn mean_iou(&self) -> Option<f64> {
        mean((0..self.classes).filter_map(|class| self.iou(class)))
    }

    /// The share of pixels with the right class.
    pub fn pixel_accuracy(&self) -> Option<f64> {
        let right = (0..self.classes).map(|class| self.count(class, class));
        ratio(right.sum(), self.pixels())
    }

    /// The share of the pixels predicted to be of a class that are; `None`
    /// where none is predicted.
    pub fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.predicted_pixels(class))
    }

    /// The share of a class's pixels that are found; `None` where it has none.
    pub fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.truth_pixels(class))
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The mean; `None` of nothing.
pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0u64);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / count as f64)
}

impl From<Confusion> for Vec<Vec<u64>> {
    fn from(confusion: Confusion) -> Self {
        let rows = confusion.counts.chunks_exact(confusion.classes + 1);
        rows.map(<[u64]>::to_vec).collect()
    }
}

impl TryFrom<Vec<Vec<u64>>> for Confusion {
    type Error = NoConfusion;

    fn try_from(rows: Vec<Vec<u64>>) -> Result<Self, NoConfusion> {
        let classes = rows.len();
        let fits = rows.iter().all(|row| row.len() == classes + 1);
        if classes > usize::from(IGNORE) || !fits {
            return Err(NoConfusion);
        }
        Ok(Self {
            classes,
            counts: rows.concat(),
        })
    }
}

#[cfg(test)]
mod tests;
