//! Thumbnails of many heatmaps in one texture, so that all of them cost one
//! upload.

use egui::{Color32, ColorImage, Pos2, Rect, Vec2};
use rayon::prelude::*;

use super::head_grid::LayerThumbs;
use crate::attention::{ColorMap, Heatmap, ValueRange};
use crate::photo::resample::{Filter, resize};
use crate::ui::theme;

/// Largest thumbnail in texels, on each side.
pub const LARGEST: usize = 48;

/// Where thumbnails are in their common picture: layers from top to bottom,
/// attention heads from left to right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Width and height of a place in texels; a thumbnail may be smaller.
    place: [usize; 2],
    /// Places across and down.
    count: [usize; 2],
    /// Width and height that no thumbnail exceeds, in texels.
    limit: [usize; 2],
}

impl Sheet {
    /// A sheet with a place for each attention head of `layers`.
    fn new(layers: &[LayerThumbs<'_>], limit: [usize; 2]) -> Self {
        let limit = limit.map(|side| side.clamp(1, LARGEST));
        let maps = || layers.iter().flat_map(|layer| layer.maps);
        let sizes = || maps().filter_map(|map| size(map, limit));
        let most = |axis: usize| sizes().map(|size| size[axis]).max().unwrap_or_default();
        let heads = layers.iter().map(|layer| layer.maps.len()).max();
        Self {
            place: [most(0), most(1)],
            count: [heads.unwrap_or_default(), layers.len()],
            limit,
        }
    }

    /// Width and height in texels.
    fn size(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.place[axis] * self.count[axis])
    }

    /// The part of the texture with the thumbnail of `map`, in shares of its
    /// sides. Half a texel less on each side, so that neighbours do not shine
    /// through.
    pub fn uv(&self, map: &Heatmap, layer: usize, head: usize) -> Option<Rect> {
        let [width, height] = size(map, self.limit)?;
        let [across, down] = self.size().map(|side| side as f32);
        let left = (head * self.place[0]) as f32;
        let top = (layer * self.place[1]) as f32;
        let texels = Rect::from_min_max(
            Pos2::new(left + 0.5, top + 0.5),
            Pos2::new(left + width as f32 - 0.5, top + height as f32 - 0.5),
        );
        let share = |at: Pos2| (at.to_vec2() / Vec2::new(across, down)).to_pos2();
        Some(Rect::from_min_max(share(texels.min), share(texels.max)))
    }
}

/// Width and height of a map's thumbnail in texels; `None` if its values do not
/// fill its grid.
fn size(map: &Heatmap, limit: [usize; 2]) -> Option<[usize; 2]> {
    let fits = !map.grid.is_empty() && map.values.len() == map.grid.len();
    fits.then(|| [map.grid.columns.min(limit[0]), map.grid.rows.min(limit[1])])
}

