//! From photo to the network's input, as SAM does it: the longest side is
//! fitted to a square frame, and the rest of it is zero.

use crate::models::ModelError;
use crate::models::preprocess::{Fit, Preprocessor, Resize};
use candle_core::Tensor;

/// A checkpoint's preprocessing, made to fill the frame that its network takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Framing {
    steps: Preprocessor,
    /// What a photo's longest side becomes, in pixels.
    longest_edge: usize,
}

impl Framing {
    /// Steps that leave photos in a frame of another size, or in none, make no
    /// input for the network: filter and colours are taken over, and the
    /// longest side where it fits.
    pub(super) fn new(steps: &Preprocessor, frame: usize) -> Self {
        let longest_edge = match steps.resize {
            Resize::LongestEdge(side) => side.clamp(1, frame),
            _ => frame,
        };
        let steps = Preprocessor {
            resize: Resize::LongestEdge(longest_edge),
            crop: None,
            pad: Some((frame, frame)),
            ..steps.clone()
        };
        Self {
            steps,
            longest_edge,
        }
    }

    /// Width and height of a photo in the frame.
    pub(super) fn resized(&self, photo: (usize, usize)) -> (usize, usize) {
        resized(photo, self.longest_edge)
    }

    /// (frame, frame, 3): the photo at the upper left, normalised, then zeros.
    pub(super) fn pixels(&self, rgb: &[u8], size: (usize, usize)) -> Result<Tensor, ModelError> {
        Ok(self.steps.prepare(rgb, size, Fit::Trained, None)?.pixels)
    }
}

/// Width and height of a photo after its longest side was fitted to
/// `longest_edge` pixels, rounded half up, at least 1.
pub(super) fn resized((width, height): (usize, usize), longest_edge: usize) -> (usize, usize) {
    let scale = longest_edge as f64 / width.max(height) as f64;
    let fit = |side: usize| ((side as f64 * scale + 0.5) as usize).clamp(1, longest_edge);
    (fit(width), fit(height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::mobile_sam;

    fn steps(frame: usize) -> Preprocessor {
        mobile_sam::preprocessor(frame)
    }

    fn pixels(framing: &Framing, rgb: &[u8], size: (usize, usize)) -> Vec<f32> {
        let pixels = framing.pixels(rgb, size).unwrap();
        pixels.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn sides_are_rounded_as_in_sam() {
        assert_eq!(resized((600, 400), 1024), (1024, 683));
        assert_eq!(resized((451, 300), 1024), (1024, 681));
        assert_eq!(resized((4000, 6000), 1024), (683, 1024));
        assert_eq!(resized((1, 5000), 1024), (1, 1024));
        assert_eq!(resized((1, 1), 1024), (1024, 1024));
    }

    #[test]
    fn padding_is_zero_after_normalising() {
        let framing = Framing::new(&steps(4), 4);
        let out = pixels(&framing, &[255, 0, 10, 255, 0, 10], (2, 1));
        assert_eq!(out.len(), 48);
        assert!((out[0] - (255.0 - 123.675) / 58.395).abs() < 1e-6);
        assert!((out[10] - (0.0 - 116.28) / 57.12).abs() < 1e-6);
        assert!(out[24..].iter().all(|v| *v == 0.0));
    }

    #[test]
    fn whatever_the_steps_are_the_frame_is_filled() {
        for resize in [
            Resize::None,
            Resize::Exact {
                width: 9,
                height: 2,
            },
            Resize::LongestEdge(2),
            Resize::LongestEdge(9),
        ] {
            let steps = Preprocessor {
                resize,
                pad: None,
                ..steps(8)
            };
            let framing = Framing::new(&steps, 4);
            let expected = if resize == Resize::LongestEdge(2) {
                2
            } else {
                4
            };
            for photo in [(3, 3), (1, 40), (40, 1)] {
                let size = framing.resized(photo);
                assert_eq!(size.0.max(size.1), expected);
                let out = pixels(&framing, &vec![9; photo.0 * photo.1 * 3], photo);
                assert_eq!(out.len(), 48);
                let filled = out.iter().filter(|v| **v != 0.0).count();
                assert_eq!(filled, size.0 * size.1 * 3);
            }
        }
    }
}
