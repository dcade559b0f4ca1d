//! Where on the photo a network looks.

use crate::nn::capture::Grid;

/// The part of a photo that a picture or a token grid covers, in photo pixels.
/// It may reach beyond the photo, where the picture is padded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Left edge; 0 is the photo's.
    pub left: f64,
    /// Upper edge; 0 is the photo's.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
}

impl View {
    /// All of a photo of (width, height) pixels.
    pub fn whole((width, height): (usize, usize)) -> Self {
        Self {
            left: 0.0,
            top: 0.0,
            right: width as f64,
            bottom: height as f64,
        }
    }

    /// Width in photo pixels.
    pub fn width(&self) -> f64 {
        self.right - self.left
    }

    /// Height in photo pixels.
    pub fn height(&self) -> f64 {
        self.bottom - self.top
    }

    /// The upper left part, as shares 0..=1 of width and height: what a token
    /// grid covers whose patches leave a rest of the input.
    pub fn upper_left(&self, across: f64, down: f64) -> Self {
        Self {
            right: self.left + across * self.width(),
            bottom: self.top + down * self.height(),
            ..*self
        }
    }

    /// Row and column of the token under the point (`x`, `y`) of the photo, on
    /// a `grid` that covers this view; `None` outside of it.
    pub fn token_from_image(&self, grid: Grid, x: f64, y: f64) -> Option<(usize, usize)> {
        let place = |at: f64, start: f64, extent: f64, count: usize| {
            let place = ((at - start) / extent * count as f64).floor();
            (place >= 0.0 && place < count as f64).then_some(place as usize)
        };
        let row = place(y, self.top, self.height(), grid.rows)?;
        Some((row, place(x, self.left, self.width(), grid.columns)?))
    }

    /// The part of the photo that the token at `row` and `column` of a `grid`
    /// covers, which covers this view.
    pub fn image_from_token(&self, grid: Grid, row: usize, column: usize) -> Self {
        let across =
            |column: usize| self.left + column as f64 / grid.columns.max(1) as f64 * self.width();
        let down = |row: usize| self.top + row as f64 / grid.rows.max(1) as f64 * self.height();
        Self {
            left: across(column),
            top: down(row),
            right: across(column + 1),
            bottom: down(row + 1),
        }
    }

    /// The middle (x, y).
    pub fn centre(&self) -> (f64, f64) {
        (
            (self.left + self.right) / 2.0,
            (self.top + self.bottom) / 2.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VIEW: View = View {
        left: -10.0,
        top: 20.0,
        right: 110.0,
        bottom: 80.0,
    };
    const GRID: Grid = Grid {
        rows: 3,
        columns: 4,
    };

    #[test]
    fn points_outside_have_no_token() {
        assert_eq!(VIEW.token_from_image(GRID, -10.0, 20.0), Some((0, 0)));
        assert_eq!(VIEW.token_from_image(GRID, 109.9, 79.9), Some((2, 3)));
        for (x, y) in [(-10.1, 50.0), (110.0, 50.0), (5.0, 19.9), (5.0, 80.0)] {
            assert_eq!(VIEW.token_from_image(GRID, x, y), None, "({x}, {y})");
        }
        assert_eq!(VIEW.token_from_image(GRID, f64::NAN, 30.0), None);
        let nowhere = Grid {
            rows: 0,
            columns: 4,
        };
        assert_eq!(VIEW.token_from_image(nowhere, 5.0, 30.0), None);
    }

    #[test]
    fn tokens_tile_the_view() {
        let first = VIEW.image_from_token(GRID, 0, 0);
        let last = VIEW.image_from_token(GRID, 2, 3);
        assert_eq!((first.left, first.top), (-10.0, 20.0));
        assert_eq!((first.right, first.bottom), (20.0, 40.0));
        assert_eq!((last.right, last.bottom), (110.0, 80.0));
        assert_eq!(first.centre(), (5.0, 30.0));
    }

    #[test]
    fn a_rest_of_the_input_belongs_to_no_token() {
        let part = View::whole((30, 20)).upper_left(0.5, 0.25);
        assert_eq!((part.width(), part.height()), (15.0, 5.0));
        assert_eq!((part.left, part.top), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn the_middle_of_a_token_leads_back_to_it(
            rows in 1usize..40,
            columns in 1usize..40,
            seed in 0usize..1600,
            left in -500.0f64..500.0,
            width in 1.0f64..5000.0,
        ) {
            let grid = Grid { rows, columns };
            let view = View { left, top: 3.0, right: left + width, bottom: 777.0 };
            let (row, column) = (seed / columns % rows, seed % columns);
            let (x, y) = view.image_from_token(grid, row, column).centre();
            prop_assert_eq!(view.token_from_image(grid, x, y), Some((row, column)));
        }
    }
}
