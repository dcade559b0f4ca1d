//! One tile of a label map.

use super::{Rect, SegmentId};

/// Side of a tile in pixels. Tiles at the right and bottom edge of a label map
/// are smaller where its size is no multiple of this.
pub const TILE: u32 = 256;

/// What one tile holds of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdStats {
    /// The segment; never 0.
    pub id: SegmentId,
    /// Number of its pixels in this tile; never 0.
    pub count: u32,
    /// Smallest box around them, in pixels of the tile.
    pub bounds: Rect,
}

/// An immutable rectangle of at most [`TILE`] × [`TILE`] segment ids, with the
/// pixel count and box of each segment in it.
///
/// A tile whose pixels all hold the same id stores that id once.
#[derive(Debug)]
pub struct Tile {
    width: u32,
    height: u32,
    pixels: Pixels,
    stats: Vec<IdStats>,
}

/// The ids of a tile.
#[derive(Clone, Debug)]
pub(super) enum Pixels {
    /// Every pixel holds this id.
    Uniform(SegmentId),
    /// Row-major, `height` × `width`.
    Each(Box<[SegmentId]>),
}

impl Tile {
    /// A tile of one id.
    pub(super) fn new_uniform(width: u32, height: u32, id: SegmentId) -> Self {
        let whole = IdStats {
            id,
            count: width * height,
            bounds: Rect::of_size(width, height),
        };
        Self {
            width,
            height,
            pixels: Pixels::Uniform(id),
            stats: if id == 0 { Vec::new() } else { vec![whole] },
        }
    }

    /// A tile of these ids; counts them, and forgets them if they are all the
    /// same.
    pub(super) fn new(width: u32, height: u32, pixels: Pixels) -> Self {
        let each = match pixels {
            Pixels::Uniform(id) => return Self::new_uniform(width, height, id),
            Pixels::Each(each) => each,
        };
        let stats = count(&each, width);
        let area = width * height;
        match stats.as_slice() {
            [] => Self::new_uniform(width, height, 0),
            [only] if only.count == area => Self::new_uniform(width, height, only.id),
            _ => Self {
                width,
                height,
                pixels: Pixels::Each(each),
                stats,
            },
        }
    }

    /// Number of columns, 1..=[`TILE`].
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Number of rows, 1..=[`TILE`].
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The id that every pixel holds, if there is only one (it may be 0).
    pub fn uniform(&self) -> Option<SegmentId> {
        match self.pixels {
            Pixels::Uniform(id) => Some(id),
            Pixels::Each(_) => None,
        }
    }

    /// All ids, row-major `height` × `width`; `None` for a uniform tile, which
    /// does not store them.
    pub fn pixels(&self) -> Option<&[SegmentId]> {
        match &self.pixels {
            Pixels::Uniform(_) => None,
            Pixels::Each(each) => Some(each),
        }
    }

    /// The ids of row `y` of the tile; `None` for a uniform tile.
    ///
    /// # Panics
    /// If `y` is not a row of the tile.
    pub fn row(&self, y: u32) -> Option<&[SegmentId]> {
        assert!(
            y < self.height,
            "a tile of {} rows has no row {y}",
            self.height
        );
        let start = (y * self.width) as usize;
        self.pixels()
            .map(|each| &each[start..start + self.width as usize])
    }

    /// The id of pixel `(x, y)` of the tile.
    ///
    /// # Panics
    /// If the pixel is outside of the tile.
    pub fn get(&self, x: u32, y: u32) -> SegmentId {
        assert!(
            x < self.width && y < self.height,
            "pixel outside of the tile"
        );
        match &self.pixels {
            Pixels::Uniform(id) => *id,
            Pixels::Each(each) => each[(y * self.width + x) as usize],
        }
    }

    /// Count and box of every segment in this tile, sorted by id.
    pub fn stats(&self) -> &[IdStats] {
        &self.stats
    }

    /// Count and box of segment `id`, if it has pixels here.
    pub fn stats_of(&self, id: SegmentId) -> Option<&IdStats> {
        let found = self.stats.binary_search_by_key(&id, |stats| stats.id);
        found.ok().map(|index| &self.stats[index])
    }

    /// The segments that have pixels here, in increasing order.
    pub fn ids(&self) -> impl Iterator<Item = SegmentId> + '_ {
        self.stats.iter().map(|stats| stats.id)
    }

    /// Memory that this tile holds.
    pub fn bytes(&self) -> usize {
        let pixels = self.pixels().map_or(0, size_of_val);
        size_of::<Self>() + pixels + self.stats.capacity() * size_of::<IdStats>()
    }

    pub(super) fn raw(&self) -> &Pixels {
        &self.pixels
    }
}

