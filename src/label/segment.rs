//! One labelled region.

use serde::{Deserialize, Serialize};

use super::{ClassId, Rect};

/// Number of a segment within its document; 0 is "no segment".
pub type SegmentId = u16;

/// One labelled region: an object or stuff. Its pixels are those of the label
/// map that hold its id.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Number in the label map, 1..=65535.
    pub id: SegmentId,
    /// What its pixels mean; [`IGNORE`](super::IGNORE) is allowed, background
    /// is not.
    pub class: ClassId,
    /// Locked segments keep their pixels in every edit.
    pub locked: bool,
    /// Hidden segments are not drawn.
    pub hidden: bool,
    /// Number of its pixels; never 0.
    pub area: u64,
    /// Smallest box around its pixels.
    pub bounds: Rect,
    /// The model's estimate of the mask's quality, 0..=1, where a model made it.
    pub score: Option<f32>,
}
