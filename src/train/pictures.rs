//! From a photo with its labels to what a network is shown: scaled, cropped,
//! turned, coloured anew.

use super::{Map, OUTSIDE, Random};
use crate::photo::resample::{self, Filter};

/// Mean of the photos of ImageNet, red, green, blue, 0..=1.
pub(super) const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Their standard deviation.
pub(super) const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// A side that networks can halve four times.
const MULTIPLE: usize = 16;

/// A decoded photo and its labels, as read.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub rows: usize,
    pub columns: usize,
    /// `rows * columns * 3` bytes.
    pub rgb: Vec<u8>,
    /// Merged ids.
    pub labels: Vec<u8>,
    /// 0 for none.
    pub instances: Option<Vec<u16>>,
}

/// What may happen to a photo at random.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chances {
    pub crop: usize,
    pub long_edge: usize,
    pub scale: [f32; 2],
    pub any_orientation: bool,
    pub invert: bool,
}

/// A square part of a photo, with the labels of its pixels.
pub(super) struct Part {
    pub map: Map,
    pub labels: Vec<u8>,
    /// 0, 1, or 255 where it is unknown.
    pub boundary: Vec<u8>,
}

/// Which source samples an output sample is made of.
struct Taps {
    first: usize,
    weights: Vec<f32>,
    /// The source sample under its centre.
    nearest: usize,
}

/// Output samples along one axis; `None` beyond the edges of the photo.
type Axis = Vec<Option<Taps>>;

/// `count` samples of an axis of `source` samples that was scaled by `factor`,
/// from the scaled position `start` on. Triangle filter, stretched when shrinking.
fn axis(source: usize, factor: f64, start: f64, count: usize) -> Axis {
    let stretch = (1.0 / factor).max(1.0);
    let tap = |i: usize| {
        let centre = (start + i as f64 + 0.5) / factor;
        if !(0.0..source as f64).contains(&centre) {
            return None;
        }
        // casts saturate: below zero is zero
        let first = (centre - stretch + 0.5) as usize;
        let end = ((centre + stretch + 0.5) as usize).clamp(first + 1, source.max(first + 1));
        let weight = |s: usize| 1.0 - ((s as f64 + 0.5 - centre) / stretch).abs();
        let mut weights: Vec<f32> = (first..end.min(source))
            .map(|s| weight(s).max(0.0) as f32)
            .collect();
        let total: f32 = weights.iter().sum();
        if total > 0.0 {
            weights.iter_mut().for_each(|w| *w /= total);
        }
        Some(Taps {
            first,
            weights,
            nearest: (centre as usize).min(source - 1),
        })
    };
    (0..count).map(tap).collect()
}

/// A random part of a photo, changed at random.
pub(super) fn part(raw: &Raw, chances: &Chances, random: &mut Random) -> Part {
    let side = chances.crop;
    let scale = f64::from(random.factor(chances.scale[0], chances.scale[1]));
    let factor = chances.long_edge as f64 * scale / raw.rows.max(raw.columns) as f64;
    let mut axis_of = |length: usize, may_flip: bool| {
        let spare = length as f64 * factor - side as f64;
        let start = spare * random.unit();
        let mut axis = axis(length, factor, start, side);
        if may_flip && random.chance(0.5) {
            axis.reverse();
        }
        axis
    };
    let rows = axis_of(raw.rows, chances.any_orientation);
    let columns = axis_of(raw.columns, true);
    let mut values = resampled(raw, &rows, &columns);
    let mut labels = nearest(&raw.labels, raw.columns, &rows, &columns, OUTSIDE);
    let mut boundary = match &raw.instances {
        Some(ids) => {
            let ids = nearest(ids, raw.columns, &rows, &columns, u16::MAX);
            rims(&ids, &labels, [side, side])
        }
        None => vec![u8::MAX; side * side],
    };
    recolor(&mut values, &labels, chances.invert, random);
    if chances.any_orientation && random.chance(0.5) {
        values = transposed(&values, side, 3);
        labels = transposed(&labels, side, 1);
        boundary = transposed(&boundary, side, 1);
    }
    Part {
        map: Map {
            values,
            size: [side, side, 3],
        },
        labels,
        boundary,
    }
}

/// The photo on the grid of two axes: RGB 0..=1, and 0 outside.
fn resampled(raw: &Raw, rows: &Axis, columns: &Axis) -> Vec<f32> {
    let pitch = columns.len() * 3;
    let mut out = vec![0.0; rows.len() * pitch];
    let used = || rows.iter().flatten();
    let Some(first) = used().map(|taps| taps.first).min() else {
        return out;
    };
    let end = used().map(|taps| taps.first + taps.weights.len()).max();
    let end = end.unwrap_or(first);
    let mut narrow = vec![0.0; (end - first) * pitch];
    for (row, narrow) in (first..end).zip(narrow.chunks_exact_mut(pitch)) {
        let (pixels, _) = raw.rgb[row * raw.columns * 3..][..raw.columns * 3].as_chunks::<3>();
        for (taps, out) in columns.iter().zip(narrow.as_chunks_mut::<3>().0) {
            let Some(taps) = taps else { continue };
            for (pixel, weight) in pixels[taps.first..].iter().zip(&taps.weights) {
                for (out, value) in out.iter_mut().zip(pixel) {
                    *out += weight * f32::from(*value);
                }
            }
        }
    }
    for (taps, out) in rows.iter().zip(out.chunks_exact_mut(pitch)) {
        let Some(taps) = taps else { continue };
        let rows = narrow[(taps.first - first) * pitch..].chunks_exact(pitch);
        for (row, weight) in rows.zip(&taps.weights) {
            let weight = weight / 255.0;
            out.iter_mut().zip(row).for_each(|(o, v)| *o += weight * v);
        }
    }
    out
}

