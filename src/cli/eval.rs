//! `patchlens eval`: how good predictions are.

mod clicks;
mod folders;
mod instances;
mod progress;
mod semantic;
mod table;
mod translation;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lexopt::Arg::{Long, Short, Value};
use lexopt::Parser;
use serde::Serialize;

use super::args::{Action, Common, Parsed};
use super::output::{create_folder, json_line, print};
use super::{Failure, help};
use crate::formats::write_files;

/// What to evaluate.
#[derive(Debug)]
pub enum Args {
    /// Class maps.
    Semantic(semantic::Args),
    /// Instance maps.
    Instances(instances::Args),
    /// How many clicks objects take.
    Clicks(clicks::Args),
}

/// Read the words after `eval`.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    const KINDS: &str = "semantic, instances or clicks";
    let args = match parser.next()? {
        Some(Long("help") | Short('h')) => return Ok(Action::Help(help::EVAL)),
        Some(Value(word)) if word == "semantic" => {
            semantic::parse(parser, common)?.map(Args::Semantic)
        }
        Some(Value(word)) if word == "instances" => {
            instances::parse(parser, common)?.map(Args::Instances)
        }
        Some(Value(word)) if word == "clicks" => clicks::parse(parser, common)?.map(Args::Clicks),
        Some(Value(word)) => return Err(format!("eval is of {KINDS}, not {word:?}").into()),
        Some(other) => return Err(other.unexpected().into()),
        None => return Err(format!("say what to evaluate: {KINDS}").into()),
    };
    Ok(args.map_or(Action::Help(help::EVAL), |args| {
        Action::Eval(Box::new(args))
    }))
}

/// Run the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    match args {
        Args::Semantic(args) => semantic::run(args),
        Args::Instances(args) => instances::run(args),
        Args::Clicks(args) => clicks::run(args),
    }
}

/// A folder that has to be named.
fn required(folder: Option<PathBuf>, option: &str, what: &str) -> Parsed<PathBuf> {
    folder.ok_or_else(|| format!("name the folder of {what} with {option}").into())
}

/// A folder named by a word.
fn folder(word: OsString) -> Option<PathBuf> {
    Some(PathBuf::from(word))
}

/// Show a report, and write it and other files into `output` if that was named.
fn publish(
    report: &impl Serialize,
    told: &str,
    json: bool,
    output: Option<&Path>,
    further: Vec<(&str, Vec<u8>)>,
) -> Result<(), Failure> {
    let line = json_line(report)?;
    let mut written = String::new();
    if let Some(folder) = output {
        let further = further
            .into_iter()
            .map(|(name, bytes)| (folder.join(name), bytes));
        let numbers = (folder.join("eval.json"), line.clone().into_bytes());
        let files: Vec<(PathBuf, Vec<u8>)> = further.chain([numbers]).collect();
        create_folder(folder)?;
        write_files(&files)?;
        for (path, _) in &files {
            written += &format!("Wrote {}.\n", path.display());
        }
    }
    print(&if json {
        line
    } else {
        told.to_owned() + &written
    })
}

/// A figure without the digits that nobody reads.
fn figure(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// The sizes of two maps that must agree, as columns and rows.
fn check_sizes(first: (&Path, (u32, u32)), second: (&Path, (u32, u32))) -> Result<(), Failure> {
    if first.1 == second.1 {
        return Ok(());
    }
    Err(Failure::Sentence(format!(
        "{} is {} × {} pixels and {} is {} × {}: they must have the same size to be compared",
        first.0.display(),
        first.1.0,
        first.1.1,
        second.0.display(),
        second.1.0,
        second.1.1
    )))
}
