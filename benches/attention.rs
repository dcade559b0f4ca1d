//! What an inspector asks for while the pointer moves, and what it waits for,
//! on records with made-up numbers: `cargo bench --bench attention`.

use candle_core::{Device, Tensor};
use divan::{Bencher, black_box};
use patchlens::attention::{
    ColorMap, Features, Growth, Guide, Heads, Heatmap, Interpolation, Query, Reverse,
    RolloutOptions, Style, TokenMask, ValueRange, all_heads, all_layers, candidates,
    mass_threshold, overlay, render, reverse, rollout, rollout_row, row, statistics,
};
use patchlens::models::geometry::View;
use patchlens::nn::capture::{Bias, Grid, QueryKey, Tokens};
use patchlens::nn::{LayerNorm, Linear, WindowAttention};
use patchlens::task::detached;
use std::sync::Arc;

/// Width of a query or key in all ViTs from tiny to huge.
const DIM: usize = 64;

fn main() {
    divan::main();
}

fn random(shape: &[usize]) -> Tensor {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu).unwrap()
}

fn layer(prefix: usize, side: usize, heads: usize, bias: Bias) -> QueryKey {
    let grid = Grid {
        rows: side,
        columns: side,
    };
    let tokens = Tokens {
        prefix,
        grid: Some(grid),
    };
    let values = || (tokens, random(&[heads, tokens.len(), DIM]));
    QueryKey::stored("layer".into(), values(), values(), 0.125, bias).unwrap()
}

/// A global layer of SAM ViT-B: 12 attention heads, 64 × 64 tokens.
fn sam_global() -> QueryKey {
    let table = || random(&[127, DIM]);
    let bias = Bias::Relative {
        rows: table(),
        columns: table(),
        grid: Grid {
            rows: 64,
            columns: 64,
        },
    };
    layer(0, 64, 12, bias)
}

/// ViT-S/8 at 224: 12 layers, 6 attention heads, a class token and 28 × 28.
fn vit_small() -> Vec<QueryKey> {
    (0..12).map(|_| layer(1, 28, 6, Bias::None)).collect()
}

/// 12 layers and attention heads, a class token and 32 × 32.
fn thousand_tokens() -> Vec<QueryKey> {
    (0..12).map(|_| layer(1, 32, 12, Bias::None)).collect()
}

/// A layer of TinyViT's third stage: windows of 14 on 64 × 64 tokens.
fn tiny_vit() -> QueryKey {
    let (side, channels, heads) = (14, 160, 5);
    let values = |count: usize| random(&[count]).to_vec1::<f32>().unwrap();
    let linear = |n: usize| Linear::new(&values(n * channels), Some(&values(n)), n, channels);
    let norm = LayerNorm::new(vec![1.0; channels], vec![0.0; channels], 1e-5);
    let (qkv, project) = (linear(3 * channels), linear(channels));
    let bias = values(heads * side * side);
    let layer = WindowAttention::new(norm, qkv, project, &bias, heads, side).unwrap();
    QueryKey::windowed(
        "layer".into(),
        &Arc::new(layer),
        &random(&[64, 64, channels]),
    )
    .unwrap()
}

const MIDDLE: Query = Query::Token {
    row: 13,
    column: 14,
};

fn segment(side: usize) -> Query {
    Query::Tokens((0..500).map(|i| (i / side, i % side)).collect())
}

/// Budget: 5 ms.
#[divan::bench(args = [false, true])]
fn hover_all_heads_of_4096_tokens(bencher: Bencher, relative: bool) {
    let plain = || layer(1, 64, 12, Bias::None);
    let record = if relative { sam_global() } else { plain() };
    bencher.bench_local(|| all_heads(&record, black_box(&MIDDLE)).unwrap());
}

