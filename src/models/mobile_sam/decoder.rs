//! SAM's mask decoder: tokens and embedding to masks and scores.

use super::MobileSamConfig;
use crate::models::{ModelError, Weights};
use crate::nn::capture::{Grid, QueryKey};
use crate::nn::{
    CrossAttention, ImageProjections, LayerNorm, MaskHead, Mlp, TwoWayBlock, TwoWayTransformer,
};

/// Epsilon of the layer norms and of the upscaling's channel-wise norm.
const EPS: f32 = 1e-5;
const UPSCALING_EPS: f32 = 1e-6;
/// What the upscaling divides the channels by, in two steps.
const UPSCALING: (usize, usize) = (4, 8);

/// The decoder.
pub(super) struct MaskDecoder {
    /// The score token, then the mask tokens; (1 + masks, width).
    tokens: Vec<f32>,
    transformer: TwoWayTransformer,
    masks: MaskHead,
    scores: Mlp,
    grid: Grid,
    width: usize,
}

impl MaskDecoder {
    pub(super) fn load(
        weights: &Weights,
        config: &MobileSamConfig,
        positions: Vec<f32>,
    ) -> Result<Self, ModelError> {
        let root = "mask_decoder";
        let (width, masks) = (config.hidden_size, config.num_mask_tokens);
        let mut tokens = weights.get(&format!("{root}.iou_token.weight"), &[1, width])?;
        tokens.extend(weights.get(&format!("{root}.mask_tokens.weight"), &[masks, width])?);
        let grid = Grid {
            rows: config.grid_side(),
            columns: config.grid_side(),
        };
        let head = format!("{root}.iou_prediction_head");
        Ok(Self {
            tokens,
            transformer: transformer(weights, config, positions, grid)?,
            masks: mask_head(weights, config, root)?,
            scores: mlp(weights, &head, &[width, width, width, masks])?,
            grid,
            width,
        })
    }

    /// What an image contributes before any prompt is known.
    pub(super) fn project(&self, image: &[f32]) -> ImageProjections {
        self.transformer.project(image)
    }

    /// Masks (logits at four times the grid) and scores, in token order; no
    /// masks where `wanted` does not like the scores (they come first and the
    /// masks are a third of the work).
    pub(super) fn forward(
        &self,
        sparse: &[f32],
        image: Vec<f32>,
        projected: &ImageProjections,
        mut records: Option<&mut Vec<QueryKey>>,
        wanted: impl Fn(&[f32]) -> bool,
    ) -> Result<(Vec<Vec<f32>>, Vec<f32>), ModelError> {
        let tokens = [&self.tokens, sparse].concat();
        let sink = records.as_deref_mut();
        let (tokens, image) = self.transformer.forward(&tokens, image, projected, sink)?;
        for record in records.into_iter().flatten() {
            record.layer.insert_str(0, "mask_decoder.transformer.");
        }
        let (score, rest) = tokens.split_at(self.width);
        let scores = self.scores.apply(score);
        if !wanted(&scores) {
            return Ok((Vec::new(), scores));
        }
        let masks = &rest[..self.tokens.len() - self.width];
        Ok((self.masks.forward(&image, self.grid, masks), scores))
    }
}

fn transformer(
    weights: &Weights,
    config: &MobileSamConfig,
    positions: Vec<f32>,
    grid: Grid,
) -> Result<TwoWayTransformer, ModelError> {
    let root = "mask_decoder.transformer";
    let blocks = (0..config.decoder_layers)
        .map(|i| block(weights, config, &format!("{root}.layers.{i}")))
        .collect::<Result<_, _>>()?;
    let last = attention(
        weights,
        config,
        &format!("{root}.final_attn_token_to_image"),
        true,
    )?;
    let norm = weights.norm(&format!("{root}.norm_final_attn"), config.hidden_size, EPS)?;
    Ok(TwoWayTransformer::new(blocks, last, norm, positions, grid))
}

fn block(
    weights: &Weights,
    config: &MobileSamConfig,
    name: &str,
) -> Result<TwoWayBlock, ModelError> {
    let (width, hidden) = (config.hidden_size, config.decoder_mlp_dim);
    let norm = |i: usize| weights.norm(&format!("{name}.norm{i}"), width, EPS);
    Ok(TwoWayBlock {
        self_attention: attention(weights, config, &format!("{name}.self_attn"), false)?,
        to_image: attention(
            weights,
            config,
            &format!("{name}.cross_attn_token_to_image"),
            true,
        )?,
        mlp: Mlp::new(vec![
            weights.linear(&format!("{name}.mlp.lin1"), hidden, width)?,
            weights.linear(&format!("{name}.mlp.lin2"), width, hidden)?,
        ]),
        from_image: attention(
            weights,
            config,
            &format!("{name}.cross_attn_image_to_token"),
            true,
        )?,
        norms: [norm(1)?, norm(2)?, norm(3)?, norm(4)?],
    })
}

fn attention(
    weights: &Weights,
    config: &MobileSamConfig,
    name: &str,
    crossing: bool,
) -> Result<CrossAttention, ModelError> {
    let width = config.hidden_size;
    let inner = if crossing {
        width / config.attention_downsample_rate
    } else {
        width
    };
    let linear = |part: &str, n, k| weights.linear(&format!("{name}.{part}_proj"), n, k);
    Ok(CrossAttention {
        q: linear("q", inner, width)?,
        k: linear("k", inner, width)?,
        v: linear("v", inner, width)?,
        out: linear("out", width, inner)?,
        heads: config.decoder_heads,
    })
}

fn mlp(weights: &Weights, name: &str, widths: &[usize]) -> Result<Mlp, ModelError> {
    let layers = widths
        .windows(2)
        .enumerate()
        .map(|(i, pair)| weights.linear(&format!("{name}.layers.{i}"), pair[1], pair[0]))
        .collect::<Result<_, _>>()?;
    Ok(Mlp::new(layers))
}

fn mask_head(
    weights: &Weights,
    config: &MobileSamConfig,
    root: &str,
) -> Result<MaskHead, ModelError> {
    let width = config.hidden_size;
    let (middle, filter) = (width / UPSCALING.0, width / UPSCALING.1);
    let name = format!("{root}.output_upscaling");
    let first = weights.conv_transposed(&format!("{name}.0"), (width, middle, 2))?;
    let norm: LayerNorm = weights.norm(&format!("{name}.1"), middle, UPSCALING_EPS)?;
    let second = weights.conv_transposed(&format!("{name}.3"), (middle, filter, 2))?;
    let filters = (0..config.num_mask_tokens)
        .map(|i| {
            let name = format!("{root}.output_hypernetworks_mlps.{i}");
            mlp(weights, &name, &[width, width, width, filter])
        })
        .collect::<Result<_, _>>()?;
    Ok(MaskHead::new(&first, norm, &second, filters))
}
