//! Colour maps for heatmaps.

mod tables;

use serde::{Deserialize, Serialize};

/// A colour map of 256 steps. Viridis, magma and grey rise evenly in lightness,
/// so they also work for colour-blind eyes and in print; turbo does not, but
/// separates more levels. [`ColorMap::Difference`] has two ends and a middle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorMap {
    /// Dark blue over green to yellow.
    #[default]
    Viridis,
    /// Black over purple and orange to white.
    Magma,
    /// An improved rainbow.
    Turbo,
    /// Black to white.
    Grey,
    /// Blue over near-white to red, for values with a sign: RdBu of ColorBrewer,
    /// which colour-blind eyes can tell apart (Harrower & Brewer 2003,
    /// "ColorBrewer.org"). Not among [`ColorMap::ALL`]: what has no sign has no
    /// middle.
    Difference,
}

impl ColorMap {
    /// Those to choose from for a heatmap.
    pub const ALL: [Self; 4] = [Self::Viridis, Self::Magma, Self::Turbo, Self::Grey];

    /// Its name, for people and for command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viridis => "viridis",
            Self::Magma => "magma",
            Self::Turbo => "turbo",
            Self::Grey => "grey",
            Self::Difference => "difference",
        }
    }

    /// The colour map of that name ("gray" too).
    pub fn from_name(name: &str) -> Option<Self> {
        let name = if name == "gray" { "grey" } else { name };
        Self::ALL.into_iter().find(|map| map.name() == name)
    }

    /// RGB of a step.
    pub fn step(self, step: u8) -> [u8; 3] {
        let table = match self {
            Self::Viridis => &tables::VIRIDIS,
            Self::Magma => &tables::MAGMA,
            Self::Turbo => &tables::TURBO,
            Self::Grey => return [step; 3],
            Self::Difference => &tables::BLUE_RED,
        };
        let [_, red, green, blue] = table[usize::from(step)].to_be_bytes();
        [red, green, blue]
    }

    /// The step of a value from 0 to 1, clamped; what is no number gets the
    /// lowest one. Steps are as wide as each other, as in matplotlib.
    #[inline]
    pub fn step_of(value: f32) -> u8 {
        // The conversion clamps, and makes 0 of NaN.
        (value * 256.0) as u8
    }

    /// RGB of a value: that of its [step](Self::step_of).
    #[inline]
    pub fn color(self, value: f32) -> [u8; 3] {
        self.step(Self::step_of(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_middles_are_matplotlibs() {
        let colors = |map: ColorMap| [0, 128, 255].map(|step| map.step(step));
        let viridis = [[0x44, 0x01, 0x54], [33, 145, 140], [0xfd, 0xe7, 0x25]];
        assert_eq!(colors(ColorMap::Viridis), viridis);
        let magma = [[0, 0, 4], [183, 55, 121], [0xfc, 0xfd, 0xbf]];
        assert_eq!(colors(ColorMap::Magma), magma);
        let turbo = [[48, 18, 59], [164, 252, 60], [122, 4, 3]];
        assert_eq!(colors(ColorMap::Turbo), turbo);
        assert_eq!(colors(ColorMap::Grey), [[0; 3], [128; 3], [255; 3]]);
    }

    #[test]
    fn even_maps_rise_in_lightness() {
        for map in [ColorMap::Viridis, ColorMap::Magma, ColorMap::Grey] {
            let lightness = |step: u8| {
                let [red, green, blue] = map.step(step).map(f32::from);
                0.2126 * red + 0.7152 * green + 0.0722 * blue
            };
            for step in 0..=247 {
                assert!(lightness(step + 8) > lightness(step), "{map:?} {step}");
            }
        }
    }

    #[test]
    fn differences_are_blue_below_red_above_and_pale_in_the_middle() {
        let color = |value| ColorMap::Difference.color(value);
        assert_eq!(color(0.0), [0x05, 0x30, 0x61]);
        assert_eq!(color(1.0), [0x67, 0x00, 0x1f]);
        assert!(color(0.5).iter().all(|channel| *channel >= 0xf4));
        // Both sides are about as light as each other, so that neither seems to win.
        let lightness = |step: u8| {
            let [red, green, blue] = ColorMap::Difference.step(step).map(f32::from);
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        for step in 0..128 {
            let (below, above) = (lightness(step), lightness(255 - step));
            assert!((below - above).abs() < 40.0, "{step}: {below} {above}");
            assert!(lightness(step + 1) >= lightness(step) - 1.0, "{step}");
        }
    }

    #[test]
    fn values_are_clamped() {
        let map = ColorMap::Grey;
        let cases = [
            (-3.0, 0),
            (0.0, 0),
            (0.5, 128),
            (1.0, 255),
            (9.0, 255),
            (f32::NAN, 0),
        ];
        for (value, grey) in cases {
            assert_eq!(map.color(value), [grey; 3], "{value}");
        }
    }

    #[test]
    fn names_lead_back() {
        for map in ColorMap::ALL {
            assert_eq!(ColorMap::from_name(map.name()), Some(map));
        }
        assert_eq!(ColorMap::from_name("gray"), Some(ColorMap::Grey));
        assert_eq!(ColorMap::from_name("jet"), None);
    }
}
