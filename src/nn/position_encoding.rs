//! Where a token lies: what is added to patches, which by themselves are a bag
//! of words.

use super::capture::Grid;
use super::interpolate::{Interpolation, resize_map};

/// A vector for each prefix token and each place of the token grid.
#[derive(Clone, Debug)]
pub enum PositionEncoding {
    /// A table that was trained for one grid (ViT, appendix D.4). For another
    /// grid it is resized like a picture; prefix tokens keep theirs.
    Learned {
        /// (prefix tokens, width).
        prefix: Vec<f32>,
        /// (grid tokens, width), row-major.
        table: Vec<f32>,
        /// The grid that the table is for.
        grid: Grid,
        /// How it is resized.
        interpolation: Interpolation,
    },
    /// Sines and cosines of row and column, fixed ("Attention Is All You Need",
    /// in two dimensions as in the original MAE's `get_2d_sincos_pos_embed`):
    /// the first half of a vector says the column, the second the row, each as
    /// sines, then cosines, of wavelengths from 2π towards 10000 · 2π. Prefix
    /// tokens get zeros.
    SinCos {
        /// Prefix tokens.
        prefix: usize,
        /// Width of a token, a multiple of 4.
        width: usize,
    },
}

impl PositionEncoding {
    /// A trained table (prefix + grid tokens, width), prefix first, as
    /// checkpoints hold it.
    ///
    /// # Panics
    /// If the length does not fit or a size is 0.
    pub fn learned(
        mut table: Vec<f32>,
        prefix: usize,
        grid: Grid,
        interpolation: Interpolation,
    ) -> Self {
        let tokens = prefix + grid.len();
        assert!(!grid.is_empty() && !table.is_empty() && table.len().is_multiple_of(tokens));
        let width = table.len() / tokens;
        let places = table.split_off(prefix * width);
        Self::Learned {
            prefix: table,
            table: places,
            grid,
            interpolation,
        }
    }

    /// Sines and cosines.
    ///
    /// # Panics
    /// If `width` is not a multiple of 4.
    pub fn sin_cos(prefix: usize, width: usize) -> Self {
        assert!(width > 0 && width.is_multiple_of(4), "width of positions");
        Self::SinCos { prefix, width }
    }

    /// The encoding for a grid: (prefix + grid tokens, width).
    ///
    /// # Panics
    /// If the grid is empty.
    pub fn of(&self, grid: Grid) -> Vec<f32> {
        match self {
            Self::Learned {
                prefix,
                table,
                grid: trained,
                interpolation,
            } => {
                let size = (trained.rows, trained.columns, table.len() / trained.len());
                let places = resize_map(table, size, (grid.rows, grid.columns), *interpolation);
                [prefix.as_slice(), &places].concat()
            }
            Self::SinCos { prefix, width } => {
                let mut out = vec![0.0; prefix * width];
                for row in 0..grid.rows {
                    for column in 0..grid.columns {
                        out.extend(waves(column, width / 2));
                        out.extend(waves(row, width / 2));
                    }
                }
                out
            }
        }
    }
}

/// `width / 2` sines and as many cosines of a position along one axis.
fn waves(position: usize, width: usize) -> impl Iterator<Item = f32> {
    let half = width / 2;
    let angle = move |i: usize| position as f64 / 10_000f64.powf(i as f64 / half as f64);
    let sines = (0..half).map(move |i| angle(i).sin() as f32);
    sines.chain((0..half).map(move |i| angle(i).cos() as f32))
}

#[cfg(test)]
mod tests;
