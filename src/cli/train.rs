//! `patchlens train`: a DeepLabV3+ of the user's own labels.

mod folder;
mod interrupt;
mod plan;
mod progress;
mod restart;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Parser;
use serde::Serialize;

use super::args::value::{between, duration, index, one_of, whole};
use super::args::{Action, Common, Parsed, Word, read};
use super::output::{json_line, print};
use super::{Failure, help};
use crate::models::ModelError;
use crate::models::deeplab::BackboneConfig;
use crate::models::registry;
use crate::task::{Cancel, Task};
use crate::train::card::{DataSource, counted, duration as told_time};
use crate::train::encodings::{self, EncodedPictures, Store};
use crate::train::{
    Ended, Examples, Finished, OpenedSet, Outcome, Run, Snapshot, TrainError, TrainingSet,
    Validation, finish, open_sets,
};
use plan::{Plan, plan};
use progress::Teller;

/// What to train.
#[derive(Debug, Default)]
pub struct Args {
    /// Folders of labelled photos.
    sets: Vec<PathBuf>,
    /// As many folders to validate on, or none.
    validate: Vec<PathBuf>,
    folder: PathBuf,
    backbone: Option<Kind>,
    init: Option<OsString>,
    steps: Option<usize>,
    batch: Option<usize>,
    crop: Option<usize>,
    learning_rate: Option<f32>,
    seed: Option<u64>,
    time_limit: Option<Duration>,
    config: Option<PathBuf>,
    encodings: Option<PathBuf>,
    mirrored: bool,
    json: bool,
}

/// What the network stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    TinyVit,
    PlainVit,
}

impl Kind {
    const ALL: [(&str, Self); 2] = [("tinyvit", Self::TinyVit), ("vit", Self::PlainVit)];

    fn of(backbone: &BackboneConfig) -> Self {
        match backbone {
            BackboneConfig::TinyVit(_) => Self::TinyVit,
            BackboneConfig::PlainVit(_) => Self::PlainVit,
        }
    }
}

/// Read the words after `train`.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    let mut args = Args::default();
    let help = read(parser, common, &["json", "output"], &mut |word, parser| {
        let option = match word {
            Word::Option(option) => option,
            Word::Plain(word) => {
                args.sets.push(PathBuf::from(word));
                return Ok(true);
            }
        };
        args.take(option, parser)
    })?;
    if help.is_some() {
        return Ok(Action::Help(help::TRAIN));
    }
    args.folder = common.output()?;
    args.json = common.json;
    args.check()?;
    Ok(Action::Train(Box::new(args)))
}

