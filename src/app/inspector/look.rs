//! How attention is drawn, remembered between runs.

use serde::{Deserialize, Serialize};

use super::show::{Picture, Unit};
use crate::attention::{ColorMap, Heatmap, Interpolation, ValueRange};

/// How heatmaps look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// The colour map.
    pub colors: ColorMap,
    /// What is drawn between the centres of tokens.
    pub interpolation: Interpolation,
    /// Opacity of the heatmap over the photo, 0..=1.
    pub opacity: f32,
    /// Whether low values let the photo through.
    pub fades: bool,
    /// Whether the thumbnails of a layer share one range of values.
    pub shared_range: bool,
    /// Per cent of the lowest and of the highest values that are not told
    /// apart, so that a few extreme tokens do not leave the rest in the dark.
    pub clip: f32,
    /// Whether the borders of tokens are drawn.
    pub token_grid: bool,
    /// Whether the part that holds most of the attention is outlined.
    pub contour: bool,
    /// The share of the attention that this part holds.
    pub mass: f32,
    /// How far the attention brush reaches, as a share of the attention.
    pub reach: f32,
    /// How alike tokens must be to be offered by "more like this", as a share
    /// of the way from what is suggested to being the same.
    pub strictness: f32,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            colors: ColorMap::default(),
            interpolation: Interpolation::Bilinear,
            opacity: 0.8,
            fades: true,
            shared_range: false,
            clip: 0.0,
            token_grid: false,
            contour: true,
            // As DINO's visualize_attention.py (Caron et al. 2021).
            mass: 0.6,
            reach: 0.6,
            strictness: 0.0,
        }
    }
}

impl Look {
    /// Most of [`Look::clip`]: half of it at each end leaves something.
    pub const MOST_CLIPPED: f32 = 20.0;

    /// The values that the ends of the colour map stand for.
    pub fn range(&self) -> ValueRange {
        if self.clip <= 0.0 {
            return ValueRange::Full;
        }
        ValueRange::Percentiles {
            low: self.clip,
            high: 100.0 - self.clip,
        }
    }

    /// The colours of one of the pictures that are `shown`, and the values at
    /// their ends.
    pub fn colors_of(&self, picture: &Picture, shown: &[Picture]) -> (ColorMap, (f32, f32)) {
        // What no token can see would pass for the lowest values.
        let own = picture.in_sight();
        let own = [own.as_ref()];
        match picture.unit {
            Unit::Difference => (ColorMap::Difference, ValueRange::Symmetric.of(&own)),
            Unit::Similarity => (self.colors, (0.0, 1.0)),
            Unit::Norm => (self.colors, self.range().of(&own)),
            // Two pictures beside each other are compared by their colours.
            Unit::Attention if shown.len() > 1 => {
                let all: Vec<_> = shown.iter().map(Picture::in_sight).collect();
                let all: Vec<&Heatmap> = all.iter().map(AsRef::as_ref).collect();
                (self.colors, from_zero(self.range().of(&all)))
            }
            _ => (self.colors, from_zero(self.range().of(&own))),
        }
    }

    /// Whether low values of a picture let the photo through: of a difference,
    /// what is low is as far from nothing as what is high.
    pub fn fades_in(&self, picture: &Picture) -> bool {
        self.fades && picture.unit != Unit::Difference
    }

    /// Numbers that came from a file, within what they may be.
    pub(in crate::app) fn make_sane(&mut self) {
        let share = |value: &mut f32, default: f32| {
            *value = if value.is_finite() {
                value.clamp(0.0, 1.0)
            } else {
                default
            };
        };
        let default = Self::default();
        share(&mut self.opacity, default.opacity);
        share(&mut self.mass, default.mass);
        share(&mut self.reach, default.reach);
        share(&mut self.strictness, default.strictness);
        self.clip = match self.clip.is_finite() {
            true => self.clip.clamp(0.0, Self::MOST_CLIPPED),
            false => default.clip,
        };
    }
}

/// Shares begin at nothing.
fn from_zero((_, high): (f32, f32)) -> (f32, f32) {
    (0.0, high)
}
