//! What a prediction is without some attention heads (Michel, Levy & Neubig
//! 2019, "Are Sixteen Heads Really Better than One?").

use crate::label::Mask;
use crate::models::Prompt;
use crate::nn::Ablation;

use super::message::{ClassArea, Found, Likely};

/// A prediction to make without some attention heads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WhatIf {
    /// Attention heads of the encoder that are off, or of the whole network.
    pub encoder: Ablation,
    /// Attention heads of the prompt decoder that are off.
    pub decoder: Ablation,
    /// What to ask a promptable model.
    pub prompt: Option<Prompt>,
}

/// A prediction, as far as it is compared.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The best mask for a prompt, with the model's estimate of its quality.
    Mask(Mask, f32),
    /// Classes of pixels, background left out: name, pixels, mean probability.
    Areas(Vec<(String, Mask, f32)>),
    /// Classes of the photo with their probabilities, the likeliest first.
    Likely(Vec<Likely>),
}

impl Outcome {
    /// From what a model that is not prompted found.
    pub(super) fn of(found: Found) -> Self {
        let area = |area: ClassArea| {
            let spans = area.regions.iter().flat_map(|mask| mask.spans());
            let mask = Mask::from_spans(spans.copied().collect());
            (area.name, mask, area.score)
        };
        match found {
            Found::Photo(likely) => Self::Likely(likely),
            Found::Pixels(areas) => {
                let seen = areas.into_iter().map(area);
                let is_background = |name: &str| name.trim().eq_ignore_ascii_case("background");
                Self::Areas(seen.filter(|(name, ..)| !is_background(name)).collect())
            }
        }
    }
}

/// What has changed between two predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Whether it is of classes of pixels, not of one mask.
    pub of_classes: bool,
    /// What was predicted before: the class, where there is but one answer.
    pub what: Option<String>,
    /// Intersection over union of before and after; of several classes their
    /// mean. `None` where nothing has a place.
    pub iou: Option<f64>,
    /// The model's own score before and after: the estimated quality of the
    /// mask, or the probability of what was predicted before.
    pub score: (f32, f32),
    /// Pixels that only the prediction after has.
    pub gained: Mask,
    /// Pixels that only the prediction before has.
    pub lost: Mask,
}

impl Change {
    /// What has changed from `before` to `after`, which are of one kind.
    pub fn between(before: &Outcome, after: &Outcome) -> Option<Self> {
        match (before, after) {
            (Outcome::Mask(before, was), Outcome::Mask(after, is)) => Some(Self {
                of_classes: false,
                what: None,
                iou: Some(before.iou(after)),
                score: (*was, *is),
                gained: after.subtract(before),
                lost: before.subtract(after),
            }),
            (Outcome::Areas(before), Outcome::Areas(after)) => Some(Self::of_areas(before, after)),
            (Outcome::Likely(before), Outcome::Likely(after)) => Self::of_photo(before, after),
            _ => None,
        }
    }

    fn of_areas(before: &[(String, Mask, f32)], after: &[(String, Mask, f32)]) -> Self {
        let empty = Mask::empty();
        let of = |all: &[(String, Mask, f32)], name: &str| -> Mask {
            let found = all.iter().find(|(known, ..)| known == name);
            found.map_or_else(Mask::empty, |(_, mask, _)| mask.clone())
        };
        let mut names: Vec<&String> = before.iter().chain(after).map(|(name, ..)| name).collect();
        names.sort_unstable();
        names.dedup();
        let (mut gained, mut lost, mut sum) = (empty.clone(), empty, 0.0);
        for name in &names {
            let (was, is) = (of(before, name), of(after, name));
            gained = gained.union(&is.subtract(&was));
            lost = lost.union(&was.subtract(&is));
            sum += was.iou(&is);
        }
        Self {
            of_classes: true,
            what: None,
            iou: (!names.is_empty()).then(|| sum / names.len() as f64),
            score: (confidence(before), confidence(after)),
            gained,
            lost,
        }
    }

    fn of_photo(before: &[Likely], after: &[Likely]) -> Option<Self> {
        let top = before.first()?;
        let is = after.iter().find(|likely| likely.name == top.name);
        Some(Self {
            of_classes: false,
            what: Some(top.name.clone()),
            iou: None,
            score: (top.probability, is.map_or(0.0, |likely| likely.probability)),
            gained: Mask::empty(),
            lost: Mask::empty(),
        })
    }

    /// How much the prediction has changed, 0 for not at all: what attention
    /// heads are ranked by.
    pub fn weight(&self) -> f64 {
        match self.iou {
            Some(iou) => 1.0 - iou,
            None => f64::from(self.score.0 - self.score.1),
        }
    }
}

/// Mean probability of what was seen, by area.
fn confidence(areas: &[(String, Mask, f32)]) -> f32 {
    let total: u64 = areas.iter().map(|(_, mask, _)| mask.area()).sum();
    let sum: f64 = areas
        .iter()
        .map(|(_, mask, score)| f64::from(*score) * mask.area() as f64)
        .sum();
    if total == 0 {
        return 0.0;
    }
    (sum / total as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Rect;

    fn rect(x0: u32, x1: u32) -> Mask {
        Mask::from_rect(Rect::new(x0, 0, x1, 10))
    }

    #[test]
    fn a_mask_gains_and_loses_pixels() {
        let change = Change::between(
            &Outcome::Mask(rect(0, 10), 0.9),
            &Outcome::Mask(rect(5, 15), 0.7),
        );
        let change = change.unwrap();
        assert_eq!((change.gained, change.lost), (rect(10, 15), rect(0, 5)));
        assert_eq!(change.score, (0.9, 0.7));
        assert!((change.iou.unwrap() - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn classes_are_compared_one_by_one() {
        let area = |name: &str, mask| (name.to_owned(), mask, 0.5);
        let before = Outcome::Areas(vec![area("cat", rect(0, 10)), area("cup", rect(20, 30))]);
        let after = Outcome::Areas(vec![area("cat", rect(0, 10)), area("dog", rect(20, 30))]);
        let change = Change::between(&before, &after).unwrap();
        assert!((change.iou.unwrap() - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!((change.gained, change.lost), (rect(20, 30), rect(20, 30)));
        let same = Change::between(&before, &before).unwrap();
        assert_eq!((same.iou, same.weight()), (Some(1.0), 0.0));
    }

    #[test]
    fn a_class_of_the_photo_loses_probability() {
        let likely = |name: &str, probability| Likely {
            name: name.to_owned(),
            probability,
        };
        let before = Outcome::Likely(vec![likely("cat", 0.75), likely("dog", 0.25)]);
        let after = Outcome::Likely(vec![likely("dog", 0.75), likely("cat", 0.25)]);
        let change = Change::between(&before, &after).unwrap();
        assert_eq!(change.what.as_deref(), Some("cat"));
        assert_eq!((change.iou, change.weight()), (None, 0.5));
        assert!(Change::between(&before, &Outcome::Mask(rect(0, 1), 1.0)).is_none());
    }
}
