//! Asking a model about a whole photo: classes of the photo, a class for each
//! pixel, or nothing but what it computes on the way.
//!
//! A network takes a picture of about the size that it was trained on.
//! [`Framing`] says how a photo of any aspect becomes one.

mod objects;
mod slide;

use super::class_map::{ClassMap, ClassMask, confidence};
use super::geometry::View;
use super::preprocess::Fit;
use super::vision::{Dense, Output, Run};
use super::{Capability, Encoding, LoadedModel, ModelError};
use crate::label::Mask;
use crate::nn::{Ablation, Capture, Values, Watch};
use crate::task::Task;
use candle_core::Tensor;
use objects::Objects;

/// How a photo becomes the network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// The checkpoint's own preprocessing, a centre crop included: what the
    /// reference implementation does.
    #[default]
    Trained,
    /// The whole photo, squashed to the trained input size.
    Squash,
    /// The whole photo with its aspect kept, padded at the right and bottom.
    Pad,
    /// Overlapping tiles at the photo's own resolution, blended; for dense
    /// models.
    Slide,
}

impl Framing {
    /// All of them, the default first.
    pub const ALL: [Self; 4] = [Self::Trained, Self::Squash, Self::Pad, Self::Slide];

    /// One word, as the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trained => "trained",
            Self::Squash => "squash",
            Self::Pad => "pad",
            Self::Slide => "slide",
        }
    }

    /// How one picture is fitted; sliding over a photo fits none.
    fn fit(self) -> Option<Fit> {
        match self {
            Self::Trained => Some(Fit::Trained),
            Self::Squash => Some(Fit::Squash),
            Self::Pad => Some(Fit::Pad),
            Self::Slide => None,
        }
    }
}

/// A photo's pixels: interleaved 8-bit RGB.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Red, green, blue; row-major.
    pub rgb: &'a [u8],
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Picture<'_> {
    fn size(&self) -> (usize, usize) {
        (self.width as usize, self.height as usize)
    }

    fn check(&self) -> Result<(), ModelError> {
        let expected = u64::from(self.width) * u64::from(self.height) * 3;
        if expected == 0 || self.rgb.len() as u64 != expected {
            return Err(ModelError::PhotoSize {
                width: self.width,
                height: self.height,
                expected,
                found: self.rgb.len(),
            });
        }
        Ok(())
    }
}

/// How to ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How the photo becomes the network's input.
    pub framing: Framing,
    /// Another input size (width, height) than the trained one, in pixels;
    /// position encodings are interpolated.
    pub input: Option<(usize, usize)>,
    /// Whether to record queries and keys.
    pub capture: Capture,
    /// Attention heads that are off; those that do not exist are ignored.
    pub ablation: Ablation,
}

impl Options {
    /// What they want of a forward pass.
    pub fn watch(&self) -> Watch {
        Watch {
            capture: self.capture,
            ablation: self.ablation.clone(),
        }
    }
}

/// What a network was shown and what it made of it.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The network's input, (rows, columns, 3).
    pub pixels: Tensor,
    /// The part of the photo that the input covers.
    pub view: View,
    /// The attention heads that were off.
    pub ablation: Ablation,
    /// Everything that came out.
    pub run: Run,
}

impl Observation {
    /// Bytes of memory that this holds.
    pub fn bytes(&self) -> usize {
        let output = match &self.run.output {
            Output::Dense(dense) => dense.logits.elem_count(),
            Output::Classes { logits, .. } => logits.len(),
            Output::Features => 0,
        };
        let hidden = self.run.hidden.as_ref();
        let hidden = hidden.map_or(0, |hidden| hidden.tokens.elem_count());
        let records: usize = self.run.records.iter().map(|record| record.bytes()).sum();
        4 * (self.pixels.elem_count() + output + hidden) + records
    }
}

/// The classes that a classifier sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    /// Scores before the softmax, (classes).
    pub logits: Vec<f32>,
    /// Their softmax.
    pub probabilities: Vec<f32>,
}

impl Classification {
    /// From scores before the softmax.
    pub fn new(logits: Vec<f32>) -> Self {
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exps: Vec<f32> = logits.iter().map(|v| (v - highest).exp()).collect();
        let total: f32 = exps.iter().sum();
        let probabilities = exps.iter().map(|v| v / total).collect();
        Self {
            logits,
            probabilities,
        }
    }

    /// The numbers of the `count` likeliest classes, the likeliest first.
    pub fn top(&self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.logits.len()).collect();
        order.sort_by(|a, b| self.logits[*b].total_cmp(&self.logits[*a]));
        order.truncate(count);
        order
    }
}

/// A class for each pixel.
#[derive(Clone, Debug)]
pub struct Semantic {
    /// The classes, by the model's own numbers.
    pub map: ClassMap,
    /// Mean probability of each class where it wins.
    pub confidence: Vec<f32>,
    /// What the network was shown and made of it; `None` after sliding, which
    /// shows it many pictures.
    pub observation: Option<Observation>,
    objects: Option<Objects>,
}

