use super::*;
use crate::attention::testing::{every_kind, grid, plain};
use crate::label::Rect;

const VIEW: View = View {
    left: 10.0,
    top: 20.0,
    right: 50.0,
    bottom: 80.0,
};

#[test]
fn one_place_is_asked_of_layers_with_different_grids() {
    let fine = plain(1, grid(6, 4), 1);
    let coarse = plain(0, grid(3, 2), 1);
    let at = |record: &QueryKey, x, y| Query::at(record, VIEW, x, y);
    assert_eq!(
        at(&fine, 35.0, 45.0),
        Some(Query::Token { row: 2, column: 2 })
    );
    assert_eq!(
        at(&coarse, 35.0, 45.0),
        Some(Query::Token { row: 1, column: 1 })
    );
    assert_eq!(at(&fine, 9.0, 45.0), None);
    let records = every_kind();
    let decoder = records.iter().find(|r| r.layer == "to image").unwrap();
    assert_eq!(at(decoder, 35.0, 45.0), None);
}

#[test]
fn tokens_under_a_mask_are_covered_by_half() {
    // Tokens of 10 × 10 pixels.
    let map = grid(6, 4);
    let under = |mask: &Mask| tokens_under(mask, VIEW, map);
    assert_eq!(
        under(&Mask::from_rect(Rect::new(10, 20, 30, 30))),
        [(0, 0), (0, 1)]
    );
    // 5 of 10 columns count, 4 do not.
    assert_eq!(
        under(&Mask::from_rect(Rect::new(10, 20, 25, 40))),
        [(0, 0), (0, 1), (1, 0), (1, 1)]
    );
    assert_eq!(
        under(&Mask::from_rect(Rect::new(10, 20, 24, 40))),
        [(0, 0), (1, 0)]
    );
    // What is small has the token that it covers most.
    assert_eq!(under(&Mask::from_rect(Rect::new(28, 38, 33, 43))), [(2, 2)]);
    assert_eq!(under(&Mask::from_rect(Rect::new(0, 0, 10, 20))), []);
    assert_eq!(under(&Mask::empty()), []);
    assert_eq!(under(&Mask::from_rect(Rect::new(0, 0, 500, 500))).len(), 24);
}

#[test]
fn views_may_reach_beyond_the_photo() {
    let view = View {
        left: -15.0,
        top: -15.0,
        right: 15.0,
        bottom: 15.0,
    };
    let mask = Mask::from_rect(Rect::new(0, 0, 5, 5));
    assert_eq!(tokens_under(&mask, view, grid(3, 3)), [(1, 1)]);
    let mask = Mask::from_rect(Rect::new(0, 0, 100, 100));
    let corner = [(1, 1), (1, 2), (2, 1), (2, 2)];
    let tokens = tokens_under(&mask, view, grid(3, 3));
    // A quarter of the middle token lies on the photo, half of its neighbours.
    assert_eq!(tokens, &corner[1..]);
    let record = plain(1, grid(3, 3), 1);
    assert_eq!(
        Query::under(&record, &mask, view),
        Some(Query::Tokens(corner[1..].to_vec()))
    );
    assert_eq!(Query::under(&record, &Mask::empty(), view), None);
}

#[test]
fn a_reduced_key_grid_may_leave_a_rest() {
    let mut reduced = every_kind().remove(3);
    assert_eq!(reduced.layer, "reduced");
    assert_eq!(reduced.reduction, 2);
    assert_eq!(key_view(&reduced, VIEW), VIEW);
    // Queries 5 × 7 with every 2 × 2 reduced to one: the last ones are left out.
    reduced.query_tokens.grid = Some(grid(5, 7));
    let view = key_view(&reduced, VIEW);
    assert_eq!((view.left, view.top), (10.0, 20.0));
    assert!((view.right - (10.0 + 40.0 * 6.0 / 7.0)).abs() < 1e-9);
    assert!((view.bottom - (20.0 + 60.0 * 4.0 / 5.0)).abs() < 1e-9);
    assert_eq!(key_view(&plain(1, grid(5, 7), 1), VIEW), VIEW);
}

#[test]
fn windows_are_shown_as_far_as_they_lie_on_the_grid() {
    let records = every_kind();
    let find = |name: &str| records.iter().find(|r| r.layer == name).unwrap();
    let query = Query::Tokens(vec![(0, 0), (3, 3), (4, 6)]);
    let rect = |top, left, bottom, right| TokenRect {
        top,
        left,
        bottom,
        right,
    };
    let both = [rect(0, 0, 4, 4), rect(4, 4, 5, 7)];
    let all = [rect(0, 0, 5, 7)];
    let see = |name: &str, query, direction| visible(find(name), query, direction);
    for direction in [Direction::From, Direction::To] {
        assert_eq!(see("windows", &query, direction).unwrap(), both);
        assert_eq!(see("global", &query, direction).unwrap(), all);
    }
    assert_eq!(see("from image", &query, Direction::From), Ok(Vec::new()));
    let prompt = Query::Prefix(2);
    assert_eq!(see("to image", &prompt, Direction::From).unwrap(), all);
    assert_eq!(see("from image", &prompt, Direction::To).unwrap(), all);
    assert!(see("windows", &prompt, Direction::From).is_err());
    // Keys of 2 × 3, each for 2 × 2 of the 4 × 6 queries.
    let key = Query::Token { row: 1, column: 2 };
    let looking = see("reduced", &key, Direction::To);
    assert_eq!(looking.unwrap(), [rect(0, 0, 4, 6)]);
}
