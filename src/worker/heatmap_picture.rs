//! Heatmaps as pictures of the photo's size, for files.

use super::steps::JobError;
use crate::attention::{
    AttentionError, Heatmap, Picture, Style, TokenMask, TokenRect, blocky, outline, overlay,
};
use crate::formats::{StoreError, picture_png};
use crate::label::Mask;
use crate::models::geometry::View;
use crate::photo::Photo;

/// Pictures beside each other are this part of their width apart.
const GAP: usize = 100;
/// Colour of the gap.
const PAPER: [u8; 3] = [255; 3];

/// A heatmap on its way to a file. What the model has not seen shows the photo,
/// or is black where there is none.
#[derive(Clone, Debug)]
pub struct HeatmapPicture {
    /// The values.
    pub map: Heatmap,
    /// The part of the photo under them.
    pub view: View,
    /// How values become colours.
    pub style: Style,
    /// Its opacity over the photo, 0 to 1; `None` to leave the photo out.
    pub opacity: Option<f32>,
    /// The windows that the tokens asked for can see; empty if they see all.
    pub windows: Vec<TokenRect>,
    /// What is outlined, in pixels of the photo.
    pub marks: Vec<Mask>,
}

impl HeatmapPicture {
    /// Draw it, in the size of the photo.
    ///
    /// # Errors
    /// If the picture would be huge.
    fn draw(&self, photo: &Photo) -> Result<Picture, AttentionError> {
        let size = (photo.width() as usize, photo.height() as usize);
        let drawn = |ground: &[u8], style: &Style, opacity| {
            let mut picture = overlay(ground, size, &self.map, self.view, style, opacity)?;
            self.cut_out(&mut picture, ground);
            Ok::<_, AttentionError>(picture)
        };
        let mut picture = match self.opacity {
            Some(opacity) => drawn(photo.rgb(), &self.style, opacity)?,
            None => {
                let black = Picture::filled(size.0, size.1, [0; 3])?;
                let style = Style {
                    fades: false,
                    ..self.style
                };
                drawn(&black.rgb, &style, 1.0)?
            }
        };
        for mark in &self.marks {
            outline(&mut picture, mark);
        }
        Ok(picture)
    }

    /// Put the ground back where the tokens asked for cannot look: that is no
    /// low attention, but none.
    fn cut_out(&self, picture: &mut Picture, ground: &[u8]) {
        if self.windows.is_empty() {
            return;
        }
        let mut hidden = TokenMask::empty(self.map.grid);
        for (at, hidden) in hidden.on.iter_mut().enumerate() {
            let columns = self.map.grid.columns;
            *hidden = !self.sees(at / columns, at % columns);
        }
        let size = (picture.width, picture.height);
        for span in blocky(&hidden, self.view, size).spans() {
            let start = span.y as usize * picture.width;
            let run = 3 * (start + span.x0 as usize)..3 * (start + span.x1 as usize);
            picture.rgb[run.clone()].copy_from_slice(&ground[run]);
        }
    }

    fn sees(&self, row: usize, column: usize) -> bool {
        let inside = |at: &TokenRect| {
            (at.top..at.bottom).contains(&row) && (at.left..at.right).contains(&column)
        };
        self.windows.iter().any(inside)
    }
}

/// Pictures of one height beside each other, with a gap between them.
///
/// # Errors
/// If the picture would be huge.
fn beside(pictures: &[Picture]) -> Result<Picture, AttentionError> {
    let height = pictures.iter().map(|one| one.height).max().unwrap_or(0);
    let widest = pictures.iter().map(|one| one.width).max().unwrap_or(0);
    let gap = widest.div_ceil(GAP);
    let widths = pictures.iter().map(|one| one.width).sum::<usize>();
    let width = widths + gap * pictures.len().saturating_sub(1);
    let mut all = Picture::filled(width, height, PAPER)?;
    let mut left = 0;
    for one in pictures {
        for (y, line) in one.rgb.chunks_exact((3 * one.width).max(1)).enumerate() {
            let to = 3 * (y * width + left);
            all.rgb[to..to + line.len()].copy_from_slice(line);
        }
        left += one.width + gap;
    }
    Ok(all)
}

/// An RGB picture of (width, height) pixels as a PNG.
pub(super) fn png((width, height): (usize, usize), rgb: &[u8]) -> Result<Vec<u8>, StoreError> {
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    picture_png((side(width), side(height)), rgb)
}

/// One picture, or several beside each other, as a PNG.
///
/// # Errors
/// If the picture would be huge.
pub fn heatmaps_png(pictures: &[HeatmapPicture], photo: &Photo) -> Result<Vec<u8>, JobError> {
    let drawn = pictures.iter().map(|picture| picture.draw(photo));
    let mut drawn: Vec<Picture> = drawn.collect::<Result<_, _>>()?;
    let picture = match (drawn.pop(), drawn.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            drawn.extend(last);
            beside(&drawn)?
        }
    };
    Ok(png((picture.width, picture.height), &picture.rgb)?)
}

#[cfg(test)]
mod tests;
