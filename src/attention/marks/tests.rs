use super::*;
use crate::label::Rect;

/// The red channel, row by row, of an outline on grey.
fn drawn(size: (usize, usize), mask: &Mask) -> Vec<Vec<u8>> {
    let mut picture = Picture::filled(size.0, size.1, [100; 3]).unwrap();
    outline(&mut picture, mask);
    let reds: Vec<u8> = picture.rgb.iter().step_by(3).copied().collect();
    reds.chunks(size.0.max(1)).map(<[u8]>::to_vec).collect()
}

#[test]
fn a_white_line_with_dark_edges_runs_around_the_mask() {
    let rows = drawn((12, 12), &Mask::from_rect(Rect::new(4, 4, 9, 9)));
    // From the left through the middle: what is around stays as it is.
    assert_eq!(
        rows[6],
        [100, 100, 0, 255, 255, 0, 100, 0, 255, 255, 0, 100]
    );
    assert!((2..11).all(|x| rows[2][x] == 0) && rows[2][1] == 100);
    assert!(rows.iter().skip(11).flatten().all(|value| *value == 100));
}

#[test]
fn lines_at_the_edge_are_cut_and_grow_with_the_picture() {
    let whole = drawn((5, 1), &Mask::from_rect(Rect::new(0, 0, 5, 1)));
    assert_eq!(whole[0], [255; 5]);
    let beyond = drawn((3, 3), &Mask::from_rect(Rect::new(9, 9, 20, 20)));
    assert!(beyond.concat().iter().all(|value| *value == 100));
    let large = drawn((1400, 9), &Mask::from_rect(Rect::new(700, 0, 1400, 9)));
    let white = large[4].iter().take(1000).filter(|value| **value == 255);
    assert_eq!(white.count(), 4, "three pixels, rounded to both sides");
    assert!(drawn((0, 0), &Mask::empty()).is_empty());
}
