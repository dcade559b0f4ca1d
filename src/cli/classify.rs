//! `patchlens classify`: what photos show.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lexopt::Parser;
use serde::Serialize;

use super::args::value::whole;
use super::args::{Action, Common, Parsed, Word, read};
use super::model::{load, picture};
use super::output::{check_folder_of, each, json_line, milliseconds, print, score};
use super::{Failure, help};
use crate::attention::npy;
use crate::formats::{Protected, write_files};
use crate::models::predict::{Classification, Options, classify};
use crate::models::{Capability, Labels, LoadedModel};
use crate::photo::{self, Limits};
use crate::task::detached;

/// How many classes are told if nobody says.
const TOP: u32 = 5;

/// What to ask.
#[derive(Debug)]
pub struct Args {
    /// The photos, in the order named.
    pub images: Vec<PathBuf>,
    /// The model.
    pub model: OsString,
    /// How to show photos to it.
    pub options: Options,
    /// How many classes to tell.
    pub top: usize,
    /// Where to write the scores before the softmax.
    pub npy: Option<PathBuf>,
    /// Print a JSON object for each photo.
    pub json: bool,
    /// What decoding may use.
    pub limits: Limits,
}

/// Read the words after `classify`.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    let (mut images, mut top, mut npy) = (Vec::new(), TOP, None);
    let known = ["max-megapixels", "model", "json", "fit", "size"];
    let help = read(parser, common, &known, &mut |word, parser| {
        match word {
            Word::Option("top") => top = whole(&parser.value()?, "--top")?,
            Word::Option("npy") => npy = Some(PathBuf::from(parser.value()?)),
            Word::Plain(word) => images.push(PathBuf::from(word)),
            Word::Option(_) => return Ok(false),
        }
        Ok(true)
    })?;
    if help.is_some() {
        return Ok(Action::Help(help::CLASSIFY));
    }
    if images.is_empty() {
        return Err("name the photos to classify".into());
    }
    if npy.is_some() && images.len() > 1 {
        return Err("--npy writes one file, so it goes with one photo".into());
    }
    Ok(Action::Classify(Args {
        images,
        model: common.model()?,
        options: common.options_at_once()?,
        top: top as usize,
        npy,
        json: common.json,
        limits: common.limits,
    }))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    image: String,
    model: String,
    title: &'a str,
    fit: &'static str,
    classes: Vec<Likely>,
    #[serde(skip_serializing_if = "Option::is_none")]
    npy: Option<String>,
    predict_ms: f64,
}

/// A class that a photo may be of.
#[derive(Serialize)]
pub(super) struct Likely {
    id: usize,
    name: String,
    probability: f64,
}

/// The `count` likeliest classes.
pub(super) fn likeliest(
    classification: &Classification,
    labels: &Labels,
    count: usize,
) -> Vec<Likely> {
    let likely = |id| Likely {
        id,
        name: labels.name(id),
        probability: score(classification.probabilities[id]),
    };
    classification.top(count).into_iter().map(likely).collect()
}

/// Run the subcommand: every photo is tried.
pub fn run(args: &Args) -> Result<(), Failure> {
    if let Some(npy) = &args.npy {
        check_folder_of(npy)?;
        Protected::of(args.images.iter().map(PathBuf::as_path)).check(npy)?;
    }
    let model = load(&args.model)?;
    model.needs(Capability::Classes)?;
    each(&args.images, |image| one(&model, image, args))
}

fn one(model: &LoadedModel, image: &Path, args: &Args) -> Result<(), Failure> {
    let photo = photo::decode(image, &args.limits)?;
    let start = Instant::now();
    let found = detached(|task| classify(model, picture(&photo), &args.options, task));
    let found = found.map_err(|error| Failure::about(image, &error))?;
    let elapsed = start.elapsed();
    if let Some(path) = &args.npy {
        let bytes = npy(&[1, found.logits.len()], &found.logits)?;
        write_files(&[(path.clone(), bytes)])?;
    }
    print(&if args.json {
        json_line(&report(model, image, args, &found, elapsed))?
    } else {
        listed(model, image, args, &found)
    })
}

fn report<'a>(
    model: &'a LoadedModel,
    image: &Path,
    args: &Args,
    found: &Classification,
    elapsed: Duration,
) -> Report<'a> {
    let npy = args.npy.as_ref();
    Report {
        image: image.to_string_lossy().into_owned(),
        model: args.model.to_string_lossy().into_owned(),
        title: &model.info.title,
        fit: args.options.framing.name(),
        classes: likeliest(found, &model.info.labels, args.top),
        npy: npy.map(|path| path.to_string_lossy().into_owned()),
        predict_ms: milliseconds(elapsed),
    }
}

/// For people: probability, number and name, the likeliest first.
fn listed(model: &LoadedModel, image: &Path, args: &Args, found: &Classification) -> String {
    let line = |likely: Likely| {
        let (percent, name) = (100.0 * likely.probability, likely.name);
        format!("{percent:6.2} %  {:>5}  {name}\n", likely.id)
    };
    let classes = likeliest(found, &model.info.labels, args.top);
    let lines: String = classes.into_iter().map(line).collect();
    if args.images.len() == 1 {
        return lines;
    }
    format!("{}\n{lines}", image.display())
}
