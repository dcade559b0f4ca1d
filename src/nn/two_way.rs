//! SAM's two-way transformer: prompt tokens and image tokens attend to each
//! other.
//!
//! What the image contributes to the first block does not depend on the
//! prompt, so it is projected once per photo ([`TwoWayTransformer::project`])
//! and shared by all prompts.

use super::capture::{Bias, Grid, QueryKey, Tokens};
use super::cross_attention::{CrossAttention, ImageSide};
use super::kernels::{Activation, add_assign, gemm};
use super::{LayerNorm, Linear, Probe};
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

/// Image rows that a task handles at a time: their values stay in the cache.
const ROWS: usize = 60;

/// One block: tokens among themselves, tokens to image, MLP, image to tokens.
#[derive(Clone, Debug)]
pub struct TwoWayBlock {
    /// Tokens among themselves.
    pub self_attention: CrossAttention,
    /// Tokens look at the image.
    pub to_image: CrossAttention,
    /// The tokens' feed-forward layers.
    pub mlp: [Linear; 2],
    /// Between the two; ReLU in SAM.
    pub activation: Activation,
    /// The image looks at the tokens.
    pub from_image: CrossAttention,
    /// After self-attention, token-to-image, MLP (tokens) and image-to-token.
    pub norms: [LayerNorm; 4],
}

/// Keys, queries and values of the image for one block.
#[derive(Clone, Debug)]
pub struct ImageProjections {
    /// (image tokens, 2·inner or inner): keys, then queries if the block has
    /// image-to-token attention. Both carry positions.
    positioned: Vec<f32>,
    stride: usize,
    /// (image tokens, inner).
    values: Vec<f32>,
    inner: usize,
}

impl ImageProjections {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        4 * (self.positioned.len() + self.values.len())
    }

    /// Keys and values.
    fn sides(&self) -> (ImageSide<'_>, ImageSide<'_>) {
        (
            ImageSide {
                values: &self.positioned,
                stride: self.stride,
            },
            ImageSide {
                values: &self.values,
                stride: self.inner,
            },
        )
    }
}

/// Weights that project the image for one block.
#[derive(Clone, Debug)]
struct ImageWeights {
    positioned: Vec<Linear>,
    values: Linear,
}

/// The whole transformer.
#[derive(Clone, Debug)]
pub struct TwoWayTransformer {
    blocks: Vec<TwoWayBlock>,
    last: CrossAttention,
    last_norm: LayerNorm,
    image: Vec<ImageWeights>,
    /// (image tokens, width).
    positions: Vec<f32>,
    grid: Grid,
}

impl TwoWayTransformer {
    /// `positions` are those of the image grid, (rows · columns, width).
    ///
    /// # Panics
    /// If `positions` does not fit.
    pub fn new(
        blocks: Vec<TwoWayBlock>,
        last: CrossAttention,
        last_norm: LayerNorm,
        positions: Vec<f32>,
        grid: Grid,
    ) -> Self {
        assert_eq!(
            positions.len(),
            grid.len() * last_norm.channels(),
            "image positions"
        );
        let image = blocks
            .iter()
            .map(|b| ImageWeights {
                positioned: vec![b.to_image.k.clone(), b.from_image.q.clone()],
                values: b.to_image.v.clone(),
            })
            .chain([ImageWeights {
                positioned: vec![last.k.clone()],
                values: last.v.clone(),
            }])
            .collect();
        Self {
            blocks,
            last,
            last_norm,
            image,
            positions,
            grid,
        }
    }

    /// What the first block needs of the image tokens (image tokens, width).
    pub fn project(&self, image: &[f32]) -> ImageProjections {
        self.project_for(0, image)
    }

    fn project_for(&self, block: usize, image: &[f32]) -> ImageProjections {
        let weights = &self.image[block];
        let width = self.last_norm.channels();
        let stride: usize = weights.positioned.iter().map(Linear::outputs).sum();
        let inner = weights.values.outputs();
        let tokens = image.len() / width;
        let (mut positioned, mut values) = (vec![0.0; tokens * stride], vec![0.0; tokens * inner]);
        positioned
            .par_chunks_mut(ROWS * stride)
            .zip(values.par_chunks_mut(ROWS * inner))
            .zip(
                image
                    .par_chunks(ROWS * width)
                    .zip(self.positions.par_chunks(ROWS * width)),
            )
            .for_each_init(
                Vec::new,
                |sum, ((positioned, values), (image, positions))| {
                    let rows = image.len() / width;
                    sum.clear();
                    sum.extend_from_slice(image);
                    add_assign(sum, positions);
                    let mut at = 0;
                    for linear in &weights.positioned {
                        let out = &mut positioned[at..];
                        gemm(sum, width, rows, linear.packed().view(), out, stride, false);
                        at += linear.outputs();
                    }
                    gemm(
                        image,
                        width,
                        rows,
                        weights.values.packed().view(),
                        values,
                        inner,
                        false,
                    );
                },
            );
        ImageProjections {
            positioned,
            stride,
            values,
            inner,
        }
    }

