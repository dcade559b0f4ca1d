use proptest::prelude::*;

use super::*;

const SIDE: u32 = 40;

fn bits(mask: &Mask) -> Vec<bool> {
    let mut bits = vec![false; (SIDE * SIDE) as usize];
    for span in mask.spans() {
        for x in span.x0..span.x1 {
            bits[(span.y * SIDE + x) as usize] = true;
        }
    }
    bits
}

/// Spans in any order, overlapping, some of them empty.
fn spans() -> impl Strategy<Value = Vec<Span>> {
    let span = (0..SIDE, 0..=SIDE, 0..=SIDE).prop_map(|(y, x0, x1)| Span { y, x0, x1 });
    prop::collection::vec(span, 0..120)
}

fn masks() -> impl Strategy<Value = Mask> {
    spans().prop_map(Mask::from_spans)
}

/// Whether spans are sorted, merged and not empty, and box and area right.
fn check_form(mask: &Mask) -> Result<(), TestCaseError> {
    for two in mask.spans().windows(2) {
        prop_assert!((two[0].y, two[0].x1) < (two[1].y, two[1].x0), "{two:?}");
    }
    prop_assert!(mask.spans().iter().all(|span| !span.is_empty()));
    let area = bits(mask).iter().filter(|&&bit| bit).count();
    prop_assert_eq!(mask.area(), area as u64);
    let mut bounds = Rect::EMPTY;
    for span in mask.spans() {
        bounds = bounds.union(Rect::new(span.x0, span.y, span.x1, span.y + 1));
    }
    prop_assert_eq!(mask.bounds(), bounds);
    Ok(())
}

proptest! {
    #[test]
    fn any_spans_make_their_union(spans in spans()) {
        let mut expected = vec![false; (SIDE * SIDE) as usize];
        for span in &spans {
            for x in span.x0..span.x1 {
                expected[(span.y * SIDE + x) as usize] = true;
            }
        }
        let mask = Mask::from_spans(spans);
        check_form(&mask)?;
        prop_assert_eq!(bits(&mask), expected);
    }

    #[test]
    fn set_operations_are_those_of_sets(a in masks(), b in masks()) {
        let (set_a, set_b) = (bits(&a), bits(&b));
        let both = |f: fn(bool, bool) -> bool| -> Vec<bool> {
            set_a.iter().zip(&set_b).map(|(&a, &b)| f(a, b)).collect()
        };
        for (mask, expected) in [
            (a.union(&b), both(|a, b| a || b)),
            (a.intersect(&b), both(|a, b| a && b)),
            (a.subtract(&b), both(|a, b| a && !b)),
        ] {
            check_form(&mask)?;
            prop_assert_eq!(bits(&mask), expected);
        }
        let either = a.union(&b).area();
        let iou = if either == 0 { 0.0 } else { a.intersect(&b).area() as f64 / either as f64 };
        prop_assert_eq!(a.iou(&b), iou);
    }

    #[test]
    fn looking_up_agrees_with_the_spans(mask in masks(), x in 0..SIDE, y in 0..SIDE) {
        prop_assert_eq!(mask.contains(x, y), bits(&mask)[(y * SIDE + x) as usize]);
        let row: Vec<Span> = mask.spans().iter().copied().filter(|span| span.y == y).collect();
        prop_assert_eq!(mask.row(y), row);
    }

    #[test]
    fn clipping_is_intersecting_with_the_rectangle(
        mask in masks(), x0 in 0..SIDE, y0 in 0..SIDE, x1 in 0..=SIDE, y1 in 0..=SIDE,
    ) {
        let rect = Rect::new(x0, y0, x1, y1);
        let clipped = mask.clip(rect);
        check_form(&clipped)?;
        prop_assert_eq!(clipped, mask.intersect(&Mask::from_rect(rect)));
    }

    #[test]
    fn bitmaps_and_functions_make_the_same_mask(bytes in prop::collection::vec(0..3u8, 35 * 9)) {
        let rect = Rect::new(3, 7, 38, 16);
        let at = |x: u32, y: u32| bytes[((y - 7) * 35 + x - 3) as usize] > 0;
        let mask = Mask::from_bitmap(rect, &bytes);
        check_form(&mask)?;
        prop_assert_eq!(mask, Mask::from_fn(rect, at));
    }

    #[test]
    fn changes_between_rows_are_their_difference(mask in masks()) {
        let set = bits(&mask);
        let at = |x: u32, y: Option<u32>| {
            y.is_some_and(|y| y < SIDE && set[(y * SIDE + x) as usize])
        };
        let mut lines = Vec::new();
        for_each_line(mask.spans(), |y, above, below| {
            let mut row = vec![0; SIDE as usize];
            for_each_change(above, below, |x0, x1, enters| {
                assert!(x0 < x1);
                row[x0 as usize..x1 as usize].fill(if enters { 1 } else { -1 });
            });
            lines.push((y, row));
        });
        for y in 0..=SIDE {
            let expected: Vec<i32> = (0..SIDE)
                .map(|x| i32::from(at(x, Some(y))) - i32::from(at(x, y.checked_sub(1))))
                .collect();
            match lines.iter().find(|line| line.0 == y) {
                Some((_, row)) => prop_assert_eq!(row, &expected),
                None => prop_assert!(expected.iter().all(|&change| change == 0)),
            }
        }
    }
}

#[test]
fn long_runs_in_bitmaps_are_found() {
    let mut row = vec![0u8; 100];
    row[17..90].fill(255);
    row[40] = 0;
    let mask = Mask::from_bitmap(Rect::of_size(100, 1), &row);
    assert_eq!(mask.spans(), [Span::new(0, 17, 40), Span::new(0, 41, 90)]);
}

#[test]
fn a_short_bitmap_counts_as_nothing_where_it_ends() {
    let mask = Mask::from_bitmap(Rect::of_size(4, 3), &[1, 1, 1, 1, 1]);
    assert_eq!(mask.spans(), [Span::new(0, 0, 4), Span::new(1, 0, 1)]);
}

#[test]
fn extreme_coordinates_do_no_harm() {
    let far = Span::new(u32::MAX - 1, u32::MAX - 1, u32::MAX);
    let mask = Mask::from_spans(vec![far, Span::new(u32::MAX, 0, 9), Span::new(0, 0, 1)]);
    assert_eq!(mask.spans(), [Span::new(0, 0, 1), far]);
    assert_eq!(mask.area(), 2);
    let mut lines = 0;
    for_each_line(mask.spans(), |_, _, _| lines += 1);
    assert_eq!(lines, 4);
}

#[test]
fn the_same_pixels_are_equal_masks() {
    let a = Mask::from_rect(Rect::new(1, 1, 5, 3));
    let b = Mask::from_spans(vec![
        Span::new(2, 1, 5),
        Span::new(1, 3, 5),
        Span::new(1, 1, 3),
    ]);
    assert_eq!(a, b);
    assert_ne!(a, Mask::empty());
    assert_eq!(Mask::empty().iou(&Mask::default()), 0.0);
}
