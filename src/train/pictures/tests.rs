use super::*;

fn raw(rows: usize, columns: usize) -> Raw {
    let pixels = rows * columns;
    Raw {
        rows,
        columns,
        rgb: (0..pixels * 3).map(|i| (i * 37 % 251) as u8).collect(),
        labels: (0..pixels).map(|i| (i % 3) as u8).collect(),
        instances: None,
    }
}

const CHANCES: Chances = Chances {
    crop: 32,
    long_edge: 40,
    scale: [0.5, 2.0],
    any_orientation: true,
    invert: true,
};

#[test]
fn a_part_depends_on_its_random_stream_alone() {
    let raw = raw(30, 50);
    let part = |index| part(&raw, &CHANCES, &mut Random::new(1, "part", index));
    let (a, b, c) = (part(5), part(5), part(6));
    assert_eq!(a.map, b.map);
    assert_eq!(a.labels, b.labels);
    assert_ne!(a.map, c.map);
    assert_eq!(a.map.size, [32, 32, 3]);
    assert!(a.map.values.iter().all(|v| v.is_finite() && v.abs() < 3.0));
}

#[test]
fn pixels_outside_of_the_photo_are_neutral_and_have_no_class() {
    let raw = raw(10, 40);
    let part = part(&raw, &CHANCES, &mut Random::new(2, "part", 0));
    let outside = part.labels.iter().filter(|l| **l == OUTSIDE).count();
    assert!(outside > 32 * 8);
    let (pixels, _) = part.map.values.as_chunks::<3>();
    for (pixel, label) in pixels.iter().zip(&part.labels) {
        assert!(*label != OUTSIDE || *pixel == [0.0; 3]);
    }
}

#[test]
fn at_scale_one_the_photo_and_its_labels_are_themselves() {
    let raw = raw(8, 8);
    let axis = axis(8, 1.0, 0.0, 8);
    let same = resampled(&raw, &axis, &axis);
    for (a, b) in same.iter().zip(&raw.rgb) {
        assert!((a * 255.0 - f32::from(*b)).abs() < 1e-3);
    }
    assert_eq!(nearest(&raw.labels, 8, &axis, &axis, OUTSIDE), raw.labels);
}

#[test]
fn shrinking_averages_and_labels_follow_the_centres() {
    let axis = axis(4, 0.5, 0.0, 2);
    let taps = axis[0].as_ref().unwrap();
    // the triangle of half-width 2 around position 1: samples at 0.5, 1.5, 2.5
    let expected = [0.75 / 1.75, 0.75 / 1.75, 0.25 / 1.75];
    assert_eq!(taps.first, 0);
    for (a, b) in taps.weights.iter().zip(expected) {
        assert!((a - b).abs() < 1e-6);
    }
    assert_eq!(taps.nearest, 1);
    assert_eq!(axis[1].as_ref().unwrap().nearest, 3);
}

#[test]
fn touching_objects_have_rims_between_them() {
    #[rustfmt::skip]
    let ids = [
        1, 1, 2, 2,
        1, 1, 2, 2,
        0, 0, 2, 2,
        0, 0, 2, 2,
    ];
    let mut labels = ids.map(|id| u8::from(id > 0)).to_vec();
    labels[0] = 255;
    #[rustfmt::skip]
    let expected = [
        255, 1, 1, 0,
        1, 1, 1, 0,
        0, 0, 1, 0,
        0, 0, 1, 0,
    ];
    assert_eq!(rims(&ids, &labels, [4, 4]), expected);
}

#[test]
fn a_whole_photo_is_fitted_and_padded() {
    assert_eq!(fitted([512, 1024], 384), [192, 384]);
    assert_eq!(fitted([3, 1000], 384), [1, 384]);
    assert_eq!(padded([191, 384]), [192, 384]);
    let map = whole(&raw(10, 40), 40);
    assert_eq!(map.size, [16, 48, 3]);
    let first = (0.0 - MEAN[0]) / DEVIATION[0];
    assert!((map.values[0] - first).abs() < 1e-6);
    assert!(map.values[40 * 3..48 * 3].iter().all(|v| *v == 0.0));
}

#[test]
fn turning_twice_gives_the_same() {
    let square: Vec<u8> = (0..18).collect();
    let turned = transposed(&square, 3, 2);
    assert_eq!(turned[..4], [0, 1, 6, 7]);
    assert_eq!(transposed(&turned, 3, 2), square);
}
