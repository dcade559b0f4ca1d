//! `patchlens dump`: what a model computes of a photo, with the names and shapes
//! of the reference implementation, for holding one against the other.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lexopt::Parser;

use super::args::value::{bbox, point};
use super::args::{Action, Common, Parsed, Word, one_photo, read};
use super::model::{check_options, load, picture};
use super::output::{check_folder_of, print};
use super::prompt::check;
use super::tensors::{Numbers, TensorFile, channels_first};
use super::{Failure, help};
use crate::attention::attentions;
use crate::formats::{Protected, write_file_with};
use crate::label::{Mask, Rect};
use crate::models::geometry::View;
use crate::models::predict::{Observation, Options, observe};
use crate::models::{
    Candidate, Capability, ClassMap, Encoding, LoadedModel, ModelError, Output, Prediction, Prompt,
};
use crate::nn::capture::QueryKey;
use crate::nn::{Capture, Values, Watch};
use crate::photo::{self, Limits, Photo};
use crate::task::detached;

/// What to compute and where to write it.
#[derive(Debug)]
pub struct Args {
    /// The photo.
    pub image: PathBuf,
    /// The model.
    pub model: OsString,
    /// How to show the photo to it.
    pub options: Options,
    /// For models that take prompts.
    pub prompt: Option<Prompt>,
    /// The file to write.
    pub output: PathBuf,
    /// What decoding may use.
    pub limits: Limits,
}

/// Read the words after `dump`.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    let (mut image, mut prompt) = (None, Prompt::default());
    let known = ["max-megapixels", "model", "output", "fit", "size"];
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
        return Ok(Action::Help(help::DUMP));
    }
    let empty = prompt.points.is_empty() && prompt.bbox.is_none();
    Ok(Action::Dump(Args {
        image: image.ok_or("name the photo to compute on")?,
        model: common.model_or_default(),
        options: Options {
            capture: Capture::QueriesAndKeys,
            ..common.options_at_once()?
        },
        prompt: (!empty).then_some(prompt),
        output: common.output()?,
        limits: common.limits,
    }))
}

/// Run the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    check_folder_of(&args.output)?;
    Protected::of([args.image.as_path()]).check(&args.output)?;
    let photo = photo::decode(&args.image, &args.limits)?;
    if let Some(prompt) = &args.prompt {
        check(prompt, photo.width(), photo.height()).map_err(Failure::Sentence)?;
    }
    let model = load(&args.model)?;
    check_options(&model.info, &args.options).map_err(Failure::Sentence)?;
    let computed = Computed::of(&model, &photo, args)?;
    write_file_with(&args.output, |file| {
        let metadata = metadata(&model, args);
        let mut tensors = TensorFile::new(file, computed.most_tensors(), &metadata)?;
        computed.write(&mut tensors, &photo)?;
        tensors.finish()
    })?;
    let (output, layers) = (args.output.display(), computed.records().len());
    print(&format!(
        "Wrote {output}: what {} computes, with {layers} layers of attention.\n",
        model.info.title
    ))
}

fn metadata(model: &LoadedModel, args: &Args) -> Vec<(&'static str, String)> {
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    vec![
        ("image", shown(&args.image)),
        ("model", args.model.to_string_lossy().into_owned()),
        ("title", model.info.title.to_string()),
        ("family", model.info.family.model_type().to_owned()),
        ("fit", args.options.framing.name().to_owned()),
        (
            "program",
            format!("patchlens {}", env!("CARGO_PKG_VERSION")),
        ),
    ]
}

/// What a model made of a photo.
enum Computed {
    Observation(Observation),
    Encoding {
        /// Shape and values, channels first.
        pixels: (Vec<usize>, Vec<f32>),
        encoding: Encoding,
        prediction: Option<Prediction>,
    },
}

