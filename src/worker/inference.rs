//! The engine of the real program: the models that are in use, and a cache of
//! what they made of photos.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::analysis::{Analysed, Analysis};
use super::cache::{EncodingCache, Memory};
use super::engine::{Engine, Observed, Seen, Wanted};
use super::inspection::Inspection;
use super::message::{Found, Proposal, Stage};
use super::relevance::explained;
use super::showing::{areas, classes, encode, look, picture, prompt_attention};
use super::similar::{elsewhere, similar};
use super::steps::{JobError, Steps};
use super::what_if::{Outcome, WhatIf};
use crate::label::Mask;
use crate::models::predict::{self, Framing};
use crate::models::{
    Capability, Encoding, EverythingOptions, LoadedModel, ModelInfo, Prompt, registry,
};
use crate::nn::{Capture, Watch};
use crate::photo::{self, Photo};

/// The model that is used where none is named.
pub const DEFAULT_MODEL: &str = registry::MOBILE_SAM;

/// Bytes of encodings that are kept: some dozens of photos.
const CACHE_BYTES: usize = 256 << 20;

/// How many of a photo's likeliest classes are told.
const LIKELIEST: usize = 10;

/// Prompts go to one model, other questions to the model that they name. Both
/// stay in memory; a third one takes the place of the one that was not asked.
pub struct ModelEngine {
    /// The model that answers prompts, loaded when first needed.
    prompter: OsString,
    /// In memory, the one used last at the end.
    models: Vec<(OsString, Arc<LoadedModel>)>,
    cache: EncodingCache<Seen>,
}

impl ModelEngine {
    /// An engine whose prompts go to `prompter` (embedded name or checkpoint
    /// folder). Nothing is read yet.
    pub fn new(prompter: impl Into<OsString>) -> Self {
        Self {
            prompter: prompter.into(),
            models: Vec::new(),
            cache: EncodingCache::new(CACHE_BYTES),
        }
    }

    /// The model of that name, loaded if it is not in memory.
    fn model(&mut self, name: &OsStr, steps: &Steps<'_>) -> Result<Arc<LoadedModel>, JobError> {
        /// The prompter and one more.
        const KEPT: usize = 2;
        if let Some(at) = self.models.iter().position(|(known, _)| known == name) {
            let entry = self.models.remove(at);
            let model = entry.1.clone();
            self.models.push(entry);
            return Ok(model);
        }
        let model = steps.run(Stage::LoadingModel, |task| registry::load(name, task))?;
        while self.models.len() >= KEPT {
            let unused = |(known, _): &(OsString, _)| *known != self.prompter;
            let at = self.models.iter().position(unused).unwrap_or(0);
            self.models.remove(at);
        }
        self.models.push((name.to_owned(), model.clone()));
        Ok(model)
    }

    /// What a model computed of a photo, from the cache if `key` is there.
    fn seen(
        &mut self,
        photo: &Arc<Photo>,
        key: &OsStr,
        compute: impl FnOnce() -> Result<Seen, JobError>,
    ) -> Result<(Seen, bool), JobError> {
        if let Some(seen) = self.cache.get(photo, key) {
            return Ok((seen, true));
        }
        let seen = compute()?;
        self.cache.insert(photo, key, seen.bytes(), seen.clone());
        Ok((seen, false))
    }

    /// The prompter's encoding of the photo, if `model` stands on it and is to
    /// see the whole photo as it was trained to.
    fn shared_encoding(
        &mut self,
        model: &LoadedModel,
        photo: &Arc<Photo>,
        options: &predict::Options,
        steps: &Steps<'_>,
    ) -> Result<Option<Encoding>, JobError> {
        let as_trained = options.framing == Framing::Trained && options.input.is_none();
        if !as_trained || options.watch() != Watch::default() {
            return Ok(None);
        }
        let prompter = self.prompter.clone();
        let prompter = self.model(&prompter, steps)?;
        if !model.stands_on(&prompter) {
            return Ok(None);
        }
        Ok(Some(self.encoded(photo, steps)?.1))
    }

    /// The model whose features tell what is alike, and how it is shown photos:
    /// features of models that were trained to give classes to pixels tell those
    /// apart and little else, so for them it is the one that answers prompts.
    fn describer(&self, inspection: &Inspection) -> (OsString, predict::Options) {
        match inspection.model.can(Capability::ClassMap) {
            true => (self.prompter.clone(), predict::Options::default()),
            false => (inspection.name.clone(), inspection.options.clone()),
        }
    }

    /// What it made of the photo that is open.
    fn described(
        &mut self,
        photo: &Arc<Photo>,
        inspection: &Inspection,
        steps: &Steps<'_>,
    ) -> Result<Observed, JobError> {
        if inspection.model.can(Capability::ClassMap) {
            let (model, encoding, _) = self.encoded(photo, steps)?;
            let seen = Seen::Encoding(encoding);
            return Ok(Observed { model, seen });
        }
        self.observe(photo, &inspection.name, &inspection.options, steps)
    }