/// Numbers of pixels on the grid of two axes; `outside` beyond the photo.
fn nearest<T: Copy>(map: &[T], pitch: usize, rows: &Axis, columns: &Axis, outside: T) -> Vec<T> {
    let mut out = Vec::with_capacity(rows.len() * columns.len());
    for row in rows {
        let Some(row) = row else {
            out.extend(std::iter::repeat_n(outside, columns.len()));
            continue;
        };
        let row = &map[row.nearest * pitch..][..pitch];
        let value = |taps: &Option<Taps>| taps.as_ref().map_or(outside, |t| row[t.nearest]);
        out.extend(columns.iter().map(value));
    }
    out
}

/// Which pixels of objects have a pixel of another object, or of none, among
/// their eight neighbours in the photo: 1, others 0, unlabelled ones 255.
/// Both maps have `rows` × `columns` pixels.
pub(super) fn rims(ids: &[u16], labels: &[u8], [rows, columns]: [usize; 2]) -> Vec<u8> {
    let is_rim = |row: usize, column: usize| {
        let own = ids[row * columns + column];
        own != 0
            && (row.saturating_sub(1)..rows.min(row + 2)).any(|r| {
                (column.saturating_sub(1)..columns.min(column + 2)).any(|c| {
                    let at = r * columns + c;
                    ids[at] != own && labels[at] != OUTSIDE
                })
            })
    };
    (0..ids.len())
        .map(|at| match labels[at] {
            OUTSIDE | u8::MAX => u8::MAX,
            _ => u8::from(is_rim(at / columns, at % columns)),
        })
        .collect()
}

/// Change brightness, contrast, saturation and hue at random, and normalise.
/// Pixels outside become 0: the mean colour.
fn recolor(values: &mut [f32], labels: &[u8], may_invert: bool, random: &mut Random) {
    let brightness = random.factor(0.7, 1.4);
    let contrast = random.factor(0.7, 1.4);
    let saturation = random.factor(0.6, 1.6);
    let turn = random.between(-0.15, 0.15);
    let is_grey = random.chance(0.1);
    let inverts = random.chance(0.3) && may_invert;
    let saturation = if is_grey { 0.0 } else { saturation };
    let (sin, cos) = (saturation * turn.sin(), saturation * turn.cos());
    let (pixels, _) = values.as_chunks_mut::<3>();
    let luma = |p: &[f32; 3]| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
    let inside = || labels.iter().filter(|label| **label != OUTSIDE);
    let total: f64 = pixels.iter().map(|p| f64::from(luma(p))).sum();
    let mean = (total / inside().count().max(1) as f64) as f32;
    for (pixel, label) in pixels.iter_mut().zip(labels) {
        if *label == OUTSIDE {
            continue;
        }
        // luminance stays; the two colour axes (YIQ) are scaled and turned
        let y = luma(pixel);
        let [r, g, b] = *pixel;
        let i = 0.596 * r - 0.274 * g - 0.322 * b;
        let q = 0.211 * r - 0.523 * g + 0.312 * b;
        let (i, q) = (cos * i - sin * q, sin * i + cos * q);
        let rgb = [
            y + 0.956 * i + 0.621 * q,
            y - 0.272 * i - 0.647 * q,
            y - 1.106 * i + 1.703 * q,
        ];
        for channel in 0..3 {
            let value = ((rgb[channel] - mean) * contrast + mean) * brightness;
            let value = value.clamp(0.0, 1.0);
            let value = if inverts { 1.0 - value } else { value };
            pixel[channel] = (value - MEAN[channel]) / DEVIATION[channel];
        }
    }
}

/// A square of pixels of `channels` values mirrored at its diagonal.
fn transposed<T: Copy>(square: &[T], side: usize, channels: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(square.len());
    for column in 0..side {
        for row in 0..side {
            out.extend_from_slice(&square[(row * side + column) * channels..][..channels]);
        }
    }
    out
}

/// Rows and columns of a photo whose longer side becomes `long_edge`.
pub(super) fn fitted([rows, columns]: [usize; 2], long_edge: usize) -> [usize; 2] {
    let longer = rows.max(columns).max(1);
    let scaled = |side: usize| ((side * long_edge * 2 + longer) / (longer * 2)).max(1);
    [scaled(rows), scaled(columns)]
}

/// The size of the input that such a photo is padded to.
pub(super) fn padded(size: [usize; 2]) -> [usize; 2] {
    size.map(|side| side.next_multiple_of(MULTIPLE))
}

/// The whole photo, its longer side `long_edge`, normalised, padded with the
/// mean colour at the right and the bottom.
pub(super) fn whole(raw: &Raw, long_edge: usize) -> Map {
    let [rows, columns] = fitted([raw.rows, raw.columns], long_edge);
    let size = (raw.columns, raw.rows);
    let small = resample::resize(&raw.rgb, size, 3, (columns, rows), Filter::Bilinear);
    let [all_rows, all_columns] = padded([rows, columns]);
    let mut values = vec![0.0; all_rows * all_columns * 3];
    let lines = values.chunks_exact_mut(all_columns * 3);
    for (out, row) in lines.zip(small.chunks_exact(columns * 3)) {
        for (at, (out, value)) in out.iter_mut().zip(row).enumerate() {
            *out = (f32::from(*value) / 255.0 - MEAN[at % 3]) / DEVIATION[at % 3];
        }
    }
    Map {
        values,
        size: [all_rows, all_columns, 3],
    }
}

#[cfg(test)]
mod tests;
