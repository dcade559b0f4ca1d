//! Made-up answers to what the records of attention do not tell.

use super::attention::{self, ATTENTION_HEADS, GRID, LAYERS};
use super::{BEST, CANDIDATES, fake_areas, fake_likely, fake_mask};
use crate::attention::{AttentionError, Features, Heatmap, Row};
use crate::label::Mask;
use crate::models::Capability;
use crate::models::geometry::View;
use crate::photo::{self, Photo};
use crate::worker::analysis::{Analysed, Analysis, Explained};
use crate::worker::inspection::Inspection;
use crate::worker::message::Found;
use crate::worker::similar::{elsewhere_in, similar_in};
use crate::worker::steps::JobError;
use crate::worker::what_if::{Outcome, WhatIf};

/// What the least important attention head does to a prediction, as a share of
/// it; the others do so many times as much.
const LOST: f32 = 0.04;

/// The answer to a question about what the fake models saw in the photo.
pub(super) fn answer(
    photo: &Photo,
    inspection: &Inspection,
    analysis: &Analysis,
) -> Result<Analysed, JobError> {
    Ok(match analysis {
        Analysis::Prompt(prompt) => Analysed::Prompt(attention::prompt(photo, prompt)?),
        Analysis::Similar(what) => {
            Analysed::Similar(similar_in(&colors(photo)?, whole(photo), what)?)
        }
        Analysis::SimilarIn {
            path,
            limits,
            prototype,
            least,
        } => {
            let features = colors(&photo::decode(path, limits)?)?;
            Analysed::Elsewhere(elsewhere_in(&features, prototype, *least)?)
        }
        Analysis::Relevance { class, part } => {
            Analysed::Explained(explained(photo, inspection, *class, part.as_ref())?)
        }
        Analysis::WhatIf(what) | Analysis::Rank(what) => {
            Analysed::Outcome(outcome(photo, inspection, what)?)
        }
        Analysis::Rows(_)
        | Analysis::Columns(..)
        | Analysis::Reverse
        | Analysis::Statistics
        | Analysis::Rollout(..)
        | Analysis::Refine { .. } => {
            let why = "this question is answered without the engine";
            return Err(JobError::Failed(why.to_owned()));
        }
    })
}

fn whole(photo: &Photo) -> View {
    View::whole((photo.width() as usize, photo.height() as usize))
}

/// The mean colour of the pixels under each token as its feature.
fn colors(photo: &Photo) -> Result<Features, JobError> {
    let view = whole(photo);
    let mut values = Vec::with_capacity(3 * GRID.len());
    for row in 0..GRID.rows {
        for column in 0..GRID.columns {
            let part = view.image_from_token(GRID, row, column);
            values.extend(mean_color(photo, part));
        }
    }
    Ok(Features::new(GRID, 3, values)?)
}

/// The mean colour of a part of the photo, of one pixel at least.
fn mean_color(photo: &Photo, part: View) -> [f32; 3] {
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    // `as` saturates.
    let side = |from: f64, to: f64, extent: usize| {
        let from = (from as usize).min(extent.saturating_sub(1));
        from..(to as usize).clamp(from + 1, extent.max(from + 1))
    };
    let columns = side(part.left, part.right, width);
    let (mut sums, mut count) = ([0.0; 3], 0.0);
    for y in side(part.top, part.bottom, height) {
        let pixels = photo.rgb().chunks_exact(3).skip(y * width);
        for pixel in pixels.skip(columns.start).take(columns.len()) {
            let pairs = sums.iter_mut().zip(pixel);
            pairs.for_each(|(sum, value)| *sum += f32::from(*value));
            count += 1.0;
        }
    }
    sums.map(|sum| sum / f32::max(count, 1.0))
}

/// A class rests on what is near the middle of the photo, or of the part.
fn explained(
    photo: &Photo,
    inspection: &Inspection,
    class: Option<usize>,
    part: Option<&Mask>,
) -> Result<Explained, JobError> {
    let model = &inspection.model;
    if model.labels.classes.is_empty() {
        let title = model.title.to_string();
        return Err(AttentionError::NoClasses { title }.into());
    }
    let view = whole(photo);
    let middle = part.map_or(view.centre(), |mask| {
        let bounds = mask.bounds();
        let between = |from: u32, to: u32| f64::from(from + to) / 2.0;
        (between(bounds.x0, bounds.x1), between(bounds.y0, bounds.y1))
    });
    let near = |at: usize| {
        let token = view.image_from_token(GRID, at / GRID.columns, at % GRID.columns);
        let (x, y) = token.centre();
        let apart = (x - middle.0).hypot(y - middle.1) / view.width();
        (1.0 / (1.0 + 10.0 * apart)) as f32
    };
    // Class 0 is background.
    let class = class.unwrap_or(1);
    Ok(Explained {
        row: Row {
            prefix: vec![0.0],
            grid: Some(Heatmap {
                grid: GRID,
                values: (0..GRID.len()).map(near).collect(),
            }),
            padding: 0.0,
        },
        view,
        class,
        name: model.labels.name(class),
    })
}

/// What is predicted without some attention heads: masks are smaller and
/// classes less likely, the more the later the layer and the higher the number
/// of an attention head that is off.
fn outcome(photo: &Photo, inspection: &Inspection, what: &WhatIf) -> Result<Outcome, JobError> {
    let kept = kept(what);
    let model = &inspection.model;
    if model.can(Capability::Classes) {
        return Ok(Outcome::of(Found::Photo(fake_likely(kept))));
    }
    if !model.can(Capability::Prompts) {
        return Ok(Outcome::of(Found::Pixels(fake_areas(photo, kept))));
    }
    let prompt = what.prompt.as_ref();
    let prompt = prompt.ok_or_else(|| JobError::Failed("there is no prompt".to_owned()))?;
    let (part, score) = CANDIDATES[BEST];
    let mask = fake_mask(photo, prompt, kept * part);
    Ok(Outcome::Mask(mask, kept * score))
}

/// What is left of a prediction, 0..=1.
fn kept(what: &WhatIf) -> f32 {
    let off = what.encoder.iter().chain(what.decoder.iter());
    let there = off.filter(|(layer, head)| *layer < LAYERS && *head < ATTENTION_HEADS);
    let weights = there.map(|(layer, head)| 1 + layer * ATTENTION_HEADS + head);
    let lost = LOST * weights.sum::<usize>() as f32;
    (1.0 - lost).max(0.0)
}
