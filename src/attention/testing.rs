//! Records of every kind of layer with made-up numbers, and what the
//! definition of attention makes of them.

use crate::nn::capture::{Bias, Grid, Grouping, QueryKey, Tokens, Windows};
use crate::nn::testing::noise;
use crate::nn::{LayerNorm, Linear, WindowAttention};
use candle_core::{Device, Tensor};
use std::sync::Arc;

/// Width of queries and keys.
const DIM: usize = 5;
/// Attention heads.
pub const HEADS: usize = 3;

pub fn grid(rows: usize, columns: usize) -> Grid {
    Grid { rows, columns }
}

/// `prefix` tokens, then a grid.
pub fn tokens(prefix: usize, grid: impl Into<Option<Grid>>) -> Tokens {
    let grid = grid.into();
    Tokens { prefix, grid }
}

pub fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

fn random(shape: &[usize], seed: u64) -> Tensor {
    tensor(&noise(shape.iter().product(), seed), shape)
}

/// A layer of that grouping.
pub fn layer(
    name: &str,
    grouping: Grouping,
    (queries, keys): (Tokens, Tokens),
    bias: Bias,
    seed: u64,
) -> QueryKey {
    let side = |tokens: Tokens, seed| {
        let shape = [grouping.count(), HEADS, grouping.members(tokens), DIM];
        (tokens, random(&shape, seed))
    };
    let (queries, keys) = (side(queries, seed), side(keys, seed + 1000));
    QueryKey::grouped(name.into(), grouping, queries, keys, 1.7, bias).unwrap()
}

/// A layer of a plain Vision Transformer.
pub fn plain(prefix: usize, grid: Grid, seed: u64) -> QueryKey {
    let tokens = tokens(prefix, grid);
    layer("plain", Grouping::Whole, (tokens, tokens), Bias::None, seed)
}

/// Relative positions for groups of `grid`.
fn relative(grid: Grid) -> Bias {
    Bias::Relative {
        rows: random(&[2 * grid.rows - 1, DIM], 71),
        columns: random(&[2 * grid.columns - 1, DIM], 72),
        grid,
    }
}

/// One record of every kind, named.
pub fn every_kind() -> Vec<QueryKey> {
    let map = grid(5, 7);
    let on_map = tokens(0, map);
    let windows = Windows::covering(map, 4);
    let window = Grouping::Windows(windows);
    let even = grid(4, 6);
    let phases = Grouping::Phases {
        side: 2,
        grid: even,
    };
    let on_even = tokens(0, even);
    let prompt = tokens(6, None);
    let whole = Grouping::Whole;
    let table = Bias::Table(random(&[HEADS, 38, 38], 73));
    let both = |tokens| (tokens, tokens);
    vec![
        layer("class token", whole, both(tokens(1, map)), Bias::None, 1),
        layer("registers", whole, both(tokens(5, map)), Bias::None, 2),
        layer("table", whole, both(tokens(3, map)), table, 3),
        layer(
            "reduced",
            whole,
            (on_even, tokens(0, grid(2, 3))),
            Bias::None,
            4,
        ),
        layer("phases", phases, both(on_even), Bias::None, 5),
        layer("global", whole, both(on_map), relative(map), 6),
        layer("windows", window, both(on_map), relative(grid(4, 4)), 7),
        layer("to image", whole, (prompt, on_map), Bias::None, 8),
        layer("from image", whole, (on_map, prompt), Bias::None, 9),
        tiny_vit(map, 4),
    ]
}

/// A windowed layer that computes its queries and keys when asked.
pub fn tiny_vit(map: Grid, side: usize) -> QueryKey {
    let (width, inner) = (4 * HEADS, 4 * HEADS);
    let norm = LayerNorm::new(noise(width, 1), noise(width, 2), 1e-5);
    let weight = noise(3 * inner * width, 3);
    let qkv = Linear::new(&weight, Some(&noise(3 * inner, 4)), 3 * inner, width);
    let project = Linear::new(&noise(width * inner, 5), None, width, inner);
    let bias = noise(HEADS * side * side, 6);
    let attention = WindowAttention::new(norm, qkv, project, &bias, HEADS, side).unwrap();
    let input = random(&[map.rows, map.columns, width], 7);
    QueryKey::windowed("tiny vit".into(), &Arc::new(attention), &input).unwrap()
}

/// The attention matrix of one attention head in one group by the definition,
/// in f64: rows of weights.
pub fn definition(record: &QueryKey, head: usize, group: usize) -> Vec<Vec<f64>> {
    let (queries, keys) = record.group(group).unwrap();
    let rows = |t: Tensor| t.get(head).unwrap().to_vec2::<f32>().unwrap();
    let (queries, keys) = (rows(queries), rows(keys));
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    let bias = |q: usize, k: usize| match &record.bias {
        Bias::None => 0.0,
        Bias::Table(table) => {
            let table = table.get(head).unwrap().to_vec2::<f32>().unwrap();
            f64::from(table[q][k])
        }
        Bias::Relative {
            rows: down,
            columns: across,
            grid,
        } => {
            let (down, across) = (down.to_vec2().unwrap(), across.to_vec2().unwrap());
            let by_row = q / grid.columns + grid.rows - 1 - k / grid.columns;
            let by_column = q % grid.columns + grid.columns - 1 - k % grid.columns;
            dot(&queries[q], &down[by_row]) + dot(&queries[q], &across[by_column])
        }
    };
    let row = |(q, query): (usize, &Vec<f32>)| {
        let logit = |(k, key): (usize, &Vec<f32>)| {
            (dot(query, key) * f64::from(record.scale) + bias(q, k)).exp()
        };
        let row: Vec<f64> = keys.iter().enumerate().map(logit).collect();
        let total: f64 = row.iter().sum();
        row.into_iter().map(|weight| weight / total).collect()
    };
    queries.iter().enumerate().map(row).collect()
}

/// A layer of one attention head with these attention weights, as near as
/// queries can make them: (tokens, tokens), rows summing to 1, none 0.
pub fn with_weights(tokens: Tokens, heads: &[&[f32]]) -> QueryKey {
    let n = tokens.len();
    let logits: Vec<f32> = heads
        .iter()
        .flat_map(|h| h.iter().map(|w| w.ln()))
        .collect();
    let keys: Vec<f32> = (0..n * n).map(|i| f32::from(i / n == i % n)).collect();
    let keys = keys.repeat(heads.len());
    let shape = [heads.len(), n, n];
    let (queries, keys) = (tensor(&logits, &shape), tensor(&keys, &shape));
    let sides = ((tokens, queries), (tokens, keys));
    QueryKey::stored("known".into(), sides.0, sides.1, 1.0, Bias::None).unwrap()
}
