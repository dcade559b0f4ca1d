//! MobileSAM: a TinyViT-5M encoder with SAM's prompt encoder and mask decoder.
//!
//! Zhang et al. 2023, "Faster Segment Anything" (arXiv 2306.14289); TinyViT:
//! Wu et al. 2022 (arXiv 2207.10666); SAM: Kirillov et al. 2023
//! (arXiv 2304.02643). Tensor names are those of the original checkpoint.
//!
//! A photo is encoded once ([`MobileSam::encode`]); each prompt is then a pass
//! of the small decoder ([`MobileSam::decode`]).

mod config;
mod decoder;
mod encoder;
mod everything;
mod preprocess;
mod prompt;
mod prompt_encoder;
mod upsample;

pub use config::MobileSamConfig;
pub use everything::{EverythingOptions, ScoredMask};
pub use preprocess::resized;
pub use prompt::{LowResMask, MAX_POINTS, Prompt, PromptPoint};

use super::{ModelError, Weights, weights};
use crate::label::Mask;
use crate::nn::capture::{Capture, Grid, QueryKey};
use crate::nn::{ImageProjections, Values};
use crate::task::Task;
use candle_core::{Device, Tensor};
use decoder::MaskDecoder;
use encoder::Encoder;
use prompt_encoder::PromptEncoder;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// Share of an encoding's work that is done before the network starts.
const PREPROCESSING: f32 = 0.04;

/// The model. Immutable; share it by `Arc`.
pub struct MobileSam {
    config: MobileSamConfig,
    encoder: Encoder,
    prompts: PromptEncoder,
    decoder: MaskDecoder,
    parameters: usize,
}

/// What the encoder made of a photo. Clones share it.
#[derive(Clone)]
pub struct Encoding(Arc<Inner>);

struct Inner {
    width: u32,
    height: u32,
    resized: (usize, usize),
    frame: usize,
    /// (rows, columns, channels).
    embedding: Tensor,
    /// Projections for the decoder's first block without a mask prompt: the
    /// same for all such prompts.
    projected: ImageProjections,
    records: Vec<QueryKey>,
}

/// What the decoder made of a prompt.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Four masks in the order of their tokens: 0 is for prompts that leave no
    /// doubt, 1 to 3 for one point, which may mean a part or a whole.
    pub candidates: Vec<Candidate>,
    /// The one to show first, chosen as SAM does.
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

impl MobileSam {
    /// From the bytes of a safetensors file: f32, f16 or bf16, batch norms
    /// folded or not.
    ///
    /// # Errors
    /// Anything that is wrong with the weights; [`ModelError::Device`] for
    /// other devices than the CPU.
    pub fn from_safetensors(
        bytes: impl Into<Cow<'static, [u8]>>,
        device: &Device,
    ) -> Result<Self, ModelError> {
        Self::load(
            &Weights::parse(bytes, "model.safetensors")?,
            MobileSamConfig::default(),
            device,
        )
    }

    /// From a checkpoint folder: `config.json` and `model.safetensors`.
    ///
    /// # Errors
    /// As [`MobileSam::from_safetensors`], and if a file cannot be read.
    pub fn from_folder(folder: &Path, device: &Device) -> Result<Self, ModelError> {
        let config = MobileSamConfig::read(&folder.join("config.json"))?;
        let path = folder.join("model.safetensors");
        let bytes = weights::read_file(&path)?;
        Self::load(
            &Weights::parse(bytes, &path.display().to_string())?,
            config,
            device,
        )
    }

    fn load(
        weights: &Weights,
        config: MobileSamConfig,
        device: &Device,
    ) -> Result<Self, ModelError> {
        if !device.is_cpu() {
            return Err(ModelError::Device {
                device: format!("{:?}", device.location()),
            });
        }
        let (encoder, rest) = rayon::join(
            || Encoder::load(weights, &config),
            || -> Result<_, ModelError> {
                let prompts = PromptEncoder::load(weights, &config)?;
                let decoder = MaskDecoder::load(weights, &config, prompts.grid_positions())?;
                Ok((prompts, decoder))
            },
        );
        let (prompts, decoder) = rest?;
        Ok(Self {
            encoder: encoder?,
            prompts,
            decoder,
            parameters: weights.parameters(),
            config,
        })
    }

    /// Sizes of the network.
    pub fn config(&self) -> &MobileSamConfig {
        &self.config
    }

