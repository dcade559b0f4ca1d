use super::*;
use crate::attention::testing::{every_kind, grid, plain, tokens, with_weights};
use crate::nn::capture::Grouping;
use proptest::prelude::*;

/// A strip of six tokens after a class token, and what each looks at: two
/// objects of three tokens, `share` of whose attention stays within the object.
fn two_objects(share: f32) -> QueryKey {
    let own = share / 3.0;
    let other = (1.0 - share) / 4.0;
    let mut weights = vec![other; 7 * 7];
    for token in 1..7 {
        for seen in 1..7 {
            let same = (token - 1) / 3 == (seen - 1) / 3;
            weights[token * 7 + seen] = if same { own } else { other };
        }
    }
    with_weights(tokens(1, grid(1, 6)), &[&weights])
}

fn grow(
    record: &QueryKey,
    heads: &Heads,
    start: (usize, usize),
    path: &[(usize, usize)],
    reach: f32,
) -> Result<TokenMask, AttentionError> {
    let mut growth = Growth::new(record, heads, start, reach)?;
    growth.add(path)?;
    Ok(growth.tokens())
}

fn columns(record: &QueryKey, start: usize, path: &[usize], reach: f32) -> Vec<usize> {
    let path: Vec<_> = path.iter().map(|column| (0, *column)).collect();
    let mask = grow(record, &Heads::One(0), (0, start), &path, reach).unwrap();
    mask.tokens()
        .into_iter()
        .map(|(_, column)| column)
        .collect()
}

#[test]
fn a_stroke_stays_inside_what_the_head_connects() {
    let record = two_objects(0.9);
    assert_eq!(columns(&record, 1, &[], 0.7), [0, 1, 2]);
    assert_eq!(columns(&record, 1, &[2, 3, 4, 5], 0.7), [0, 1, 2]);
    assert_eq!(columns(&record, 4, &[3, 2, 1], 0.7), [3, 4, 5]);
    // Who reaches far enough gets everything.
    assert_eq!(columns(&record, 1, &[2, 3, 4, 5], 1.0), [0, 1, 2, 3, 4, 5]);
    // Without reach, the start alone.
    assert_eq!(columns(&record, 1, &[2, 3], 0.0), [1]);
}

/// A chain: each token of eight looks at its neighbours, not at itself.
fn chain() -> QueryKey {
    let mut weights = vec![0.001f32; 64];
    for token in 0..8usize {
        for seen in [token.wrapping_sub(1), token + 1] {
            if seen < 8 {
                weights[token * 8 + seen] = 0.5;
            }
        }
    }
    with_weights(tokens(0, grid(1, 8)), &[&weights])
}

#[test]
fn the_start_belongs_to_it_even_if_it_looks_elsewhere() {
    let record = chain();
    assert_eq!(columns(&record, 3, &[], 0.9), [2, 3, 4]);
    // 4 is connected with the start and brings 5; 6 is beside that, but looks
    // at the start no more than the start at it.
    assert_eq!(columns(&record, 3, &[4, 6], 0.9), [2, 3, 4, 5]);
    assert_eq!(columns(&record, 3, &[4, 4, 3], 0.9), [2, 3, 4, 5]);
}

#[test]
fn either_direction_connects() {
    // Token 0 looks at itself and 1; token 2 looks at 0 and 3; who begins at 0
    // reaches 2, which lies beside 1, by its own look.
    let row = |high: &[usize]| {
        let weight = |token| if high.contains(&token) { 0.49 } else { 0.01 };
        (0..4).map(weight).collect::<Vec<f32>>()
    };
    let weights = [row(&[0, 1]), row(&[1]), row(&[0, 3]), row(&[3])].concat();
    let record = with_weights(tokens(0, grid(1, 4)), &[&weights]);
    assert_eq!(columns(&record, 0, &[2], 0.9), [0, 1, 2, 3]);
    assert_eq!(columns(&record, 0, &[3], 0.9), [0, 1], "3 is not beside it");
}

