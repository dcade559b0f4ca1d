//! The label map: one segment id per pixel, in copy-on-write tiles.

use std::collections::HashMap;
use std::sync::Arc;

use super::tile::{Pixels, run_end};
use super::{Mask, Rect, SegmentId, Span, TILE, Tile};

/// One [`SegmentId`] per pixel of a photo, 0 where there is no segment.
///
/// A value: an edit makes a new map that shares every tile it did not touch
/// with the old one (see [`MapEditor`](super::MapEditor)), and cloning copies
/// one pointer. Tiles know the count and box of each segment in them, so
/// nothing here ever scans the whole map to answer a question about one
/// segment.
#[derive(Clone, Debug)]
pub struct LabelMap {
    width: u32,
    height: u32,
    /// Row-major, `tiles_down` × `tiles_across`.
    tiles: Arc<[Arc<Tile>]>,
}

/// Pixel count and box of one segment in a whole map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentTotal {
    /// The segment; never 0.
    pub id: SegmentId,
    /// Number of its pixels; never 0.
    pub area: u64,
    /// Smallest box around them.
    pub bounds: Rect,
}

impl LabelMap {
    /// A map of `width` × `height` pixels without segments. Its tiles are
    /// shared: the size hardly matters for its memory.
    pub fn new(width: u32, height: u32) -> Self {
        let mut shared: HashMap<(u32, u32), Arc<Tile>> = HashMap::new();
        Self::from_tiles(width, height, |rect| {
            let size = (rect.width(), rect.height());
            let make = || Arc::new(Tile::new_uniform(size.0, size.1, 0));
            Arc::clone(shared.entry(size).or_insert_with(make))
        })
    }

    /// A map with these ids, row-major `height` × `width`. Missing ids at the
    /// end count as 0, surplus ones are not read.
    pub fn from_ids(width: u32, height: u32, ids: &[SegmentId]) -> Self {
        Self::from_tiles(width, height, |rect| {
            let mut each = Vec::with_capacity(rect.area() as usize);
            for y in rect.y0..rect.y1 {
                let start = y as usize * width as usize + rect.x0 as usize;
                let end = start + rect.width() as usize;
                let known = &ids[start.min(ids.len())..end.min(ids.len())];
                each.extend_from_slice(known);
                each.resize(each.len() + (end - start) - known.len(), 0);
            }
            let pixels = Pixels::Each(each.into());
            Arc::new(Tile::new(rect.width(), rect.height(), pixels))
        })
    }

    fn from_tiles(width: u32, height: u32, mut make: impl FnMut(Rect) -> Arc<Tile>) -> Self {
        let mut tiles = Vec::new();
        for ty in 0..height.div_ceil(TILE) {
            for tx in 0..width.div_ceil(TILE) {
                tiles.push(make(tile_rect(width, height, tx, ty)));
            }
        }
        let tiles = tiles.into();
        Self {
            width,
            height,
            tiles,
        }
    }

    /// This map with other tiles; `tiles` must be as many and as large.
    pub(super) fn with_tiles(&self, tiles: Vec<Arc<Tile>>) -> Self {
        debug_assert_eq!(tiles.len(), self.tiles.len());
        let tiles = tiles.into();
        Self { tiles, ..*self }
    }

    /// Number of columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Number of rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All of the map.
    pub fn rect(&self) -> Rect {
        Rect::of_size(self.width, self.height)
    }

    /// The id of pixel `(x, y)`; 0 outside of the map.
    pub fn get(&self, x: u32, y: u32) -> SegmentId {
        if !self.rect().contains(x, y) {
            return 0;
        }
        self.tile(x / TILE, y / TILE).get(x % TILE, y % TILE)
    }

    /// All ids, row-major `height` × `width`.
    pub fn to_vec(&self) -> Vec<SegmentId> {
        let mut ids = Vec::new();
        self.read_rect(self.rect(), &mut ids);
        ids
    }