    /// Number of parameters in the checkpoint.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Encode a photo of `width` × `height` pixels, interleaved `rgb`.
    ///
    /// # Errors
    /// If the pixels do not fit the size; [`ModelError::Cancelled`].
    pub fn encode(
        &self,
        rgb: &[u8],
        width: u32,
        height: u32,
        capture: Capture,
        task: Task<'_>,
    ) -> Result<Encoding, ModelError> {
        let expected = u64::from(width) * u64::from(height) * 3;
        if expected == 0 || rgb.len() as u64 != expected {
            return Err(ModelError::PhotoSize {
                width,
                height,
                expected,
                found: rgb.len(),
            });
        }
        task.check()?;
        let size = (width as usize, height as usize);
        let frame = self.config.image_size;
        let resized = resized(size, frame);
        let pixels = preprocess::pixels(rgb, size, resized, frame);
        let pixels = Tensor::from_vec(pixels, (frame, frame, 3), &Device::Cpu)?;
        task.progress(PREPROCESSING);
        let report =
            |fraction: f32| task.progress(PREPROCESSING + fraction * (1.0 - PREPROCESSING));
        let mut records = Vec::new();
        let sink = capture.is_on().then_some(&mut records);
        let embedding = self
            .encoder
            .forward(&pixels, sink, task.reporting_to(&report))?;
        let image = self.prompts.without_mask(&Values::of(&embedding)?);
        let projected = self.decoder.project(&image);
        Ok(Encoding(Arc::new(Inner {
            width,
            height,
            resized,
            frame,
            embedding,
            projected,
            records,
        })))
    }

    /// Four masks for a prompt.
    ///
    /// # Errors
    /// If the prompt makes no sense for the photo.
    pub fn decode(
        &self,
        encoding: &Encoding,
        prompt: &Prompt,
        capture: Capture,
    ) -> Result<Prediction, ModelError> {
        let mut records = Vec::new();
        let sink = capture.is_on().then_some(&mut records);
        let candidates = self.candidates(encoding, prompt, sink, |_| true)?;
        let best = if prompt.is_single_point() {
            best_of_several(&candidates)
        } else {
            0
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
        records: Option<&mut Vec<QueryKey>>,
        wanted: impl Fn(&[f32]) -> bool,
    ) -> Result<Vec<Candidate>, ModelError> {
        let inner = &*encoding.0;
        let side = self.config.mask_side();
        prompt.check(inner.width, inner.height, side.pow(2))?;
        let sparse = self
            .prompts
            .sparse(prompt, (inner.width, inner.height), inner.resized);
        let embedding = Values::of(&inner.embedding)?;
        let (masks, scores) = match &prompt.mask {
            None => {
                let image = self.prompts.without_mask(&embedding);
                self.decoder
                    .forward(&sparse, image, &inner.projected, records, wanted)?
            }
            Some(mask) => {
                let image = self.prompts.with_mask(&embedding, mask.values());
                let projected = self.decoder.project(&image);
                self.decoder
                    .forward(&sparse, image, &projected, records, wanted)?
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

/// The best score among the masks for a single point; the first of equals.
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

impl Encoding {
    /// Width of the photo in pixels.
    pub fn width(&self) -> u32 {
        self.0.width
    }

    /// Height of the photo in pixels.
    pub fn height(&self) -> u32 {
        self.0.height
    }

    /// The feature map, (rows, columns, channels).
    pub fn embedding(&self) -> &Tensor {
        &self.0.embedding
    }

    /// The token grid of the feature map. Photos cover its upper left part:
    /// see [`Encoding::covered`].
    pub fn grid(&self) -> Grid {
        let dims = self.0.embedding.dims();
        Grid {
            rows: dims[0],
            columns: dims[1],
        }
    }

    /// Width and height of the part of the model's square frame that the photo
    /// covers, as fractions 0..1; the rest is padding.
    pub fn covered(&self) -> (f32, f32) {
        let frame = self.0.frame as f32;
        (
            self.0.resized.0 as f32 / frame,
            self.0.resized.1 as f32 / frame,
        )
    }

    /// Queries and keys of the encoder, layer by layer; empty if they were not
    /// asked for.
    pub fn records(&self) -> &[QueryKey] {
        &self.0.records
    }

    /// Bytes of memory that this encoding holds.
    pub fn bytes(&self) -> usize {
        let inner = &*self.0;
        let records: usize = inner.records.iter().map(QueryKey::bytes).sum();
        4 * inner.embedding.elem_count() + inner.projected.bytes() + records
    }

    /// Logits as a mask of the photo's pixels: bilinear to the model's frame,
    /// cropped, bilinear to the photo, positive.
    pub fn upsample(&self, low_res: &LowResMask) -> Mask {
        let photo = (self.0.width as usize, self.0.height as usize);
        upsample::mask(low_res, self.0.frame, self.0.resized, photo)
    }
}

impl std::fmt::Debug for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoding")
            .field("width", &self.width())
            .field("height", &self.height())
            .field("bytes", &self.bytes())
            .finish()
    }
}

#[cfg(test)]
mod tests;
