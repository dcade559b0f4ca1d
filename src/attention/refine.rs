//! From sets of tokens to pixels of the photo.

use super::guided::{Linear, coefficients};
use super::query::edges;
use super::render::{Interpolation, Sample, samples};
use super::{AttentionError, Heatmap, TokenMask};
use crate::label::{Mask, Span};
use crate::models::geometry::View;
use crate::nn::capture::Grid;
use crate::photo::resample::{Filter, resize};
use crate::task::Task;
use rayon::prelude::*;
use std::ops::Range;

/// Longest side of a guide in pixels.
const LONG_SIDE: usize = 1024;
/// Pixels on which the coefficients of the filter are found at most, a quarter
/// of a full guide: 35 MB of sums.
const FIT_PIXELS: usize = 512 * 512;
/// What belongs to the mask, of the filtered map.
const THRESHOLD: f32 = 0.5;
/// The share of its area that each connected part of the tokens keeps, where
/// smoothing would leave less.
const KEPT: f64 = 0.6;
/// The lowest threshold for that.
const LEAST: f32 = 0.02;
/// Areas and holes smaller than this share of a token are specks.
const SPECK: f64 = 0.25;

/// The exact rectangles of `tokens` as pixels of a photo of (width, height)
/// pixels, of which `view` is under their grid: a pixel belongs to the token
/// that holds its centre.
pub fn blocky(tokens: &TokenMask, view: View, (width, height): (usize, usize)) -> Mask {
    let clip = |edges: Vec<u32>, side: usize| -> Vec<u32> {
        let side = u32::try_from(side).unwrap_or(u32::MAX);
        edges.into_iter().map(|edge| edge.min(side)).collect()
    };
    let rows = clip(edges(view.top, view.bottom, tokens.grid.rows), height);
    let columns = clip(edges(view.left, view.right, tokens.grid.columns), width);
    let spans = tokens.tokens().into_iter().flat_map(|(row, column)| {
        let (x0, x1) = (columns[column], columns[column + 1]);
        (rows[row]..rows[row + 1]).map(move |y| Span::new(y, x0, x1))
    });
    Mask::from_spans(spans.collect())
}

/// A photo as a guide for refining sets of tokens to pixels: a copy of at most
/// 1024 pixels on the longer side. Prepare it once per photo.
///
/// The guided filter (He, Sun & Tang 2013) explains the tokens by the colours
/// around them, so that the mask ends where colours change.
#[derive(Clone, Debug)]
pub struct Guide {
    /// Width and height of the copy.
    size: (usize, usize),
    /// The copy: 8-bit RGB, row by row.
    rgb: Vec<u8>,
    /// Width and height of the photo.
    photo: (usize, usize),
}

impl Guide {
    /// The guide of a photo of (width, height) pixels (`rgb`, row by row).
    ///
    /// # Errors
    /// If `rgb` does not have the photo's size; [`AttentionError::Cancelled`].
    pub fn new(
        rgb: &[u8],
        (width, height): (usize, usize),
        task: Task<'_>,
    ) -> Result<Self, AttentionError> {
        task.check()?;
        let expected = width.saturating_mul(height).saturating_mul(3);
        if rgb.len() != expected {
            return Err(AttentionError::PhotoSize {
                width,
                height,
                expected,
                found: rgb.len(),
            });
        }
        if expected == 0 {
            return Err(AttentionError::EmptyPhoto);
        }
        let long = width.max(height);
        let side = |side: usize| (side * LONG_SIDE.min(long)).div_ceil(long).max(1);
        let (photo, size) = ((width, height), (side(width), side(height)));
        let rgb = if size == photo {
            rgb.to_vec()
        } else {
            resize(rgb, photo, 3, size, Filter::Box)
        };
        Ok(Self { size, rgb, photo })
    }

    /// Bytes that this guide holds: at most 3 MiB. Refining takes up to 45 MB
    /// more while it runs.
    pub fn bytes(&self) -> usize {
        self.rgb.len()
    }

    /// The pixels of the photo that belong to the tokens with values of about
    /// 0.5 and more in `soft` (0 to 1; of a [`TokenMask`]: [`TokenMask::heatmap`]).
    /// `view` is the part of the photo under the grid.
    ///
    /// The mask follows the photo's edges where there are some within about a
    /// token, and is smooth elsewhere. Parts of a few tokens, which the filter
    /// would smooth away, keep the pixels that fit them best. It never reaches further than one token
    /// from those of at least 0.5. Specks and holes of less than a quarter of a
    /// token are dropped and filled. Values that are no numbers count as 0.
    ///
    /// # Errors
    /// If `soft` lacks values; [`AttentionError::Cancelled`].
    pub fn refine(
        &self,
        soft: &Heatmap,
        view: View,
        task: Task<'_>,
    ) -> Result<Mask, AttentionError> {
        check(soft)?;
        let soft = clean(soft);
        let tokens = TokenMask::at_least(&soft, THRESHOLD);
        if tokens.is_empty() {
            return Ok(Mask::empty());
        }
        let token = (
            view.width() / soft.grid.columns as f64,
            view.height() / soft.grid.rows as f64,
        );
        task.check()?;
        let fit = self.fit(&soft, view, token);
        task.check()?;
        let filtered = self.apply(&fit);
        task.check()?;
        let filtered = self.lifted(filtered, &tokens, view);
        task.check()?;
        let mask = Mask::from_spans(spans(&filtered, self.size, self.photo));
        let mask = mask.intersect(&blocky(&tokens.dilated(), view, self.photo));
        // The conversion saturates.
        let speck = (SPECK * token.0 * token.1).ceil() as u64;
        Ok(mask.drop_islands_below(speck).fill_holes_below(speck))
    }

