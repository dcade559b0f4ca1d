//! The command line: one file per subcommand, none of which touches the window.
//!
//! Arguments are parsed completely before anything is done. A failure is one
//! sentence on standard error: exit code 2 for bad usage, 1 for work that failed.
//! When nobody reads standard output any more, the program ends quietly.

mod args;
mod attention;
mod classes;
mod classify;
mod dump;
mod eval;
mod export;
mod help;
mod layers;
mod model;
mod models;
mod output;
mod photos;
mod pipe;
mod predict;
mod prompt;
mod segment;
mod tensors;
#[cfg(test)]
mod tests;
mod train;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use args::UsageError;
use args::{Action, parse};
use output::{complain, print};

use crate::attention::AttentionError;
use crate::formats::StoreError;
use crate::models::ModelError;
use crate::photo::PhotoError;
use crate::train::TrainError;
use crate::worker::JobError;

/// Exit code for bad usage; 1 is for work that failed.
const BAD_USAGE: u8 = 2;

/// Why a subcommand ended early.
#[derive(Debug)]
enum Failure {
    /// It did not work; one sentence for the user.
    Sentence(String),
    /// It did not work, and the user has been told.
    Told,
    /// Nobody reads standard output any more, as after `| head`. Not an error.
    ReaderGone,
}

impl Failure {
    /// That a model failed on a photo; the sentence names it.
    fn about(photo: &Path, error: &ModelError) -> Self {
        Self::Sentence(format!("{}: {error}", photo.display()))
    }
}

/// Errors that are sentences for users already.
macro_rules! sentences {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Sentence(error.to_string())
            }
        }
    )*};
}

sentences!(
    AttentionError,
    JobError,
    ModelError,
    PhotoError,
    StoreError,
    TrainError
);

/// Run the program with the arguments `args`, its own name first. Subcommands are
/// run here; for `patchlens [PATH]`, `open_window` is called with the path.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    open_window: impl FnOnce(Option<PathBuf>) -> ExitCode,
) -> ExitCode {
    let invocation = match parse(args) {
        Ok(invocation) => invocation,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(BAD_USAGE);
        }
    };
    let prepared = invocation.threads.map_or(Ok(()), use_threads);
    let outcome = prepared.and_then(|()| {
        match invocation.action {
            Action::Window { path: Some(path) } if !path.exists() => {
            let path = path.display();
            complain(&format!(
                "{path} is no photo, folder or subcommand: check the name, or see patchlens --help"
            ));
            return Ok(ExitCode::from(BAD_USAGE));
        }
        Action::Window { path } => return Ok(open_window(path)),
            Action::Help(text) => print(text),
            Action::Version => print(&format!("patchlens {}\n", env!("CARGO_PKG_VERSION"))),
            Action::Segment(args) => segment::run(&args),
            Action::Classify(args) => classify::run(&args),
            Action::Predict(args) => predict::run(&args),
            Action::Attention(args) => attention::run(&args),
            Action::Dump(args) => dump::run(&args),
            Action::Pipe(args) => pipe::run(&args),
            Action::Models(args) => models::run(&args),
            Action::Export(args) => export::run(&args),
            Action::Eval(args) => eval::run(&args),
            Action::Train(args) => train::run(&args),
        }
        .map(|()| ExitCode::SUCCESS)
    });
    match outcome {
        Ok(code) => code,
        Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::FAILURE,
        Err(Failure::Sentence(sentence)) => {
            complain(&sentence);
            ExitCode::FAILURE
        }
    }
}

/// Compute with `count` threads. Everything here and in candle runs on rayon's
/// global pool, which takes its size at its first use: this comes before it.
fn use_threads(count: usize) -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .build_global()
        .map_err(|error| {
            Failure::Sentence(format!(
                "the system gave no {count} threads ({error}): use fewer"
            ))
        })
}
