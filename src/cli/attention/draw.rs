//! Heatmaps as pictures.

use std::ffi::OsStr;
use std::ops::Range;

use lexopt::Parser;

use super::args::What;
use super::find::Found;
use super::nothing;
use crate::attention::{
    Cell, ColorMap, Heatmap, Interpolation, Line, Picture, Query, Sheet, Style, TokenMask, blocky,
    outline, overlay,
};
use crate::cli::Failure;
use crate::cli::args::Parsed;
use crate::cli::args::value::between;
use crate::cli::segment::{OBJECT, object};
use crate::evaluation::{Anchor, Canvas, Turn, text_width};
use crate::formats::{binary_mask_png, picture_png};
use crate::label::Mask;
use crate::models::geometry::View;
use crate::nn::capture::Grid;
use crate::photo::Photo;

/// Opacity of a heatmap over the photo if nobody says.
const OPACITY: f32 = 0.6;
/// The longer side of a heatmap on a sheet of one layer and of all, in pixels.
const TILES: (f64, f64) = (240.0, 104.0);
/// Height of the captions on those sheets, in pixels.
const TEXTS: (usize, usize) = (20, 15);
/// Colour of the captions.
const INK: [u8; 3] = [40; 3];

/// What a picture looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    style: Style,
    /// Without the photo.
    alone: bool,
    opacity: Option<f32>,
    /// Without the outline of the tokens asked for.
    unmarked: bool,
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
            unmarked: false,
        }
    }
}

impl Look {
    /// Take the value of the option `name`. Whether there is such an option.
    pub fn take(&mut self, name: &str, parser: &mut Parser) -> Parsed<bool> {
        match name {
            "color" => self.style.colors = color_map(&parser.value()?)?,
            "nearest" => self.style.interpolation = Interpolation::Nearest,
            "alone" => self.alone = true,
            "no-mark" => self.unmarked = true,
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
                "--color, --nearest, --alone, --opacity and --no-mark need a picture: name it with -o"
                    .into(),
            );
        }
        let of_photo = self.alone || self.opacity.is_some() || self.unmarked;
        if matches!(what, What::Grid { .. }) && of_photo {
            return Err(
                "--grid shows no photo, so it goes without --alone, --opacity and --no-mark".into(),
            );
        }
        if self.alone && self.opacity.is_some() {
            return Err("--alone shows no photo, so it goes without --opacity".into());
        }
        Ok(())
    }

    /// The first map over the photo or alone, as a PNG of the photo's size, with
    /// the outlines of the tokens asked for and of the mask. What the model has
    /// not seen stays as it is, or black.
    pub fn picture(
        &self,
        found: &Found<'_>,
        mask: Option<&Mask>,
        photo: &Photo,
    ) -> Result<Vec<u8>, Failure> {
        let size = (photo.width() as usize, photo.height() as usize);
        let maps = found.maps()?;
        let map = maps.first().ok_or_else(nothing)?;
        let mut picture = if self.alone {
            let black = Picture::filled(size.0, size.1, [0; 3])?;
            overlay(&black.rgb, size, map, found.view, &self.style, 1.0)?
        } else {
            let opacity = self.opacity.unwrap_or(OPACITY);
            overlay(photo.rgb(), size, map, found.view, &self.style, opacity)?
        };
        if let Some(mask) = mask {
            outline(&mut picture, mask);
        }
        if !self.unmarked {
            outline(&mut picture, &asked(found, size));
        }
        png(picture.width, picture.height, &picture.rgb)
    }

    /// All maps beside each other with the numbers of their attention heads,
    /// layer by layer, without the tokens that lie on padding beside the photo.
    pub fn sheet(&self, found: &[Found<'_>], photo: &Photo) -> Result<Vec<u8>, Failure> {
        let cut: Result<Vec<Vec<Heatmap>>, Failure> = found
            .iter()
            .map(|found| {
                let maps = found.maps()?;
                Ok(maps.iter().map(|map| cut(map, found.view, photo)).collect())
            })
            .collect();
        let cut = cut?;
        let one = found.len() == 1;
        let (tile, text) = if one {
            (TILES.0, TEXTS.0)
        } else {
            (TILES.1, TEXTS.1)
        };
        let tile = tile_size(found.first().ok_or_else(nothing)?, photo, tile)?;
        let count = cut.iter().map(Vec::len).max().unwrap_or(0);
        let mut sheet = Sheet {
            text,
            ..Sheet::square(count, tile, self.style)
        };
        let lines = if one {
            let maps: Vec<&Heatmap> = cut.iter().flatten().collect();
            sheet.lines(&maps, |index| index.to_string())
        } else {
            layer_lines(found, &cut)
        };
        let widths = lines.iter().map(|l| text_width(&l.caption, text as f32));
        // The conversion saturates.
        sheet.side = widths.fold(0.0, f32::max).ceil() as usize;
        if sheet.side > 0 {
            sheet.side += sheet.gap;
        }
        captioned(&sheet, &lines)
    }
}

