//! Numbers that say what kind of an attention head it is, and token norms.

use super::row::BLOCK;
use super::{AttentionError, Heatmap};
use crate::models::geometry::View;
use crate::nn::capture::{Grid, Group, Grouping, PackedHead, QueryKey, Tokens};
use crate::nn::kernels::dots;
use crate::task::Task;
use rayon::prelude::*;

/// How one attention head behaves on one photo: means over its queries, those
/// that are padding left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadStatistics {
    /// Entropy of a row in nats, over all keys: 0 where one key gets
    /// everything, the logarithm of their number where all get the same. Mean
    /// over all queries.
    pub entropy: f32,
    /// Mean attention distance in pixels (Dosovitskiy et al. 2021, Fig. 7 and
    /// appendix D.7): the distance between the centres of query and key,
    /// averaged with the attention weights. Weights are renormalised over the
    /// keys that have a place on the photo, so that a head which parks its
    /// attention on the class token does not pass for a local one (that share
    /// is [`HeadStatistics::prefix_mass`]). Mean over the queries that have a
    /// place; `None` where queries or keys have none.
    pub mean_distance: Option<f32>,
    /// Share of attention on tokens without a place (class token, registers,
    /// prompt tokens). Mean over all queries.
    pub prefix_mass: f32,
    /// Share of attention on the padding of windows. Mean over all queries.
    pub padding_mass: f32,
}

/// The statistics of each attention head of a layer. `pixels_per_token` is the
/// size (x, y) of a token of the *query* grid, in whatever pixels the distance
/// is wanted.
///
/// Looks at the whole attention matrix, so it costs about as much as the
/// layer's part of a forward pass.
///
/// # Errors
/// [`AttentionError::Cancelled`].
pub fn statistics(
    record: &QueryKey,
    pixels_per_token: (f64, f64),
    task: Task<'_>,
) -> Result<Vec<HeadStatistics>, AttentionError> {
    let scale = Scale {
        token: pixels_per_token,
        asking: None,
    };
    measured(record, scale, task)
}

fn measured(
    record: &QueryKey,
    scale: Scale,
    task: Task<'_>,
) -> Result<Vec<HeadStatistics>, AttentionError> {
    let groups = (0..record.group_count()).into_par_iter();
    let sums = groups.map(|index| group_sums(record, index, scale, task));
    let sums: Result<Vec<_>, AttentionError> = sums.collect();
    Ok(total(sums?, record.attention_heads)
        .iter()
        .map(Sums::means)
        .collect())
}

/// [`statistics`] with distances in pixels of the photo of (width, height)
/// pixels, of which `view` is the part under the query grid; in tokens where
/// queries have no place.
///
/// Queries whose centre lies beside the photo, on padding that makes it a
/// square, are left out like those on the padding of windows: they ask about
/// nothing, and of a 3:2 photo they would be a third of SAM's. Attention that
/// others pay to them counts.
///
/// # Errors
/// [`AttentionError::Cancelled`].
pub fn statistics_on_photo(
    record: &QueryKey,
    view: View,
    (width, height): (u32, u32),
    task: Task<'_>,
) -> Result<Vec<HeadStatistics>, AttentionError> {
    let token = record.query_tokens.grid.map_or((1.0, 1.0), |grid| {
        let token = view.image_from_token(grid, 0, 0);
        (token.width(), token.height())
    });
    let photo = View {
        left: -view.left,
        top: -view.top,
        right: f64::from(width) - view.left,
        bottom: f64::from(height) - view.top,
    };
    let asking = Some(photo);
    measured(record, Scale { token, asking }, task)
}

/// How tokens lie on pixels.
#[derive(Clone, Copy)]
struct Scale {
    /// Size (x, y) of a token of the query grid in pixels.
    token: (f64, f64),
    /// What a query's centre has to lie in to count, in pixels from the upper
    /// left corner of the query grid.
    asking: Option<View>,
}

impl Scale {
    /// Whether a query there counts.
    fn asks(&self, place: &Place) -> bool {
        match (place, self.asking) {
            (Place::Padding, _) => false,
            (Place::At(x, y), Some(photo)) => {
                let (x, y) = (f64::from(*x), f64::from(*y));
                (photo.left..photo.right).contains(&x) && (photo.top..photo.bottom).contains(&y)
            }
            (Place::At(..) | Place::Prefix, _) => true,
        }
    }
}

