//! "More like this": where a photo is like a part of it, or like what was
//! found on another.

use std::sync::Arc;

use super::analysis::{Elsewhere, Likeness, Similar};
use super::engine::{Observed, Seen};
use crate::attention::{
    AttentionError, Candidate, Features, Heatmap, Prototype, TokenMask, candidates, tokens_under,
};
use crate::models::geometry::View;
use crate::nn::capture::Grouping;

/// Small areas are noise: what is found has at least this share of the tokens
/// of the part that it is like.
const LEAST_SIZE: f32 = 0.1;
/// So many areas of a photo are offered at most, the best ones.
const MOST: usize = 200;

/// The features of a photo's tokens, and the part of the photo under them: the
/// embedding of an encoder that has one, the last tokens of a plain Vision
/// Transformer, else the keys of the last layer whose tokens all see each other.
fn features(seen: &Observed) -> Result<(Features, View), AttentionError> {
    let observation = match &seen.seen {
        Seen::Encoding(encoding) => return Features::of_encoding(encoding),
        Seen::Observation(observation) => observation,
    };
    let features = match &observation.run.hidden {
        Some(hidden) => Features::of_hidden(hidden)?,
        None => {
            let mut records = seen.records().iter().rev();
            let whole = records.find(|record| record.grouping == Grouping::Whole);
            let record = whole.or(seen.records().last());
            Features::of_keys(record.ok_or(AttentionError::NoLayers)?)?
        }
    };
    Ok((features, seen.view()))
}

/// Where the photo that was `seen` is like `what`.
pub(super) fn similar(seen: &Observed, what: &Likeness) -> Result<Similar, AttentionError> {
    let (features, view) = features(seen)?;
    similar_in(&features, view, what)
}

/// Where a photo with these features, which cover `view` of it, is like `what`.
pub(super) fn similar_in(
    features: &Features,
    view: View,
    what: &Likeness,
) -> Result<Similar, AttentionError> {
    let (prototype, least, own) = match what {
        Likeness::Known { prototype, least } => (prototype.clone(), *least, None),
        Likeness::Part { mask, strictness } => {
            let tokens = tokens_under(mask, view, features.grid);
            let own = TokenMask::from_tokens(features.grid, &tokens);
            let prototype = features.prototype(&own)?;
            let least = stricter(prototype.suggested_least(), *strictness);
            (Arc::new(prototype), least, Some(own))
        }
    };
    let map = features.similarity(&prototype)?;
    Ok(Similar {
        areas: areas(&map, own.as_ref(), (&prototype, least)),
        prototype,
        least,
        map,
        view,
        found: Vec::new(),
    })
}

/// How much of the photo that was `seen` is like what was found before.
pub(super) fn elsewhere(
    seen: &Observed,
    prototype: &Prototype,
    least: f32,
) -> Result<Elsewhere, AttentionError> {
    elsewhere_in(&features(seen)?.0, prototype, least)
}

/// How much of a photo with these features is like what was found before.
pub(super) fn elsewhere_in(
    features: &Features,
    prototype: &Prototype,
    least: f32,
) -> Result<Elsewhere, AttentionError> {
    let map = features.similarity(prototype)?;
    let areas = areas(&map, None, (prototype, least));
    Ok(Elsewhere {
        score: areas.first().map(|best| best.score),
        areas: areas.len(),
    })
}

/// The best areas that are like the prototype, less its `own`, if they are of
/// some size.
fn areas(
    map: &Heatmap,
    own: Option<&TokenMask>,
    (prototype, least): (&Prototype, f32),
) -> Vec<Candidate> {
    let smallest = LEAST_SIZE * prototype.tokens as f32;
    let large = |area: &Candidate| area.tokens.count() as f32 >= smallest;
    // What is but a rim of the part itself is not another thing.
    let around = own.map(TokenMask::dilated);
    let beyond = |area: &Candidate| {
        let around = around.as_ref();
        around.is_none_or(|around| {
            area.tokens
                .on
                .iter()
                .zip(&around.on)
                .any(|(on, own)| *on && !own)
        })
    };
    let areas = candidates(map, own, least).into_iter();
    areas.filter(large).filter(beyond).take(MOST).collect()
}

/// A similarity that is this share of the way from `suggested` to 1.
fn stricter(suggested: f32, strictness: f32) -> f32 {
    suggested + (1.0 - suggested) * strictness.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
