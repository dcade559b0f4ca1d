//! Showing a photo to one model, and reading what it says.

use std::sync::Arc;

use super::analysis::{Analysed, PromptAttention};
use super::engine::{Observed, Seen};
use super::message::{ClassArea, Found, Likely, Stage};
use super::steps::{JobError, Steps};
use crate::attention::Layers;
use crate::models::predict::{self, Picture, Semantic};
use crate::models::{Capability, LoadedModel, Prompt};
use crate::nn::{Capture, Watch};
use crate::photo::Photo;
use crate::task::Task;

pub fn encode(
    model: &LoadedModel,
    photo: &Photo,
    watch: &Watch,
    steps: &Steps<'_>,
) -> Result<Seen, JobError> {
    let promptable = model.promptable()?;
    let (width, height) = (photo.width(), photo.height());
    let encoding = steps.run(Stage::Encoding, |task| {
        promptable.encode(photo.rgb(), width, height, watch, task)
    })?;
    Ok(Seen::Encoding(encoding))
}

/// What the prompt decoder of a model looks at for a prompt.
pub fn prompt_attention(seen: &Observed, prompt: &Prompt) -> Result<Analysed, JobError> {
    let Seen::Encoding(encoding) = &seen.seen else {
        return Err(JobError::Failed(format!(
            "{} takes no prompts",
            seen.model.info.title
        )));
    };
    let promptable = seen.model.promptable()?;
    let prediction = promptable.decode(encoding, prompt, &Capture::QueriesAndKeys.into())?;
    Ok(Analysed::Prompt(PromptAttention {
        layers: Layers {
            records: prediction.records.into(),
            view: seen.view(),
        },
        tokens: promptable.token_names(prompt),
        mask_token: promptable.mask_token(prediction.best),
    }))
}

/// Show a photo to a model.
pub fn look(
    model: &LoadedModel,
    photo: &Photo,
    options: &predict::Options,
    steps: &Steps<'_>,
) -> Result<Seen, JobError> {
    if model.info.can(Capability::Prompts) {
        return encode(model, photo, &options.watch(), steps);
    }
    let observation = steps.run(Stage::Predicting, |task| {
        predict::observe(model, picture(photo), options, task)
    })?;
    Ok(Seen::Observation(Arc::new(observation)))
}

pub fn picture(photo: &Photo) -> Picture<'_> {
    Picture {
        rgb: photo.rgb(),
        width: photo.width(),
        height: photo.height(),
    }
}

/// What a classifier takes a photo for.
pub fn classes(
    model: &LoadedModel,
    picture: Picture<'_>,
    options: &predict::Options,
    count: usize,
    task: Task<'_>,
) -> Result<Found, JobError> {
    let classification = predict::classify(model, picture, options, task)?;
    let likely = classification.top(count).into_iter().map(|id| Likely {
        name: model.info.labels.name(id),
        probability: classification.probabilities[id],
    });
    Ok(Found::Photo(likely.collect()))
}

/// What a dense model sees where.
pub fn areas(model: &LoadedModel, semantic: &Semantic) -> Found {
    let areas = semantic.map.masks().into_iter().map(|found| ClassArea {
        name: model.info.labels.name(found.id),
        regions: semantic.regions(&found),
        score: semantic.confidence.get(found.id).copied().unwrap_or(0.0),
    });
    Found::Pixels(areas.collect())
}
