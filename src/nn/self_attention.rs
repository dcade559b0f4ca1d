//! Multi-head self-attention among all tokens of a sequence.

use super::attend::{Heads, Memory, Packs};
use super::capture::{Bias, QueryKey, Tokens};
use super::kernels::gradients::{self, attention_gradient};
use super::kernels::{Activation, add_assign, linear, linear_add};
use super::values::Values;
use super::{LayerAblation, LayerGradient, LayerNorm, Linear};
use candle_core::{Device, Result, Tensor, bail};
use rayon::prelude::*;

/// Attention ("Attention Is All You Need", section 3.2.2) with its own pre-norm
/// and the residual connection: `x + project(attend(norm(x)))`.
///
/// Scores exist for a block of queries at a time, never for all tokens.
#[derive(Clone, Debug)]
pub struct MultiHeadSelfAttention {
    norm: LayerNorm,
    /// To ([query, key, value], heads, head_dim).
    qkv: Linear,
    /// From (heads, head_dim).
    project: Linear,
    heads: Heads,
}

/// How a layer's record is labelled.
#[derive(Clone, Copy, Debug)]
pub struct RecordAs<'a> {
    /// The layer's name.
    pub layer: &'a str,
    /// How the tokens lie on the picture.
    pub layout: Tokens,
}

impl MultiHeadSelfAttention {
    /// `qkv` maps to ([query, key, value], heads, head_dim), `project` from
    /// (heads, head_dim).
    ///
    /// # Panics
    /// If the widths do not fit each other.
    pub fn new(norm: LayerNorm, qkv: Linear, project: Linear, heads: usize) -> Self {
        assert!(heads > 0 && project.inputs().is_multiple_of(heads));
        assert!(qkv.outputs() == 3 * project.inputs());
        assert!(norm.channels() == qkv.inputs() && norm.channels() == project.outputs());
        let heads = Heads {
            count: heads,
            dim: project.inputs() / heads,
        };
        Self {
            norm,
            qkv,
            project,
            heads,
        }
    }

    /// Attention heads.
    pub fn heads(&self) -> usize {
        self.heads.count
    }

    /// Width of a query, key or value.
    pub fn head_dim(&self) -> usize {
        self.heads.dim
    }

    /// (tokens, width) to the same shape without the attention heads that are
    /// `off`, and the queries and keys if `record` says how to label them.
    ///
    /// # Errors
    /// If the width differs, the layout has another number of tokens, or the
    /// tensor is not plain f32.
    pub fn forward(
        &self,
        x: &Tensor,
        record: Option<RecordAs<'_>>,
        off: LayerAblation<'_>,
    ) -> Result<(Tensor, Option<QueryKey>)> {
        let (tokens, width) = x.dims2()?;
        if width != self.norm.channels() {
            bail!(
                "expected tokens of {}, got {:?}",
                self.norm.channels(),
                x.dims()
            );
        }
        let mut out = Values::of(x)?.to_vec();
        let mut qkv = vec![0.0; tokens * self.qkv.outputs()];
        let normed = self.norm.of(&out);
        linear(&normed, self.qkv.packed(), &mut qkv, Default::default());
        drop(normed);
        let record = record.map(|label| self.record(&qkv, label)).transpose()?;
        let mut mixed = self.attend(&qkv, tokens);
        off.silence(&mut mixed, self.heads.inner(), self.heads.dim);
        drop(qkv);
        linear_add(&mixed, self.project.packed(), &mut out);
        Ok((Tensor::from_vec(out, x.dims(), x.device())?, record))
    }

    /// The gradient of `x` (tokens, width), which lie as `layout` says, from that
    /// of the result without the attention heads that are `off`, residual
    /// included; and what it says of the attention weights. Computes queries,
    /// keys and values again.
    ///
    /// # Errors
    /// If a length does not fit.
    pub(super) fn gradient(
        &self,
        x: &[f32],
        layout: Tokens,
        off: LayerAblation<'_>,
        gradient: &[f32],
    ) -> Result<(Vec<f32>, LayerGradient)> {
        let (tokens, Heads { count, dim }) = (layout.len(), self.heads);
        if x.len() != tokens * self.norm.channels() || gradient.len() != x.len() {
            bail!("{} gradients for {tokens} tokens", gradient.len());
        }
        let through = |rows: &[f32], layer: &Linear| {
            let mut out = vec![0.0; tokens * layer.outputs()];
            linear(rows, layer.packed(), &mut out, Activation::None);
            out
        };
        let qkv = through(&self.norm.of(x), &self.qkv);
        let mut outputs = through(gradient, &self.project.turned());
        off.silence(&mut outputs, self.heads.inner(), dim);
        let heads = gradients::Heads {
            samples: 1,
            tokens,
            count,
            channels: dim,
        };
        let mut slopes = vec![0.0; qkv.len()];
        attention_gradient(&qkv, heads, &outputs, &mut slopes);
        let normed = through(&slopes, &self.qkv.turned());
        let mut out = self.norm.gradient(x, &normed);
        add_assign(&mut out, gradient);
        Ok((out, LayerGradient::new(layout, count, qkv, outputs)?))
    }

    /// What each token reads from all others, `softmax(q · kᵀ · scale) · v` of
    /// every attention head: (tokens, [heads, head_dim]).
    fn attend(&self, qkv: &[f32], tokens: usize) -> Vec<f32> {
        let (inner, pitch) = (self.heads.inner(), self.qkv.outputs());
        let mut packs = Packs::default();
        let memory = Memory::new(&mut packs, self.heads, qkv, pitch, (inner, 2 * inner));
        let share = tokens.div_ceil(4 * rayon::current_num_threads());
        let block = memory.block().min(share.next_multiple_of(6));
        let mut mixed = vec![0.0; tokens * inner];
        mixed
            .par_chunks_mut(block * inner)
            .zip(qkv.par_chunks(block * pitch))
            .for_each_init(Vec::new, |scores, (mixed, qkv)| {
                memory.ask(qkv, pitch, mixed, scores);
            });
        mixed
    }

    fn record(&self, qkv: &[f32], label: RecordAs<'_>) -> Result<QueryKey> {
        let Heads { count, dim } = self.heads;
        let pitch = self.qkv.outputs();
        let shape = (count, qkv.len() / pitch, dim);
        let side = |from| -> Result<(Tokens, Tensor)> {
            let values = self.heads.split(qkv, pitch, from);
            let values = Tensor::from_vec(values, shape, &Device::Cpu)?;
            Ok((label.layout, values))
        };
        let (queries, keys) = (side(0)?, side(self.heads.inner())?);
        let layer = label.layer.to_owned();
        QueryKey::stored(layer, queries, keys, self.heads.scale(), Bias::None)
    }
}

#[cfg(test)]
mod tests;