/// What is summed over queries.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    queries: f64,
    entropy: f64,
    prefix: f64,
    padding: f64,
    /// Queries that have a place and see keys that have one.
    placed: f64,
    distance: f64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.queries += other.queries;
        self.entropy += other.entropy;
        self.prefix += other.prefix;
        self.padding += other.padding;
        self.placed += other.placed;
        self.distance += other.distance;
    }

    fn means(&self) -> HeadStatistics {
        let mean = |sum: f64| (sum / self.queries.max(1.0)) as f32;
        HeadStatistics {
            entropy: mean(self.entropy),
            mean_distance: (self.placed > 0.0).then(|| (self.distance / self.placed) as f32),
            prefix_mass: mean(self.prefix),
            padding_mass: mean(self.padding),
        }
    }
}

/// The sum of parts (heads each), in order.
fn total(parts: Vec<Vec<Sums>>, heads: usize) -> Vec<Sums> {
    let mut total = vec![Sums::default(); heads];
    for part in &parts {
        total
            .iter_mut()
            .zip(part)
            .for_each(|(total, part)| total.add(part));
    }
    total
}

/// The sums of one group, by attention head.
fn group_sums(
    record: &QueryKey,
    index: usize,
    scale: Scale,
    task: Task<'_>,
) -> Result<Vec<Sums>, AttentionError> {
    task.check()?;
    let group = record.open(index)?;
    let heads = (0..record.attention_heads).into_par_iter();
    let heads: candle_core::Result<Vec<PackedHead>> =
        heads.map(|head| group.packed(head)).collect();
    let layout = Layout::new(record, index, &group, scale);
    let heads = heads?;
    let blocks = layout.asking.par_chunks(BLOCK);
    let sums = blocks.map(|places| {
        task.check()?;
        layout.sums(places, &heads)
    });
    let sums: Result<Vec<_>, AttentionError> = sums.collect();
    Ok(total(sums?, heads.len()))
}

/// Where the tokens of a group lie.
struct Layout {
    /// Places of the queries that count.
    asking: Vec<usize>,
    /// Centre of each query in pixels, if it has a place.
    queries: Vec<Option<(f32, f32)>>,
    /// Horizontal and vertical centre of each key in pixels; 0 without a place.
    keys_x: Vec<f32>,
    keys_y: Vec<f32>,
    /// 1 for keys with a place, else 0.
    on_photo: Vec<f32>,
    /// Keys without a place, which come first.
    prefix: usize,
    /// Whether some keys are padding.
    padded: bool,
}

impl Layout {
    fn new(record: &QueryKey, index: usize, group: &Group<'_>, scale: Scale) -> Self {
        let side = |tokens: Tokens, count: usize, size: (f64, f64)| -> Vec<Place> {
            let place = |place| Place::of(record.grouping, tokens, index, place, size);
            (0..count).map(place).collect()
        };
        let reduced = record.reduction.max(1) as f64;
        let queries = side(record.query_tokens, group.queries(), scale.token);
        let coarse = (scale.token.0 * reduced, scale.token.1 * reduced);
        let keys = side(record.key_tokens, group.keys(), coarse);
        let centre = |place: &Place| place.centre().unwrap_or_default();
        let asks = |(place, what): (usize, &Place)| scale.asks(what).then_some(place);
        Self {
            asking: queries.iter().enumerate().filter_map(asks).collect(),
            queries: queries.iter().map(Place::centre).collect(),
            keys_x: keys.iter().map(|key| centre(key).0).collect(),
            keys_y: keys.iter().map(|key| centre(key).1).collect(),
            on_photo: keys
                .iter()
                .map(|key| f32::from(u8::from(key.centre().is_some())))
                .collect(),
            prefix: keys.iter().filter(|key| **key == Place::Prefix).count(),
            padded: keys.contains(&Place::Padding),
        }
    }

    /// Distances of all keys from a query, 0 for those without a place.
    fn distances(&self, (x, y): (f32, f32)) -> Vec<f32> {
        let keys = self.keys_x.iter().zip(&self.keys_y).zip(&self.on_photo);
        keys.map(|((kx, ky), on)| ((kx - x).powi(2) + (ky - y).powi(2)).sqrt() * on)
            .collect()
    }

