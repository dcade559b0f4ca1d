use proptest::prelude::*;

use super::*;

/// Objects of these lengths one after another, numbered from `first` on.
fn row(lengths: &[usize], first: u16) -> Vec<u16> {
    let ids = (first..).zip(lengths);
    ids.flat_map(|(id, length)| vec![id; *length]).collect()
}

#[test]
fn precisions_are_those_computed_by_hand() {
    // One object that agrees, one with IoU 8/12, one missed, one invented.
    let truth = [
        row(&[10], 1),
        vec![2; 10],
        vec![0; 5],
        vec![3; 4],
        vec![0; 9],
    ]
    .concat();
    let prediction = [
        row(&[10], 7),
        vec![9; 8],
        vec![0; 2],
        vec![9; 2],
        vec![0; 7],
        vec![4; 6],
        vec![0; 3],
    ]
    .concat();
    let score = InstanceScore::of(&truth, &prediction);
    assert_eq!((score.truths, score.predictions), (3, 3));
    assert_eq!(score.found, [2, 2, 2, 2, 1, 1, 1, 1, 1, 1]);
    // 2 of 3 + 3 - 2, then 1 of 3 + 3 - 1.
    let wanted = (4.0 * 0.5 + 6.0 * 0.2) / 10.0;
    assert!((score.average_precision() - wanted).abs() < 1e-12);
}

#[test]
fn a_threshold_must_be_exceeded() {
    // IoU exactly 1/2, then 3/5, then 11/20.
    for (both, either, found) in [(1, 2, 0), (3, 5, 2), (11, 20, 1), (19, 20, 9), (1, 1, 10)] {
        let truth = vec![1; either];
        let prediction = [vec![1; both], vec![0; either - both]].concat();
        let score = InstanceScore::of(&truth, &prediction);
        let count: usize = score.found.iter().sum();
        assert_eq!(count, found, "{both}/{either}");
    }
}

#[test]
fn halves_of_one_object_are_not_two_finds() {
    let truth = vec![1; 20];
    let halves = row(&[10, 10], 1);
    assert_eq!(InstanceScore::of(&truth, &halves).found, [0; COUNT]);
    assert_eq!(InstanceScore::of(&halves, &truth).found, [0; COUNT]);
}

#[test]
fn photos_without_objects_are_right_if_nothing_was_found_there() {
    let nothing = InstanceScore::of(&[0; 4], &[0; 4]);
    assert_eq!(nothing.average_precision(), 1.0);
    let invented = InstanceScore::of(&[0; 4], &[0, 1, 1, 0]);
    assert_eq!(invented.average_precision(), 0.0);
    assert_eq!(dsb_average_precision(&[nothing, invented]), Some(0.5));
    assert_eq!(dsb_average_precision(&[]), None);
}

fn maps() -> impl Strategy<Value = Vec<(u16, u16)>> {
    prop::collection::vec((0u16..5, 0u16..5), 1..120).prop_map(|mut pairs| {
        // Sorted by the truth, so that objects overlap much.
        pairs.sort_unstable();
        pairs
    })
}

proptest! {
    #[test]
    fn the_score_is_symmetric_and_falls_with_the_threshold(pairs in maps()) {
        let (a, b): (Vec<u16>, Vec<u16>) = pairs.into_iter().unzip();
        let (there, back) = (InstanceScore::of(&a, &b), InstanceScore::of(&b, &a));
        prop_assert_eq!(there.found, back.found);
        prop_assert!(there.found.is_sorted_by(|a, b| a >= b));
        prop_assert!(there.found[0] <= there.truths.min(there.predictions));
        prop_assert!((0.0..=1.0).contains(&there.average_precision()));
    }

    #[test]
    fn other_numbers_change_nothing(pairs in maps()) {
        let (a, b): (Vec<u16>, Vec<u16>) = pairs.into_iter().unzip();
        let renamed: Vec<u16> = b.iter().map(|id| [0, 65535, 3, 900, 2][usize::from(*id)]).collect();
        prop_assert_eq!(InstanceScore::of(&a, &b), InstanceScore::of(&a, &renamed));
        prop_assert_eq!(InstanceScore::of(&b, &renamed).average_precision(), 1.0);
    }
}
