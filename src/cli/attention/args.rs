//! The words after `patchlens attention`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lexopt::Parser;

use super::draw::Look;
use crate::attention::{Fusion, Heads, RolloutOptions};
use crate::cli::args::value::{between, index, one_of, text};
use crate::cli::args::{Action, Common, Parsed, Word, one_photo, read};
use crate::cli::help;
use crate::cli::layers::{Asked, Side, heads};
use crate::models::predict::Options;
use crate::photo::Limits;

/// The share of attention that a mask holds if nobody says: DINO's.
const MASS: f32 = 0.6;

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
    /// The mask to make of it.
    pub mass: Option<Mass>,
    /// What the picture looks like.
    pub look: Look,
    /// Where to write what.
    pub files: Files,
    /// Print a JSON object.
    pub json: bool,
    /// With statistics of the attention heads.
    pub statistics: bool,
    /// What decoding may use.
    pub limits: Limits,
}

/// The files to write.
#[derive(Debug, Default)]
pub struct Files {
    /// The picture.
    pub output: Option<PathBuf>,
    /// The numbers on the grid.
    pub npy: Option<PathBuf>,
    /// The layer's attention matrices.
    pub matrix: Option<PathBuf>,
    /// The mask.
    pub mask: Option<PathBuf>,
}

impl Files {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        let files = [&self.output, &self.npy, &self.matrix, &self.mask];
        files.into_iter().filter_map(|file| file.as_deref())
    }

    fn check(&self) -> Parsed<()> {
        let files: Vec<&Path> = self.all().collect();
        let twice = |(index, file): (usize, &&Path)| files[..index].contains(file);
        match files.iter().enumerate().any(twice) {
            true => Err("two options name the same file: one would replace the other".into()),
            false => Ok(()),
        }
    }
}

/// The smallest set of tokens that holds a share of the attention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mass {
    /// The share, 0 to 1.
    pub share: f32,
    /// As exact tokens, not along the photo's edges.
    pub blocky: bool,
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
        /// Of all layers, not of one.
        layers: bool,
    },
    /// Attention through all layers up to this one.
    Rollout(RolloutOptions),
    /// What the score of a class rests on.
    Relevance(Class),
}

/// A class whose score is explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// What the model is most sure of.
    Surest,
    /// By the model's number or name.
    Named(String),
}

impl What {
    /// The side of the layer that the token asked for is on, and the one that
    /// the result lies on.
    pub fn sides(&self) -> (Side, Side) {
        match self {
            Self::Reverse(_) | Self::Grid { reverse: true, .. } => (Side::Keys, Side::Queries),
            _ => (Side::Queries, Side::Keys),
        }
    }

    /// What it is called in reports, and through which attention heads.
    pub fn names(&self) -> (&'static str, String) {
        match self {
            Self::Row(heads) => ("row", heads.to_string()),
            Self::Reverse(heads) => ("reverse", heads.to_string()),
            Self::Grid { reverse: false, .. } => ("row", "all".to_owned()),
            Self::Grid { reverse: true, .. } => ("reverse", "all".to_owned()),
            Self::Rollout(options) => ("rollout", options.fusion.to_string()),
            Self::Relevance(_) => ("relevance", "all".to_owned()),
        }
    }
}

/// Options that exclude each other, as they were given.
#[derive(Default)]
struct Given {
    heads: Option<Heads>,
    rollout: bool,
    relevance: Option<Class>,
    fusion: Option<Fusion>,
    discard: Option<f64>,
    start: Option<usize>,
    reverse: bool,
    grid: bool,
    all_layers: bool,
    layer: Option<usize>,
    mass: Option<f32>,
    blocky: bool,
    statistics: bool,
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
            "relevance" => {
                let class = text(parser.value()?, "--relevance")?;
                self.relevance = Some(match class.as_str() {
                    "top" => Class::Surest,
                    _ => Class::Named(class),
                });
            }
            "fusion" => self.fusion = Some(one_of(&parser.value()?, "--fusion", &FUSIONS)?),
            "discard" => {
                self.discard = Some(between(&parser.value()?, "--discard", 0.0..=0.999)?);
            }
            "start-layer" => self.start = Some(index(&parser.value()?, "--start-layer")?),
            "layer" => self.layer = Some(index(&parser.value()?, "--layer")?),
            "reverse" => self.reverse = true,
            "grid" => self.grid = true,
            "all-layers" => self.all_layers = true,
            "mass" => self.mass = Some(between(&parser.value()?, "--mass", 0.0..=1.0)? as f32),
            "blocky" => self.blocky = true,
            "statistics" => self.statistics = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn what(&self) -> Parsed<What> {
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
        if let Some(class) = &self.relevance {
            return self.relevance_of(class);
        }
        if self.grid && self.heads.is_some() {
            return Err(
                "--grid shows all attention heads, so it goes without --attention-head".into(),
            );
        }
        if self.all_layers && !self.grid {
            return Err("--all-layers goes with --grid".into());
        }
        if let Some(start) = self
            .start
            .filter(|start| self.layer.is_some_and(|layer| *start > layer))
        {
            return Err(format!("--start-layer {start} comes after --layer").into());
        }
        let heads = self.heads.clone().unwrap_or(Heads::Mean);
        Ok(match (self.rollout, self.grid, self.reverse) {
            (true, ..) => What::Rollout(RolloutOptions {
                fusion: self.fusion.unwrap_or_default(),
                discard_ratio: self.discard.unwrap_or(0.0),
                start_layer: self.start.unwrap_or(0),
            }),
            (_, true, reverse) => What::Grid {
                reverse,
                layers: self.all_layers,
            },
            (_, _, true) => What::Reverse(heads),
            _ => What::Row(heads),
        })
    }

