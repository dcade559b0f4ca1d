//! What a network is trained on: inputs, and what it should say to them.

use std::sync::Arc;

use super::{Random, TrainError};

/// The label of pixels beyond the edge of the photo. As 255 it is ignored; unlike
/// 255 it hides no object.
pub const OUTSIDE: u8 = 254;

/// One input of a network: channels-last.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// `rows * columns * channels` values.
    pub values: Vec<f32>,
    /// Rows, columns, channels.
    pub size: [usize; 3],
}

/// What a network should say to an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Rows of labels.
    pub rows: usize,
    /// Columns of labels.
    pub columns: usize,
    /// A class of the merged space per pixel; what is none (255, [`OUTSIDE`])
    /// is ignored.
    pub labels: Vec<u8>,
    /// Whether each pixel is on the rim of an object: 0, 1, or 255 for unknown.
    pub boundary: Option<Vec<u8>>,
    /// For each class of the merged space whether the labels would show it.
    pub annotated: Arc<[bool]>,
}

impl Target {
    /// For each class whether it is in the picture; `None` where the labels do
    /// not tell: it is not annotated, or it was not seen and too much of the
    /// photo is unlabelled.
    pub fn presence(&self) -> Vec<Option<bool>> {
        let mut seen = [0usize; 256];
        self.labels.iter().for_each(|&l| seen[usize::from(l)] += 1);
        let visible = self.labels.len() - seen[usize::from(OUTSIDE)];
        let is_labelled = seen[usize::from(u8::MAX)] * 4 <= visible;
        let classes = self.annotated.iter().zip(seen);
        classes
            .map(|(&annotated, seen)| {
                let tells = annotated && (seen > 0 || is_labelled);
                tells.then_some(seen > 0)
            })
            .collect()
    }
}

/// A photo as a network is shown it.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The inputs, as the network takes them.
    pub inputs: Vec<Map>,
    /// What it should say.
    pub target: Target,
}

/// The photos of one set, as examples.
pub trait Examples: Send + Sync {
    /// Number of photos.
    fn photos(&self) -> usize;

    /// A part of a photo, changed at random; all of one size.
    ///
    /// # Errors
    /// If it cannot be read.
    fn training(&self, photo: usize, random: &mut Random) -> Result<Example, TrainError>;

    /// A whole photo as it is, with the labels in their own size.
    ///
    /// # Errors
    /// If it cannot be read.
    fn whole(&self, photo: usize) -> Result<Example, TrainError>;

    /// The share of rows and of columns of [`whole`](Self::whole)'s inputs, from
    /// the top left, that the photo fills; the rest is padding.
    fn covers(&self, photo: usize) -> [f32; 2] {
        let _ = photo;
        [1.0, 1.0]
    }

    /// Pixels of each class of the merged space in all labels; empty where that
    /// is not known.
    fn pixels(&self) -> Vec<u64> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_is_told_only_by_labels_that_tell() {
        let target = |labels: [u8; 4]| Target {
            rows: 2,
            columns: 2,
            labels: labels.to_vec(),
            boundary: None,
            annotated: [true, true, false].into(),
        };
        let presence = |labels| target(labels).presence();
        assert_eq!(presence([0, 0, 0, 1]), [Some(true), Some(true), None]);
        assert_eq!(presence([0, 0, 255, 0]), [Some(true), Some(false), None]);
        assert_eq!(presence([0, 255, 255, 0]), [Some(true), None, None]);
        let padded = presence([0, OUTSIDE, OUTSIDE, OUTSIDE]);
        assert_eq!(padded, [Some(true), Some(false), None]);
    }
}
