//! SegFormer's efficient self-attention.

use super::attend::{Heads, Memory, Packs};
use super::capture::{Bias, Grid, QueryKey, Tokens};
use super::kernels::gemm;
use super::values::{Values, map_size};
use super::{Conv2d, LayerAblation, LayerNorm, Linear};
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

/// Self-attention whose keys and values come from a smaller map (Wang et al.
/// 2021, Pyramid Vision Transformer, figure 4; Xie et al. 2021, SegFormer,
/// equation 2), with its norm and residual. A map of N tokens then costs
/// N · N / ratio² products instead of N².
///
/// ```text
/// x ── norm ─┬── query ──────────────────────────────┐
/// │          └── [conv, stride ratio ── norm] ── key, value ── attention ── project ── + ──
/// └───────────────────────────────────────────────────────────────────────────────────┘
/// ```
#[derive(Clone, Debug)]
pub struct SpatialReductionAttention {
    norm: LayerNorm,
    query: Linear,
    reduction: Option<(Conv2d, LayerNorm)>,
    /// (channels) to [keys, values].
    key_value: Linear,
    project: Linear,
    heads: Heads,
}

impl SpatialReductionAttention {
    /// `query` and `key_value` are (channels) to inner and 2 · inner, where
    /// inner is a multiple of `heads`; without `reduction` keys are as many as
    /// queries.
    ///
    /// # Panics
    /// If the widths do not fit each other.
    pub fn new(
        norm: LayerNorm,
        query: Linear,
        reduction: Option<(Conv2d, LayerNorm)>,
        key_value: Linear,
        project: Linear,
        heads: usize,
    ) -> Self {
        let (channels, inner) = (norm.channels(), query.outputs());
        assert!(heads > 0 && inner.is_multiple_of(heads), "attention heads");
        assert_eq!(key_value.outputs(), 2 * inner, "keys and values");
        assert!(query.inputs() == channels && key_value.inputs() == channels);
        assert!(project.inputs() == inner && project.outputs() == channels);
        if let Some((conv, norm)) = &reduction {
            assert!(conv.inputs() == channels && conv.outputs() == channels);
            assert_eq!(norm.channels(), channels, "norm of the smaller map");
        }
        Self {
            norm,
            query,
            reduction,
            key_value,
            project,
            heads: Heads {
                count: heads,
                dim: inner / heads,
            },
        }
    }

