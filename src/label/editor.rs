//! Changing a label map: the one place that writes ids.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tile::{Pixels, run_end};
use super::{LabelMap, Mask, Rect, SegmentId, TILE, Tile};

/// Collects changes to a label map and makes a new map of them.
///
/// Only tiles in which an id really changes are copied, and each is counted
/// once at the end, however many masks went over it.
pub struct MapEditor<'a> {
    base: &'a LabelMap,
    /// One per tile of the map; `None` while it is as in `base`.
    changed: Vec<Option<Pixels>>,
    dirty: Rect,
}

/// What came of an edit of a label map.
#[derive(Clone, Debug)]
pub struct MapEdit {
    /// The map after the edit.
    pub map: LabelMap,
    /// What changed for each segment in a changed tile.
    pub deltas: BTreeMap<SegmentId, SegmentDelta>,
    /// The smallest box around all pixels whose id changed.
    pub dirty: Rect,
}

/// How an edit changed one segment of a label map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SegmentDelta {
    /// Pixels gained minus pixels lost.
    pub area: i64,
    /// Box around what the changed tiles hold of it after the edit.
    pub grown: Rect,
    /// Whether its box may have become smaller.
    pub shrunk: bool,
}

/// Columns `x0..x1` of row `y` of a tile.
#[derive(Clone, Copy)]
struct Piece {
    y: u32,
    x0: u32,
    x1: u32,
}

impl<'a> MapEditor<'a> {
    /// An editor that has not changed anything yet.
    pub fn new(base: &'a LabelMap) -> Self {
        let changed = base.tiles().iter().map(|_| None).collect();
        let dirty = Rect::EMPTY;
        Self {
            base,
            changed,
            dirty,
        }
    }

    /// Replaces each id under `mask` by `replace(id)`. The function is called
    /// once per run of equal ids, so it has to depend on the id only.
    pub fn apply(&mut self, mask: &Mask, replace: impl Fn(SegmentId) -> SegmentId) {
        let tiles = self.base.tiles_touching(mask.bounds());
        let mut pieces: Vec<Vec<Piece>> = vec![Vec::new(); tiles.width() as usize];
        for ty in tiles.y0..tiles.y1 {
            let rows = self.base.tile_rect(tiles.x0, ty);
            for span in mask.rows_between(rows.y0, rows.y1) {
                let end = span.x1.min(self.base.width());
                let mut x = span.x0;
                while x < end {
                    let (tx, stop) = (x / TILE, (x / TILE + 1) * TILE);
                    let (x0, y) = (x % TILE, span.y - rows.y0);
                    let x1 = x0 + end.min(stop) - x;
                    pieces[(tx - tiles.x0) as usize].push(Piece { y, x0, x1 });
                    x = stop;
                }
            }
            for (tx, pieces) in (tiles.x0..tiles.x1).zip(&mut pieces) {
                self.edit_tile(tx, ty, pieces, &replace);
                pieces.clear();
            }
        }
    }

    /// Replaces `id` by `replace(id)` in every tile touching `within` where one
    /// of `ids` occurs in the map before the edit. Other ids must be replaced
    /// by themselves.
    pub fn replace_ids(
        &mut self,
        ids: &[SegmentId],
        within: Rect,
        replace: impl Fn(SegmentId) -> SegmentId,
    ) {
        let tiles = self.base.tiles_touching(within);
        for ty in tiles.y0..tiles.y1 {
            for tx in tiles.x0..tiles.x1 {
                let tile = self.base.tile(tx, ty);
                if ids.iter().any(|&id| tile.stats_of(id).is_some()) {
                    let (x0, x1) = (0, tile.width());
                    let rows = (0..tile.height()).map(|y| Piece { y, x0, x1 });
                    self.edit_tile(tx, ty, &rows.collect::<Vec<_>>(), &replace);
                }
            }
        }
    }

    fn edit_tile(
        &mut self,
        tx: u32,
        ty: u32,
        pieces: &[Piece],
        replace: &impl Fn(SegmentId) -> SegmentId,
    ) {
        let index = ty * self.base.tiles_across() + tx;
        let tile = &self.base.tiles()[index as usize];
        let mut work = match self.changed[index as usize].take() {
            Some(pixels) => Work::Own(pixels),
            None => Work::Shared(tile.raw()),
        };
        let dirty = work.edit(tile, pieces, replace);
        if let Work::Own(pixels) = work {
            self.changed[index as usize] = Some(pixels);
        }
        if !dirty.is_empty() {
            self.dirty = self.dirty.union(self.base.in_map(index, dirty));
        }
    }

