//! SAM's mask decoder: tokens and embedding to masks and scores.

use super::design::Design;
use super::names::Names;
use crate::models::{ModelError, Weights};
use crate::nn::capture::Grid;
use crate::nn::{
    CrossAttention, ImageProjections, MaskHead, Mlp, Probe, TwoWayBlock, TwoWayTransformer,
};

/// Epsilon of the norm after the last cross-attention and of the upscaling's
/// channel-wise norm.
const LAST_EPS: f32 = 1e-5;
const UPSCALING_EPS: f32 = 1e-6;
/// What the upscaling divides the channels by, in two steps.
const UPSCALING: (usize, usize) = (4, 8);
/// Layers of the MLPs that turn a mask token into a filter.
const FILTER_LAYERS: usize = 3;

const ROOT: &str = "mask_decoder";

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
        design: &Design,
        names: &Names,
        positions: Vec<f32>,
    ) -> Result<Self, ModelError> {
        let loader = Loader {
            weights,
            design,
            names,
        };
        let (width, masks) = (design.width, design.masks);
        let mut tokens = weights.get(&format!("{ROOT}.iou_token.weight"), &[1, width])?;
        tokens.extend(weights.get(&format!("{ROOT}.mask_tokens.weight"), &[masks, width])?);
        let grid = Grid {
            rows: design.grid,
            columns: design.grid,
        };
        let (layers, hidden) = design.score_head;
        let score_head = format!("{ROOT}.iou_prediction_head");
        Ok(Self {
            tokens,
            transformer: loader.transformer(positions, grid)?,
            masks: loader.mask_head()?,
            scores: loader.mlp(&score_head, layers, (width, hidden, masks))?,
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
        probe: &mut Probe<'_>,
        wanted: impl Fn(&[f32]) -> bool,
    ) -> Result<(Vec<Vec<f32>>, Vec<f32>), ModelError> {
        let tokens = [&self.tokens, sparse].concat();
        let (tokens, image) = self.transformer.forward(&tokens, image, projected, probe)?;
        for record in probe.records() {
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

/// Reads the parts of the decoder.
struct Loader<'a> {
    weights: &'a Weights<'a>,
    design: &'a Design,
    names: &'a Names,
}

impl Loader<'_> {
    fn transformer(
        &self,
        positions: Vec<f32>,
        grid: Grid,
    ) -> Result<TwoWayTransformer, ModelError> {
        let root = format!("{ROOT}.transformer");
        let blocks = (0..self.design.layers)
            .map(|i| self.block(&format!("{root}.layers.{i}")))
            .collect::<Result<_, _>>()?;
        let last = format!("{root}.final_attn_token_to_image");
        let last = self.attention(&last, self.design.last_downsampling)?;
        let norm = self
            .weights
            .norm(self.names.last_norm, self.design.width, LAST_EPS)?;
        Ok(TwoWayTransformer::new(blocks, last, norm, positions, grid))
    }

    fn block(&self, name: &str) -> Result<TwoWayBlock, ModelError> {
        let (width, (hidden, activation)) = (self.design.width, self.design.mlp);
        let (linear, eps) = (
            |part: &str, n, k| self.weights.linear(&format!("{name}.{part}"), n, k),
            self.design.block_eps,
        );
        let norm = |i: usize| {
            let name = format!("{name}.{}{i}", self.names.block_norm);
            self.weights.norm(&name, width, eps)
        };
        let attention =
            |part: &str, downsampling| self.attention(&format!("{name}.{part}"), downsampling);
        let crossing = self.design.block_downsampling;
        Ok(TwoWayBlock {
            self_attention: attention("self_attn", 1)?,
            to_image: attention("cross_attn_token_to_image", crossing)?,
            mlp: [
                linear("mlp.lin1", hidden, width)?,
                linear("mlp.lin2", width, hidden)?,
            ],
            activation,
            from_image: attention("cross_attn_image_to_token", crossing)?,
            norms: [norm(1)?, norm(2)?, norm(3)?, norm(4)?],
        })
    }

    fn attention(&self, name: &str, downsampling: usize) -> Result<CrossAttention, ModelError> {
        let width = self.design.width;
        let inner = width / downsampling;
        let linear = |part: &str, n, k| self.weights.linear(&format!("{name}.{part}_proj"), n, k);
        Ok(CrossAttention {
            q: linear("q", inner, width)?,
            k: linear("k", inner, width)?,
            v: linear("v", inner, width)?,
            out: linear("out", width, inner)?,
            heads: self.design.heads,
        })
    }

    /// `layers` linear layers; (inputs, hidden, outputs) wide.
    fn mlp(
        &self,
        name: &str,
        layers: usize,
        (inputs, hidden, outputs): (usize, usize, usize),
    ) -> Result<Mlp, ModelError> {
        let layers = (0..layers).map(|i| {
            let from = if i == 0 { inputs } else { hidden };
            let to = if i + 1 == layers { outputs } else { hidden };
            let name = self.names.mlp.layer(name, i, layers);
            self.weights.linear(&name, to, from)
        });
        Ok(Mlp::new(layers.collect::<Result<_, _>>()?))
    }

    fn mask_head(&self) -> Result<MaskHead, ModelError> {
        let width = self.design.width;
        let (middle, filter) = (width / UPSCALING.0, width / UPSCALING.1);
        let [first, norm, second] = self.names.upscaling;
        let first = self.weights.conv_transposed(first, (width, middle, 2))?;
        let norm = self.weights.norm(norm, middle, UPSCALING_EPS)?;
        let second = self.weights.conv_transposed(second, (middle, filter, 2))?;
        let filters = (0..self.design.masks).map(|i| {
            let name = format!("{ROOT}.output_hypernetworks_mlps.{i}");
            self.mlp(&name, FILTER_LAYERS, (width, width, filter))
        });
        let filters = filters.collect::<Result<_, _>>()?;
        Ok(MaskHead::new(&first, norm, &second, filters))
    }
}
