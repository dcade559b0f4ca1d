//! Promptable segmentation: an image encoder, and SAM's prompt encoder and mask
//! decoder on top of it. Kirillov et al. 2023, "Segment Anything"
//! (arXiv 2304.02643).
//!
//! A photo is encoded once ([`PromptableModel::encode`]); each prompt is then a
//! pass of the small decoder ([`PromptableModel::decode`]). Families differ in
//! the image encoder, in sizes ([`Design`]), and in what their checkpoints call
//! the decoder's tensors ([`Names`]).

mod decoder;
mod design;
mod encoding;
mod everything;
mod feature_map;
mod framing;
mod names;
mod neck;
mod prompt;
mod prompt_encoder;
mod upsample;

pub use design::{Choice, Design};
pub use encoding::Encoding;
pub use everything::{EverythingOptions, ScoredMask};
pub use feature_map::FeatureMap;
pub use names::{HUGGING_FACE, MlpNames, Names, ORIGINAL};
pub(super) use neck::Neck;
pub use prompt::{LowResMask, MAX_POINTS, Prompt, PromptPoint};

use super::{ModelError, Preprocessor, Weights};
use crate::label::Mask;
use crate::nn::capture::QueryKey;
use crate::nn::{Probe, Values, Watch};
use crate::task::Task;
use candle_core::Tensor;
use decoder::MaskDecoder;
use encoding::Inner;
use framing::Framing;
use prompt_encoder::PromptEncoder;
use std::sync::Arc;

/// Share of an encoding's work that is done before the network starts.
const PREPROCESSING: f32 = 0.04;

/// What turns the framed photo into an embedding.
pub trait ImageEncoder: Send + Sync {
    /// (frame, frame, 3) to (grid, grid, width). Polls `task` between blocks
    /// and reports progress.
    ///
    /// # Errors
    /// [`ModelError::Cancelled`], or if `pixels` is not for this encoder.
    fn forward(
        &self,
        pixels: &Tensor,
        taps: Taps<'_>,
        task: Task<'_>,
    ) -> Result<Tensor, ModelError>;
}

/// Where an encoder leaves what passes by on the way to its embedding.
#[derive(Debug)]
pub struct Taps<'a> {
    /// Takes queries and keys, layer by layer, and says which attention heads
    /// are off.
    pub probe: Probe<'a>,
    /// The maps (rows, columns, channels) of a hierarchical encoder's stages,
    /// finest first; the last is what the embedding is made of.
    pub levels: &'a mut Vec<Tensor>,
}

/// The model. Immutable; share it by `Arc`.
pub struct PromptableModel {
    design: Design,
    framing: Framing,
    encoder: Box<dyn ImageEncoder>,
    prompts: PromptEncoder,
    decoder: MaskDecoder,
    parameters: usize,
}

/// What the decoder made of a prompt.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The masks in the order of their tokens: 0 is for prompts that leave no
    /// doubt, the others (three in SAM) for one point, which may mean a part or
    /// a whole. Those are what `SamModel` calls `pred_masks` and `iou_scores`.
    pub candidates: Vec<Candidate>,
    /// The one to show first: see [`Choice`].
    pub best: usize,
    /// Queries and keys between prompt and photo, if they were asked for.
    pub records: Vec<QueryKey>,
}

/// One mask of a prediction.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Logits; positive is inside. May be fed back in [`Prompt::mask`].
    pub low_res: LowResMask,
    /// The model's own estimate of the intersection over union with the truth:
    /// about 0..1, not calibrated.
    pub score: f32,
}

