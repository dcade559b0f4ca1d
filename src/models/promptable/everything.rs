//! Segment everything: ask at every point of a grid and keep the masks that
//! the model is sure of, once each.
//!
//! Follows SAM's automatic mask generator, with these differences: stability
//! and duplicates are judged on the low-resolution masks (duplicates by the
//! masks' own overlap, not their boxes'), and the result does not overlap:
//! where two masks do, the smaller one is in front, so that a part is not
//! swallowed by its whole.

use super::{Encoding, LowResMask, Prompt, PromptableModel};
use crate::label::Mask;
use crate::models::ModelError;
use crate::nn::Probe;
use crate::task::Task;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The finest grid: beyond it, points are closer than the model can tell.
const MAX_POINTS_PER_SIDE: usize = 64;
/// A mask of which less than this share is left behind smaller ones is dropped.
const MIN_REMAINDER: f64 = 0.1;
/// Share of the progress that asking takes; the rest is cleaning up.
const ASKING: f32 = 0.95;

/// How to segment everything. The defaults are SAM's, on a coarser grid.
#[derive(Clone, Debug, PartialEq)]
pub struct EverythingOptions {
    /// Points of the grid along each side, 1..=64.
    pub points_per_side: usize,
    /// Masks that the model itself scores lower are dropped, 0..=1.
    pub min_score: f32,
    /// Masks that change more when the threshold is moved are dropped, 0..=1.
    pub min_stability: f32,
    /// How far the threshold is moved for that, in logits; positive.
    pub stability_offset: f32,
    /// Of two masks that overlap more (intersection over union), the one with
    /// the lower score is dropped, 0..=1.
    pub max_overlap: f32,
    /// Holes and islands smaller than this share of the photo are removed,
    /// 0..=1.
    pub min_area: f32,
}

impl Default for EverythingOptions {
    fn default() -> Self {
        Self {
            points_per_side: 16,
            min_score: 0.88,
            min_stability: 0.95,
            stability_offset: 1.0,
            max_overlap: 0.7,
            min_area: 0.0005,
        }
    }
}

impl EverythingOptions {
    fn check(&self) -> Result<(), ModelError> {
        let wrong = |name, value: String, expected| ModelError::Option {
            name,
            value,
            expected,
        };
        if !(1..=MAX_POINTS_PER_SIDE).contains(&self.points_per_side) {
            let value = self.points_per_side.to_string();
            return Err(wrong("points per side", value, "a number from 1 to 64"));
        }
        for (name, value) in [
            ("minimum score", self.min_score),
            ("minimum stability", self.min_stability),
            ("maximum overlap", self.max_overlap),
            ("minimum area", self.min_area),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(wrong(name, value.to_string(), "a number from 0 to 1"));
            }
        }
        if !(self.stability_offset > 0.0 && self.stability_offset.is_finite()) {
            let value = self.stability_offset.to_string();
            return Err(wrong("stability offset", value, "a positive number"));
        }
        Ok(())
    }
}

/// A mask of the photo's pixels and the model's estimate of its quality.
#[derive(Clone, Debug)]
pub struct ScoredMask {
    /// The mask, at the photo's size.
    pub mask: Mask,
    /// Predicted intersection over union with the truth.
    pub score: f32,
}

/// A mask that passed the filters.
struct Kept {
    low_res: LowResMask,
    score: f32,
    bits: Bits,
}

/// A low-resolution mask as a set of bits.
struct Bits {
    words: Vec<u64>,
    count: u32,
}

impl Bits {
    fn of(values: &[f32]) -> Self {
        let words: Vec<u64> = values
            .chunks(64)
            .map(|chunk| {
                chunk
                    .iter()
                    .enumerate()
                    .fold(0, |word, (i, v)| word | u64::from(*v > 0.0) << i)
            })
            .collect();
        let count = words.iter().map(|word| word.count_ones()).sum();
        Self { words, count }
    }