    /// Run `tokens` (n, width) against `image` (image tokens, width), whose
    /// projections for the first block are `first`. Gives both, updated;
    /// attention between the two is recorded where `probe` wants it, by names that
    /// follow the checkpoint's.
    ///
    /// # Errors
    /// Never on a CPU; building the records is fallible in candle.
    pub fn forward(
        &self,
        tokens: &[f32],
        mut image: Vec<f32>,
        first: &ImageProjections,
        probe: &mut Probe<'_>,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let mut queries = tokens.to_vec();
        let mut made = None;
        for (i, block) in self.blocks.iter().enumerate() {
            let projected = made.as_ref().unwrap_or(first);
            self.update_tokens(block, i, &mut queries, tokens, projected, probe)?;
            self.update_image(block, i, &mut image, (&queries, tokens), projected, probe)?;
            made = Some(self.project_for(i + 1, &image));
        }
        let projected = made.as_ref().unwrap_or(first);
        let q = self.last.q.apply(&sum(&queries, tokens));
        let name = || "final_attn_token_to_image".to_owned();
        let seen = self.look(&self.last, name, &q, projected, probe)?;
        add_assign(&mut queries, &seen);
        self.last_norm.apply(&mut queries);
        Ok((queries, image))
    }

    fn update_tokens(
        &self,
        block: &TwoWayBlock,
        index: usize,
        queries: &mut Vec<f32>,
        positions: &[f32],
        projected: &ImageProjections,
        probe: &mut Probe<'_>,
    ) -> Result<()> {
        if index == 0 {
            // The first block has no positions yet and replaces the tokens.
            *queries = block.self_attention.among_tokens(queries, queries, queries);
        } else {
            let q = sum(queries, positions);
            let mixed = block.self_attention.among_tokens(&q, &q, queries);
            add_assign(queries, &mixed);
        }
        block.norms[0].apply(queries);
        let attention = &block.to_image;
        let q = attention.q.apply(&sum(queries, positions));
        let name = || format!("layers.{index}.cross_attn_token_to_image");
        let seen = self.look(attention, name, &q, projected, probe)?;
        add_assign(queries, &seen);
        block.norms[1].apply(queries);
        let mut hidden = block.mlp[0].apply(queries);
        block.activation.apply(&mut hidden);
        add_assign(queries, &block.mlp[1].apply(&hidden));
        block.norms[2].apply(queries);
        Ok(())
    }

    /// What tokens with the queries `q` (tokens, inner) see on the image:
    /// (tokens, outer).
    fn look(
        &self,
        attention: &CrossAttention,
        name: impl FnOnce() -> String,
        q: &[f32],
        projected: &ImageProjections,
        probe: &mut Probe<'_>,
    ) -> Result<Vec<f32>> {
        let off = probe.next_layer();
        if probe.is_recording() {
            probe.keep(self.record(name(), attention, q, projected)?);
        }
        let (keys, values) = projected.sides();
        Ok(attention.tokens_to_image(q, keys, values, self.grid.len(), off))
    }

    fn update_image(
        &self,
        block: &TwoWayBlock,
        index: usize,
        image: &mut [f32],
        (queries, positions): (&[f32], &[f32]),
        projected: &ImageProjections,
        probe: &mut Probe<'_>,
    ) -> Result<()> {
        let attention = &block.from_image;
        let side = attention.project_tokens(&sum(queries, positions), queries);
        let packed = attention.pack_tokens(&side);
        let (stride, inner) = (projected.stride, projected.inner);
        let off = probe.next_layer();
        if probe.is_recording() {
            let n = self.grid.len();
            let image_queries = heads_first(&projected.positioned[inner..], stride, n, attention)?;
            let keys = heads_first(&side.keys, attention.inner(), side.tokens, attention)?;
            probe.keep(QueryKey::stored(
                format!("layers.{index}.cross_attn_image_to_token"),
                (
                    Tokens {
                        prefix: 0,
                        grid: Some(self.grid),
                    },
                    image_queries,
                ),
                (
                    Tokens {
                        prefix: side.tokens,
                        grid: None,
                    },
                    keys,
                ),
                attention.scale(),
                Bias::None,
            )?);
        }
        let width = self.last_norm.channels();
        let rows = image.par_chunks_mut(ROWS * width);
        rows.zip(projected.positioned.par_chunks(ROWS * stride))
            .for_each_init(
                || [const { Vec::new() }; 2],
                |buffers, (image, positioned)| {
                    let queries = ImageSide {
                        values: &positioned[inner..],
                        stride,
                    };
                    attention.image_to_tokens(queries, (&packed, off), buffers, image);
                    block.norms[3].apply(image);
                },
            );
        Ok(())
    }

    /// A record of tokens looking at the image.
    fn record(
        &self,
        name: String,
        attention: &CrossAttention,
        q: &[f32],
        projected: &ImageProjections,
    ) -> Result<QueryKey> {
        let tokens = q.len() / attention.inner();
        let queries = heads_first(q, attention.inner(), tokens, attention)?;
        let n = self.grid.len();
        let keys = heads_first(&projected.positioned, projected.stride, n, attention)?;
        QueryKey::stored(
            name,
            (
                Tokens {
                    prefix: tokens,
                    grid: None,
                },
                queries,
            ),
            (
                Tokens {
                    prefix: 0,
                    grid: Some(self.grid),
                },
                keys,
            ),
            attention.scale(),
            Bias::None,
        )
    }
}

fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    let mut out = a.to_vec();
    add_assign(&mut out, b);
    out
}

/// `count` rows `stride` apart, as (heads, rows, head_dim).
fn heads_first(
    rows: &[f32],
    stride: usize,
    count: usize,
    attention: &CrossAttention,
) -> Result<Tensor> {
    let (heads, dim) = (attention.heads, attention.head_dim());
    let mut out = vec![0.0; heads * count * dim];
    out.par_chunks_mut(count * dim)
        .enumerate()
        .for_each(|(head, out)| {
            for (row, out) in out.chunks_exact_mut(dim).enumerate() {
                let from = row * stride + head * dim;
                out.copy_from_slice(&rows[from..from + dim]);
            }
        });
    Tensor::from_vec(out, (heads, count, dim), &Device::Cpu)
}

#[cfg(test)]
mod tests;
