//! `patchlens attention`: where a model looks.

mod draw;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lexopt::Parser;
use serde::Serialize;

use super::args::value::{between, index, one_of, text};
use super::args::{Action, Common, Parsed, Word, one_photo, read};
use super::layers::{Asked, Layers, Side, heads};
use super::model::check_options;
use super::output::{check_folder_of, json_line, milliseconds, print};
use super::{Failure, help};
use crate::attention::{
    AttentionError, ColorMap, Fusion, Heads, Heatmap, Reverse, RolloutOptions, Row, all_heads, npy,
    reverse, rollout_row, row,
};
use crate::formats::{Protected, write_files};
use crate::models::geometry::View;
use crate::models::predict::Options;
use crate::nn::Capture;
use crate::photo::{self, Limits};
use crate::task::detached;
use crate::worker::{Engine, ModelEngine, unwatched};
use draw::{Look, Place};

/// What to show.
#[derive(Debug)]
pub struct Args {
    /// The photo.
    pub image: PathBuf,
    /// The model.
    pub model: OsString,
    /// How to show the photo to it.
    pub options: Options,
    /// The layer from 0; the last one if none is named.
    pub layer: Option<usize>,
    /// What of the layer.
    pub what: What,
    /// Whose attention.
    pub query: Option<Asked>,
    /// What the picture looks like.
    pub look: Look,
    /// The picture to write.
    pub output: Option<PathBuf>,
    /// The numbers to write.
    pub npy: Option<PathBuf>,
    /// Print a JSON object.
    pub json: bool,
    /// What decoding may use.
    pub limits: Limits,
}

/// What of a layer to show.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Where a token looks.
    Row(Heads),
    /// Who looks at a token.
    Reverse(Heads),
    /// The same through each attention head by itself.
    Grid {
        /// Who looks at a token, not where it looks.
        reverse: bool,
    },
    /// Attention through all layers up to this one.
    Rollout(RolloutOptions),
}

impl What {
    /// The side of the layer that the token asked for is on, and the one that
    /// the result lies on.
    fn sides(&self) -> (Side, Side) {
        match self {
            Self::Reverse(_) | Self::Grid { reverse: true } => (Side::Keys, Side::Queries),
            _ => (Side::Queries, Side::Keys),
        }
    }
}

/// Options that exclude each other, as they were given.
#[derive(Default)]
struct Given {
    heads: Option<Heads>,
    rollout: bool,
    fusion: Option<Fusion>,
    discard: Option<f64>,
    start: Option<usize>,
    reverse: bool,
    grid: bool,
}