/// Budget: 5 ms.
#[divan::bench]
fn hover_one_row_of_4096_tokens(bencher: Bencher) {
    let record = sam_global();
    bencher.bench_local(|| row(&record, &Heads::One(3), black_box(&MIDDLE)).unwrap());
}

/// Budget: 16 ms.
#[divan::bench]
fn hover_whole_grid_of_a_small_vit(bencher: Bencher) {
    let records = vit_small();
    let asked: Vec<_> = records.iter().map(|record| (record, MIDDLE)).collect();
    bencher.bench_local(|| all_layers(black_box(&asked)).unwrap());
}

#[divan::bench]
fn hover_a_window_of_tiny_vit(bencher: Bencher) {
    let record = tiny_vit();
    bencher.bench_local(|| all_heads(&record, black_box(&MIDDLE)).unwrap());
}

#[divan::bench]
fn mean_row_of_500_of_4096_tokens(bencher: Bencher) {
    let (record, query) = (sam_global(), segment(64));
    bencher.bench_local(|| all_heads(&record, black_box(&query)).unwrap());
}

#[divan::bench]
fn reverse_prepare_4096_tokens(bencher: Bencher) {
    let record = sam_global();
    bencher.bench_local(|| detached(|task| Reverse::new(&record, task)).unwrap());
}

#[divan::bench]
fn reverse_hover_all_heads_of_4096_tokens(bencher: Bencher) {
    let prepared = detached(|task| Reverse::new(&sam_global(), task)).unwrap();
    bencher.bench_local(|| prepared.all_heads(black_box(&MIDDLE)).unwrap());
}

#[divan::bench]
fn reverse_unprepared_one_head_of_785_tokens(bencher: Bencher) {
    let record = layer(1, 28, 6, Bias::None);
    bencher.bench_local(|| reverse(&record, &Heads::One(3), black_box(&MIDDLE)).unwrap());
}

/// Budget: about 1 s.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn rollout_of_12_layers_of_1025_tokens(bencher: Bencher) {
    let (records, options) = (thousand_tokens(), RolloutOptions::default());
    bencher.bench_local(|| detached(|task| rollout(&records, &options, task)).unwrap());
}