impl Computed {
    fn of(model: &LoadedModel, photo: &Photo, args: &Args) -> Result<Self, ModelError> {
        if args.prompt.is_none() && !model.info.can(Capability::Prompts) {
            let seen = detached(|task| observe(model, picture(photo), &args.options, task))?;
            return Ok(Self::Observation(seen));
        }
        let promptable = model.promptable()?;
        let (width, height) = (photo.width(), photo.height());
        let pixels = promptable.pixels(photo.rgb(), width, height)?;
        let encoding = detached(|task| {
            promptable.encode_pixels(&pixels, width, height, &args.options.watch(), task)
        })?;
        let decode = |prompt| promptable.decode(&encoding, prompt, &Watch::default());
        let prediction = args.prompt.as_ref().map(decode).transpose()?;
        Ok(Self::Encoding {
            pixels: channels_first(pixels.dims(), &Values::of(&pixels)?),
            encoding,
            prediction,
        })
    }

    fn records(&self) -> &[QueryKey] {
        match self {
            Self::Observation(seen) => &seen.run.records,
            Self::Encoding { encoding, .. } => encoding.records(),
        }
    }

    /// How many tensors there may be.
    fn most_tensors(&self) -> usize {
        const BESIDE_ATTENTION: usize = 8;
        self.records().len() + BESIDE_ATTENTION
    }

    /// Bytes come last, so that everything else is aligned.
    fn write(&self, tensors: &mut TensorFile<'_, '_>, photo: &Photo) -> Result<(), Failure> {
        match self {
            Self::Observation(seen) => {
                put_output(tensors, seen)?;
                put_attention(tensors, self.records(), |shape| shape)?;
                put_labels(tensors, seen, photo)
            }
            Self::Encoding {
                pixels: (shape, values),
                encoding,
                prediction,
            } => {
                tensors.put("pixel_values", shape, &Numbers::F32(values))?;
                let embedding = encoding.embedding();
                let values = Values::of(embedding).map_err(ModelError::from)?;
                let (shape, values) = channels_first(embedding.dims(), &values);
                tensors.put("image_embeddings", &shape, &Numbers::F32(&values))?;
                let prediction = prediction.as_ref();
                prediction.map_or(Ok(()), |prediction| put_scores(tensors, prediction))?;
                // SAM's encoder has no batch axis.
                put_attention(tensors, self.records(), |shape| match shape {
                    [1, rest @ ..] if shape.len() == 4 => rest,
                    shape => shape,
                })?;
                prediction.map_or(Ok(()), |prediction| {
                    put_masks(tensors, encoding, prediction)
                })
            }
        }
    }
}

/// `pixel_values` and what the network made of them.
fn put_output(tensors: &mut TensorFile<'_, '_>, seen: &Observation) -> Result<(), Failure> {
    let pixels = Values::of(&seen.pixels).map_err(ModelError::from)?;
    let (shape, pixels) = channels_first(seen.pixels.dims(), &pixels);
    tensors.put("pixel_values", &shape, &Numbers::F32(&pixels))?;
    match &seen.run.output {
        Output::Classes { logits, others } => {
            let named = others.iter().map(|(name, scores)| (*name, scores));
            for (name, scores) in [("logits", logits)].into_iter().chain(named) {
                tensors.put(name, &[1, scores.len()], &Numbers::F32(scores))?;
            }
        }
        Output::Dense(dense) => {
            let values = Values::of(&dense.logits).map_err(ModelError::from)?;
            let (shape, values) = channels_first(dense.logits.dims(), &values);
            tensors.put("logits", &shape, &Numbers::F32(&values))?;
        }
        Output::Features => {
            if let Some(hidden) = &seen.run.hidden {
                let values = Values::of(&hidden.tokens).map_err(ModelError::from)?;
                let shape = [&[1], hidden.tokens.dims()].concat();
                tensors.put("last_hidden_state", &shape, &Numbers::F32(&values))?;
            }
        }
    }
    Ok(())
}

