//! What the `engine` thread runs.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Instant;

use super::message::{EventKind, Job, JobKind, Proposal, Proposals};
use super::service::Service;
use super::steps::{JobError, Steps};
use crate::label::Mask;
use crate::models::{EverythingOptions, ModelInfo, Prompt};
use crate::photo::Photo;

/// Which masks a prompt should give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Every mask of the model, for choosing among them.
    All,
    /// The best one only, which saves bringing the others to photo size.
    Best,
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
    /// Forget everything that a panic may have left half done.
    fn reset(&mut self);
}

/// An engine as the service of its thread.
pub(super) struct EngineService(pub Box<dyn Engine>);

impl Service for EngineService {
    fn run(&mut self, job: &Job, steps: &Steps<'_>) -> Result<EventKind, JobError> {
        let start = Instant::now();
        let engine = &mut self.0;
        Ok(match &job.kind {
            JobKind::LoadModel { name } => {
                EventKind::ModelLoaded(engine.load_model(name.as_ref(), steps)?)
            }
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
        self.0.reset();
    }
}
