//! What can go wrong with a model, in words for its user.

use crate::task::Cancelled;
use std::path::PathBuf;

/// Why a model could not be loaded or asked.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file of a checkpoint cannot be read.
    #[error("cannot read {path}: {why}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// The weights are not a (whole) safetensors file.
    #[error("{file} is not a usable safetensors file ({why}); download or convert it again")]
    NotSafetensors {
        /// Where the weights come from.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The weights are not a PyTorch checkpoint of a kind that can be read.
    #[error("{file} is not a usable PyTorch checkpoint ({why}); save it again as safetensors")]
    NotTorch {
        /// Where the weights come from.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The list of a checkpoint's files makes no sense.
    #[error("{file} is not a usable index of weights ({why}); download the checkpoint again")]
    Index {
        /// The index.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A folder without weights, or with several that might be meant.
    #[error("{folder} {why}", folder = folder.display())]
    NoWeights {
        /// The folder.
        folder: PathBuf,
        /// What it has instead.
        why: String,
    },
    /// A folder that is no checkpoint, or no folder at all.
    #[error(
        "{folder} is no model folder: a Hugging Face snapshot has a config.json", folder = folder.display()
    )]
    NoSnapshot {
        /// What was taken for one.
        folder: PathBuf,
    },
    /// A photo that the checkpoint's preprocessing would blow up.
    #[error(
        "the photo of {width}×{height} pixels is too long and thin for this model's preprocessing, which would resize it to {resized_width}×{resized_height}; crop it, or let it be squashed or padded"
    )]
    TooThin {
        /// Width of the photo in pixels.
        width: usize,
        /// Height of the photo in pixels.
        height: usize,
        /// Width that it would get.
        resized_width: usize,
        /// Height that it would get.
        resized_height: usize,
    },
    /// A tensor that the model needs is not there.
    #[error(
        "{file} has no tensor {tensor} (expected with shape {expected:?}); it belongs to another model"
    )]
    MissingTensor {
        /// Where the weights come from.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The shape that it should have.
        expected: Vec<usize>,
    },
    /// A tensor has another shape than the model's.
    #[error(
        "tensor {tensor} of {file} has shape {found:?}, expected {expected:?}; the weights do not fit the configuration"
    )]
    Shape {
        /// Where the weights come from.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The shape that it should have.
        expected: Vec<usize>,
        /// The shape that it has.
        found: Vec<usize>,
    },
    /// A tensor holds numbers of a kind that is not supported.
    #[error("tensor {tensor} of {file} holds {found} values; only F32, F16 and BF16 are supported")]
    NumberType {
        /// Where the weights come from.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The kind of numbers.
        found: String,
    },
    /// A tensor holds NaN or an infinity.
    #[error(
        "tensor {tensor} of {file} holds values that are not finite numbers; the file is damaged"
    )]
    NotFinite {
        /// Where the weights come from.
        file: String,
        /// The tensor's name.
        tensor: String,
    },
    /// A configuration file cannot be understood or asks for the impossible.
    #[error("{file} is not a usable model configuration: {why}")]
    Config {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Neither an embedded model nor a folder.
    #[error(
        "there is no model {name:?}: embedded models are {known}; for another one give its folder"
    )]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// The names of the embedded models.
        known: String,
    },
    /// A checkpoint of a family that this program does not have.
    #[error("the checkpoint in {folder} is of the family {found:?}, which is not supported; supported: {known}", folder = folder.display())]
    UnknownFamily {
        /// The checkpoint's folder.
        folder: PathBuf,
        /// Its `model_type`.
        found: String,
        /// The families that are supported.
        known: String,
    },
    /// A model was asked for something that its kind does not do.
    #[error("{title} cannot {what}: it can {can}; choose another model")]
    Incapable {
        /// The model.
        title: String,
        /// What was asked for, as a verb.
        what: &'static str,
        /// What it can be asked for.
        can: String,
    },
    /// The embedded weights were left out of this build.
    #[error(
        "this build has no embedded weights: give the folder of a checkpoint, or build with the feature embedded-weights"
    )]
    NotEmbedded,
    /// A point lies outside of the photo.
    #[error("the point ({x}, {y}) lies outside the photo of {width}×{height} pixels")]
    PointOutside {
        /// Horizontal position.
        x: f32,
        /// Vertical position.
        y: f32,
        /// Width of the photo.
        width: u32,
        /// Height of the photo.
        height: u32,
    },
    /// A box without area, or not made of numbers, or outside of the photo.
    #[error("the box ({}, {}, {}, {}) {why}; give left, top, right and bottom in pixels", corners[0], corners[1], corners[2], corners[3])]
    BadBox {
        /// Left, top, right, bottom.
        corners: [f32; 4],
        /// What is wrong with it.
        why: &'static str,
    },
    /// A prompt that says nothing.
    #[error("the prompt is empty: give at least one point, a box or a mask")]
    EmptyPrompt,
    /// A prompt with more points than make sense.
    #[error("the prompt has {count} points; at most {limit} are supported")]
    TooManyPoints {
        /// Number of points.
        count: usize,
        /// The most that are accepted.
        limit: usize,
    },
    /// A mask prompt that did not come from this model.
    #[error("the mask prompt has {found} values, expected {expected}")]
    MaskSize {
        /// Values that it should have.
        expected: usize,
        /// Values that it has.
        found: usize,
    },
    /// The pixels do not make a photo of the given size.
    #[error("a photo of {width}×{height} pixels needs {expected} bytes of RGB, got {found}")]
    PhotoSize {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes that it should have.
        expected: u64,
        /// Bytes that it has.
        found: usize,
    },
    /// A picture of which a network's coarsest map would be empty.
    #[error(
        "an input of {width}×{height} pixels is too small for this model, which needs {least}×{least} at least"
    )]
    TooSmall {
        /// Width of the network's input in pixels.
        width: usize,
        /// Height of the network's input in pixels.
        height: usize,
        /// The least side in pixels.
        least: usize,
    },
    /// An option has an impossible value.
    #[error("{name} is {value}, expected {expected}")]
    Option {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The arithmetic failed.
    #[error("the model could not be computed: {0}")]
    Compute(String),
    /// The network gave something other than numbers.
    #[error(
        "{title} computes values that are not finite numbers; its weights or configuration are damaged"
    )]
    NotNumbers {
        /// The model.
        title: String,
    },
    /// Stopped on request.
    #[error("cancelled")]
    Cancelled,
}

impl From<Cancelled> for ModelError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl From<candle_core::Error> for ModelError {
    fn from(error: candle_core::Error) -> Self {
        // candle may append a backtrace on further lines.
        let text = error.to_string();
        Self::Compute(text.lines().next().unwrap_or_default().to_owned())
    }
}
