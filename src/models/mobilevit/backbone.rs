//! MobileViT's backbone: MobileNetV2's inverted residuals, and MobileViT
//! blocks in the deeper stages.

use super::config::MobileVitConfig;
use crate::models::checkpoint::Config;
use crate::models::{ModelError, Weights, dense};
use crate::nn::kernels::Activation;
use crate::nn::{
    Conv2d, FoldedConv, InvertedResidual, Linear, MlpBlock, MobileVitBlock, PhaseLayer, Probe,
    Reach,
};
use crate::task::Task;
use candle_core::Tensor;
use std::sync::Arc;

/// Inverted residuals of the first two stages, stride of the first of them.
const MOBILENET_STAGES: [(usize, usize); 2] = [(1, 1), (3, 2)];
/// Transformer layers of the three MobileViT blocks.
const LAYERS: [usize; 3] = [2, 4, 3];

/// The steps of the backbone, by rough cost: the stem and each inverted
/// residual of the large maps, each Transformer layer, and the convolutions
/// around a Transformer.
const COSTS: (usize, usize, usize) = (2, 1, 2);

/// From a picture to the last map.
pub(super) struct Backbone {
    stem: Conv2d,
    mobilenet: Vec<InvertedResidual>,
    stages: Vec<Stage>,
}

/// An inverted residual that makes the map deeper, and a MobileViT block.
struct Stage {
    /// The block's name in the checkpoint.
    name: String,
    downsampling: InvertedResidual,
    block: MobileVitBlock,
}

/// Reads layers, by the conventions of this family.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub weights: &'a Weights<'a>,
    pub config: &'a MobileVitConfig,
    pub act: Activation,
}

impl<'a> Reader<'a> {
    pub fn new(
        weights: &'a Weights<'a>,
        config: &'a MobileVitConfig,
        file: &Config,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            weights,
            config,
            act: dense::activation(file, &config.hidden_act)?,
        })
    }

    /// A convolution without bias and its batch norm.
    pub fn conv(&self, name: &str, shape: (usize, usize, usize)) -> Result<FoldedConv, ModelError> {
        let conv = self
            .weights
            .conv(&format!("{name}.convolution"), shape, false)?;
        dense::normalised(self.weights, &format!("{name}.normalization"), conv)
    }

    fn inverted_residual(
        &self,
        name: &str,
        (inputs, outputs): (usize, usize),
        (stride, dilation): (usize, usize),
    ) -> Result<InvertedResidual, ModelError> {
        let wide = self.config.expanded(inputs);
        let expand = self.conv(&format!("{name}.expand_1x1"), (wide, inputs, 1))?;
        let filter = self.conv(&format!("{name}.conv_3x3"), (wide, 1, 3))?;
        let reduce = self.conv(&format!("{name}.reduce_1x1"), (outputs, wide, 1))?;
        let filter = (&filter, stride, dilation);
        Ok(InvertedResidual::new(&expand, filter, &reduce, self.act))
    }

    fn block(
        &self,
        name: &str,
        channels: usize,
        width: usize,
        layers: usize,
    ) -> Result<MobileVitBlock, ModelError> {
        let side = self.config.conv_kernel_size;
        let reach = Reach::centred(side, 1, 1);
        let part = |part: &str| format!("{name}.{part}");
        let local = self.conv(&part("conv_kxk"), (channels, channels, side))?;
        let widen = part("conv_1x1.convolution");
        let widen = self.weights.conv(&widen, (width, channels, 1), false)?;
        let project = self.conv(&part("conv_projection"), (channels, width, 1))?;
        let fuse = self.conv(&part("fusion"), (channels, 2 * channels, side))?;
        let layer = |i| self.layer(&format!("{name}.transformer.layer.{i}"), width);
        let eps = self.config.layer_norm_eps;
        Ok(MobileVitBlock {
            local: (Conv2d::new(&local, reach, self.act), Linear::from(&widen)),
            layers: (0..layers).map(layer).collect::<Result<_, _>>()?,
            norm: self.weights.norm(&part("layernorm"), width, eps)?,
            project: (Linear::from(&project), self.act),
            fuse: Conv2d::new(&fuse, reach, self.act),
            patch: self.config.patch_size,
        })
    }

    fn layer(&self, name: &str, width: usize) -> Result<PhaseLayer, ModelError> {
        let (weights, eps) = (self.weights, self.config.layer_norm_eps);
        let part = |part: &str| format!("{name}.{part}");
        let qkv = ["query", "key", "value"].map(|p| part(&format!("attention.attention.{p}")));
        let qkv: Vec<&str> = qkv.iter().map(String::as_str).collect();
        let hidden = self.config.mlp_width(width);
        let mlp = MlpBlock::new(
            weights.norm(&part("layernorm_after"), width, eps)?,
            weights.linear(&part("intermediate.dense"), hidden, width)?,
            weights.linear(&part("output.dense"), width, hidden)?,
            self.act,
        );
        Ok(PhaseLayer::new(
            weights.norm(&part("layernorm_before"), width, eps)?,
            weights.linears(&qkv, width, width, self.config.qkv_bias)?,
            weights.linear(&part("attention.output.dense"), width, width)?,
            self.config.num_attention_heads,
            mlp,
        ))
    }
}

