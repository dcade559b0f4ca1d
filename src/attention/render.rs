//! Heatmaps as pictures: alone or over the photo.

use super::{AttentionError, ColorMap, Heatmap};
use crate::models::geometry::View;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Bytes that a picture may take.
const LIMIT: u64 = 2 << 30;

/// An 8-bit RGB picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `width * height * 3` bytes, row by row.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// One colour.
    ///
    /// # Errors
    /// If it would be huge.
    pub fn filled(width: usize, height: usize, color: [u8; 3]) -> Result<Self, AttentionError> {
        let bytes = (width as u64)
            .saturating_mul(height as u64)
            .saturating_mul(3);
        if bytes > LIMIT {
            return Err(AttentionError::TooLarge {
                what: "the picture",
                bytes,
                limit: LIMIT,
            });
        }
        Ok(Self {
            width,
            height,
            rgb: color.repeat(width * height),
        })
    }
}

/// What is drawn between the centres of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Each token is a square of one colour.
    #[default]
    Nearest,
    /// Values (not colours) are interpolated linearly.
    Bilinear,
}

/// Which values the ends of a colour map stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ValueRange {
    /// The smallest and the largest value there is.
    #[default]
    Full,
    /// These.
    Fixed {
        /// The lowest colour's value.
        low: f32,
        /// The highest colour's value.
        high: f32,
    },
    /// Percentiles (0 to 100, interpolated linearly, as numpy does), so that a
    /// few extreme tokens do not leave the rest in the dark.
    Percentiles {
        /// What the lowest colour stands for.
        low: f32,
        /// What the highest colour stands for.
        high: f32,
    },
    /// As far below zero as above it, so that zero has the middle colour: for
    /// differences. At least a millionth, as what is smaller is rounding.
    Symmetric,
}

impl ValueRange {
    /// The two values, over all of `maps` together: give one map for a range of
    /// its own, several for one that they share. (0, 0) without values.
    pub fn of(self, maps: &[&Heatmap]) -> (f32, f32) {
        let values = || maps.iter().flat_map(|map| &map.values).copied();
        match self {
            Self::Fixed { low, high } => (low, high),
            Self::Full => values()
                .map(|value| (value, value))
                .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
                .unwrap_or_default(),
            Self::Percentiles { low, high } => {
                let mut sorted: Vec<f32> = values().collect();
                sorted.sort_unstable_by(f32::total_cmp);
                (percentile(&sorted, low), percentile(&sorted, high))
            }
            Self::Symmetric => {
                let most = values().map(f32::abs).fold(1e-6, f32::max);
                (-most, most)
            }
        }
    }
}

fn percentile(sorted: &[f32], percent: f32) -> f32 {
    let last = sorted.len().saturating_sub(1);
    let at = (f64::from(percent) / 100.0).clamp(0.0, 1.0) * last as f64;
    let below = at as usize;
    let value = |index: usize| sorted.get(index.min(last)).copied().unwrap_or_default();
    let (low, high) = (value(below), value(below + 1));
    low + (high - low) * (at - below as f64) as f32
}

/// How values become colours.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Style {
    /// The colour map.
    pub colors: ColorMap,
    /// What is drawn between the centres of tokens.
    pub interpolation: Interpolation,
    /// Which values the colour map's ends stand for.
    pub range: ValueRange,
    /// Whether low values let the photo through in [`overlay`] (see [`fade`]),
    /// instead of covering it with the colour map's lowest colour. Pictures
    /// without a photo have nothing to let through.
    pub fades: bool,
}

/// How much of the photo a value (0 to 1) of a heatmap that fades covers, 0 to 1:
/// the lower half rises fast, so that all but the lowest values can be read.
pub fn fade(value: f32) -> f32 {
    const LEAST: f32 = 0.12;
    LEAST + (1.0 - LEAST) * value.powf(0.55)
}

/// Draw a heatmap alone, `width` × `height` pixels.
///
/// # Errors
/// If the picture would be huge.
pub fn render(
    map: &Heatmap,
    (width, height): (usize, usize),
    style: &Style,
) -> Result<Picture, AttentionError> {
    let mut picture = Picture::filled(width, height, [0; 3])?;
    let whole = View::whole((width, height));
    let colors = Colors::new(map, style, style.range.of(&[map]));
    colors.blend(&mut picture, whole, &covering(1.0, false));
    Ok(picture)
}

/// Draw a heatmap over a photo of `width` × `height` pixels (`rgb`, row by row).
/// `view` is the part of the photo that the map lies on (see
/// [`super::key_view`]); outside of it the photo stays as it is. `opacity` is
/// the heatmap's, from 0 to 1.
///
/// # Errors
/// If `rgb` does not have the photo's size or the picture would be huge.
pub fn overlay(
    rgb: &[u8],
    (width, height): (usize, usize),
    map: &Heatmap,
    view: View,
    style: &Style,
    opacity: f32,
) -> Result<Picture, AttentionError> {
    let mut picture = Picture::filled(width, height, [0; 3])?;
    if rgb.len() != picture.rgb.len() {
        return Err(AttentionError::PhotoSize {
            width,
            height,
            expected: picture.rgb.len(),
            found: rgb.len(),
        });
    }
    picture.rgb.copy_from_slice(rgb);
    let colors = Colors::new(map, style, style.range.of(&[map]));
    colors.blend(&mut picture, view, &covering(opacity, style.fades));
    Ok(picture)
}

