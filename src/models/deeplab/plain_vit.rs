//! The plain Vision Transformer as a backbone.

use super::layers::{Conv, Linear, Norm};
use super::network::{Backbone, Features, Pass};
use super::source::Part;
use super::trace::Tap;
use crate::models::ModelError;
use crate::nn::capture::{Grid, QueryKey, Tokens};
use crate::nn::kernels::Activation;
use crate::nn::{PositionEncoding, grad};
use candle_core::{DType, Device, Tensor, Var};
use serde::{Deserialize, Serialize};

/// Sizes of the backbone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlainVitConfig {
    /// Channels of the stem's maps at strides 2, 4 and 8.
    pub stem: [usize; 3],
    /// Width of a token.
    pub width: usize,
    /// Transformer blocks.
    pub depth: usize,
    /// Attention heads of a block.
    pub heads: usize,
    /// Hidden width of an MLP, as a multiple of the width.
    pub mlp_ratio: usize,
}

impl Default for PlainVitConfig {
    fn default() -> Self {
        Self {
            stem: [32, 64, 128],
            width: 192,
            depth: 8,
            heads: 3,
            mlp_ratio: 4,
        }
    }
}

impl PlainVitConfig {
    /// All of its sizes.
    pub(super) fn all(&self) -> Vec<usize> {
        let [half, quarter, eighth] = self.stem;
        let others = [self.width, self.depth, self.heads, self.mlp_ratio];
        [&[half, quarter, eighth], &others[..]].concat()
    }

    /// That the sizes fit each other.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.mlp_ratio > 64 || self.depth > 256 {
            return Err("a size of the network is absurdly large");
        }
        if !self.width.is_multiple_of(4) || !self.width.is_multiple_of(self.heads) {
            return Err("the width must be a multiple of 4 and of the attention heads");
        }
        Ok(())
    }
}

/// A stem of early convolutions (Xiao et al. 2021, arXiv 2106.14881), then
/// pre-norm Transformer blocks with global attention (Dosovitskiy et al. 2021,
/// arXiv 2010.11929) on tokens of 16×16 pixels. Positions are sines and
/// cosines, so that pictures of any size go in.
pub(super) struct PlainVit {
    stem: Vec<Conv>,
    embed: Linear,
    positions: PositionEncoding,
    blocks: Vec<Block>,
    norm: Norm,
    config: PlainVitConfig,
}

struct Block {
    norms: [Norm; 2],
    qkv: Linear,
    project: Linear,
    mlp: [Linear; 2],
}

impl PlainVit {
    pub fn new(part: &Part<'_>, config: &PlainVitConfig) -> Result<Self, ModelError> {
        let [half, quarter, eighth] = config.stem;
        let widths = [3, half, quarter, eighth, config.width];
        let stem = widths
            .windows(2)
            .enumerate()
            .map(|(i, pair)| Conv::new(&part.part(format_args!("stem.{i}")), pair[0], pair[1]));
        let block = |i| Block::new(&part.part(format_args!("blocks.{i}")), config);
        Ok(Self {
            stem: stem.collect::<Result<_, _>>()?,
            embed: Linear::new(&part.part("embed"), config.width, config.width)?,
            positions: PositionEncoding::sin_cos(0, config.width),
            blocks: (0..config.depth).map(block).collect::<Result<_, _>>()?,
            norm: Norm::new(&part.part("norm"), config.width, Activation::None)?,
            config: config.clone(),
        })
    }

    /// Tokens (photos, tokens, width) with their positions.
    fn embed(&self, map: &Tensor) -> Result<Tensor, ModelError> {
        let (photos, rows, columns, width) = map.dims4()?;
        let tokens = map.reshape((photos, rows * columns, width))?;
        let positions = self.positions.of(Grid { rows, columns });
        let positions = Tensor::from_vec(positions, (1, rows * columns, width), &Device::Cpu)?;
        Ok(self.embed.forward(&tokens)?.broadcast_add(&positions)?)
    }
}

