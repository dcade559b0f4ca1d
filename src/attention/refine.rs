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
use zone::{Zone, covering, spans, stretched};

mod zone;

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
/// Pixels of the guide beyond the tokens around a set that are looked at: between
/// two of them lie those of the photo at the edge.
const BEYOND: usize = 2;
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

    /// Refine one set of tokens: see [`Refiner::refine`].
    ///
    /// # Errors
    /// If `soft` lacks values; [`AttentionError::Cancelled`].
    pub fn refine(
        &self,
        soft: &Heatmap,
        view: View,
        task: Task<'_>,
    ) -> Result<Mask, AttentionError> {
        task.check()?;
        self.refiner(soft.grid, view).refine(soft, task)
    }

    /// Prepare for refining several sets of tokens of a grid, with `view` the part
    /// of the photo under that: what a small set then costs goes by its size, not
    /// by the photo's.
    ///
    /// The filter's coefficients are found on a copy of the guide that is coarser
    /// where the windows are large (He & Sun 2015): a window then has at least
    /// four pixels to each side, which loses nothing that one could see.
    pub fn refiner(&self, grid: Grid, view: View) -> Refiner<'_> {
        let token = (
            view.width() / grid.columns as f64,
            view.height() / grid.rows as f64,
        );
        let scale = self.size.0 as f64 / self.photo.0 as f64;
        // About one token; the conversion saturates.
        let radius = ((token.0 * token.1).sqrt() * scale).round() as usize;
        let (width, height) = self.size;
        let crowded = (width * height).div_ceil(FIT_PIXELS).isqrt();
        let step = (radius / 4).max(crowded).clamp(1, width.max(height));
        let coarse = (width.div_ceil(step), height.div_ceil(step));
        let rgb = resize(&self.rgb, self.size, 3, coarse, Filter::Box);
        Refiner {
            guide: self,
            grid,
            view,
            token,
            radius: (radius / step).clamp(1, width.max(height)),
            coarse,
            colors: rgb.as_chunks().0.iter().map(|rgb| color(*rgb)).collect(),
        }
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
}

/// A [`Guide`] that is ready for sets of tokens of one grid.
#[derive(Clone, Debug)]
pub struct Refiner<'g> {
    guide: &'g Guide,
    grid: Grid,
    /// The part of the photo under the grid.
    view: View,
    /// Width and height of a token in pixels of the photo.
    token: (f64, f64),
    /// Of the filter's windows, in pixels of the coarse copy.
    radius: usize,
    /// Width and height of the coarse copy.
    coarse: (usize, usize),
    /// The coarse copy.
    colors: Vec<[f32; 3]>,
}

