//! How often which class was taken for which.

/// Pixels per pair of true and predicted class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    classes: usize,
    /// Rows are the true classes.
    pairs: Vec<u64>,
}

impl Counts {
    /// No pixels of `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            pairs: vec![0; classes * classes],
        }
    }

    /// Count pixels; those whose true class is none of the classes are left out.
    pub fn add(&mut self, truth: &[u8], predicted: &[u8]) {
        for (truth, predicted) in truth.iter().zip(predicted) {
            let (truth, predicted) = (usize::from(*truth), usize::from(*predicted));
            if truth < self.classes && predicted < self.classes {
                self.pairs[truth * self.classes + predicted] += 1;
            }
        }
    }

    /// Intersection over union of a class; `None` if no pixel has it, nor was
    /// taken for it.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let at = |truth: usize, predicted: usize| self.pairs[truth * self.classes + predicted];
        let truth: u64 = (0..self.classes).map(|other| at(class, other)).sum();
        let predicted: u64 = (0..self.classes).map(|other| at(other, class)).sum();
        let both = at(class, class);
        let union = truth + predicted - both;
        (union > 0).then(|| both as f64 / union as f64)
    }

    /// Share of the pixels whose class was told right.
    pub fn accuracy(&self) -> Option<f64> {
        let all: u64 = self.pairs.iter().sum();
        let right: u64 = (0..self.classes)
            .map(|at| self.pairs[at * (self.classes + 1)])
            .sum();
        (all > 0).then(|| right as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_counted_by_hand() {
        let mut counts = Counts::new(3);
        counts.add(&[0, 0, 1, 1, 255, 254], &[0, 1, 1, 2, 1, 0]);
        assert_eq!(counts.iou(0), Some(0.5));
        assert_eq!(counts.iou(1), Some(1.0 / 3.0));
        assert_eq!(counts.iou(2), Some(0.0));
        assert_eq!(counts.accuracy(), Some(0.5));
        assert_eq!(Counts::new(2).iou(1), None);
    }
}