    /// The prediction without some attention heads. It is not kept: the next
    /// one is without others.
    fn without(
        &mut self,
        photo: &Arc<Photo>,
        inspection: &Inspection,
        what: &WhatIf,
        steps: &Steps<'_>,
    ) -> Result<Outcome, JobError> {
        let options = predict::Options {
            ablation: what.encoder.clone(),
            capture: Capture::Off,
            ..inspection.options.clone()
        };
        let model = self.model(&inspection.name, steps)?;
        if model.info.can(Capability::Classes) {
            let all = usize::MAX;
            let found = steps.run(Stage::Predicting, |task| {
                classes(&model, picture(photo), &options, all, task)
            })?;
            return Ok(Outcome::of(found));
        }
        if !model.info.can(Capability::Prompts) {
            let (_, found) = self.predict(photo, &inspection.name, &options, steps)?;
            return Ok(Outcome::of(found));
        }
        let prompt = what.prompt.as_ref();
        let prompt = prompt.ok_or_else(|| JobError::Failed("there is no prompt".to_owned()))?;
        let whole = self.observe(photo, &inspection.name, &inspection.options, steps)?;
        let seen = match what.encoder.is_empty() {
            true => whole.seen.clone(),
            false => encode(&model, photo, &options.watch(), steps)?,
        };
        let (Seen::Encoding(whole), Seen::Encoding(encoding)) = (&whole.seen, &seen) else {
            return Err(JobError::Failed("this model takes no prompts".to_owned()));
        };
        steps.run(Stage::Decoding, |_| {
            let promptable = model.promptable()?;
            // The same one of several masks: another would be another question.
            let all_on = promptable.decode(whole, prompt, &Watch::default())?;
            let watch = Watch {
                capture: Capture::Off,
                ablation: what.decoder.clone(),
            };
            let prediction = promptable.decode(encoding, prompt, &watch)?;
            let mask = prediction.candidates.get(all_on.best);
            let mask = mask.ok_or_else(|| JobError::Failed("there is no mask".to_owned()))?;
            Ok::<_, JobError>(Outcome::Mask(mask.mask(encoding), mask.score))
        })
    }

    /// The prompter with its encoding of the photo, and whether that was in
    /// the cache.
    fn encoded(
        &mut self,
        photo: &Arc<Photo>,
        steps: &Steps<'_>,
    ) -> Result<(Arc<LoadedModel>, Encoding, bool), JobError> {
        let name = self.prompter.clone();
        let model = self.model(&name, steps)?;
        // One that was inspected serves as well.
        let inspected = key(&name, &recording(&predict::Options::default()));
        let known = self.cache.get(photo, &inspected).map(|seen| (seen, true));
        let encode = || encode(&model, photo, &Watch::default(), steps);
        let found = match known {
            Some(found) => found,
            None => self.seen(photo, &name, encode)?,
        };
        match found {
            (Seen::Encoding(encoding), cached) => Ok((model, encoding, cached)),
            // A key is one model's, and the prompter gives nothing but encodings.
            (Seen::Observation(_), _) => Err(JobError::Failed(
                "the model that answers prompts was exchanged: try again".to_owned(),
            )),
        }
    }
}

/// The options with queries and keys recorded.
fn recording(options: &predict::Options) -> predict::Options {
    predict::Options {
        capture: Capture::QueriesAndKeys,
        ..options.clone()
    }
}

/// What a model's view of a photo is cached as.
fn key(model: &OsStr, options: &predict::Options) -> OsString {
    let mut key = model.to_owned();
    key.push(format!(" {options:?}"));
    key
}

impl Default for ModelEngine {
    fn default() -> Self {
        Self::new(DEFAULT_MODEL)
    }
}

impl Engine for ModelEngine {
    fn load_model(&mut self, name: &OsStr, steps: &Steps<'_>) -> Result<ModelInfo, JobError> {
        // Loaded before anything is replaced: a failure leaves what was there.
        let model = self.model(name, steps)?;
        if model.info.can(Capability::Prompts) {
            self.prompter = name.to_owned();
        }
        Ok(model.info.clone())
    }

    fn encode(&mut self, photo: &Arc<Photo>, steps: &Steps<'_>) -> Result<bool, JobError> {
        Ok(self.encoded(photo, steps)?.2)
    }

