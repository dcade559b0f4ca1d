use super::*;
use crate::attention::testing::{HEADS, definition, every_kind, grid, plain};
use crate::attention::{all_heads, row};
use crate::task::{Cancel, detached};

/// One query (or target) per token of a side.
fn each(tokens: crate::nn::capture::Tokens) -> Vec<Query> {
    let prefix = (0..tokens.prefix).map(Query::Prefix);
    let on_grid = tokens.grid.into_iter().flat_map(|grid| {
        (0..grid.len()).map(move |i| Query::Token {
            row: i / grid.columns,
            column: i % grid.columns,
        })
    });
    prefix.chain(on_grid).collect()
}

/// The weight of a row or column at a token.
fn at(row: &Row, token: &Query) -> f32 {
    match token {
        Query::Prefix(index) => row.prefix[*index],
        Query::Token { row: y, column } => row.grid.as_ref().unwrap().at(*y, *column).unwrap(),
        Query::Tokens(_) => unreachable!(),
    }
}

#[test]
fn columns_hold_what_the_rows_hold() {
    for record in every_kind() {
        let prepared = detached(|task| Reverse::new(&record, task)).unwrap();
        let queries = each(record.query_tokens);
        let forward: Vec<Vec<Row>> = queries
            .iter()
            .map(|query| all_heads(&record, query).unwrap())
            .collect();
        for target in each(record.key_tokens) {
            let columns = prepared.all_heads(&target).unwrap();
            assert_eq!(columns.len(), HEADS);
            for (head, column) in columns.iter().enumerate() {
                assert_eq!(column.padding, 0.0);
                for (query, rows) in queries.iter().zip(&forward) {
                    let (got, want) = (at(column, query), at(&rows[head], &target));
                    assert!((got - want).abs() < 1e-5, "{}: {got}, {want}", record.layer);
                }
            }
            let once = reverse(&record, &Heads::One(1), &target).unwrap();
            assert_eq!(once, prepared.row(&Heads::One(1), &target).unwrap());
        }
    }
}

#[test]
fn several_targets_add_up() {
    let record = plain(1, grid(3, 4), 9);
    let all: Vec<_> = (0..12).map(|i| (i / 4, i % 4)).collect();
    let column = reverse(&record, &Heads::One(0), &Query::Tokens(all)).unwrap();
    // What does not go to the grid goes to the class token.
    for query in each(record.query_tokens) {
        let to_class = row(&record, &Heads::One(0), &query).unwrap().prefix[0];
        assert!((at(&column, &query) - (1.0 - to_class)).abs() < 1e-5);
    }
}

#[test]
fn attention_heads_are_fused() {
    let record = plain(0, grid(2, 2), 4);
    let target = Query::Token { row: 1, column: 0 };
    let column = reverse(&record, &Heads::Max, &target).unwrap();
    for query in 0..4 {
        let weights = (0..HEADS).map(|head| definition(&record, head, 0)[query][2]);
        let want = weights.fold(0.0, f64::max) as f32;
        assert!((column.grid.as_ref().unwrap().values[query] - want).abs() < 1e-5);
    }
}

#[test]
fn a_target_must_be_among_the_keys() {
    let records = every_kind();
    let reduced = records.iter().find(|r| r.layer == "reduced").unwrap();
    // Its key grid is 2 × 3, though its query grid is 4 × 6.
    let target = Query::Token { row: 2, column: 0 };
    let error = reverse(reduced, &Heads::Mean, &target).unwrap_err();
    assert!(matches!(error, AttentionError::OutsideGrid { rows: 2, .. }));
}

#[test]
fn preparing_can_be_cancelled() {
    let cancel = Cancel::new();
    cancel.cancel();
    let task = Task::new(&cancel, &|_| {});
    let error = Reverse::new(&plain(0, grid(2, 2), 4), task).unwrap_err();
    assert_eq!(error, AttentionError::Cancelled);
}

#[test]
fn preparing_costs_four_bytes_a_query_and_head() {
    let record = plain(1, grid(3, 4), 9);
    let prepared = detached(|task| Reverse::new(&record, task)).unwrap();
    assert_eq!(prepared.bytes(), 4 * HEADS * 13);
    assert_eq!(prepared.record().layer, "plain");
}
