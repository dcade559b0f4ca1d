//! `patchlens predict`: a class for each pixel of photos.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Instant;

use lexopt::Parser;
use serde::Serialize;

use super::args::{Action, Common, Parsed, Word, read};
use super::classes::{ClassPixels, Legend, check_count, legend, palette};
use super::model::{load, picture};
use super::output::{check_folder, create_folder, each, json_line, milliseconds, print};
use super::photos::{Named, Taken, expanded, named};
use super::tensors::channels_first;
use super::{Failure, help};
use crate::attention::npy;
use crate::formats::{IndexedPicture, Protected, masks_png, write_files};
use crate::label::Mask;
use crate::models::predict::{Framing, Options, Semantic, segment};
use crate::models::{Capability, LoadedModel, ModelError, Output};
use crate::nn::Values;
use crate::photo::{self, Limits, Photo};
use crate::task::detached;

/// Opacity of the classes in an overlay.
const OPACITY: f32 = 0.5;
/// The folder of the regions, in that of the class maps.
const INSTANCES: &str = "instances";
/// How many classes are told of a photo.
const TOLD: usize = 4;

/// What to predict.
#[derive(Debug)]
pub struct Args {
    /// Photos and folders of photos.
    pub images: Vec<PathBuf>,
    /// The model.
    pub model: OsString,
    /// How to show photos to it.
    pub options: Options,
    /// The folder to write into.
    pub folder: PathBuf,
    /// Which of the photos to take.
    pub shard: Shard,
    /// Write the photo with the classes over it, too.
    pub overlay: bool,
    /// Write the regions one by one, too.
    pub instances: bool,
    /// Write the scores, too.
    pub npy: bool,
    /// Print a JSON object for each photo.
    pub json: bool,
    /// What decoding may use.
    pub limits: Limits,
}

/// A part of the photos: every `count`-th.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// All photos.
    const ALL: Self = Self { index: 0, count: 1 };

    /// `I/N`. Counting from 1 to N or from 0 to N - 1, all shards together are
    /// all photos: N and 0 are the same one.
    fn parse(value: &OsStr) -> Parsed<Self> {
        let text = value.to_str().unwrap_or_default();
        let number = |text: &str| text.parse::<usize>().ok();
        let numbers = text.split_once('/');
        let numbers = numbers.and_then(|(i, n)| number(i).zip(number(n)));
        match numbers {
            Some((index, count)) if count > 0 && index <= count => Ok(Self {
                index: index % count,
                count,
            }),
            _ => Err(format!("--shard is I/N with I from 1 to N, not {value:?}").into()),
        }
    }

    /// Whether the photo at `place` is one of this part.
    fn has(self, place: usize) -> bool {
        place % self.count == self.index
    }
}

/// Read the words after `predict`.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    let (mut images, mut shard) = (Vec::new(), Shard::ALL);
    let (mut overlay, mut instances, mut npy) = (false, false, false);
    let known = ["max-megapixels", "model", "json", "output", "fit", "size"];
    let help = read(parser, common, &known, &mut |word, parser| {
        match word {
            Word::Option("shard") => shard = Shard::parse(&parser.value()?)?,
            Word::Option("overlay") => overlay = true,
            Word::Option("instances") => instances = true,
            Word::Option("npy") => npy = true,
            Word::Plain(word) => images.push(PathBuf::from(word)),
            Word::Option(_) => return Ok(false),
        }
        Ok(true)
    })?;
    if help.is_some() {
        return Ok(Action::Help(help::PREDICT));
    }
    if images.is_empty() {
        return Err("name the photos or folders to predict".into());
    }
    let options = common.options();
    if npy && options.framing == Framing::Slide {
        return Err(
            "--fit slide blends the scores of many tiles, so --npy has none to write".into(),
        );
    }
    Ok(Action::Predict(Args {
        images,
        model: common.model()?,
        options,
        folder: common.output()?,
        shard,
        overlay,
        instances,
        npy,
        json: common.json,
        limits: common.limits,
    }))
}

/// The files that are made of a photo.
struct Files {
    labels: PathBuf,
    legend: PathBuf,
    overlay: Option<PathBuf>,
    /// In a folder of their own, as `eval instances` takes them.
    instances: Option<PathBuf>,
    npy: Option<PathBuf>,
}

impl Files {
    fn of(photo: &Named, args: &Args) -> Self {
        let file = |ending: &str| photo.file(&args.folder, ending);
        Self {
            labels: file(".png"),
            legend: file(".json"),
            overlay: args.overlay.then(|| file(".overlay.png")),
            instances: args
                .instances
                .then(|| photo.file(&args.folder.join(INSTANCES), ".png")),
            npy: args.npy.then(|| file(".npy")),
        }
    }

    fn all(&self) -> Vec<PathBuf> {
        let further = [&self.overlay, &self.instances, &self.npy]
            .into_iter()
            .flatten();
        [&self.labels, &self.legend]
            .into_iter()
            .chain(further)
            .cloned()
            .collect()
    }
}

/// `NAME.json`: what the numbers in `NAME.png` mean.
#[derive(Serialize)]
struct LegendFile<'a> {
    image: &'a str,
    model: &'a str,
    title: &'a str,
    fit: &'static str,
    /// Height and width in pixels.
    size: [u32; 2],
    /// The number of pixels that the model has not looked at.
    ignore: u8,
    /// How many those are.
    unseen: u64,
    classes: &'a [ClassPixels],
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    legend: &'a LegendFile<'a>,
    labels: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlay: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instances: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    npy: Option<String>,
    predict_ms: f64,
}

