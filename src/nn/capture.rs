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

mod layout;
mod weights;

pub use layout::{Grid, Grouping, Tokens, Windows};
pub use weights::{Group, PackedHead};

use super::WindowAttention;
use super::kernels::{dots, softmax_rows};
use super::values::{Values, map_size};
use candle_core::{Result, Tensor, bail};
use std::sync::{Arc, Mutex, PoisonError};

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

impl Bias {
    /// Whether it is for groups of `queries` and `keys`.
    fn check(&self, heads: usize, queries: usize, keys: usize, dim: usize) -> Result<()> {
        let fits = match self {
            Self::None => true,
            Self::Table(table) => table.dims() == [heads, queries, keys],
            Self::Relative {
                rows,
                columns,
                grid,
            } => {
                let table = |side: usize| [(2 * side).saturating_sub(1), dim];
                (queries, keys) == (grid.len(), grid.len())
                    && rows.dims() == table(grid.rows)
                    && columns.dims() == table(grid.columns)
            }
        };
        if !fits {
            bail!("the bias does not fit {heads} heads of {queries} queries and {keys} keys");
        }
        Ok(())
    }
}

/// How many query tokens one key token stands for, along a side.
fn reduction(queries: Tokens, keys: Tokens) -> usize {
    match (queries.grid, keys.grid) {
        (Some(queries), Some(keys)) if !keys.is_empty() => (queries.rows / keys.rows).max(1),
        _ => 1,
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
    /// Which tokens look at each other.
    pub grouping: Grouping,
    /// Added to the scaled products.
    pub bias: Bias,
    /// Side of the square of query tokens that one key token stands for: more
    /// than 1 where the key grid is reduced (SegFormer's `sr_ratio`).
    /// Constructors take it from the grids; where the reduction drops leftover
    /// rows or columns, whoever knows better says so.
    pub reduction: usize,
    /// Length (L2) of each query token in the residual stream after the
    /// layer's block, in the order of `query_tokens`, where the family says.
    pub token_norms: Option<Arc<[f32]>>,
    source: Source,
}

/// A window with its queries and keys.
type Opened = (usize, (Tensor, Tensor));

/// Where queries and keys come from.
#[derive(Clone, Debug)]
enum Source {
    /// (groups, heads, tokens, head_dim) each.
    Stored { queries: Tensor, keys: Tensor },
    /// Computed again from the layer's input.
    Windowed {
        input: Tensor,
        attention: Arc<WindowAttention>,
        /// The window that was asked for last: a pointer stays in a window for a
        /// while.
        last: Arc<Mutex<Option<Opened>>>,
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
            reduction: 1,
            token_norms: None,
            source: Source::Windowed {
                input: input.clone(),
                attention: attention.clone(),
                last: Arc::default(),
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
        let (groups, heads, asked, dim) = queries.dims4()?;
        let (key_groups, key_heads, seen, key_dim) = keys.dims4()?;
        let alike = (groups, heads, dim) == (key_groups, key_heads, key_dim);
        let grouped =
            (asked, seen) == (grouping.members(query_tokens), grouping.members(key_tokens));
        if !alike
            || !grouped
            || groups != grouping.count()
            || queries.elem_count() == 0
            || seen == 0
        {
            bail!(
                "queries {:?} and keys {:?} do not fit",
                queries.dims(),
                keys.dims()
            );
        }
        bias.check(heads, asked, seen, dim)?;
        Ok(Self {
            layer,
            query_tokens,
            key_tokens,
            attention_heads: heads,
            head_dim: dim,
            scale,
            grouping,
            bias,
            reduction: reduction(query_tokens, key_tokens),
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
            Source::Windowed {
                input,
                attention,
                last,
            } => {
                // Not held while computing: others may want other windows.
                let last = || last.lock().unwrap_or_else(PoisonError::into_inner);
                let known = last().clone().filter(|(at, _)| *at == group);
                if let Some((_, known)) = known {
                    return Ok(known);
                }
                let opened = attention.queries_and_keys(input, group)?;
                *last() = Some((group, opened.clone()));
                Ok(opened)
            }
            Source::Stored { queries, keys } => Ok((queries.get(group)?, keys.get(group)?)),
        }
    }

    /// A group's queries and keys, for computing its attention weights; group
    /// 0 where there is but one.
    ///
    /// # Errors
    /// If there is no such group.
    pub fn open(&self, group: usize) -> Result<Group<'_>> {
        Ok(Group::new(self, self.group(group)?))
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
        let mut row = vec![0.0; keys.len() / dim];
        dots(&keys, &asking, &mut row);
        let bias = self.bias.row(head, query, &asking)?;
        let bias = (!bias.is_empty()).then_some(&bias[..]);
        let n = row.len();
        softmax_rows(&mut row, n, n, self.scale, bias);
        Ok(row)
    }
}

#[cfg(test)]
mod tests;
