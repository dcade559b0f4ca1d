//! What a user can ask.

use crate::models::ModelError;
use std::sync::Arc;

/// The most points in one prompt; more cost time and help nobody.
pub const MAX_POINTS: usize = 256;

/// Points, a box and a previous mask, in pixels of the photo: (0, 0) is the
/// centre of the first pixel, as in SAM.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// Points that are inside (positive) or outside of the object.
    pub points: Vec<PromptPoint>,
    /// Left, top, right, bottom.
    pub bbox: Option<[f32; 4]>,
    /// Logits of an earlier prediction, as a prior.
    pub mask: Option<LowResMask>,
}

/// A point of a prompt, in pixels of the photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PromptPoint {
    /// From the left.
    pub x: f32,
    /// From the top.
    pub y: f32,
    /// Whether it belongs to the object.
    pub positive: bool,
}

/// Mask logits at a quarter of the model's frame; clones share them.
#[derive(Clone, PartialEq)]
pub struct LowResMask {
    values: Arc<[f32]>,
    side: usize,
}

impl LowResMask {
    pub(super) fn from_values(values: Vec<f32>, side: usize) -> Self {
        Self {
            values: values.into(),
            side,
        }
    }

    /// From logits kept elsewhere, (side, side) row-major.
    ///
    /// # Errors
    /// [`ModelError::MaskSize`] unless there are side² of them.
    pub fn new(values: Vec<f32>, side: usize) -> Result<Self, ModelError> {
        if values.len() != side * side {
            return Err(ModelError::MaskSize {
                expected: side * side,
                found: values.len(),
            });
        }
        Ok(Self::from_values(values, side))
    }

    /// The logits, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Width and height.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        4 * self.values.len()
    }
}

impl std::fmt::Debug for LowResMask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LowResMask({0}×{0})", self.side)
    }
}

impl Prompt {
    /// One positive point.
    pub fn point(x: f32, y: f32) -> Self {
        Self {
            points: vec![PromptPoint {
                x,
                y,
                positive: true,
            }],
            ..Self::default()
        }
    }

    /// Whether this is one point and no box: ambiguous, so that the masks for
    /// parts and wholes are in the running.
    pub fn is_single_point(&self) -> bool {
        self.points.len() == 1 && self.bbox.is_none()
    }

    /// Whether the prompt makes sense for a photo of this size.
    ///
    /// # Errors
    /// One sentence on what does not.
    pub fn check(&self, width: u32, height: u32, mask_values: usize) -> Result<(), ModelError> {
        if self.points.is_empty() && self.bbox.is_none() && self.mask.is_none() {
            return Err(ModelError::EmptyPrompt);
        }
        if self.points.len() > MAX_POINTS {
            let count = self.points.len();
            return Err(ModelError::TooManyPoints {
                count,
                limit: MAX_POINTS,
            });
        }
        let (w, h) = (width as f32, height as f32);
        for point in &self.points {
            // NaN is in no range.
            if !(0.0..=w).contains(&point.x) || !(0.0..=h).contains(&point.y) {
                let PromptPoint { x, y, .. } = *point;
                return Err(ModelError::PointOutside {
                    x,
                    y,
                    width,
                    height,
                });
            }
        }
        if let Some(corners) = self.bbox {
            check_box(corners, w, h).map_err(|why| ModelError::BadBox { corners, why })?;
        }
        match &self.mask {
            Some(mask) if mask.values.len() != mask_values => Err(ModelError::MaskSize {
                expected: mask_values,
                found: mask.values.len(),
            }),
            _ => Ok(()),
        }
    }
}

fn check_box([left, top, right, bottom]: [f32; 4], w: f32, h: f32) -> Result<(), &'static str> {
    if ![left, top, right, bottom].iter().all(|v| v.is_finite()) {
        return Err("is not made of finite numbers");
    }
    if right <= left || bottom <= top {
        return Err("has no area");
    }
    // A box may stick out, as one drawn over the edge does, but must meet the photo.
    if right <= 0.0 || bottom <= 0.0 || left >= w || top >= h {
        return Err("lies outside the photo");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(prompt: &Prompt) -> String {
        prompt.check(100, 50, 16).unwrap_err().to_string()
    }

    #[test]
    fn sensible_prompts_pass() {
        assert!(Prompt::point(0.0, 50.0).check(100, 50, 16).is_ok());
        let bbox = Some([-5.0, 10.0, 20.5, 70.0]);
        assert!(
            Prompt {
                bbox,
                ..Prompt::default()
            }
            .check(100, 50, 16)
            .is_ok()
        );
        let mask = Some(LowResMask::new(vec![0.0; 16], 4).unwrap());
        assert!(
            Prompt {
                mask,
                ..Prompt::default()
            }
            .check(100, 50, 16)
            .is_ok()
        );
    }

    #[test]
    fn others_are_refused_in_one_sentence() {
        assert!(error(&Prompt::default()).contains("empty"));
        assert!(error(&Prompt::point(101.0, 3.0)).contains("(101, 3) lies outside"));
        assert!(error(&Prompt::point(-0.5, 3.0)).contains("outside"));
        assert!(error(&Prompt::point(f32::NAN, 3.0)).contains("outside"));
        let boxed = |bbox| Prompt {
            bbox: Some(bbox),
            ..Prompt::default()
        };
        assert!(error(&boxed([5.0, 5.0, 5.0, 9.0])).contains("has no area"));
        assert!(error(&boxed([9.0, 5.0, 5.0, 9.0])).contains("has no area"));
        assert!(error(&boxed([f32::NAN, 5.0, 5.0, 9.0])).contains("finite"));
        assert!(error(&boxed([100.0, 5.0, 150.0, 9.0])).contains("outside"));
        let mask = Some(LowResMask::new(vec![0.0; 4], 2).unwrap());
        assert!(
            error(&Prompt {
                mask,
                ..Prompt::default()
            })
            .contains("expected 16")
        );
        let points = vec![
            PromptPoint {
                x: 1.0,
                y: 1.0,
                positive: true
            };
            MAX_POINTS + 1
        ];
        assert!(
            error(&Prompt {
                points,
                ..Prompt::default()
            })
            .contains("at most")
        );
        assert!(LowResMask::new(vec![0.0; 5], 2).is_err());
    }
}
