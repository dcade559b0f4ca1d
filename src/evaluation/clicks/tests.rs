use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::label::Rect;

/// A target from rows of `#` (object), `?` (ignored) and `.`.
fn target(rows: &[&str]) -> ClickTarget {
    let value = |c: u8| match c {
        b'#' => 255,
        b'?' => 128,
        _ => 0,
    };
    let values: Vec<u8> = rows.iter().flat_map(|row| row.bytes().map(value)).collect();
    ClickTarget::new(rows[0].len() as u32, rows.len() as u32, &values).unwrap()
}

fn mask(rows: &[&str]) -> Mask {
    let rect = Rect::of_size(rows[0].len() as u32, rows.len() as u32);
    Mask::from_fn(rect, |x, y| rows[y as usize].as_bytes()[x as usize] == b'#')
}

fn click(x: u32, y: u32, positive: bool) -> Click {
    Click { x, y, positive }
}

#[test]
fn the_first_click_is_in_the_middle_of_the_object() {
    let square = target(&[
        ".......", ".#####.", ".#####.", ".#####.", ".#####.", ".#####.",
    ]);
    // Padding makes the bottom edge one, too.
    let first = next_click(&square, &Mask::empty(), &[]);
    assert_eq!(first, Some(click(3, 3, true)));
    let second = next_click(&square, &Mask::empty(), &[click(3, 3, true)]);
    assert_eq!(second, Some(click(2, 2, true)), "not the same pixel twice");
}

#[test]
fn clicks_go_to_the_larger_error() {
    let object = target(&["####....", "####....", "####....", "........"]);
    let too_much = mask(&["########", "########", "########", "........"]);
    // Excess: columns 4 to 7 of three rows, as deep at 5 as at 6.
    assert_eq!(
        next_click(&object, &too_much, &[]),
        Some(click(5, 1, false))
    );
    let too_little = mask(&["#.......", "#.......", "#.......", "......##"]);
    assert_eq!(
        next_click(&object, &too_little, &[]),
        Some(click(2, 1, true))
    );
    let equal = mask(&["###.....", "####....", "####....", ".......#"]);
    assert_eq!(
        next_click(&object, &equal, &[]),
        Some(click(7, 3, false)),
        "equal errors give a negative click"
    );
}

#[test]
fn ignored_pixels_are_no_error_and_do_not_count() {
    let object = target(&["##??", "##??"]);
    assert_eq!(object.iou(&mask(&["####", "####"])), 1.0);
    assert_eq!(object.iou(&mask(&["#.##", "##.."])), 0.75);
    assert_eq!(object.iou(&Mask::empty()), 0.0);
    assert_eq!(next_click(&object, &mask(&["####", "####"]), &[]), None);
    let half = target(&["#.", ".?"]);
    assert_eq!(half.iou(&mask(&["##", "##"])), 1.0 / 3.0);
}

#[test]
fn masks_larger_than_the_photo_are_cut() {
    let object = target(&["##", "##"]);
    let large = Mask::from_rect(Rect::of_size(9, 9));
    assert_eq!(object.iou(&large), 1.0);
    assert_eq!(next_click(&object, &large, &[]), None);
}

#[test]
fn what_is_no_target_is_refused() {
    for value in [7, 256, 65_535] {
        let refused = ClickTarget::new(2, 1, &[255u16, value]);
        assert_eq!(refused, Err(TargetError::Value(value)));
    }
    assert_eq!(
        ClickTarget::new(2, 1, &[0u8, 128]),
        Err(TargetError::NoObject)
    );
    assert!(matches!(
        ClickTarget::new(2, 2, &[255u8]),
        Err(TargetError::Size { found: 1, .. })
    ));
}

/// A segmenter that gives these masks one after another, the last for ever.
fn played(object: &ClickTarget, options: &ClickOptions, masks: &[Mask]) -> ClickTrace {
    let trace = click_through(object, options, |clicks| {
        Ok::<_, Infallible>(masks[clicks.len().min(masks.len()) - 1].clone())
    });
    trace.unwrap()
}

