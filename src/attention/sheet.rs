//! Many heatmaps on one sheet.

use super::render::{Colors, covering};
use super::{AttentionError, Heatmap, Picture, Style};
use crate::models::geometry::View;

/// How many heatmaps are laid out on one sheet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sheet {
    /// Width and height of each map in pixels.
    pub tile: (usize, usize),
    /// Maps in a row; at least 1.
    pub columns: usize,
    /// Pixels around and between them.
    pub gap: usize,
    /// Height of the captions above maps in pixels; 0 for a sheet without any.
    pub text: usize,
    /// Width of the captions beside lines of maps in pixels.
    pub side: usize,
    /// Colour of the gaps.
    pub background: [u8; 3],
    /// Whether all maps share one range, so that they can be compared; else
    /// each has its own.
    pub shared: bool,
    /// How values become colours.
    pub style: Style,
}

/// A map on a sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell<'a> {
    /// The map.
    pub map: &'a Heatmap,
    /// What is written above it: an attention head's number.
    pub caption: String,
}

/// Maps beside each other: some attention heads, or all of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// What is written beside it: the layer.
    pub caption: String,
    /// The maps, as many as there are in this line.
    pub cells: Vec<Cell<'a>>,
}

/// A text on a sheet. This layer draws no text: whoever shows the sheet does.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// The text, which begins at the place.
    pub text: String,
    /// Where it begins, in pixels from the left.
    pub x: f32,
    /// Where its middle is, in pixels from the top.
    pub y: f32,
    /// Its height in pixels, from ascender to descender.
    pub size: f32,
}

impl Sheet {
    /// A sheet for `count` maps of about equal width and height, with gaps of a
    /// twentieth of a tile, in white, without captions.
    pub fn square(count: usize, tile: (usize, usize), style: Style) -> Self {
        Self {
            tile,
            columns: ((count as f64).sqrt().ceil() as usize).max(1),
            gap: (tile.0.min(tile.1) / 20).max(1),
            text: 0,
            side: 0,
            background: [255; 3],
            shared: false,
            style,
        }
    }

    /// Where map `index` is: left and upper edge in pixels.
    pub fn place(&self, index: usize) -> (usize, usize) {
        let columns = self.columns.max(1);
        self.at(index / columns, index % columns)
    }

    /// Left and upper edge of the map at (row, column).
    fn at(&self, row: usize, column: usize) -> (usize, usize) {
        let (across, down) = self.pitch();
        (
            self.side + self.gap + column * across,
            self.gap + self.text + row * down,
        )
    }

    /// From a map to the next one.
    fn pitch(&self) -> (usize, usize) {
        let down = self.tile.1.saturating_add(self.text);
        (
            self.tile.0.saturating_add(self.gap),
            down.saturating_add(self.gap),
        )
    }

    /// Width and height of a sheet of `count` maps.
    pub fn size(&self, count: usize) -> (usize, usize) {
        let columns = self.columns.max(1);
        self.size_of(count.div_ceil(columns), columns.min(count))
    }

    fn size_of(&self, rows: usize, columns: usize) -> (usize, usize) {
        let (across, down) = self.pitch();
        let side = |count: usize, pitch: usize| count.saturating_mul(pitch);
        (
            side(columns, across).saturating_add(self.side + self.gap),
            side(rows, down).saturating_add(self.gap),
        )
    }

    /// Draw `maps` in their order, row by row.
    ///
    /// # Errors
    /// If the picture would be huge.
    pub fn draw(&self, maps: &[&Heatmap]) -> Result<Picture, AttentionError> {
        self.draw_lines(&self.lines(maps, |_| String::new()))
    }

    /// `maps` in their order, row by row, with captions by their number.
    pub fn lines<'a>(
        &self,
        maps: &[&'a Heatmap],
        caption: impl Fn(usize) -> String,
    ) -> Vec<Line<'a>> {
        let cell = |(index, map): (usize, &&'a Heatmap)| Cell {
            map,
            caption: caption(index),
        };
        let cells: Vec<Cell<'_>> = maps.iter().enumerate().map(cell).collect();
        let line = |cells: &[Cell<'a>]| Line {
            caption: String::new(),
            cells: cells.to_vec(),
        };
        cells.chunks(self.columns.max(1)).map(line).collect()
    }

    /// Draw lines of maps, which may have different grids and numbers of maps:
    /// layer by layer, all attention heads. The captions are left to
    /// [`Sheet::captions`].
    ///
    /// # Errors
    /// If the picture would be huge.
    pub fn draw_lines(&self, lines: &[Line<'_>]) -> Result<Picture, AttentionError> {
        let columns = lines.iter().map(|line| line.cells.len()).max();
        let (width, height) = self.size_of(lines.len(), columns.unwrap_or(0));
        let mut sheet = Picture::filled(width, height, self.background)?;
        let all = || lines.iter().flat_map(|line| &line.cells);
        let maps: Vec<&Heatmap> = all().map(|cell| cell.map).collect();
        let shared = self.shared.then(|| self.style.range.of(&maps));
        for (row, line) in lines.iter().enumerate() {
            for (column, cell) in line.cells.iter().enumerate() {
                let range = shared.unwrap_or_else(|| self.style.range.of(&[cell.map]));
                self.draw_map(&mut sheet, self.at(row, column), cell.map, range)?;
            }
        }
        Ok(sheet)
    }

    fn draw_map(
        &self,
        sheet: &mut Picture,
        (left, top): (usize, usize),
        map: &Heatmap,
        range: (f32, f32),
    ) -> Result<(), AttentionError> {
        let mut tile = Picture::filled(self.tile.0, self.tile.1, [0; 3])?;
        let colors = Colors::new(map, &self.style, range);
        colors.blend(&mut tile, View::whole(self.tile), &covering(1.0, false));
        for (y, row) in tile.rgb.chunks_exact((3 * tile.width).max(1)).enumerate() {
            let to = 3 * ((top + y) * sheet.width + left);
            sheet.rgb[to..to + row.len()].copy_from_slice(row);
        }
        Ok(())
    }

    /// What is to be written on a sheet of `lines`, and where: above each map its
    /// caption, beside each line its own.
    pub fn captions(&self, lines: &[Line<'_>]) -> Vec<Caption> {
        let mut captions = Vec::new();
        let mut write = |text: &str, x: usize, y: f32| {
            if !text.is_empty() {
                captions.push(Caption {
                    text: text.to_owned(),
                    x: x as f32,
                    y,
                    size: self.text as f32,
                });
            }
        };
        for (row, line) in lines.iter().enumerate() {
            let (_, top) = self.at(row, 0);
            write(
                &line.caption,
                self.gap,
                top as f32 + self.tile.1 as f32 / 2.0,
            );
            for (column, cell) in line.cells.iter().enumerate() {
                let (left, _) = self.at(row, column);
                write(&cell.caption, left, top as f32 - self.text as f32 / 2.0);
            }
        }
        captions
    }
}

#[cfg(test)]
mod tests;
