//! The borders between segments.

use std::hash::{Hash as _, Hasher as _};
use std::ops::Range;

use super::{hash_of_tiles, sample};
use crate::label::{LabelMap, Rect, SegmentId, Tile};

/// A straight piece of the border between two segments, in photo pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Its left or upper end, a corner of a pixel.
    pub from: [u32; 2],
    /// Its right or lower end.
    pub to: [u32; 2],
    /// What is on the two sides of it: above and below, or left and right.
    pub ids: [SegmentId; 2],
}

/// The tiles that the edges of tile `(tx, ty)` depend on.
pub fn area(labels: &LabelMap, tx: u32, ty: u32) -> Rect {
    let right = (tx + 2).min(labels.tiles_across());
    let below = (ty + 2).min(labels.tiles_down());
    Rect::new(tx, ty, right, below)
}

/// Stands for all that the edges of tile `(tx, ty)` depend on: the tile, and the
/// pixels right of it and below it.
pub fn content(labels: &LabelMap, tx: u32, ty: u32) -> u64 {
    let mut hasher = hash_of_tiles(labels, Rect::new(tx, ty, tx + 1, ty + 1));
    let rect = labels.tile_rect(tx, ty);
    if rect.x1 < labels.width() {
        let rows: Vec<u32> = (rect.y0..rect.y1).collect();
        sample(labels, &[rect.x1], &rows).hash(&mut hasher);
    }
    if rect.y1 < labels.height() {
        let columns: Vec<u32> = (rect.x0..rect.x1).collect();
        sample(labels, &columns, &[rect.y1]).hash(&mut hasher);
    }
    hasher.finish()
}

/// Borders inside tile `(tx, ty)` and at its right and lower side. Pieces end
/// where the segment on either side of them does.
pub fn edges(labels: &LabelMap, tx: u32, ty: u32) -> Vec<Edge> {
    let rect = labels.tile_rect(tx, ty);
    let own: &Tile = labels.tile(tx, ty);
    let right = (tx + 1 < labels.tiles_across()).then(|| &**labels.tile(tx + 1, ty));
    let below = (ty + 1 < labels.tiles_down()).then(|| &**labels.tile(tx, ty + 1));
    let same = |other: Option<&Tile>| other.is_none_or(|other| other.uniform() == own.uniform());
    let mut edges = Vec::new();
    if own.uniform().is_some() && same(right) && same(below) {
        return edges;
    }
    let width = own.width() as usize;
    let mut upright = Upright::new(&rect, width + usize::from(right.is_some()) - 1);
    let (mut line, mut next) = (Vec::new(), Vec::new());
    read_line(own, right, 0, &mut line);
    upright.follow(&line, rect.y0, &mut edges);
    for y in 0..own.height() {
        next.clear();
        if y + 1 < own.height() {
            read_line(own, right, y + 1, &mut next);
        } else if let Some(below) = below {
            read_line(below, None, 0, &mut next);
        }
        // Most rows are like the one before.
        if next.len() >= width && next[..width] != line[..width] {
            level_edges(
                &line[..width],
                &next[..width],
                [rect.x0, rect.y0 + y + 1],
                &mut edges,
            );
        }
        if y + 1 < own.height() && next != line {
            upright.follow(&next, rect.y0 + y + 1, &mut edges);
        }
        std::mem::swap(&mut line, &mut next);
    }
    upright.end(rect.y1, &mut edges);
    edges
}

/// Row `y` of a tile and the pixel right of it, if there is one.
fn read_line(own: &Tile, right: Option<&Tile>, y: u32, line: &mut Vec<SegmentId>) {
    line.clear();
    match own.row(y) {
        Some(row) => line.extend_from_slice(row),
        None => line.resize(own.width() as usize, own.get(0, y)),
    }
    line.extend(right.map(|right| right.get(0, y)));
}

/// The pieces between two rows, of which the lower one begins at the corner `at`.
fn level_edges(above: &[SegmentId], below: &[SegmentId], at: [u32; 2], edges: &mut Vec<Edge>) {
    let [left, y] = at;
    let mut report = |columns: Range<usize>| {
        let ids = [above[columns.start], below[columns.start]];
        if ids[0] != ids[1] {
            edges.push(Edge {
                from: [left + columns.start as u32, y],
                to: [left + columns.end as u32, y],
                ids,
            });
        }
    };
    let mut start = 0;
    for x in 1..above.len() {
        if above[x] != above[x - 1] || below[x] != below[x - 1] {
            report(start..x);
            start = x;
        }
    }
    report(start..above.len());
}

/// The pieces between columns, which grow while rows are read.
struct Upright {
    left: u32,
    /// For each line between two columns where its piece began and what is on
    /// its sides; nothing to draw where these are the same.
    open: Vec<(u32, [SegmentId; 2])>,
}

impl Upright {
    fn new(rect: &Rect, count: usize) -> Self {
        Self {
            left: rect.x0 + 1,
            open: vec![(rect.y0, [0, 0]); count],
        }
    }

    /// Go on with the row `y` of the map.
    fn follow(&mut self, line: &[SegmentId], y: u32, edges: &mut Vec<Edge>) {
        let pairs = line.array_windows::<2>();
        for ((x, open), ids) in (self.left..).zip(&mut self.open).zip(pairs) {
            let (start, before) = *open;
            if before == *ids || (before[0] == before[1] && ids[0] == ids[1]) {
                continue;
            }
            push_upright(edges, x, start..y, before);
            *open = (y, *ids);
        }
    }

    fn end(self, y: u32, edges: &mut Vec<Edge>) {
        for (x, (start, ids)) in (self.left..).zip(self.open) {
            push_upright(edges, x, start..y, ids);
        }
    }
}

fn push_upright(edges: &mut Vec<Edge>, x: u32, rows: Range<u32>, ids: [SegmentId; 2]) {
    if ids[0] != ids[1] {
        edges.push(Edge {
            from: [x, rows.start],
            to: [x, rows.end],
            ids,
        });
    }
}
