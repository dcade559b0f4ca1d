//! Attention between a few prompt tokens and many image tokens.

use super::kernels::{Packed, PackedView, Scratch, gemm, mix_values, softmax_rows, token_softmax};
use super::{LayerAblation, Linear};
use rayon::prelude::*;

/// Prompt tokens per pass: the kernels for many image tokens keep one lane for
/// each.
const LANES: usize = 16;

/// The projections of one attention layer, as in SAM's decoder: the inner
/// width may be smaller than the outer.
#[derive(Clone, Debug)]
pub struct CrossAttention {
    /// Queries.
    pub q: Linear,
    /// Keys.
    pub k: Linear,
    /// Values.
    pub v: Linear,
    /// From the heads back to the outer width.
    pub out: Linear,
    /// Attention heads.
    pub heads: usize,
}

/// Keys or queries of the image, rows of several projections side by side.
#[derive(Clone, Copy, Debug)]
pub struct ImageSide<'a> {
    /// First value of the first row.
    pub values: &'a [f32],
    /// Distance of rows.
    pub stride: usize,
}

/// Projected prompt tokens: (tokens, inner) each.
#[derive(Clone, Debug)]
pub struct TokenSide {
    /// Number of tokens.
    pub tokens: usize,
    /// Keys.
    pub keys: Vec<f32>,
    /// Values.
    pub values: Vec<f32>,
}

impl CrossAttention {
    /// Width of all heads together.
    pub fn inner(&self) -> usize {
        self.q.outputs()
    }

    /// Width of a head.
    pub fn head_dim(&self) -> usize {
        self.inner() / self.heads
    }

    /// What the products are multiplied by.
    pub fn scale(&self) -> f32 {
        (self.head_dim() as f32).powf(-0.5)
    }

    /// Tokens attending to tokens; (tokens, outer) in and out, on the calling
    /// thread.
    pub fn among_tokens(&self, queries: &[f32], keys: &[f32], values: &[f32]) -> Vec<f32> {
        let (q, k, v) = (
            self.q.apply(queries),
            self.k.apply(keys),
            self.v.apply(values),
        );
        let (inner, dim) = (self.inner(), self.head_dim());
        let (asked, tokens) = (q.len() / inner, k.len() / inner);
        let mut mixed = vec![0.0; q.len()];
        let (mut scratch, mut scores) = (Scratch::default(), vec![0.0; asked * tokens]);
        for head in 0..self.heads {
            let at = head * dim;
            let keys = scratch.pack_transposed(&k[at..], inner, tokens, dim);
            gemm(&q[at..], inner, asked, keys, &mut scores, tokens, false);
            softmax_rows(&mut scores, tokens, tokens, self.scale(), None);
            let values = scratch.pack(&v[at..], inner, tokens, dim);
            gemm(
                &scores,
                tokens,
                asked,
                values,
                &mut mixed[at..],
                inner,
                false,
            );
        }
        self.out.apply(&mixed)
    }

    /// Projected tokens attending to the image: `q` (tokens, inner), keys and
    /// values of `count` image tokens; gives (tokens, outer). Attention heads that
    /// are `off` contribute nothing.
    pub fn tokens_to_image(
        &self,
        q: &[f32],
        keys: ImageSide<'_>,
        values: ImageSide<'_>,
        count: usize,
        off: LayerAblation<'_>,
    ) -> Vec<f32> {
        let (inner, dim) = (self.inner(), self.head_dim());
        let tokens = q.len() / inner;
        let passes: Vec<(usize, usize)> = (0..self.heads)
            .flat_map(|head| (0..tokens).step_by(LANES).map(move |token| (head, token)))
            .collect();
        let parts: Vec<Vec<f32>> = passes
            .par_iter()
            .map_init(
                || vec![0.0; count * LANES],
                |scores, (head, token)| {
                    let (at, asked) = (head * dim, LANES.min(tokens - token));
                    let mut scratch = Scratch::default();
                    let rows = &q[token * inner + at..];
                    let packed = scratch.pack_transposed(rows, inner, asked, dim).padded();
                    gemm(
                        &keys.values[at..],
                        keys.stride,
                        count,
                        packed,
                        scores,
                        LANES,
                        false,
                    );
                    token_softmax(scores, self.scale());
                    let mut out = vec![0.0; asked * dim];
                    let layout = (values.stride, dim);
                    mix_values(scores, asked, &values.values[at..], layout, &mut out);
                    out
                },
            )
            .collect();
        let mut mixed = vec![0.0; q.len()];
        for ((head, token), part) in passes.iter().zip(&parts) {
            for (i, row) in part.chunks_exact(dim).enumerate() {
                let at = (token + i) * inner + head * dim;
                mixed[at..at + dim].copy_from_slice(row);
            }
        }
        off.silence(&mut mixed, inner, dim);
        self.out.apply(&mixed)
    }

    /// The tokens as keys and values for the image to look at.
    pub fn project_tokens(&self, keys: &[f32], values: &[f32]) -> TokenSide {
        let keys = self.k.apply(keys);
        let tokens = keys.len() / self.inner();
        TokenSide {
            tokens,
            keys,
            values: self.v.apply(values),
        }
    }

    /// The same packed for [`CrossAttention::image_to_tokens`], by head.
    pub(super) fn pack_tokens(&self, side: &TokenSide) -> Vec<(Packed, Packed)> {
        let (inner, dim, n) = (self.inner(), self.head_dim(), side.tokens);
        let column = |values: &[f32], head: usize| -> Vec<f32> {
            values
                .chunks_exact(inner)
                .flat_map(|row| &row[head * dim..(head + 1) * dim])
                .copied()
                .collect()
        };
        (0..self.heads)
            .map(|head| {
                let keys = Packed::from_linear(&column(&side.keys, head), None, n, dim);
                let rows = column(&side.values, head);
                let turned: Vec<f32> = (0..dim)
                    .flat_map(|d| rows.iter().skip(d).step_by(dim))
                    .copied()
                    .collect();
                (keys, Packed::from_linear(&turned, None, dim, n))
            })
            .collect()
    }

    /// Image tokens attending to prompt tokens: adds the result to `out`
    /// (rows, outer). `queries` are the rows' queries, attention heads that are
    /// `off` contribute nothing; on the calling thread.
    pub(super) fn image_to_tokens(
        &self,
        queries: ImageSide<'_>,
        (tokens, off): (&[(Packed, Packed)], LayerAblation<'_>),
        [scores, mixed]: &mut [Vec<f32>; 2],
        out: &mut [f32],
    ) {
        let (inner, outer, dim) = (self.inner(), self.out.outputs(), self.head_dim());
        let rows = out.len() / outer;
        mixed.resize(rows * inner, 0.0);
        for (head, (keys, values)) in tokens.iter().enumerate() {
            let at = head * dim;
            let view: PackedView<'_> = keys.view().padded();
            let ld = view.n();
            scores.resize(rows * ld, 0.0);
            gemm(
                &queries.values[at..],
                queries.stride,
                rows,
                view,
                scores,
                ld,
                false,
            );
            softmax_rows(scores, ld, keys.n(), self.scale(), None);
            gemm(
                scores,
                ld,
                rows,
                values.view(),
                &mut mixed[at..],
                inner,
                false,
            );
        }
        off.silence(mixed, inner, dim);
        gemm(
            mixed,
            inner,
            rows,
            self.out.packed().view(),
            out,
            outer,
            true,
        );
    }
}
