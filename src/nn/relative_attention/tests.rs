//! Attention against its definition in plain loops, and the cutting into
//! windows.

use super::*;
use crate::nn::testing::{close, noise};
use proptest::prelude::*;

struct Sizes {
    grid: Grid,
    window: Option<usize>,
    heads: usize,
    dim: usize,
    biased: bool,
    relative: bool,
}

struct Parts {
    layer: RelativeAttention,
    qkv: Linear,
    project: Linear,
    norm: LayerNorm,
    tables: (Vec<f32>, Vec<f32>),
}

fn parts(sizes: &Sizes) -> Parts {
    let (channels, inner) = (7, sizes.heads * sizes.dim);
    let norm = LayerNorm::new(noise(channels, 1), noise(channels, 2), 1e-6);
    let bias = noise(3 * inner, 4);
    let bias = sizes.biased.then_some(bias.as_slice());
    let qkv = Linear::new(&noise(3 * inner * channels, 3), bias, 3 * inner, channels);
    let project = &noise(channels * inner, 5);
    let project = Linear::new(project, Some(&noise(channels, 6)), channels, inner);
    let extent = Groups::new(sizes.grid, sizes.window).extent;
    let rows = noise((2 * extent.rows - 1) * sizes.dim, 7);
    let columns = noise((2 * extent.columns - 1) * sizes.dim, 8);
    let positions = RelativePositions::new(rows.clone(), columns.clone(), extent, sizes.dim);
    let positions = sizes.relative.then_some(positions.unwrap());
    let (n, a, b) = (norm.clone(), qkv.clone(), project.clone());
    Parts {
        layer: RelativeAttention::new(n, a, b, sizes.heads, sizes.window, positions),
        qkv,
        project,
        norm,
        tables: (rows, columns),
    }
}

/// What the layer makes of `x`, and the weights (group, head, query, key).
fn definition(sizes: &Sizes, parts: &Parts, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let Sizes {
        grid, heads, dim, ..
    } = *sizes;
    let groups = Groups::new(grid, sizes.window);
    let extent = groups.extent;
    let mut normed = x.to_vec();
    parts.norm.apply(&mut normed);
    let (mut mixed, mut all) = (vec![0.0; grid.len() * heads * dim], Vec::new());
    for group in 0..groups.count() {
        let Part { top, left, .. } = groups.part(group);
        let token = |place: usize| {
            let (row, column) = (top + place / extent.columns, left + place % extent.columns);
            (row < grid.rows && column < grid.columns).then_some(row * grid.columns + column)
        };
        let qkv: Vec<Vec<f32>> = (0..extent.len())
            .map(|place| match token(place) {
                Some(token) => parts.qkv.apply(&normed[token * 7..][..7]),
                None => parts.qkv.apply(&[0.0; 7]),
            })
            .collect();
        for head in 0..heads {
            let of = |place: usize, kind: usize| &qkv[place][(kind * heads + head) * dim..][..dim];
            let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
            for query in 0..extent.len() {
                let q = of(query, 0);
                let score = |key: usize| {
                    let mut score = dot(q, of(key, 1)) * (dim as f32).powf(-0.5);
                    if sizes.relative {
                        let columns = extent.columns;
                        let down = query / columns + extent.rows - 1 - key / columns;
                        let across = query % columns + columns - 1 - key % columns;
                        score += dot(q, &parts.tables.0[down * dim..][..dim]);
                        score += dot(q, &parts.tables.1[across * dim..][..dim]);
                    }
                    score
                };
                let scores: Vec<f32> = (0..extent.len()).map(|key| score(key).exp()).collect();
                let total: f32 = scores.iter().sum();
                for (key, score) in scores.iter().enumerate() {
                    all.push(score / total);
                    if let Some(token) = token(query) {
                        let out = &mut mixed[(token * heads + head) * dim..][..dim];
                        for (out, value) in out.iter_mut().zip(of(key, 2)) {
                            *out += score / total * value;
                        }
                    }
                }
            }
        }
    }
    let mut out = parts.project.apply(&mixed);
    out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
    (out, all)
}

