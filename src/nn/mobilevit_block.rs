//! The MobileViT block.

use super::attend::{Heads, Memory, Packs};
use super::capture::{Bias, Grid, Grouping, QueryKey, Tokens};
use super::interpolate::{Interpolation, resize_map};
use super::kernels::{Activation, gemm, linear};
use super::values::{Values, map_size};
use super::{Conv2d, LayerAblation, LayerNorm, Linear, MlpBlock};
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

/// Tokens that a task projects at a time.
const TOKENS: usize = 96;

/// MobileViT's block (Mehta & Rastegari 2022, figure 1b): a convolution looks
/// at each pixel's surroundings, a Transformer lets pixels see those at the
/// same place of all other patches, and a second convolution fuses what comes
/// of it with the input.
///
/// ```text
/// x ─┬─ k×k ── 1×1 ── unfold ── Transformer × L ── norm ── fold ── 1×1 ─┐
///    └───────────────────────────────────────────────── concatenate ────┴─ k×k ──
/// ```
///
/// As pixels of a patch have seen each other in the convolution, each of them
/// sees the whole photo in the end, for a patch²-th of the products.
///
/// The steps are separate, so that a forward pass can stop between layers:
/// [`MobileVitBlock::unfold`], each of [`MobileVitBlock::layers`],
/// [`MobileVitBlock::fold`].
#[derive(Clone, Debug)]
pub struct MobileVitBlock {
    /// Local representation: k×k, then 1×1 to the Transformer's width.
    pub local: (Conv2d, Linear),
    /// The Transformer.
    pub layers: Vec<PhaseLayer>,
    /// After the Transformer.
    pub norm: LayerNorm,
    /// 1×1 back to the map's width, and what follows.
    pub project: (Linear, Activation),
    /// k×k over [input, projected].
    pub fuse: Conv2d,
    /// Side of a patch.
    pub patch: usize,
}

/// A token grid that is cut into patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches {
    /// The grid, a whole number of patches.
    pub grid: Grid,
    /// Side of a patch.
    pub side: usize,
}

/// Tokens of a map, arranged by their place in their patch.
#[derive(Clone, Debug)]
pub struct Phases {
    /// (side², patches, width): place in the patch and patch, both in reading
    /// order.
    pub tokens: Tensor,
    /// The grid that they make up.
    pub patches: Patches,
}

impl MobileVitBlock {
    /// Local representation of `x` (rows, columns, channels), as tokens. A map
    /// that is no whole number of patches is resized to the next one.
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn unfold(&self, x: &Tensor) -> Result<Phases> {
        let map = map_size(x, self.local.0.inputs())?;
        let local = self.local.1.forward(&self.local.0.forward(x)?)?;
        let local = Values::of(&local)?;
        let width = self.local.1.outputs();
        let whole = |side: usize| side.next_multiple_of(self.patch);
        let (rows, columns) = (whole(map.0), whole(map.1));
        let resized = ((rows, columns) != map).then(|| {
            let from = (map.0, map.1, width);
            resize_map(&local, from, (rows, columns), Interpolation::Bilinear)
        });
        let source = resized.as_deref().unwrap_or(&local);
        let patches = Patches {
            grid: Grid { rows, columns },
            side: self.patch,
        };
        let mut tokens = vec![0.0; source.len()];
        for (pixel, source) in source.chunks_exact(width).enumerate() {
            tokens[patches.token(pixel) * width..][..width].copy_from_slice(source);
        }
        let shape = (self.patch * self.patch, patches.count(), width);
        Ok(Phases {
            tokens: Tensor::from_vec(tokens, shape, &Device::Cpu)?,
            patches,
        })
    }