    fn iou(&self, other: &Self) -> f32 {
        let pairs = self.words.iter().zip(&other.words);
        let both: u32 = pairs.map(|(a, b)| (a & b).count_ones()).sum();
        both as f32 / (self.count + other.count - both).max(1) as f32
    }
}

pub(super) fn run(
    model: &PromptableModel,
    encoding: &Encoding,
    options: &EverythingOptions,
    task: Task<'_>,
) -> Result<Vec<ScoredMask>, ModelError> {
    options.check()?;
    let kept = ask(model, encoding, options, task)?;
    let kept = suppress(kept, options.max_overlap);
    task.check()?;
    let photo = f64::from(encoding.width()) * f64::from(encoding.height());
    let min_area = (photo * f64::from(options.min_area)).ceil() as u64;
    let masks = kept
        .par_iter()
        .map(|kept| {
            task.check()?;
            let mask = encoding.upsample(&kept.low_res);
            let mask = mask.drop_islands_below(min_area).fill_holes_below(min_area);
            Ok(ScoredMask {
                mask,
                score: kept.score,
            })
        })
        .collect::<Result<Vec<_>, ModelError>>()?;
    let masks = disjoint(masks, min_area, task)?;
    task.progress(1.0);
    Ok(masks)
}

/// Ask at every point; prompts run side by side and share the photo's
/// projections.
fn ask(
    model: &PromptableModel,
    encoding: &Encoding,
    options: &EverythingOptions,
    task: Task<'_>,
) -> Result<Vec<Kept>, ModelError> {
    let n = options.points_per_side;
    let centre = |i: usize, side: u32| (i as f32 + 0.5) / n as f32 * side as f32;
    let points: Vec<(f32, f32)> = (0..n * n)
        .map(|i| {
            (
                centre(i % n, encoding.width()),
                centre(i / n, encoding.height()),
            )
        })
        .collect();
    let done = AtomicUsize::new(0);
    let found = points
        .par_iter()
        .map(|(x, y)| {
            task.check()?;
            let prompt = Prompt::point(*x, *y);
            // Tokens 1 and up are for single points.
            let good = |scores: &[f32]| scores[1..].iter().any(|s| *s >= options.min_score);
            let candidates = model.candidates(encoding, &prompt, &mut Probe::default(), good)?;
            let kept: Vec<Kept> = candidates
                .into_iter()
                .skip(1)
                .filter(|candidate| candidate.score >= options.min_score)
                .filter_map(|c| keep_stable(encoding, c.low_res, c.score, options))
                .collect();
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            task.progress(ASKING * done as f32 / points.len() as f32);
            Ok(kept)
        })
        .collect::<Result<Vec<_>, ModelError>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// The mask, unless moving the threshold changes it much.
fn keep_stable(
    encoding: &Encoding,
    low_res: LowResMask,
    score: f32,
    options: &EverythingOptions,
) -> Option<Kept> {
    // Only the photo's part of the frame counts, not the padding.
    let side = low_res.side();
    let (width, height) = encoding.covered();
    let part = |share: f32| ((share * side as f32).round() as usize).clamp(1, side);
    let (width, height) = (part(width), part(height));
    let (mut inner, mut outer) = (0u32, 0u32);
    let mut values = Vec::with_capacity(width * height);
    for row in low_res.values().chunks_exact(side).take(height) {
        for value in &row[..width] {
            inner += u32::from(*value > options.stability_offset);
            outer += u32::from(*value > -options.stability_offset);
        }
        values.extend_from_slice(&row[..width]);
    }
    let bits = Bits::of(&values);
    let stable = inner as f32 >= options.min_stability * outer as f32;
    (stable && bits.count > 0).then_some(Kept {
        low_res,
        score,
        bits,
    })
}

/// Non-maximum suppression: best first, without near-duplicates.
fn suppress(mut found: Vec<Kept>, max_overlap: f32) -> Vec<Kept> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Kept> = Vec::new();
    for candidate in found {
        if kept
            .iter()
            .all(|better| better.bits.iou(&candidate.bits) <= max_overlap)
        {
            kept.push(candidate);
        }
    }
    kept
}

