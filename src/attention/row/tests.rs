use super::*;
use crate::attention::testing::{HEADS, definition, every_kind, grid, plain};
use crate::nn::capture::Windows;
use proptest::prelude::*;

/// All queries of a record that are no padding.
fn queries(record: &QueryKey) -> Vec<Query> {
    let tokens = record.query_tokens;
    let prefix = (0..tokens.prefix).map(Query::Prefix);
    let on_grid = tokens.grid.into_iter().flat_map(|grid| {
        (0..grid.len()).map(move |i| Query::Token {
            row: i / grid.columns,
            column: i % grid.columns,
        })
    });
    prefix.chain(on_grid).collect()
}

/// The row of `query` by the definition, as it should be laid out.
fn expected(record: &QueryKey, head: usize, query: &Query) -> Row {
    let (group, place) = match query {
        Query::Prefix(index) => (0, *index),
        Query::Token { row, column } => record.grouping.locate(record.query_tokens, *row, *column),
        Query::Tokens(_) => unreachable!(),
    };
    let weights = &definition(record, head, group)[place];
    let mut row = Row::zeros(record.key_tokens);
    for (place, weight) in weights.iter().enumerate() {
        let weight = *weight as f32;
        match record.grouping.position(record.key_tokens, group, place) {
            None => row.prefix[place] = weight,
            Some((y, x)) => {
                let map = row.grid.as_mut().unwrap();
                if y < map.grid.rows && x < map.grid.columns {
                    map.values[y * map.grid.columns + x] = weight;
                } else {
                    row.padding += weight;
                }
            }
        }
    }
    row
}

fn assert_close(got: &Row, want: &Row, what: &str) {
    let all = |row: &Row| -> Vec<f32> {
        let grid = row.grid.iter().flat_map(|map| map.values.clone());
        let prefix = row.prefix.clone().into_iter();
        prefix.chain(grid).chain([row.padding]).collect()
    };
    let (got, want) = (all(got), all(want));
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        assert!((got - want).abs() < 1e-5, "{what} {i}: {got}, not {want}");
    }
}

#[test]
fn rows_follow_the_definition_in_every_kind_of_layer() {
    for record in every_kind() {
        for query in queries(&record) {
            let rows = all_heads(&record, &query).unwrap();
            assert_eq!(rows.len(), HEADS);
            for (head, row) in rows.iter().enumerate() {
                let what = format!("{} {query:?}", record.layer);
                assert_close(row, &expected(&record, head, &query), &what);
                assert!((row.total() - 1.0).abs() < 1e-5, "{what}");
            }
        }
    }
}

#[test]
fn padding_keeps_its_share_and_windows_their_edges() {
    let records = every_kind();
    let record = records.iter().find(|r| r.layer == "windows").unwrap();
    // 5 × 7 tokens in windows of 4: the last one holds one row of three tokens.
    let row = row(record, &Heads::One(0), &Query::Token { row: 4, column: 6 }).unwrap();
    let map = row.grid.clone().unwrap();
    let seen = |index: &usize| map.values[*index] > 0.0;
    assert_eq!((0..35).filter(seen).collect::<Vec<_>>(), [32, 33, 34]);
    assert!(row.padding > 0.1 && row.prefix.is_empty());
    assert!((map.sum() + row.padding - 1.0).abs() < 1e-5);
}

#[test]
fn a_phase_sees_every_other_token() {
    let records = every_kind();
    let record = records.iter().find(|r| r.layer == "phases").unwrap();
    let row = row(record, &Heads::Mean, &Query::Token { row: 3, column: 2 }).unwrap();
    let map = row.grid.unwrap();
    for y in 0..4 {
        for x in 0..6 {
            let seen = map.at(y, x).unwrap() > 0.0;
            assert_eq!(seen, y % 2 == 1 && x % 2 == 0, "({y}, {x})");
        }
    }
}

#[test]
fn several_tokens_have_the_mean_row() {
    for record in every_kind() {
        let Some(map) = record.query_tokens.grid else {
            continue;
        };
        for count in [2, 30] {
            let place = |i: usize| (i * 7 % map.len() / map.columns, i * 7 % map.columns);
            let mut chosen: Vec<_> = (0..count).map(place).collect();
            chosen.sort_unstable();
            chosen.dedup();
            let single = |(row, column): &(usize, usize)| {
                let (row, column) = (*row, *column);
                super::row(&record, &Heads::One(1), &Query::Token { row, column }).unwrap()
            };
            let want = Row::fused(chosen.iter().map(single).collect(), Fusion::Mean).unwrap();
            // Naming a token twice does not make it count twice.
            chosen.push(chosen[0]);
            let query = Query::Tokens(chosen);
            let got = row(&record, &Heads::One(1), &query).unwrap();
            assert_close(&got, &want, &record.layer);
        }
    }
}