/// `attentions.0` and so on, in the `shape` that the reference gives them.
fn put_attention(
    tensors: &mut TensorFile<'_, '_>,
    records: &[QueryKey],
    shape: impl Fn(&[usize]) -> &[usize],
) -> Result<(), Failure> {
    for (layer, record) in records.iter().enumerate() {
        let matrix = attentions(record)?;
        let values = Values::of(&matrix).map_err(ModelError::from)?;
        let name = format!("attentions.{layer}");
        tensors.put(&name, shape(matrix.dims()), &Numbers::F32(&values))?;
    }
    Ok(())
}

/// The classes of a dense model, as transformers has them: its scores stretched
/// over the whole photo, whatever part of it the network was shown.
fn put_labels(
    tensors: &mut TensorFile<'_, '_>,
    seen: &Observation,
    photo: &Photo,
) -> Result<(), Failure> {
    let Output::Dense(dense) = &seen.run.output else {
        return Ok(());
    };
    let stretched = |(width, height): (usize, usize)| -> Result<ClassMap, ModelError> {
        let view = View::whole((width, height));
        let map =
            detached(|task| ClassMap::from_logits(&dense.logits, &view, (width, height), task))?;
        Ok(map?)
    };
    let input = match seen.pixels.dims() {
        [rows, columns, ..] => (*columns, *rows),
        _ => return Ok(()),
    };
    let photo = (photo.width() as usize, photo.height() as usize);
    for (name, size) in [("labels", photo), ("labels_at_input", input)] {
        let map = stretched(size)?;
        let shape = [map.height, map.width];
        let bytes: Result<Vec<u8>, _> = map.ids.iter().map(|id| u8::try_from(*id)).collect();
        match bytes {
            Ok(bytes) => tensors.put(name, &shape, &Numbers::U8(&bytes))?,
            Err(_) => tensors.put(name, &shape, &Numbers::U16(&map.ids))?,
        }
    }
    Ok(())
}

/// What `SamModel` gives: the masks that are meant for doubtful prompts.
fn put_scores(tensors: &mut TensorFile<'_, '_>, prediction: &Prediction) -> Result<(), Failure> {
    let offered = prediction.candidates.get(1..).unwrap_or_default();
    let side = offered
        .first()
        .map_or(0, |candidate| candidate.low_res.side());
    let masks = offered
        .iter()
        .flat_map(|candidate| candidate.low_res.values());
    let masks: Vec<f32> = masks.copied().collect();
    let scores: Vec<f32> = offered.iter().map(|candidate| candidate.score).collect();
    let count = offered.len();
    tensors.put(
        "pred_masks",
        &[1, 1, count, side, side],
        &Numbers::F32(&masks),
    )?;
    tensors.put("iou_scores", &[1, 1, count], &Numbers::F32(&scores))
}

/// The model's choice among its masks, and those of [`put_scores`], at the
/// photo's size.
fn put_masks(
    tensors: &mut TensorFile<'_, '_>,
    encoding: &Encoding,
    prediction: &Prediction,
) -> Result<(), Failure> {
    let size = Rect::of_size(encoding.width(), encoding.height());
    let shape = [encoding.height() as usize, encoding.width() as usize];
    let bitmap = |candidate: &Candidate| bitmap(&candidate.mask(encoding), size);
    if let Some(best) = prediction.candidates.get(prediction.best) {
        tensors.put("mask", &shape, &Numbers::U8(&bitmap(best)))?;
    }
    let offered = prediction.candidates.get(1..).unwrap_or_default();
    let masks: Vec<u8> = offered.iter().flat_map(bitmap).collect();
    let shape = [&[offered.len()], &shape[..]].concat();
    tensors.put("masks", &shape, &Numbers::U8(&masks))
}

/// 1 inside of the mask, 0 outside.
fn bitmap(mask: &Mask, size: Rect) -> Vec<u8> {
    let width = size.width() as usize;
    let mut bytes = vec![0; width * size.height() as usize];
    for span in mask.clip(size).spans() {
        let row = span.y as usize * width;
        bytes[row + span.x0 as usize..row + span.x1 as usize].fill(1);
    }
    bytes
}