    /// Replaces `ids` by those of `rect`, row-major `rect.height()` ×
    /// `rect.width()`; 0 outside of the map.
    pub fn read_rect(&self, rect: Rect, ids: &mut Vec<SegmentId>) {
        ids.clear();
        ids.resize(rect.area() as usize, 0);
        if rect.is_empty() {
            return;
        }
        let rows = ids.chunks_exact_mut(rect.width() as usize);
        for (y, row) in (rect.y0..rect.y1.min(self.height)).zip(rows) {
            for (x0, x1, id) in self.runs(Span::new(y, rect.x0, rect.x1)) {
                row[(x0 - rect.x0) as usize..(x1 - rect.x0) as usize].fill(id);
            }
        }
    }

    /// Number of tiles side by side.
    pub fn tiles_across(&self) -> u32 {
        self.width.div_ceil(TILE)
    }

    /// Number of tiles on top of each other.
    pub fn tiles_down(&self) -> u32 {
        self.height.div_ceil(TILE)
    }

    /// The tile in column `tx` and row `ty` of tiles.
    ///
    /// # Panics
    /// If there is no such tile.
    pub fn tile(&self, tx: u32, ty: u32) -> &Arc<Tile> {
        assert!(tx < self.tiles_across(), "no tile in column {tx}");
        &self.tiles[(ty * self.tiles_across() + tx) as usize]
    }

    /// The pixels of the map that the tile `(tx, ty)` covers.
    pub fn tile_rect(&self, tx: u32, ty: u32) -> Rect {
        tile_rect(self.width, self.height, tx, ty)
    }

    /// All tiles, row by row of tiles.
    pub(super) fn tiles(&self) -> &[Arc<Tile>] {
        &self.tiles
    }

    /// The columns and rows of tiles that `rect` touches, as a half-open
    /// rectangle of tiles.
    pub fn tiles_touching(&self, rect: Rect) -> Rect {
        let rect = rect.intersect(self.rect());
        if rect.is_empty() {
            return Rect::EMPTY;
        }
        let (x1, y1) = (rect.x1.div_ceil(TILE), rect.y1.div_ceil(TILE));
        Rect::new(rect.x0 / TILE, rect.y0 / TILE, x1, y1)
    }

    /// Memory of the tiles that `other` does not hold at the same place: what
    /// keeping this map costs while `other` is kept anyway.
    pub fn bytes_not_shared_with(&self, other: &LabelMap) -> usize {
        if (self.width, self.height) != (other.width, other.height) {
            return self.tiles.iter().map(|tile| tile.bytes()).sum();
        }
        if Arc::ptr_eq(&self.tiles, &other.tiles) {
            return 0;
        }
        let pairs = self.tiles.iter().zip(other.tiles.iter());
        let own = pairs.filter(|(mine, theirs)| !Arc::ptr_eq(mine, theirs));
        let tiles: usize = own.map(|(mine, _)| mine.bytes()).sum();
        tiles + size_of_val(&self.tiles[..])
    }

    /// The box around all tiles that two maps do not share; everything if their
    /// sizes differ.
    pub fn difference(&self, other: &LabelMap) -> Rect {
        if (self.width, self.height) != (other.width, other.height) {
            return self.rect().union(other.rect());
        }
        if Arc::ptr_eq(&self.tiles, &other.tiles) {
            return Rect::EMPTY;
        }
        let mut changed = Rect::EMPTY;
        for (index, (mine, theirs)) in (0..).zip(self.tiles.iter().zip(other.tiles.iter())) {
            if !Arc::ptr_eq(mine, theirs) {
                let across = self.tiles_across();
                changed = changed.union(self.tile_rect(index % across, index / across));
            }
        }
        changed
    }

    /// The pixels of segment `id`. Looks into the tiles that hold it only.
    pub fn mask_of(&self, id: SegmentId) -> Mask {
        let mut spans: Vec<Span> = Vec::new();
        for ty in 0..self.tiles_down() {
            let held: Vec<(u32, &Tile, Rect)> = (0..self.tiles_across())
                .filter_map(|tx| {
                    let tile: &Tile = self.tile(tx, ty);
                    let stats = tile.stats_of(id)?;
                    Some((tx * TILE, tile, stats.bounds))
                })
                .collect();
            let rows = held.iter().fold(Rect::EMPTY, |all, held| all.union(held.2));
            for y in rows.y0..rows.y1 {
                for (left, tile, bounds) in &held {
                    if bounds.y0 <= y && y < bounds.y1 {
                        push_spans(&mut spans, tile, *bounds, (*left, ty * TILE), y, id);
                    }
                }
            }
        }
        Mask::from_sorted_spans(spans)
    }

