//! Queries and keys of attention layers, recorded during a forward pass.
//!
//! An attention matrix of a whole photo would be huge; from queries and keys a
//! row for one token is a small product, and exact. Each record describes how
//! its tokens lie on the photo, so that whoever reads it needs no knowledge of
//! the model.
//!
//! Windowed layers record their input and themselves instead (both shared, not
//! copied), and give a window's queries and keys when asked: with the forward
//! pass's own code, so bit for bit the same. For MobileSAM that is 45 MB
//! instead of 105 MB per photo, and recording costs next to nothing.

use super::WindowAttention;
use super::kernels::softmax_rows;
use super::values::{Values, map_size};
use candle_core::{Result, Tensor, bail};
use std::sync::Arc;

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

impl Tokens {
    /// Number of tokens.
    pub fn len(self) -> usize {
        self.prefix + self.grid.map_or(0, Grid::len)
    }

    /// Whether there are no tokens.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
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
        Self {
            side,
            padded: Grid {
                rows,
                columns: grid.columns.next_multiple_of(side),
            },
        }
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
    source: Source,
}

/// Where queries and keys come from.
#[derive(Clone, Debug)]
enum Source {
    /// (heads, tokens, head_dim) each.
    Stored { queries: Tensor, keys: Tensor },
    /// Computed again from the layer's input.
    Windowed {
        input: Tensor,
        attention: Arc<WindowAttention>,
    },
}

impl QueryKey {
    /// A record of a windowed layer that was given `input`
    /// (rows, columns, channels).
    ///
    /// # Errors
    /// If `input` is not for this layer.
    pub fn windowed(
        layer: String,
        attention: &Arc<WindowAttention>,
        input: &Tensor,
    ) -> Result<Self> {
        let (rows, columns) = map_size(input, attention.channels())?;
        let grid = Grid { rows, columns };
        let tokens = Tokens {
            prefix: 0,
            grid: Some(grid),
        };
        Ok(Self {
            layer,
            query_tokens: tokens,
            key_tokens: tokens,
            attention_heads: attention.heads(),
            head_dim: attention.head_dim(),
            scale: attention.scale(),
            windows: Some(Windows::covering(grid, attention.side())),
            bias: Some(attention.bias()),
            source: Source::Windowed {
                input: input.clone(),
                attention: attention.clone(),
            },
        })
    }

    /// A record of a layer without windows: `queries` (heads, queries,
    /// head_dim) and `keys` (heads, keys, head_dim).
    ///
    /// # Errors
    /// If their shapes do not fit each other or the numbers of tokens.
    pub fn stored(
        layer: String,
        (query_tokens, queries): (Tokens, Tensor),
        (key_tokens, keys): (Tokens, Tensor),
        scale: f32,
        bias: Option<Tensor>,
    ) -> Result<Self> {
        let (heads, asked, dim) = queries.dims3()?;
        if keys.dims() != [heads, key_tokens.len(), dim] || asked != query_tokens.len() {
            bail!(
                "queries {:?} and keys {:?} do not fit",
                queries.dims(),
                keys.dims()
            );
        }
        Ok(Self {
            layer,
            query_tokens,
            key_tokens,
            attention_heads: heads,
            head_dim: dim,
            scale,
            windows: None,
            bias,
            source: Source::Stored { queries, keys },
        })
    }

    /// Bytes that this record holds.
    pub fn bytes(&self) -> usize {
        4 * match &self.source {
            Source::Stored { queries, keys } => queries.elem_count() + keys.elem_count(),
            Source::Windowed { input, .. } => input.elem_count(),
        }
    }

    /// Number of windows; 1 where tokens see all others.
    pub fn window_count(&self) -> usize {
        self.windows.map_or(1, Windows::count)
    }

    /// Queries (heads, queries, head_dim) and keys (heads, keys, head_dim) of a
    /// window, 0 where there are none.
    ///
    /// # Errors
    /// If there is no such window.
    pub fn window(&self, window: usize) -> Result<(Tensor, Tensor)> {
        match &self.source {
            Source::Windowed { input, attention } => attention.queries_and_keys(input, window),
            Source::Stored { queries, keys } if window == 0 => Ok((queries.clone(), keys.clone())),
            Source::Stored { .. } => bail!("the layer {} has no windows", self.layer),
        }
    }

    /// All queries and keys: (windows, heads, tokens, head_dim) each.
    ///
    /// # Errors
    /// Never on a CPU; computing with candle is fallible.
    pub fn queries_and_keys(&self) -> Result<(Tensor, Tensor)> {
        let windows = (0..self.window_count()).map(|window| self.window(window));
        let (queries, keys): (Vec<_>, Vec<_>) =
            windows.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        Ok((Tensor::stack(&queries, 0)?, Tensor::stack(&keys, 0)?))
    }

    /// The attention weights of query `query` of window `window` (0 where
    /// there are no windows): one per key of that window, summing to 1.
    ///
    /// # Errors
    /// If head, window or query do not exist.
    pub fn row(&self, head: usize, window: usize, query: usize) -> Result<Vec<f32>> {
        let (queries, keys) = self.window(window)?;
        let (heads, asked, dim) = queries.dims3()?;
        if head >= heads || query >= asked {
            bail!("no query {query} of attention head {head}");
        }
        let (keys, query_values) = (keys.get(head)?, queries.get(head)?.get(query)?);
        let (keys, query_values) = (Values::of(&keys)?, Values::of(&query_values)?);
        let mut row: Vec<f32> = keys
            .chunks_exact(dim)
            .map(|key| {
                key.iter()
                    .zip(query_values.iter())
                    .map(|(a, b)| a * b)
                    .sum()
            })
            .collect();
        let bias = self
            .bias
            .as_ref()
            .map(|bias| bias.get(head)?.get(query))
            .transpose()?;
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
        let windows = Windows::covering(
            Grid {
                rows: 9,
                columns: 16,
            },
            7,
        );
        assert_eq!(
            windows.padded,
            Grid {
                rows: 14,
                columns: 21
            }
        );
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
        let tokens = Tokens {
            prefix: 2,
            grid: None,
        };
        let tensor = |v: &[f32], dims: &[usize]| Tensor::from_slice(v, dims, &Device::Cpu).unwrap();
        let queries = (tokens, tensor(&[1.0, 2.0], &[1, 2, 1]));
        let keys = (tokens, tensor(&[1.0, 3.0], &[1, 2, 1]));
        let bias = tensor(&[0.0, 0.0, 1.0, 0.0], &[1, 2, 2]);
        let record =
            QueryKey::stored("layer".into(), queries.clone(), keys, 0.5, Some(bias)).unwrap();
        // 2·1·0.5 + 1 against 2·3·0.5 + 0.
        let row = record.row(0, 0, 1).unwrap();
        let want = 1.0 / (1.0 + 1f32.exp());
        assert!((row[0] - want).abs() < 1e-6 && (row[1] - (1.0 - want)).abs() < 1e-6);
        assert!(record.row(1, 0, 0).is_err() && record.row(0, 0, 2).is_err());
        assert!(record.row(0, 1, 0).is_err());
        assert_eq!(record.queries_and_keys().unwrap().0.dims(), [1, 1, 2, 1]);
        let few = (tokens, tensor(&[1.0], &[1, 1, 1]));
        assert!(QueryKey::stored("layer".into(), queries, few, 0.5, None).is_err());
        assert_eq!(record.bytes(), 16);
    }
}
