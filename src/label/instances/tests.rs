use proptest::prelude::*;

use super::*;

/// Scores from rows of digits: tenths.
fn tenths(rows: &[&str]) -> Vec<f32> {
    let score = |c: u8| f32::from(c - b'0') / 10.0;
    rows.iter().flat_map(|row| row.bytes().map(score)).collect()
}

/// With nothing too small.
const ALL: InstanceOptions = InstanceOptions {
    inside: 0.5,
    core: 0.5,
    smallest_core: 1,
    smallest: 1,
};

fn found(inside: &[f32], border: &[f32], width: usize, options: &InstanceOptions) -> Instances {
    instances(inside, border, width, options).unwrap()
}

#[test]
fn touching_objects_come_apart_at_their_border() {
    let inside = tenths(&["0000000", "0999990", "0999990", "0000000"]);
    let border = tenths(&["0000000", "0008000", "0008000", "0000000"]);
    let apart = found(&inside, &border, 7, &ALL);
    assert_eq!(apart.count, 2);
    assert_eq!(apart.ids[7..14], [0, 1, 1, 1, 2, 2, 0]);
    let together = found(&inside, &[0.0; 28], 7, &ALL);
    assert_eq!(together.count, 1);
    assert!(
        inside
            .iter()
            .zip(&together.ids)
            .all(|(i, id)| (*i > 0.5) == (*id == 1))
    );
}

#[test]
fn objects_meet_on_the_ridge_of_the_border() {
    // The ridge is nearer to the left core.
    let inside = tenths(&["999999999"]);
    let border = tenths(&["006943210"]);
    let objects = found(&inside, &border, 9, &ALL);
    assert_eq!(objects.ids, [1, 1, 1, 2, 2, 2, 2, 2, 2]);
}

#[test]
fn what_has_no_core_is_one_object() {
    let inside = tenths(&["0660", "0660", "0000"]);
    let border = tenths(&["0999", "0999", "0000"]);
    let objects = found(&inside, &border, 4, &ALL);
    assert_eq!((objects.count, objects.ids[1]), (1, 1));
}

#[test]
fn small_cores_are_no_objects_of_their_own() {
    let inside = tenths(&["99999"]);
    let border = tenths(&["00090"]);
    assert_eq!(found(&inside, &border, 5, &ALL).count, 2);
    let options = InstanceOptions {
        smallest_core: 2,
        ..ALL
    };
    let objects = found(&inside, &border, 5, &options);
    assert_eq!(objects.ids, [1; 5], "the other core grows over them");
}

#[test]
fn small_objects_are_dropped_and_leave_no_gap_in_the_numbers() {
    let inside = tenths(&["9099099", "0099099"]);
    let options = InstanceOptions { smallest: 3, ..ALL };
    let objects = found(&inside, &[0.0; 14], 7, &options);
    assert_eq!(objects.ids, [0, 0, 1, 1, 0, 2, 2, 0, 0, 1, 1, 0, 2, 2]);
    assert_eq!(objects.count, 2);
}

#[test]
fn corners_do_not_connect() {
    let inside = tenths(&["90", "09"]);
    assert_eq!(found(&inside, &[0.0; 4], 2, &ALL).ids, [1, 0, 0, 2]);
}

#[test]
fn scores_that_do_not_fit_are_refused() {
    let size = |inside: usize, border: usize, width: usize| {
        instances(&vec![0.9; inside], &vec![0.0; border], width, &ALL)
    };
    assert!(matches!(size(6, 5, 3), Err(InstancesError::Size { .. })));
    assert!(matches!(size(5, 5, 3), Err(InstancesError::Size { .. })));
    assert!(matches!(size(5, 5, 0), Err(InstancesError::Size { .. })));
    assert_eq!(size(0, 0, 0).unwrap().count, 0);
}

#[test]
fn more_objects_than_numbers_are_refused() {
    // Every other pixel of every other row.
    let side = 520;
    let on = |at: usize| (at % side).is_multiple_of(2) && (at / side).is_multiple_of(2);
    let inside: Vec<f32> = (0..side * side)
        .map(|at| f32::from(u8::from(on(at))))
        .collect();
    let refused = instances(&inside, &vec![0.0; side * side], side, &ALL);
    assert_eq!(refused, Err(InstancesError::TooMany(260 * 260)));
}

/// Whether the pixels of `id` hang together across edges.
fn is_connected(ids: &[SegmentId], width: usize, id: SegmentId) -> bool {
    let own: Vec<usize> = (0..ids.len()).filter(|at| ids[*at] == id).collect();
    let (mut reached, mut next) = (vec![own[0]], 0);
    while next < reached.len() {
        let at = reached[next];
        next += 1;
        for other in &own {
            let (across, down) = (
                (other % width).abs_diff(at % width),
                (other / width).abs_diff(at / width),
            );
            if across + down == 1 && !reached.contains(other) {
                reached.push(*other);
            }
        }
    }
    reached.len() == own.len()
}

const WIDTH: usize = 11;

fn scores() -> impl Strategy<Value = Vec<f32>> {
    let score = prop_oneof![20 => 0.0f32..=1.0, 1 => Just(f32::NAN)];
    prop::collection::vec(score, WIDTH * 9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn objects_are_connected_numbered_without_gaps_and_inside(
        inside in scores(),
        border in scores(),
        smallest_core in 1usize..5,
        smallest in 1usize..8,
    ) {
        let options = InstanceOptions { smallest_core, smallest, ..ALL };
        let objects = found(&inside, &border, WIDTH, &options);
        let mut next = 1;
        for (id, score) in objects.ids.iter().zip(&inside) {
            prop_assert!(*id == 0 || *score > 0.5);
            prop_assert!(*id <= next, "numbers go by first pixels");
            next += SegmentId::from(*id == next);
        }
        prop_assert_eq!(usize::from(next) - 1, objects.count);
        for id in 1..next {
            let area = objects.ids.iter().filter(|own| **own == id).count();
            prop_assert!(area >= smallest);
            prop_assert!(is_connected(&objects.ids, WIDTH, id));
        }
    }

    #[test]
    fn everything_inside_is_some_object(inside in scores(), border in scores()) {
        let objects = found(&inside, &border, WIDTH, &ALL);
        for (id, score) in objects.ids.iter().zip(&inside) {
            prop_assert_eq!(*id > 0, *score > 0.5);
        }
    }

    #[test]
    fn without_borders_objects_are_connected_areas(inside in scores()) {
        let objects = found(&inside, &[0.0; WIDTH * 9], WIDTH, &ALL);
        for at in 0..inside.len() {
            let right = (at % WIDTH + 1 < WIDTH).then_some(at + 1);
            let below = (at + WIDTH < inside.len()).then_some(at + WIDTH);
            for beside in [right, below].into_iter().flatten() {
                let (a, b) = (objects.ids[at], objects.ids[beside]);
                prop_assert!(a == b || a == 0 || b == 0);
            }
        }
    }
}