fn check(sizes: &Sizes) {
    let parts = parts(sizes);
    let Grid { rows, columns } = sizes.grid;
    let x = noise(rows * columns * 7, 9);
    let tensor = Tensor::from_slice(&x, (rows, columns, 7), &Device::Cpu).unwrap();
    let (got, record) = parts
        .layer
        .forward(&tensor, Some("layer"), LayerAblation::default())
        .unwrap();
    let (want, weights) = definition(sizes, &parts, &x);
    close(&Values::of(&got).unwrap(), &want, 1e-5);
    let record = record.unwrap();
    let groups = Groups::new(sizes.grid, sizes.window);
    let mut rows = Vec::new();
    for group in 0..groups.count() {
        for head in 0..sizes.heads {
            for query in 0..groups.extent.len() {
                rows.extend(record.row(head, group, query).unwrap());
            }
        }
    }
    close(&rows, &weights, 1e-5);
    let (quiet, none) = parts
        .layer
        .forward(&tensor, None, LayerAblation::default())
        .unwrap();
    assert!(none.is_none());
    assert_eq!(&*Values::of(&quiet).unwrap(), &*Values::of(&got).unwrap());
}

#[test]
fn more_queries_than_a_block_has() {
    check(&Sizes {
        grid: Grid {
            rows: 5,
            columns: 11,
        },
        window: None,
        heads: 2,
        dim: 5,
        biased: true,
        relative: true,
    });
}

#[test]
fn another_map_than_that_of_the_positions_is_refused() {
    let sizes = Sizes {
        grid: Grid {
            rows: 2,
            columns: 3,
        },
        window: None,
        heads: 1,
        dim: 2,
        biased: true,
        relative: true,
    };
    let layer = parts(&sizes).layer;
    let tensor =
        |dims: (usize, usize, usize)| Tensor::zeros(dims, candle_core::DType::F32, &Device::Cpu);
    assert!(
        layer
            .forward(&tensor((2, 3, 7)).unwrap(), None, LayerAblation::default())
            .is_ok()
    );
    assert!(
        layer
            .forward(&tensor((3, 2, 7)).unwrap(), None, LayerAblation::default())
            .is_err()
    );
    assert!(
        layer
            .forward(&tensor((2, 3, 6)).unwrap(), None, LayerAblation::default())
            .is_err()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_follows_the_definition(
        (rows, columns) in (1usize..7, 1usize..7),
        window in proptest::option::of(1usize..5),
        (heads, dim) in (1usize..4, 1usize..6),
        (biased, relative) in any::<(bool, bool)>(),
    ) {
        let grid = Grid { rows, columns };
        check(&Sizes { grid, window, heads, dim, biased, relative });
    }

    #[test]
    fn windows_put_together_give_the_map(
        (rows, columns, channels) in (1usize..20, 1usize..20, 1usize..4),
        window in proptest::option::of(1usize..9),
    ) {
        let grid = Grid { rows, columns };
        let groups = Groups::new(grid, window);
        let map: Vec<f32> = (0..grid.len() * channels).map(|v| v as f32).collect();
        let padding = vec![-1.0; channels];
        let parts: Vec<Vec<f32>> = (0..groups.count())
            .map(|group| {
                let mut out = Vec::new();
                groups.gather(group, &map, channels, &padding, &mut out);
                out
            })
            .collect();
        prop_assert!(parts.iter().all(|part| part.len() == groups.extent.len() * channels));
        let back: Vec<f32> = (0..grid.len())
            .flat_map(|token| {
                let (group, place) = groups.locate(token);
                parts[group][place * channels..][..channels].to_vec()
            })
            .collect();
        prop_assert_eq!(back, map);
        let padded = parts.concat().iter().filter(|v| **v < 0.0).count();
        let padded_tokens = groups.count() * groups.extent.len() - grid.len();
        prop_assert_eq!(padded, padded_tokens * channels);
    }
}