    /// The runs `(x0, x1, id)` of equal ids along `span`, from left to right,
    /// as long as possible; 0 outside of the map counts like 0 inside.
    pub fn runs(&self, span: Span) -> impl Iterator<Item = (u32, u32, SegmentId)> + '_ {
        let mut x = span.x0;
        std::iter::from_fn(move || {
            if x >= span.x1 {
                return None;
            }
            let (x0, id) = (x, self.get(x, span.y));
            while x < span.x1 && self.get(x, span.y) == id {
                x = self.run_end(x, span.y).min(span.x1);
            }
            Some((x0, x, id))
        })
    }

    /// The end of the run at `(x, y)`, at most to the end of its tile.
    fn run_end(&self, x: u32, y: u32) -> u32 {
        if !self.rect().contains(x, y) {
            return if y < self.height && x < self.width {
                x + 1
            } else {
                u32::MAX
            };
        }
        let tile = self.tile(x / TILE, y / TILE);
        let left = x / TILE * TILE;
        let end = match tile.row(y % TILE) {
            None => tile.width(),
            Some(row) => run_end(row, (x - left) as usize) as u32,
        };
        left + end
    }

    /// Count and box of every segment, sorted by id, from what the tiles know.
    pub fn totals(&self) -> Vec<SegmentTotal> {
        let mut totals: HashMap<SegmentId, SegmentTotal> = HashMap::new();
        for (index, tile) in (0..).zip(self.tiles.iter()) {
            for stats in tile.stats() {
                let id = stats.id;
                let (area, bounds) = (0, Rect::EMPTY);
                let total = totals
                    .entry(id)
                    .or_insert(SegmentTotal { id, area, bounds });
                total.area += u64::from(stats.count);
                let place = self.in_map(index, stats.bounds);
                total.bounds = total.bounds.union(place);
            }
        }
        let mut totals: Vec<SegmentTotal> = totals.into_values().collect();
        totals.sort_unstable_by_key(|total| total.id);
        totals
    }

    /// The box of segment `id`, which must not reach beyond `within`.
    pub(crate) fn bounds_within(&self, id: SegmentId, within: Rect) -> Rect {
        let mut bounds = Rect::EMPTY;
        let tiles = self.tiles_touching(within);
        for ty in tiles.y0..tiles.y1 {
            for tx in tiles.x0..tiles.x1 {
                if let Some(stats) = self.tile(tx, ty).stats_of(id) {
                    let index = ty * self.tiles_across() + tx;
                    bounds = bounds.union(self.in_map(index, stats.bounds));
                }
            }
        }
        bounds
    }

    /// A rectangle of tile number `index` as one of the map.
    pub(super) fn in_map(&self, index: u32, rect: Rect) -> Rect {
        let across = self.tiles_across();
        let (x, y) = (index % across * TILE, index / across * TILE);
        Rect::new(rect.x0 + x, rect.y0 + y, rect.x1 + x, rect.y1 + y)
    }
}

fn tile_rect(width: u32, height: u32, tx: u32, ty: u32) -> Rect {
    let (x, y) = (tx * TILE, ty * TILE);
    Rect::new(x, y, x + TILE, y + TILE).intersect(Rect::of_size(width, height))
}

/// Appends the spans of `id` in row `y` of a tile at `corner` of the map; a
/// span that begins where the last one ended continues it.
fn push_spans(
    spans: &mut Vec<Span>,
    tile: &Tile,
    bounds: Rect,
    corner: (u32, u32),
    y: u32,
    id: SegmentId,
) {
    let mut push = |x0: u32, x1: u32| {
        let span = Span::new(corner.1 + y, corner.0 + x0, corner.0 + x1);
        match spans.last_mut() {
            Some(last) if (last.y, last.x1) == (span.y, span.x0) => last.x1 = span.x1,
            _ => spans.push(span),
        }
    };
    let Some(row) = tile.row(y) else {
        return push(bounds.x0, bounds.x1);
    };
    let mut x = bounds.x0 as usize;
    while x < bounds.x1 as usize {
        let end = run_end(row, x);
        if row[x] == id {
            push(x as u32, end as u32);
        }
        x = end;
    }
}

#[cfg(test)]
mod tests;