    /// What the block makes of its input `x` and what its layers made of the
    /// tokens: (rows, columns, channels).
    ///
    /// # Errors
    /// If `x` is not what `phases` come from or not plain f32.
    pub fn fold(&self, phases: &Phases, x: &Tensor) -> Result<Tensor> {
        let (c, width) = (self.project.0.outputs(), self.norm.channels());
        let (rows, columns) = map_size(x, c)?;
        let tokens = self.norm.forward(&phases.tokens)?;
        let tokens = Values::of(&tokens)?;
        let mut map = vec![0.0; tokens.len()];
        for (pixel, out) in map.chunks_exact_mut(width).enumerate() {
            out.copy_from_slice(&tokens[phases.patches.token(pixel) * width..][..width]);
        }
        let Grid {
            rows: high,
            columns: wide,
        } = phases.patches.grid;
        if (high, wide) != (rows, columns) {
            map = resize_map(
                &map,
                (high, wide, width),
                (rows, columns),
                Interpolation::Bilinear,
            );
        }
        let mut projected = vec![0.0; rows * columns * c];
        linear(
            &map,
            self.project.0.packed(),
            &mut projected,
            self.project.1,
        );
        let x = Values::of(x)?;
        let mut both = Vec::with_capacity(2 * x.len());
        for (x, projected) in x.chunks_exact(c).zip(projected.chunks_exact(c)) {
            both.extend_from_slice(x);
            both.extend_from_slice(projected);
        }
        let both = Tensor::from_vec(both, (rows, columns, 2 * c), &Device::Cpu)?;
        self.fuse.forward(&both)
    }
}

impl Patches {
    /// Number of patches.
    pub fn count(self) -> usize {
        self.grid.len() / (self.side * self.side)
    }

    /// Index of a pixel of the grid among all phases' tokens.
    fn token(self, pixel: usize) -> usize {
        let (row, column) = (pixel / self.grid.columns, pixel % self.grid.columns);
        let (group, place) = self.grouping().locate(self.layout(), row, column);
        group * self.count() + place
    }

    fn grouping(self) -> Grouping {
        Grouping::Phases {
            side: self.side,
            grid: self.grid,
        }
    }

    fn layout(self) -> Tokens {
        Tokens {
            prefix: 0,
            grid: Some(self.grid),
        }
    }
}

impl Phases {
    /// Length (L2) of each token, in reading order of the grid.
    ///
    /// # Errors
    /// If the tokens are not plain f32.
    pub fn norms(&self) -> Result<Vec<f32>> {
        let (_, _, width) = self.tokens.dims3()?;
        let tokens = Values::of(&self.tokens)?;
        let norm = |pixel| {
            let token = &tokens[self.patches.token(pixel) * width..][..width];
            token.iter().map(|v| v * v).sum::<f32>().sqrt()
        };
        Ok((0..self.patches.grid.len()).map(norm).collect())
    }
}

/// A layer of the Transformer in a MobileViT block: pre-norm self-attention
/// among the tokens of a phase, then the MLP, both with a residual.
#[derive(Clone, Debug)]
pub struct PhaseLayer {
    norm: LayerNorm,
    /// (width) to [queries, keys, values].
    qkv: Linear,
    project: Linear,
    heads: Heads,
    mlp: MlpBlock,
}

impl PhaseLayer {
    /// # Panics
    /// If the widths do not fit each other.
    pub fn new(norm: LayerNorm, qkv: Linear, project: Linear, heads: usize, mlp: MlpBlock) -> Self {
        let (width, inner) = (norm.channels(), project.inputs());
        assert!(heads > 0 && inner.is_multiple_of(heads), "attention heads");
        assert!(qkv.inputs() == width && qkv.outputs() == 3 * inner, "qkv");
        assert_eq!(project.outputs(), width, "projection");
        let dim = inner / heads;
        Self {
            norm,
            qkv,
            project,
            heads: Heads { count: heads, dim },
            mlp,
        }
    }

    /// Replace the tokens by what the layer makes of them without the attention
    /// heads that are `off`.
    ///
    /// # Errors
    /// If their width differs or they are not plain f32.
    pub fn forward(&self, phases: &mut Phases, off: LayerAblation<'_>) -> Result<()> {
        let qkv = self.queries_keys_values(&phases.tokens)?;
        let attended = self.attend(&phases.tokens, &qkv, off)?;
        phases.tokens = self.mlp.forward(&attended)?;
        Ok(())
    }

