//! Networks that are not prompted: classifiers, feature extractors and dense
//! (semantic segmentation) models, behind one trait.

use super::ModelError;
use super::class_map::highest;
use super::deeplab::VitDeepLab;
use crate::nn::capture::{QueryKey, Tokens};
use crate::nn::{Ablation, LayerGradient, Values, Watch};
use crate::task::Task;
use candle_core::Tensor;
use std::sync::Arc;

/// A network that reads a preprocessed picture. Immutable; share it by `Arc`.
pub trait VisionModel: Send + Sync {
    /// Run the network on `pixels` (rows, columns, 3), as the checkpoint's
    /// preprocessing leaves them; any size that holds at least one patch.
    /// `watch` says what to record and which attention heads to leave out, those
    /// that do not exist being ignored. Polls `task` between blocks and reports
    /// progress.
    ///
    /// # Errors
    /// If the picture is too small; [`ModelError::Cancelled`].
    fn run(&self, pixels: &Tensor, watch: &Watch, task: Task<'_>) -> Result<Run, ModelError>;

    /// What kind of result [`VisionModel::run`] gives.
    fn kind(&self) -> OutputKind;

    /// Side of a patch, or the stride of a dense model's coarsest map, in
    /// pixels of its input.
    fn stride(&self) -> usize;

    /// Number of parameters in the checkpoint.
    fn parameters(&self) -> usize;

    /// Itself, if it stands on another model's encodings, so that a photo that
    /// has been encoded need not be encoded again.
    fn on_encodings(&self) -> Option<&VitDeepLab> {
        None
    }

    /// Itself, if gradients can be followed back through its attention layers.
    fn traceable(&self) -> Option<&dyn Traceable> {
        None
    }
}

/// A network whose attention layers share one sequence of tokens, through which
/// the gradient of a score can be followed back.
pub trait Traceable {
    /// Run the network on `pixels` (rows, columns, 3) without the attention heads
    /// of `ablation`. Then, from the last attention layer to the first, show
    /// `visit` what the gradient of a score says of it. The score is any weighted
    /// sum of the logits: `gradient` has its weight for each of them, (classes) or
    /// (rows, columns, classes). Polls `task` between layers, where it can.
    ///
    /// # Errors
    /// As [`VisionModel::run`], if `gradient` does not fit the logits or there are
    /// none, and what `visit` returns.
    fn trace(
        &self,
        pixels: &Tensor,
        ablation: &Ablation,
        gradient: &[f32],
        visit: &mut dyn FnMut(&LayerGradient) -> Result<(), ModelError>,
        task: Task<'_>,
    ) -> Result<(), ModelError>;
}

/// What a network made of a picture.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its result.
    pub output: Output,
    /// Tokens after the final norm, where the network is made of one sequence.
    pub hidden: Option<Hidden>,
    /// Queries and keys, layer by layer in order; empty unless asked for.
    pub records: Vec<QueryKey>,
}

/// The kinds of [`Output`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// [`Output::Classes`].
    Classes,
    /// [`Output::Features`].
    Features,
    /// [`Output::Dense`].
    Dense,
}

/// The result of a network.
#[derive(Clone, Debug)]
pub enum Output {
    /// Scores of classes before the softmax, (classes).
    Classes {
        /// What the reference implementation calls `logits`.
        logits: Vec<f32>,
        /// Further heads by the reference's names (DeiT: `cls_logits`,
        /// `distillation_logits`).
        others: Vec<(&'static str, Vec<f32>)>,
    },
    /// Nothing but features: see [`Run::hidden`].
    Features,
    /// Scores of classes for each place.
    Dense(Dense),
}

/// What a dense model says of each place, coarser than the picture.
#[derive(Clone, Debug)]
pub struct Dense {
    /// Scores of classes before the softmax, (rows, columns, classes).
    pub logits: Tensor,
    /// Where objects end, of models that tell.
    pub boundary: Option<Boundary>,
    /// Score before the sigmoid that the picture shows a class, (classes), of
    /// models that tell.
    pub presence: Option<Vec<f32>>,
}

/// Where a dense model sees objects end, so that touching ones come apart.
#[derive(Clone, Debug)]
pub struct Boundary {
    /// Score of each place before the sigmoid, (rows, columns).
    pub scores: Tensor,
    /// The classes whose pixels form objects.
    pub classes: Arc<[usize]>,
}

impl Dense {
    /// The class with the highest score in each place, row by row; the first of
    /// equals.
    ///
    /// # Errors
    /// If the logits are not plain f32 or have no classes.
    pub fn winners(&self) -> Result<Vec<usize>, ModelError> {
        let (_, _, classes) = self.logits.dims3()?;
        if classes == 0 {
            return Err(ModelError::Compute("it has no classes".to_owned()));
        }
        let logits = Values::of(&self.logits)?;
        Ok(logits.chunks_exact(classes).map(highest).collect())
    }
}

impl From<Tensor> for Dense {
    fn from(logits: Tensor) -> Self {
        Self {
            logits,
            boundary: None,
            presence: None,
        }
    }
}

/// Output tokens of a plain Vision Transformer.
#[derive(Clone, Debug)]
pub struct Hidden {
    /// (tokens, width), prefix tokens first.
    pub tokens: Tensor,
    /// How they lie on the picture.
    pub layout: Tokens,
}
