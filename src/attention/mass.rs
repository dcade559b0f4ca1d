//! The smallest set of tokens that holds a share of the attention.

use super::{Heatmap, TokenMask};

/// How much of a share may be missing for the sake of rounding: 0.6 as f32 is
/// a little more than six of ten equal tokens.
const ROUNDING: f64 = 1e-6;

/// The smallest set of tokens that holds at least `share` (0 to 1) of the sum
/// of `map`: how DINO's `visualize_attention.py` makes masks of attention, with
/// a share of 0.6 (Caron et al. 2021, section 4.2 and Fig. 4). A set for a
/// larger share holds that for a smaller one.
///
/// Of equal tokens the first in reading order come first. Values below 0 and
/// those that are no finite numbers count as 0 and are never in the set; a map
/// without anything else gives an empty set, as does a share of 0 or NaN.
pub fn mass_threshold(map: &Heatmap, share: f32) -> TokenMask {
    let mut mask = TokenMask::empty(map.grid);
    let counts = |value: &f32| *value > 0.0 && value.is_finite();
    let on_grid = map.values.iter().copied().take(mask.on.len());
    let mut tokens: Vec<(usize, f32)> = on_grid.enumerate().filter(|(_, v)| counts(v)).collect();
    // The sort is stable, so equal tokens stay in their order.
    tokens.sort_by(|a, b| b.1.total_cmp(&a.1));
    let total: f64 = tokens.iter().map(|(_, value)| f64::from(*value)).sum();
    let missing = if share >= 1.0 { 0.0 } else { ROUNDING };
    // The maximum of NaN and 0 is 0.
    let share = f64::from(share).clamp(0.0, 1.0).max(0.0);
    let wanted = total * (share - missing);
    let mut held = 0.0;
    for (index, value) in tokens {
        if held >= wanted {
            break;
        }
        mask.on[index] = true;
        held += f64::from(value);
    }
    mask
}

#[cfg(test)]
mod tests;
