use super::*;
use crate::attention::testing::{HEADS, definition, every_kind, grid, plain, tokens, with_weights};
use crate::nn::testing::close;
use crate::task::{Cancel, detached};

fn of(record: &QueryKey, pixels: (f64, f64)) -> Vec<HeadStatistics> {
    detached(|task| statistics(record, pixels, task)).unwrap()
}

#[test]
fn a_small_layer_by_hand() {
    // A class token and two tokens side by side, 16 pixels each.
    let weights = [0.5, 0.25, 0.25, 0.2, 0.6, 0.2, 0.5, 0.4, 0.1];
    let record = with_weights(tokens(1, grid(1, 2)), &[&weights]);
    let head = of(&record, (16.0, 99.0))[0];
    let entropy = weights.iter().map(|w| -w * w.ln()).sum::<f32>() / 3.0;
    assert!((head.entropy - entropy).abs() < 1e-5);
    assert!((head.prefix_mass - 0.4).abs() < 1e-6);
    assert_eq!(head.padding_mass, 0.0);
    // Shares of the other token: 0.2 of 0.8 and 0.4 of 0.5.
    let distance = 16.0 * (0.25 + 0.8) / 2.0;
    assert!((head.mean_distance.unwrap() - distance).abs() < 1e-4);
}

#[test]
fn even_attention_has_the_largest_entropy() {
    let n = 1 + 4;
    let record = with_weights(tokens(1, grid(2, 2)), &[&[0.2; 25]]);
    let head = of(&record, (10.0, 10.0))[0];
    assert!((head.entropy - (n as f32).ln()).abs() < 1e-5);
    let distance = (0.0 + 10.0 + 10.0 + 200f32.sqrt()) / 4.0;
    assert!((head.mean_distance.unwrap() - distance).abs() < 1e-4);
}

#[test]
fn every_kind_of_layer_follows_the_definition() {
    for record in every_kind() {
        let pixels = (4.0, 6.0);
        let got = of(&record, pixels);
        assert_eq!(got.len(), HEADS);
        for (head, got) in got.iter().enumerate() {
            let want = by_definition(&record, head, pixels);
            let what = format!("{} {head}: {got:?}, not {want:?}", record.layer);
            assert!((got.entropy - want.entropy).abs() < 1e-4, "{what}");
            assert!((got.prefix_mass - want.prefix_mass).abs() < 1e-5, "{what}");
            assert!(
                (got.padding_mass - want.padding_mass).abs() < 1e-5,
                "{what}"
            );
            let pair = got.mean_distance.zip(want.mean_distance);
            assert!(pair.is_none_or(|(a, b)| (a - b).abs() < 1e-3), "{what}");
            assert_eq!(got.mean_distance.is_some(), want.mean_distance.is_some());
        }
    }
}

/// The same, one weight at a time.
fn by_definition(record: &QueryKey, head: usize, (width, height): (f64, f64)) -> HeadStatistics {
    let inside = |tokens: Tokens, at: (usize, usize)| {
        tokens
            .grid
            .is_some_and(|grid| at.0 < grid.rows && at.1 < grid.columns)
    };
    let (asks, seen) = (record.query_tokens, record.key_tokens);
    let (mut entropies, mut prefixes, mut paddings) = (Vec::new(), Vec::new(), Vec::new());
    let mut distances = Vec::new();
    for group in 0..record.group_count() {
        for (place, row) in definition(record, head, group).iter().enumerate() {
            let from = record.grouping.position(asks, group, place);
            if from.is_some_and(|at| !inside(asks, at)) {
                continue;
            }
            entropies.push(row.iter().map(|w| -w * w.ln()).sum::<f64>());
            let (mut prefix, mut padding, mut on_grid, mut distance) = (0.0, 0.0, 0.0, 0.0);
            for (key, weight) in row.iter().enumerate() {
                match record.grouping.position(seen, group, key) {
                    None => prefix += weight,
                    Some(at) if !inside(seen, at) => padding += weight,
                    Some(at) => {
                        on_grid += weight;
                        let from = from.unwrap_or_default();
                        let side = record.reduction as f64;
                        let delta = |from: usize, to: usize, size: f64| {
                            ((to as f64 + 0.5) * side - (from as f64 + 0.5)) * size
                        };
                        let (y, x) = (delta(from.0, at.0, height), delta(from.1, at.1, width));
                        distance += weight * y.hypot(x);
                    }
                }
            }
            prefixes.push(prefix);
            paddings.push(padding);
            if from.is_some() && on_grid > 0.0 {
                distances.push(distance / on_grid);
            }
        }
    }
    let mean = |values: &[f64]| (values.iter().sum::<f64>() / values.len() as f64) as f32;
    HeadStatistics {
        entropy: mean(&entropies),
        mean_distance: (!distances.is_empty()).then(|| mean(&distances)),
        prefix_mass: mean(&prefixes),
        padding_mass: mean(&paddings),
    }
}