impl Backbone {
    /// `prefix` comes before the tensors' names.
    pub fn load(reader: &Reader<'_>, prefix: &str) -> Result<Self, ModelError> {
        let config = reader.config;
        let sizes = &config.neck_hidden_sizes;
        let stem = (sizes[0], config.num_channels, 3);
        let stem = reader.conv(&format!("{prefix}conv_stem"), stem)?;
        let mut mobilenet = Vec::new();
        for (stage, (count, stride)) in MOBILENET_STAGES.into_iter().enumerate() {
            for i in 0..count {
                let name = format!("{prefix}encoder.layer.{stage}.layer.{i}");
                let (from, stride) = match i {
                    0 => (sizes[stage], stride),
                    _ => (sizes[stage + 1], 1),
                };
                let channels = (from, sizes[stage + 1]);
                mobilenet.push(reader.inverted_residual(&name, channels, (stride, 1))?);
            }
        }
        let stage = |i: usize| {
            let at = MOBILENET_STAGES.len() + i;
            let name = format!("{prefix}encoder.layer.{at}");
            let (from, to) = (sizes[at], sizes[at + 1]);
            let steps = config.downsampling()[i];
            let downsampling = format!("{name}.downsampling_layer");
            Ok(Stage {
                downsampling: reader.inverted_residual(&downsampling, (from, to), steps)?,
                block: reader.block(&name, to, config.hidden_sizes[i], LAYERS[i])?,
                name,
            })
        };
        Ok(Self {
            stem: Conv2d::new(&stem, Reach::centred(3, 2, 1), reader.act),
            mobilenet,
            stages: (0..LAYERS.len())
                .map(stage)
                .collect::<Result<_, ModelError>>()?,
        })
    }

    /// (rows, columns, 3) to the last stage's map. Reports up to `share` of
    /// the progress.
    pub fn forward(
        &self,
        pixels: &Tensor,
        probe: &mut Probe<'_>,
        task: Task<'_>,
        share: f32,
    ) -> Result<Tensor, ModelError> {
        let (large, layer, around) = COSTS;
        let layers = self.stages.iter().map(|stage| stage.block.layers.len());
        let total = large * (1 + self.mobilenet.len())
            + layer * layers.sum::<usize>()
            + around * self.stages.len();
        let mut done = 0;
        let mut step = |cost: usize| {
            task.progress(share * done as f32 / total as f32);
            done += cost;
            task.check()
        };
        step(large)?;
        let mut x = self.stem.forward(pixels)?;
        for block in &self.mobilenet {
            step(large)?;
            x = block.forward(&x)?;
        }
        for stage in &self.stages {
            step(around)?;
            x = stage.downsampling.forward(&x)?;
            let mut phases = stage.block.unfold(&x)?;
            for (i, block) in stage.block.layers.iter().enumerate() {
                step(layer)?;
                let off = probe.next_layer();
                if probe.is_recording() {
                    let name = stage.attention(i);
                    let mut record = block.forward_recorded(&mut phases, name, off)?;
                    record.token_norms = Some(Arc::from(phases.norms()?));
                    probe.keep(record);
                } else {
                    block.forward(&mut phases, off)?;
                }
            }
            task.check()?;
            x = stage.block.fold(&phases, &x)?;
        }
        Ok(x)
    }
}

impl Stage {
    /// The name of a layer's attention in the checkpoint.
    fn attention(&self, layer: usize) -> String {
        format!(
            "{}.transformer.layer.{layer}.attention.attention",
            self.name
        )
    }
}
