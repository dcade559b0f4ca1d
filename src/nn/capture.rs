//! Queries and keys of attention layers, recorded during a forward pass.
//!
//! An attention matrix of a whole photo would be huge; from queries and keys a
//! row for one token is a small product, and exact. Each record describes how
//! its tokens lie on the photo, so that whoever reads it needs no knowledge of
//! the model.
//!
//! TinyViT's windowed layers record their input and themselves instead (both shared, not
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

/// Which tokens of a layer see each other: those of a group. Layers without
/// groups are one group that holds all tokens, prefix first, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// All tokens see all others.
    Whole,
    /// Tokens of a window see each other.
    Windows(Windows),
    /// Tokens at the same place of all `side` × `side` patches see each other
    /// (MobileViT): group `row % side · side + column % side`. `grid` is the
    /// token grid, a whole number of patches.
    Phases {
        /// Side of a patch in tokens.
        side: usize,
        /// The token grid.
        grid: Grid,
    },
}

impl Grouping {
    /// Number of groups.
    pub fn count(self) -> usize {
        match self {
            Self::Whole => 1,
            Self::Windows(windows) => windows.count(),
            Self::Phases { side, .. } => side * side,
        }
    }

    /// Group and place in it of the token at (row, column) of the grid, where
    /// `tokens` says what comes before the grid.
    pub fn locate(self, tokens: Tokens, row: usize, column: usize) -> (usize, usize) {
        match self {
            Self::Whole => {
                let columns = tokens.grid.map_or(0, |grid| grid.columns);
                (0, tokens.prefix + row * columns + column)
            }
            Self::Windows(windows) => windows.locate(row, column),
            Self::Phases { side, grid } => {
                let place = row / side * (grid.columns / side) + column / side;
                (row % side * side + column % side, place)
            }
        }
    }

    /// Row and column on the grid of a place in a group; `None` for prefix
    /// tokens. Windows may reach into the padding beyond the grid.
    pub fn position(self, tokens: Tokens, group: usize, place: usize) -> Option<(usize, usize)> {
        match self {
            Self::Whole => {
                let columns = tokens.grid?.columns;
                let place = place.checked_sub(tokens.prefix)?;
                Some((place / columns, place % columns))
            }
            Self::Windows(windows) => Some(windows.position(group, place)),
            Self::Phases { side, grid } => {
                let across = grid.columns / side;
                let (row, column) = (place / across * side, place % across * side);
                Some((row + group / side, column + group % side))
            }
        }
    }
}

/// What a layer adds to the scaled products of queries and keys.
#[derive(Clone, Debug)]
pub enum Bias {
    /// Nothing.
    None,
    /// (heads, queries, keys) of a group: the model's own table, shared.
    Table(Tensor),
    /// Decomposed relative positions (SAM, MViTv2): for a query and a key of a
    /// group whose grid is `grid`, `q · rows[Δrow + grid.rows − 1] +
    /// q · columns[Δcolumn + grid.columns − 1]` with the *unscaled* query and
    /// Δ = query − key. The same for all attention heads.
    Relative {
        /// (2 · grid.rows − 1, head_dim).
        rows: Tensor,
        /// (2 · grid.columns − 1, head_dim).
        columns: Tensor,
        /// The grid of a group's tokens.
        grid: Grid,
    },
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
    /// Which tokens look at each other.
    pub grouping: Grouping,
    /// Added to the scaled products.
    pub bias: Bias,
    /// Length (L2) of each query token in the residual stream after the
    /// layer's block, in the order of `query_tokens`, where the family says.
    pub token_norms: Option<Arc<[f32]>>,
    source: Source,
}