    /// Relevance is of a class and of all layers: nothing else can be chosen.
    fn relevance_of(&self, class: &Class) -> Parsed<What> {
        let others = self.rollout || self.reverse || self.grid || self.heads.is_some();
        if others || self.layer.is_some() || self.statistics {
            return Err("--relevance is of a class, through all layers: it goes without --layer, --attention-head, --rollout, --reverse, --grid and --statistics".into());
        }
        Ok(What::Relevance(class.clone()))
    }

    /// The mask to make, if one is asked for.
    fn mass(&self, files: &Files) -> Parsed<Option<Mass>> {
        let wanted = self.mass.is_some() || files.mask.is_some();
        if self.blocky && !wanted {
            return Err("--blocky is a way to make a mask: it goes with --mass or --mask".into());
        }
        if wanted && self.grid {
            return Err("a mask is of one map, so --mass and --mask go without --grid".into());
        }
        if wanted && files.mask.is_none() && files.output.is_none() {
            return Err("--mass is for a picture with -o or a mask with --mask".into());
        }
        Ok(wanted.then_some(Mass {
            share: self.mass.unwrap_or(MASS),
            blocky: self.blocky,
        }))
    }

    /// Complain about files that cannot be had of it, or if nothing is asked for.
    fn check(&self, files: &Files, json: bool) -> Parsed<()> {
        if self.statistics && !json {
            return Err("--statistics are numbers for --json".into());
        }
        if files.all().next().is_none() && !self.statistics {
            return Err(
                "say where to write with -o HEAT.png, --npy FILE, --mask FILE.png or --matrix FILE"
                    .into(),
            );
        }
        if self.relevance.is_some() && files.matrix.is_some() {
            return Err("--matrix is of one layer, so it goes without --relevance".into());
        }
        if self.rollout && files.matrix.is_some() {
            return Err("--matrix is of one layer, so it goes without --rollout".into());
        }
        if self.all_layers
            && (self.layer.is_some() || files.npy.is_some() || files.matrix.is_some())
        {
            return Err(
                "--all-layers is for a picture: it goes without --layer, --npy and --matrix".into(),
            );
        }
        files.check()
    }
}

/// Read the words after `attention`.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    let (mut image, mut query, mut files) = (None, None, Files::default());
    let (mut given, mut look) = (Given::default(), Look::default());
    let known = ["max-megapixels", "model", "json", "output", "fit", "size"];
    let help = read(parser, common, &known, &mut |word, parser| {
        match word {
            Word::Option("query") => query = Some(Asked::parse(&parser.value()?)?),
            Word::Option("npy") => files.npy = Some(PathBuf::from(parser.value()?)),
            Word::Option("matrix") => files.matrix = Some(PathBuf::from(parser.value()?)),
            Word::Option("mask") => files.mask = Some(PathBuf::from(parser.value()?)),
            Word::Plain(word) => one_photo(&mut image, word)?,
            Word::Option(name) => return Ok(given.take(name, parser)? || look.take(name, parser)?),
        }
        Ok(true)
    })?;
    if help.is_some() {
        return Ok(Action::Help(help::ATTENTION));
    }
    let image = image.ok_or("name the photo to look at")?;
    files.output = common.output_if_any();
    let what = given.what()?;
    if matches!(what, What::Relevance(_)) && query.is_some() {
        return Err("--relevance is of a class, not of a token: it goes without --query".into());
    }
    let mass = given.mass(&files)?;
    given.check(&files, common.json)?;
    look.check(&what, files.output.is_some())?;
    Ok(Action::Attention(Box::new(Args {
        image,
        model: common.model_or_default(),
        options: common.options_at_once()?,
        layer: given.layer,
        what,
        query,
        mass,
        look,
        files,
        json: common.json,
        statistics: given.statistics,
        limits: common.limits,
    })))
}