/// Draw all thumbnails, at most `limit` (width, height) texels large: not more
/// than they are shown with, so that all tokens count. Each map has a range of
/// its own, or all share one.
pub fn draw(
    layers: &[LayerThumbs<'_>],
    colors: ColorMap,
    shared: bool,
    limit: [usize; 2],
) -> (Sheet, ColorImage) {
    let sheet = Sheet::new(layers, limit);
    let all: Vec<&Heatmap> = layers.iter().flat_map(|layer| layer.maps).collect();
    let shared = shared.then(|| ValueRange::Full.of(&all));
    let palette = std::array::from_fn(|step| theme::heat_color(colors, step as u8));
    let mut image = ColorImage::filled(sheet.size(), Color32::TRANSPARENT);
    let [width, _] = image.size;
    let rows = image.pixels.par_chunks_mut((width * sheet.place[1]).max(1));
    rows.zip(layers).for_each(|(pixels, layer)| {
        for (head, map) in layer.maps.iter().enumerate() {
            let range = shared.unwrap_or_else(|| ValueRange::Full.of(&[map]));
            let left = head * sheet.place[0];
            let place = pixels.chunks_exact_mut(width).map(|line| &mut line[left..]);
            paint(map, sheet.limit, range, &palette, place);
        }
    });
    (sheet, image)
}

/// Paint a thumbnail into the beginning of each line.
fn paint<'p>(
    map: &Heatmap,
    limit: [usize; 2],
    (low, high): (f32, f32),
    palette: &[Color32; 256],
    lines: impl Iterator<Item = &'p mut [Color32]>,
) {
    let Some([columns, rows]) = size(map, limit) else {
        return;
    };
    let scale = if high > low {
        256.0 / (high - low)
    } else {
        0.0
    };
    // Whole steps of the colour map; the conversion clamps, and makes 0 of NaN.
    let steps = map.values.iter();
    let steps: Vec<u8> = steps.map(|value| ((value - low) * scale) as u8).collect();
    let grid = (map.grid.columns, map.grid.rows);
    let steps = if grid == (columns, rows) {
        steps
    } else {
        resize(&steps, grid, 1, (columns, rows), Filter::Box)
    };
    for (line, steps) in lines.zip(steps.chunks_exact(columns)) {
        for (pixel, step) in line.iter_mut().zip(steps) {
            *pixel = palette[usize::from(*step)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::capture::Grid;
    use proptest::prelude::*;

    const ALL: [usize; 2] = [LARGEST; 2];

    fn map(rows: usize, columns: usize, value: impl Fn(usize) -> f32) -> Heatmap {
        let grid = Grid { rows, columns };
        Heatmap {
            grid,
            values: (0..grid.len()).map(value).collect(),
        }
    }

    fn layer(maps: &[Heatmap]) -> LayerThumbs<'_> {
        LayerThumbs {
            name: "layer",
            maps,
            reason: None,
            heads: maps.len(),
        }
    }

    fn grey(level: u8) -> Color32 {
        Color32::from_gray(level)
    }

    #[test]
    fn small_maps_have_a_texel_per_token() {
        let first = [map(1, 2, |at| at as f32), map(1, 2, |at| 1.0 - at as f32)];
        let second = [map(2, 1, |at| at as f32)];
        let (sheet, image) = draw(&[layer(&first), layer(&second)], ColorMap::Grey, false, ALL);
        assert_eq!(image.size, [4, 4]);
        let (black, white, none) = (grey(0), grey(255), Color32::TRANSPARENT);
        let rows: Vec<&[Color32]> = image.pixels.chunks(4).collect();
        assert_eq!(rows[0], [black, white, white, black]);
        assert_eq!(rows[1], [none; 4]);
        assert_eq!(rows[2], [black, none, none, none]);
        assert_eq!(rows[3], [white, none, none, none]);
        let uv = sheet.uv(&first[1], 0, 1).unwrap();
        assert_eq!(uv.min, Pos2::new(2.5 / 4.0, 0.5 / 4.0));
        assert_eq!(uv.max, Pos2::new(3.5 / 4.0, 0.5 / 4.0));
    }

    #[test]
    fn a_shared_range_makes_maps_comparable() {
        let maps = [map(1, 2, |at| at as f32 * 0.5), map(1, 2, |at| at as f32)];
        let (_, own) = draw(&[layer(&maps)], ColorMap::Grey, false, ALL);
        assert_eq!(own.pixels, [0, 255, 0, 255].map(grey));
        let (_, shared) = draw(&[layer(&maps)], ColorMap::Grey, true, ALL);
        assert_eq!(shared.pixels, [0, 128, 0, 255].map(grey));
    }

    #[test]
    fn large_maps_are_averaged_by_area() {
        // Every second column is bright: two tokens to a texel.
        let maps = [map(96, 96, |at| (at % 2) as f32)];
        let (_, image) = draw(&[layer(&maps)], ColorMap::Grey, false, ALL);
        assert_eq!(image.size, [48, 48]);
        assert!(image.pixels.iter().all(|pixel| *pixel == grey(128)));
        let (_, image) = draw(&[layer(&maps)], ColorMap::Grey, false, [12, 8]);
        assert_eq!(image.size, [12, 8]);
        assert!(image.pixels.iter().all(|pixel| *pixel == grey(128)));
    }

    #[test]
    fn what_does_not_fill_its_grid_stays_empty() {
        let mut broken = map(2, 2, |_| 1.0);
        broken.values.pop();
        let maps = [broken, map(2, 2, |_| f32::NAN)];
        let (sheet, image) = draw(&[layer(&maps)], ColorMap::Grey, true, ALL);
        assert_eq!(image.size, [4, 2]);
        assert!(sheet.uv(&maps[0], 0, 0).is_none());
        assert_eq!(image.pixels[0], Color32::TRANSPARENT);
        assert_eq!(image.pixels[2], grey(0));
        assert_eq!(draw(&[], ColorMap::Grey, false, ALL).1.size, [0, 0]);
        assert_eq!(
            draw(&[layer(&[])], ColorMap::Grey, true, ALL).1.size,
            [0, 0]
        );
    }

    proptest! {
        #[test]
        fn thumbnails_stay_in_their_places(
            grids in prop::collection::vec((0usize..70, 0usize..70), 1..6),
            heads in 0usize..4,
            shared in any::<bool>(),
            limit in (0usize..60, 0usize..60).prop_map(|(width, height)| [width, height]),
        ) {
            let layers: Vec<Vec<Heatmap>> = grids.iter()
                .map(|(rows, columns)| vec![map(*rows, *columns, |at| at as f32); heads])
                .collect();
            let layers: Vec<LayerThumbs<'_>> = layers.iter().map(|maps| layer(maps)).collect();
            let (sheet, image) = draw(&layers, ColorMap::Viridis, shared, limit);
            for (at, layer) in layers.iter().enumerate() {
                for (head, map) in layer.maps.iter().enumerate() {
                    let Some(uv) = sheet.uv(map, at, head) else { continue };
                    prop_assert!(Rect::from_min_max(Pos2::ZERO, Pos2::new(1.0, 1.0)).contains_rect(uv));
                    let x = (uv.min.x * image.size[0] as f32) as usize;
                    let y = (uv.min.y * image.size[1] as f32) as usize;
                    prop_assert_ne!(image.pixels[y * image.size[0] + x], Color32::TRANSPARENT);
                }
            }
        }
    }
}
