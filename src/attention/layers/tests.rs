use super::*;
use crate::attention::testing::{every_kind, grid, plain};
use crate::attention::{Heads, reverse, row};
use crate::label::Rect;
use crate::task::Cancel;

fn layers(records: Vec<QueryKey>) -> Layers {
    Layers {
        records: records.into(),
        view: View::whole((70, 50)),
    }
}

fn all_look(layers: &Layers, place: &Place) -> AllMaps {
    detached(|task| layers.all_look(place, task)).unwrap()
}

#[test]
fn one_place_is_other_tokens_in_other_grids() {
    let layers = layers(vec![plain(1, grid(5, 7), 1), plain(0, grid(10, 14), 2)]);
    let place = Place::Points(vec![[25.0, 31.0]]);
    let query = |at: usize| layers.query(&layers.records[at], &place, Direction::From);
    assert_eq!(query(0), Ok(Query::Token { row: 3, column: 2 }));
    assert_eq!(query(1), Ok(Query::Token { row: 6, column: 5 }));
}

#[test]
fn points_in_one_token_are_one_token_and_an_area_several() {
    let layers = layers(vec![plain(1, grid(5, 7), 1)]);
    let record = &layers.records[0];
    let points = Place::Points(vec![[1.0, 1.0], [9.0, 9.0], [11.0, 1.0], [900.0, 1.0]]);
    let found = layers.query(record, &points, Direction::From);
    assert_eq!(found, Ok(Query::Tokens(vec![(0, 0), (0, 1)])));
    let area = Place::Area(Mask::from_rect(Rect::new(0, 0, 10, 20)));
    let found = layers.query(record, &area, Direction::From);
    assert_eq!(found, Ok(Query::Tokens(vec![(0, 0), (1, 0)])));
}

#[test]
fn what_a_layer_lacks_is_said() {
    let layers = layers(vec![plain(0, grid(5, 7), 1)]);
    let record = &layers.records[0];
    let ask = |place| layers.query(record, &place, Direction::From);
    assert!(matches!(
        ask(Place::Class),
        Err(AttentionError::NoClassToken { .. })
    ));
    let outside = Place::Points(vec![[-1.0, 3.0]]);
    assert!(matches!(ask(outside), Err(AttentionError::NotSeen { .. })));
    assert!(matches!(
        ask(Place::Area(Mask::empty())),
        Err(AttentionError::NotSeen { .. })
    ));
}

#[test]
fn rows_are_those_of_each_attention_head() {
    for record in every_kind() {
        let Some(asked) = record.query_tokens.grid else {
            continue;
        };
        let all = layers(vec![record.clone()]);
        let place = Place::Points(vec![[69.0, 49.0]]);
        let maps = all_look(&all, &place).remove(0);
        if record.key_tokens.grid.is_none() {
            assert!(matches!(maps, Err(AttentionError::NoGrid { .. })));
            continue;
        }
        let maps = maps.unwrap();
        let (row_at, column) = (asked.rows - 1, asked.columns - 1);
        let query = Query::Token {
            row: row_at,
            column,
        };
        assert_eq!(maps.query, query);
        for (head, found) in maps.maps.iter().enumerate() {
            let expected = row(&record, &Heads::One(head), &query).unwrap();
            assert_eq!(Some(found), expected.grid.as_ref(), "{}", record.layer);
            assert_eq!(maps.prefix[head], expected.prefix);
        }
    }
}

#[test]
fn a_prompt_token_is_asked_whichever_way_a_layer_looks() {
    let kinds = every_kind();
    let layer = |name: &str| kinds.iter().find(|r| r.layer == name).unwrap().clone();
    let layers = layers(vec![layer("to image"), layer("from image")]);
    let maps = all_look(&layers, &Place::Prefix(2));
    let there = maps[0].as_ref().unwrap();
    let back = maps[1].as_ref().unwrap();
    let query = Query::Prefix(2);
    let expected = row(&layers.records[0], &Heads::One(1), &query).unwrap();
    assert_eq!(Some(&there.maps[1]), expected.grid.as_ref());
    let expected = reverse(&layers.records[1], &Heads::One(1), &query).unwrap();
    let expected = expected.grid.unwrap();
    for (a, b) in back.maps[1].values.iter().zip(&expected.values) {
        assert!((a - b).abs() < 1e-6);
    }
    assert!(there.asked.is_none() && back.asked.is_none());
}