/// Take overlaps away from the larger of two masks; best first.
fn disjoint(
    mut masks: Vec<ScoredMask>,
    min_area: u64,
    task: Task<'_>,
) -> Result<Vec<ScoredMask>, ModelError> {
    masks.sort_by_key(|scored| scored.mask.area());
    let mut taken = Mask::empty();
    let mut out: Vec<ScoredMask> = Vec::new();
    for ScoredMask { mask, score } in masks {
        task.check()?;
        let rest = mask.subtract(&taken).drop_islands_below(min_area);
        if rest.is_empty() || (rest.area() as f64) < MIN_REMAINDER * mask.area() as f64 {
            continue;
        }
        taken = taken.union(&rest);
        out.push(ScoredMask { mask: rest, score });
    }
    out.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Rect;
    use crate::task::detached;

    fn scored(rect: Rect, score: f32) -> ScoredMask {
        ScoredMask {
            mask: Mask::from_rect(rect),
            score,
        }
    }

    #[test]
    fn parts_stay_in_front_of_their_whole() {
        let whole = scored(
            Rect {
                x0: 0,
                y0: 0,
                x1: 20,
                y1: 20,
            },
            0.99,
        );
        let part = scored(
            Rect {
                x0: 5,
                y0: 5,
                x1: 10,
                y1: 10,
            },
            0.9,
        );
        let out = detached(|task| disjoint(vec![whole, part], 1, task)).unwrap();
        assert_eq!(
            out.iter().map(|m| m.mask.area()).collect::<Vec<_>>(),
            [375, 25]
        );
        assert!(out[0].mask.intersect(&out[1].mask).is_empty());
    }

    #[test]
    fn a_whole_that_is_all_parts_is_dropped() {
        let whole = scored(
            Rect {
                x0: 0,
                y0: 0,
                x1: 20,
                y1: 20,
            },
            0.99,
        );
        let left = scored(
            Rect {
                x0: 0,
                y0: 0,
                x1: 10,
                y1: 20,
            },
            0.9,
        );
        let right = scored(
            Rect {
                x0: 10,
                y0: 0,
                x1: 19,
                y1: 20,
            },
            0.8,
        );
        let out = detached(|task| disjoint(vec![whole, left, right], 1, task)).unwrap();
        assert_eq!(out.iter().map(|m| m.score).collect::<Vec<_>>(), [0.9, 0.8]);
    }

    #[test]
    fn of_duplicates_the_better_one_stays() {
        let kept = |values: &[f32], score| Kept {
            low_res: LowResMask::new(values.to_vec(), 2).unwrap(),
            score,
            bits: Bits::of(values),
        };
        let out = suppress(
            vec![
                kept(&[1.0, 1.0, 1.0, -1.0], 0.9),
                kept(&[1.0, 1.0, 1.0, 1.0], 0.95),
                kept(&[-1.0, -1.0, -1.0, 1.0], 0.5),
            ],
            0.7,
        );
        assert_eq!(out.iter().map(|k| k.score).collect::<Vec<_>>(), [0.95, 0.5]);
        assert_eq!(out[0].bits.iou(&out[1].bits), 0.25);
    }

    #[test]
    fn impossible_options_are_named() {
        let base = EverythingOptions::default();
        for (options, name) in [
            (
                EverythingOptions {
                    points_per_side: 0,
                    ..base.clone()
                },
                "points per side",
            ),
            (
                EverythingOptions {
                    points_per_side: 65,
                    ..base.clone()
                },
                "points per side",
            ),
            (
                EverythingOptions {
                    min_score: f32::NAN,
                    ..base.clone()
                },
                "minimum score",
            ),
            (
                EverythingOptions {
                    max_overlap: 1.5,
                    ..base.clone()
                },
                "maximum overlap",
            ),
            (
                EverythingOptions {
                    stability_offset: 0.0,
                    ..base.clone()
                },
                "stability offset",
            ),
        ] {
            assert!(options.check().unwrap_err().to_string().starts_with(name));
        }
        assert!(base.check().is_ok());
    }
}
