//! Why a training could not begin or go on, worded for who started it.

use crate::dataset::DatasetError;
use crate::formats::StoreError;
use crate::models::ModelError;
use crate::photo::PhotoError;
use crate::task::Cancelled;

/// Why a training could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The configuration asks for the impossible.
    #[error("{file} is not a usable training configuration: {why}")]
    Config {
        /// The file, or what stands for one.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file of a set cannot be used.
    #[error("{file} cannot be used for training: {why}")]
    Data {
        /// The file or folder.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A folder cannot be listed.
    #[error(transparent)]
    Folder(#[from] DatasetError),
    /// A photo cannot be decoded.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// A file cannot be written, or the classes of a folder not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network cannot be built or computed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Weights to begin with that do not fit the network.
    #[error("{file} does not fit the network: {why}")]
    Weights {
        /// The file.
        file: String,
        /// Which tensors, and what is wrong with them.
        why: String,
    },
    /// A checkpoint that the run cannot go on from.
    #[error("the training cannot be continued from {file}: {why}")]
    Checkpoint {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Variables that the loss does not depend on: a cut in the network.
    #[error("the loss has no gradient for {names}: the network is cut before them")]
    NoGradient {
        /// The names of the variables.
        names: String,
    },
    /// Many steps in a row without a usable gradient.
    #[error(
        "the loss or its gradient was not a finite number in {steps} steps in a row, the last one \
         step {step}: lower the learning rate"
    )]
    NotFinite {
        /// How many steps.
        steps: usize,
        /// The last of them.
        step: usize,
    },
    /// Stopped on request before there was anything to keep.
    #[error("cancelled")]
    Cancelled,
}

impl From<Cancelled> for TrainError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl From<candle_core::Error> for TrainError {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(error.into())
    }
}

impl TrainError {
    /// That `file` of a set cannot be used.
    pub(super) fn data(file: &std::path::Path, why: impl Into<String>) -> Self {
        Self::Data {
            file: file.display().to_string(),
            why: why.into(),
        }
    }
}
