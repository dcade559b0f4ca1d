//! The document: a cheap-to-clone value, and the edits that make a new one of
//! it.
//!
//! Edits are pure functions from a [`Document`] and what the user did to an
//! [`Edited`] document; nothing here changes in place, so an undo step, a save
//! in another thread and the picture on screen can each hold the value they
//! started from. [`History`] keeps the values for undo.

pub mod brush;
mod classes;
mod edit;
mod history;
mod since;
mod value;

pub use brush::{capsule, dab, ring, snap};
pub use classes::{
    ClassRemoval, add_class, adopt_classes, delete_class, recolor_class, rename_class,
};
pub use edit::{
    Classified, EditError, Edited, Target, accept, accept_all, delete_segment, delete_segments,
    erase, merge_segments, paint, set_hidden, set_locked, set_segment_class,
};
pub use history::{Change, History};
pub use since::unchanged_since;
pub use value::{Document, DocumentError, SegmentRecord, dirty_between};

#[cfg(test)]
mod tests;
