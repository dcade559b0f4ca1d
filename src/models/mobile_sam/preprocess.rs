//! From photo to the network's input, as SAM does it.

use crate::photo::resample::{Filter, resize};
use rayon::prelude::*;

/// Mean and standard deviation of the channels, on 0..255 (ImageNet's).
const MEAN: [f32; 3] = [123.675, 116.28, 103.53];
const STD: [f32; 3] = [58.395, 57.12, 57.375];

/// Width and height of a photo after its longest side was fitted to `frame`
/// pixels, rounded half up, at least 1.
pub fn resized((width, height): (usize, usize), frame: usize) -> (usize, usize) {
    let scale = frame as f64 / width.max(height) as f64;
    let fit = |side: usize| ((side as f64 * scale + 0.5) as usize).clamp(1, frame);
    (fit(width), fit(height))
}

/// (frame, frame, 3): resized as Pillow does, normalised, then zeros at the
/// right and bottom.
pub(super) fn pixels(
    rgb: &[u8],
    size: (usize, usize),
    resized: (usize, usize),
    frame: usize,
) -> Vec<f32> {
    let small = resize(rgb, size, 3, resized, Filter::Bilinear);
    let mut out = vec![0.0; frame * frame * 3];
    let rows = out
        .par_chunks_mut(frame * 3)
        .zip(small.par_chunks(resized.0 * 3));
    rows.for_each(|(out, row)| {
        let (row, _) = row.as_chunks::<3>();
        let (out, _) = out.as_chunks_mut::<3>();
        for (out, pixel) in out.iter_mut().zip(row) {
            for (c, out) in out.iter_mut().enumerate() {
                *out = (f32::from(pixel[c]) - MEAN[c]) / STD[c];
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let out = pixels(&[255, 0, 10, 255, 0, 10], (2, 1), resized((2, 1), 4), 4);
        assert_eq!(out.len(), 48);
        assert!((out[0] - (255.0 - 123.675) / 58.395).abs() < 1e-6);
        assert!((out[10] - (0.0 - 116.28) / 57.12).abs() < 1e-6);
        assert!(out[24..].iter().all(|v| *v == 0.0));
    }
}
