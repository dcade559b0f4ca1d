//! The overlay picture: the photo with its labels drawn over it, for showing.

use rayon::prelude::*;

use super::StoreError;
use super::raster::{Effort, Kind, encode};
use crate::document::Document;
use crate::label::SegmentId;
use crate::photo::Photo;

/// The photo with each visible segment tinted in its class's colour, as an RGB
/// PNG. `opacity` (0..=1) is that of the tint; the outermost pixels of each
/// segment have the colour itself.
pub fn overlay_png(
    photo: &Photo,
    document: &Document,
    opacity: f32,
) -> Result<Vec<u8>, StoreError> {
    check_size(photo, (document.width(), document.height()))?;
    let colors = colors(document);
    let ids = document.labels().to_vec();
    drawn(photo, &ids, |id| colors[usize::from(id)], opacity)
}

/// That labels of `size` (width, height) lie on the photo.
pub(super) fn check_size(photo: &Photo, size: (u32, u32)) -> Result<(), StoreError> {
    let photo = (photo.width(), photo.height());
    if photo == size {
        return Ok(());
    }
    let shown = |(w, h): (u32, u32)| format!("{w} × {h}");
    Err(StoreError::SizeMismatch {
        labels: shown(size),
        photo: shown(photo),
    })
}

/// The photo with one of `ids` for each pixel drawn over it in its `color`, if
/// it has one, as an RGB PNG.
pub(super) fn drawn<T: Copy + PartialEq + Sync>(
    photo: &Photo,
    ids: &[T],
    color: impl Fn(T) -> Option<[u8; 3]> + Sync,
    opacity: f32,
) -> Result<Vec<u8>, StoreError> {
    let size = (photo.width(), photo.height());
    let opacity = (opacity.clamp(0.0, 1.0) * 256.0) as u16;
    let width = size.0 as usize;
    let mut rgb = photo.rgb().to_vec();
    rgb.par_chunks_exact_mut(width * 3)
        .enumerate()
        .for_each(|(y, row)| {
            let row_of = |y: usize| ids.get(y * width..(y + 1) * width);
            let (Some(own), above, below) =
                (row_of(y), y.checked_sub(1).and_then(row_of), row_of(y + 1))
            else {
                return;
            };
            for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let Some(color) = color(own[x]) else {
                    continue;
                };
                let differs = |id: Option<&T>| id.is_some_and(|&id| id != own[x]);
                let edge = differs(own.get(x + 1))
                    || differs(x.checked_sub(1).and_then(|x| own.get(x)))
                    || differs(above.map(|row| &row[x]))
                    || differs(below.map(|row| &row[x]));
                let opacity = if edge { 256 } else { opacity };
                for (value, color) in pixel.iter_mut().zip(color) {
                    let mixed = u16::from(color) * opacity + u16::from(*value) * (256 - opacity);
                    *value = (mixed >> 8) as u8;
                }
            }
        });
    encode(
        &Kind::Rgb8,
        Effort::Balanced,
        size,
        &rgb,
        "the overlay picture",
    )
}

/// The colour of each visible segment id.
fn colors(document: &Document) -> Vec<Option<[u8; 3]>> {
    let mut table = vec![None; usize::from(SegmentId::MAX) + 1];
    for segment in document.segments().iter().filter(|segment| !segment.hidden) {
        table[usize::from(segment.id)] = Some(document.classes().color(segment.class));
    }
    table
}
