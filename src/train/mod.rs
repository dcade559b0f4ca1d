//! Training: from folders of labelled photos to weights.
//!
//! [`Config`] says what is trained on what. Each set gives [`Examples`]:
//! [`Pictures`] reads a folder in our storage convention; other sources (cached
//! encodings) implement the same trait. [`Run`] draws examples, computes the
//! [`loss`], moves the [`Variables`] with the [`optimizer`], validates, and
//! writes a [`checkpoint`] from which a later run goes on bit for bit as if
//! nothing had happened.
//!
//! Everything random is a function of the seed and a counter ([`Random`]), never
//! of threads or of time. A run polls its [`Task`](crate::task::Task) between
//! steps, so that a worker can cancel it and show its progress.

mod batch;
pub mod checkpoint;
mod config;
mod confusion;
mod data;
pub mod encodings;
mod error;
mod example;
mod journal;
pub mod loss;
pub mod optimizer;
mod pictures;
mod pngs;
mod random;
mod run;
mod sampler;
mod snapshot;
#[cfg(test)]
mod testing;
mod validate;
mod variables;

pub use config::{ClassConfig, Config, LossShares, SetConfig};
pub use confusion::Counts;
pub use data::{ClassSpace, OpenedSet, Pictures, training_sets};
pub use error::TrainError;
pub use example::{Example, Examples, Map, OUTSIDE, Target};
pub use random::Random;
pub use snapshot::Snapshot;
pub use run::{Ended, Outcome, Progress, Run, TrainingSet};
pub use validate::{ClassScore, SetScore, Validation, class_map};
pub use variables::Variables;
