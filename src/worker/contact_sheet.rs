//! All attention heads of a layer, or of all layers, on one picture.

use std::ops::Range;

use super::heatmap_picture::png;
use super::steps::JobError;
use crate::attention::{Cell, Heatmap, Line, Sheet, Style};
use crate::evaluation::{Anchor, Canvas, Turn, text_width};
use crate::models::geometry::View;
use crate::nn::capture::Grid;
use crate::photo::Photo;

/// The longer side of a heatmap on a sheet of one layer and of all, in pixels.
const TILES: (f64, f64) = (240.0, 104.0);
/// Height of the captions on those sheets, in pixels.
const TEXTS: (usize, usize) = (20, 15);
/// Colour of the captions.
const INK: [u8; 3] = [40; 3];

/// A layer on a contact sheet.
#[derive(Clone, Debug)]
pub struct SheetLayer {
    /// Its number from 0.
    pub index: usize,
    /// The heatmaps of its attention heads, in order, all of one grid.
    pub maps: Vec<Heatmap>,
    /// The part of the photo under them.
    pub view: View,
}

/// All heatmaps beside each other with the numbers of their attention heads,
/// layer by layer.
#[derive(Clone, Debug)]
pub struct ContactSheet {
    /// One layer, or several with a line for each.
    pub layers: Vec<SheetLayer>,
    /// How values become colours.
    pub style: Style,
    /// Whether all maps share one range of values, so that they can be compared.
    pub shared: bool,
}

impl ContactSheet {
    /// The sheet as a PNG, without the tokens that lie on padding beside the
    /// photo.
    ///
    /// # Errors
    /// If there is nothing to draw, or the picture would be huge.
    pub fn png(&self, photo: &Photo) -> Result<Vec<u8>, JobError> {
        let nothing = || JobError::Failed("there is nothing to draw".to_owned());
        let widest = self.widest().ok_or_else(nothing)?;
        let one = self.layers.len() == 1;
        let (tile, text) = match one {
            true => (TILES.0, TEXTS.0),
            false => (TILES.1, TEXTS.1),
        };
        let tile = widest.tile_size(photo, tile).ok_or_else(nothing)?;
        let cut: Vec<Vec<Heatmap>> = self.layers.iter().map(|layer| layer.cut(photo)).collect();
        let count = cut.iter().map(Vec::len).max().unwrap_or(0);
        let mut sheet = Sheet {
            text,
            shared: self.shared,
            ..Sheet::square(count, tile, self.style)
        };
        let lines = match one {
            true => {
                let maps: Vec<&Heatmap> = cut.iter().flatten().collect();
                sheet.lines(&maps, |index| index.to_string())
            }
            false => self.lines(&cut),
        };
        let widths = lines.iter().map(|l| text_width(&l.caption, text as f32));
        // The conversion saturates.
        sheet.side = widths.fold(0.0, f32::max).ceil() as usize;
        if sheet.side > 0 {
            sheet.side += sheet.gap;
        }
        captioned(&sheet, &lines)
    }

    /// The layer whose maps are over most of the photo, the first of several: all
    /// tiles have its shape, also those that show a window.
    fn widest(&self) -> Option<&SheetLayer> {
        let area = |layer: &&SheetLayer| layer.view.width() * layer.view.height();
        let layers = self.layers.iter().rev();
        layers.max_by(|a, b| area(a).total_cmp(&area(b)))
    }

    /// A line for each layer.
    fn lines<'a>(&self, maps: &'a [Vec<Heatmap>]) -> Vec<Line<'a>> {
        let cell = |(index, map): (usize, &'a Heatmap)| Cell {
            map,
            caption: index.to_string(),
        };
        let pairs = self.layers.iter().zip(maps);
        let lines = pairs.map(|(layer, maps)| Line {
            caption: format!("layer {}", layer.index),
            cells: maps.iter().enumerate().map(cell).collect(),
        });
        lines.collect()
    }
}

impl SheetLayer {
    /// Width and height of a map, the longer one of `long` pixels; `None` if
    /// there is none.
    fn tile_size(&self, photo: &Photo, long: f64) -> Option<(usize, usize)> {
        let grid = self.maps.first()?.grid;
        let (rows, columns) = seen(grid, self.view, photo);
        let token = self.view.image_from_token(grid, 0, 0);
        let width = token.width() * columns.len() as f64;
        let height = token.height() * rows.len() as f64;
        let scale = long / width.max(height);
        let side = |extent: f64| ((extent * scale).round() as usize).max(8);
        Some((side(width), side(height)))
    }

    /// The parts of the maps that lie on the photo.
    fn cut(&self, photo: &Photo) -> Vec<Heatmap> {
        let cut = |map: &Heatmap| {
            let (rows, columns) = seen(map.grid, self.view, photo);
            part(map, &rows, &columns)
        };
        self.maps.iter().map(cut).collect()
    }
}

/// A sheet with its captions written, as a PNG.
fn captioned(sheet: &Sheet, lines: &[Line<'_>]) -> Result<Vec<u8>, JobError> {
    let picture = sheet.draw_lines(lines)?;
    let mut canvas = Canvas::of_rgb(picture.width, picture.height, picture.rgb);
    for caption in sheet.captions(lines) {
        let place = (caption.x, caption.y);
        let at = (Anchor::Start, Turn::Level);
        canvas.text(&caption.text, place, caption.size, at, INK);
    }
    Ok(png((canvas.width(), canvas.height()), canvas.rgb())?)
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
