//! The Transformer encoder: the right half of the Vision Transformer's figure.

use super::capture::{QueryKey, Tokens};
use super::rows::row_lengths;
use super::self_attention::RecordAs;
use super::values::Values;
use super::{
    Ablation, LayerAblation, LayerGradient, LayerNorm, MlpBlock, MultiHeadSelfAttention, Probe,
    SwiGlu, Watch,
};
use crate::task::{Cancelled, Task};
use candle_core::{Error, Result, Tensor};

/// What a block does to each token by itself.
#[derive(Clone, Debug)]
pub enum FeedForward {
    /// Two linear layers.
    Mlp(MlpBlock),
    /// A gated pair.
    SwiGlu(SwiGlu),
}

impl FeedForward {
    /// (tokens, width) to the same shape, residual included.
    ///
    /// # Errors
    /// If the width differs or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Mlp(mlp) => mlp.forward(x),
            Self::SwiGlu(swiglu) => swiglu.forward(x),
        }
    }

    /// The gradient of `x` (tokens, width) from that of the result.
    fn gradient(&self, x: &[f32], gradient: &[f32]) -> Vec<f32> {
        match self {
            Self::Mlp(mlp) => mlp.gradient(x, gradient),
            Self::SwiGlu(swiglu) => swiglu.gradient(x, gradient),
        }
    }
}

/// One layer: tokens look at each other, then each is thought over. Both halves
/// norm first and add to what they were given.
#[derive(Clone, Debug)]
pub struct TransformerBlock {
    /// The attention layer's name, for its records.
    pub name: String,
    /// Tokens look at each other.
    pub attention: MultiHeadSelfAttention,
    /// Each token by itself.
    pub feed_forward: FeedForward,
}

impl TransformerBlock {
    /// (tokens, width) to the same shape, with a record of the attention if
    /// `probe` wants it.
    ///
    /// # Errors
    /// If the width differs, `layout` has another number of tokens, or the
    /// tensor is not plain f32.
    pub fn forward(&self, x: &Tensor, layout: Tokens, probe: &mut Probe<'_>) -> Result<Tensor> {
        let label = RecordAs {
            layer: &self.name,
            layout,
        };
        let off = probe.next_layer();
        let label = probe.is_recording().then_some(label);
        let (x, record) = self.attention.forward(x, label, off)?;
        let x = self.feed_forward.forward(&x)?;
        if let Some(mut record) = record {
            record.token_norms = Some(row_lengths(&x)?.into());
            probe.keep(record);
        }
        Ok(x)
    }

    /// The gradient of `x` (tokens, width) from that of the result without the
    /// attention heads that are `off`, and what it says of the attention
    /// weights. Computes the block again.
    fn gradient(
        &self,
        x: &Tensor,
        layout: Tokens,
        off: LayerAblation<'_>,
        gradient: &[f32],
    ) -> Result<(Vec<f32>, LayerGradient)> {
        let (middle, _) = self.attention.forward(x, None, off)?;
        let gradient = self.feed_forward.gradient(&Values::of(&middle)?, gradient);
        let x = Values::of(x)?;
        self.attention.gradient(&x, layout, off, &gradient)
    }
}

/// Blocks in a row, and a norm at the end.
#[derive(Clone, Debug)]
pub struct TransformerEncoder {
    blocks: Vec<TransformerBlock>,
    norm: LayerNorm,
}

impl TransformerEncoder {
    /// In order of application.
    pub fn new(blocks: Vec<TransformerBlock>, norm: LayerNorm) -> Self {
        Self { blocks, norm }
    }

    /// The blocks.
    pub fn blocks(&self) -> &[TransformerBlock] {
        &self.blocks
    }

    /// `tokens` (tokens, width) to the same shape, and a record per block if
    /// `watch` says so. Polls `task` before each block.
    ///
    /// # Errors
    /// As [`TransformerBlock::forward`]; [`Cancelled`].
    pub fn forward<E: From<Error> + From<Cancelled>>(
        &self,
        tokens: &Tensor,
        layout: Tokens,
        watch: &Watch,
        task: Task<'_>,
    ) -> std::result::Result<(Tensor, Vec<QueryKey>), E> {
        let mut x = tokens.clone();
        let mut records = Vec::new();
        let mut probe = Probe::new(watch, &mut records);
        for (i, block) in self.blocks.iter().enumerate() {
            task.progress(i as f32 / self.blocks.len() as f32);
            task.check()?;
            x = block.forward(&x, layout, &mut probe)?;
        }
        let x = self.norm.forward(&x)?;
        task.progress(1.0);
        Ok((x, records))
    }

    /// Follow the gradient of a score back: runs `tokens` (tokens, width) through
    /// all blocks without the attention heads of the ablation and then, from the
    /// last block to the first, shows `visit` what the `gradient` of the result
    /// (tokens, width), after the final norm, says of each attention layer. Keeps
    /// the input of each block and computes the rest again. Polls `task` before
    /// each block.
    ///
    /// # Errors
    /// As [`TransformerEncoder::forward`], if the gradient has another length,
    /// and what `visit` returns.
    pub fn trace<E: From<Error> + From<Cancelled>>(
        &self,
        (tokens, layout, ablation): (&Tensor, Tokens, &Ablation),
        gradient: &[f32],
        visit: &mut dyn FnMut(&LayerGradient) -> std::result::Result<(), E>,
        task: Task<'_>,
    ) -> std::result::Result<(), E> {
        let steps = (2 * self.blocks.len()) as f32;
        let (mut inputs, mut x) = (Vec::with_capacity(self.blocks.len()), tokens.clone());
        for (i, block) in self.blocks.iter().enumerate() {
            task.progress(i as f32 / steps);
            task.check()?;
            let (attended, _) = block.attention.forward(&x, None, ablation.layer(i))?;
            inputs.push(x);
            x = block.feed_forward.forward(&attended)?;
        }
        if gradient.len() != x.elem_count() {
            return Err(
                Error::msg(format!("{} gradients for {:?}", gradient.len(), x.dims())).into(),
            );
        }
        let mut gradient = self.norm.gradient(&Values::of(&x)?, gradient);
        let layers = self.blocks.iter().enumerate().zip(inputs).rev();
        for (done, ((i, block), input)) in layers.enumerate() {
            task.progress(0.5 + done as f32 / steps);
            task.check()?;
            let found = block.gradient(&input, layout, ablation.layer(i), &gradient)?;
            visit(&found.1)?;
            gradient = found.0;
        }
        task.progress(1.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