    /// The filter's coefficients, on a copy of the guide that is coarser where
    /// the windows are large (He & Sun 2015): a window then has at least four
    /// pixels to each side, which loses nothing that one could see.
    fn fit(&self, soft: &Heatmap, view: View, token: (f64, f64)) -> Fit {
        let scale = self.size.0 as f64 / self.photo.0 as f64;
        // About one token; the conversion saturates.
        let radius = ((token.0 * token.1).sqrt() * scale).round() as usize;
        let (width, height) = self.size;
        let crowded = (width * height).div_ceil(FIT_PIXELS).isqrt();
        let step = (radius / 4).max(crowded).clamp(1, width.max(height));
        let size = (width.div_ceil(step), height.div_ceil(step));
        let rgb = resize(&self.rgb, self.size, 3, size, Filter::Box);
        let guide: Vec<[f32; 3]> = rgb.as_chunks().0.iter().map(|rgb| color(*rgb)).collect();
        let map = upsampled(soft, self.scaled(view, size), size);
        let radius = (radius / step).clamp(1, width.max(height));
        Fit {
            size,
            linear: coefficients(&guide, &map, size, radius),
        }
    }

    /// The filtered map, lifted around those connected parts of `tokens` of which
    /// it leaves too little.
    fn lifted(&self, filtered: Vec<f32>, tokens: &TokenMask, view: View) -> Vec<f32> {
        let (view, width) = (self.scaled(view, self.size), self.size.0);
        let mut lifted = None;
        for part in tokens.components() {
            // The conversion saturates.
            let wanted = KEPT * blocky(&part, view, self.size).area() as f64;
            let zone = blocky(&part.dilated(), view, self.size);
            let values = under(&filtered, width, &zone);
            let Some(lift) = lift(values, wanted.ceil() as usize) else {
                continue;
            };
            let lifted = lifted.get_or_insert_with(|| filtered.clone());
            for span in zone.spans() {
                // Where the surroundings of two parts overlap, the better fit counts.
                let pixels = lifted[places(span, width)].iter_mut();
                let pixels = pixels.zip(&filtered[places(span, width)]);
                pixels.for_each(|(pixel, value)| *pixel = pixel.max(value + lift));
            }
        }
        lifted.unwrap_or(filtered)
    }

    /// A part of the photo, in pixels of a copy of `size`.
    fn scaled(&self, view: View, size: (usize, usize)) -> View {
        let across = size.0 as f64 / self.photo.0 as f64;
        let down = size.1 as f64 / self.photo.1 as f64;
        View {
            left: view.left * across,
            top: view.top * down,
            right: view.right * across,
            bottom: view.bottom * down,
        }
    }

    /// The filtered map: the coefficients, brought to the guide's pixels, applied
    /// to their colours.
    fn apply(&self, fit: &Fit) -> Vec<f32> {
        let (width, height) = self.size;
        let columns = stretched(width, fit.size.0);
        let rows = stretched(height, fit.size.1);
        let mut filtered = vec![0.0; width * height];
        let lines = filtered
            .par_chunks_mut(width)
            .zip(self.rgb.par_chunks(3 * width));
        lines.zip(&rows).for_each_init(
            || vec![[0.0; 4]; fit.size.0],
            |line, ((out, rgb), row)| {
                let own = |y: usize| &fit.linear[y * fit.size.0..][..fit.size.0];
                let between = own(row.lower).iter().zip(own(row.upper));
                for (at, (lower, upper)) in line.iter_mut().zip(between) {
                    *at = mixed(lower, upper, row.weight);
                }
                let pixels = out.iter_mut().zip(rgb.as_chunks().0);
                for ((out, rgb), at) in pixels.zip(&columns) {
                    let [r, g, b, offset] = mixed(&line[at.lower], &line[at.upper], at.weight);
                    let color = color(*rgb);
                    *out = r * color[0] + g * color[1] + b * color[2] + offset;
                }
            },
        );
        filtered
    }
}

/// The values of `map`, rows of `width`, under a mask.
fn under(map: &[f32], width: usize, mask: &Mask) -> Vec<f32> {
    let spans = mask.spans().iter();
    spans
        .flat_map(|span| &map[places(span, width)])
        .copied()
        .collect()
}

/// Where the pixels of a span are in rows of `width`.
fn places(span: &Span, width: usize) -> Range<usize> {
    let start = span.y as usize * width;
    start + span.x0 as usize..start + span.x1 as usize
}