impl PromptableModel {
    /// Read prompt encoder and mask decoder from `weights`, while `encoder`
    /// reads the image encoder. The sizes must have been checked.
    pub(super) fn load<E: ImageEncoder + 'static>(
        weights: &Weights,
        design: Design,
        names: &Names,
        preprocessor: &Preprocessor,
        encoder: impl FnOnce() -> Result<E, ModelError> + Send,
    ) -> Result<Self, ModelError> {
        let (encoder, rest) = rayon::join(encoder, || -> Result<_, ModelError> {
            let prompts = PromptEncoder::load(weights, &design, names)?;
            let positions = prompts.grid_positions();
            let decoder = MaskDecoder::load(weights, &design, names, positions)?;
            Ok((prompts, decoder))
        });
        let (encoder, (prompts, decoder)) = (encoder?, rest?);
        Ok(Self {
            framing: Framing::new(preprocessor, design.frame),
            design,
            encoder: Box::new(encoder),
            prompts,
            decoder,
            parameters: weights.parameters(),
        })
    }

    /// Sizes of the decoder.
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// Number of parameters in the checkpoint.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// What the decoder's tokens are for a prompt, in the order in which its
    /// attention layers hold them: the score's, one per mask, then the prompt's.
    pub fn token_names(&self, prompt: &Prompt) -> Vec<String> {
        let mut names = vec!["score token".to_owned()];
        names.extend((1..=self.design.masks).map(|mask| format!("mask token {mask}")));
        let sign = |positive| if positive { "inside" } else { "outside" };
        let points = prompt.points.iter().enumerate();
        names.extend(
            points.map(|(at, point)| format!("point {} ({})", at + 1, sign(point.positive))),
        );
        if prompt.bbox.is_some() {
            names.extend(["box, upper left", "box, lower right"].map(str::to_owned));
        } else if !prompt.points.is_empty() {
            names.push("no box".to_owned());
        }
        names
    }

    /// The decoder's token of the mask `candidate`, as [`Prediction::candidates`]
    /// are counted.
    pub fn mask_token(&self, candidate: usize) -> usize {
        1 + candidate
    }

    /// Encode a photo of `width` × `height` pixels, interleaved `rgb`. `watch`
    /// says which of the encoder's attention heads to leave out, those that do
    /// not exist being ignored, and whether to record queries and keys.
    ///
    /// # Errors
    /// If the pixels do not fit the size; [`ModelError::Cancelled`].
    pub fn encode(
        &self,
        rgb: &[u8],
        width: u32,
        height: u32,
        watch: &Watch,
        task: Task<'_>,
    ) -> Result<Encoding, ModelError> {
        task.check()?;
        let pixels = self.pixels(rgb, width, height)?;
        task.progress(PREPROCESSING);
        let report =
            |fraction: f32| task.progress(PREPROCESSING + fraction * (1.0 - PREPROCESSING));
        self.encode_pixels(&pixels, width, height, watch, task.reporting_to(&report))
    }

    /// The network's input for a photo, (frame, frame, 3): resized, normalised,
    /// then zeros at the right and bottom.
    ///
    /// # Errors
    /// [`ModelError::PhotoSize`].
    pub fn pixels(&self, rgb: &[u8], width: u32, height: u32) -> Result<Tensor, ModelError> {
        let expected = u64::from(width) * u64::from(height) * 3;
        if expected == 0 || rgb.len() as u64 != expected {
            return Err(ModelError::PhotoSize {
                width,
                height,
                expected,
                found: rgb.len(),
            });
        }
        self.framing.pixels(rgb, (width as usize, height as usize))
    }

    /// Encode what [`PromptableModel::pixels`] made of a photo of `width` ×
    /// `height` pixels.
    ///
    /// # Errors
    /// If `pixels` has another shape; [`ModelError::Cancelled`].
    pub fn encode_pixels(
        &self,
        pixels: &Tensor,
        width: u32,
        height: u32,
        watch: &Watch,
        task: Task<'_>,
    ) -> Result<Encoding, ModelError> {
        let frame = self.design.frame;
        if pixels.dims() != [frame, frame, 3] {
            let found = pixels.dims();
            let why = format!("its input must be [{frame}, {frame}, 3], not {found:?}");
            return Err(ModelError::Compute(why));
        }
        let mut records = Vec::new();
        let mut levels = Vec::new();
        let taps = Taps {
            probe: Probe::new(watch, &mut records),
            levels: &mut levels,
        };
        let embedding = self.encoder.forward(pixels, taps, task)?;
        let image = self.prompts.without_mask(&Values::of(&embedding)?);
        let projected = self.decoder.project(&image);
        let resized = self.framing.resized((width as usize, height as usize));
        let levels = levels.iter().map(|map| FeatureMap::of(map, frame, resized));
        Ok(Encoding(Arc::new(Inner {
            width,
            height,
            resized,
            frame,
            levels: levels.collect::<Result<_, _>>()?,
            embedding,
            projected,
            records,
        })))
    }

    /// What the encoder makes of a picture (rows, columns, 3), normalised and no
    /// larger than its frame: the maps of [`Encoding::feature_maps`], and
    /// queries and keys if `watch` wants them.
    ///
    /// # Errors
    /// If the picture is too large; [`ModelError::Cancelled`].
    pub fn feature_maps(
        &self,
        pixels: &Tensor,
        watch: &Watch,
        task: Task<'_>,
    ) -> Result<(Vec<FeatureMap>, Vec<QueryKey>), ModelError> {
        let (rows, columns, _) = pixels.dims3()?;
        let frame = self.design.frame;
        if rows > frame || columns > frame {
            let why = format!("its input is at most {frame}×{frame}, not {columns}×{rows}");
            return Err(ModelError::Compute(why));
        }
        let padded = pixels.pad_with_zeros(0, 0, frame - rows)?;
        let padded = padded.pad_with_zeros(1, 0, frame - columns)?.contiguous()?;
        let (mut records, mut levels) = (Vec::new(), Vec::new());
        let taps = Taps {
            probe: Probe::new(watch, &mut records),
            levels: &mut levels,
        };
        let embedding = self.encoder.forward(&padded, taps, task)?;
        levels.push(embedding);
        let maps = levels.iter();
        let maps = maps.map(|map| FeatureMap::of(map, frame, (columns, rows)));
        Ok((maps.collect::<Result<_, _>>()?, records))
    }

    /// The masks for a prompt. `watch` is for the decoder's attention between
    /// prompt and photo, whose layers count as [`Prediction::records`] do.
    ///
    /// # Errors
    /// If the prompt makes no sense for the photo.
    pub fn decode(
        &self,
        encoding: &Encoding,
        prompt: &Prompt,
        watch: &Watch,
    ) -> Result<Prediction, ModelError> {
        let mut records = Vec::new();
        let mut probe = Probe::new(watch, &mut records);
        let candidates = self.candidates(encoding, prompt, &mut probe, |_| true)?;
        let doubtless = self.design.choice == Choice::ByDoubt && !prompt.is_single_point();
        let best = if doubtless {
            0
        } else {
            best_of_several(&candidates)
        };
        Ok(Prediction {
            candidates,
            best,
            records,
        })
    }

    /// The candidates for a prompt; none where `wanted` does not like their
    /// scores.
    fn candidates(
        &self,
        encoding: &Encoding,
        prompt: &Prompt,
        probe: &mut Probe<'_>,
        wanted: impl Fn(&[f32]) -> bool,
    ) -> Result<Vec<Candidate>, ModelError> {
        let inner = &*encoding.0;
        let side = self.design.mask_side();
        prompt.check(inner.width, inner.height, side.pow(2))?;
        let sparse = self
            .prompts
            .sparse(prompt, (inner.width, inner.height), inner.resized);
        let embedding = Values::of(&inner.embedding)?;
        let (masks, scores) = match &prompt.mask {
            None => {
                let image = self.prompts.without_mask(&embedding);
                self.decoder
                    .forward(&sparse, image, &inner.projected, probe, wanted)?
            }
            Some(mask) => {
                let image = self.prompts.with_mask(&embedding, mask.values());
                let projected = self.decoder.project(&image);
                self.decoder
                    .forward(&sparse, image, &projected, probe, wanted)?
            }
        };
        let masks = masks
            .into_iter()
            .map(|values| LowResMask::from_values(values, side));
        Ok(masks
            .zip(scores)
            .map(|(low_res, score)| Candidate { low_res, score })
            .collect())
    }

    /// Masks of everything on the photo, found by asking at each point of a
    /// grid; disjoint, best first.
    ///
    /// # Errors
    /// For impossible options; [`ModelError::Cancelled`].
    pub fn segment_everything(
        &self,
        encoding: &Encoding,
        options: &EverythingOptions,
        task: Task<'_>,
    ) -> Result<Vec<ScoredMask>, ModelError> {
        everything::run(self, encoding, options, task)
    }
}

impl std::fmt::Debug for PromptableModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PromptableModel")
            .field("design", &self.design)
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

/// The best score among the masks of tokens 1 and up; the first of equals.
fn best_of_several(candidates: &[Candidate]) -> usize {
    let mut best = 1.min(candidates.len().saturating_sub(1));
    for (i, candidate) in candidates.iter().enumerate().skip(1) {
        if candidate.score > candidates[best].score {
            best = i;
        }
    }
    best
}

impl Candidate {
    /// The mask at the photo's size, as SAM upsamples it.
    pub fn mask(&self, encoding: &Encoding) -> Mask {
        encoding.upsample(&self.low_res)
    }
}
