//! Model families: from a checkpoint's tensors to masks.
//!
//! One folder per family, with tensor names as in its checkpoints. A family
//! reads its tensors through [`Weights`], which checks names, shapes and
//! values before anything is computed; [`registry`] finds models by name or
//! folder. Nothing here knows of windows, documents or files of labels.

pub mod checkpoint;
mod class_map;
pub mod deeplab;
mod dense;
mod error;
pub mod family;
pub mod geometry;
pub mod mobile_sam;
pub mod mobilevit;
pub mod predict;
pub mod preprocess;
pub mod promptable;
pub mod registry;
pub mod sam;
pub mod segformer;
#[cfg(test)]
pub(crate) mod testing;
pub mod vision;
pub mod vit;
mod weights;

pub use checkpoint::{Checkpoint, ClassLabel, Config, Labels};
pub use class_map::{ClassMap, ClassMask, OUTSIDE};
pub use error::ModelError;
pub use family::Family;
pub use geometry::View;
pub use preprocess::{Fit, Prepared, Preprocessor, Resize};
pub use promptable::{
    Candidate, Encoding, EverythingOptions, FeatureMap, LowResMask, Prediction, Prompt,
    PromptPoint, PromptableModel, ScoredMask,
};
pub use registry::{Capability, LoadedModel, ModelInfo};
pub use vision::{Boundary, Dense, Hidden, Output, OutputKind, Run, Traceable, VisionModel};
pub use weights::Weights;