/// How much the values of a part have to be lifted so that `wanted` of them pass
/// the threshold; not at all if they do.
fn lift(mut values: Vec<f32>, wanted: usize) -> Option<f32> {
    let inside = values.iter().filter(|value| **value > THRESHOLD).count();
    if inside >= wanted || values.len() < wanted {
        return None;
    }
    let (_, lowest, _) = values.select_nth_unstable_by(wanted - 1, |a, b| b.total_cmp(a));
    // Just above the threshold.
    let lift = THRESHOLD * 1.001 - lowest.max(LEAST);
    (lift > 0.0).then_some(lift)
}

/// The filter's coefficients on a grid of (width, height).
struct Fit {
    size: (usize, usize),
    linear: Vec<Linear>,
}

fn color(rgb: [u8; 3]) -> [f32; 3] {
    rgb.map(|value| f32::from(value) / 255.0)
}

fn mixed(lower: &Linear, upper: &Linear, weight: f32) -> Linear {
    std::array::from_fn(|i| lower[i] + (upper[i] - lower[i]) * weight)
}

fn check(soft: &Heatmap) -> Result<(), AttentionError> {
    let Grid { rows, columns } = soft.grid;
    if soft.values.len() != soft.grid.len() {
        return Err(AttentionError::ValueCount {
            what: "a map",
            rows,
            columns,
            expected: soft.grid.len(),
            found: soft.values.len(),
        });
    }
    Ok(())
}

/// Values from 0 to 1.
fn clean(soft: &Heatmap) -> Heatmap {
    // The maximum of NaN and 0 is 0.
    let value = |value: &f32| value.clamp(0.0, 1.0).max(0.0);
    Heatmap {
        grid: soft.grid,
        values: soft.values.iter().map(value).collect(),
    }
}

/// `map`, which lies on `view`, on a picture of (width, height) pixels: bilinear
/// between the centres of tokens, 0 outside of the view.
fn upsampled(map: &Heatmap, view: View, (width, height): (usize, usize)) -> Vec<f32> {
    let (grid, bilinear) = (map.grid, Interpolation::Bilinear);
    let columns = samples(width, (view.left, view.right), grid.columns, bilinear);
    let rows = samples(height, (view.top, view.bottom), grid.rows, bilinear);
    let value = |row: &Sample, column: &Sample| {
        let line = |row: usize| {
            let line = &map.values[row * grid.columns..];
            line[column.lower] + (line[column.upper] - line[column.lower]) * column.weight
        };
        line(row.lower) + (line(row.upper) - line(row.lower)) * row.weight
    };
    let pixel = |row: &Option<Sample>, column: &Option<Sample>| {
        row.as_ref()
            .zip(column.as_ref())
            .map_or(0.0, |(row, column)| value(row, column))
    };
    rows.iter()
        .flat_map(|row| columns.iter().map(move |column| pixel(row, column)))
        .collect()
}

/// Where each of `pixels` along an axis lies between `coarse` ones that cover
/// the same.
fn stretched(pixels: usize, coarse: usize) -> Vec<Sample> {
    let samples = samples(
        pixels,
        (0.0, pixels as f64),
        coarse,
        Interpolation::Bilinear,
    );
    samples.into_iter().flatten().collect()
}

/// The pixels of a photo of (width, height) pixels where `map`, which covers it
/// with `size` pixels and is linear between their centres, exceeds
/// [`THRESHOLD`].
fn spans(map: &[f32], size: (usize, usize), (width, height): (usize, usize)) -> Vec<Span> {
    let rows = stretched(height, size.1);
    let pitch = width as f64 / size.0 as f64;
    let rows = rows.par_iter().enumerate().map_init(
        || vec![0.0; size.0],
        |line, (y, row)| {
            let own = |y: usize| &map[y * size.0..][..size.0];
            let between = own(row.lower).iter().zip(own(row.upper));
            for (value, (lower, upper)) in line.iter_mut().zip(between) {
                *value = lower + (upper - lower) * row.weight;
            }
            row_spans(line, pitch, (y, width))
        },
    );
    rows.collect::<Vec<_>>().concat()
}

/// The spans of row `y` of `width` pixels, on which values stand `pitch` pixels
/// apart.
fn row_spans(line: &[f32], pitch: f64, (y, width): (usize, usize)) -> Vec<Span> {
    let mut crossings = Vec::new();
    let inside = |value: f32| value > THRESHOLD;
    if line.first().is_some_and(|value| inside(*value)) {
        crossings.push(0);
    }
    for (index, two) in line.windows(2).enumerate() {
        if inside(two[0]) != inside(two[1]) {
            let between = f64::from((THRESHOLD - two[0]) / (two[1] - two[0]));
            let x = (index as f64 + 0.5 + between) * pitch;
            // The first pixel whose centre is beyond; the conversion saturates.
            crossings.push(((x - 0.5).ceil() as usize).min(width));
        }
    }
    if crossings.len() % 2 == 1 {
        crossings.push(width);
    }
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let span = |ends: &[usize; 2]| Span::new(side(y), side(ends[0]), side(ends[1]));
    crossings.as_chunks().0.iter().map(span).collect()
}

#[cfg(test)]
mod tests;
