//! SegFormer's encoder, the Mix Transformer.

use super::config::StageConfig;
use crate::models::{ModelError, Weights};
use crate::nn::kernels::Activation;
use crate::nn::{Conv2d, LayerNorm, MixFfn, Probe, Reach, SpatialReductionAttention, row_lengths};
use candle_core::Tensor;
use std::sync::Arc;

/// Epsilon of all layer norms: the reference implementation leaves PyTorch's
/// default, whatever `layer_norm_eps` says.
const EPS: f32 = 1e-5;

/// A stage: a smaller, deeper map, through some blocks.
pub(super) struct Stage {
    /// Overlapping patches: a strided convolution, then a norm.
    embed: (Conv2d, LayerNorm),
    pub blocks: Vec<Block>,
    norm: LayerNorm,
    ratio: usize,
}

/// A Transformer block on a map.
pub(super) struct Block {
    /// The attention's name in the checkpoint.
    name: String,
    attention: SpatialReductionAttention,
    ffn: MixFfn,
}

impl Stage {
    /// Stage `index` of the encoder called `root`.
    pub fn load(
        weights: &Weights,
        config: StageConfig,
        root: &str,
        index: usize,
        act: Activation,
    ) -> Result<Self, ModelError> {
        let name = format!("{root}.patch_embeddings.{index}");
        let shape = (config.channels, config.inputs, config.patch);
        let reach = Reach {
            stride: config.stride,
            padding: config.patch / 2,
            dilation: 1,
        };
        let conv = weights.conv(&format!("{name}.proj"), shape, true)?;
        let embed_norm = weights.norm(&format!("{name}.layer_norm"), config.channels, EPS)?;
        let block = |i| Block::load(weights, config, format!("{root}.block.{index}.{i}"), act);
        Ok(Self {
            embed: (Conv2d::new(&conv, reach, Activation::None), embed_norm),
            blocks: (0..config.depth).map(block).collect::<Result<_, _>>()?,
            norm: weights.norm(&format!("{root}.layer_norm.{index}"), config.channels, EPS)?,
            ratio: config.ratio,
        })
    }

    /// (rows, columns) of the stage's map; `None` if its input is too small.
    pub fn output_size(&self, input: (usize, usize)) -> Option<(usize, usize)> {
        let (rows, columns) = self.embed.0.output_size(input).ok()?;
        (rows >= self.ratio && columns >= self.ratio).then_some((rows, columns))
    }

    /// The patches of the map before, (rows, columns, channels).
    pub fn embed(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        Ok(self.embed.1.forward(&self.embed.0.forward(x)?)?)
    }

    /// What the stage's last block gave, as the next stage and the head see it.
    pub fn finish(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        Ok(self.norm.forward(x)?)
    }
}

impl Block {
    fn load(
        weights: &Weights,
        config: StageConfig,
        name: String,
        act: Activation,
    ) -> Result<Self, ModelError> {
        let (c, inner) = (config.channels, config.inner());
        let attention = format!("{name}.attention.self");
        let part = |part: &str| format!("{attention}.{part}");
        let reduction = || -> Result<_, ModelError> {
            let conv = weights.conv(&part("sr"), (c, c, config.ratio), true)?;
            let reach = Reach {
                stride: config.ratio,
                padding: 0,
                dilation: 1,
            };
            let conv = Conv2d::new(&conv, reach, Activation::None);
            Ok((conv, weights.norm(&part("layer_norm"), c, EPS)?))
        };
        let (key, value) = (part("key"), part("value"));
        let layer = SpatialReductionAttention::new(
            weights.norm(&format!("{name}.layer_norm_1"), c, EPS)?,
            weights.linear(&part("query"), inner, c)?,
            (config.ratio > 1).then(reduction).transpose()?,
            weights.linears(&[&key, &value], inner, c, true)?,
            weights.linear(&format!("{name}.attention.output.dense"), c, inner)?,
            config.heads,
        );
        let mlp = |part: &str| format!("{name}.mlp.{part}");
        let ffn = MixFfn::new(
            weights.norm(&format!("{name}.layer_norm_2"), c, EPS)?,
            weights.linear(&mlp("dense1"), config.hidden, c)?,
            &weights.conv(&mlp("dwconv.dwconv"), (config.hidden, 1, 3), true)?,
            weights.linear(&mlp("dense2"), c, config.hidden)?,
            act,
        );
        Ok(Self {
            name: attention,
            attention: layer,
            ffn,
        })
    }

    /// (rows, columns, channels) to the same shape.
    pub fn forward(&self, x: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor, ModelError> {
        let off = probe.next_layer();
        if !probe.is_recording() {
            return Ok(self.ffn.forward(&self.attention.forward(x, off)?)?);
        }
        let name = self.name.clone();
        let (y, mut record) = self.attention.forward_recorded(x, name, off)?;
        let y = self.ffn.forward(&y)?;
        record.token_norms = Some(Arc::from(row_lengths(&y)?));
        probe.keep(record);
        Ok(y)
    }
}