    /// As `forward`, with a record that calls this layer `layer`.
    ///
    /// # Errors
    /// As `forward`.
    pub fn forward_recorded(
        &self,
        phases: &mut Phases,
        layer: String,
        off: LayerAblation<'_>,
    ) -> Result<QueryKey> {
        let qkv = self.queries_keys_values(&phases.tokens)?;
        let (groups, patches, _) = phases.tokens.dims3()?;
        let inner = self.heads.inner();
        let side = |from| -> Result<(Tokens, Tensor)> {
            let group = |tokens| self.heads.split(tokens, 3 * inner, from);
            let values = qkv
                .chunks_exact(patches * 3 * inner)
                .flat_map(group)
                .collect();
            let shape = (groups, self.heads.count, patches, self.heads.dim);
            let values = Tensor::from_vec::<_, f32>(values, shape, &Device::Cpu)?;
            Ok((phases.patches.layout(), values))
        };
        let (queries, keys) = (side(0)?, side(inner)?);
        let scale = self.heads.scale();
        let grouping = phases.patches.grouping();
        let record = QueryKey::grouped(layer, grouping, queries, keys, scale, Bias::None)?;
        let attended = self.attend(&phases.tokens, &qkv, off)?;
        phases.tokens = self.mlp.forward(&attended)?;
        Ok(record)
    }

    /// (groups · patches, 3 · inner).
    fn queries_keys_values(&self, tokens: &Tensor) -> Result<Vec<f32>> {
        let (width, n) = (self.norm.channels(), self.qkv.outputs());
        let tokens = Values::of(tokens)?;
        let mut out = vec![0.0; tokens.len() / width * n];
        out.par_chunks_mut(TOKENS * n)
            .zip(tokens.par_chunks(TOKENS * width))
            .for_each_init(Vec::new, |normed, (out, tokens)| {
                normed.clear();
                normed.extend_from_slice(tokens);
                self.norm.apply(normed);
                let weights = self.qkv.packed().view();
                gemm(normed, width, out.len() / n, weights, out, n, false);
            });
        Ok(out)
    }

    /// `tokens` and what they see in the others of their group.
    fn attend(&self, tokens: &Tensor, qkv: &[f32], off: LayerAblation<'_>) -> Result<Tensor> {
        let (groups, patches, width) = tokens.dims3()?;
        let (inner, pitch) = (self.heads.inner(), self.qkv.outputs());
        let mut packs: Vec<Packs> = (0..groups).map(|_| Packs::default()).collect();
        let memories = packs.iter_mut().zip(qkv.chunks_exact(patches * pitch));
        let memories: Vec<Memory<'_>> = memories
            .map(|(packs, qkv)| Memory::new(packs, self.heads, qkv, pitch, (inner, 2 * inner)))
            .collect();
        let mut out = Values::of(tokens)?.to_vec();
        let mut blocks = Vec::new();
        let sides = memories.iter().zip(qkv.chunks_exact(patches * pitch));
        for (out, (memory, qkv)) in out.chunks_exact_mut(patches * width).zip(sides) {
            let block = memory.block();
            let queries = qkv.chunks(block * pitch);
            let parts = out.chunks_mut(block * width).zip(queries);
            blocks.extend(parts.map(|(out, queries)| (out, queries, memory)));
        }
        blocks.into_par_iter().for_each_init(
            || [const { Vec::new() }; 2],
            |[mixed, scores], (out, queries, memory)| {
                let count = out.len() / width;
                mixed.resize(count * inner, 0.0);
                memory.ask(queries, pitch, mixed, scores);
                off.silence(mixed, inner, self.heads.dim);
                let weights = self.project.packed().view();
                gemm(mixed, inner, count, weights, out, width, true);
            },
        );
        Tensor::from_vec(out, tokens.dims(), &Device::Cpu)
    }
}

#[cfg(test)]
mod tests;
