//! `patchlens eval clicks`: how many clicks objects take.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lexopt::Parser;
use serde::Serialize;

use super::folders::{Map, check_output, maps, object_name, photos};
use super::progress::Progress;
use super::table::{Table, counted, three};
use super::{check_sizes, figure, folder, publish, required};
use crate::cli::Failure;
use crate::cli::args::value::whole;
use crate::cli::args::{Common, Parsed, Word, read};
use crate::cli::model::load;
use crate::cli::output::milliseconds;
use crate::evaluation::{
    Click, ClickOptions, ClickTarget, ClickTrace, click_through, mean_iou_after, number_of_clicks,
};
use crate::formats::read_instance_map;
use crate::label::Mask;
use crate::models::{Capability, Encoding, ModelError, Prompt, PromptPoint, PromptableModel};
use crate::nn::Watch;
use crate::photo::{self, Limits};
use crate::task::detached;

/// The intersections over union to which clicks are counted.
const TARGETS: [f64; 2] = [0.85, 0.9];
/// The numbers of clicks after which the intersection over union is told.
const AFTER: [usize; 4] = [1, 2, 3, 5];
/// More points than models take in one prompt.
const MOST_CLICKS: u32 = 256;

/// What to click.
#[derive(Debug)]
pub struct Args {
    images: PathBuf,
    masks: PathBuf,
    model: OsString,
    max_clicks: usize,
    /// Whether the mask before is given to the model with each further click.
    prior: bool,
    output: Option<PathBuf>,
    json: bool,
    limits: Limits,
}

