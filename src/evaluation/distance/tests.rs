use proptest::prelude::*;

use super::*;

/// By looking at every site.
fn brute(sites: &[bool], width: usize) -> Vec<u32> {
    let place = |i: usize| ((i % width) as i64, (i / width) as i64);
    let all: Vec<(i64, i64)> = (0..sites.len()).filter(|i| sites[*i]).map(place).collect();
    let nearest = |i: usize| {
        let (x, y) = place(i);
        let squares = all.iter().map(|(u, v)| (x - u).pow(2) + (y - v).pow(2));
        squares.min().map_or(u32::MAX, |square| square as u32)
    };
    (0..sites.len()).map(nearest).collect()
}

#[test]
fn distances_are_those_computed_by_hand() {
    let mut sites = [false; 15];
    (sites[0], sites[13]) = (true, true);
    assert_eq!(
        squared_distances(&sites, 5),
        [0, 1, 4, 4, 5, 1, 2, 2, 1, 2, 4, 4, 1, 0, 1]
    );
}

#[test]
fn maps_without_sites_or_pixels_are_fine() {
    assert!(squared_distances(&[], 7).is_empty());
    assert_eq!(squared_distances(&[false; 6], 3), [u32::MAX; 6]);
    assert_eq!(squared_distances(&[true; 6], 6), [0; 6]);
    assert_eq!(squared_distances(&[true, false, false], 1), [0, 1, 4]);
}

#[test]
fn long_rows_stay_exact() {
    let mut sites = vec![false; 70_000];
    (sites[0], sites[40_001]) = (true, true);
    let found = squared_distances(&sites, 70_000);
    assert_eq!(found, {
        let near = |x: u64| x.min(x.abs_diff(40_001)).pow(2) as u32;
        (0..70_000).map(near).collect::<Vec<_>>()
    });
}

proptest! {
    #[test]
    fn distances_are_exact(
        width in 1usize..24,
        bits in prop::collection::vec(prop::bool::weighted(0.08), 1..400),
    ) {
        let whole = bits.len() / width * width;
        let sites = &bits[..whole];
        prop_assert_eq!(squared_distances(sites, width), brute(sites, width));
    }
}