impl Given {
    fn take(&mut self, option: &str, parser: &mut Parser) -> Parsed<bool> {
        const FUSIONS: [(&str, Fusion); 3] = [
            ("mean", Fusion::Mean),
            ("max", Fusion::Max),
            ("min", Fusion::Min),
        ];
        match option {
            "attention-head" => {
                let value = text(parser.value()?, "--attention-head")?;
                let complaint = || {
                    format!("--attention-head is a number from 0, mean, max or min, not {value:?}")
                };
                self.heads = Some(heads(&value).ok_or_else(complaint)?);
            }
            "rollout" => self.rollout = true,
            "fusion" => self.fusion = Some(one_of(&parser.value()?, "--fusion", &FUSIONS)?),
            "discard" => {
                self.discard = Some(between(&parser.value()?, "--discard", 0.0..=0.999)?);
            }
            "start-layer" => self.start = Some(index(&parser.value()?, "--start-layer")?),
            "reverse" => self.reverse = true,
            "grid" => self.grid = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn what(self) -> Parsed<What> {
        let of_rollout = self.fusion.is_some() || self.discard.is_some() || self.start.is_some();
        if of_rollout && !self.rollout {
            return Err("--fusion, --discard and --start-layer go with --rollout".into());
        }
        if self.rollout && (self.reverse || self.grid || self.heads.is_some()) {
            return Err(
                "--rollout fuses the attention heads of all layers, so it goes without --attention-head, --reverse and --grid"
                    .into(),
            );
        }
        if self.grid && self.heads.is_some() {
            return Err(
                "--grid shows all attention heads, so it goes without --attention-head".into(),
            );
        }
        let heads = self.heads.unwrap_or(Heads::Mean);
        Ok(match (self.rollout, self.grid, self.reverse) {
            (true, ..) => What::Rollout(RolloutOptions {
                fusion: self.fusion.unwrap_or_default(),
                discard_ratio: self.discard.unwrap_or(0.0),
                start_layer: self.start.unwrap_or(0),
            }),
            (_, true, reverse) => What::Grid { reverse },
            (_, _, true) => What::Reverse(heads),
            _ => What::Row(heads),
        })
    }
}

/// Read the words after `attention`.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    let (mut image, mut layer, mut query, mut npy) = (None, None, None, None);
    let (mut given, mut look) = (Given::default(), Look::default());
    let known = ["max-megapixels", "model", "json", "output", "fit", "size"];
    let help = read(parser, common, &known, &mut |word, parser| {
        match word {
            Word::Option("layer") => layer = Some(index(&parser.value()?, "--layer")?),
            Word::Option("query") => query = Some(Asked::parse(&parser.value()?)?),
            Word::Option("npy") => npy = Some(PathBuf::from(parser.value()?)),
            Word::Plain(word) => one_photo(&mut image, word)?,
            Word::Option(name) => return Ok(given.take(name, parser)? || look.take(name, parser)?),
        }
        Ok(true)
    })?;
    if help.is_some() {
        return Ok(Action::Help(help::ATTENTION));
    }
    let image = image.ok_or("name the photo to look at")?;
    let output = common.output_if_any();
    if output.is_none() && npy.is_none() {
        return Err("say where to write with -o HEAT.png or --npy FILE".into());
    }
    if output == npy {
        return Err("-o and --npy name the same file: the second would replace the first".into());
    }
    if let Some(start) = given
        .start
        .filter(|start| layer.is_some_and(|layer| *start > layer))
    {
        return Err(format!("--start-layer {start} comes after --layer").into());
    }
    let what = given.what()?;
    look.check(&what, output.is_some())?;
    Ok(Action::Attention(Box::new(Args {
        image,
        model: common.model_or_default(),
        options: common.options_at_once()?,
        layer,
        what,
        query,
        look,
        output,
        npy,
        json: common.json,
        limits: common.limits,
    })))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    image: String,
    model: String,
    title: &'a str,
    layer: usize,
    layer_name: &'a str,
    layers: usize,
    /// Rows and columns of the token grid.
    grid: [usize; 2],
    /// The part of the photo under it: left, top, right, bottom in pixels.
    view: [f64; 4],
    /// Attention on tokens without a place (class token, registers), in order.
    prefix: Vec<f32>,
    lowest: f32,
    highest: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    npy: Option<String>,
    encode_ms: f64,
    attention_ms: f64,
}

/// Run the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let files = [&args.output, &args.npy];
    let protected = Protected::of([args.image.as_path()]);
    for file in files.into_iter().flatten() {
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
    let found = Found::of(&layers, args)?;
    let attention = start.elapsed();
    let maps = found.maps()?;
    let place = Place {
        photo: &photo,
        view: found.view,
    };
    write(args, &maps, &place)?;
    print(&if args.json {
        json_line(&report(
            args,
            &layers,
            &found,
            &maps,
            &observed.model.info.title,
            (encode, attention),
        ))?
    } else {
        told(args, &found, &maps)
    })
}

/// What was asked for.
struct Found<'a> {
    index: usize,
    layer: &'a str,
    rows: Vec<Row>,
    view: View,
}

