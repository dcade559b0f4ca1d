//! The pictures of segments' pixels.

use std::hash::{Hash as _, Hasher as _};

use egui::{Color32, ColorImage};

use super::{Key, LabelStyle, hash_of_tiles, sample, tiles};
use crate::label::{LabelMap, Rect, SegmentId, TILE};

/// Width and height of the picture in pixels of its level.
pub fn size(labels: &LabelMap, key: Key) -> [u32; 2] {
    let left = |count: u32, tile: u32| (count.div_ceil(1 << key.level) - tile * TILE).min(TILE);
    [left(labels.width(), key.tx), left(labels.height(), key.ty)]
}

/// The columns and rows of the map that the picture samples; with contours, also
/// one before and one after them, as these depend on the neighbours.
fn places(labels: &LabelMap, key: Key) -> [Vec<u32>; 2] {
    let half = (1i64 << key.level) / 2;
    let apron = i64::from(key.contours);
    let along = |tile: u32, count: u32, pixels: u32| {
        (-apron..i64::from(pixels) + apron)
            .map(|at| ((i64::from(tile * TILE) + at) << key.level) + half)
            .map(|place| place.clamp(0, i64::from(count) - 1) as u32)
            .collect()
    };
    let [width, height] = size(labels, key);
    [
        along(key.tx, labels.width(), width),
        along(key.ty, labels.height(), height),
    ]
}

/// The tiles under the picture.
fn own(labels: &LabelMap, key: Key) -> Rect {
    let side = TILE << key.level;
    let (x, y) = (key.tx * side, key.ty * side);
    labels.tiles_touching(Rect::new(x, y, x + side, y + side))
}

/// The tiles that the picture depends on.
pub fn area(labels: &LabelMap, key: Key) -> Rect {
    let own = own(labels, key);
    if !key.contours {
        return own;
    }
    let [columns, rows] = places(labels, key);
    let ends = |places: &[u32]| (places.first().copied(), places.last().copied());
    match (ends(&columns), ends(&rows)) {
        ((Some(x0), Some(x1)), (Some(y0), Some(y1))) => {
            own.union(labels.tiles_touching(Rect::new(x0, y0, x1 + 1, y1 + 1)))
        }
        _ => own,
    }
}

/// Stands for all that the picture depends on: the tiles under it, the looks of
/// the segments in them, and for contours what is right beside them.
pub fn content(labels: &LabelMap, style: &LabelStyle, key: Key) -> u64 {
    let own = own(labels, key);
    let mut hasher = hash_of_tiles(labels, own);
    for id in tiles(labels, own).flat_map(|tile| tile.ids()) {
        style.colors(id).hash(&mut hasher);
    }
    if key.contours {
        let [columns, rows] = places(labels, key);
        for end in [columns.first(), columns.last()].into_iter().flatten() {
            sample(labels, &[*end], &rows).hash(&mut hasher);
        }
        for end in [rows.first(), rows.last()].into_iter().flatten() {
            sample(labels, &columns, &[*end]).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// The picture; one pixel where all of it looks the same, none where nothing is
/// labelled.
pub fn draw(labels: &LabelMap, style: &LabelStyle, key: Key) -> Option<ColorImage> {
    if tiles(labels, own(labels, key)).all(|tile| tile.uniform() == Some(0)) {
        return None;
    }
    let mut all = tiles(labels, area(labels, key)).map(|tile| tile.uniform());
    if let Some(Some(id)) = all.next()
        && all.all(|other| other == Some(id))
    {
        return Some(ColorImage::new([1, 1], vec![style.fill(id)]));
    }
    let [columns, rows] = places(labels, key);
    let ids = sample(labels, &columns, &rows);
    let pixels = if key.contours {
        with_contours(&ids, columns.len(), style)
    } else {
        let mut pixels = Vec::with_capacity(ids.len());
        fill(&mut pixels, &ids, style);
        pixels
    };
    let size = size(labels, key).map(|side| side as usize);
    Some(ColorImage::new(size, pixels))
}

fn fill(pixels: &mut Vec<Color32>, ids: &[SegmentId], style: &LabelStyle) {
    for run in ids.chunk_by(|a, b| a == b) {
        let color = match run[0] {
            0 => Color32::TRANSPARENT,
            id => style.fill(id),
        };
        pixels.resize(pixels.len() + run.len(), color);
    }
}

/// `ids` has rows of `stride`, and a row and a column more on all sides than the
/// pixels that come back.
fn with_contours(ids: &[SegmentId], stride: usize, style: &LabelStyle) -> Vec<Color32> {
    let rows: Vec<&[SegmentId]> = ids.chunks_exact(stride).collect();
    let mut pixels = Vec::with_capacity(ids.len());
    for [above, row, below] in rows.array_windows() {
        let start = pixels.len();
        let inner = &row[1..stride - 1];
        fill(&mut pixels, inner, style);
        let beside = row.iter().zip(&row[2..]);
        let over = above[1..].iter().zip(&below[1..]);
        let around = beside.zip(over);
        for ((pixel, &id), ((left, right), (up, down))) in
            pixels[start..].iter_mut().zip(inner).zip(around)
        {
            let differs = (id ^ left) | (id ^ right) | (id ^ up) | (id ^ down);
            if differs != 0 && id != 0 {
                *pixel = style.edge(id);
            }
        }
    }
    pixels
}
