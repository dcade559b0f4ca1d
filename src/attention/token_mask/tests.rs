use super::*;
use crate::attention::testing::grid;
use proptest::prelude::*;

/// `#` are the tokens in the set.
fn drawn(lines: &[&str]) -> TokenMask {
    let on: Vec<bool> = lines.concat().chars().map(|c| c == '#').collect();
    let grid = grid(lines.len(), on.len() / lines.len());
    TokenMask { grid, on }
}

#[test]
fn corners_connect_and_gaps_part() {
    let mask = drawn(&["#..#", ".#..", "....", "##.#"]);
    let parts = mask.components();
    let wanted = [
        drawn(&["#...", ".#..", "....", "...."]),
        drawn(&["...#", "....", "....", "...."]),
        drawn(&["....", "....", "....", "##.."]),
        drawn(&["....", "....", "....", "...#"]),
    ];
    assert_eq!(parts, wanted);
    assert_eq!(mask.component(1, 1), wanted[0]);
    assert!(mask.component(2, 2).is_empty(), "not in the set");
    assert!(mask.component(9, 9).is_empty(), "not on the grid");
    assert_eq!(mask.component(0, 3).tokens(), [(0, 3)]);
}

#[test]
fn lists_and_sets_are_the_same() {
    let tokens = [(0, 2), (1, 0), (1, 0), (5, 5)];
    let mask = TokenMask::from_tokens(grid(2, 3), &tokens);
    assert_eq!(mask, drawn(&["..#", "#.."]));
    assert_eq!(mask.tokens(), [(0, 2), (1, 0)]);
    assert_eq!((mask.count(), mask.is_empty()), (2, false));
    assert!(!mask.at(0, 3), "the next row's first token is another one");
    assert_eq!(mask.heatmap().values, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(TokenMask::at_least(&mask.heatmap(), 0.5), mask);
}

#[test]
fn growing_stops_at_the_edges() {
    let corner = drawn(&["#..", "...", "..."]);
    assert_eq!(corner.dilated(), drawn(&["##.", "##.", "..."]));
    assert!(corner.touches(1, 1) && !corner.touches(1, 2));
    assert!(!corner.touches(usize::MAX, 0));
    let both = corner.union(&drawn(&["...", "...", "..#"]));
    assert_eq!(both, drawn(&["#..", "...", "..#"]));
}

#[test]
fn sets_of_nothing_and_of_a_wrong_size_do_no_harm() {
    let nothing = TokenMask::empty(grid(0, 4));
    assert!(nothing.components().is_empty() && nothing.tokens().is_empty());
    assert!(nothing.dilated().is_empty());
    let short = TokenMask {
        grid: grid(3, 3),
        on: vec![true],
    };
    assert!(short.at(0, 0) && !short.at(2, 2));
    assert_eq!(short.components().len(), 1);
}

proptest! {
    #[test]
    fn parts_are_disjoint_and_make_the_whole(on in prop::collection::vec(any::<bool>(), 42)) {
        let mask = TokenMask { grid: grid(6, 7), on };
        let parts = mask.components();
        let sum: usize = parts.iter().map(TokenMask::count).sum();
        prop_assert_eq!(sum, mask.count());
        let all = parts.iter().fold(TokenMask::empty(mask.grid), |all, part| all.union(part));
        prop_assert_eq!(&all, &mask);
        for part in &parts {
            let of_each = part.tokens().into_iter().map(|(row, column)| mask.component(row, column));
            prop_assert!(of_each.into_iter().all(|found| found == *part));
        }
        // No token of one part touches another part.
        for (index, part) in parts.iter().enumerate() {
            let others = parts.iter().enumerate().filter(|(other, _)| *other != index);
            for (_, other) in others {
                prop_assert!(part.tokens().iter().all(|(r, c)| !other.touches(*r, *c)));
            }
        }
    }
}
