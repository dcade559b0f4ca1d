//! SegFormer (Xie et al. 2021): a Transformer without position encodings whose
//! map gets smaller and deeper stage by stage, and a decode head of linear
//! layers. Tensor names as in the checkpoints of nvidia/segformer-*.
//!
//! ```text
//! picture ─ stage 1 ─ stage 2 ─ stage 3 ─ stage 4
//!              │         │         │         │
//!              └─────────┴── all-MLP head ───┘── classes at the size of stage 1
//!
//! stage: overlapping patches ─ (efficient self-attention ─ Mix-FFN) × depth ─ norm
//! ```

mod config;
mod encoder;
#[cfg(test)]
mod tests;

pub use config::SegFormerConfig;

use super::checkpoint::Config;
use super::dense::{self, HeadKind};
use super::vision::{Output, OutputKind, Run, VisionModel};
use super::{ModelError, Weights};
use crate::nn::{AllMlpHead, Linear, Probe, StageLinear, Watch};
use crate::task::Task;
use candle_core::Tensor;
use encoder::Stage;

/// Time of a patch embedding and of the head, in blocks.
const EMBED_COST: usize = 1;
const HEAD_COST: usize = 2;

/// A SegFormer with its head.
pub struct SegFormer {
    stages: Vec<Stage>,
    head: Head,
    stride: usize,
    parameters: usize,
}

enum Head {
    Dense(AllMlpHead),
    Classes(Linear),
    None,
}

impl SegFormer {
    /// From a checkpoint's tensors and its `config.json`.
    ///
    /// # Errors
    /// If the configuration makes no sense, or tensors are missing or do not
    /// fit it.
    pub fn load(weights: &Weights, config: &Config) -> Result<Self, ModelError> {
        let fields = SegFormerConfig::read(config)?;
        let act = dense::activation(config, &fields.hidden_act)?;
        let prefix = dense::prefix(weights, "segformer.", "encoder.layer_norm.0.weight");
        let root = format!("{prefix}encoder");
        let stage = |(index, stage)| Stage::load(weights, stage, &root, index, act);
        Ok(Self {
            stages: fields
                .stages()
                .enumerate()
                .map(stage)
                .collect::<Result<_, _>>()?,
            head: Head::load(weights, config, &fields)?,
            stride: fields
                .stages()
                .fold(1, |product, stage| stage.stride.saturating_mul(product)),
            parameters: weights.parameters(),
        })
    }

    /// The maps of all stages, largest first.
    fn encode(
        &self,
        pixels: &Tensor,
        probe: &mut Probe<'_>,
        task: Task<'_>,
    ) -> Result<Vec<Tensor>, ModelError> {
        let cost = |stage: &Stage| EMBED_COST + stage.blocks.len();
        let total = HEAD_COST + self.stages.iter().map(cost).sum::<usize>();
        let mut done = 0;
        let mut step = |cost: usize| {
            task.progress(done as f32 / total as f32);
            done += cost;
            task.check()
        };
        let mut maps: Vec<Tensor> = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            step(EMBED_COST)?;
            let mut x = stage.embed(maps.last().unwrap_or(pixels))?;
            for block in &stage.blocks {
                step(1)?;
                x = block.forward(&x, probe)?;
            }
            maps.push(stage.finish(&x)?);
        }
        step(HEAD_COST)?;
        Ok(maps)
    }

    /// Whether every stage has a token of a picture of this size.
    fn fits(&self, picture: (usize, usize)) -> bool {
        let mut stages = self.stages.iter();
        stages
            .try_fold(picture, |size, stage| stage.output_size(size))
            .is_some()
    }

    /// The least side of a square picture.
    fn least(&self) -> usize {
        let mut sides = 1..1 << 16;
        let fits = |side: &usize| self.fits((*side, *side));
        sides.find(fits).unwrap_or(usize::MAX)
    }
}

impl Head {
    fn load(
        weights: &Weights,
        config: &Config,
        fields: &SegFormerConfig,
    ) -> Result<Self, ModelError> {
        const DENSE: &str = "decode_head.classifier.weight";
        match HeadKind::of(config, weights, DENSE) {
            HeadKind::None => Ok(Self::None),
            HeadKind::Classes => {
                let classes = dense::classes(config, weights, "classifier.weight")?;
                let channels = fields.stages().last().map_or(0, |stage| stage.channels);
                Ok(Self::Classes(weights.linear(
                    "classifier",
                    classes,
                    channels,
                )?))
            }
            HeadKind::Dense => {
                let classes = dense::classes(config, weights, DENSE)?;
                Ok(Self::Dense(all_mlp_head(weights, fields, classes)?))
            }
        }
    }
}

fn all_mlp_head(
    weights: &Weights,
    fields: &SegFormerConfig,
    classes: usize,
) -> Result<AllMlpHead, ModelError> {
    let width = fields.decoder_hidden_size;
    let linear = |(i, stage): (usize, config::StageConfig)| -> Result<_, ModelError> {
        let name = format!("decode_head.linear_c.{i}.proj");
        Ok(StageLinear {
            weight: weights.get(&format!("{name}.weight"), &[width, stage.channels])?,
            bias: weights.get(&format!("{name}.bias"), &[width])?,
        })
    };
    let stages = fields.stages().enumerate().map(linear);
    let stages: Vec<StageLinear> = stages.collect::<Result<_, _>>()?;
    let shape = (width, stages.len() * width, 1);
    let fuse = weights.conv("decode_head.linear_fuse", shape, false)?;
    let fuse = dense::normalised(weights, "decode_head.batch_norm", fuse)?;
    let classify = weights.conv("decode_head.classifier", (classes, width, 1), true)?;
    Ok(AllMlpHead::new(&stages, &fuse, &classify))
}

impl VisionModel for SegFormer {
    fn run(&self, pixels: &Tensor, watch: &Watch, task: Task<'_>) -> Result<Run, ModelError> {
        let size = dense::picture_size(pixels)?;
        if !self.fits(size) {
            return Err(ModelError::TooSmall {
                width: size.1,
                height: size.0,
                least: self.least(),
            });
        }
        let mut records = Vec::new();
        let maps = self.encode(pixels, &mut Probe::new(watch, &mut records), task)?;
        let output = match &self.head {
            Head::Dense(head) => Output::Dense(head.forward(&maps)?.into()),
            Head::Classes(linear) => Output::Classes {
                logits: match maps.last() {
                    Some(map) => linear.apply(&dense::mean(map)?),
                    None => Vec::new(),
                },
                others: Vec::new(),
            },
            Head::None => Output::Features,
        };
        task.progress(1.0);
        Ok(Run {
            output,
            hidden: None,
            records,
        })
    }

    fn kind(&self) -> OutputKind {
        match self.head {
            Head::Dense(_) => OutputKind::Dense,
            Head::Classes(_) => OutputKind::Classes,
            Head::None => OutputKind::Features,
        }
    }

    fn stride(&self) -> usize {
        self.stride
    }

    fn parameters(&self) -> usize {
        self.parameters
    }
}