#[test]
fn padding_and_prompts_are_told_apart() {
    let records = every_kind();
    let head = |name: &str| {
        let record = records.iter().find(|r| r.layer == name).unwrap();
        of(record, (1.0, 1.0))[0]
    };
    assert!(head("windows").padding_mass > 0.05);
    assert!(head("tiny vit").padding_mass > 0.05);
    assert_eq!(head("windows").prefix_mass, 0.0);
    let from_image = head("from image");
    assert!((from_image.prefix_mass - 1.0).abs() < 1e-5);
    assert_eq!(from_image.mean_distance, None);
    assert_eq!(head("to image").mean_distance, None);
}

#[test]
fn queries_beside_the_photo_do_not_count() {
    // Three tokens of 10 pixels, of which the last lies below a photo of 25; its
    // centre is the photo's lower edge.
    let weights = [0.5, 0.3, 0.2, 0.3, 0.5, 0.2, 0.01, 0.01, 0.98];
    let record = with_weights(tokens(0, grid(3, 1)), &[&weights]);
    let view = View::whole((10, 30));
    let on = |height| {
        let found = detached(|task| statistics_on_photo(&record, view, (10, height), task));
        found.unwrap()[0]
    };
    let entropy = |row: &[f32]| row.iter().map(|w| -w * w.ln()).sum::<f32>();
    let two = (entropy(&weights[..3]) + entropy(&weights[3..6])) / 2.0;
    assert!((on(25).entropy - two).abs() < 1e-5);
    // What the others look at there still counts.
    let distance = (0.3 * 10.0 + 0.2 * 20.0 + 0.3 * 10.0 + 0.2 * 10.0) / 2.0;
    assert!((on(25).mean_distance.unwrap() - distance).abs() < 1e-4);
    assert_eq!(on(26), of(&record, (10.0, 10.0))[0]);
    assert_eq!(on(30), on(26));
    // The photo may be in the middle of its frame, or larger than it.
    let framed = |view| detached(|task| statistics_on_photo(&record, view, (10, 10), task));
    let middle = View {
        top: -10.0,
        bottom: 20.0,
        ..view
    };
    assert!((framed(middle).unwrap()[0].entropy - entropy(&weights[3..6])).abs() < 1e-5);
}

#[test]
fn it_can_be_cancelled() {
    let cancel = Cancel::new();
    cancel.cancel();
    let task = Task::new(&cancel, &|_| {});
    let error = statistics(&plain(1, grid(2, 2), 1), (1.0, 1.0), task).unwrap_err();
    assert_eq!(error, AttentionError::Cancelled);
}

#[test]
fn norms_are_laid_out_and_artefacts_found() {
    let mut record = plain(2, grid(2, 3), 1);
    assert_eq!(token_norms(&record), None);
    record.token_norms = Some([9.0, 8.0, 1.0, 2.0, 3.0, 4.0, 50.0, 6.0].into());
    let norms = token_norms(&record).unwrap();
    assert_eq!(norms.prefix, [9.0, 8.0]);
    close(
        &norms.grid.as_ref().unwrap().values,
        &[1.0, 2.0, 3.0, 4.0, 50.0, 6.0],
        0.0,
    );
    assert_eq!(norms.outliers(3.0), [(1, 1)]);
    assert_eq!(norms.outliers(20.0), []);
    // Norms that belong to something else are not shown.
    record.token_norms = Some([1.0; 7].into());
    assert_eq!(token_norms(&record), None);
}
