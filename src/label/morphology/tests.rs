use proptest::prelude::*;

use super::*;

const SIDE: i64 = 14;

fn inside(mask: &Mask, at: (i64, i64)) -> bool {
    at.0 >= 0 && at.1 >= 0 && mask.contains(at.0 as u32, at.1 as u32)
}

/// All places of `-1..=SIDE` squared that flooding from `start` reaches.
fn flood(mask: &Mask, start: (i64, i64), diagonal: bool) -> Vec<(i64, i64)> {
    let color = inside(mask, start);
    let (mut reached, mut next) = (vec![start], 0);
    while next < reached.len() {
        let (x, y) = reached[next];
        next += 1;
        for (dx, dy) in [
            (0, 1),
            (1, 0),
            (0, -1),
            (-1, 0),
            (1, 1),
            (1, -1),
            (-1, 1),
            (-1, -1),
        ] {
            let at = (x + dx, y + dy);
            let near = diagonal || dx == 0 || dy == 0;
            let valid = (-1..=SIDE).contains(&at.0) && (-1..=SIDE).contains(&at.1);
            if near && valid && inside(mask, at) == color && !reached.contains(&at) {
                reached.push(at);
            }
        }
    }
    reached
}

fn masks() -> impl Strategy<Value = Mask> {
    prop::collection::vec(prop::bool::weighted(0.55), (SIDE * SIDE) as usize).prop_map(|bits| {
        let rect = Rect::of_size(SIDE as u32, SIDE as u32);
        Mask::from_fn(rect, |x, y| {
            bits[(i64::from(y) * SIDE + i64::from(x)) as usize]
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn components_are_what_flooding_reaches(mask in masks()) {
        let mut rest = mask.clone();
        for part in mask.components() {
            let first = rest.spans()[0];
            let reached = flood(&mask, (first.x0.into(), first.y.into()), true);
            prop_assert_eq!(part.area(), reached.len() as u64);
            prop_assert!(reached.iter().all(|&at| inside(&part, at)));
            rest = rest.subtract(&part);
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn small_holes_are_filled_and_others_stay(mask in masks(), limit in 0..6u64) {
        let filled = mask.fill_holes_below(limit);
        for y in 0..SIDE {
            for x in 0..SIDE {
                let reached = flood(&mask, (x, y), inside(&mask, (x, y)));
                let hole = !inside(&mask, (x, y)) && !reached.contains(&(-1, -1));
                let expected = inside(&mask, (x, y)) || (hole && (reached.len() as u64) < limit);
                prop_assert_eq!(inside(&filled, (x, y)), expected, "at {}, {}", x, y);
            }
        }
    }

    #[test]
    fn small_islands_go_and_the_largest_stays(mask in masks(), limit in 0..40u64) {
        let parts = mask.components();
        let largest = parts.iter().map(Mask::area).max().unwrap_or(0);
        let kept = parts.iter().filter(|part| part.area() >= limit.min(largest));
        let expected = kept.fold(Mask::empty(), |all, part| all.union(part));
        prop_assert_eq!(mask.drop_islands_below(limit), expected);
    }
}

#[test]
fn a_spiral_is_one_component() {
    // Arms that meet only at the end make union-find join late.
    let comb = (0..50).map(|i| Mask::from_rect(Rect::new(2 * i, 0, 2 * i + 1, 40)));
    let comb = comb.fold(Mask::empty(), |all, tooth| all.union(&tooth));
    assert_eq!(comb.components().len(), 50);
    let joined = comb.union(&Mask::from_rect(Rect::new(0, 40, 99, 41)));
    assert_eq!(joined.components(), std::slice::from_ref(&joined));
}

#[test]
fn a_diagonal_ring_closes_its_hole() {
    let ring = Mask::from_spans(vec![
        Span::new(0, 1, 2),
        Span::new(1, 0, 1),
        Span::new(1, 2, 3),
        Span::new(2, 1, 2),
    ]);
    assert_eq!(ring.fill_holes_below(2).area(), 5);
    assert_eq!(ring.fill_holes_below(1), ring);
    assert_eq!(ring.components().len(), 1);
}
