//! What the gradient of a score says of an attention layer.

use super::attend::Heads;
use super::capture::Tokens;
use super::kernels::{Packed, gemm, softmax_rows};
use candle_core::{Result, bail};

/// An attention layer without groups during a backward pass: what it computed
/// its weights A and its result from, and the gradient of a score at its
/// attention heads' outputs O = A · V, before the output projection.
///
/// The gradient of the weights follows, dA = dO · Vᵀ, and is computed for some
/// queries at a time: for all tokens it would be as large as the weights.
#[derive(Clone, Debug)]
pub struct LayerGradient {
    layout: Tokens,
    heads: Heads,
    /// (tokens, [queries, keys, values], heads, head_dim).
    qkv: Vec<f32>,
    /// (tokens, heads, head_dim).
    outputs: Vec<f32>,
}

impl LayerGradient {
    /// From `qkv` (tokens, [queries, keys, values], heads, head_dim) and the
    /// gradient of the `outputs` (tokens, heads, head_dim). Products are scaled
    /// by head_dim^-½.
    ///
    /// # Errors
    /// If their lengths do not fit the tokens and the attention heads, or there
    /// are none.
    pub fn new(
        layout: Tokens,
        attention_heads: usize,
        qkv: Vec<f32>,
        outputs: Vec<f32>,
    ) -> Result<Self> {
        let count = layout.len().saturating_mul(attention_heads);
        if count == 0 || outputs.is_empty() || !outputs.len().is_multiple_of(count) {
            bail!("{} values for {attention_heads} heads", outputs.len());
        }
        if qkv.len() != 3 * outputs.len() {
            bail!("{} queries, keys and values do not fit", qkv.len());
        }
        let heads = Heads {
            count: attention_heads,
            dim: outputs.len() / count,
        };
        Ok(Self {
            layout,
            heads,
            qkv,
            outputs,
        })
    }

    /// The tokens, which are queries and keys alike.
    pub fn layout(&self) -> Tokens {
        self.layout
    }

    /// Attention heads.
    pub fn attention_heads(&self) -> usize {
        self.heads.count
    }

    /// The gradient of the score at the attention heads' outputs, (tokens,
    /// heads, head_dim).
    pub fn outputs(&self) -> &[f32] {
        &self.outputs
    }

    /// An attention head, made ready for computing its weights and their
    /// gradient.
    ///
    /// # Errors
    /// If there is no such attention head.
    pub fn head(&self, head: usize) -> Result<HeadGradient> {
        let Heads { count, dim } = self.heads;
        if head >= count {
            bail!("no attention head {head} among {count}");
        }
        let (inner, tokens) = (self.heads.inner(), self.layout.len());
        let part = |rows: &[f32], pitch: usize, third: usize| -> Vec<f32> {
            let from = third * inner + head * dim;
            let rows = rows.chunks_exact(pitch);
            rows.flat_map(|row| &row[from..from + dim])
                .copied()
                .collect()
        };
        let side =
            |third| Packed::from_linear(&part(&self.qkv, 3 * inner, third), None, tokens, dim);
        Ok(HeadGradient {
            queries: part(&self.qkv, 3 * inner, 0),
            keys: side(1),
            values: side(2),
            outputs: part(&self.outputs, inner, 0),
            heads: self.heads,
        })
    }
}

/// One attention head of a [`LayerGradient`].
#[derive(Clone, Debug)]
pub struct HeadGradient {
    /// (tokens, head_dim).
    queries: Vec<f32>,
    keys: Packed,
    values: Packed,
    /// (tokens, head_dim).
    outputs: Vec<f32>,
    heads: Heads,
}

impl HeadGradient {
    /// The attention weights of the queries from number `first` on and the
    /// gradient of the score with respect to them: (queries, tokens) each, as
    /// many queries as both have room for.
    ///
    /// # Panics
    /// If there are not as many queries.
    pub fn rows(&self, first: usize, weights: &mut [f32], gradients: &mut [f32]) {
        let (tokens, dim) = (self.keys.n(), self.heads.dim);
        let count = weights.len().min(gradients.len()) / tokens;
        let some = first * dim..(first + count) * dim;
        let product = |rows: &[f32], side: &Packed, out: &mut [f32]| {
            gemm(rows, dim, count, side.view(), out, tokens, false);
        };
        let weights = &mut weights[..count * tokens];
        product(&self.queries[some.clone()], &self.keys, weights);
        softmax_rows(weights, tokens, tokens, self.heads.scale(), None);
        product(&self.outputs[some], &self.values, gradients);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};

    const LAYOUT: Tokens = Tokens {
        prefix: 5,
        grid: None,
    };

    #[test]
    fn gradients_of_weights_are_products_with_values() {
        let (heads, dim) = (2, 3);
        let (qkv, outputs) = (noise(5 * 18, 1), noise(5 * 6, 2));
        let layer = LayerGradient::new(LAYOUT, heads, qkv.clone(), outputs.clone()).unwrap();
        assert_eq!((layer.layout(), layer.attention_heads()), (LAYOUT, 2));
        let at = |token: usize, third: usize, head: usize| {
            &qkv[token * 18 + third * 6 + head * dim..][..dim]
        };
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        for head in 0..heads {
            let (mut weights, mut gradients) = (vec![0.0; 15], vec![0.0; 15]);
            layer
                .head(head)
                .unwrap()
                .rows(2, &mut weights, &mut gradients);
            for (row, query) in (2..5).enumerate() {
                let scores = (0..5)
                    .map(|key| (dot(at(query, 0, head), at(key, 1, head)) / 3f32.sqrt()).exp());
                let scores: Vec<f32> = scores.collect();
                let total: f32 = scores.iter().sum();
                let want: Vec<f32> = scores.iter().map(|v| v / total).collect();
                close(&weights[row * 5..][..5], &want, 1e-5);
                let output = &outputs[query * 6 + head * dim..][..dim];
                let want: Vec<f32> = (0..5).map(|key| dot(output, at(key, 2, head))).collect();
                close(&gradients[row * 5..][..5], &want, 1e-5);
            }
        }
        assert!(layer.head(2).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let new = |heads, qkv, outputs| {
            LayerGradient::new(LAYOUT, heads, noise(qkv, 1), noise(outputs, 2))
        };
        assert!(new(2, 30, 10).is_ok());
        for (heads, qkv, outputs) in [(0, 30, 10), (3, 30, 10), (2, 20, 10), (2, 0, 0)] {
            assert!(new(heads, qkv, outputs).is_err());
        }
    }
}
