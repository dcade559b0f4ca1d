use proptest::prelude::*;

use super::*;
use crate::label::Rect;

const BOUNDS: (u32, u32) = (60, 50);

/// The distance of the middle of a pixel to a way, computed naively.
fn distance(x: u32, y: u32, from: [f32; 2], to: [f32; 2]) -> f64 {
    let point = [f64::from(x) + 0.5, f64::from(y) + 0.5];
    let at = |part: f64| {
        let place = |i: usize| f64::from(from[i]) + part * f64::from(to[i] - from[i]);
        (point[0] - place(0)).hypot(point[1] - place(1))
    };
    // The distance along a line is convex: search for its smallest value.
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..200 {
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if at(a) < at(b) { high = b } else { low = a }
    }
    at(low).min(at(0.0)).min(at(1.0))
}

fn place() -> impl Strategy<Value = [f32; 2]> {
    (-20.0..80.0f32, -20.0..70.0f32).prop_map(|(x, y)| [x, y])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_sweep_covers_the_pixels_within_the_radius(
        from in place(), to in place(), radius in 0.5..15.0f32,
    ) {
        let mask = capsule(from, to, radius, BOUNDS);
        let (a, b) = (snap(from, radius), snap(to, radius));
        for y in 0..BOUNDS.1 {
            for x in 0..BOUNDS.0 {
                let distance = distance(x, y, a, b);
                // Rounding decides about pixels that are exactly at the edge.
                if (distance - f64::from(radius)).abs() > 1e-6 {
                    let expected = distance < f64::from(radius);
                    prop_assert_eq!(mask.contains(x, y), expected, "at {}, {}", x, y);
                }
            }
        }
    }

    #[test]
    fn a_sweep_includes_the_dabs_at_its_ends(
        from in place(), to in place(), radius in 0.0..15.0f32,
    ) {
        let sweep = capsule(from, to, radius, BOUNDS);
        for end in [from, to] {
            prop_assert!(dab(end, radius, BOUNDS).subtract(&sweep).is_empty());
        }
        prop_assert!(sweep.components().len() <= 1, "a gap in {:?}", sweep);
        prop_assert_eq!(capsule(to, from, radius, BOUNDS), sweep);
    }

    #[test]
    fn the_ring_is_the_outline_of_the_dab(center in place(), radius in 0.0..15.0f32) {
        let all = (4000, 4000);
        let center = center.map(|at| at + 1000.0);
        let outline = contours(&dab(center, radius, all));
        prop_assert_eq!(outline.len(), 1);
        let snapped = snap(center, radius);
        let moved: Vec<[u32; 2]> = ring(radius)
            .iter()
            .map(|corner| [0, 1].map(|i| (corner[i] + snapped[i]) as u32))
            .collect();
        prop_assert_eq!(&outline[0], &moved);
    }
}

#[test]
fn the_smallest_brush_paints_the_pixel_under_the_pointer() {
    for radius in [0.5, 0.0, -3.0, f32::NAN] {
        for center in [[7.0, 3.0], [7.5, 3.5], [7.99, 3.99]] {
            let mask = dab(center, radius, BOUNDS);
            assert_eq!(mask, Mask::from_rect(Rect::new(7, 3, 8, 4)));
        }
    }
    assert_eq!(
        ring(0.5),
        [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]
    );
}

#[test]
fn diameters_are_as_wide_as_they_say() {
    for diameter in 1..40u32 {
        let bounds = dab([100.2, 100.7], diameter as f32 / 2.0, (200, 200)).bounds();
        assert_eq!((bounds.width(), bounds.height()), (diameter, diameter));
    }
}

#[test]
fn thin_lines_have_no_gaps() {
    for to in [[50.0, 3.0], [50.0, 20.0], [3.0, 49.0], [49.0, 48.0]] {
        let line = capsule([0.0, 0.0], to, 0.5, BOUNDS);
        assert_eq!(line.components().len(), 1);
        assert!(line.area() >= 46);
    }
}

#[test]
fn places_that_are_no_places_paint_nothing() {
    for center in [
        [f32::NAN, 1.0],
        [1.0, f32::INFINITY],
        [-1e9, 4.0],
        [4.0, 1e9],
    ] {
        assert!(dab(center, 3.0, BOUNDS).is_empty());
    }
    let all = dab([30.0, 20.0], f32::INFINITY, BOUNDS);
    assert_eq!(all, Mask::from_rect(Rect::of_size(60, 50)));
    assert!(dab([1.0, 1.0], 5.0, (0, 0)).is_empty());
}
