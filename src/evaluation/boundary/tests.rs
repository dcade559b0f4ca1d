use proptest::prelude::*;

use super::*;

/// A class map from rows of digits; `.` is 255.
fn map(rows: &[&str]) -> Vec<u8> {
    let id = |c: u8| if c == b'.' { 255 } else { c - b'0' };
    rows.iter().flat_map(|row| row.bytes().map(id)).collect()
}

fn matched(truth: &[u8], prediction: &[u8], width: usize, tolerance: f64) -> Option<BoundaryMatch> {
    BoundaryMatch::of([truth, prediction], width, 1, 2, tolerance)
}

#[test]
fn an_outline_against_itself_is_perfect_and_inside_is_none() {
    let square = map(&["00000", "01110", "01110", "01110", "00000"]);
    let found = matched(&square, &square, 5, 0.0).unwrap();
    assert_eq!((found.precision, found.recall), (1.0, 1.0));
    let outline = outline(&square, 5, 1, |_| true);
    assert_eq!(outline.iter().filter(|on| **on).count(), 8);
    assert!(!outline[12], "the middle");
}

#[test]
fn shares_are_those_computed_by_hand() {
    // The truth's outline is one column, the prediction's the next one, two
    // pixels shorter.
    let truth = map(&["1000", "1000", "1000", "1000"]);
    let prediction = map(&["1100", "1100", "0000", "0000"]);
    // Predicted outline: (1,0), (1,1), (0,1). True: all of column 0.
    let exact = matched(&truth, &prediction, 4, 0.0).unwrap();
    assert_eq!((exact.precision, exact.recall), (1.0 / 3.0, 1.0 / 4.0));
    assert!((exact.f_score() - 2.0 / 7.0).abs() < 1e-12);
    let near = matched(&truth, &prediction, 4, 1.0).unwrap();
    assert_eq!((near.precision, near.recall), (1.0, 3.0 / 4.0));
}

#[test]
fn an_outline_of_one_map_alone_matches_nothing() {
    let (some, none) = (map(&["100", "000"]), map(&["000", "000"]));
    assert_eq!(matched(&some, &none, 3, 9.0).unwrap().f_score(), 0.0);
    assert_eq!(matched(&none, &some, 3, 9.0).unwrap().f_score(), 0.0);
    assert_eq!(matched(&none, &none, 3, 9.0), None);
    assert_eq!(matched(&[1; 6], &[1; 6], 3, 9.0), None, "no outline");
}

#[test]
fn ignored_pixels_make_no_outline() {
    let truth = map(&["11.00", "11.00"]);
    let good = map(&["11100", "11000"]);
    assert_eq!(matched(&truth, &truth, 5, 0.0), None);
    assert_eq!(matched(&truth, &good, 5, 0.0), None);
    let bad = map(&["11110", "11000"]);
    // (3,0) touches (4,0) and (3,1), which count.
    let found = matched(&truth, &bad, 5, 0.0).unwrap();
    assert_eq!(found.f_score(), 0.0, "an outline where the truth has none");
}

#[test]
fn scores_are_means_over_photos_then_classes() {
    let mut scores = BoundaryScores::new(3, TOLERANCE);
    let truth = map(&["1100", "1100"]);
    scores.add(&truth, &truth, 4);
    scores.add(&truth, &map(&["0000", "0000"]), 4);
    assert_eq!(scores.f_score(1), Some(0.5));
    assert_eq!(scores.f_score(0), Some(0.5));
    assert_eq!(scores.f_score(2), None);
    assert_eq!(scores.f_score(9), None);
    assert_eq!(scores.mean(), Some(0.5));
    assert_eq!(BoundaryScores::new(3, TOLERANCE).mean(), None);
}

#[test]
fn the_tolerance_goes_with_the_diagonal() {
    // 400 × 300: the diagonal is 500, the tolerance 3.75 pixels.
    let edge = |at: usize| -> Vec<u8> { (0..400 * 300).map(|i| u8::from(i % 400 < at)).collect() };
    let score = |shift: usize| {
        let mut scores = BoundaryScores::new(2, TOLERANCE);
        scores.add(&edge(100), &edge(100 + shift), 400);
        scores.f_score(1).unwrap()
    };
    assert_eq!((score(3), score(4)), (1.0, 0.0));
}

proptest! {
    #[test]
    fn turning_the_maps_round_swaps_precision_and_recall(
        pairs in prop::collection::vec((0u8..2, 0u8..2), 48),
        tolerance in 0.0..3.0f64,
    ) {
        let (a, b): (Vec<u8>, Vec<u8>) = pairs.into_iter().unzip();
        let (there, back) = (matched(&a, &b, 8, tolerance), matched(&b, &a, 8, tolerance));
        prop_assert_eq!(there.map(|m| m.precision), back.map(|m| m.recall));
        prop_assert_eq!(there.map(|m| m.f_score()), back.map(|m| m.f_score()));
        if let Some(found) = matched(&a, &a, 8, tolerance) {
            prop_assert_eq!(found.f_score(), 1.0);
        }
    }
}
