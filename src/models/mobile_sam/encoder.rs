//! TinyViT with SAM's neck.

use super::MobileSamConfig;
use crate::models::promptable::{ImageEncoder, Neck, ORIGINAL, Taps};
use crate::models::{ModelError, Weights};
use crate::nn::capture::QueryKey;
use crate::nn::kernels::Activation;
use crate::nn::{Bottleneck, ConvStem, Depthwise, MlpBlock, Probe, WindowAttention, row_lengths};
use crate::task::Task;
use candle_core::Tensor;
use std::sync::Arc;

/// Epsilon of the layer norms.
const EPS: f32 = 1e-5;

/// Image to embedding.
pub(super) struct Encoder {
    stem: ConvStem,
    steps: Vec<Step>,
    neck: Neck,
}

/// One block, and roughly how long it takes, for the progress bar.
struct Step {
    block: Block,
    cost: f32,
    /// Whether it is the last of its stage at its stride, so that its map is a
    /// level for decode heads.
    level: bool,
}

enum Block {
    Conv(Bottleneck),
    Transformer(Box<TinyVitBlock>),
}

struct TinyVitBlock {
    name: String,
    /// Shared with the records of its attention.
    attention: Arc<WindowAttention>,
    local_conv: Depthwise,
    mlp: MlpBlock,
}

/// Time of the stem and of the neck, in the unit of the steps.
const STEM_COST: f32 = 2.0;
const NECK_COST: f32 = 2.5;

/// The stages whose maps are levels: at strides 4, 8 and 16.
const LEVELS: [usize; 3] = [0, 1, 3];

impl Encoder {
    pub(super) fn load(weights: &Weights, config: &MobileSamConfig) -> Result<Self, ModelError> {
        let root = "image_encoder";
        let dims = config.embed_dims;
        let stem = ConvStem::new(
            &weights.conv_bn(&format!("{root}.patch_embed.seq.0"), (dims[0] / 2, 3, 3))?,
            &weights.conv_bn(
                &format!("{root}.patch_embed.seq.2"),
                (dims[0], dims[0] / 2, 3),
            )?,
        );
        let mut steps = Vec::new();
        for stage in 0..4 {
            for block in 0..config.depths[stage] {
                let name = format!("{root}.layers.{stage}.blocks.{block}");
                let level = LEVELS.contains(&stage) && block + 1 == config.depths[stage];
                steps.push(if stage == 0 {
                    Step {
                        block: Block::Conv(mbconv(weights, config, &name)?),
                        cost: 3.0,
                        level,
                    }
                } else {
                    let block = TinyVitBlock::load(weights, config, stage, name)?;
                    let cost = [0.0, 4.0, 2.0, 5.0][stage];
                    Step {
                        block: Block::Transformer(Box::new(block)),
                        cost,
                        level,
                    }
                });
            }
            if stage < 3 {
                let name = format!("{root}.layers.{stage}.downsample");
                let merge = merging(weights, dims[stage], dims[stage + 1], &name)?;
                steps.push(Step {
                    block: Block::Conv(merge),
                    cost: 1.0,
                    level: false,
                });
            }
        }
        Ok(Self {
            stem,
            steps,
            neck: Neck::load(weights, &ORIGINAL, dims[3], config.hidden_size)?,
        })
    }
}

impl ImageEncoder for Encoder {
    fn forward(
        &self,
        pixels: &Tensor,
        mut taps: Taps<'_>,
        task: Task<'_>,
    ) -> Result<Tensor, ModelError> {
        let total: f32 =
            STEM_COST + NECK_COST + self.steps.iter().map(|step| step.cost).sum::<f32>();
        task.check()?;
        let mut x = self.stem.forward(pixels)?;
        let mut done = STEM_COST;
        for step in &self.steps {
            task.progress(done / total);
            task.check()?;
            x = match &step.block {
                Block::Conv(block) => block.forward(&x)?,
                Block::Transformer(block) => block.forward(&x, &mut taps.probe)?,
            };
            if step.level {
                taps.levels.push(x.clone());
            }
            done += step.cost;
        }
        task.progress(done / total);
        task.check()?;
        let x = self.neck.forward(&x)?;
        task.progress(1.0);
        Ok(x)
    }
}

fn mbconv(
    weights: &Weights,
    config: &MobileSamConfig,
    name: &str,
) -> Result<Bottleneck, ModelError> {
    let dim = config.embed_dims[0];
    let hidden = dim * config.mbconv_expand_ratio;
    let expand = weights.conv_bn(&format!("{name}.conv1"), (hidden, dim, 1))?;
    let depthwise = depthwise(weights, &format!("{name}.conv2"), hidden)?;
    let project = weights.conv_bn(&format!("{name}.conv3"), (dim, hidden, 1))?;
    Ok(Bottleneck::new(&expand, depthwise, &project, 1, true))
}

/// Patch merging halves the map, except before TinyViT's widest stages.
fn merging(
    weights: &Weights,
    from: usize,
    to: usize,
    name: &str,
) -> Result<Bottleneck, ModelError> {
    let stride = if matches!(to, 320 | 448 | 576) { 1 } else { 2 };
    let expand = weights.conv_bn(&format!("{name}.conv1"), (to, from, 1))?;
    let depthwise = depthwise(weights, &format!("{name}.conv2"), to)?;
    let project = weights.conv_bn(&format!("{name}.conv3"), (to, to, 1))?;
    Ok(Bottleneck::new(&expand, depthwise, &project, stride, false))
}

fn depthwise(weights: &Weights, name: &str, channels: usize) -> Result<Depthwise, ModelError> {
    let conv = weights.conv_bn(name, (channels, 1, 3))?;
    let bias = conv.bias.unwrap_or_else(|| vec![0.0; channels]);
    Ok(Depthwise::new(&conv.weight, bias))
}

impl TinyVitBlock {
    fn load(
        weights: &Weights,
        config: &MobileSamConfig,
        stage: usize,
        name: String,
    ) -> Result<Self, ModelError> {
        let dim = config.embed_dims[stage];
        let (heads, side) = (config.num_heads[stage], config.window_sizes[stage]);
        let attention = format!("{name}.attn");
        let table = weights.get(
            &format!("{attention}.attention_biases"),
            &[heads, side * side],
        )?;
        let attention = WindowAttention::new(
            weights.norm(&format!("{attention}.norm"), dim, EPS)?,
            weights.linear(&format!("{attention}.qkv"), 3 * dim, dim)?,
            weights.linear(&format!("{attention}.proj"), dim, dim)?,
            &table,
            heads,
            side,
        )?;
        let hidden = dim * config.mlp_ratio;
        let mlp = MlpBlock::new(
            weights.norm(&format!("{name}.mlp.norm"), dim, EPS)?,
            weights.linear(&format!("{name}.mlp.fc1"), hidden, dim)?,
            weights.linear(&format!("{name}.mlp.fc2"), dim, hidden)?,
            Activation::Gelu,
        );
        let local_conv = depthwise(weights, &format!("{name}.local_conv"), dim)?;
        Ok(Self {
            name,
            attention: Arc::new(attention),
            local_conv,
            mlp,
        })
    }

    fn forward(&self, x: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor, ModelError> {
        let y = self.attention.forward(x, probe.next_layer())?;
        let y = self.mlp.forward(&self.local_conv.forward(&y)?)?;
        if probe.is_recording() {
            let layer = format!("{}.attn", self.name);
            let mut record = QueryKey::windowed(layer, &self.attention, x)?;
            record.token_norms = Some(row_lengths(&y)?.into());
            probe.keep(record);
        }
        Ok(y)
    }
}