/// Where queries and keys come from.
#[derive(Clone, Debug)]
enum Source {
    /// (groups, heads, tokens, head_dim) each.
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
            grouping: Grouping::Windows(Windows::covering(grid, attention.side())),
            bias: Bias::Table(attention.bias()),
            token_norms: None,
            source: Source::Windowed {
                input: input.clone(),
                attention: attention.clone(),
            },
        })
    }

    /// A record of a layer without groups: `queries` (heads, queries,
    /// head_dim) and `keys` (heads, keys, head_dim).
    ///
    /// # Errors
    /// If their shapes do not fit each other or the numbers of tokens.
    pub fn stored(
        layer: String,
        (query_tokens, queries): (Tokens, Tensor),
        (key_tokens, keys): (Tokens, Tensor),
        scale: f32,
        bias: Bias,
    ) -> Result<Self> {
        if queries.dim(1)? != query_tokens.len() || keys.dim(1)? != key_tokens.len() {
            bail!(
                "queries {:?} and keys {:?} do not fit",
                queries.dims(),
                keys.dims()
            );
        }
        let queries = (query_tokens, queries.unsqueeze(0)?);
        let keys = (key_tokens, keys.unsqueeze(0)?);
        Self::grouped(layer, Grouping::Whole, queries, keys, scale, bias)
    }

    /// A record of a layer whose tokens form groups: `queries` (groups, heads,
    /// queries of a group, head_dim) and `keys` (groups, heads, keys of a
    /// group, head_dim).
    ///
    /// # Errors
    /// If their shapes do not fit each other or the number of groups.
    pub fn grouped(
        layer: String,
        grouping: Grouping,
        (query_tokens, queries): (Tokens, Tensor),
        (key_tokens, keys): (Tokens, Tensor),
        scale: f32,
        bias: Bias,
    ) -> Result<Self> {
        let (groups, heads, _, dim) = queries.dims4()?;
        let (key_groups, key_heads, _, key_dim) = keys.dims4()?;
        let fit = (groups, heads, dim) == (key_groups, key_heads, key_dim);
        if !fit || groups != grouping.count() {
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
            grouping,
            bias,
            token_norms: None,
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

    /// Number of groups; 1 where tokens see all others.
    pub fn group_count(&self) -> usize {
        self.grouping.count()
    }

    /// Queries (heads, queries, head_dim) and keys (heads, keys, head_dim) of a
    /// group, 0 where there is but one.
    ///
    /// # Errors
    /// If there is no such group.
    pub fn group(&self, group: usize) -> Result<(Tensor, Tensor)> {
        match &self.source {
            Source::Windowed { input, attention } => attention.queries_and_keys(input, group),
            Source::Stored { queries, keys } => Ok((queries.get(group)?, keys.get(group)?)),
        }
    }

    /// All queries and keys: (groups, heads, tokens, head_dim) each.
    ///
    /// # Errors
    /// Never on a CPU; computing with candle is fallible.
    pub fn queries_and_keys(&self) -> Result<(Tensor, Tensor)> {
        let groups = (0..self.group_count()).map(|group| self.group(group));
        let (queries, keys): (Vec<_>, Vec<_>) =
            groups.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        Ok((Tensor::stack(&queries, 0)?, Tensor::stack(&keys, 0)?))
    }

    /// The attention weights of query `query` of group `group` (0 where there
    /// is but one): one per key of that group, summing to 1.
    ///
    /// # Errors
    /// If head, group or query do not exist.
    pub fn row(&self, head: usize, group: usize, query: usize) -> Result<Vec<f32>> {
        let (queries, keys) = self.group(group)?;
        self.row_of(&queries, &keys, head, query)
    }

    /// As [`QueryKey::row`], from a group's `queries` and `keys` as
    /// [`QueryKey::group`] gives them: for whoever needs several rows of it.
    ///
    /// # Errors
    /// If head or query do not exist.
    pub fn row_of(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        head: usize,
        query: usize,
    ) -> Result<Vec<f32>> {
        let (heads, asked, dim) = queries.dims3()?;
        if head >= heads || query >= asked {
            bail!("no query {query} of attention head {head}");
        }
        let (keys, asking) = (keys.get(head)?, queries.get(head)?.get(query)?);
        let (keys, asking) = (Values::of(&keys)?, Values::of(&asking)?);
        let mut row: Vec<f32> = keys
            .chunks_exact(dim)
            .map(|key| dot(key, &asking))
            .collect();
        let bias = self.bias_row(head, query, &asking)?;
        let n = row.len();
        softmax_rows(&mut row, n, n, self.scale, bias.as_deref());
        Ok(row)
    }

    /// What is added to the scaled products of one query, (keys).
    fn bias_row(&self, head: usize, query: usize, asking: &[f32]) -> Result<Option<Vec<f32>>> {
        match &self.bias {
            Bias::None => Ok(None),
            Bias::Table(table) => {
                let row = table.get(head)?.get(query)?;
                Ok(Some(Values::of(&row)?.to_vec()))
            }
            Bias::Relative {
                rows,
                columns,
                grid,
            } => {
                let (rows, columns) = (Values::of(rows)?, Values::of(columns)?);
                let products = |table: &[f32], at: usize, side: usize| -> Vec<f32> {
                    let entry = |key: usize| &table[(at + side - 1 - key) * asking.len()..];
                    (0..side)
                        .map(|key| dot(&entry(key)[..asking.len()], asking))
                        .collect()
                };
                let down = products(&rows, query / grid.columns, grid.rows);
                let across = products(&columns, query % grid.columns, grid.columns);
                let sum = |down: &f32| {
                    across
                        .iter()
                        .map(|across| down + across)
                        .collect::<Vec<_>>()
                };
                Ok(Some(down.iter().flat_map(sum).collect()))
            }
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
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
        let bias = Bias::Table(bias);
        let record = QueryKey::stored("layer".into(), queries.clone(), keys, 0.5, bias).unwrap();
        // 2·1·0.5 + 1 against 2·3·0.5 + 0.
        let row = record.row(0, 0, 1).unwrap();
        let want = 1.0 / (1.0 + 1f32.exp());
        assert!((row[0] - want).abs() < 1e-6 && (row[1] - (1.0 - want)).abs() < 1e-6);
        assert!(record.row(1, 0, 0).is_err() && record.row(0, 0, 2).is_err());
        assert!(record.row(0, 1, 0).is_err());
        assert_eq!(record.queries_and_keys().unwrap().0.dims(), [1, 1, 2, 1]);
        let few = (tokens, tensor(&[1.0], &[1, 1, 1]));
        assert!(QueryKey::stored("layer".into(), queries, few, 0.5, Bias::None).is_err());
        assert_eq!(record.bytes(), 16);
    }

    #[test]
    fn phases_locate_and_position_are_inverse() {
        let grid = Grid {
            rows: 6,
            columns: 4,
        };
        let grouping = Grouping::Phases { side: 2, grid };
        let tokens = Tokens {
            prefix: 0,
            grid: Some(grid),
        };
        assert_eq!(grouping.count(), 4);
        assert_eq!(grouping.locate(tokens, 3, 2), (2, 3));
        for row in 0..6 {
            for column in 0..4 {
                let (group, place) = grouping.locate(tokens, row, column);
                let back = grouping.position(tokens, group, place);
                assert_eq!(back, Some((row, column)));
            }
        }
    }

    #[test]
    fn prefix_tokens_have_no_position() {
        let tokens = Tokens {
            prefix: 2,
            grid: Some(Grid {
                rows: 2,
                columns: 3,
            }),
        };
        assert_eq!(Grouping::Whole.locate(tokens, 1, 2), (0, 7));
        assert_eq!(Grouping::Whole.position(tokens, 0, 7), Some((1, 2)));
        assert_eq!(Grouping::Whole.position(tokens, 0, 1), None);
    }

    #[test]
    fn relative_positions_use_the_unscaled_query() {
        let grid = Grid {
            rows: 1,
            columns: 2,
        };
        let tokens = Tokens {
            prefix: 0,
            grid: Some(grid),
        };
        let tensor = |v: &[f32], dims: &[usize]| Tensor::from_slice(v, dims, &Device::Cpu).unwrap();
        let queries = (tokens, tensor(&[2.0, 3.0], &[1, 2, 1]));
        let keys = (tokens, tensor(&[0.0, 0.0], &[1, 2, 1]));
        let bias = Bias::Relative {
            rows: tensor(&[7.0], &[1, 1]),
            // Key to the right of the query, at it, to the left of it.
            columns: tensor(&[0.1, 0.2, 0.4], &[3, 1]),
            grid,
        };
        let record = QueryKey::stored("layer".into(), queries, keys, 0.5, bias).unwrap();
        let row = record.row(0, 0, 1).unwrap();
        // Key 0 lies to the left of query 1.
        let odds = (3.0 * (0.4 - 0.2f32)).exp();
        assert!((row[0] / row[1] - odds).abs() < 1e-5, "{row:?}");
    }
}