    /// `x + attention(norm(x))`, (rows, columns, channels), without the
    /// attention heads that are `off`.
    ///
    /// # Errors
    /// If the channels differ, the map is smaller than the reduction's filter
    /// or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor, off: LayerAblation<'_>) -> Result<Tensor> {
        let (y, _) = self.run(x, off, false)?;
        Ok(y)
    }

    /// As `forward`, with a record that calls this layer `layer`.
    ///
    /// # Errors
    /// As `forward`.
    pub fn forward_recorded(
        &self,
        x: &Tensor,
        layer: String,
        off: LayerAblation<'_>,
    ) -> Result<(Tensor, QueryKey)> {
        let (rows, columns) = map_size(x, self.norm.channels())?;
        let (y, asked) = self.run(x, off, true)?;
        let side = |grid: Grid, values| {
            let shape = (self.heads.count, grid.len(), self.heads.dim);
            let grid = Some(grid);
            Tensor::from_vec(values, shape, &Device::Cpu).map(|t| (Tokens { prefix: 0, grid }, t))
        };
        let queries = side(Grid { rows, columns }, asked.queries)?;
        let keys = side(asked.key_grid, asked.keys)?;
        let scale = self.heads.scale();
        let mut record = QueryKey::stored(layer, queries, keys, scale, Bias::None)?;
        if let Some((conv, _)) = &self.reduction {
            // Not what the grids' sizes say where rows or columns are left over.
            record.reduction = conv.stride();
        }
        Ok((y, record))
    }

    fn run(&self, x: &Tensor, off: LayerAblation<'_>, record: bool) -> Result<(Tensor, Asked)> {
        let (rows, columns) = map_size(x, self.norm.channels())?;
        let normed = self.norm.forward(x)?;
        let (key_grid, source) = match &self.reduction {
            None => (Grid { rows, columns }, normed.clone()),
            Some((conv, norm)) => {
                let small = norm.forward(&conv.forward(&normed)?)?;
                let (rows, columns) = map_size(&small, conv.outputs())?;
                (Grid { rows, columns }, small)
            }
        };
        let key_value = self.key_value.forward(&source)?;
        let key_value = Values::of(&key_value)?;
        let inner = self.heads.inner();
        let mut packs = Packs::default();
        let memory = Memory::new(&mut packs, self.heads, &key_value, 2 * inner, (0, inner));
        let mut queries = vec![0.0; if record { rows * columns * inner } else { 0 }];
        let y = self.ask((x, &normed), &memory, off, &mut queries)?;
        let kept = if record { &key_value[..] } else { &[] };
        let asked = Asked {
            queries: self.heads.split(&queries, inner, 0),
            keys: self.heads.split(kept, 2 * inner, 0),
            key_grid,
        };
        Ok((y, asked))
    }

    /// Queries in blocks, each through all of the layer; they are left in
    /// `kept` if it has room for them.
    fn ask(
        &self,
        (x, normed): (&Tensor, &Tensor),
        memory: &Memory<'_>,
        off: LayerAblation<'_>,
        kept: &mut [f32],
    ) -> Result<Tensor> {
        let (c, inner) = (self.norm.channels(), self.heads.inner());
        let normed = Values::of(normed)?;
        let mut out = Values::of(x)?.to_vec();
        let block = memory.block();
        let blocks = out.len().div_ceil(block * c);
        let mut kept: Vec<&mut [f32]> = kept.chunks_mut(block * inner).collect();
        kept.resize_with(blocks, Default::default);
        out.par_chunks_mut(block * c)
            .zip(normed.par_chunks(block * c))
            .zip(kept)
            .for_each_init(
                || [const { Vec::new() }; 3],
                |[queries, mixed, scores], ((out, x), kept)| {
                    let count = out.len() / c;
                    queries.resize(count * inner, 0.0);
                    mixed.resize(count * inner, 0.0);
                    let weights = self.query.packed().view();
                    gemm(x, c, count, weights, queries, inner, false);
                    if !kept.is_empty() {
                        kept.copy_from_slice(queries);
                    }
                    memory.ask(queries, inner, mixed, scores);
                    off.silence(mixed, inner, self.heads.dim);
                    let weights = self.project.packed().view();
                    gemm(mixed, inner, count, weights, out, c, true);
                },
            );
        Tensor::from_vec(out, x.dims(), x.device())
    }
}

/// What a record needs: (heads, tokens, dim), empty if nothing was recorded.
struct Asked {
    queries: Vec<f32>,
    keys: Vec<f32>,
    key_grid: Grid,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::Activation;
    use crate::nn::testing::{close, noise};
    use crate::nn::{FoldedConv, Reach};

    fn linear(outputs: usize, inputs: usize, seed: u64) -> Linear {
        let bias = noise(outputs, seed + 1);
        Linear::new(&noise(outputs * inputs, seed), Some(&bias), outputs, inputs)
    }

    fn norm(channels: usize, seed: u64) -> LayerNorm {
        LayerNorm::new(noise(channels, seed), noise(channels, seed + 1), 1e-5)
    }

    fn flat(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    }

