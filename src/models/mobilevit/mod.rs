//! MobileViT (Mehta & Rastegari 2022) with DeepLabV3's head. Tensor names as
//! in the checkpoints of apple/deeplabv3-mobilevit-*.
//!
//! ```text
//! picture ─ stem ─ MobileNetV2 × 1 ─ MobileNetV2 × 3 ─ stage 3 ─ stage 4 ─ stage 5 ─ head
//!
//! stage:  inverted residual ─ MobileViT block
//! head:   ASPP ─ 1×1 to the classes                   (segmentation)
//!         1×1 ─ mean ─ linear layer to the classes    (classification)
//! ```

mod backbone;
mod config;
#[cfg(test)]
mod tests;

pub use config::MobileVitConfig;

use super::checkpoint::Config;
use super::dense::{self, HeadKind};
use super::vision::{Output, OutputKind, Run, VisionModel};
use super::{ModelError, Weights};
use crate::nn::{Aspp, Conv2d, Linear, Probe, Reach, Watch};
use crate::task::Task;
use backbone::{Backbone, Reader};
use candle_core::Tensor;

/// The backbone's share of the time.
const BACKBONE_SHARE: f32 = 0.85;

/// A MobileViT with its head.
pub struct MobileVit {
    backbone: Backbone,
    head: Head,
    stride: usize,
    parameters: usize,
}

enum Head {
    DeepLabV3 { aspp: Aspp, classify: Linear },
    Classes { expand: Conv2d, classify: Linear },
    None,
}

impl MobileVit {
    /// From a checkpoint's tensors and its `config.json`.
    ///
    /// # Errors
    /// If the configuration makes no sense, or tensors are missing or do not
    /// fit it.
    pub fn load(weights: &Weights, config: &Config) -> Result<Self, ModelError> {
        let fields = MobileVitConfig::read(config)?;
        let reader = Reader::new(weights, &fields, config)?;
        let prefix = dense::prefix(weights, "mobilevit.", "conv_stem.convolution.weight");
        Ok(Self {
            backbone: Backbone::load(&reader, prefix)?,
            head: Head::load(&reader, config, prefix)?,
            stride: fields.stride(),
            parameters: weights.parameters(),
        })
    }
}

impl Head {
    fn load(reader: &Reader<'_>, config: &Config, prefix: &str) -> Result<Self, ModelError> {
        const DENSE: &str = "segmentation_head.classifier.convolution";
        let weights = reader.weights;
        let tensor = format!("{DENSE}.weight");
        match HeadKind::of(config, weights, &tensor) {
            HeadKind::None => Ok(Self::None),
            HeadKind::Dense => {
                let classes = dense::classes(config, weights, &tensor)?;
                let shape = (classes, reader.config.aspp_out_channels, 1);
                let classify = weights.conv(DENSE, shape, true)?;
                Ok(Self::DeepLabV3 {
                    aspp: aspp(reader)?,
                    classify: Linear::from(&classify),
                })
            }
            HeadKind::Classes => {
                let classes = dense::classes(config, weights, "classifier.weight")?;
                let sizes = &reader.config.neck_hidden_sizes;
                let expand = format!("{prefix}conv_1x1_exp");
                let expand = reader.conv(&expand, (sizes[6], sizes[5], 1))?;
                Ok(Self::Classes {
                    expand: Conv2d::new(&expand, Reach::centred(1, 1, 1), reader.act),
                    classify: weights.linear("classifier", classes, sizes[6])?,
                })
            }
        }
    }
}

/// The ASPP of the segmentation head: its convolutions are numbered, the 1×1
/// first and the pooled one last.
fn aspp(reader: &Reader<'_>) -> Result<Aspp, ModelError> {
    let config = reader.config;
    let (inputs, outputs) = (config.neck_hidden_sizes[5], config.aspp_out_channels);
    let rates = &config.atrous_rates;
    let name = |i: usize| format!("segmentation_head.aspp.convs.{i}");
    let point = reader.conv(&name(0), (outputs, inputs, 1))?;
    let dilated = rates.iter().enumerate().map(|(i, rate)| {
        let conv = reader.conv(&name(i + 1), (outputs, inputs, 3))?;
        Ok((conv, *rate))
    });
    let dilated: Vec<_> = dilated.collect::<Result<_, ModelError>>()?;
    let pooled = format!("{}.conv_1x1", name(rates.len() + 1));
    let pooled = reader.conv(&pooled, (outputs, inputs, 1))?;
    let branches = rates.len() + 2;
    let project = "segmentation_head.aspp.project";
    let project = reader.conv(project, (outputs, branches * outputs, 1))?;
    Ok(Aspp::new(&point, &dilated, &pooled, &project))
}

impl VisionModel for MobileVit {
    fn run(&self, pixels: &Tensor, watch: &Watch, task: Task<'_>) -> Result<Run, ModelError> {
        let (height, width) = dense::picture_size(pixels)?;
        if height == 0 || width == 0 {
            let least = 1;
            return Err(ModelError::TooSmall {
                width,
                height,
                least,
            });
        }
        let mut records = Vec::new();
        let mut probe = Probe::new(watch, &mut records);
        let map = self
            .backbone
            .forward(pixels, &mut probe, task, BACKBONE_SHARE)?;
        task.progress(BACKBONE_SHARE);
        task.check()?;
        let output = match &self.head {
            Head::DeepLabV3 { aspp, classify } => {
                Output::Dense(classify.forward(&aspp.forward(&map)?)?.into())
            }
            Head::Classes { expand, classify } => Output::Classes {
                logits: classify.apply(&dense::mean(&expand.forward(&map)?)?),
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
            Head::DeepLabV3 { .. } => OutputKind::Dense,
            Head::Classes { .. } => OutputKind::Classes,
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