    fn prompt(
        &mut self,
        photo: &Arc<Photo>,
        prompt: &Prompt,
        wanted: Wanted,
        steps: &Steps<'_>,
    ) -> Result<(Vec<Proposal>, usize), JobError> {
        let (model, encoding, _) = self.encoded(photo, steps)?;
        let promptable = model.promptable()?;
        steps.run(Stage::Decoding, |task| {
            let prediction = promptable.decode(&encoding, prompt, &Watch::default())?;
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
        let (model, encoding, _) = self.encoded(photo, steps)?;
        let promptable = model.promptable()?;
        let found = steps.run(Stage::Everything, |task| {
            promptable.segment_everything(&encoding, options, task)
        })?;
        Ok(found
            .into_iter()
            .map(|found| (found.mask, found.score))
            .collect())
    }

    fn predict(
        &mut self,
        photo: &Arc<Photo>,
        model: &OsStr,
        options: &predict::Options,
        steps: &Steps<'_>,
    ) -> Result<(ModelInfo, Found), JobError> {
        let model = self.model(model, steps)?;
        let (info, picture) = (model.info.clone(), picture(photo));
        let encoding = self.shared_encoding(&model, photo, options, steps)?;
        let found = steps.run(Stage::Predicting, |task| {
            if info.can(Capability::Classes) {
                return classes(&model, picture, options, LIKELIEST, task);
            }
            let semantic = match &encoding {
                Some(encoding) => predict::segment_encoding(&model, encoding, task)?,
                None => predict::segment(&model, picture, options, task)?,
            };
            task.check()?;
            Ok(areas(&model, &semantic))
        })?;
        Ok((info, found))
    }

    fn observe(
        &mut self,
        photo: &Arc<Photo>,
        model: &OsStr,
        options: &predict::Options,
        steps: &Steps<'_>,
    ) -> Result<Observed, JobError> {
        let loaded = self.model(model, steps)?;
        let key = key(model, options);
        let compute = || look(&loaded, photo, options, steps);
        let (seen, _) = self.seen(photo, &key, compute)?;
        Ok(Observed {
            model: loaded,
            seen,
        })
    }

    fn inspect(
        &mut self,
        photo: &Arc<Photo>,
        model: &OsStr,
        options: &predict::Options,
        steps: &Steps<'_>,
    ) -> Result<Inspection, JobError> {
        let options = recording(options);
        let observed = self.observe(photo, model, &options, steps)?;
        let layers = observed.layers();
        if layers.records.is_empty() {
            let title = &observed.model.info.title;
            let why = format!("{title} has no attention layers that look at the photo");
            return Err(JobError::Failed(why));
        }
        Ok(Inspection {
            name: model.to_owned(),
            options,
            model: observed.model.info.clone(),
            layers,
        })
    }

    fn analyse(
        &mut self,
        photo: &Arc<Photo>,
        inspection: &Inspection,
        analysis: &Analysis,
        steps: &Steps<'_>,
    ) -> Result<Analysed, JobError> {
        match analysis {
            Analysis::Prompt(prompt) => {
                let seen = self.observe(photo, &inspection.name, &inspection.options, steps)?;
                steps.run(Stage::Decoding, |_| prompt_attention(&seen, prompt))
            }
            Analysis::Similar(what) => {
                let seen = self.described(photo, inspection, steps)?;
                let found = steps.run(Stage::Analysing, |_| similar(&seen, what))?;
                Ok(Analysed::Similar(found))
            }
            Analysis::SimilarIn {
                path,
                limits,
                prototype,
                least,
            } => {
                let photo = photo::decode(path, limits)?;
                let (name, options) = self.describer(inspection);
                let model = self.model(&name, steps)?;
                // Not kept: nobody looks at this photo now.
                let seen = look(&model, &photo, &options, steps)?;
                let seen = Observed { model, seen };
                let found = steps.run(Stage::Analysing, |_| elsewhere(&seen, prototype, *least))?;
                Ok(Analysed::Elsewhere(found))
            }
            Analysis::Relevance { class, part } => {
                let seen = self.observe(photo, &inspection.name, &inspection.options, steps)?;
                let found = steps.run(Stage::Analysing, |task| {
                    explained(&seen, photo, *class, part.as_ref(), task)
                })?;
                Ok(Analysed::Explained(found))
            }
            Analysis::WhatIf(what) | Analysis::Rank(what) => {
                let outcome = self.without(photo, inspection, what, steps)?;
                Ok(Analysed::Outcome(outcome))
            }
            _ => Err(JobError::Failed("this question has no answer".to_owned())),
        }
    }

    fn memory(&self) -> Memory {
        self.cache.memory()
    }

    fn reset(&mut self) {
        self.models.clear();
        self.cache.clear();
    }
}

#[cfg(all(test, feature = "embedded-weights"))]
mod tests {
    use super::*;
    use crate::worker::unwatched;

    #[test]
    fn a_model_that_cannot_be_loaded_leaves_the_one_before() {
        let mut engine = ModelEngine::default();
        let missing = unwatched(|steps| engine.load_model("no-such-model".as_ref(), steps));
        assert!(matches!(missing, Err(JobError::Failed(why)) if why.contains("no-such-model")));
        let info = unwatched(|steps| engine.load_model(DEFAULT_MODEL.as_ref(), steps)).unwrap();
        assert_eq!(info.name, DEFAULT_MODEL);
        let before = engine.models[0].1.clone();
        let missing = unwatched(|steps| engine.load_model("no-such-model".as_ref(), steps));
        assert!(missing.is_err());
        let after = unwatched(|steps| engine.model(DEFAULT_MODEL.as_ref(), steps)).unwrap();
        assert!(
            Arc::ptr_eq(&before, &after),
            "neither lost nor loaded again"
        );
        assert_eq!(engine.prompter, DEFAULT_MODEL);
    }
}