/// Run the subcommand: every photo is tried.
pub fn run(args: &Args) -> Result<(), Failure> {
    check_folder(&args.folder)?;
    // Named before they are shared out, so that no two shards use one name.
    let photos = named(expanded(&args.images)?);
    let protected = Protected::of(photos.iter().map(|named| named.photo.as_path()));
    let model = load(&args.model)?;
    model.needs(Capability::ClassMap)?;
    check_count(&model.info).map_err(Failure::Sentence)?;
    let mut taken = Taken::default();
    each(photos.iter().enumerate(), |(place, photo)| {
        let files = Files::of(photo, args);
        let promised = taken.take(&photo.photo, &files.all());
        if !args.shard.has(place) {
            return Ok(());
        }
        promised?;
        for file in files.all() {
            protected.check(&file)?;
        }
        one(&model, &photo.photo, &files, args)
    })
}

fn one(model: &LoadedModel, image: &Path, files: &Files, args: &Args) -> Result<(), Failure> {
    let photo = photo::decode(image, &args.limits)?;
    let start = Instant::now();
    let found = detached(|task| segment(model, picture(&photo), &args.options, task));
    let found = found.map_err(|error| Failure::about(image, &error))?;
    let elapsed = start.elapsed();
    let painted = legend(&found.map, &model.info.labels).map_err(Failure::Sentence)?;
    let (shown, name) = (image.to_string_lossy(), args.model.to_string_lossy());
    let about = LegendFile {
        image: &shown,
        model: &name,
        title: &model.info.title,
        fit: args.options.framing.name(),
        size: [photo.height(), photo.width()],
        ignore: crate::label::IGNORE,
        unseen: painted.unseen,
        classes: &painted.classes,
    };
    let contents = contents(model, &photo, files, &found, &painted, &about)?;
    create_folder(&args.folder)?;
    if args.instances {
        create_folder(&args.folder.join(INSTANCES))?;
    }
    write_files(&contents)?;
    if !args.json {
        return print(&told(&files.labels, &painted, &photo));
    }
    let path = |path: &PathBuf| path.to_string_lossy().into_owned();
    print(&json_line(&Report {
        legend: &about,
        labels: path(&files.labels),
        overlay: files.overlay.as_ref().map(path),
        instances: files.instances.as_ref().map(path),
        npy: files.npy.as_ref().map(path),
        predict_ms: milliseconds(elapsed),
    })?)
}

/// The files' contents; the legend last, since it says what the others mean.
fn contents(
    model: &LoadedModel,
    photo: &Photo,
    files: &Files,
    found: &Semantic,
    painted: &Legend,
    about: &LegendFile<'_>,
) -> Result<Vec<(PathBuf, Vec<u8>)>, Failure> {
    let colors = palette(&model.info.labels);
    let picture = IndexedPicture {
        size: (photo.width(), photo.height()),
        ids: &painted.ids,
        colors: &colors,
    };
    let mut contents = vec![(files.labels.clone(), picture.png()?)];
    if let Some(path) = &files.overlay {
        contents.push((path.clone(), picture.over(photo, OPACITY)?));
    }
    if let Some(path) = &files.instances {
        contents.push((path.clone(), masks_png(picture.size, &regions(found))?));
    }
    if let Some(path) = &files.npy {
        contents.push((path.clone(), scores(model, found)?));
    }
    contents.push((files.legend.clone(), json_line(about)?.into_bytes()));
    Ok(contents)
}

/// The regions of all classes but the background, class by class.
fn regions(found: &Semantic) -> Vec<Mask> {
    let classes = found.map.masks().into_iter().filter(|class| class.id != 0);
    classes.flat_map(|class| found.regions(&class)).collect()
}

/// The model's scores, (1, classes, rows, columns).
fn scores(model: &LoadedModel, found: &Semantic) -> Result<Vec<u8>, Failure> {
    let output = found.observation.as_ref().map(|seen| &seen.run.output);
    let Some(Output::Dense(dense)) = output else {
        let title = &model.info.title;
        return Err(Failure::Sentence(format!(
            "{title} gave no scores that could be written"
        )));
    };
    let values = Values::of(&dense.logits).map_err(ModelError::from)?;
    let (shape, values) = channels_first(dense.logits.dims(), &values);
    Ok(npy(&shape, &values)?)
}

/// For people: the file and the largest classes.
fn told(file: &Path, painted: &Legend, photo: &Photo) -> String {
    let all = f64::from(photo.width()) * f64::from(photo.height());
    let mut classes: Vec<&ClassPixels> = painted.classes.iter().collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.pixels));
    let share = |class: &&ClassPixels| {
        let percent = 100.0 * class.pixels as f64 / all;
        format!("{} {percent:.1} %", class.name)
    };
    let mut shares: Vec<String> = classes.iter().take(TOLD).map(share).collect();
    if classes.len() > TOLD {
        shares.push(format!("{} more", classes.len() - TOLD));
    }
    if painted.unseen > 0 {
        let percent = 100.0 * painted.unseen as f64 / all;
        shares.push(format!("{percent:.1} % not seen by the model, see --fit"));
    }
    format!("Wrote {}: {}.\n", file.display(), shares.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_a_partition_counted_from_0_or_1() {
        let part = |text: &str| Shard::parse(OsStr::new(text));
        for first in [0, 1] {
            let shards: Vec<Shard> = (first..first + 3)
                .map(|i| part(&format!("{i}/3")).unwrap())
                .collect();
            for place in 0..10 {
                let takers = shards.iter().filter(|shard| shard.has(place)).count();
                assert_eq!(takers, 1, "photo {place}");
            }
        }
        assert!((0..9).all(|place| Shard::ALL.has(place)));
        for wrong in ["", "1", "1/0", "4/3", "-1/3", "1/x", "1/2/3"] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }
}
