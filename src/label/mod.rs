//! Labels as plain data: label map, masks, segments, classes and the geometry
//! between them.
//!
//! This layer knows `std`, `serde` and `thiserror` and nothing else of the
//! program: no photo, no model, no window.
//!
//! Two representations of "which pixels" live side by side, because each is
//! cheap where the other is not:
//! - [`Mask`]: sorted horizontal spans; what strokes and models produce.
//! - [`LabelMap`]: one [`SegmentId`] per pixel in copy-on-write tiles; what the
//!   user's work is kept in.
//!
//! Coordinates are pixels, `x` to the right and `y` down; a pixel `(x, y)`
//! covers the square from `(x, y)` to `(x + 1, y + 1)`.

mod class;
mod contour;
mod editor;
mod geometry;
mod instances;
mod mask;
mod morphology;
mod palette;
mod rle;
mod segment;
mod tile;
mod tiles;

pub use class::{BACKGROUND, Class, ClassError, ClassId, Classes, IGNORE};
pub use contour::contours;
pub use editor::{MapEdit, MapEditor, SegmentDelta};
pub use geometry::Rect;
pub use instances::{InstanceOptions, Instances, InstancesError, instances};
pub use mask::{Mask, Span};
pub use palette::{PALETTE, voc_color};
pub use rle::{CocoRle, RleError};
pub use segment::{Segment, SegmentId};
pub use tile::{IdStats, TILE, Tile};
pub use tiles::{LabelMap, SegmentTotal};