impl Semantic {
    /// The regions of a class: its objects, if the model tells where those end,
    /// or else its connected areas.
    pub fn regions(&self, found: &ClassMask) -> Vec<Mask> {
        let objects = self.objects.as_ref();
        let objects = objects.and_then(|objects| objects.split(found, &self.map));
        objects.unwrap_or_else(|| found.mask.components())
    }
}

/// Show a photo to a model that is not prompted.
///
/// # Errors
/// If the model needs prompts, the framing is [`Framing::Slide`], or the
/// pixels do not fit their size; [`ModelError::Cancelled`].
pub fn observe(
    model: &LoadedModel,
    picture: Picture<'_>,
    options: &Options,
    task: Task<'_>,
) -> Result<Observation, ModelError> {
    picture.check()?;
    task.check()?;
    let network = model.vision()?;
    let fit = options.framing.fit().ok_or(ModelError::Option {
        name: "fit",
        value: options.framing.name().to_owned(),
        expected: "trained, squash or pad, except for class maps",
    })?;
    let prepared = model
        .preprocessor
        .prepare(picture.rgb, picture.size(), fit, options.input)?;
    let run = network.run(&prepared.pixels, &options.watch(), task)?;
    if !is_finite(&run)? {
        return Err(ModelError::NotNumbers {
            title: model.info.title.to_string(),
        });
    }
    Ok(Observation {
        pixels: prepared.pixels,
        view: prepared.view,
        ablation: options.ablation.clone(),
        run,
    })
}

/// Whether the results are numbers: finite weights can overflow all the same.
fn is_finite(run: &Run) -> Result<bool, ModelError> {
    // Not `all`, which stops early and so cannot be vectorised.
    let finite = |values: &[f32]| values.iter().fold(true, |all, v| all & v.is_finite());
    let output = match &run.output {
        Output::Classes { logits, .. } => finite(logits),
        Output::Dense(dense) => finite(&Values::of(&dense.logits)?),
        Output::Features => true,
    };
    let hidden = match &run.hidden {
        Some(hidden) => finite(&Values::of(&hidden.tokens)?),
        None => true,
    };
    Ok(output && hidden)
}

/// The classes of a whole photo.
///
/// # Errors
/// As [`observe`], and if the model is no classifier.
pub fn classify(
    model: &LoadedModel,
    picture: Picture<'_>,
    options: &Options,
    task: Task<'_>,
) -> Result<Classification, ModelError> {
    model.needs(Capability::Classes)?;
    match observe(model, picture, options, task)?.run.output {
        Output::Classes { logits, .. } => Ok(Classification::new(logits)),
        _ => Err(model.lacks(Capability::Classes)),
    }
}

/// The class of each pixel of a photo.
///
/// # Errors
/// As [`observe`], and if the model gives no classes to pixels.
pub fn segment(
    model: &LoadedModel,
    picture: Picture<'_>,
    options: &Options,
    task: Task<'_>,
) -> Result<Semantic, ModelError> {
    /// Share of the network in the work.
    const NETWORK: f32 = 0.9;
    model.needs(Capability::ClassMap)?;
    if options.framing == Framing::Slide {
        picture.check()?;
        return slide::segment(model, picture, options, task);
    }
    let report = |fraction: f32| task.progress(fraction * NETWORK);
    let observation = observe(model, picture, options, task.reporting_to(&report))?;
    let report = |fraction: f32| task.progress(NETWORK + fraction * (1.0 - NETWORK));
    let dense = dense(model, &observation.run)?;
    let view = observation.view;
    let semantic = read(dense, &view, picture.size(), task.reporting_to(&report))?;
    Ok(Semantic {
        observation: Some(observation),
        ..semantic
    })
}

/// The class of each pixel of a photo that has been encoded, by a model that
/// stands on such encodings: costs no second pass of the encoder.
///
/// # Errors
/// If the model does not stand on this encoding; [`ModelError::Cancelled`].
pub fn segment_encoding(
    model: &LoadedModel,
    encoding: &Encoding,
    task: Task<'_>,
) -> Result<Semantic, ModelError> {
    let network = model.vision()?.on_encodings();
    let network = network.ok_or_else(|| model.lacks(Capability::ClassMap))?;
    let run = network.run_on(&encoding.feature_maps()?, task)?;
    let size = (encoding.width() as usize, encoding.height() as usize);
    read(dense(model, &run)?, &encoding.view(), size, task)
}

/// What scores say of a photo of (width, height) pixels, of which they cover
/// `view`.
fn read(
    dense: &Dense,
    view: &View,
    size: (usize, usize),
    task: Task<'_>,
) -> Result<Semantic, ModelError> {
    Ok(Semantic {
        map: ClassMap::from_logits(&dense.logits, view, size, task)??,
        confidence: confidence(&dense.logits)?,
        observation: None,
        objects: Objects::of(dense, view, size)?,
    })
}

/// The scores of a dense model.
fn dense<'a>(model: &LoadedModel, run: &'a Run) -> Result<&'a Dense, ModelError> {
    match &run.output {
        Output::Dense(dense) => Ok(dense),
        _ => Err(model.lacks(Capability::ClassMap)),
    }
}

#[cfg(test)]
mod tests;