impl Backbone for PlainVit {
    fn forward(&self, inputs: &[Tensor], pass: &mut Pass<'_>) -> Result<Features, ModelError> {
        let [picture] = inputs else {
            return Err(ModelError::Compute("expected one picture".into()));
        };
        let mut x = picture.clone();
        let mut fine = None;
        for (i, conv) in self.stem.iter().enumerate() {
            x = conv.forward(&x, 2, 1)?;
            if i == 1 {
                fine = Some(x.clone());
            }
        }
        let (photos, rows, columns, width) = x.dims4()?;
        let mut tokens = self.embed(&x)?;
        for (i, block) in self.blocks.iter().enumerate() {
            pass.step(i, self.blocks.len() + 2)?;
            tokens = block.forward(&tokens, i, &self.config, Grid { rows, columns }, pass)?;
        }
        let tokens = self.norm.forward(&tokens)?;
        Ok(Features {
            deep: tokens.reshape((photos, rows, columns, width))?,
            fine: fine.into_iter().collect(),
        })
    }

    fn width(&self) -> usize {
        self.config.width
    }
}

impl Block {
    fn new(part: &Part<'_>, config: &PlainVitConfig) -> Result<Self, ModelError> {
        let (width, hidden) = (config.width, config.width * config.mlp_ratio);
        let norm = |name| Norm::new(&part.part(name), width, Activation::None);
        Ok(Self {
            norms: [norm("norm1")?, norm("norm2")?],
            qkv: Linear::new(&part.part("qkv"), width, 3 * width)?,
            project: Linear::silent(&part.part("project"), width, width)?,
            mlp: [
                Linear::new(&part.part("mlp.0"), width, hidden)?,
                Linear::silent(&part.part("mlp.1"), hidden, width)?,
            ],
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        index: usize,
        config: &PlainVitConfig,
        grid: Grid,
        pass: &mut Pass<'_>,
    ) -> Result<Tensor, ModelError> {
        let qkv = self.qkv.forward(&self.norms[0].forward(x)?)?;
        let mut mixed = grad::attention(&qkv, config.heads)?;
        if let Some(taps) = pass.taps.as_deref_mut() {
            let zeros = Var::zeros(mixed.shape(), DType::F32, &Device::Cpu)?;
            mixed = (mixed + zeros.as_tensor())?;
            taps.push(Tap {
                layout: layout(grid),
                attention_heads: config.heads,
                qkv: qkv.clone(),
                zeros,
            });
        }
        let off = pass.probe.next_layer();
        if !off.is_empty() {
            let factors = off.factors(config.heads, config.width / config.heads);
            mixed = mixed.broadcast_mul(&Tensor::new(factors, &Device::Cpu)?)?;
        }
        let x = (x + self.project.forward(&mixed)?)?;
        let hidden = self.mlp[0].forward(&self.norms[1].forward(&x)?)?;
        let x = (x + self.mlp[1].forward(&grad::gelu(&hidden)?)?)?;
        if pass.probe.is_recording() {
            let mut record = record(&qkv, index, config, grid)?;
            let (_, tokens, width) = x.dims3()?;
            let tokens = x.reshape((tokens, width))?;
            record.token_norms = Some(crate::nn::row_lengths(&tokens)?.into());
            pass.probe.keep(record);
        }
        Ok(x)
    }
}

/// Tokens of a grid and no others.
fn layout(grid: Grid) -> Tokens {
    Tokens {
        prefix: 0,
        grid: Some(grid),
    }
}

/// Queries and keys of the one photo in `qkv` (1, tokens, 3 · width).
fn record(
    qkv: &Tensor,
    index: usize,
    config: &PlainVitConfig,
    grid: Grid,
) -> Result<QueryKey, ModelError> {
    let layout = layout(grid);
    let (heads, dim) = (config.heads, config.width / config.heads);
    let part = |third: usize| -> Result<Tensor, ModelError> {
        let part = qkv.narrow(2, third * config.width, config.width)?;
        let part = part.reshape((grid.len(), heads, dim))?;
        Ok(part.transpose(0, 1)?.contiguous()?)
    };
    let layer = format!("backbone.blocks.{index}");
    let (queries, keys) = ((layout, part(0)?), (layout, part(1)?));
    let scale = 1.0 / (dim as f32).sqrt();
    let bias = crate::nn::capture::Bias::None;
    Ok(QueryKey::stored(layer, queries, keys, scale, bias)?)
}
