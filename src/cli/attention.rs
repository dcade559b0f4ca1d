//! `patchlens attention`: where a model looks.

mod args;
mod draw;
mod find;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Failure;
use super::layers::Layers;
use super::model::check_options;
use super::output::{check_folder_of, json_line, milliseconds, print};
use crate::attention::{
    AttentionError, Guide, Heatmap, Report, Subject, TokenMask, attentions_npy, blocky, maps_npy,
    mass_threshold, npy,
};
use crate::formats::{Protected, write_files};
use crate::label::Mask;
use crate::models::predict::Options;
use crate::nn::Capture;
use crate::photo::{self, Photo};
use crate::task::detached;
use crate::worker::{Engine, ModelEngine, unwatched};
pub use args::{Args, parse};
use args::{Mass, What};
use draw::mask_png;
use find::Found;

/// What `--json` prints.
#[derive(Serialize)]
struct Printed {
    image: String,
    #[serde(flatten)]
    reports: Reports,
    /// The class whose score is explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mass: Option<MassReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    npy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matrix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mask: Option<String>,
    encode_ms: f64,
    attention_ms: f64,
}

/// What the rows are of.
#[derive(Serialize)]
#[serde(untagged)]
enum Reports {
    One(Box<Report>),
    All { all_layers: Vec<Report> },
}

/// The mask of a share of the attention.
#[derive(Serialize)]
struct MassReport {
    /// The share.
    share: f32,
    /// How many tokens hold it.
    tokens: usize,
    /// Pixels of the mask.
    area: u64,
}

/// A mask, with the tokens that it was made of.
struct Held {
    tokens: TokenMask,
    mask: Mask,
}

impl Held {
    /// The tokens of `map` that hold that share of the attention, as pixels.
    fn of(map: &Heatmap, mass: Mass, found: &Found<'_>, photo: &Photo) -> Result<Self, Failure> {
        let tokens = mass_threshold(map, mass.share);
        let size = (photo.width() as usize, photo.height() as usize);
        let mask = if mass.blocky {
            blocky(&tokens, found.view, size)
        } else {
            detached(|task| {
                let guide = Guide::new(photo.rgb(), size, task)?;
                guide.refine(&tokens.heatmap(), found.view, task)
            })?
        };
        Ok(Self { tokens, mask })
    }
}

/// Run the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let protected = Protected::of([args.image.as_path()]);
    for file in args.files.all() {
        check_folder_of(file)?;
        protected.check(file)?;
    }
    let photo = Arc::new(photo::decode(&args.image, &args.limits)?);
    let options = Options {
        capture: Capture::QueriesAndKeys,
        ..args.options.clone()
    };
    let mut engine = ModelEngine::new(&args.model);
    let (observed, encode) = unwatched(|steps| {
        let info = engine.load_model(&args.model, steps)?;
        check_options(&info, &options).map_err(Failure::Sentence)?;
        let start = Instant::now();
        let observed = engine.observe(&photo, &args.model, &options, steps)?;
        Ok::<_, Failure>((observed, start.elapsed()))
    })?;
    let layers = Layers::of(&observed, &photo).map_err(Failure::Sentence)?;
    let start = Instant::now();
    let found = Found::all(&layers, (&observed, &photo), args)?;
    let times = (encode, start.elapsed());
    let held = held(args, &found, &photo)?;
    write(args, &found, held.as_ref(), &photo)?;
    print(&if args.json {
        let title = &observed.model.info.title;
        let reports = reports(args, (title, layers.count()), &found, &photo)?;
        let class = found.first().and_then(|found| found.class.clone());
        json_line(&Printed {
            class,
            ..printed(args, reports, held.as_ref(), times)
        })?
    } else {
        told(args, &found)
    })
}

