//! Training: from folders of labelled photos to weights.
//!
//! [`Config`] says what is trained on what. Each set gives [`Examples`]:
//! [`Pictures`] reads a folder in our storage convention; other sources (cached
//! encodings) implement the same trait. [`Run`] draws examples, computes the
//! [`loss`], moves the [`Variables`] with the [`optimizer`], validates, and
//! writes a [`checkpoint`] from which a later run goes on bit for bit as if
//! nothing had happened.
//!
//! [`finish`] makes a model of it, with a [`card`] and the [`curves`].
//!
//! Everything random is a function of the seed and a counter ([`Random`]), never
//! of threads or of time. A run polls its [`Task`](crate::task::Task) between
//! steps, so that a worker can cancel it and show its progress.

mod batch;
pub mod card;
pub mod checkpoint;
mod config;
pub mod curves;
mod data;
pub mod encodings;
mod error;
mod example;
mod finish;
mod journal;
pub mod loss;
pub mod optimizer;
mod pictures;
mod pngs;
mod random;
mod run;
mod sampler;
mod sets;
mod snapshot;
#[cfg(test)]
mod testing;
mod validate;
mod variables;

pub use config::{ClassConfig, Config, LossShares, SetConfig};
pub use data::{ClassSpace, Labelled, Pictures, Share, labelled};
pub use error::TrainError;
pub use example::{Example, Examples, Map, OUTSIDE, Target};
pub use finish::{Finished, finish};
pub use random::Random;
pub use run::{Ended, Outcome, Progress, Run, TrainingSet};
pub use sets::{OpenedSet, folder_classes, open_sets};
pub use snapshot::Snapshot;
pub use validate::{ClassScore, SetScore, Validation, class_map};
pub use variables::Variables;