#[test]
fn heads_are_fused_token_by_token() {
    let record = plain(2, grid(3, 4), 5);
    let query = Query::Prefix(0);
    let rows = all_heads(&record, &query).unwrap();
    let at = |row: &Row| (row.prefix[1], row.grid.as_ref().unwrap().values[7]);
    let each: Vec<_> = rows.iter().map(at).collect();
    let fused = |heads| at(&row(&record, &heads, &query).unwrap());
    let fold = |fold: fn(f32, f32) -> f32| {
        let pairs = each.iter().copied();
        pairs
            .reduce(|a, b| (fold(a.0, b.0), fold(a.1, b.1)))
            .unwrap()
    };
    assert_eq!(fused(Heads::Max), fold(f32::max));
    assert_eq!(fused(Heads::Min), fold(f32::min));
    let (prefix, on_grid) = fused(Heads::Mean);
    let mean = fold(|a, b| a + b);
    assert!((prefix - mean.0 / 3.0).abs() < 1e-6 && (on_grid - mean.1 / 3.0).abs() < 1e-6);
    let set = fused(Heads::Set(vec![2, 0, 2], Fusion::Mean));
    assert!((set.0 - (each[0].0 + each[2].0) / 2.0).abs() < 1e-6);
    assert_eq!(fused(Heads::Set(vec![1], Fusion::Min)), each[1]);
}

#[test]
fn layers_are_asked_together() {
    let records = every_kind();
    let asked: Vec<_> = records.iter().map(|r| (r, queries(r)[0].clone())).collect();
    let together = all_layers(&asked).unwrap();
    for ((record, query), rows) in asked.iter().zip(together) {
        assert_eq!(rows, all_heads(record, query).unwrap());
    }
}

#[test]
fn what_does_not_exist_is_refused_in_words() {
    let record = plain(1, grid(2, 3), 1);
    let error = |heads: Heads, query: Query| row(&record, &heads, &query).unwrap_err().to_string();
    let text = error(Heads::One(3), Query::Prefix(0));
    assert!(
        text.contains("3 attention heads") && text.contains("plain"),
        "{text}"
    );
    let text = error(Heads::Set(vec![], Fusion::Mean), Query::Prefix(0));
    assert!(text.contains("choose at least one"), "{text}");
    let text = error(Heads::Mean, Query::Prefix(1));
    assert!(text.contains("no number 1"), "{text}");
    let text = error(Heads::Mean, Query::Token { row: 2, column: 0 });
    assert!(text.contains("2 rows and 3 columns"), "{text}");
    let text = error(Heads::Mean, Query::Tokens(vec![]));
    assert!(text.contains("no token"), "{text}");
    let text = error(Heads::Mean, Query::Tokens(vec![(0, 0), (0, 3)]));
    assert!(text.contains("column 3"), "{text}");
    let records = every_kind();
    let decoder = records.iter().find(|r| r.layer == "to image").unwrap();
    let token = Query::Token { row: 0, column: 0 };
    let text = row(decoder, &Heads::Mean, &token).unwrap_err().to_string();
    assert!(text.contains("have no place"), "{text}");
}

proptest! {
    #[test]
    fn rows_sum_to_one_whatever_the_windows(
        rows in 1usize..9,
        columns in 1usize..9,
        side in 1usize..5,
        seed in 0u64..1000,
        windowed: bool,
    ) {
        let map = grid(rows, columns);
        let tokens = Tokens { prefix: 0, grid: Some(map) };
        let grouping = match windowed {
            true => Grouping::Windows(Windows::covering(map, side)),
            false => Grouping::Whole,
        };
        let bias = crate::nn::capture::Bias::None;
        let record = crate::attention::testing::layer("", grouping, (tokens, tokens), bias, seed);
        let at = seed as usize % map.len();
        let query = Query::Token { row: at / columns, column: at % columns };
        let row = super::row(&record, &Heads::One(seed as usize % HEADS), &query).unwrap();
        prop_assert!((row.total() - 1.0).abs() < 1e-5);
        let map = row.grid.unwrap();
        prop_assert!(map.values.iter().all(|weight| (0.0..=1.0 + 1e-5).contains(weight)));
        // The window that is shown is where the weights are.
        let visible = crate::attention::visible(&record, &query, crate::attention::Direction::From).unwrap();
        prop_assert_eq!(visible.len(), 1);
        for y in 0..rows {
            for x in 0..columns {
                let r = visible[0];
                let inside = (r.top..r.bottom).contains(&y) && (r.left..r.right).contains(&x);
                prop_assert_eq!(map.at(y, x).unwrap() > 0.0, inside);
            }
        }
    }
}

#[test]
fn a_part_of_a_map_is_cut_out_row_by_row() {
    let map = Heatmap {
        grid: grid(2, 3),
        values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    };
    let rect = |top, left, bottom, right| TokenRect {
        top,
        left,
        bottom,
        right,
    };
    let part = map.part(rect(1, 0, 2, 2));
    assert_eq!((part.grid, &part.values[..]), (grid(1, 2), &[4.0, 5.0][..]));
    let patches = Heatmap {
        grid: grid(3, 4),
        values: (0..12u8).map(f32::from).collect(),
    };
    assert_eq!(patches.of_patches(1), patches);
    let by_two = patches.of_patches(2);
    // The last row is less than a patch.
    assert_eq!((by_two.grid, by_two.values), (grid(1, 2), vec![10.0, 18.0]));
    let beyond = map.part(rect(1, 2, 9, 9));
    assert_eq!((beyond.grid, &beyond.values[..]), (grid(1, 1), &[6.0][..]));
    assert!(map.part(rect(5, 5, 9, 9)).values.is_empty());
}