/// The mask, if one is asked for.
fn held(args: &Args, found: &[Found<'_>], photo: &Photo) -> Result<Option<Held>, Failure> {
    let (Some(mass), Some(found)) = (args.mass, found.first()) else {
        return Ok(None);
    };
    let map = found.shown()?;
    map.map(|map| Held::of(&map, mass, found, photo))
        .transpose()
}

/// All files, or none of them.
fn write(
    args: &Args,
    found: &[Found<'_>],
    held: Option<&Held>,
    photo: &Photo,
) -> Result<(), Failure> {
    let mut written = Vec::new();
    let files = &args.files;
    let mask = held.map(|held| &held.mask);
    if let Some(path) = &files.output {
        let png = match (&args.what, found) {
            (What::Grid { .. }, _) => args.look.sheet(found, photo)?,
            (_, [one, ..]) => args.look.picture(one, mask, photo)?,
            _ => return Err(nothing()),
        };
        written.push((path.clone(), png));
    }
    if let Some((path, mask)) = files.mask.as_ref().zip(mask) {
        written.push((path.clone(), mask_png(mask, photo)?));
    }
    if let Some(path) = &files.npy {
        let maps = found.first().ok_or_else(nothing)?.maps()?;
        written.push((path.clone(), numbers(&args.what, &maps)?));
    }
    if let Some(path) = &files.matrix {
        let record = found.first().ok_or_else(nothing)?.record;
        written.push((path.clone(), attentions_npy(record)?));
    }
    Ok(write_files(&written)?)
}

fn nothing() -> Failure {
    Failure::Sentence("there is nothing to draw".to_owned())
}

/// (rows, columns), of several attention heads (heads, rows, columns).
fn numbers(what: &What, maps: &[&Heatmap]) -> Result<Vec<u8>, AttentionError> {
    match (what, maps) {
        (What::Grid { .. }, _) | (_, []) => maps_npy(maps),
        (_, [map, ..]) => npy(&[map.grid.rows, map.grid.columns], &map.values),
    }
}

/// A report of each layer that was asked.
fn reports(
    args: &Args,
    (title, layers): (&str, usize),
    found: &[Found<'_>],
    photo: &Photo,
) -> Result<Reports, Failure> {
    let model = args.model.to_string_lossy();
    let (kind, heads) = args.what.names();
    let report = |found: &Found<'_>| {
        let subject = Subject {
            model: &model,
            title,
            layer: found.index,
            layers,
            record: found.record,
            kind,
            heads: &heads,
            query: found.query.as_ref(),
            view: found.view,
        };
        let maps: Vec<&Heatmap> = found.rows.iter().flat_map(|row| &row.grid).collect();
        let prefix = found.rows.first().map_or(&[][..], |row| &row.prefix);
        let report = Report::new(&subject, &maps, prefix);
        Ok(if args.statistics {
            report.with_statistics(&found.statistics(photo)?)
        } else {
            report
        })
    };
    let mut all: Vec<Report> = found.iter().map(report).collect::<Result<_, Failure>>()?;
    let every = matches!(args.what, What::Grid { layers: true, .. });
    match all.pop() {
        Some(one) if !every => Ok(Reports::One(Box::new(one))),
        last => Ok(Reports::All {
            all_layers: all.into_iter().chain(last).collect(),
        }),
    }
}

fn printed(
    args: &Args,
    reports: Reports,
    held: Option<&Held>,
    (encode, attention): (Duration, Duration),
) -> Printed {
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    let files = &args.files;
    let mass = args.mass.zip(held).map(|(mass, held)| MassReport {
        share: mass.share,
        tokens: held.tokens.count(),
        area: held.mask.area(),
    });
    Printed {
        image: shown(&args.image),
        reports,
        class: None,
        mass,
        output: files.output.as_deref().map(shown),
        npy: files.npy.as_deref().map(shown),
        matrix: files.matrix.as_deref().map(shown),
        mask: files.mask.as_deref().map(shown),
        encode_ms: milliseconds(encode),
        attention_ms: milliseconds(attention),
    }
}

/// For people.
fn told(args: &Args, found: &[Found<'_>]) -> String {
    let files: Vec<String> = args
        .files
        .all()
        .map(|path| path.display().to_string())
        .collect();
    let files = files.join(" and ");
    let [one] = found else {
        return format!("Wrote {files}: {} layers.\n", found.len());
    };
    let grid = one.rows.first().and_then(|row| row.grid.as_ref());
    let (columns, rows) = grid.map_or((0, 0), |map| (map.grid.columns, map.grid.rows));
    if let Some(class) = &one.class {
        return format!("Wrote {files}: what {class} rests on, {columns} × {rows} tokens.\n");
    }
    let (index, layer) = (one.index, &one.record.layer);
    format!("Wrote {files}: layer {index} ({layer}), {columns} × {rows} tokens.\n")
}
