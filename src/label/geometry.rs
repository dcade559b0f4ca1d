//! Rectangles of pixels.

use serde::{Deserialize, Serialize};

/// A half-open rectangle of pixels: `x0..x1` by `y0..y1`. Empty when
/// `x0 >= x1` or `y0 >= y1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rect {
    /// First column.
    pub x0: u32,
    /// First row.
    pub y0: u32,
    /// One past the last column.
    pub x1: u32,
    /// One past the last row.
    pub y1: u32,
}

impl Rect {
    /// The rectangle without pixels; the neutral element of [`Rect::union`].
    pub const EMPTY: Rect = Rect {
        x0: 0,
        y0: 0,
        x1: 0,
        y1: 0,
    };

    /// The rectangle of columns `x0..x1` and rows `y0..y1`.
    pub const fn new(x0: u32, y0: u32, x1: u32, y1: u32) -> Self {
        Self { x0, y0, x1, y1 }
    }

    /// The whole of an image of `width` × `height` pixels.
    pub const fn of_size(width: u32, height: u32) -> Self {
        Self::new(0, 0, width, height)
    }

    /// Number of columns.
    pub const fn width(&self) -> u32 {
        self.x1.saturating_sub(self.x0)
    }

    /// Number of rows.
    pub const fn height(&self) -> u32 {
        self.y1.saturating_sub(self.y0)
    }

    /// Number of pixels.
    pub const fn area(&self) -> u64 {
        self.width() as u64 * self.height() as u64
    }

    /// Whether no pixel is inside.
    pub const fn is_empty(&self) -> bool {
        self.x0 >= self.x1 || self.y0 >= self.y1
    }

    /// Whether the pixel `(x, y)` is inside.
    pub const fn contains(&self, x: u32, y: u32) -> bool {
        self.x0 <= x && x < self.x1 && self.y0 <= y && y < self.y1
    }

    /// Whether every pixel of `other` is inside.
    pub fn contains_rect(&self, other: &Rect) -> bool {
        other.is_empty() || self.union(*other) == *self
    }

    /// The smallest rectangle that holds both.
    pub fn union(self, other: Rect) -> Rect {
        if self.is_empty() {
            return if other.is_empty() { Self::EMPTY } else { other };
        }
        if other.is_empty() {
            return self;
        }
        Rect {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    /// The pixels in both; [`Rect::EMPTY`] when there are none.
    pub fn intersect(self, other: Rect) -> Rect {
        let both = Rect {
            x0: self.x0.max(other.x0),
            y0: self.y0.max(other.y0),
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
        };
        if both.is_empty() { Self::EMPTY } else { both }
    }

    /// The rectangle grown by `n` pixels on every side, within an image of
    /// `width` × `height` pixels. An empty rectangle stays empty.
    pub fn inflate(self, n: u32, width: u32, height: u32) -> Rect {
        if self.is_empty() {
            return Self::EMPTY;
        }
        let grown = Rect {
            x0: self.x0.saturating_sub(n),
            y0: self.y0.saturating_sub(n),
            x1: self.x1.saturating_add(n),
            y1: self.y1.saturating_add(n),
        };
        grown.intersect(Self::of_size(width, height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_neutral_for_union_and_absorbs_in_intersect() {
        let r = Rect::new(2, 3, 7, 5);
        assert_eq!(r.union(Rect::EMPTY), r);
        assert_eq!(Rect::new(9, 9, 9, 20).union(r), r);
        assert_eq!(r.intersect(Rect::new(7, 0, 9, 9)), Rect::EMPTY);
        assert_eq!(r.area(), 10);
    }

    #[test]
    fn inflating_stays_inside_the_image() {
        let r = Rect::new(1, 1, 3, 3).inflate(5, 6, 4);
        assert_eq!(r, Rect::new(0, 0, 6, 4));
        assert_eq!(Rect::EMPTY.inflate(5, 6, 4), Rect::EMPTY);
    }

    #[test]
    fn a_rectangle_contains_its_parts_only() {
        let r = Rect::new(2, 2, 6, 6);
        assert!(r.contains_rect(&Rect::new(2, 3, 6, 6)));
        assert!(!r.contains_rect(&Rect::new(1, 3, 6, 6)));
        assert!(r.contains(5, 5) && !r.contains(6, 5));
    }
}