impl Args {
    /// Take the value of an option. Whether there is such an option.
    fn take(&mut self, option: &str, parser: &mut Parser) -> Parsed<bool> {
        let number = |parser: &mut Parser, name: &str| -> Parsed<Option<usize>> {
            Ok(Some(whole(&parser.value()?, name)? as usize))
        };
        match option {
            "validate" => self.validate.push(PathBuf::from(parser.value()?)),
            "backbone" => {
                self.backbone = Some(one_of(&parser.value()?, "--backbone", &Kind::ALL)?);
            }
            "init" => self.init = Some(parser.value()?),
            "steps" => self.steps = number(parser, "--steps")?,
            "batch" => self.batch = number(parser, "--batch")?,
            "crop" => self.crop = number(parser, "--crop")?,
            "learning-rate" => {
                let rate = between(&parser.value()?, "--learning-rate", 1e-7..=1.0)?;
                self.learning_rate = Some(rate as f32);
            }
            "seed" => self.seed = Some(index(&parser.value()?, "--seed")? as u64),
            "time-limit" => self.time_limit = Some(duration(&parser.value()?, "--time-limit")?),
            "config" => self.config = Some(PathBuf::from(parser.value()?)),
            "encodings" => self.encodings = Some(PathBuf::from(parser.value()?)),
            "mirrored" => self.mirrored = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check(&self) -> Parsed<()> {
        let begun = self.folder.join("config.json");
        if self.sets.is_empty() && self.config.is_none() && !begun.is_file() {
            return Err("name the folders of labelled photos to train on".into());
        }
        if !self.validate.is_empty() && self.validate.len() != self.sets.len() {
            return Err(format!(
                "--validate comes once for each folder to train on, in the same order, or not at \
                 all: {} and {} were named",
                self.sets.len(),
                self.validate.len()
            )
            .into());
        }
        Ok(())
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    model: String,
    ended: &'static str,
    step: usize,
    steps: usize,
    best_step: Option<usize>,
    seconds: f64,
    images_per_second: f64,
    parameters: usize,
    bytes: usize,
    photos: usize,
    validated_on: usize,
    #[serde(flatten)]
    validation: Option<&'a Validation>,
}

/// Run the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    restart::with_settings();
    let plan = plan(args)?;
    folder::prepare(&args.folder, &plan.config)?;
    let cancel = interrupt::on_ctrl_c();
    let mut teller = Teller::new();
    let opened = open_sets(&plan.config)?;
    let network = plan.network();
    teller.note(&about_photos(&opened));
    let sources: Vec<DataSource> = opened.iter().map(DataSource::of).collect();
    let objects = plan.objects(&opened);
    let sets = training_sets(args, &plan, opened, &cancel, &mut teller)?;
    let config = plan.config.clone();
    let mut run = Run::open(config, &args.folder, |source| network.build(source), sets)?;
    about_beginning(&run, &mut teller)?;
    let outcome = run.train(
        args.time_limit,
        Task::new(&cancel, &|_| {}),
        &mut |progress| {
            teller.step(progress);
        },
    )?;
    teller.clear();
    if outcome.ended == Ended::Cancelled {
        return Err(stopped(&format!(
            "after step {} of {}",
            outcome.step, plan.config.steps
        )));
    }
    let snapshot = Snapshot {
        network: &network,
        config: run.config(),
        objects,
    };
    let finished = {
        let report = |part: f32| teller.part("Validating", part);
        finish(&run, &snapshot, &sources, Task::new(&cancel, &report))
    };
    teller.clear();
    let finished = finished.map_err(|error| failed(error, "before the model was written"))?;
    publish(args, &run, &outcome, &finished, &sources)
}

/// That the training was stopped, and how it goes on.
fn stopped(when: &str) -> Failure {
    Failure::Sentence(format!(
        "stopped {when}; the same command goes on from there"
    ))
}

/// What went wrong; `when` it was if it was stopped.
fn failed(error: TrainError, when: &str) -> Failure {
    match error {
        TrainError::Cancelled | TrainError::Model(ModelError::Cancelled) => stopped(when),
        error => error.into(),
    }
}

/// What was found in the folders.
fn about_photos(opened: &[OpenedSet]) -> String {
    let sum = |count: fn(&OpenedSet) -> usize| opened.iter().map(count).sum::<usize>();
    let (photos, dev) = (sum(OpenedSet::photos), sum(OpenedSet::dev_photos));
    let mut told = format!("{} to train on", counted(photos));
    if dev > 0 {
        told += &format!(", {dev} to validate on");
    }
    if opened.iter().any(|set| set.config.hold_out) {
        told += " (a tenth, chosen by a hash of their names)";
    }
    told += match sum(OpenedSet::without_labels) {
        0 => String::new(),
        without => format!("; {} without labels left out", counted(without)),
    }
    .as_str();
    told
}

/// Where the training begins.
fn about_beginning(run: &Run, teller: &mut Teller) -> Result<(), Failure> {
    let (step, steps) = (run.position().step, run.config().steps);
    if step > 0 {
        teller.note(&format!("goes on from step {step} of {steps}"));
        return Ok(());
    }
    let Some(init) = &run.config().init else {
        teller.note(&format!("{steps} steps from random weights"));
        return Ok(());
    };
    let init = init.display();
    let (missing, all) = (run.missing(), run.weights().count());
    let is_of_backbone = |missing: &&String| missing.starts_with("backbone.");
    if let Some(why) = missing.iter().find(is_of_backbone) {
        return Err(Failure::Sentence(format!(
            "{init} has another backbone ({why}): name a model of the same one with --init, or none"
        )));
    }
    let mut told = format!("{steps} steps from the weights of {init}");
    if let Some(first) = missing.first() {
        told += &format!("; {} of {all} tensors begin anew ({first}", missing.len());
        told += if missing.len() > 1 { ", ...)" } else { ")" };
    }
    teller.note(&told);
    Ok(())
}

/// The sets as the network is shown them.
fn training_sets(
    args: &Args,
    plan: &Plan,
    opened: Vec<OpenedSet>,
    cancel: &Cancel,
    teller: &mut Teller,
) -> Result<Vec<TrainingSet>, Failure> {
    if plan.kind == Kind::PlainVit {
        let plain = |pictures| Ok(Box::new(pictures) as Box<dyn Examples>);
        let sets = opened.into_iter().map(|set| set.into_training(plain));
        return Ok(sets.collect::<Result<_, TrainError>>()?);
    }
    let own = args.folder.join("encodings");
    let store = Store::new(args.encodings.clone().unwrap_or(own), plan::FRAME);
    encode(args, &opened, &store, cancel, teller)?;
    let crop = plan.config.crop;
    let encoded = |pictures| {
        let encoded = EncodedPictures::open(pictures, store.clone(), crop)?;
        Ok(Box::new(encoded) as Box<dyn Examples>)
    };
    let sets = opened.into_iter().map(|set| set.into_training(encoded));
    Ok(sets.collect::<Result<_, TrainError>>()?)
}

/// Encode what has not been encoded yet.
fn encode(
    args: &Args,
    opened: &[OpenedSet],
    store: &Store,
    cancel: &Cancel,
    teller: &mut Teller,
) -> Result<(), Failure> {
    super::output::create_folder(store.folder())?;
    let mut missing = Vec::new();
    for set in opened {
        missing.extend(encodings::missing(&set.train, store, args.mirrored)?);
        if let Some(dev) = &set.dev {
            missing.extend(encodings::missing(dev, store, false)?);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let task = Task::new(cancel, &|_| {});
    let model = registry::load(registry::MOBILE_SAM, task)?;
    let encoder = model.promptable()?;
    let all = missing.len();
    for (at, photo) in missing.iter().enumerate() {
        teller.encoding(at, all, photo.file());
        photo
            .encode(encoder, store, task)
            .map_err(|error| failed(error, &format!("after {at} of {all} photos were encoded")))?;
    }
    teller.clear();
    Ok(())
}

/// Tell what came of it.
fn publish(
    args: &Args,
    run: &Run,
    outcome: &Outcome,
    finished: &Finished,
    sources: &[DataSource],
) -> Result<(), Failure> {
    let (position, config) = (run.position(), run.config());
    let model = finished.folder.display().to_string();
    let samples = (position.step * config.batch) as f64;
    if args.json {
        return print(&json_line(&Report {
            model,
            ended: match outcome.ended {
                Ended::TimeLimit => "time limit",
                Ended::Finished | Ended::Cancelled => "finished",
            },
            step: outcome.step,
            steps: config.steps,
            best_step: outcome.best.map(|(_, step)| step),
            seconds: (position.seconds * 10.0).round() / 10.0,
            images_per_second: (samples / position.seconds.max(1e-9) * 100.0).round() / 100.0,
            parameters: run.parameters(),
            bytes: finished.bytes,
            photos: sources.iter().map(|source| source.photos).sum(),
            validated_on: sources.iter().map(|source| source.dev).sum(),
            validation: finished.validation.as_ref(),
        })?);
    }
    let mut told = finished.validation.as_ref().map_or(String::new(), figures);
    let time = told_time(position.seconds);
    told += &match outcome.ended {
        Ended::TimeLimit => format!(
            "The time was up after step {} of {}, {time} in all; the same command goes on.\n",
            outcome.step, config.steps
        ),
        _ => format!("Trained {} steps in {time}.\n", outcome.step),
    };
    print(&format!("{told}Wrote {model}, which --model takes.\n"))
}

/// IoU of each class of each set.
fn figures(validation: &Validation) -> String {
    let mut told = String::new();
    for set in &validation.sets {
        let names = set.classes.iter().map(|class| class.name.chars().count());
        let width = names.max().unwrap_or(0).max("mean IoU".len());
        told += &format!("{}, {}\n", set.name, counted(set.photos));
        for class in &set.classes {
            let iou = class.iou.map_or("-".to_owned(), |iou| format!("{iou:.3}"));
            told += &format!("  {:<width$}  {iou}\n", class.name);
        }
        told += &format!("  {:<width$}  {:.3}\n", "mean IoU", set.mean_iou);
    }
    told
}
