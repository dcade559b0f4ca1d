//! What the `engine` thread runs.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Instant;

use super::analysis::{Analysed, Analysis, Guides, Question, answer};
use super::cache::Memory;
use super::inspection::Inspection;
use super::message::{EventKind, Found, Job, JobKind, Predicted, Proposal, Proposals};
use super::service::Service;
use super::steps::{JobError, Steps};
use crate::label::Mask;
use crate::models::predict::{self, Observation};
use crate::models::{Encoding, EverythingOptions, LoadedModel, ModelInfo, Prompt};
use crate::photo::Photo;

/// Which masks a prompt should give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Every mask of the model, for choosing among them.
    All,
    /// The best one only, which saves bringing the others to photo size.
    Best,
}

/// What a model computed of a photo, with the model itself. Clones share it.
#[derive(Clone)]
pub struct Observed {
    /// The model.
    pub model: Arc<LoadedModel>,
    /// What it computed.
    pub seen: Seen,
}

/// What a model computed of a photo, by the kind of model.
#[derive(Clone)]
pub enum Seen {
    /// A promptable model's encoding.
    Encoding(Encoding),
    /// All that came out of another network.
    Observation(Arc<Observation>),
}

impl Seen {
    /// Bytes of memory that this holds.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Encoding(encoding) => encoding.bytes(),
            Self::Observation(observation) => observation.bytes(),
        }
    }
}

/// A model with its state, used by one thread at a time. It loads its model and
/// encodes photos when first needed, each as a stage of its own.
pub trait Engine: Send {
    /// Make the model `name` (embedded name or checkpoint folder) the current one.
    fn load_model(&mut self, name: &OsStr, steps: &Steps<'_>) -> Result<ModelInfo, JobError>;
    /// See that the photo's encoding is in the cache. Whether it was there already.
    fn encode(&mut self, photo: &Arc<Photo>, steps: &Steps<'_>) -> Result<bool, JobError>;
    /// Masks for a prompt: never empty, with the index of the best.
    fn prompt(
        &mut self,
        photo: &Arc<Photo>,
        prompt: &Prompt,
        wanted: Wanted,
        steps: &Steps<'_>,
    ) -> Result<(Vec<Proposal>, usize), JobError>;
    /// Masks for everything, best first; they do not overlap.
    fn everything(
        &mut self,
        photo: &Arc<Photo>,
        options: &EverythingOptions,
        steps: &Steps<'_>,
    ) -> Result<Vec<(Mask, f32)>, JobError>;
    /// What a model that is not prompted (embedded name or checkpoint folder)
    /// makes of the photo. Which model it was, and what it found.
    fn predict(
        &mut self,
        photo: &Arc<Photo>,
        model: &OsStr,
        options: &predict::Options,
        steps: &Steps<'_>,
    ) -> Result<(ModelInfo, Found), JobError>;
    /// Show the photo to a model and keep what it computed: features, queries
    /// and keys. Kept under the same budget as encodings.
    fn observe(
        &mut self,
        photo: &Arc<Photo>,
        model: &OsStr,
        options: &predict::Options,
        steps: &Steps<'_>,
    ) -> Result<Observed, JobError>;
    /// Show the photo to a model and record its attention.
    fn inspect(
        &mut self,
        photo: &Arc<Photo>,
        model: &OsStr,
        options: &predict::Options,
        steps: &Steps<'_>,
    ) -> Result<Inspection, JobError>;
    /// Answer what the records of an inspection do not tell by themselves.
    fn analyse(
        &mut self,
        photo: &Arc<Photo>,
        inspection: &Inspection,
        analysis: &Analysis,
        steps: &Steps<'_>,
    ) -> Result<Analysed, JobError>;
    /// Bytes that the cache of encodings holds, and may hold; kept up to date.
    fn memory(&self) -> Memory;
    /// Forget everything that a panic may have left half done.
    fn reset(&mut self);
}

/// An engine as the service of its thread.
pub(super) struct EngineService {
    engine: Box<dyn Engine>,
    guides: Guides,
}

impl EngineService {
    pub fn new(engine: Box<dyn Engine>) -> Self {
        let guides = Guides::default();
        Self { engine, guides }
    }
}

impl Service for EngineService {
    fn run(&mut self, job: &Job, steps: &Steps<'_>) -> Result<EventKind, JobError> {
        let start = Instant::now();
        let engine = &mut self.engine;
        Ok(match &job.kind {
            JobKind::LoadModel { name } => EventKind::ModelLoaded(engine.load_model(name, steps)?),
            JobKind::Encode { photo } => {
                let cached = engine.encode(photo, steps)?;
                EventKind::Encoded {
                    elapsed: start.elapsed(),
                    cached,
                }
            }
            JobKind::Prompt {
                photo,
                prompt,
                revision,
            } => {
                let (candidates, best) = engine.prompt(photo, prompt, Wanted::All, steps)?;
                let (revision, elapsed) = (*revision, start.elapsed());
                EventKind::Proposed(Proposals {
                    revision,
                    candidates,
                    best,
                    elapsed,
                })
            }
            JobKind::Predict {
                photo,
                model,
                options,
                revision,
            } => {
                let (model, found) = engine.predict(photo, model, options, steps)?;
                let (revision, elapsed) = (*revision, start.elapsed());
                EventKind::Predicted(Predicted {
                    revision,
                    model,
                    found,
                    elapsed,
                })
            }
            JobKind::Inspect {
                photo,
                model,
                options,
            } => EventKind::Inspected(engine.inspect(photo, model, options, steps)?),
            JobKind::Analyse {
                photo,
                inspection,
                analysis,
            } => {
                let question = Question {
                    photo,
                    inspection,
                    analysis,
                };
                let answer = answer(engine.as_mut(), &mut self.guides, question, steps)?;
                EventKind::Analysed(answer)
            }
            JobKind::Everything {
                photo,
                options,
                revision,
            } => {
                let proposals = engine.everything(photo, options, steps)?;
                let (revision, elapsed) = (*revision, start.elapsed());
                EventKind::Everything {
                    revision,
                    proposals,
                    elapsed,
                }
            }
            _ => {
                return Err(JobError::Failed(
                    "the engine was given a job for files".to_owned(),
                ));
            }
        })
    }

    fn recover(&mut self) {
        self.engine.reset();
    }
}