#[divan::bench(sample_count = 5, sample_size = 1, args = [0.0, 0.9])]
fn rollout_row_of_12_layers_of_1025_tokens(bencher: Bencher, discard_ratio: f64) {
    let options = RolloutOptions {
        discard_ratio,
        ..RolloutOptions::default()
    };
    let records = thousand_tokens();
    let class = Query::Prefix(0);
    bencher.bench_local(|| detached(|task| rollout_row(&records, &class, &options, task)).unwrap());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn statistics_of_4096_tokens(bencher: Bencher) {
    let record = sam_global();
    bencher.bench_local(|| detached(|task| statistics(&record, (16.0, 16.0), task)).unwrap());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn statistics_of_a_small_vit(bencher: Bencher) {
    let records = vit_small();
    let all = |record| detached(|task| statistics(record, (8.0, 8.0), task)).unwrap();
    bencher.bench_local(|| records.iter().map(all).collect::<Vec<_>>());
}

fn heatmap() -> (Heatmap, Style) {
    let grid = Grid {
        rows: 64,
        columns: 64,
    };
    let values = random(&[64 * 64]).to_vec1().unwrap();
    let style = Style {
        colors: ColorMap::Viridis,
        interpolation: Interpolation::Bilinear,
        range: ValueRange::Percentiles {
            low: 1.0,
            high: 99.0,
        },
        fades: false,
    };
    (Heatmap { grid, values }, style)
}

#[divan::bench]
fn render_1024_by_1024(bencher: Bencher) {
    let (map, style) = heatmap();
    bencher.bench_local(|| render(black_box(&map), (1024, 1024), &style).unwrap());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn overlay_on_24_megapixels(bencher: Bencher) {
    let (map, style) = heatmap();
    let (size, photo) = ((6000, 4000), vec![99u8; 6000 * 4000 * 3]);
    let view = View::whole(size);
    bencher.bench_local(|| overlay(&photo, size, black_box(&map), view, &style, 0.6).unwrap());
}

/// A photo of 1024 × 1024 pixels with a disc, and the tokens that it covers.
fn disc() -> (Vec<u8>, TokenMask) {
    let inside = |x: usize, y: usize, middle: f64, radius: f64| {
        (x as f64 - middle).hypot(y as f64 - middle) < radius
    };
    let pixel = |i: usize| match inside(i % 1024, i / 1024, 512.0, 300.0) {
        true => [200, 60, (i % 32) as u8],
        false => [90, 120, (i % 48) as u8],
    };
    let tokens: Vec<_> = (0..64 * 64)
        .map(|i| (i / 64, i % 64))
        .filter(|(row, column)| inside(*column, *row, 32.0, 18.75))
        .collect();
    let grid = Grid {
        rows: 64,
        columns: 64,
    };
    let rgb = (0..1024 * 1024).flat_map(pixel).collect();
    (rgb, TokenMask::from_tokens(grid, &tokens))
}

#[divan::bench]
fn guide_of_1024_by_1024(bencher: Bencher) {
    let (rgb, _) = disc();
    bencher.bench_local(|| detached(|task| Guide::new(black_box(&rgb), (1024, 1024), task)));
}

/// Budget: 50 ms.
#[divan::bench]
fn refine_64_by_64_tokens_to_1024_by_1024(bencher: Bencher) {
    let (rgb, tokens) = disc();
    let guide = detached(|task| Guide::new(&rgb, (1024, 1024), task)).unwrap();
    let (soft, view) = (tokens.heatmap(), View::whole((1024, 1024)));
    bencher.bench_local(|| detached(|task| guide.refine(black_box(&soft), view, task)).unwrap());
}

/// As many areas of 2 × 2 tokens as "more like this" offers. Budget: 2 s.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn refine_200_small_areas(bencher: Bencher) {
    let (rgb, tokens) = disc();
    let guide = detached(|task| Guide::new(&rgb, (1024, 1024), task)).unwrap();
    let area = |i: usize| {
        let (row, column) = (i / 20 * 6, i % 20 * 3);
        let of = |at: usize| (row + at / 2, column + at % 2);
        TokenMask::from_tokens(tokens.grid, &[of(0), of(1), of(2), of(3)]).heatmap()
    };
    let areas: Vec<Heatmap> = (0..200).map(area).collect();
    bencher.bench_local(|| {
        let refiner = guide.refiner(tokens.grid, View::whole((1024, 1024)));
        for area in black_box(&areas) {
            black_box(detached(|task| refiner.refine(area, task)).unwrap());
        }
    });
}

#[divan::bench]
fn mass_of_4096_tokens(bencher: Bencher) {
    let (map, _) = heatmap();
    bencher.bench_local(|| mass_threshold(black_box(&map), 0.6));
}

/// A stroke over all tokens of 12 rows, an event for each: 768 events.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn brush_event_by_event_over_4096_tokens(bencher: Bencher) {
    let record = layer(1, 64, 6, Bias::None);
    bencher.bench_local(|| {
        let mut growth = Growth::new(&record, &Heads::Mean, (20, 20), 0.6).unwrap();
        for i in 0..768 {
            growth.add(black_box(&[(20 + i / 64, i % 64)])).unwrap();
            black_box(growth.tokens());
        }
    });
}

#[divan::bench]
fn more_like_this_of_4096_tokens(bencher: Bencher) {
    let features = Features::of_tensor(&random(&[64, 64, 256])).unwrap();
    let (_, tokens) = disc();
    bencher.bench_local(|| {
        let prototype = features.prototype(black_box(&tokens)).unwrap();
        let map = features.similarity(&prototype).unwrap();
        candidates(&map, Some(&tokens), prototype.suggested_least())
    });
}