    /// The new map, and what changed for whom.
    pub fn finish(self) -> MapEdit {
        let Self {
            base,
            changed,
            dirty,
        } = self;
        let mut deltas: BTreeMap<SegmentId, SegmentDelta> = BTreeMap::new();
        if dirty.is_empty() {
            let map = base.clone();
            return MapEdit { map, deltas, dirty };
        }
        let mut tiles = base.tiles().to_vec();
        for (index, pixels) in (0..).zip(changed) {
            let Some(pixels) = pixels else { continue };
            let old = &mut tiles[index as usize];
            let new = Tile::new(old.width(), old.height(), pixels);
            for stats in old.stats() {
                let delta = deltas.entry(stats.id).or_default();
                let now = new.stats_of(stats.id).map_or(Rect::EMPTY, |now| now.bounds);
                delta.area -= i64::from(stats.count);
                delta.shrunk |= !now.contains_rect(&stats.bounds);
            }
            for stats in new.stats() {
                let delta = deltas.entry(stats.id).or_default();
                delta.area += i64::from(stats.count);
                delta.grown = delta.grown.union(base.in_map(index, stats.bounds));
            }
            *old = Arc::new(new);
        }
        let map = base.with_tiles(tiles);
        MapEdit { map, deltas, dirty }
    }
}

/// The pixels of a tile during an edit.
enum Work<'a> {
    /// Still those of the map before the edit.
    Shared(&'a Pixels),
    /// A changed copy.
    Own(Pixels),
}

impl Work<'_> {
    /// Replaces the ids under `pieces`; returns the box around those that
    /// changed, in pixels of `tile`. Copies at the first run that changes.
    fn edit(
        &mut self,
        tile: &Tile,
        pieces: &[Piece],
        replace: &impl Fn(SegmentId) -> SegmentId,
    ) -> Rect {
        let area = tile.width() * tile.height();
        let covered: u32 = pieces.iter().map(|piece| piece.x1 - piece.x0).sum();
        if let Pixels::Uniform(old) = *self.pixels() {
            let new = replace(old);
            if new == old || covered == 0 {
                return Rect::EMPTY;
            }
            if covered == area {
                *self = Work::Own(Pixels::Uniform(new));
                return Rect::of_size(tile.width(), tile.height());
            }
        }
        let mut dirty = Rect::EMPTY;
        for piece in pieces {
            let row = piece.y * tile.width();
            let mut x = piece.x0;
            while x < piece.x1 {
                let (old, length) = self.run((row + x) as usize, (piece.x1 - x) as usize);
                let new = replace(old);
                let end = x + length as u32;
                if new != old {
                    let ids = self.own(area as usize);
                    ids[(row + x) as usize..(row + end) as usize].fill(new);
                    dirty = dirty.union(Rect::new(x, piece.y, end, piece.y + 1));
                }
                x = end;
            }
        }
        dirty
    }

    fn pixels(&self) -> &Pixels {
        match self {
            Work::Shared(pixels) => pixels,
            Work::Own(pixels) => pixels,
        }
    }

    /// The id at `from`, and how many of the next `limit` ids are the same.
    fn run(&self, from: usize, limit: usize) -> (SegmentId, usize) {
        match self.pixels() {
            Pixels::Uniform(id) => (*id, limit),
            Pixels::Each(each) => (each[from], run_end(&each[from..from + limit], 0)),
        }
    }

    /// The ids for writing; copies them first where they are still shared.
    fn own(&mut self, area: usize) -> &mut [SegmentId] {
        if let Pixels::Uniform(id) = *self.pixels() {
            *self = Work::Own(Pixels::Each(vec![id; area].into()));
        } else if let Work::Shared(Pixels::Each(each)) = self {
            *self = Work::Own(Pixels::Each(each.clone()));
        }
        match self {
            Work::Own(Pixels::Each(each)) => each,
            // Both other cases were turned into this one just above; an empty
            // slice here would fail loudly at the first write.
            _ => &mut [],
        }
    }
}
