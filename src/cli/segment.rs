//! `patchlens segment`: one object of one photo as a mask PNG.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lexopt::Parser;
use serde::Serialize;

use super::args::value::{bbox, point};
use super::args::{Action, Common, Parsed, Word, one_photo, read};
use super::output::{check_folder_of, json_line, milliseconds, print, score};
use super::prompt::check;
use super::{Failure, help};
use crate::document::{Document, accept};
use crate::formats::{self, ExportKind, ExportRequest};
use crate::label::{ClassId, Classes, CocoRle, Mask};
use crate::models::Prompt;
use crate::photo::{self, Limits, Photo};
use crate::worker::{Engine, ModelEngine, Proposal, Wanted, unwatched};

/// What to segment and where to write it.
#[derive(Debug)]
pub struct Args {
    /// The photo.
    pub image: PathBuf,
    /// What was said about the object.
    pub prompt: Prompt,
    /// The mask PNG to write.
    pub output: PathBuf,
    /// The model.
    pub model: OsString,
    /// What decoding may use.
    pub limits: Limits,
    /// Print a JSON object.
    pub json: bool,
}

/// Read the words after `segment`.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    let (mut image, mut prompt) = (None, Prompt::default());
    let known = ["max-megapixels", "model", "json", "output"];
    let help = read(parser, common, &known, &mut |word, parser| {
        match word {
            Word::Option("point") => prompt.points.push(point(&parser.value()?)?),
            Word::Option("box") => prompt.bbox = Some(bbox(&parser.value()?)?),
            Word::Plain(word) => one_photo(&mut image, word)?,
            Word::Option(_) => return Ok(false),
        }
        Ok(true)
    })?;
    if help.is_some() {
        return Ok(Action::Help(help::SEGMENT));
    }
    let image = image.ok_or("name the photo to segment")?;
    if prompt.points.is_empty() && prompt.bbox.is_none() {
        return Err("say what to segment with --point X,Y or --box X0,Y0,X1,Y1".into());
    }
    Ok(Action::Segment(Args {
        image,
        prompt,
        output: common.output()?,
        model: common.model_or_default(),
        limits: common.limits,
        json: common.json,
    }))
}

/// The class of the one object, in the list that every new document starts with.
pub(super) const OBJECT: ClassId = 1;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    image: String,
    output: String,
    model: String,
    /// Height and width in pixels.
    size: [u32; 2],
    score: f64,
    /// In pixels.
    area: u64,
    /// x, y, width, height, as in COCO.
    bbox: [u32; 4],
    mask: CocoRle,
    load_ms: f64,
    encode_ms: f64,
    decode_ms: f64,
}

/// How long each part took.
struct Times {
    load: Duration,
    encode: Duration,
    decode: Duration,
}

/// Run the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    run_with(&mut ModelEngine::new(&args.model), args)
}

/// Run the subcommand with any engine. What can go wrong quickly is tried first.
pub(super) fn run_with(engine: &mut dyn Engine, args: &Args) -> Result<(), Failure> {
    check_folder_of(&args.output)?;
    let photo = Arc::new(photo::decode(&args.image, &args.limits)?);
    let (width, height) = (photo.width(), photo.height());
    check(&args.prompt, width, height).map_err(Failure::Sentence)?;
    let (proposal, times) = predict(engine, &photo, args)?;
    write_mask(args, &photo, &proposal)?;
    print(&if args.json {
        json_line(&report(args, &proposal, &times, width, height))?
    } else {
        let (output, area) = (args.output.display(), proposal.mask.area());
        format!(
            "Wrote {output}: {area} pixels, score {:.2}.\n",
            proposal.score
        )
    })
}

fn predict(
    engine: &mut dyn Engine,
    photo: &Arc<Photo>,
    args: &Args,
) -> Result<(Proposal, Times), Failure> {
    unwatched(|steps| {
        let start = Instant::now();
        engine.load_model(&args.model, steps)?;
        let loaded = Instant::now();
        engine.encode(photo, steps)?;
        let encoded = Instant::now();
        let (proposals, best) = engine.prompt(photo, &args.prompt, Wanted::Best, steps)?;
        let times = Times {
            load: loaded - start,
            encode: encoded - loaded,
            decode: encoded.elapsed(),
        };
        let proposal = proposals.into_iter().nth(best);
        let nothing = || Failure::Sentence("the model gave no mask".to_owned());
        Ok((proposal.ok_or_else(nothing)?, times))
    })
}

/// Write the mask as a document's export would be written: completely or not at
/// all, and never over the photo.
fn write_mask(args: &Args, photo: &Photo, proposal: &Proposal) -> Result<(), Failure> {
    let document = object(photo, &proposal.mask, Some(proposal.score))?;
    let request = ExportRequest {
        kind: ExportKind::Binary(OBJECT),
        path: args.output.clone(),
    };
    let written = formats::export(photo, &document, &request);
    written
        .map(|_| ())
        .map_err(|error| Failure::Sentence(error.to_string()))
}

/// A document of `photo` with one segment of [`OBJECT`]; with none for an empty
/// mask.
pub(super) fn object(photo: &Photo, mask: &Mask, score: Option<f32>) -> Result<Document, Failure> {
    let document = Document::new(photo.width(), photo.height(), Classes::default());
    if mask.is_empty() {
        return Ok(document);
    }
    let accepted = accept(&document, mask, OBJECT, score);
    let edited = accepted.map_err(|error| Failure::Sentence(error.to_string()))?;
    Ok(edited.document)
}

fn report(args: &Args, proposal: &Proposal, times: &Times, width: u32, height: u32) -> Report {
    let bounds = proposal.mask.bounds();
    Report {
        image: args.image.to_string_lossy().into_owned(),
        output: args.output.to_string_lossy().into_owned(),
        model: args.model.to_string_lossy().into_owned(),
        size: [height, width],
        score: score(proposal.score),
        area: proposal.mask.area(),
        bbox: [bounds.x0, bounds.y0, bounds.width(), bounds.height()],
        mask: CocoRle::encode(&proposal.mask, width, height),
        load_ms: milliseconds(times.load),
        encode_ms: milliseconds(times.encode),
        decode_ms: milliseconds(times.decode),
    }
}
