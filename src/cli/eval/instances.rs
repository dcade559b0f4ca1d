//! `patchlens eval instances`: instance maps against the truth.

use std::path::PathBuf;

use lexopt::Parser;
use serde::Serialize;

use super::folders::{Map, check_output, maps, maps_folder, predicted_maps};
use super::progress::Progress;
use super::table::{Table, counted, three};
use super::{check_sizes, figure, folder, publish, required};
use crate::cli::Failure;
use crate::cli::args::{Common, Parsed, Word, read};
use crate::evaluation::{InstanceScore, THRESHOLDS, dsb_average_precision};
use crate::formats::read_instance_map;
use crate::photo::Limits;

/// What to compare.
#[derive(Debug)]
pub struct Args {
    truth: PathBuf,
    pred: PathBuf,
    output: Option<PathBuf>,
    json: bool,
    limits: Limits,
}

/// Read the words after `eval instances`; `None` if they ask for help.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Option<Args>> {
    let (mut truth, mut pred) = (None, None);
    let known = ["max-megapixels", "json", "output"];
    let help = read(parser, common, &known, &mut |word, parser| {
        match word {
            Word::Option("truth") => truth = folder(parser.value()?),
            Word::Option("pred") => pred = folder(parser.value()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if help.is_some() {
        return Ok(None);
    }
    Ok(Some(Args {
        truth: required(truth, "--truth", "true instance maps")?,
        pred: required(pred, "--pred", "predicted instance maps")?,
        output: common.output_if_any(),
        json: common.json,
        limits: common.limits,
    }))
}

/// Run it.
pub fn run(args: &Args) -> Result<(), Failure> {
    let [folder, pred] = [&args.truth, &args.pred].map(|folder| maps_folder(folder, "instances"));
    let inputs = [&*args.truth, &folder, &args.pred, &pred];
    check_output(args.output.as_deref(), &inputs)?;
    let truth = maps(&folder, "instance PNGs")?;
    let predictions = predicted_maps(&truth, &pred)?;
    let progress = Progress::of(truth.len());
    let mut scores = Vec::with_capacity(truth.len());
    for (index, (map, path)) in truth.iter().zip(&predictions).enumerate() {
        progress.at(index, &map.path);
        let own = read_instance_map(&map.path, &args.limits)?;
        let other = read_instance_map(path, &args.limits)?;
        let (size, of_other) = ((own.width, own.height), (other.width, other.height));
        check_sizes((&map.path, size), (path, of_other))?;
        scores.push(InstanceScore::of(&own.values, &other.values));
    }
    drop(progress);
    let report = Report::new(args, &truth, &scores);
    let output = args.output.as_deref();
    publish(&report, &report.told(), args.json, output, Vec::new())
}

/// What `--json` prints and `eval.json` holds.
#[derive(Serialize)]
struct Report {
    truth: String,
    predictions: String,
    photos: usize,
    /// Objects of the truth, and of the predictions.
    objects: [usize; 2],
    average_precision: Option<f64>,
    thresholds: Vec<ThresholdReport>,
    scores: Vec<PhotoReport>,
}

#[derive(Serialize)]
struct ThresholdReport {
    iou: f64,
    /// The mean over photos.
    precision: f64,
    /// Objects found, over all photos.
    found: usize,
}

#[derive(Serialize)]
struct PhotoReport {
    name: String,
    average_precision: f64,
    objects: [usize; 2],
}

impl Report {
    fn new(args: &Args, truth: &[Map], scores: &[InstanceScore]) -> Self {
        let sum = |count: fn(&InstanceScore) -> usize| scores.iter().map(count).sum();
        let threshold = |(step, iou): (usize, &f64)| {
            let precisions = scores.iter().map(|score| score.precisions()[step]);
            ThresholdReport {
                iou: *iou,
                precision: figure(precisions.sum::<f64>() / scores.len().max(1) as f64),
                found: scores.iter().map(|score| score.found[step]).sum(),
            }
        };
        let photo = |(map, score): (&Map, &InstanceScore)| PhotoReport {
            name: map.name.to_string_lossy().into_owned(),
            average_precision: figure(score.average_precision()),
            objects: [score.truths, score.predictions],
        };
        Self {
            truth: args.truth.to_string_lossy().into_owned(),
            predictions: args.pred.to_string_lossy().into_owned(),
            photos: scores.len(),
            objects: [sum(|score| score.truths), sum(|score| score.predictions)],
            average_precision: dsb_average_precision(scores).map(figure),
            thresholds: THRESHOLDS.iter().enumerate().map(threshold).collect(),
            scores: truth.iter().zip(scores).map(photo).collect(),
        }
    }

    /// For people: a table.
    fn told(&self) -> String {
        let mut table = Table::new(&["IoU above", "precision", "found"]);
        for threshold in &self.thresholds {
            table.row([
                format!("{:.2}", threshold.iou),
                three(Some(threshold.precision)),
                threshold.found.to_string(),
            ]);
        }
        table.row(["mean".to_owned(), three(self.average_precision)]);
        let [truths, predictions] = self.objects;
        format!(
            "{}{}, {}, {predictions} predicted.\n",
            table.lines(),
            counted(self.photos, "photo"),
            counted(truths, "object")
        )
    }
}
