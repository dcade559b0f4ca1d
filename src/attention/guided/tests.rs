use super::*;
use crate::nn::testing::{close, noise};

/// The mean by its definition, in f64.
fn mean(values: &[f32], (width, height): (usize, usize), radius: usize) -> Vec<f32> {
    let window = |at: usize, side: usize| at.saturating_sub(radius)..(at + radius + 1).min(side);
    let one = |index: usize| {
        let (y, x) = (index / width, index % width);
        let (mut sum, mut count) = (0.0, 0.0);
        for y in window(y, height) {
            for x in window(x, width) {
                sum += f64::from(values[y * width + x]);
                count += 1.0;
            }
        }
        (sum / count) as f32
    };
    (0..values.len()).map(one).collect()
}

#[test]
fn running_sums_are_the_mean_over_the_window() {
    for (size, radius) in [
        ((7, 5), 1),
        ((7, 5), 0),
        ((3, 90), 4),
        ((90, 3), 200),
        ((1, 1), 2),
        ((40, 71), 9),
    ] {
        let values = noise(size.0 * size.1, 3);
        let pixels: Vec<[f32; 2]> = values.iter().map(|v| [*v, 1.0]).collect();
        let got = box_mean(&pixels, size, radius);
        let means: Vec<f32> = got.iter().map(|pixel| pixel[0]).collect();
        close(&means, &mean(&values, size, radius), 1e-5);
        assert!(got.iter().all(|pixel| (pixel[1] - 1.0).abs() < 1e-5));
    }
    assert!(box_mean::<1>(&[], (0, 0), 3).is_empty());
}

#[test]
fn a_map_that_is_a_function_of_colour_is_explained_by_it() {
    let size = (24, 24);
    let channel = |seed| noise(size.0 * size.1, seed);
    let channels = [channel(1), channel(2), channel(3)];
    let guide: Vec<[f32; 3]> = (0..size.0 * size.1)
        .map(|i| [0, 1, 2].map(|c: usize| channels[c][i].abs()))
        .collect();
    let map: Vec<f32> = guide
        .iter()
        .map(|[r, g, b]| 0.5 * r - 0.25 * g + b + 0.1)
        .collect();
    for [r, g, b, offset] in coefficients(&guide, &map, size, 5) {
        // The ridge makes slopes a little smaller.
        assert!((r - 0.5).abs() < 0.02 && (g + 0.25).abs() < 0.02, "{r} {g}");
        assert!(
            (b - 1.0).abs() < 0.02 && (offset - 0.1).abs() < 0.02,
            "{b} {offset}"
        );
    }
}

#[test]
fn without_edges_the_map_is_only_smoothed() {
    let size = (16, 9);
    let guide = vec![[0.3, 0.6, 0.9]; size.0 * size.1];
    let map = noise(guide.len(), 5);
    let twice = mean(&mean(&map, size, 2), size, 2);
    let got: Vec<f32> = coefficients(&guide, &map, size, 2)
        .iter()
        .map(|[r, g, b, offset]| 0.3 * r + 0.6 * g + 0.9 * b + offset)
        .collect();
    close(&got, &twice, 1e-3);
}