#[test]
fn cost_grows_with_the_tokens_asked_for() {
    let layers = layers(vec![plain(1, grid(5, 7), 1)]);
    let all = Place::Area(Mask::from_rect(Rect::new(0, 0, 70, 50)));
    for direction in [Direction::From, Direction::To] {
        let cost = |place: &Place| layers.cost(place, direction);
        let one = cost(&Place::Points(vec![[1.0, 1.0]]));
        // 36 tokens on the other side, 3 attention heads of 5 numbers.
        assert_eq!((one, cost(&all)), (36 * 15, 35 * one), "{direction:?}");
        assert_eq!(cost(&Place::Points(vec![[-1.0, 1.0]])), 0);
    }
}

#[test]
fn cost_is_by_the_tokens_of_the_side_that_is_asked() {
    let kinds = every_kind();
    let reduced = kinds.iter().find(|r| r.layer == "reduced").unwrap();
    let layers = layers(vec![reduced.clone()]);
    let all = Place::Area(Mask::from_rect(Rect::new(0, 0, 70, 50)));
    let point = Place::Points(vec![[1.0, 1.0]]);
    let cost = |place: &Place, direction| layers.cost(place, direction) / 15;
    // 24 queries look at 6 keys.
    assert_eq!(cost(&point, Direction::From), 6);
    assert_eq!(cost(&point, Direction::To), 24);
    assert_eq!(cost(&all, Direction::From), cost(&all, Direction::To));
}

#[test]
fn who_looks_is_asked_of_all_prepared_layers() {
    let layers = layers(vec![plain(1, grid(5, 7), 1), plain(0, grid(10, 14), 2)]);
    let prepared: Vec<Reverse> = layers
        .records
        .iter()
        .map(|record| detached(|task| Reverse::new(record, task)).unwrap())
        .collect();
    let place = Place::Points(vec![[25.0, 31.0]]);
    let all = detached(|task| layers.all_looked_at(&prepared, &place, task)).unwrap();
    assert_eq!(all.len(), 2);
    for (all, layer) in all.iter().zip(&prepared) {
        let alone = layers.looked_at(layer, &place).unwrap();
        assert_eq!(all.as_ref().unwrap().maps, alone.maps);
    }
}

#[test]
fn asking_all_layers_can_be_cancelled() {
    let layers = layers(vec![plain(1, grid(5, 7), 1)]);
    let prepared = [detached(|task| Reverse::new(&layers.records[0], task)).unwrap()];
    let cancel = Cancel::new();
    cancel.cancel();
    let task = Task::new(&cancel, &|_| {});
    let rows = layers.all_look(&Place::Class, task);
    let columns = layers.all_looked_at(&prepared, &Place::Class, task);
    for maps in [rows, columns] {
        assert_eq!(maps.unwrap_err(), AttentionError::Cancelled);
    }
}

#[test]
fn attention_heads_become_one_with_their_class_token() {
    let all = layers(vec![plain(2, grid(5, 7), 1)]);
    let maps = all_look(&all, &Place::Class).remove(0).unwrap();
    let record = &all.records[0];
    for (heads, fusion, same) in [
        (&[][..], Fusion::Mean, Heads::Mean),
        (&[], Fusion::Max, Heads::Max),
        (&[2], Fusion::Min, Heads::One(2)),
        (&[0, 2], Fusion::Min, Heads::Set(vec![0, 2], Fusion::Min)),
    ] {
        let row = row(record, &same, &Query::Prefix(0)).unwrap();
        assert_eq!(maps.fused(heads, fusion), row.grid, "{same}");
        assert_eq!(maps.fused_prefix(heads, fusion), Some(row.prefix));
    }
    assert_eq!(maps.fused(&[9], Fusion::Mean), None);
    assert_eq!(maps.fused_prefix(&[9], Fusion::Mean), None);
}