/// How much of what is under it each step of a colour map covers, out of 256, so
/// that pixels are blended in whole numbers. `opacity` is from 0 to 1.
pub(super) fn covering(opacity: f32, fades: bool) -> [u32; 256] {
    let share = |step: usize| match fades {
        true => fade(step as f32 / 255.0),
        false => 1.0,
    };
    std::array::from_fn(|step| (opacity.clamp(0.0, 1.0) * share(step) * 256.0).round() as u32)
}

/// A heatmap about to be drawn.
pub(super) struct Colors<'a> {
    map: &'a Heatmap,
    style: &'a Style,
    low: f32,
    /// 1 / (high - low), or 0 where all values are the same.
    inverse: f32,
}

impl<'a> Colors<'a> {
    pub(super) fn new(map: &'a Heatmap, style: &'a Style, (low, high): (f32, f32)) -> Self {
        let inverse = if high > low { 1.0 / (high - low) } else { 0.0 };
        Self {
            map,
            style,
            low,
            inverse,
        }
    }

    /// Draw over the pixels of `picture` whose centres are in `view`;
    /// `covering` is that of each step of the colour map.
    pub(super) fn blend(&self, picture: &mut Picture, view: View, covering: &[u32; 256]) {
        let grid = self.map.grid;
        if picture.rgb.is_empty() || grid.is_empty() {
            return;
        }
        let axis = |pixels, start, end, tokens| {
            samples(pixels, (start, end), tokens, self.style.interpolation)
        };
        let columns = axis(picture.width, view.left, view.right, grid.columns);
        let rows = axis(picture.height, view.top, view.bottom, grid.rows);
        let lines = picture.rgb.par_chunks_mut(3 * picture.width).zip(&rows);
        lines.for_each_init(
            || vec![0.0; grid.columns],
            |line, (pixels, row)| {
                let Some(row) = row else { return };
                let token_row = |index: usize| &self.map.values[index * grid.columns..];
                let between = token_row(row.lower).iter().zip(token_row(row.upper));
                for (value, (lower, upper)) in line.iter_mut().zip(between) {
                    *value = lower + (upper - lower) * row.weight;
                }
                self.blend_line(pixels, line, &columns, covering);
            },
        );
    }

    fn blend_line(
        &self,
        pixels: &mut [u8],
        line: &[f32],
        columns: &[Option<Sample>],
        covering: &[u32; 256],
    ) {
        for (pixel, column) in pixels.chunks_exact_mut(3).zip(columns) {
            let Some(at) = column else { continue };
            let value = line[at.lower] + (line[at.upper] - line[at.lower]) * at.weight;
            let step = ColorMap::step_of((value - self.low) * self.inverse);
            let opacity = covering[usize::from(step)];
            let color = self.style.colors.step(step);
            for (under, over) in pixel.iter_mut().zip(color) {
                let mixed = u32::from(*under) * (256 - opacity) + u32::from(over) * opacity;
                *under = ((mixed + 128) >> 8) as u8;
            }
        }
    }
}

/// The tokens that a pixel lies between along one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) lower: usize,
    pub(super) upper: usize,
    /// Share of the upper one.
    pub(super) weight: f32,
}

/// For each pixel of an axis, what it shows of `tokens` that lie from `start`
/// to `end`; `None` for pixels whose centre is outside.
pub(super) fn samples(
    pixels: usize,
    (start, end): (f64, f64),
    tokens: usize,
    interpolation: Interpolation,
) -> Vec<Option<Sample>> {
    let sample = |pixel: usize| {
        let at = (pixel as f64 + 0.5 - start) / (end - start);
        if !(0.0..1.0).contains(&at) {
            return None;
        }
        let at = at * tokens as f64;
        // Values stand at the centres of tokens; beyond the outermost they stay.
        let centred = (at - 0.5).clamp(0.0, (tokens - 1) as f64);
        let (lower, weight) = match interpolation {
            Interpolation::Nearest => ((at as usize).min(tokens - 1), 0.0),
            Interpolation::Bilinear => (centred as usize, centred.fract() as f32),
        };
        // What has no share is not read: it could be no number.
        let upper = if weight > 0.0 { lower + 1 } else { lower };
        let upper = upper.min(tokens - 1);
        Some(Sample {
            lower,
            upper,
            weight,
        })
    };
    (0..pixels).map(sample).collect()
}

#[cfg(test)]
mod tests;