/// The end of the run of equal ids that starts at `from`.
pub(super) fn run_end(row: &[SegmentId], from: usize) -> usize {
    const STEP: usize = 16;
    let id = row[from];
    let mut at = from + 1;
    while let Some(chunk) = row.get(at..at + STEP) {
        if chunk
            .iter()
            .fold(0, |differs, &other| differs | (other ^ id))
            != 0
        {
            break;
        }
        at += STEP;
    }
    let rest = row[at..].iter().position(|&other| other != id);
    rest.map_or(row.len(), |index| at + index)
}

/// Count and box of every id but 0, sorted by id.
fn count(pixels: &[SegmentId], width: u32) -> Vec<IdStats> {
    let mut counter = Counter::default();
    for (y, row) in (0..).zip(pixels.chunks_exact(width as usize)) {
        let mut x = 0;
        while x < row.len() {
            let (id, end) = (row[x], run_end(row, x));
            if id != 0 {
                let stats = counter.entry(id);
                let run = Rect::new(x as u32, y, end as u32, y + 1);
                stats.count += run.width();
                stats.bounds = stats.bounds.union(run);
            }
            x = end;
        }
    }
    let mut all = counter.all;
    all.sort_unstable_by_key(|stats| stats.id);
    all.shrink_to_fit();
    all
}

/// Finds the entry of an id quickly whether a tile holds two segments (most
/// do) or thousands (a map of noise).
#[derive(Default)]
struct Counter {
    all: Vec<IdStats>,
    /// The entry of the last run: neighbours mostly belong to the same segment.
    last: usize,
    /// One more than the entry of each id, 0 for none; only made once a linear
    /// search gets long.
    table: Vec<u16>,
}

impl Counter {
    const MANY: usize = 24;

    fn entry(&mut self, id: SegmentId) -> &mut IdStats {
        if self.all.get(self.last).is_none_or(|stats| stats.id != id) {
            self.last = self.find(id).unwrap_or_else(|| self.insert(id));
        }
        &mut self.all[self.last]
    }

    fn find(&self, id: SegmentId) -> Option<usize> {
        if self.table.is_empty() {
            return self.all.iter().position(|stats| stats.id == id);
        }
        usize::from(self.table[usize::from(id)]).checked_sub(1)
    }

    fn insert(&mut self, id: SegmentId) -> usize {
        let index = self.all.len();
        let (count, bounds) = (0, Rect::EMPTY);
        self.all.push(IdStats { id, count, bounds });
        if !self.table.is_empty() {
            self.table[usize::from(id)] = index as u16 + 1;
        } else if self.all.len() > Self::MANY {
            self.table = vec![0; usize::from(SegmentId::MAX) + 1];
            for (stats, number) in self.all.iter().zip(1..) {
                self.table[usize::from(stats.id)] = number;
            }
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_of_segments_in_a_tile_are_counted_as_two_are() {
        let ids: Vec<SegmentId> = (0..256 * 256u32)
            .map(|i| (i * 7919 % 65536) as u16)
            .collect();
        let tile = Tile::new(256, 256, Pixels::Each(ids.clone().into()));
        assert_eq!(tile.stats().len(), 65535);
        for (id, stats) in (1..=65535).zip(tile.stats()) {
            let Rect { x0, y0, x1, y1 } = stats.bounds;
            assert_eq!((stats.id, stats.count), (id, 1));
            assert_eq!((x1, y1), (x0 + 1, y0 + 1));
            assert_eq!(ids[(y0 * 256 + x0) as usize], id);
        }
    }

    #[test]
    fn a_tile_of_one_id_forgets_its_pixels() {
        let tile = Tile::new(5, 3, Pixels::Each(vec![9; 15].into()));
        assert_eq!(tile.uniform(), Some(9));
        assert_eq!(tile.stats()[0].bounds, Rect::of_size(5, 3));
        assert!(tile.bytes() < 200);
        let empty = Tile::new(5, 3, Pixels::Each(vec![0; 15].into()));
        assert_eq!((empty.uniform(), empty.stats().len()), (Some(0), 0));
    }

    #[test]
    fn runs_end_where_the_id_changes() {
        for length in [1, 2, 15, 16, 17, 18, 33, 50] {
            let mut row = vec![4; length];
            assert_eq!(run_end(&row, 0), length);
            row.push(5);
            row.extend([4; 20]);
            assert_eq!(run_end(&row, 0), length);
            assert_eq!(run_end(&row, length), length + 1);
        }
    }
}
