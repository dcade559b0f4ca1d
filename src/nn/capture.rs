//! Queries and keys of attention layers, recorded during a forward pass.
//!
//! An attention matrix of a whole photo would be huge; from queries and keys a
//! row for one token is a small product, and exact. Each record describes how
//! its tokens lie on the photo, so that whoever reads it needs no knowledge of
//! the model.

use super::kernels::softmax_rows;
use super::values::Values;
use candle_core::{Result, Tensor, bail};

/// Whether a forward pass records its queries and keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// Record nothing; costs nothing.
    #[default]
    Off,
    /// Record queries and keys of every attention layer that looks at the
    /// photo.
    QueriesAndKeys,
}

impl Capture {
    /// Whether something is to be recorded.
    pub fn is_on(self) -> bool {
        self == Self::QueriesAndKeys
    }
}

/// Size of a token grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Tokens from top to bottom.
    pub rows: usize,
    /// Tokens from left to right.
    pub columns: usize,
}

impl Grid {
    /// Number of tokens.
    pub fn len(self) -> usize {
        self.rows * self.columns
    }

    /// Whether there are no tokens.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// The tokens of one side (queries or keys) of an attention layer: first
/// `prefix` tokens without a place on the photo, then the grid, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Tokens without a place (class token, registers, prompt tokens).
    pub prefix: usize,
    /// The grid that follows; `None` if there is none.
    pub grid: Option<Grid>,
}

/// How a windowed layer cuts its grid: windows row-major over `padded`, tokens
/// row-major in a window. Padding is at the right and bottom, and padded
/// tokens take part as keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Side of a window in tokens.
    pub side: usize,
    /// The grid padded to whole windows.
    pub padded: Grid,
}

impl Windows {
    /// Windows that cover `grid`.
    pub fn covering(grid: Grid, side: usize) -> Self {
        let rows = grid.rows.next_multiple_of(side);
        Self { side, padded: Grid { rows, columns: grid.columns.next_multiple_of(side) } }
    }

    /// Number of windows.
    pub fn count(self) -> usize {
        (self.padded.rows / self.side) * (self.padded.columns / self.side)
    }

    /// Window and place in it of the token at (row, column) of the grid.
    pub fn locate(self, row: usize, column: usize) -> (usize, usize) {
        let across = self.padded.columns / self.side;
        let window = row / self.side * across + column / self.side;
        (window, row % self.side * self.side + column % self.side)
    }

    /// Row and column in the padded grid of a place in a window.
    pub fn position(self, window: usize, place: usize) -> (usize, usize) {
        let across = self.padded.columns / self.side;
        let row = window / across * self.side + place / self.side;
        (row, window % across * self.side + place % self.side)
    }
}

/// What one attention layer computed its weights from:
/// `softmax(queries · keysᵀ · scale + bias)`.
#[derive(Clone, Debug)]
pub struct QueryKey {
    /// The layer's name, as in its checkpoint.
    pub layer: String,
    /// What the queries are.
    pub query_tokens: Tokens,
    /// What the keys are.
    pub key_tokens: Tokens,
    /// Attention heads.
    pub attention_heads: usize,
    /// Width of a query or key.
    pub head_dim: usize,
    /// What the products are multiplied by.
    pub scale: f32,
    /// Set if tokens only look at others of their window.
    pub windows: Option<Windows>,
    /// Added to the scaled products: (heads, queries, keys) of one window, the
    /// model's own table (shared, not copied).
    pub bias: Option<Tensor>,
    /// (windows or 1, heads, queries, head_dim).
    pub queries: Tensor,
    /// (windows or 1, heads, keys, head_dim).
    pub keys: Tensor,
}

impl QueryKey {
    /// Bytes of the recorded queries and keys.
    pub fn bytes(&self) -> usize {
        4 * (self.queries.elem_count() + self.keys.elem_count())
    }

    /// The attention weights of query `query` of window `window` (0 where
    /// there are no windows): one per key of that window, summing to 1.
    ///
    /// # Errors
    /// If head, window or query do not exist.
    pub fn row(&self, head: usize, window: usize, query: usize) -> Result<Vec<f32>> {
        let (windows, heads, queries, dim) = self.queries.dims4()?;
        if head >= heads || window >= windows || query >= queries {
            bail!("no query {query} of attention head {head} in window {window}");
        }
        let keys = self.keys.get(window)?.get(head)?;
        let query_values = self.queries.get(window)?.get(head)?.get(query)?;
        let (keys, query_values) = (Values::of(&keys)?, Values::of(&query_values)?);
        let mut row: Vec<f32> = keys
            .chunks_exact(dim)
            .map(|key| key.iter().zip(query_values.iter()).map(|(a, b)| a * b).sum())
            .collect();
        let bias = self.bias.as_ref().map(|bias| bias.get(head)?.get(query)).transpose()?;
        let bias = bias.as_ref().map(Values::of).transpose()?;
        let n = row.len();
        softmax_rows(&mut row, n, n, self.scale, bias.as_deref());
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn windows_locate_and_position_are_inverse() {
        let windows = Windows::covering(Grid { rows: 9, columns: 16 }, 7);
        assert_eq!(windows.padded, Grid { rows: 14, columns: 21 });
        assert_eq!(windows.count(), 6);
        for row in 0..9 {
            for column in 0..16 {
                let (window, place) = windows.locate(row, column);
                assert_eq!(windows.position(window, place), (row, column));
            }
        }
        assert_eq!(windows.locate(8, 15), (5, 8));
    }

    #[test]
    fn a_row_is_the_biased_softmax() {
        let tokens = Tokens { prefix: 2, grid: None };
        let tensor = |v: &[f32], dims: &[usize]| Tensor::from_slice(v, dims, &Device::Cpu).unwrap();
        let record = QueryKey {
            layer: "layer".into(),
            query_tokens: tokens,
            key_tokens: tokens,
            attention_heads: 1,
            head_dim: 1,
            scale: 0.5,
            windows: None,
            bias: Some(tensor(&[0.0, 0.0, 1.0, 0.0], &[1, 2, 2])),
            queries: tensor(&[1.0, 2.0], &[1, 1, 2, 1]),
            keys: tensor(&[1.0, 3.0], &[1, 1, 2, 1]),
        };
        // 2·1·0.5 + 1 against 2·3·0.5 + 0.
        let row = record.row(0, 0, 1).unwrap();
        let want = 1.0 / (1.0 + 1f32.exp());
        assert!((row[0] - want).abs() < 1e-6 && (row[1] - (1.0 - want)).abs() < 1e-6);
        assert!(record.row(1, 0, 0).is_err() && record.row(0, 0, 2).is_err());
        assert_eq!(record.bytes(), 16);
    }
}
