use proptest::prelude::*;

use super::*;

/// Two 2 × 4 maps of three classes, in which class 3 does not occur.
fn example() -> Confusion {
    let mut confusion = Confusion::new(4);
    confusion.add(&[0, 0, 0, 1, 1, 2, 255, 255], &[0, 0, 1, 1, 2, 2, 2, 0]);
    confusion
}

#[test]
fn measures_are_those_computed_by_hand() {
    let confusion = example();
    let rows: Vec<Vec<u64>> = confusion.clone().into();
    assert_eq!(
        rows,
        [
            [2, 1, 0, 0, 0],
            [0, 1, 1, 0, 0],
            [0, 0, 1, 0, 0],
            [0, 0, 0, 0, 0]
        ]
    );
    assert_eq!(confusion.iou(0), Some(2.0 / 3.0));
    assert_eq!(confusion.iou(1), Some(1.0 / 3.0));
    assert_eq!(confusion.iou(2), Some(1.0 / 2.0));
    assert_eq!(confusion.iou(3), None);
    assert_eq!(confusion.mean_iou(), Some(0.5));
    assert_eq!(confusion.pixel_accuracy(), Some(4.0 / 6.0));
    assert_eq!(confusion.precision(1), Some(0.5));
    assert_eq!(confusion.recall(1), Some(0.5));
    assert_eq!(confusion.recall(0), Some(2.0 / 3.0));
    assert_eq!((confusion.precision(3), confusion.recall(3)), (None, None));
    assert_eq!(confusion.pixels(), 6, "ignored pixels count nowhere");
    assert!(confusion.occurs(2) && !confusion.occurs(3) && !confusion.occurs(77));
}

#[test]
fn predictions_of_no_class_are_missed() {
    let mut confusion = Confusion::new(2);
    confusion.add(&[0, 1, 1, 1, 7], &[0, 1, 255, 9, 1]);
    assert_eq!((confusion.missed(0), confusion.missed(1)), (0, 2));
    assert_eq!(confusion.truth_pixels(1), 3);
    assert_eq!(confusion.iou(1), Some(1.0 / 3.0));
    assert_eq!(confusion.pixel_accuracy(), Some(0.5));
    assert_eq!(confusion.pixels(), 4, "7 is no class of the truth");
}

#[test]
fn nothing_has_no_measures() {
    let mut confusion = Confusion::new(3);
    confusion.add(&[255; 4], &[0, 1, 2, 255]);
    assert_eq!(confusion.mean_iou(), None);
    assert_eq!(confusion.pixel_accuracy(), None);
    assert_eq!(Confusion::new(0).mean_iou(), None);
    assert_eq!(Confusion::new(1000).classes(), 255);
}

#[test]
fn json_is_rows_of_counts() {
    let confusion = example();
    let text = serde_json::to_string(&confusion).unwrap();
    assert_eq!(text, "[[2,1,0,0,0],[0,1,1,0,0],[0,0,1,0,0],[0,0,0,0,0]]");
    assert_eq!(serde_json::from_str::<Confusion>(&text).unwrap(), confusion);
    assert!(serde_json::from_str::<Confusion>("[[1,2],[3]]").is_err());
    assert!(serde_json::from_str::<Confusion>("[[1,2,3],[4,5,6,7]]").is_err());
}

fn maps() -> impl Strategy<Value = Vec<(u8, u8)>> {
    let id = prop_oneof![8 => 0u8..4, 1 => Just(255u8)];
    prop::collection::vec((id.clone(), id), 1..200)
}

fn counted(pairs: &[(u8, u8)]) -> Confusion {
    let (truth, prediction): (Vec<u8>, Vec<u8>) = pairs.iter().copied().unzip();
    let mut confusion = Confusion::new(4);
    confusion.add(&truth, &prediction);
    confusion
}

proptest! {
    #[test]
    fn iou_is_symmetric_and_between_0_and_1(pairs in maps()) {
        // A pixel that one side leaves out must be left out by both to be so.
        let pairs: Vec<(u8, u8)> = pairs
            .into_iter()
            .filter(|(a, b)| (*a == 255) == (*b == 255))
            .collect();
        let turned: Vec<(u8, u8)> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
        let (there, back) = (counted(&pairs), counted(&turned));
        for class in 0..4 {
            prop_assert_eq!(there.iou(class), back.iou(class));
            prop_assert_eq!(there.precision(class), back.recall(class));
            if let Some(iou) = there.iou(class) {
                prop_assert!((0.0..=1.0).contains(&iou));
            }
        }
        prop_assert_eq!(there.pixel_accuracy(), back.pixel_accuracy());
    }

    #[test]
    fn a_map_against_itself_is_perfect(pairs in maps()) {
        let same: Vec<(u8, u8)> = pairs.iter().map(|(a, _)| (*a, *a)).collect();
        let confusion = counted(&same);
        if confusion.pixels() > 0 {
            prop_assert_eq!(confusion.mean_iou(), Some(1.0));
            prop_assert_eq!(confusion.pixel_accuracy(), Some(1.0));
        }
    }

    #[test]
    fn parts_merge_to_the_whole(pairs in maps(), cut in 0usize..200) {
        let cut = cut.min(pairs.len());
        let mut merged = counted(&pairs[..cut]);
        merged.merge(&counted(&pairs[cut..]));
        prop_assert_eq!(merged, counted(&pairs));
    }
}
