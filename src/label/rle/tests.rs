use proptest::prelude::*;

use super::*;

// Expected texts are what pycocotools 2.0 `mask.encode` gives.

fn encoded(mask: &Mask, width: u32, height: u32) -> String {
    CocoRle::encode(mask, width, height).counts
}

fn check(mask: &Mask, width: u32, height: u32, counts: &str) {
    let rle = CocoRle::encode(mask, width, height);
    assert_eq!(rle.counts, counts);
    assert_eq!(rle.size, [height, width]);
    assert_eq!(rle.decode().as_ref(), Ok(mask));
}

#[test]
fn the_simplest_masks_are_written_as_pycocotools_does() {
    check(&Mask::empty(), 5, 4, "d0");
    check(&Mask::from_rect(Rect::of_size(5, 4)), 5, 4, "0d0");
    check(&Mask::from_rect(Rect::new(0, 0, 1, 1)), 5, 4, "01c0");
    check(&Mask::from_rect(Rect::new(4, 3, 5, 4)), 5, 4, "c01");
    check(
        &Mask::from_rect(Rect::new(1, 1, 2, 69999)),
        3,
        70000,
        "a[T2^[T2a[T2",
    );
}

#[test]
fn a_disc_with_a_hole_is_written_as_pycocotools_does() {
    let mask = Mask::from_fn(Rect::of_size(131, 97), |x, y| {
        let square = |cx: i64, cy: i64| (i64::from(x) - cx).pow(2) + (i64::from(y) - cy).pow(2);
        square(60, 40) <= 35 * 35 && square(70, 45) > 100
    });
    check(
        &mask,
        131,
        97,
        "Q]21h2`0E6J6K4L4M2M4M2N2N2N2N2N2N2O0O2N2O0O2O0O2O000O2O000O2O0000000000000OSOVOFj05^OFc\
         08AF?9CF=9EF;:EF;9GF9:GF9:GF:9FF;9GF9;EF<9DF=:CF=:CF>:@Fa0:_OFb0:\\OFe0;YOFh0;TOFn0=jNFW1\
         R11N2N2N2N2N2N2N3L3N3L4L5J6J;@SY3",
    );
}

#[test]
fn noise_is_written_as_pycocotools_does() {
    let mut state = 7u32;
    let mask = Mask::from_fn(Rect::of_size(23, 17), |_, _| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 16).is_multiple_of(3)
    });
    check(
        &mask,
        23,
        17,
        "022OO22N=0B0O21N0030M1OO102131KNO010O151KO2O00N02050I0130M0080I0N000227ON0MON0N22NN081H03O0\
         0M02040J0113ON0O060J0O16OK0O020220OLO50M0N0=0F4NL01022MN2=OCOO01",
    );
}

#[test]
fn large_counts_are_written_as_pycocotools_does() {
    let half = Mask::from_rect(Rect::new(0, 1500, 2000, 3000));
    let mask = half.union(&Mask::from_rect(Rect::new(1999, 7, 2000, 8)));
    let counts = encoded(&mask, 2000, 3000);
    assert_eq!(counts.len(), 4016);
    assert!(counts.starts_with("l^1l^1l^1000"));
    assert!(counts.ends_with("000[aNUaN]^1k^1"));
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(
        width in 1..20u32, height in 1..20u32, bits in prop::collection::vec(any::<bool>(), 400),
    ) {
        let mask = Mask::from_fn(Rect::of_size(width, height), |x, y| bits[(y * width + x) as usize]);
        let rle = CocoRle::encode(&mask, width, height);
        prop_assert_eq!(rle.decode(), Ok(mask));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-z]{0,40}", width in 0..9u32, height in 0..9u32) {
        let rle = CocoRle { size: [height, width], counts: text };
        if let Ok(mask) = rle.decode() {
            prop_assert!(Rect::of_size(width, height).contains_rect(&mask.bounds()));
        }
    }
}

#[test]
fn what_is_outside_of_the_photo_is_cut_off() {
    let mask = Mask::from_rect(Rect::new(3, 2, 90, 80));
    let inside = Mask::from_rect(Rect::new(3, 2, 5, 4));
    assert_eq!(encoded(&mask, 5, 4), encoded(&inside, 5, 4));
}

#[test]
fn broken_texts_are_refused_with_a_reason() {
    let decode = |counts: &str| {
        let counts = counts.to_owned();
        CocoRle {
            size: [4, 5],
            counts,
        }
        .decode()
    };
    let (width, height) = (5, 4);
    assert_eq!(decode("d0 "), Err(RleError::Character(' ')));
    assert_eq!(decode("dé"), Err(RleError::Character('é')));
    assert_eq!(decode("d"), Err(RleError::CutOff));
    assert_eq!(decode("O"), Err(RleError::Count));
    assert_eq!(decode("oooooooooooooooooo0"), Err(RleError::Count));
    assert_eq!(
        decode("1"),
        Err(RleError::Size {
            covered: 1,
            width,
            height
        })
    );
    assert_eq!(
        decode(""),
        Err(RleError::Size {
            covered: 0,
            width,
            height
        })
    );
    let huge = CocoRle {
        size: [9, u32::MAX],
        counts: "0".into(),
    };
    assert!(matches!(huge.decode(), Err(RleError::TooLarge { .. })));
}