/// The tokens asked for as pixels of a photo of (width, height) pixels.
fn asked(found: &Found<'_>, size: (usize, usize)) -> Mask {
    let tokens = match &found.query {
        Query::Prefix(_) => return Mask::empty(),
        Query::Token { row, column } => vec![(*row, *column)],
        Query::Tokens(tokens) => tokens.clone(),
    };
    let mask = |(grid, view)| blocky(&TokenMask::from_tokens(grid, &tokens), view, size);
    found.asked.map_or_else(Mask::empty, mask)
}

/// Width and height of a map on a sheet, the longer one of `long` pixels.
fn tile_size(found: &Found<'_>, photo: &Photo, long: f64) -> Result<(usize, usize), Failure> {
    let maps = found.maps()?;
    let grid = maps.first().ok_or_else(nothing)?.grid;
    let (rows, columns) = seen(grid, found.view, photo);
    let token = found.view.image_from_token(grid, 0, 0);
    let width = token.width() * columns.len() as f64;
    let height = token.height() * rows.len() as f64;
    let scale = long / width.max(height);
    let side = |extent: f64| ((extent * scale).round() as usize).max(8);
    Ok((side(width), side(height)))
}

/// A line for each layer.
fn layer_lines<'a>(found: &[Found<'_>], maps: &'a [Vec<Heatmap>]) -> Vec<Line<'a>> {
    let cells = |maps: &'a [Heatmap]| {
        let cell = |(index, map): (usize, &'a Heatmap)| Cell {
            map,
            caption: index.to_string(),
        };
        maps.iter().enumerate().map(cell).collect()
    };
    let pairs = found.iter().zip(maps);
    let lines = pairs.map(|(found, maps)| Line {
        caption: format!("layer {}", found.index),
        cells: cells(maps),
    });
    lines.collect()
}

/// A sheet with its captions written, as a PNG.
fn captioned(sheet: &Sheet, lines: &[Line<'_>]) -> Result<Vec<u8>, Failure> {
    let picture = sheet.draw_lines(lines)?;
    let mut canvas = Canvas::of_rgb(picture.width, picture.height, picture.rgb);
    for caption in sheet.captions(lines) {
        let place = (caption.x, caption.y);
        let at = (Anchor::Start, Turn::Level);
        canvas.text(&caption.text, place, caption.size, at, INK);
    }
    png(canvas.width(), canvas.height(), canvas.rgb())
}

/// The rows and columns of a grid that lie on the photo.
fn seen(grid: Grid, view: View, photo: &Photo) -> (Range<usize>, Range<usize>) {
    (
        on_photo(view.top, view.height(), grid.rows, photo.height()),
        on_photo(view.left, view.width(), grid.columns, photo.width()),
    )
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

/// The part of a map that lies on the photo.
fn cut(map: &Heatmap, view: View, photo: &Photo) -> Heatmap {
    let (rows, columns) = seen(map.grid, view, photo);
    part(map, &rows, &columns)
}

/// A part of a map.
fn part(map: &Heatmap, rows: &Range<usize>, columns: &Range<usize>) -> Heatmap {
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

/// A mask on the photo: 8-bit grey, 255 inside, 0 outside.
pub fn mask_png(mask: &Mask, photo: &Photo) -> Result<Vec<u8>, Failure> {
    let png = binary_mask_png(&object(photo, mask, None)?, OBJECT);
    png.map_err(|error| Failure::Sentence(error.to_string()))
}

fn png(width: usize, height: usize, rgb: &[u8]) -> Result<Vec<u8>, Failure> {
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    Ok(picture_png((side(width), side(height)), rgb)?)
}

/// The colour map of that name.
fn color_map(value: &OsStr) -> Parsed<ColorMap> {
    let known = value.to_str().and_then(ColorMap::from_name);
    let complaint = || format!("--color is viridis, magma, turbo or grey, not {value:?}");
    Ok(known.ok_or_else(complaint)?)
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
        let part = part(&map, &(1..2), &(0..2));
        assert_eq!((part.grid.rows, part.grid.columns), (1, 2));
        assert_eq!(part.values, [4.0, 5.0]);
    }
}