#[test]
fn the_brush_stays_in_the_window_of_its_start() {
    let records = every_kind();
    for record in records
        .iter()
        .filter(|r| matches!(r.grouping, Grouping::Windows(_)))
    {
        let all: Vec<_> = (0..5).flat_map(|r| (0..7).map(move |c| (r, c))).collect();
        let mask = grow(record, &Heads::Mean, (1, 1), &all, 1.0).unwrap();
        let tokens = mask.tokens();
        assert_eq!(tokens.len(), 16, "{}: all of the window", record.layer);
        assert!(tokens.iter().all(|(row, column)| *row < 4 && *column < 4));
    }
}

#[test]
fn all_kinds_of_layers_have_a_brush_if_their_tokens_have_places() {
    for record in every_kind() {
        let grown = grow(&record, &Heads::Max, (2, 3), &[(2, 4)], 0.6);
        match record.layer.as_str() {
            "to image" | "from image" => {
                assert!(matches!(grown, Err(AttentionError::NoGrid { .. })));
            }
            "reduced" => assert!(grown.unwrap().at(1, 1), "the key over the start"),
            "phases" => {
                let mask = grown.unwrap();
                let whole = |(row, column): (usize, usize)| {
                    let corner = (row / 2 * 2, column / 2 * 2);
                    (0..4).all(|i| mask.at(corner.0 + i / 2, corner.1 + i % 2))
                };
                assert!(mask.tokens().into_iter().all(whole), "{mask:?}");
                assert!(mask.at(2, 3));
            }
            name => assert!(grown.unwrap().at(2, 3), "{name}"),
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let record = plain(1, grid(3, 4), 9);
    let grow = |heads, start, path: &[_], reach| grow(&record, &heads, start, path, reach);
    for reach in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
        let error = grow(Heads::Mean, (0, 0), &[], reach).unwrap_err();
        assert!(error.to_string().contains("reach"), "{error}");
    }
    assert!(grow(Heads::Mean, (3, 0), &[], 0.5).is_err());
    assert!(grow(Heads::Mean, (0, 0), &[(0, 4)], 0.5).is_err());
    assert!(grow(Heads::One(3), (0, 0), &[], 0.5).is_err());
    assert!(grow(Heads::Set(vec![], Fusion::Mean), (0, 0), &[], 0.5).is_err());
}

proptest! {
    #[test]
    fn it_does_not_matter_how_a_stroke_is_cut(
        seed in 0u64..1000,
        path in prop::collection::vec((0usize..5, 0usize..7), 0..130),
        pieces in 1usize..9,
        kind in 0usize..10,
    ) {
        // The grids differ.
        let record = every_kind().swap_remove(kind);
        let Some(map) = record.query_tokens.grid.filter(|_| record.key_tokens.grid.is_some())
        else {
            return Ok(());
        };
        let inside = |at: &(usize, usize)| (at.0 % map.rows, at.1 % map.columns);
        let path: Vec<_> = path.iter().map(inside).collect();
        let start = inside(&(seed as usize, seed as usize / 7));
        let whole = grow(&record, &Heads::Mean, start, &path, 0.5).unwrap();
        let mut growth = Growth::new(&record, &Heads::Mean, start, 0.5).unwrap();
        let mut before = growth.tokens();
        for piece in path.chunks(pieces) {
            growth.add(piece).unwrap();
            let now = growth.tokens();
            prop_assert_eq!(before.union(&now), now.clone(), "it only grows");
            before = now;
        }
        prop_assert_eq!(before, whole);
    }

    #[test]
    fn reaching_further_never_gives_less(
        seed in 0u64..1000,
        path in prop::collection::vec((0usize..5, 0usize..6), 0..130),
        start in (0usize..5, 0usize..6),
        reaches in (0.0f32..=1.0, 0.0f32..=1.0),
    ) {
        let record = plain(1, grid(5, 6), seed);
        let (near, far) = (reaches.0.min(reaches.1), reaches.0.max(reaches.1));
        let grow = |reach| grow(&record, &Heads::Mean, start, &path, reach).unwrap();
        let (small, large) = (grow(near), grow(far));
        prop_assert!(small.at(start.0, start.1));
        prop_assert_eq!(small.component(start.0, start.1), small.clone(), "one part");
        prop_assert_eq!(small.union(&large), large);
    }
}
