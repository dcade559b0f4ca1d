//! The binary mask of one class: an 8-bit grey PNG of 0 and 255.

use super::class_map::class_of_segment;
use super::raster::{Effort, Kind, encode};
use super::{StoreError, rows};
use crate::document::Document;
use crate::label::{ClassId, IGNORE};

/// The pixels of one class as PNG: 255 where the class is, 0 elsewhere. Class 0
/// gives the background, 255 what is ignored.
pub fn binary_mask_png(document: &Document, class: ClassId) -> Result<Vec<u8>, StoreError> {
    if class != IGNORE && document.classes().get(class).is_none() {
        return Err(StoreError::NoClass { id: class });
    }
    let table: Vec<u8> = class_of_segment(document)
        .into_iter()
        .map(|of_segment| if of_segment == class { 255 } else { 0 })
        .collect();
    let pixels = rows::rendered(document.labels(), |id| table[usize::from(id)]);
    let size = (document.width(), document.height());
    encode(&Kind::Grey8, Effort::Fast, size, &pixels, "the mask")
}