impl<'a> Found<'a> {
    fn of(layers: &Layers<'a>, args: &Args) -> Result<Self, Failure> {
        let (index, record) = layers.get(args.layer).map_err(Failure::Sentence)?;
        let (asked, result) = args.what.sides();
        let query = layers
            .query(record, asked, args.query)
            .map_err(Failure::Sentence)?;
        let rows = match &args.what {
            What::Row(heads) => vec![row(record, heads, &query)?],
            What::Reverse(heads) => vec![reverse(record, heads, &query)?],
            What::Grid { reverse: false } => all_heads(record, &query)?,
            What::Grid { reverse: true } => {
                detached(|task| Reverse::new(record, task)?.all_heads(&query))?
            }
            What::Rollout(options) => {
                let records = layers.up_to(args.layer).map_err(Failure::Sentence)?;
                vec![detached(|task| {
                    rollout_row(records, &query, options, task)
                })?]
            }
        };
        Ok(Self {
            index,
            layer: &record.layer,
            rows,
            view: layers.view(record, result),
        })
    }

    /// The parts of the rows that lie on the photo.
    fn maps(&self) -> Result<Vec<&Heatmap>, AttentionError> {
        let maps: Option<Vec<_>> = self.rows.iter().map(|row| row.grid.as_ref()).collect();
        maps.ok_or_else(|| AttentionError::NoGrid {
            layer: self.layer.to_owned(),
        })
    }
}

/// Both files, or none of them.
fn write(args: &Args, maps: &[&Heatmap], place: &Place<'_>) -> Result<(), Failure> {
    let mut files = Vec::new();
    if let Some(path) = &args.output {
        let heads = matches!(args.what, What::Grid { .. });
        let png = if heads {
            args.look.sheet(maps, place)
        } else {
            args.look.picture(maps, place)
        };
        files.push((path.clone(), png?));
    }
    if let Some(path) = &args.npy {
        files.push((path.clone(), numbers(&args.what, maps)?));
    }
    Ok(write_files(&files)?)
}

/// (rows, columns), of several attention heads (heads, rows, columns).
fn numbers(what: &What, maps: &[&Heatmap]) -> Result<Vec<u8>, AttentionError> {
    let grid = maps
        .first()
        .map_or([0, 0], |map| [map.grid.rows, map.grid.columns]);
    let values: Vec<f32> = maps.iter().flat_map(|map| &map.values).copied().collect();
    match what {
        What::Grid { .. } => npy(&[maps.len(), grid[0], grid[1]], &values),
        _ => npy(&grid, &values),
    }
}

fn report<'a>(
    args: &Args,
    layers: &Layers<'_>,
    found: &Found<'a>,
    maps: &[&Heatmap],
    title: &'a str,
    (encode, attention): (Duration, Duration),
) -> Report<'a> {
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    let (lowest, highest) = crate::attention::ValueRange::Full.of(maps);
    let View {
        left,
        top,
        right,
        bottom,
    } = found.view;
    Report {
        image: shown(&args.image),
        model: args.model.to_string_lossy().into_owned(),
        title,
        layer: found.index,
        layer_name: found.layer,
        layers: layers.count(),
        grid: maps
            .first()
            .map_or([0, 0], |map| [map.grid.rows, map.grid.columns]),
        view: [left, top, right, bottom],
        prefix: found
            .rows
            .first()
            .map_or(Vec::new(), |row| row.prefix.clone()),
        lowest,
        highest,
        output: args.output.as_deref().map(shown),
        npy: args.npy.as_deref().map(shown),
        encode_ms: milliseconds(encode),
        attention_ms: milliseconds(attention),
    }
}

/// For people.
fn told(args: &Args, found: &Found<'_>, maps: &[&Heatmap]) -> String {
    let grid = maps
        .first()
        .map_or((0, 0), |map| (map.grid.columns, map.grid.rows));
    let (index, layer) = (found.index, found.layer);
    let files = [&args.output, &args.npy].into_iter().flatten();
    let files: Vec<String> = files.map(|path| path.display().to_string()).collect();
    let files = files.join(" and ");
    let (columns, rows) = grid;
    format!("Wrote {files}: layer {index} ({layer}), {columns} × {rows} tokens.\n")
}

/// The colour map of that name.
fn color_map(value: &OsStr) -> Parsed<ColorMap> {
    let known = value.to_str().and_then(ColorMap::from_name);
    let complaint = || format!("--color is viridis, magma, turbo or grey, not {value:?}");
    Ok(known.ok_or_else(complaint)?)
}
