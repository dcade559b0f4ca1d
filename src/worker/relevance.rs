//! What the score of a class rests on, for a photo that a model has seen.

use super::analysis::Explained;
use super::engine::{Observed, Seen};
use super::steps::JobError;
use crate::attention::{AttentionError, Target, relevance};
use crate::label::Mask;

use crate::models::predict::Observation;
use crate::models::{ClassMap, ModelError, Output};
use crate::photo::Photo;
use crate::task::Task;

/// The relevance of tokens for `class`, or for what the model is most sure of;
/// in a part of the photo, if one is given and the model gives classes to pixels.
///
/// # Errors
/// If the model tells no such class or its layers are not one sequence of tokens;
/// cancelled.
pub fn explained(
    seen: &Observed,
    photo: &Photo,
    class: Option<usize>,
    part: Option<&Mask>,
    task: Task<'_>,
) -> Result<Explained, JobError> {
    let Seen::Observation(observation) = &seen.seen else {
        let title = seen.model.info.title.to_string();
        return Err(AttentionError::NoClasses { title }.into());
    };
    let part = part.filter(|_| matches!(observation.run.output, Output::Dense(_)));
    let class = match class {
        Some(class) => class,
        None => surest(observation, photo, part, task)?.ok_or_else(|| {
            JobError::Failed(
                "the model sees nothing but background here: choose a class".to_owned(),
            )
        })?,
    };
    let target = match part {
        Some(mask) => Target::Region {
            class,
            mask: mask.clone(),
        },
        None => Target::Class(class),
    };
    let found = relevance(&seen.model, observation, &target, task)?;
    Ok(Explained {
        row: found.gathered(),
        view: seen.view(),
        class,
        name: seen.model.info.labels.name(class),
    })
}

/// The likeliest class of the photo, or the one with most pixels in the part;
/// class 0 is taken for background.
fn surest(
    observation: &Observation,
    photo: &Photo,
    part: Option<&Mask>,
    task: Task<'_>,
) -> Result<Option<usize>, JobError> {
    match &observation.run.output {
        Output::Features => Ok(Some(0)),
        Output::Classes { logits, .. } => {
            let order = logits.iter().enumerate();
            Ok(order
                .max_by(|a, b| a.1.total_cmp(b.1))
                .map(|(class, _)| class))
        }
        Output::Dense(dense) => {
            let size = (photo.width() as usize, photo.height() as usize);
            let map = ClassMap::from_logits(&dense.logits, &observation.view, size, task);
            let map = map.map_err(ModelError::from)??;
            let pixels = |mask: &Mask| part.map_or(mask.area(), |part| part.intersect(mask).area());
            let seen = map.masks().into_iter().filter(|found| found.id != 0);
            let most = seen.map(|found| (pixels(&found.mask), found.id)).max();
            Ok(most
                .filter(|(pixels, _)| *pixels > 0)
                .map(|(_, class)| class))
        }
    }
}

#[cfg(test)]
mod tests;
