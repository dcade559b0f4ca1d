//! Self-attention from queries, keys and values.

use super::{Values, expect_values, needed, result, slice};
use crate::nn::kernels::gradients::{self, Heads};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

struct Attention(Heads);

/// softmax(q kᵀ / √d) v for each attention head: `qkv` (n, tokens, 3 · width)
/// holds all heads' queries, then keys, then values; the result is (n,
/// tokens, width), d = width / heads.
///
/// # Errors
/// If the channels cannot be shared out evenly, or the tensor is empty or not
/// f32 in main memory.
pub fn attention(qkv: &Tensor, attention_heads: usize) -> Result<Tensor> {
    let (samples, tokens, channels) = qkv.dims3()?;
    expect_values("input of attention", qkv)?;
    if attention_heads == 0 || !channels.is_multiple_of(3 * attention_heads) {
        bail!("{channels} channels for queries, keys and values of {attention_heads} heads");
    }
    qkv.contiguous()?.apply_op1(Attention(Heads {
        samples,
        tokens,
        count: attention_heads,
        channels: channels / (3 * attention_heads),
    }))
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let qkv = slice(storage, layout)?;
        let mut out = vec![0.0; qkv.len() / 3];
        gradients::attention(qkv, self.0, &mut out);
        let width = self.0.count * self.0.channels;
        result(out, (self.0.samples, self.0.tokens, width))
    }

    fn bwd(&self, qkv: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        needed(qkv, || {
            let gradient = gradient.contiguous()?;
            let mut out = vec![0.0; qkv.elem_count()];
            let (qkv, gradient) = (Values::of(qkv)?, Values::of(&gradient)?);
            gradients::attention_gradient(&qkv, self.0, &gradient, &mut out);
            Ok(out)
        })
    }
}
