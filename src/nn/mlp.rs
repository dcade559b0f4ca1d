//! The feed-forward half of a transformer block.

use super::kernels::gradients::activation_gradient;
use super::kernels::{Activation, add_assign, gemm, linear, linear_add};
use super::values::Values;
use super::{LayerNorm, Linear};
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// Bytes of hidden activations that a task keeps in the second-level cache.
const HIDDEN_BYTES: usize = 240 << 10;
/// Bytes of weights that are small enough to be read for a few rows.
const SMALL_WEIGHTS: usize = 4 << 20;
/// Rows that go through a layer together where weights are larger: hidden
/// activations of all tokens of a large picture would not fit any cache.
pub(super) const BAND: usize = 512;

/// `x + fc2(act(fc1(norm(x))))`, the pre-norm residual MLP.
#[derive(Clone, Debug)]
pub struct MlpBlock {
    norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    act: Activation,
}

impl MlpBlock {
    /// # Panics
    /// If the widths do not chain.
    pub fn new(norm: LayerNorm, fc1: Linear, fc2: Linear, act: Activation) -> Self {
        assert!(norm.channels() == fc1.inputs() && fc1.inputs() == fc2.outputs());
        assert_eq!(fc1.outputs(), fc2.inputs());
        Self {
            norm,
            fc1,
            fc2,
            act,
        }
    }

    /// (…, channels) to the same shape.
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let width = self.fc1.inputs();
        if x.dims().last() != Some(&width) {
            bail!("expected {width} channels, got {:?}", x.dims());
        }
        let mut out = Values::of(x)?.to_vec();
        let weights = self.fc1.packed().bytes() + self.fc2.packed().bytes();
        if weights <= SMALL_WEIGHTS {
            self.few_rows_per_task(&mut out);
        } else {
            self.layer_by_layer(&mut out);
        }
        Tensor::from_vec(out, x.dims(), x.device())
    }

    /// The gradient of `x` (tokens, channels) from that of the result, residual
    /// included.
    ///
    /// # Panics
    /// If a length does not fit.
    pub(super) fn gradient(&self, x: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (width, hidden) = (self.fc1.inputs(), self.fc1.outputs());
        let (first, second) = (self.fc1.turned(), self.fc2.turned());
        let mut out = gradient.to_vec();
        for (x, out) in x.chunks(BAND * width).zip(out.chunks_mut(BAND * width)) {
            let mut inner = vec![0.0; x.len() / width * hidden];
            linear(
                &self.norm.of(x),
                self.fc1.packed(),
                &mut inner,
                Activation::None,
            );
            let mut slopes = vec![0.0; inner.len()];
            linear(out, second.packed(), &mut slopes, Activation::None);
            slopes
                .par_chunks_mut(hidden)
                .zip(inner.par_chunks(hidden))
                .for_each(|(slopes, inner)| activation_gradient(self.act, inner, slopes));
            let mut normed = vec![0.0; x.len()];
            linear(&slopes, first.packed(), &mut normed, Activation::None);
            add_assign(out, &self.norm.gradient(x, &normed));
        }
        out
    }

    /// Both layers on a few rows at a time, so that hidden activations never
    /// leave the cache: best while each task can afford to read all weights.
    fn few_rows_per_task(&self, out: &mut [f32]) {
        let (width, hidden) = (self.fc1.inputs(), self.fc1.outputs());
        let tokens = out.len() / width.max(1);
        let share = tokens
            .div_ceil(4 * rayon::current_num_threads())
            .next_multiple_of(6);
        let rows = (HIDDEN_BYTES / (4 * hidden) / 6 * 6).clamp(6, share.max(6));
        out.par_chunks_mut(rows * width).for_each_init(
            || (vec![0.0; rows * width], vec![0.0; rows * hidden]),
            |(normed, inner), out| {
                let m = out.len() / width;
                let (normed, inner) = (&mut normed[..out.len()], &mut inner[..m * hidden]);
                normed.copy_from_slice(out);
                self.norm.apply(normed);
                let (fc1, fc2) = (self.fc1.packed().view(), self.fc2.packed().view());
                gemm(normed, width, m, fc1, inner, hidden, false);
                self.act.apply(inner);
                gemm(inner, hidden, m, fc2, out, width, true);
            },
        );
    }

    /// One layer after the other on many rows, each on every core: best where
    /// reading the weights is what costs.
    fn layer_by_layer(&self, out: &mut [f32]) {
        let (width, hidden) = (self.fc1.inputs(), self.fc1.outputs());
        let mut inner = vec![0.0; BAND.min(out.len() / width) * hidden];
        for band in out.chunks_mut(BAND * width) {
            let inner = &mut inner[..band.len() / width * hidden];
            linear(&self.norm.of(band), self.fc1.packed(), inner, self.act);
            linear_add(inner, self.fc2.packed(), band);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};
    use candle_core::Device;

    #[test]
    fn it_is_its_parts() {
        // Small enough for both layers at once, and too large; more than a band.
        for (width, hidden, tokens) in [(8, 20, 101), (64, 8200, BAND + 5)] {
            let norm = LayerNorm::new(noise(width, 1), noise(width, 2), 1e-5);
            let (w, b) = (noise(hidden * width, 3), noise(hidden, 4));
            let fc1 = Linear::new(&w, Some(&b), hidden, width);
            let (w, b) = (noise(hidden * width, 5), noise(width, 6));
            let fc2 = Linear::new(&w, Some(&b), width, hidden);
            let x = noise(tokens * width, 7);
            let x = Tensor::from_vec(x, (tokens, width), &Device::Cpu).unwrap();
            let inner = fc1
                .forward(&norm.forward(&x).unwrap())
                .unwrap()
                .gelu_erf()
                .unwrap();
            let want = (&x + fc2.forward(&inner).unwrap()).unwrap();
            let block = MlpBlock::new(norm, fc1, fc2, Activation::Gelu);
            let got = block.forward(&x).unwrap();
            let flat = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            close(&flat(got), &flat(want), 1e-5);
        }
    }
}