    /// The sums over a block of queries, by attention head.
    fn sums(&self, places: &[usize], heads: &[PackedHead]) -> Result<Vec<Sums>, AttentionError> {
        let keys = self.on_photo.len();
        let distances: Vec<Option<Vec<f32>>> = places
            .iter()
            .map(|place| self.queries[*place].map(|at| self.distances(at)))
            .collect();
        let mut weights = vec![0.0; places.len() * keys];
        let one = |head: &PackedHead| {
            let entropies = head.weights_and_entropies(places, &mut weights)?;
            let mut sums = Sums::default();
            let rows = weights.chunks_exact(keys);
            for ((row, entropy), distances) in rows.zip(entropies).zip(&distances) {
                sums.add(&self.row(row, entropy, distances.as_deref()));
            }
            Ok(sums)
        };
        heads.iter().map(one).collect()
    }

    fn row(&self, row: &[f32], entropy: f32, distances: Option<&[f32]>) -> Sums {
        let mut on_photo = [0.0];
        dots(row, &self.on_photo, &mut on_photo);
        let on_photo = f64::from(on_photo[0]);
        let prefix: f64 = row[..self.prefix].iter().map(|w| f64::from(*w)).sum();
        let mut sums = Sums {
            queries: 1.0,
            entropy: f64::from(entropy),
            prefix,
            // Without padding the rest is rounding.
            padding: if self.padded {
                (1.0 - on_photo - prefix).max(0.0)
            } else {
                0.0
            },
            ..Sums::default()
        };
        if let Some(distances) = distances.filter(|_| on_photo > 0.0) {
            let mut sum = [0.0];
            dots(row, distances, &mut sum);
            sums.placed = 1.0;
            sums.distance = f64::from(sum[0]) / on_photo;
        }
        sums
    }
}

/// Where a token lies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Prefix,
    Padding,
    /// Centre in pixels.
    At(f32, f32),
}

impl Place {
    /// `size` is that of a token in pixels (x, y).
    fn of(
        grouping: Grouping,
        tokens: Tokens,
        group: usize,
        place: usize,
        size: (f64, f64),
    ) -> Self {
        let grid = tokens.grid.unwrap_or(Grid {
            rows: 0,
            columns: 0,
        });
        match grouping.position(tokens, group, place) {
            None => Self::Prefix,
            Some((row, column)) if row < grid.rows && column < grid.columns => Self::At(
                ((column as f64 + 0.5) * size.0) as f32,
                ((row as f64 + 0.5) * size.1) as f32,
            ),
            Some(_) => Self::Padding,
        }
    }

    fn centre(&self) -> Option<(f32, f32)> {
        match self {
            Self::At(x, y) => Some((*x, *y)),
            Self::Prefix | Self::Padding => None,
        }
    }
}

/// Lengths of a layer's tokens in the residual stream.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenNorms {
    /// Of the tokens without a place, in order.
    pub prefix: Vec<f32>,
    /// Of the grid.
    pub grid: Option<Heatmap>,
}

impl TokenNorms {
    /// The tokens of the grid, as (row, column), that are longer than `times`
    /// the grid's median: large models without registers turn a few tokens of
    /// plain background into such artefacts and keep global information there
    /// (Darcet et al., "Vision Transformers Need Registers", 2024).
    pub fn outliers(&self, times: f32) -> Vec<(usize, usize)> {
        let Some(map) = self.grid.as_ref().filter(|map| !map.grid.is_empty()) else {
            return Vec::new();
        };
        let mut sorted = map.values.clone();
        let middle = sorted.len() / 2;
        let (_, median, _) = sorted.select_nth_unstable_by(middle, f32::total_cmp);
        let limit = *median * times;
        let long = |(index, value): (usize, &f32)| {
            let place = (index / map.grid.columns, index % map.grid.columns);
            (*value > limit).then_some(place)
        };
        map.values.iter().enumerate().filter_map(long).collect()
    }
}

/// The token norms that a layer recorded; `None` if its family records none.
pub fn token_norms(record: &QueryKey) -> Option<TokenNorms> {
    let norms = record.token_norms.as_deref()?;
    let tokens = record.query_tokens;
    let fits = norms.len() == tokens.len();
    let (prefix, rest) = norms.split_at_checked(tokens.prefix).filter(|_| fits)?;
    Some(TokenNorms {
        prefix: prefix.to_vec(),
        grid: tokens.grid.map(|grid| Heatmap {
            grid,
            values: rest.to_vec(),
        }),
    })
}

#[cfg(test)]
mod tests;
