use super::*;
use crate::attention::testing::grid;
use proptest::prelude::*;

fn map(values: &[f32]) -> Heatmap {
    Heatmap {
        grid: grid(1, values.len()),
        values: values.to_vec(),
    }
}

/// The columns of the set.
fn columns(values: &[f32], share: f32) -> Vec<usize> {
    let tokens = mass_threshold(&map(values), share).tokens();
    tokens.into_iter().map(|(_, column)| column).collect()
}

#[test]
fn the_largest_tokens_come_first() {
    let values = [0.1, 0.4, 0.2, 0.3];
    assert_eq!(columns(&values, 0.3), [1]);
    assert_eq!(columns(&values, 0.4), [1], "exactly that share is enough");
    assert_eq!(columns(&values, 0.41), [1, 3]);
    assert_eq!(columns(&values, 0.6), [1, 3]);
    assert_eq!(columns(&values, 0.9), [1, 2, 3]);
    assert_eq!(columns(&values, 0.901), [0, 1, 2, 3]);
    assert_eq!(columns(&values, 1.0), [0, 1, 2, 3]);
    assert_eq!(columns(&values, 7.0), [0, 1, 2, 3]);
}

#[test]
fn equal_tokens_go_by_their_place() {
    assert_eq!(columns(&[0.1; 10], 0.6), [0, 1, 2, 3, 4, 5]);
    assert_eq!(columns(&[0.2, 0.3, 0.2, 0.3], 0.75), [0, 1, 3]);
}

#[test]
fn what_is_no_weight_is_never_in_the_set() {
    let values = [-5.0, f32::NAN, 1.0, 0.0, f32::INFINITY, 1.0];
    assert_eq!(columns(&values, 0.5), [2]);
    assert_eq!(columns(&values, 1.0), [2, 5]);
    for share in [0.0, -1.0, f32::NAN] {
        assert!(columns(&values, share).is_empty(), "{share}");
    }
    assert!(columns(&[0.0; 4], 0.6).is_empty());
    assert!(columns(&[f32::NAN; 4], 1.0).is_empty());
    assert!(mass_threshold(&Heatmap::zeros(grid(0, 3)), 0.5).is_empty());
    // A map that lacks values, or has too many.
    let mut odd = map(&[0.5, 0.5]);
    odd.grid = grid(2, 2);
    assert_eq!(mass_threshold(&odd, 1.0).count(), 2);
    odd.grid = grid(1, 1);
    assert_eq!(mass_threshold(&odd, 1.0).on, [true]);
}

proptest! {
    #[test]
    fn it_holds_the_share_and_no_smaller_set_does(
        values in prop::collection::vec(0.0f32..1.0, 1..40),
        share in 0.0f32..1.0,
    ) {
        let map = map(&values);
        let set = mass_threshold(&map, share);
        let total: f64 = values.iter().map(|v| f64::from(*v)).sum();
        let mut chosen: Vec<f64> = (0..values.len())
            .filter(|i| set.on[*i])
            .map(|i| f64::from(values[i]))
            .collect();
        let held: f64 = chosen.iter().sum();
        prop_assert!(held >= total * (f64::from(share) - 2e-6));
        chosen.sort_by(f64::total_cmp);
        if let Some(least) = chosen.first() {
            prop_assert!(held - least < total * f64::from(share), "one less would do");
            let left = (0..values.len()).filter(|i| !set.on[*i]);
            prop_assert!(left.map(|i| f64::from(values[i])).all(|v| v <= *least));
        }
    }

    #[test]
    fn larger_shares_hold_smaller_ones(
        values in prop::collection::vec(-0.1f32..1.0, 1..40),
        shares in (0.0f32..1.0, 0.0f32..1.0),
    ) {
        let map = map(&values);
        let (low, high) = (shares.0.min(shares.1), shares.0.max(shares.1));
        let (small, large) = (mass_threshold(&map, low), mass_threshold(&map, high));
        prop_assert_eq!(small.union(&large), large);
    }
}