impl Refiner<'_> {
    /// The pixels of the photo that belong to the tokens with values of about
    /// 0.5 and more in `soft` (0 to 1; of a [`TokenMask`]: [`TokenMask::heatmap`]).
    ///
    /// The mask follows the photo's edges where there are some within about a
    /// token, and is smooth elsewhere. Parts of a few tokens, which the filter
    /// would smooth away, keep the pixels that fit them best. It never reaches
    /// further than one token from those of at least 0.5. Specks and holes of
    /// less than a quarter of a token are dropped and filled. Values that are no
    /// numbers count as 0.
    ///
    /// # Errors
    /// If `soft` lacks values or has another grid; [`AttentionError::Cancelled`].
    pub fn refine(&self, soft: &Heatmap, task: Task<'_>) -> Result<Mask, AttentionError> {
        check(soft)?;
        if soft.grid != self.grid {
            let size = |grid: Grid| (grid.rows, grid.columns);
            return Err(AttentionError::OtherGrid {
                chosen: size(soft.grid),
                found: size(self.grid),
            });
        }
        let soft = clean(soft);
        let tokens = TokenMask::at_least(&soft, THRESHOLD);
        let reached = tokens.dilated();
        let Some(zone) = self.zone(&reached) else {
            return Ok(Mask::empty());
        };
        task.check()?;
        let fit = self.fit(&soft, &zone);
        task.check()?;
        let filtered = self.apply(&fit, &zone);
        task.check()?;
        let filtered = self.lifted(filtered, &tokens, &zone);
        task.check()?;
        let photo = self.guide.photo;
        let mask = Mask::from_spans(spans(&filtered, &zone, self.guide.size, photo));
        let mask = mask.intersect(&blocky(&reached, self.view, photo));
        // The conversion saturates.
        let speck = (SPECK * self.token.0 * self.token.1).ceil() as u64;
        Ok(mask.drop_islands_below(speck).fill_holes_below(speck))
    }

    /// The pixels of the guide around `tokens`, and some more: nothing beyond them
    /// belongs to the mask. `None` if there are none.
    fn zone(&self, tokens: &TokenMask) -> Option<Zone> {
        let places = tokens.tokens();
        let rows = || places.iter().map(|(row, _)| *row);
        let columns = || places.iter().map(|(_, column)| *column);
        let first = (rows().min()?, columns().min()?);
        let last = (rows().max()?, columns().max()?);
        let view = self.guide.scaled(self.view, self.guide.size);
        let first = view.image_from_token(self.grid, first.0, first.1);
        let last = view.image_from_token(self.grid, last.0, last.1);
        let (width, height) = self.guide.size;
        let zone = Zone {
            x: covering(first.left, last.right, BEYOND, width),
            y: covering(first.top, last.bottom, BEYOND, height),
        };
        (!zone.x.is_empty() && !zone.y.is_empty()).then_some(zone)
    }

    /// The filter's coefficients for the pixels of a zone.
    fn fit(&self, soft: &Heatmap, zone: &Zone) -> Fit {
        let (width, height) = self.coarse;
        let (across, down) = (
            width as f64 / self.guide.size.0 as f64,
            height as f64 / self.guide.size.1 as f64,
        );
        // Two means of windows, and the pixels between which others lie: what is
        // further away has no part in it.
        let beyond = 2 * self.radius + 2;
        let part = |at: &Range<usize>, scale: f64, side: usize| {
            let (start, end) = (at.start as f64 * scale, at.end as f64 * scale);
            covering(start, end, beyond, side)
        };
        let part = Zone {
            x: part(&zone.x, across, width),
            y: part(&zone.y, down, height),
        };
        let map = upsampled(
            soft,
            self.guide.scaled(self.view, self.coarse),
            &part,
            self.coarse,
        );
        let row = |y: usize| &self.colors[y * width..][part.x.clone()];
        let colors: Vec<[f32; 3]> = part.y.clone().flat_map(row).copied().collect();
        Fit {
            linear: coefficients(&colors, &map, part.size(), self.radius),
            part,
        }
    }

    /// The filtered map, lifted around those connected parts of `tokens` of which
    /// it leaves too little.
    fn lifted(&self, filtered: Vec<f32>, tokens: &TokenMask, zone: &Zone) -> Vec<f32> {
        let view = zone.counted_from(self.guide.scaled(self.view, self.guide.size));
        let (size, width) = (zone.size(), zone.x.len());
        let mut lifted = None;
        for part in tokens.components() {
            // The conversion saturates.
            let wanted = KEPT * blocky(&part, view, size).area() as f64;
            let zone = blocky(&part.dilated(), view, size);
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

    /// The filtered map in a zone: the coefficients, brought to the guide's
    /// pixels, applied to their colours.
    fn apply(&self, fit: &Fit, zone: &Zone) -> Vec<f32> {
        let (width, height) = self.guide.size;
        let columns = &stretched(width, self.coarse.0)[zone.x.clone()];
        let rows = &stretched(height, self.coarse.1)[zone.y.clone()];
        let (left, top, stride) = (fit.part.x.start, fit.part.y.start, fit.part.x.len());
        let mut filtered = vec![0.0; zone.x.len() * zone.y.len()];
        let lines = filtered.par_chunks_mut(zone.x.len());
        let lines = lines.zip(self.guide.rgb.par_chunks(3 * width).skip(zone.y.start));
        lines.zip(rows).for_each_init(
            || vec![[0.0; 4]; stride],
            |line, ((out, rgb), row)| {
                let own = |y: usize| &fit.linear[(y - top) * stride..][..stride];
                let between = own(row.lower).iter().zip(own(row.upper));
                for (at, (lower, upper)) in line.iter_mut().zip(between) {
                    *at = mixed(lower, upper, row.weight);
                }
                let pixels = out.iter_mut().zip(&rgb.as_chunks().0[zone.x.clone()]);
                for ((out, rgb), at) in pixels.zip(columns) {
                    let (lower, upper) = (&line[at.lower - left], &line[at.upper - left]);
                    let [r, g, b, offset] = mixed(lower, upper, at.weight);
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

/// The filter's coefficients on a part of the coarse copy.
struct Fit {
    part: Zone,
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

/// `map`, which lies on `view`, on a part of a picture of (width, height) pixels:
/// bilinear between the centres of tokens, 0 outside of the view.
fn upsampled(map: &Heatmap, view: View, part: &Zone, (width, height): (usize, usize)) -> Vec<f32> {
    let (grid, bilinear) = (map.grid, Interpolation::Bilinear);
    let columns = samples(width, (view.left, view.right), grid.columns, bilinear);
    let rows = samples(height, (view.top, view.bottom), grid.rows, bilinear);
    let (columns, rows) = (&columns[part.x.clone()], &rows[part.y.clone()]);
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

#[cfg(test)]
mod tests;
