//! Heatmaps as pictures.

use std::ops::Range;

use lexopt::Parser;

use super::{What, color_map};
use crate::attention::{Heatmap, Interpolation, Picture, Sheet, Style, overlay};
use crate::cli::Failure;
use crate::cli::args::Parsed;
use crate::cli::args::value::between;
use crate::formats::picture_png;
use crate::models::geometry::View;
use crate::nn::capture::Grid;
use crate::photo::Photo;

/// Opacity of a heatmap over the photo if nobody says.
const OPACITY: f32 = 0.6;
/// The longer side of a heatmap on a sheet, in pixels.
const TILE: f64 = 240.0;

/// What a picture looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    style: Style,
    /// Without the photo.
    alone: bool,
    opacity: Option<f32>,
}

impl Default for Look {
    fn default() -> Self {
        let style = Style {
            interpolation: Interpolation::Bilinear,
            ..Style::default()
        };
        Self {
            style,
            alone: false,
            opacity: None,
        }
    }
}

/// Where heatmaps lie.
pub struct Place<'a> {
    /// The photo.
    pub photo: &'a Photo,
    /// The part of it that they cover.
    pub view: View,
}

impl Look {
    /// Take the value of the option `name`. Whether there is such an option.
    pub fn take(&mut self, name: &str, parser: &mut Parser) -> Parsed<bool> {
        match name {
            "color" => self.style.colors = color_map(&parser.value()?)?,
            "nearest" => self.style.interpolation = Interpolation::Nearest,
            "alone" => self.alone = true,
            "opacity" => {
                self.opacity = Some(between(&parser.value()?, "--opacity", 0.0..=1.0)? as f32);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Complain about options that would do nothing.
    pub fn check(&self, what: &What, picture: bool) -> Parsed<()> {
        if !picture && *self != Self::default() {
            return Err(
                "--color, --nearest, --alone and --opacity need a picture: name it with -o".into(),
            );
        }
        if matches!(what, What::Grid { .. }) && (self.alone || self.opacity.is_some()) {
            return Err("--grid shows no photo, so it goes without --alone and --opacity".into());
        }
        if self.alone && self.opacity.is_some() {
            return Err("--alone shows no photo, so it goes without --opacity".into());
        }
        Ok(())
    }

    /// The first of `maps` over the photo or alone, as a PNG of the photo's size.
    /// What the model has not seen stays as it is, or black.
    pub fn picture(&self, maps: &[&Heatmap], place: &Place<'_>) -> Result<Vec<u8>, Failure> {
        let photo = place.photo;
        let size = (photo.width() as usize, photo.height() as usize);
        let Some(map) = maps.first() else {
            return Err(Failure::Sentence("there is nothing to draw".to_owned()));
        };
        let picture = if self.alone {
            let black = Picture::filled(size.0, size.1, [0; 3])?;
            overlay(&black.rgb, size, map, place.view, &self.style, 1.0)?
        } else {
            let opacity = self.opacity.unwrap_or(OPACITY);
            overlay(photo.rgb(), size, map, place.view, &self.style, opacity)?
        };
        png(&picture)
    }

    /// All maps beside each other, without the tokens that lie on padding beside
    /// the photo.
    pub fn sheet(&self, maps: &[&Heatmap], place: &Place<'_>) -> Result<Vec<u8>, Failure> {
        let Some(first) = maps.first() else {
            return Err(Failure::Sentence("there is nothing to draw".to_owned()));
        };
        let View { left, top, .. } = place.view;
        let (width, height) = (place.view.width(), place.view.height());
        let rows = on_photo(top, height, first.grid.rows, place.photo.height());
        let columns = on_photo(left, width, first.grid.columns, place.photo.width());
        let token = place.view.image_from_token(first.grid, 0, 0);
        let width = token.width() * columns.len() as f64;
        let height = token.height() * rows.len() as f64;
        let scale = TILE / width.max(height);
        let side = |extent: f64| ((extent * scale).round() as usize).max(8);
        let cut: Vec<Heatmap> = maps.iter().map(|map| cut(map, &rows, &columns)).collect();
        let cut: Vec<&Heatmap> = cut.iter().collect();
        png(&Sheet::square(cut.len(), (side(width), side(height)), self.style).draw(&cut)?)
    }
}

/// Which of `count` tokens along an axis, which cover `extent` pixels from
/// `start` on, lie on a photo with that side.
fn on_photo(start: f64, extent: f64, count: usize, side: u32) -> Range<usize> {
    let place = |pixel: f64| (pixel - start) / extent * count as f64;
    // The conversions saturate.
    let first = place(0.0).floor() as usize;
    let end = place(side.into()).ceil() as usize;
    first.min(count)..end.min(count)
}

/// A part of a map.
fn cut(map: &Heatmap, rows: &Range<usize>, columns: &Range<usize>) -> Heatmap {
    let row = |row: usize| {
        let start = row * map.grid.columns;
        map.values[start + columns.start..start + columns.end]
            .iter()
            .copied()
    };
    Heatmap {
        grid: Grid {
            rows: rows.len(),
            columns: columns.len(),
        },
        values: rows.clone().flat_map(row).collect(),
    }
}

fn png(picture: &Picture) -> Result<Vec<u8>, Failure> {
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let size = (side(picture.width), side(picture.height));
    Ok(picture_png(size, &picture.rgb)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_on_padding_are_left_out() {
        assert_eq!(on_photo(0.0, 100.0, 10, 100), 0..10);
        assert_eq!(on_photo(0.0, 100.0, 10, 65), 0..7);
        assert_eq!(on_photo(-25.0, 100.0, 10, 50), 2..8);
        assert_eq!(on_photo(10.0, 30.0, 3, 100), 0..3, "a crop is all photo");
    }

    #[test]
    fn a_part_is_cut_out_row_by_row() {
        let map = Heatmap {
            grid: Grid {
                rows: 2,
                columns: 3,
            },
            values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        };
        let part = cut(&map, &(1..2), &(0..2));
        assert_eq!((part.grid.rows, part.grid.columns), (1, 2));
        assert_eq!(part.values, [4.0, 5.0]);
    }
}
