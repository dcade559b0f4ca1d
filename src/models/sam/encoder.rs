//! SAM's image encoder: a plain ViT whose blocks mostly attend in windows.

use super::VisionConfig;
use crate::models::promptable::{HUGGING_FACE, ImageEncoder, Neck, Taps};
use crate::models::{ModelError, Weights};
use crate::nn::capture::Grid;
use crate::nn::kernels::add_assign;
use crate::nn::{
    LayerNorm, MlpBlock, PatchEmbedding, Probe, RelativeAttention, RelativePositions, Values,
    row_lengths,
};
use crate::task::Task;
use candle_core::Tensor;

const ROOT: &str = "vision_encoder";
/// Time of a block with global attention, of the neck, and of the patches,
/// where one with windows takes 1.
const WHOLE_COST: f32 = 2.2;
const NECK_COST: f32 = 0.1;
const PATCHES_COST: f32 = 0.1;

/// Image to embedding.
pub(super) struct Encoder {
    patches: PatchEmbedding,
    /// (grid, grid, width).
    positions: Option<Vec<f32>>,
    blocks: Vec<Block>,
    neck: Neck,
}

/// Attention, then an MLP, each added to what it was given.
struct Block {
    attention_name: String,
    attention: RelativeAttention,
    mlp: MlpBlock,
    cost: f32,
}

impl Encoder {
    pub(super) fn load(weights: &Weights, config: &VisionConfig) -> Result<Self, ModelError> {
        let (width, side) = (config.hidden_size, config.grid_side());
        let patches = format!("{ROOT}.patch_embed.projection");
        let (patch, channels) = (config.patch_size, config.num_channels);
        let weight = weights.get(
            &format!("{patches}.weight"),
            &[width, channels, patch, patch],
        )?;
        let bias = weights.get(&format!("{patches}.bias"), &[width])?;
        let positions = format!("{ROOT}.pos_embed");
        let positions = config
            .use_abs_pos
            .then(|| weights.get(&positions, &[1, side, side, width]))
            .transpose()?;
        let blocks = (0..config.num_hidden_layers).map(|i| Block::load(weights, config, i));
        Ok(Self {
            patches: PatchEmbedding::new(&weight, &bias, (patch, patch), channels),
            positions,
            blocks: blocks.collect::<Result<_, _>>()?,
            neck: Neck::load(weights, &HUGGING_FACE, width, config.output_channels)?,
        })
    }
}

impl Encoder {
    /// Patches with their positions, (grid, grid, width).
    fn embed(&self, pixels: &Tensor) -> Result<Tensor, ModelError> {
        let (tokens, grid) = self.patches.forward(pixels)?;
        let mut map = Values::of(&tokens)?.to_vec();
        if let Some(positions) = &self.positions {
            add_assign(&mut map, positions);
        }
        let shape = (grid.rows, grid.columns, self.patches.width());
        Ok(Tensor::from_vec(map, shape, pixels.device())?)
    }
}

impl ImageEncoder for Encoder {
    fn forward(
        &self,
        pixels: &Tensor,
        mut taps: Taps<'_>,
        task: Task<'_>,
    ) -> Result<Tensor, ModelError> {
        let blocks: f32 = self.blocks.iter().map(|block| block.cost).sum();
        let total = PATCHES_COST + blocks + NECK_COST;
        task.check()?;
        let mut x = self.embed(pixels)?;
        let mut done = PATCHES_COST;
        for block in &self.blocks {
            task.progress(done / total);
            task.check()?;
            x = block.forward(&x, &mut taps.probe)?;
            done += block.cost;
        }
        task.progress(done / total);
        task.check()?;
        let x = self.neck.forward(&x)?;
        task.progress(1.0);
        Ok(x)
    }
}

impl Block {
    fn load(weights: &Weights, config: &VisionConfig, index: usize) -> Result<Self, ModelError> {
        let name = format!("{ROOT}.layers.{index}");
        let (width, hidden, eps) = (
            config.hidden_size,
            config.mlp_width(),
            config.layer_norm_eps,
        );
        let norm = |i: usize| weights.norm(&format!("{name}.layer_norm{i}"), width, eps);
        let linear = |part: &str, n, k| weights.linear(&format!("{name}.mlp.{part}"), n, k);
        let window = config.window(index);
        Ok(Self {
            attention: attention(weights, config, &name, (norm(1)?, window))?,
            attention_name: format!("{name}.attn"),
            mlp: MlpBlock::new(
                norm(2)?,
                linear("lin1", hidden, width)?,
                linear("lin2", width, hidden)?,
                config.activation(),
            ),
            cost: if window.is_some() { 1.0 } else { WHOLE_COST },
        })
    }

    fn forward(&self, x: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor, ModelError> {
        let off = probe.next_layer();
        let layer = probe.is_recording().then_some(&*self.attention_name);
        let (x, record) = self.attention.forward(x, layer, off)?;
        let x = self.mlp.forward(&x)?;
        if let Some(mut record) = record {
            record.token_norms = Some(row_lengths(&x)?.into());
            probe.keep(record);
        }
        Ok(x)
    }
}

fn attention(
    weights: &Weights,
    config: &VisionConfig,
    block: &str,
    (norm, window): (LayerNorm, Option<usize>),
) -> Result<RelativeAttention, ModelError> {
    let (width, heads) = (config.hidden_size, config.num_attention_heads);
    let name = |part: &str| format!("{block}.attn.{part}");
    let side = window.unwrap_or(config.grid_side());
    let table = |part: &str| weights.get(&name(part), &[2 * side - 1, width / heads]);
    let positions = if config.use_rel_pos {
        let grid = Grid {
            rows: side,
            columns: side,
        };
        let (rows, columns) = (table("rel_pos_h")?, table("rel_pos_w")?);
        Some(RelativePositions::new(rows, columns, grid, width / heads)?)
    } else {
        None
    };
    let qkv = weights.linears(&[&name("qkv")], 3 * width, width, config.qkv_bias)?;
    let project = weights.linear(&name("proj"), width, width)?;
    Ok(RelativeAttention::new(
        norm, qkv, project, heads, window, positions,
    ))
}
