use super::*;
use crate::attention::testing::{every_kind, grid};
use crate::attention::{Heads, reverse, row};

const VIEW: View = View {
    left: 10.0,
    top: 20.0,
    right: 80.0,
    bottom: 70.0,
};

fn find(name: &str) -> QueryKey {
    let mut kinds = every_kind();
    let at = kinds.iter().position(|record| record.layer == name);
    kinds.swap_remove(at.unwrap())
}

fn token(row: usize, column: usize) -> Query {
    Query::Token { row, column }
}

#[test]
fn a_window_is_cut_out_whichever_way() {
    // 5 × 7 tokens of 10 pixels, windows of 4.
    let record = find("windows");
    let query = token(4, 5);
    let heads = Heads::One(1);
    for direction in [Direction::From, Direction::To] {
        let map = match direction {
            Direction::From => row(&record, &heads, &query).unwrap().grid.unwrap(),
            Direction::To => reverse(&record, &heads, &query).unwrap().grid.unwrap(),
        };
        let asked = (&query, direction);
        let (cut, view) = in_sight(&record, asked, (&[&map], VIEW)).unwrap();
        assert_eq!(cut[0].grid, grid(1, 3));
        assert!(cut[0].values.iter().all(|value| *value > 0.0));
        assert_eq!(cut[0].sum(), map.sum(), "there is nothing else");
        let under = View {
            left: 50.0,
            top: 60.0,
            ..VIEW
        };
        assert_eq!(view, under, "{direction:?}");
        let windows = windows(&record, &query, direction).unwrap();
        assert_eq!(windows.len(), 1);
    }
}

#[test]
fn phases_are_seen_by_whole_patches() {
    let record = find("phases");
    assert_eq!(patch_side(&record), 2);
    let query = token(2, 3);
    let map = row(&record, &Heads::One(0), &query).unwrap().grid.unwrap();
    assert!(map.values.contains(&0.0), "most tokens are not seen");
    let asked = (&query, Direction::From);
    let (whole, view) = in_sight(&record, asked, (&[&map], VIEW)).unwrap();
    assert_eq!((whole[0].grid, view), (grid(2, 3), VIEW));
    for (row, column) in (0..6).map(|at| (at / 3, at % 3)) {
        let seen = map.at(2 * row, 2 * column + 1);
        assert!(seen.is_some_and(|seen| seen > 0.0));
        assert_eq!(whole[0].at(row, column), seen);
    }
    assert_eq!(windows(&record, &query, Direction::From), Ok(Vec::new()));
}

#[test]
fn what_sees_everything_stays_as_it_is() {
    let record = find("global");
    let query = token(2, 3);
    let map = row(&record, &Heads::One(0), &query).unwrap().grid.unwrap();
    let asked = (&query, Direction::To);
    let same = in_sight(&record, asked, (&[&map, &map], VIEW)).unwrap();
    assert_eq!(same, (vec![map.clone(), map], VIEW));
    assert_eq!(
        in_sight(&record, asked, (&[], VIEW)),
        Ok((Vec::new(), VIEW))
    );
    let beyond = (&token(9, 9), Direction::To);
    assert!(in_sight(&find("windows"), beyond, (&[], VIEW)).is_err());
}
