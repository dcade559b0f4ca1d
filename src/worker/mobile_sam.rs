//! The engine of the real program: MobileSAM and a cache of encodings.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::cache::EncodingCache;
use super::engine::{Engine, Wanted};
use super::message::{Proposal, Stage};
use super::steps::{JobError, Steps};
use crate::label::Mask;
use crate::models::{
    Encoding, EverythingOptions, LoadedModel, MobileSam, ModelInfo, Prompt, registry,
};
use crate::nn::Capture;
use crate::photo::Photo;

/// The model that is used where none is named.
pub const DEFAULT_MODEL: &str = registry::MOBILE_SAM;

/// Bytes of encodings that are kept: some dozens of photos.
const CACHE_BYTES: usize = 256 << 20;

/// Promptable segmentation with a model of the registry.
pub struct MobileSamEngine {
    /// What to load when a model is first needed.
    name: OsString,
    model: Option<Arc<LoadedModel>>,
    cache: EncodingCache<Encoding>,
}

/// A photo's encoding, with the model that made it.
struct Encoded {
    model: Arc<LoadedModel>,
    encoding: Encoding,
    /// Whether it was in the cache.
    cached: bool,
}

impl MobileSamEngine {
    /// An engine that loads `name` (embedded name or checkpoint folder) when it is
    /// first needed. Nothing is read yet.
    pub fn new(name: impl Into<OsString>) -> Self {
        Self {
            name: name.into(),
            model: None,
            cache: EncodingCache::new(CACHE_BYTES),
        }
    }

    fn model(&mut self, steps: &Steps<'_>) -> Result<Arc<LoadedModel>, JobError> {
        if let Some(model) = &self.model {
            return Ok(model.clone());
        }
        let model = load(&self.name, steps)?;
        self.model = Some(model.clone());
        Ok(model)
    }

    fn encoded(&mut self, photo: &Arc<Photo>, steps: &Steps<'_>) -> Result<Encoded, JobError> {
        let model = self.model(steps)?;
        if let Some(encoding) = self.cache.get(photo, &self.name) {
            return Ok(Encoded {
                model,
                encoding,
                cached: true,
            });
        }
        let sam = sam(&model)?;
        let encoding = steps.run(Stage::Encoding, |task| {
            sam.encode(
                photo.rgb(),
                photo.width(),
                photo.height(),
                Capture::Off,
                task,
            )
        })?;
        self.cache
            .insert(photo, &self.name, encoding.bytes(), encoding.clone());
        Ok(Encoded {
            model,
            encoding,
            cached: false,
        })
    }
}

/// Load a model of which this engine can make use.
fn load(name: &OsStr, steps: &Steps<'_>) -> Result<Arc<LoadedModel>, JobError> {
    let model = steps.run(Stage::LoadingModel, |_| registry::load(name))?;
    sam(&model)?;
    Ok(model)
}

fn sam(model: &LoadedModel) -> Result<&MobileSam, JobError> {
    let title = &model.info.title;
    let complaint = || {
        JobError::Failed(format!(
            "{title} takes no points or boxes: choose another model"
        ))
    };
    model.mobile_sam().ok_or_else(complaint)
}

impl Default for MobileSamEngine {
    fn default() -> Self {
        Self::new(DEFAULT_MODEL)
    }
}

impl Engine for MobileSamEngine {
    fn load_model(&mut self, name: &OsStr, steps: &Steps<'_>) -> Result<ModelInfo, JobError> {
        if self.name != name || self.model.is_none() {
            // Loaded before anything is replaced: a failure leaves the old model.
            let model = load(name, steps)?;
            self.name = name.to_owned();
            self.model = Some(model);
        }
        Ok(self.model(steps)?.info.clone())
    }

    fn encode(&mut self, photo: &Arc<Photo>, steps: &Steps<'_>) -> Result<bool, JobError> {
        Ok(self.encoded(photo, steps)?.cached)
    }

    fn prompt(
        &mut self,
        photo: &Arc<Photo>,
        prompt: &Prompt,
        wanted: Wanted,
        steps: &Steps<'_>,
    ) -> Result<(Vec<Proposal>, usize), JobError> {
        let Encoded {
            model, encoding, ..
        } = self.encoded(photo, steps)?;
        let sam = sam(&model)?;
        steps.run(Stage::Decoding, |task| {
            let prediction = sam.decode(&encoding, prompt, Capture::Off)?;
            let mut proposals = Vec::with_capacity(prediction.candidates.len());
            for (index, candidate) in prediction.candidates.into_iter().enumerate() {
                task.check()?;
                if wanted == Wanted::All || index == prediction.best {
                    let mask = candidate.mask(&encoding);
                    let (score, low_res) = (candidate.score, candidate.low_res);
                    proposals.push(Proposal {
                        mask,
                        score,
                        low_res,
                    });
                }
            }
            let best = if wanted == Wanted::All {
                prediction.best
            } else {
                0
            };
            Ok::<_, JobError>((proposals, best))
        })
    }

    fn everything(
        &mut self,
        photo: &Arc<Photo>,
        options: &EverythingOptions,
        steps: &Steps<'_>,
    ) -> Result<Vec<(Mask, f32)>, JobError> {
        let Encoded {
            model, encoding, ..
        } = self.encoded(photo, steps)?;
        let sam = sam(&model)?;
        let found = steps.run(Stage::Everything, |task| {
            sam.segment_everything(&encoding, options, task)
        })?;
        Ok(found
            .into_iter()
            .map(|found| (found.mask, found.score))
            .collect())
    }

    fn reset(&mut self) {
        self.model = None;
        self.cache.clear();
    }
}

#[cfg(all(test, feature = "embedded-weights"))]
mod tests {
    use super::*;
    use crate::worker::unwatched;

    #[test]
    fn a_model_that_cannot_be_loaded_leaves_the_one_before() {
        let mut engine = MobileSamEngine::default();
        let missing = unwatched(|steps| engine.load_model("no-such-model".as_ref(), steps));
        assert!(matches!(missing, Err(JobError::Failed(why)) if why.contains("no-such-model")));
        let info = unwatched(|steps| engine.load_model(DEFAULT_MODEL.as_ref(), steps)).unwrap();
        assert_eq!(info.name, DEFAULT_MODEL);
        let before = engine.model.clone().unwrap();
        let missing = unwatched(|steps| engine.load_model("no-such-model".as_ref(), steps));
        assert!(missing.is_err());
        let after = unwatched(|steps| engine.model(steps)).unwrap();
        assert!(
            Arc::ptr_eq(&before, &after),
            "neither lost nor loaded again"
        );
    }
}