#[test]
fn the_robot_stops_when_it_is_content() {
    let object = target(&["####", "####", "...."]);
    let masks = ["#...", "##..", "####"].map(|row| mask(&[row, row, "...."]));
    let eager = ClickOptions {
        target: 0.5,
        at_least: 1,
        max_clicks: 20,
    };
    let trace = played(&object, &eager, &masks);
    assert_eq!(trace.ious, [0.25, 0.5]);
    assert_eq!(
        (trace.clicks_to(0.5), trace.clicks_to(0.51)),
        (Some(2), None)
    );
    let patient = played(&object, &ClickOptions::default(), &masks);
    assert_eq!(patient.ious, [0.25, 0.5, 1.0], "nothing is left to click");
    let stubborn = played(&object, &ClickOptions::default(), &masks[..1]);
    assert_eq!(stubborn.ious.len(), 7, "each wrong pixel is clicked once");
    let brief = ClickOptions {
        max_clicks: 2,
        ..ClickOptions::default()
    };
    assert_eq!(played(&object, &brief, &masks).ious, [0.25, 0.5]);
}

#[test]
fn numbers_of_clicks_are_capped_means() {
    let trace = |ious: &[f64]| ClickTrace {
        clicks: Vec::new(),
        ious: ious.to_vec(),
    };
    let traces = [
        trace(&[0.5, 0.86, 0.84, 0.91]),
        trace(&[0.95]),
        trace(&[0.2; 20]),
    ];
    // 2, 1 and 20; then 4, 1 and 20.
    assert_eq!(number_of_clicks(&traces, 0.85, 20), Some((23.0 / 3.0, 1)));
    assert_eq!(number_of_clicks(&traces, 0.90, 20), Some((25.0 / 3.0, 1)));
    assert_eq!(number_of_clicks(&traces, 0.90, 3), Some((7.0 / 3.0, 2)));
    assert_eq!(number_of_clicks(&[], 0.9, 20), None);
    let after = |clicks| mean_iou_after(&traces, clicks).unwrap();
    assert!((after(1) - (0.5 + 0.95 + 0.2) / 3.0).abs() < 1e-12);
    assert!((after(3) - (0.84 + 0.95 + 0.2) / 3.0).abs() < 1e-12);
    assert_eq!(trace(&[]).iou_after(3), 0.0);
}

#[test]
fn failures_of_the_model_come_through() {
    let object = target(&["##", ".."]);
    let outcome = click_through(&object, &ClickOptions::default(), |_| Err("no model"));
    assert_eq!(outcome, Err("no model"));
}

/// The protocol, written down again without haste.
fn slow_click(object: &ClickTarget, mask: &Mask, clicked: &[Click]) -> Option<Click> {
    let (width, height) = (i64::from(object.width()), i64::from(object.height()));
    let error = |x: i64, y: i64, positive: bool| {
        (0..width).contains(&x) && (0..height).contains(&y) && {
            let value = object.values[(y * width + x) as usize];
            let inside = mask.contains(x as u32, y as u32);
            value == (if positive { 255 } else { 0 }) && inside != positive
        }
    };
    let mut best: Option<(i64, Click)> = None;
    for positive in [false, true] {
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let here = click(x as u32, y as u32, positive);
            let again = clicked.iter().any(|old| (old.x, old.y) == (here.x, here.y));
            if again || !error(x, y, positive) {
                continue;
            }
            let all = (-1..=height).flat_map(|v| (-1..=width).map(move |u| (u, v)));
            let free = all.filter(|(u, v)| !error(*u, *v, positive));
            let depth = free.map(|(u, v)| (u - x).pow(2) + (v - y).pow(2)).min();
            let depth = depth.unwrap();
            if best.is_none_or(|(deepest, _)| depth > deepest) {
                best = Some((depth, here));
            }
        }
    }
    best.map(|(_, click)| click)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn clicks_follow_the_protocol(
        values in prop::collection::vec(prop::sample::select(vec![0u8, 0, 255, 255, 128]), 63),
        bits in prop::collection::vec(prop::bool::weighted(0.7), 63),
        again in prop::collection::vec((0u32..9, 0u32..7), 0..4),
    ) {
        prop_assume!(values.contains(&255));
        let object = ClickTarget::new(9, 7, &values).unwrap();
        let mask = Mask::from_fn(Rect::of_size(9, 7), |x, y| bits[(y * 9 + x) as usize]);
        let clicked: Vec<Click> = again.into_iter().map(|(x, y)| click(x, y, true)).collect();
        prop_assert_eq!(
            next_click(&object, &mask, &clicked),
            slow_click(&object, &mask, &clicked)
        );
    }
}
