//! Model families: from a checkpoint's tensors to masks.
//!
//! One folder per family, with tensor names as in its checkpoints. A family
//! reads its tensors through [`Weights`], which checks names, shapes and
//! values before anything is computed; [`registry`] finds models by name or
//! folder. Nothing here knows of windows, documents or files of labels.

mod error;
pub mod mobile_sam;
pub mod registry;
pub mod vision;
mod weights;

pub use error::ModelError;
pub use mobile_sam::{
    Candidate, Encoding, EverythingOptions, LowResMask, MobileSam, Prediction, Prompt, PromptPoint,
    ScoredMask,
};
pub use registry::{Capability, Family, LoadedModel, ModelInfo};
pub use vision::{Hidden, Output, Run, VisionModel};
pub use weights::Weights;
