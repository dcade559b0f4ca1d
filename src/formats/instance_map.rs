//! The segment map: a 16-bit grey PNG whose numbers are segment ids.

use super::raster::{Effort, Kind, encode};
use super::{StoreError, rows};
use crate::document::Document;
use crate::label::LabelMap;

/// A segment map as PNG: one 16-bit number per pixel, the segment id; 0 where
/// no segment is. `numpy.array(PIL.Image.open(f))` gives the ids.
pub fn instance_map_png(document: &Document) -> Result<Vec<u8>, StoreError> {
    let size = (document.width(), document.height());
    let pixels = big_endian(document.labels());
    let pixels = pixels.as_flattened();
    encode(&Kind::Grey16, Effort::Fast, size, pixels, "the segment map")
}

fn big_endian(labels: &LabelMap) -> Vec<[u8; 2]> {
    rows::rendered(labels, u16::to_be_bytes)
}
