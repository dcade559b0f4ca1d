//! Outlines of tokens and masks on a picture.

use super::Picture;
use crate::label::{Mask, contours};

/// Pixels of the longer side of a picture for each pixel of a line's width.
const PER_WIDTH: usize = 500;

/// Draw the outline of `mask`, which lies on the pixels of `picture`: a white
/// line with dark edges, so that it shows on any photo and colour map, as wide as
/// suits the size of the picture.
pub fn outline(picture: &mut Picture, mask: &Mask) {
    let width = picture.width.max(picture.height).div_ceil(PER_WIDTH);
    let outlines = contours(mask);
    for (reach, color) in [
        (width + width.div_ceil(2), [0; 3]),
        (width.div_ceil(2), [255; 3]),
    ] {
        for corners in &outlines {
            let next = corners.iter().cycle().skip(1);
            for (from, to) in corners.iter().zip(next) {
                line(picture, (*from, *to), reach, color);
            }
        }
    }
}

/// Fill the pixels within `reach` of the line between two corners of pixels,
/// which runs along a row or column.
fn line(picture: &mut Picture, (from, to): ([u32; 2], [u32; 2]), reach: usize, color: [u8; 3]) {
    let ends = |axis: usize, side: usize| {
        let (a, b) = (from[axis] as usize, to[axis] as usize);
        let start = a.min(b).saturating_sub(reach);
        start.min(side)..a.max(b).saturating_add(reach).min(side)
    };
    let (columns, rows) = (ends(0, picture.width), ends(1, picture.height));
    for row in rows {
        let start = 3 * row * picture.width;
        let pixels = &mut picture.rgb[start + 3 * columns.start..start + 3 * columns.end];
        pixels.as_chunks_mut::<3>().0.fill(color);
    }
}

#[cfg(test)]
mod tests;