    /// Attention with 3 heads of 5 on a map of 10 channels, by candle.
    fn agrees((rows, columns): (usize, usize), ratio: usize) {
        let (c, heads, dim) = (10, 3, 5);
        let inner = heads * dim;
        let (query, key_value) = (linear(inner, c, 1), linear(2 * inner, c, 3));
        let project = linear(c, inner, 5);
        let conv = FoldedConv {
            weight: noise(c * c * ratio * ratio, 7),
            bias: Some(noise(c, 8)),
            outputs: c,
            inputs: c,
        };
        let reach = Reach {
            stride: ratio,
            padding: 0,
            dilation: 1,
        };
        let conv = Conv2d::new(&conv, reach, Activation::None);
        let reduction = (ratio > 1).then(|| (conv.clone(), norm(c, 9)));
        let layer = SpatialReductionAttention::new(
            norm(c, 11),
            query.clone(),
            reduction.clone(),
            key_value.clone(),
            project.clone(),
            heads,
        );
        let x = noise(rows * columns * c, 13);
        let x = Tensor::from_vec(x, (rows, columns, c), &Device::Cpu).unwrap();
        let (y, record) = layer
            .forward_recorded(&x, "a".into(), LayerAblation::default())
            .unwrap();
        assert_eq!(
            flat(&layer.forward(&x, LayerAblation::default()).unwrap()),
            flat(&y)
        );

        let normed = norm(c, 11).forward(&x).unwrap();
        let small = match &reduction {
            None => normed.clone(),
            Some((conv, norm)) => norm.forward(&conv.forward(&normed).unwrap()).unwrap(),
        };
        let grid = (rows / ratio, columns / ratio);
        assert_eq!(small.dims(), [grid.0, grid.1, c]);
        let split = |t: Tensor| {
            let t = t.reshape(((), heads, dim)).unwrap();
            t.transpose(0, 1).unwrap().contiguous().unwrap()
        };
        let half = |from| {
            key_value
                .forward(&small)
                .unwrap()
                .narrow(2, from, inner)
                .unwrap()
        };
        let (q, k, v) = (
            split(query.forward(&normed).unwrap()),
            split(half(0).contiguous().unwrap()),
            split(half(inner).contiguous().unwrap()),
        );
        let scores = q.matmul(&k.t().unwrap()).unwrap();
        let scores = (scores * (dim as f64).powf(-0.5)).unwrap();
        let weights = candle_nn::ops::softmax_last_dim(&scores).unwrap();
        let mixed = weights.matmul(&v).unwrap().transpose(0, 1).unwrap();
        let mixed = mixed
            .contiguous()
            .unwrap()
            .reshape((rows, columns, inner))
            .unwrap();
        let want = (&x + project.forward(&mixed).unwrap()).unwrap();
        close(&flat(&y), &flat(&want), 1e-5);

        let key_grid = record.key_tokens.grid.unwrap();
        assert_eq!((key_grid.rows, key_grid.columns), grid);
        assert_eq!(record.query_tokens.len(), rows * columns);
        let want = weights.to_vec3::<f32>().unwrap();
        for (head, query) in [(0, 0), (2, rows * columns - 1)] {
            close(
                &record.row(head, 0, query).unwrap(),
                &want[head][query],
                1e-5,
            );
        }
    }

    #[test]
    fn it_is_attention_over_a_smaller_map() {
        agrees((9, 13), 1);
        // Rows and columns that are left over play no part.
        agrees((9, 14), 4);
        agrees((40, 31), 2);
    }

    #[test]
    fn a_map_below_the_ratio_is_refused() {
        let conv = FoldedConv {
            weight: noise(16, 1),
            bias: None,
            outputs: 1,
            inputs: 1,
        };
        let reach = Reach {
            stride: 4,
            padding: 0,
            dilation: 1,
        };
        let conv = Conv2d::new(&conv, reach, Activation::None);
        let layer = SpatialReductionAttention::new(
            norm(1, 1),
            linear(1, 1, 3),
            Some((conv, norm(1, 5))),
            linear(2, 1, 7),
            linear(1, 1, 9),
            1,
        );
        let x = Tensor::from_vec(vec![0f32; 12], (3, 4, 1), &Device::Cpu).unwrap();
        assert!(layer.forward(&x, LayerAblation::default()).is_err());
    }
}