/// Read the words after `eval clicks`; `None` if they ask for help.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Option<Args>> {
    let (mut images, mut masks) = (None, None);
    let (mut max_clicks, mut prior) = (ClickOptions::default().max_clicks, true);
    let known = ["max-megapixels", "model", "json", "output"];
    let help = read(parser, common, &known, &mut |word, parser| {
        match word {
            Word::Option("images") => images = folder(parser.value()?),
            Word::Option("masks") => masks = folder(parser.value()?),
            Word::Option("no-prior") => prior = false,
            Word::Option("max-clicks") => {
                let count = whole(&parser.value()?, "--max-clicks")?;
                if count > MOST_CLICKS {
                    return Err(format!("--max-clicks is at most {MOST_CLICKS}").into());
                }
                max_clicks = count as usize;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if help.is_some() {
        return Ok(None);
    }
    Ok(Some(Args {
        images: required(images, "--images", "photos")?,
        masks: required(masks, "--masks", "masks, NAME__K.png")?,
        model: common.model_or_default(),
        max_clicks,
        prior,
        output: common.output_if_any(),
        json: common.json,
        limits: common.limits,
    }))
}

/// Run it.
pub fn run(args: &Args) -> Result<(), Failure> {
    check_output(args.output.as_deref(), &[&args.images, &args.masks])?;
    let masks = maps(&args.masks, "masks")?;
    let objects = objects(&masks, &args.images)?;
    let model = load(&args.model)?;
    model.needs(Capability::Prompts)?;
    let mut robot = Robot::new(model.promptable()?, args);
    let progress = Progress::of(masks.len());
    let mut traces = Vec::with_capacity(masks.len());
    // One photo's masks stand together, so each photo is encoded once.
    for group in objects.chunk_by(|a, b| a.photo == b.photo) {
        let encoding = robot.encode(&group[0].photo)?;
        for object in group {
            progress.at(traces.len(), &object.mask);
            traces.push(robot.click(object, &encoding)?);
        }
    }
    drop(progress);
    let title = &model.info.title;
    let report = Report::new(args, title, &objects, &traces, &robot);
    let output = args.output.as_deref();
    publish(&report, &report.told(), args.json, output, Vec::new())
}

/// A mask and the photo that it is of.
struct Object {
    mask: PathBuf,
    photo: PathBuf,
}

/// The objects of all masks, photo by photo.
fn objects(masks: &[Map], images: &Path) -> Result<Vec<Object>, Failure> {
    let mut named = Vec::with_capacity(masks.len());
    for map in masks {
        let Some((photo, _)) = object_name(&map.name) else {
            return Err(Failure::Sentence(format!(
                "{} is not named NAME__K.png, after its photo and with a number",
                map.path.display()
            )));
        };
        // Named like the photo, so that its photo is found.
        named.push(Map {
            path: map.path.clone(),
            name: photo.into(),
        });
    }
    let photos = photos(&named, images)?;
    let mut objects: Vec<Object> = named
        .into_iter()
        .zip(photos)
        .map(|(map, photo)| Object {
            mask: map.path,
            photo,
        })
        .collect();
    // Stable: masks stay in natural order within their photo.
    objects.sort_by(|a, b| a.photo.cmp(&b.photo));
    Ok(objects)
}

/// A model, and how long it took.
struct Robot<'a> {
    model: &'a PromptableModel,
    args: &'a Args,
    options: ClickOptions,
    photos: usize,
    encoding: Duration,
    clicks: usize,
    clicking: Duration,
}

impl<'a> Robot<'a> {
    fn new(model: &'a PromptableModel, args: &'a Args) -> Self {
        let options = ClickOptions {
            max_clicks: args.max_clicks,
            ..ClickOptions::default()
        };
        Self {
            model,
            args,
            options,
            photos: 0,
            encoding: Duration::ZERO,
            clicks: 0,
            clicking: Duration::ZERO,
        }
    }

    fn encode(&mut self, path: &Path) -> Result<Encoding, Failure> {
        let photo = photo::decode(path, &self.args.limits)?;
        let start = Instant::now();
        let (rgb, width, height) = (photo.rgb(), photo.width(), photo.height());
        let encoding = detached(|task| {
            self.model
                .encode(rgb, width, height, &Watch::default(), task)
        });
        let encoding = encoding.map_err(|error| Failure::about(path, &error))?;
        self.photos += 1;
        self.encoding += start.elapsed();
        Ok(encoding)
    }

    fn click(&mut self, object: &Object, encoding: &Encoding) -> Result<ClickTrace, Failure> {
        let target = self.target(object, encoding)?;
        let (model, use_prior) = (self.model, self.args.prior);
        let mut prior = None;
        let mut time = Duration::ZERO;
        let segment = |clicks: &[Click]| -> Result<Mask, ModelError> {
            let start = Instant::now();
            let prompt = Prompt {
                points: clicks.iter().map(point).collect(),
                bbox: None,
                mask: prior.take(),
            };
            let mut found = model.decode(encoding, &prompt, &Watch::default())?;
            let best = found.candidates.swap_remove(found.best);
            let mask = best.mask(encoding);
            prior = use_prior.then_some(best.low_res);
            time += start.elapsed();
            Ok(mask)
        };
        let trace = click_through(&target, &self.options, segment);
        let trace = trace.map_err(|error| Failure::about(&object.photo, &error))?;
        self.clicks += trace.clicks.len();
        self.clicking += time;
        Ok(trace)
    }

    fn target(&self, object: &Object, encoding: &Encoding) -> Result<ClickTarget, Failure> {
        let path = &object.mask;
        let map = read_instance_map(path, &self.args.limits)?;
        let (size, photo) = (
            (map.width, map.height),
            (encoding.width(), encoding.height()),
        );
        check_sizes((path, size), (&object.photo, photo))?;
        ClickTarget::new(map.width, map.height, &map.values)
            .map_err(|error| Failure::Sentence(format!("{} is no mask: {error}", path.display())))
    }
}

/// The middle of a pixel, which is where models count from.
fn point(click: &Click) -> PromptPoint {
    PromptPoint {
        x: click.x as f32,
        y: click.y as f32,
        positive: click.positive,
    }
}

/// What `--json` prints and `eval.json` holds.
#[derive(Serialize)]
struct Report {
    images: String,
    masks: String,
    model: String,
    #[serde(skip)]
    title: String,
    /// Whether the mask before was given to the model with each further click.
    prior: bool,
    photos: usize,
    objects: usize,
    max_clicks: usize,
    noc: Vec<TargetReport>,
    mean_iou: Vec<AfterReport>,
    encode_ms: f64,
    click_ms: f64,
    traces: Vec<ObjectReport>,
}

/// The mean number of clicks to an intersection over union.
#[derive(Serialize)]
struct TargetReport {
    iou: f64,
    clicks: f64,
    /// Objects that did not reach it.
    failed: usize,
}

#[derive(Serialize)]
struct AfterReport {
    clicks: usize,
    iou: f64,
}

#[derive(Serialize)]
struct ObjectReport {
    mask: String,
    /// After each click.
    ious: Vec<f64>,
    /// x, y, and 1 for a positive click.
    clicks: Vec<[u32; 3]>,
}

impl Report {
    fn new(
        args: &Args,
        title: &str,
        objects: &[Object],
        traces: &[ClickTrace],
        robot: &Robot<'_>,
    ) -> Self {
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let target = |iou: f64| {
            let found = number_of_clicks(traces, iou, args.max_clicks);
            let report = |(clicks, failed)| TargetReport {
                iou,
                clicks: figure(clicks),
                failed,
            };
            found.map(report)
        };
        let after = |clicks: usize| {
            let iou = figure(mean_iou_after(traces, clicks)?);
            Some(AfterReport { clicks, iou })
        };
        let object = |(object, trace): (&Object, &ClickTrace)| ObjectReport {
            mask: shown(&object.mask),
            ious: trace.ious.iter().copied().map(figure).collect(),
            clicks: trace
                .clicks
                .iter()
                .map(|click| [click.x, click.y, u32::from(click.positive)])
                .collect(),
        };
        let each = |time: Duration, count: usize| milliseconds(time / count.max(1) as u32);
        let asked = AFTER
            .into_iter()
            .filter(|clicks| *clicks <= args.max_clicks);
        Self {
            images: shown(&args.images),
            masks: shown(&args.masks),
            model: args.model.to_string_lossy().into_owned(),
            title: title.to_owned(),
            prior: args.prior,
            photos: robot.photos,
            objects: objects.len(),
            max_clicks: args.max_clicks,
            noc: TARGETS.into_iter().filter_map(target).collect(),
            mean_iou: asked.filter_map(after).collect(),
            encode_ms: each(robot.encoding, robot.photos),
            click_ms: each(robot.clicking, robot.clicks),
            traces: objects.iter().zip(traces).map(object).collect(),
        }
    }

    /// For people: two tables.
    fn told(&self) -> String {
        let mut clicks = Table::new(&["to IoU", "clicks", "not reached"]);
        for target in &self.noc {
            let share = format!("{} of {}", target.failed, self.objects);
            clicks.row([
                format!("{:.2}", target.iou),
                format!("{:.2}", target.clicks),
                share,
            ]);
        }
        let mut ious = Table::new(&["clicks", "mean IoU"]);
        for after in &self.mean_iou {
            ious.row([after.clicks.to_string(), three(Some(after.iou))]);
        }
        format!(
            "{}\n{}{} on {} with {}, at most {} each.\n{:.0} ms a photo, {:.0} ms a click.\n",
            clicks.lines(),
            ious.lines(),
            counted(self.objects, "object"),
            counted(self.photos, "photo"),
            self.title,
            counted(self.max_clicks, "click"),
            self.encode_ms,
            self.click_ms
        )
    }
}
