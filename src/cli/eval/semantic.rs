//! `patchlens eval semantic`: class maps against the truth.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lexopt::Parser;
use serde::Serialize;

use super::folders::{Map, check_output, maps, maps_folder, photos, predicted_maps};
use super::progress::Progress;
use super::table::{Table, counted, three};
use super::translation::{Renamed, Translation, truth_classes};
use super::{check_sizes, figure, folder, publish, required};
use crate::cli::Failure;
use crate::cli::args::value::text;
use crate::cli::args::{Common, Parsed, Word, read};
use crate::cli::classes::{check_count, legend};
use crate::cli::model::{load, picture};
use crate::evaluation::{BoundaryScores, Confusion, TOLERANCE, confusion_chart};
use crate::formats::{PixelMap, picture_png, read_class_map};
use crate::label::{ClassId, Classes, IGNORE};
use crate::models::predict::{Options, segment};
use crate::models::{Capability, LoadedModel};
use crate::photo::{self, Limits};
use crate::task::detached;

/// What to compare.
#[derive(Debug)]
pub struct Args {
    truth: PathBuf,
    predictions: Predictions,
    classes: Option<PathBuf>,
    renamed: Vec<Renamed>,
    output: Option<PathBuf>,
    json: bool,
    limits: Limits,
}

/// Where predictions come from.
#[derive(Debug)]
enum Predictions {
    /// Class maps in a folder.
    Folder(PathBuf),
    /// A model that is shown the photos of a folder.
    Model {
        name: OsString,
        images: PathBuf,
        options: Options,
    },
}

