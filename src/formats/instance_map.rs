//! The segment map: a 16-bit grey PNG whose numbers are segment ids.

use super::raster::{Effort, Kind, encode};
use super::{StoreError, rows};
use crate::document::Document;
use crate::label::{LabelMap, Mask};

/// A segment map as PNG: one 16-bit number per pixel, the segment id; 0 where
/// no segment is. `numpy.array(PIL.Image.open(f))` gives the ids.
pub fn instance_map_png(document: &Document) -> Result<Vec<u8>, StoreError> {
    let size = (document.width(), document.height());
    let pixels = big_endian(document.labels());
    let pixels = pixels.as_flattened();
    encode(&Kind::Grey16, Effort::Fast, size, pixels, "the segment map")
}

/// As [`instance_map_png`], of the segments of a picture of `size` (width,
/// height) by their ids: 1 for the first, and so on.
///
/// # Errors
/// If there are more segments than 16 bits can number.
pub fn masks_png(size: (u32, u32), segments: &[Mask]) -> Result<Vec<u8>, StoreError> {
    let (width, height) = (size.0 as usize, size.1 as usize);
    let mut pixels = vec![[0; 2]; width * height];
    for (i, segment) in segments.iter().enumerate() {
        let id = u16::try_from(i + 1).map_err(|_| StoreError::TooManySegments {
            count: segments.len(),
        })?;
        for span in segment.spans() {
            let row = span.y as usize * width;
            let places = row + span.x0 as usize..row + span.x1 as usize;
            if let Some(pixels) = pixels.get_mut(places) {
                pixels.fill(id.to_be_bytes());
            }
        }
    }
    let pixels = pixels.as_flattened();
    encode(&Kind::Grey16, Effort::Fast, size, pixels, "the segment map")
}

fn big_endian(labels: &LabelMap) -> Vec<[u8; 2]> {
    rows::rendered(labels, u16::to_be_bytes)
}
