use super::*;
use crate::attention::testing::{every_kind, grid, plain, tensor, tokens};
use crate::nn::testing::noise;

/// Four tokens in a row: two alike, one opposite, one in between.
fn strip() -> Features {
    let values = vec![3.0, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    Features::new(grid(1, 4), 2, values).unwrap()
}

fn close(a: f32, b: f32) -> bool {
    (a - b).abs() < 1e-5
}

#[test]
fn similarity_is_the_cosine_after_centring() {
    // The mean is (2, 1): what is left are (1, 0) and (-1, 0).
    let features = strip();
    let chosen = TokenMask::from_tokens(features.grid, &[(0, 0)]);
    let prototype = features.prototype(&chosen).unwrap();
    assert!(close(prototype.average, 1.0) && close(prototype.lowest, 1.0));
    assert!(close(prototype.deviation, 0.0));
    let map = features.similarity(&prototype).unwrap();
    assert_eq!(map.values, [1.0, 1.0, -1.0, -1.0]);
}

#[test]
fn the_prototype_is_the_mean_direction() {
    // Around the mean (0, 0): east, north, west, south.
    let values = vec![5.0, 0.0, 0.0, 2.0, -5.0, 0.0, 0.0, -2.0];
    let features = Features::new(grid(2, 2), 2, values).unwrap();
    let chosen = TokenMask::from_tokens(features.grid, &[(0, 0), (0, 1)]);
    let prototype = features.prototype(&chosen).unwrap();
    let map = features.similarity(&prototype).unwrap();
    let half = 0.5f32.sqrt();
    let wanted = [half, half, -half, -half];
    assert!(
        map.values.iter().zip(wanted).all(|(a, b)| close(*a, b)),
        "{map:?}"
    );
    assert!(close(prototype.average, half) && close(prototype.deviation, 0.0));
    let opposite = TokenMask::from_tokens(features.grid, &[(0, 0), (1, 0)]);
    assert_eq!(
        features.prototype(&opposite),
        Err(AttentionError::NothingInCommon)
    );
}

#[test]
fn another_photo_is_centred_as_the_prototypes_was() {
    let features = strip();
    let chosen = TokenMask::from_tokens(features.grid, &[(0, 0)]);
    let prototype = features.prototype(&chosen).unwrap();
    // A photo of nothing else: centred by its own mean, nothing would be left.
    let full = Features::new(grid(1, 2), 2, vec![3.0, 1.0, 4.0, 1.0]).unwrap();
    assert_eq!(full.similarity(&prototype).unwrap().values, [1.0, 1.0]);
    let without = Features::new(grid(1, 2), 2, vec![1.0, 1.0, 2.0, 4.0]).unwrap();
    assert_eq!(without.similarity(&prototype).unwrap().values, [-1.0, 0.0]);
    let longer = Features::new(grid(1, 1), 3, vec![0.0; 3]).unwrap();
    let error = longer.similarity(&prototype).unwrap_err();
    assert_eq!(
        error,
        AttentionError::OtherFeatures {
            expected: 2,
            found: 3
        }
    );
}

#[test]
fn candidates_are_areas_by_their_score() {
    let map = Heatmap {
        grid: grid(3, 4),
        values: vec![
            0.9, 0.8, 0.0, 0.6, //
            0.0, 0.0, 0.0, 0.0, //
            0.7, 0.0, 0.8, 1.0,
        ],
    };
    let found = candidates(&map, None, 0.5);
    let areas: Vec<_> = found.iter().map(|found| found.tokens.tokens()).collect();
    assert_eq!(
        areas,
        [
            vec![(2, 2), (2, 3)],
            vec![(0, 0), (0, 1)],
            vec![(2, 0)],
            vec![(0, 3)]
        ]
    );
    assert!(close(found[0].score, 0.9) && close(found[1].score, 0.85));
    // What they are like is not offered again.
    let own = TokenMask::from_tokens(map.grid, &[(2, 3), (0, 0)]);
    let found = candidates(&map, Some(&own), 0.75);
    let areas: Vec<_> = found.iter().map(|found| found.tokens.tokens()).collect();
    assert_eq!(areas, [[(0, 1)], [(2, 2)]]);
    assert!(candidates(&map, None, f32::NAN).is_empty());
}

/// Side of a token in pixels.
const TOKEN: usize = 8;

/// Grey pixels of three textures by `texture(row, column)` of a token: 0 stripes
/// across, 1 stripes down, 2 noise.
fn textured(side: usize, seed: u64, texture: impl Fn(usize, usize) -> usize) -> Vec<f32> {
    let width = side * TOKEN;
    let noise = noise(width * width, seed);
    let pixel = |index: usize| {
        let (y, x) = (index / width, index % width);
        let stripe = |at: usize| {
            if (at / 2).is_multiple_of(2) {
                0.7
            } else {
                -0.7
            }
        };
        let pattern = match texture(y / TOKEN, x / TOKEN) {
            0 => stripe(y),
            1 => stripe(x),
            _ => 0.0,
        };
        let share = if pattern == 0.0 { 1.0 } else { 0.2 };
        pattern + share * noise[index]
    };
    (0..width * width).map(pixel).collect()
}

/// Local statistics of each token: mean slopes down and across, mean absolute
/// value, and a large part that all tokens have in common, as networks have.
fn statistics(pixels: &[f32], side: usize) -> Features {
    let width = side * TOKEN;
    let mut values = Vec::new();
    for token in 0..side * side {
        let (top, left) = (token / side * TOKEN, token % side * TOKEN);
        let mut sums = [0.0f32; 3];
        for y in top..top + TOKEN - 1 {
            for x in left..left + TOKEN - 1 {
                let at = |y: usize, x: usize| pixels[y * width + x];
                sums[0] += (at(y + 1, x) - at(y, x)).abs();
                sums[1] += (at(y, x + 1) - at(y, x)).abs();
                sums[2] += at(y, x).abs();
            }
        }
        values.extend(sums.map(|sum| sum / (TOKEN * TOKEN) as f32));
        values.extend([30.0, -20.0]);
    }
    Features::new(grid(side, side), 5, values).unwrap()
}

#[test]
fn the_same_texture_is_found_on_this_photo_and_another() {
    // Blocks of 3 × 3 tokens, a different texture from one to the next.
    let block = |row: usize, column: usize| (row / 3 + column / 3) % 3;
    let features = statistics(&textured(12, 1, block), 12);
    let all = |wanted: usize| {
        let is = |token: &(usize, usize)| block(token.0, token.1) == wanted;
        let tokens: Vec<_> = (0..144).map(|i| (i / 12, i % 12)).filter(is).collect();
        TokenMask::from_tokens(grid(12, 12), &tokens)
    };
    for texture in 0..3 {
        let own = all(texture).components().remove(0);
        let prototype = features.prototype(&own).unwrap();
        let least = prototype.suggested_least();
        let map = features.similarity(&prototype).unwrap();
        let found = candidates(&map, Some(&own), least);
        let found = found
            .iter()
            .fold(own, |all, found| all.union(&found.tokens));
        let wanted = all(texture);
        let wrong = (0..144).filter(|i| found.on[*i] != wanted.on[*i]).count();
        assert!(wrong <= 4, "texture {texture}: {found:?}");
        // On a photo of which only the left half shows that texture.
        let half = |_: usize, column: usize| {
            if column < 4 {
                texture
            } else {
                (texture + 1) % 3
            }
        };
        let other = statistics(&textured(8, 77, half), 8);
        let map = other.similarity(&prototype).unwrap();
        let like = TokenMask::at_least(&map, least);
        let wrong = (0..64).filter(|i| like.on[*i] != (i % 8 < 4)).count();
        assert!(wrong <= 2, "texture {texture}: {like:?}");
    }
}

#[test]
fn uncentred_features_would_all_be_alike() {
    let features = statistics(&textured(6, 3, |row, _| row / 3), 6);
    let row = |i: usize| &features.values[i * 5..][..5];
    let length = |a: &[f32]| dot(a, a).sqrt();
    let cosine = dot(row(0), row(35)) / (length(row(0)) * length(row(35)));
    assert!(cosine > 0.99, "{cosine}");
    let chosen = TokenMask::from_tokens(features.grid, &[(0, 0)]);
    let prototype = features.prototype(&chosen).unwrap();
    let map = features.similarity(&prototype).unwrap();
    assert!(map.values[35] < -0.5 && map.values[1] > 0.5, "{map:?}");
}

#[test]
fn keys_of_all_attention_heads_lie_side_by_side() {
    let record = plain(2, grid(3, 4), 5);
    let features = Features::of_keys(&record).unwrap();
    assert_eq!((features.grid, features.dim), (grid(3, 4), 15));
    let (_, keys) = record.group(0).unwrap();
    let keys = keys.to_vec3::<f32>().unwrap();
    for token in [0, 7, 11] {
        let wanted: Vec<f32> = keys
            .iter()
            .flat_map(|head| head[2 + token].clone())
            .collect();
        assert_eq!(features.values[token * 15..][..15], wanted);
    }
    let able: Vec<String> = every_kind()
        .iter()
        .filter(|record| Features::of_keys(record).is_ok())
        .map(|record| record.layer.clone())
        .collect();
    let wanted = ["class token", "registers", "table", "global", "to image"];
    assert_eq!(able, wanted);
}

#[test]
fn maps_and_output_tokens_are_features() {
    let values = noise(24, 1);
    let map = Features::of_tensor(&tensor(&values, &[3, 4, 2])).unwrap();
    assert_eq!((map.grid, map.dim), (grid(3, 4), 2));
    assert_eq!(map.values, values);
    assert_eq!(map.bytes(), 4 * 26);
    let hidden = Hidden {
        tokens: tensor(&values, &[6, 4]),
        layout: tokens(2, grid(2, 2)),
    };
    let features = Features::of_hidden(&hidden).unwrap();
    assert_eq!(features.values, values[8..]);
    assert!(Features::of_tensor(&tensor(&values, &[6, 4])).is_err());
    let layout = tokens(6, None);
    assert!(Features::of_hidden(&Hidden { layout, ..hidden }).is_err());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let new = |grid, dim, values: Vec<f32>| Features::new(grid, dim, values);
    assert!(new(grid(2, 2), 2, vec![0.0; 7]).is_err());
    assert!(new(grid(usize::MAX, 2), 2, vec![]).is_err());
    assert!(new(grid(0, 2), 2, vec![]).is_err());
    assert!(new(grid(2, 2), 0, vec![]).is_err());
    for odd in [f32::NAN, f32::INFINITY] {
        assert!(new(grid(1, 2), 1, vec![0.0, odd]).is_err());
    }
    let features = strip();
    let none = TokenMask::empty(features.grid);
    assert_eq!(features.prototype(&none), Err(AttentionError::NoTokens));
    let other = TokenMask::from_tokens(grid(4, 1), &[(0, 0)]);
    let error = features.prototype(&other).unwrap_err().to_string();
    assert!(error.contains("4 rows and 1 columns"), "{error}");
    // A photo of one colour: all features are the same but for rounding.
    let flat = new(grid(2, 2), 3, [0.1, 1e6 / 3.0, 0.7].repeat(4)).unwrap();
    let one = TokenMask::from_tokens(flat.grid, &[(0, 0)]);
    assert_eq!(flat.prototype(&one), Err(AttentionError::NothingInCommon));
    let huge = new(grid(1, 2), 1, vec![f32::MAX, -f32::MAX]).unwrap();
    let one = TokenMask::from_tokens(huge.grid, &[(0, 0)]);
    assert_eq!(huge.prototype(&one), Err(AttentionError::NothingInCommon));
}