/// Read the words after `eval semantic`; `None` if they ask for help.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Option<Args>> {
    let (mut truth, mut pred, mut images, mut classes) = (None, None, None, None);
    let mut renamed = Vec::new();
    let known = ["max-megapixels", "model", "json", "output", "fit", "size"];
    let help = read(parser, common, &known, &mut |word, parser| {
        match word {
            Word::Option("truth") => truth = folder(parser.value()?),
            Word::Option("pred") => pred = folder(parser.value()?),
            Word::Option("images") => images = folder(parser.value()?),
            Word::Option("classes") => classes = Some(PathBuf::from(parser.value()?)),
            Word::Option("map") => renamed.push(Renamed::parse(&text(parser.value()?, "--map")?)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if help.is_some() {
        return Ok(None);
    }
    let predictions = match (pred, common.model().ok()) {
        (Some(_), Some(_)) => {
            return Err("predictions come from --pred or from --model, not from both".into());
        }
        (None, None) => {
            return Err("name the predictions with --pred, or a model with --model".into());
        }
        (Some(_), None) if images.is_some() || common.options() != Options::default() => {
            return Err("--images, --fit and --size go with --model".into());
        }
        (Some(pred), None) => Predictions::Folder(pred),
        (None, Some(name)) => Predictions::Model {
            name,
            images: required(images, "--images", "photos to show to the model")?,
            options: common.options(),
        },
    };
    Ok(Some(Args {
        truth: required(truth, "--truth", "true class maps")?,
        predictions,
        classes,
        renamed,
        output: common.output_if_any(),
        json: common.json,
        limits: common.limits,
    }))
}

/// Run it.
pub fn run(args: &Args) -> Result<(), Failure> {
    let folder = maps_folder(&args.truth, "labels");
    let inputs = [&args.truth, &folder, args.predictions.folder()];
    check_output(args.output.as_deref(), &inputs.map(PathBuf::as_path))?;
    let truth = maps(&folder, "label PNGs")?;
    let classes = truth_classes(args.classes.as_deref(), &folder)?;
    let source = Source::open(&args.predictions, &truth)?;
    let model = source.model().map(|model| &*model.info.labels);
    let translation = Translation::new(classes.as_ref(), model, &args.renamed)?;
    let mut tally = Tally::new(classes.as_ref());
    let progress = Progress::of(truth.len());
    for (index, map) in truth.iter().enumerate() {
        progress.at(index, &map.path);
        let map = read_truth(&map.path, classes.as_ref(), args)?;
        let size = (&*truth[index].path, (map.width, map.height));
        let prediction = source.prediction(index, size, classes.as_ref(), args)?;
        tally.add(&map, prediction, &translation);
    }
    drop(progress);
    let names = Names {
        classes: classes.as_ref(),
        source: &source,
    };
    let report = Report::new(args, &tally, &names, truth.len());
    let chart = confusion_chart(&tally.confusion, &names.all());
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let size = (side(chart.width()), side(chart.height()));
    let chart = picture_png(size, chart.rgb())?;
    let further = vec![("confusion.png", chart)];
    publish(
        &report,
        &report.told(),
        args.json,
        args.output.as_deref(),
        further,
    )
}

/// A true class map. Its numbers must be those of known classes, if any are.
fn read_truth(
    path: &Path,
    classes: Option<&Classes>,
    args: &Args,
) -> Result<PixelMap<ClassId>, Failure> {
    let background = Classes::only_background();
    let map = read_class_map(path, classes.unwrap_or(&background), &args.limits)?;
    let unknown = |id: &&ClassId| {
        **id != IGNORE && classes.is_some_and(|classes| classes.get(**id).is_none())
    };
    match map.values.iter().find(unknown) {
        None => Ok(map),
        Some(id) => Err(Failure::Sentence(format!(
            "{} holds the class {id}, which is not in the list of classes",
            path.display()
        ))),
    }
}

impl Predictions {
    /// The folder that predictions, or photos for them, are in.
    fn folder(&self) -> &PathBuf {
        match self {
            Self::Folder(folder) => folder,
            Self::Model { images, .. } => images,
        }
    }
}

/// Predictions, one for each map of the truth.
enum Source {
    Files(Vec<PathBuf>),
    Model {
        model: Arc<LoadedModel>,
        photos: Vec<PathBuf>,
        options: Options,
    },
}

impl Source {
    fn open(predictions: &Predictions, truth: &[Map]) -> Result<Self, Failure> {
        match predictions {
            Predictions::Folder(folder) => {
                let folder = maps_folder(folder, "labels");
                Ok(Self::Files(predicted_maps(truth, &folder)?))
            }
            Predictions::Model {
                name,
                images,
                options,
            } => {
                let photos = photos(truth, images)?;
                let model = load(name)?;
                model.needs(Capability::ClassMap)?;
                check_count(&model.info).map_err(Failure::Sentence)?;
                Ok(Self::Model {
                    model,
                    photos,
                    options: options.clone(),
                })
            }
        }
    }

    fn model(&self) -> Option<&LoadedModel> {
        match self {
            Self::Files(_) => None,
            Self::Model { model, .. } => Some(model),
        }
    }

    /// The predicted classes, by their own numbers, for the map number `index`
    /// of the truth, which has this path and size.
    fn prediction(
        &self,
        index: usize,
        truth: (&Path, (u32, u32)),
        classes: Option<&Classes>,
        args: &Args,
    ) -> Result<Vec<ClassId>, Failure> {
        match self {
            Self::Files(files) => {
                let path = &files[index];
                let background = Classes::only_background();
                let map = read_class_map(path, classes.unwrap_or(&background), &args.limits)?;
                check_sizes(truth, (path, (map.width, map.height)))?;
                Ok(map.values)
            }
            Self::Model {
                model,
                photos,
                options,
            } => {
                let path = &photos[index];
                let photo = photo::decode(path, &args.limits)?;
                check_sizes(truth, (path, (photo.width(), photo.height())))?;
                let found = detached(|task| segment(model, picture(&photo), options, task));
                let found = found.map_err(|error| Failure::about(path, &error))?;
                let painted = legend(&found.map, &model.info.labels);
                Ok(painted.map_err(Failure::Sentence)?.ids)
            }
        }
    }
}

/// What has been counted so far.
struct Tally {
    confusion: Confusion,
    boundaries: BoundaryScores,
    /// Pixels that have no truth.
    ignored: u64,
    /// Pixels by their predicted numbers, where those are no class of the truth.
    others: [u64; 256],
}

impl Tally {
    fn new(classes: Option<&Classes>) -> Self {
        let highest = classes.and_then(|classes| classes.iter().next_back());
        let count = highest.map_or(usize::from(IGNORE), |class| usize::from(class.id) + 1);
        Self {
            confusion: Confusion::new(count),
            boundaries: BoundaryScores::new(count, TOLERANCE),
            ignored: 0,
            others: [0; 256],
        }
    }

    fn add(
        &mut self,
        truth: &PixelMap<ClassId>,
        mut prediction: Vec<ClassId>,
        translation: &Translation,
    ) {
        for (truth, predicted) in truth.values.iter().zip(&mut prediction) {
            let class = translation.of(*predicted);
            if *truth == IGNORE {
                self.ignored += 1;
            } else if class == IGNORE {
                self.others[usize::from(*predicted)] += 1;
            }
            *predicted = class;
        }
        let width = truth.width as usize;
        self.confusion.add(&truth.values, &prediction);
        self.boundaries.add(&truth.values, &prediction, width);
    }
}

/// What classes are called.
struct Names<'a> {
    classes: Option<&'a Classes>,
    source: &'a Source,
}

impl Names<'_> {
    /// A class of the truth.
    fn truth(&self, id: usize) -> String {
        let listed = ClassId::try_from(id)
            .ok()
            .and_then(|id| self.classes?.get(id));
        match listed {
            Some(class) => class.name.clone(),
            None => self.predicted(id),
        }
    }

    /// A class of the predictions.
    fn predicted(&self, id: usize) -> String {
        let model = self.source.model();
        model.map_or_else(|| format!("class {id}"), |model| model.info.labels.name(id))
    }

    /// All that a class map can hold.
    fn all(&self) -> Vec<String> {
        (0..usize::from(IGNORE)).map(|id| self.truth(id)).collect()
    }
}

/// What `--json` prints and `eval.json` holds.
#[derive(Serialize)]
struct Report {
    truth: String,
    predictions: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    photos: usize,
    pixels: u64,
    ignored: u64,
    mean_iou: Option<f64>,
    pixel_accuracy: Option<f64>,
    boundary_f: Option<f64>,
    /// As a share of the photo's diagonal.
    boundary_tolerance: f64,
    classes: Vec<ClassReport>,
    /// Predicted classes that are none of the truth's.
    others: Vec<OtherReport>,
    confusion: Matrix,
}

#[derive(Serialize)]
struct ClassReport {
    id: usize,
    name: String,
    iou: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    boundary_f: Option<f64>,
    truth_pixels: u64,
    predicted_pixels: u64,
}

#[derive(Serialize)]
struct OtherReport {
    id: usize,
    name: String,
    pixels: u64,
}

/// The confusion of the classes that occur.
#[derive(Serialize)]
struct Matrix {
    ids: Vec<usize>,
    /// A row for each class of the truth, a column for each of the prediction.
    counts: Vec<Vec<u64>>,
    /// For each class of the truth, pixels that were given no class of it.
    missed: Vec<u64>,
}

impl Report {
    fn new(args: &Args, tally: &Tally, names: &Names<'_>, photos: usize) -> Self {
        let confusion = &tally.confusion;
        let ids: Vec<usize> = (0..confusion.classes())
            .filter(|class| confusion.occurs(*class))
            .collect();
        let class = |id: &usize| ClassReport {
            id: *id,
            name: names.truth(*id),
            iou: confusion.iou(*id).map(figure),
            precision: confusion.precision(*id).map(figure),
            recall: confusion.recall(*id).map(figure),
            boundary_f: tally.boundaries.f_score(*id).map(figure),
            truth_pixels: confusion.truth_pixels(*id),
            predicted_pixels: confusion.predicted_pixels(*id),
        };
        let others = tally.others.iter().copied().enumerate();
        let others = others.filter(|(_, pixels)| *pixels > 0);
        let row = |truth: &usize| ids.iter().map(|id| confusion.count(*truth, *id)).collect();
        let model = match &args.predictions {
            Predictions::Folder(_) => None,
            Predictions::Model { name, .. } => Some(name.to_string_lossy().into_owned()),
        };
        Self {
            truth: args.truth.to_string_lossy().into_owned(),
            predictions: args.predictions.folder().to_string_lossy().into_owned(),
            model,
            photos,
            pixels: confusion.pixels(),
            ignored: tally.ignored,
            mean_iou: confusion.mean_iou().map(figure),
            pixel_accuracy: confusion.pixel_accuracy().map(figure),
            boundary_f: tally.boundaries.mean().map(figure),
            boundary_tolerance: TOLERANCE,
            classes: ids.iter().map(class).collect(),
            others: others
                .map(|(id, pixels)| OtherReport {
                    id,
                    name: other_name(names, id),
                    pixels,
                })
                .collect(),
            confusion: Matrix {
                counts: ids.iter().map(row).collect(),
                missed: ids.iter().map(|id| confusion.missed(*id)).collect(),
                ids,
            },
        }
    }

    /// For people: a table.
    fn told(&self) -> String {
        let heads = [
            "class",
            "IoU",
            "precision",
            "recall",
            "boundary F",
            "pixels",
        ];
        let mut table = Table::new(&heads);
        let percent = |pixels: u64| 100.0 * pixels as f64 / self.pixels.max(1) as f64;
        for class in &self.classes {
            table.row([
                class.name.clone(),
                three(class.iou),
                three(class.precision),
                three(class.recall),
                three(class.boundary_f),
                format!("{:.2} %", percent(class.truth_pixels)),
            ]);
        }
        let (mean, boundary) = (three(self.mean_iou), three(self.boundary_f));
        let empty = String::new;
        table.row(["mean".to_owned(), mean, empty(), empty(), boundary]);
        let mut told = table.lines();
        let other = |other: &OtherReport| format!("{} {:.2} %", other.name, percent(other.pixels));
        if !self.others.is_empty() {
            let others: Vec<String> = self.others.iter().map(other).collect();
            told += &format!(
                "Predicted, but no class of the truth: {}.\n",
                others.join(", ")
            );
        }
        let (photos, accuracy) = (counted(self.photos, "photo"), three(self.pixel_accuracy));
        told += &format!("{photos}, pixel accuracy {accuracy}");
        if self.ignored > 0 {
            told += &format!(", {} ignored", counted(self.ignored as usize, "pixel"));
        }
        told + ".\n"
    }
}

fn other_name(names: &Names<'_>, id: usize) -> String {
    if id == usize::from(IGNORE) {
        "no class".to_owned()
    } else {
        names.predicted(id)
    }
}
