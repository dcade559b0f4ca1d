//! The class map: an 8-bit indexed PNG whose numbers are class ids, as PASCAL
//! VOC, and most training code, has it.

use super::raster::{Effort, Kind, encode};
use super::{StoreError, rows};
use crate::document::Document;
use crate::label::{BACKGROUND, Classes, IGNORE, SegmentId, voc_color};

/// The colours that a class map is shown in by other programs. They mean
/// nothing to training code, which reads the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// The colours of the classes.
    #[default]
    Classes,
    /// The colours of PASCAL VOC.
    Voc,
}

impl Palette {
    /// 256 colours, three bytes each.
    fn bytes(self, classes: &Classes) -> Vec<u8> {
        (0..=u8::MAX)
            .flat_map(|id| match self {
                Self::Classes if id != IGNORE => classes.color(id),
                _ => voc_color(id),
            })
            .collect()
    }
}

/// A class map as PNG: one byte per pixel, the class id; 0 where no segment is,
/// 255 for ignore. `numpy.array(PIL.Image.open(f))` gives the ids.
pub fn class_map_png(document: &Document, palette: Palette) -> Result<Vec<u8>, StoreError> {
    let size = (document.width(), document.height());
    let colors = palette.bytes(document.classes());
    let pixels = class_ids(document);
    encode(
        &Kind::Indexed(&colors),
        Effort::Fast,
        size,
        &pixels,
        "the class map",
    )
}

/// One class id per pixel, row by row.
pub(super) fn class_ids(document: &Document) -> Vec<u8> {
    let table = class_of_segment(document);
    rows::rendered(document.labels(), |id| table[usize::from(id)])
}

/// The class of each of the 65536 segment ids.
pub(super) fn class_of_segment(document: &Document) -> Vec<u8> {
    let mut table = vec![BACKGROUND; usize::from(SegmentId::MAX) + 1];
    for segment in document.segments() {
        table[usize::from(segment.id)] = segment.class;
    }
    table
}
