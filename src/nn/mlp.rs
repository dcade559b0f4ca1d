//! The feed-forward half of a transformer block.

use super::kernels::{Activation, gemm};
use super::values::Values;
use super::{LayerNorm, Linear};
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// Bytes of hidden activations that a task keeps in the second-level cache.
const HIDDEN_BYTES: usize = 240 << 10;

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
        let (width, hidden) = (self.fc1.inputs(), self.fc1.outputs());
        if x.dims().last() != Some(&width) {
            bail!("expected {width} channels, got {:?}", x.dims());
        }
        let values = Values::of(x)?;
        let mut out = values.to_vec();
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
                gemm(
                    normed,
                    width,
                    m,
                    self.fc1.packed().view(),
                    inner,
                    hidden,
                    false,
                );
                self.act.apply(inner);
                gemm(inner, hidden, m, self.fc2.packed().view(), out, width, true);
            },
        );
        drop(values);
        Tensor::from_vec(out, x.dims(), x.device())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};
    use candle_core::Device;

    #[test]
    fn it_is_its_parts() {
        let (c, hidden, tokens) = (8, 20, 101);
        let norm = LayerNorm::new(noise(c, 1), noise(c, 2), 1e-5);
        let fc1 = Linear::new(&noise(hidden * c, 3), Some(&noise(hidden, 4)), hidden, c);
        let fc2 = Linear::new(&noise(hidden * c, 5), Some(&noise(c, 6)), c, hidden);
        let x = Tensor::from_vec(noise(tokens * c, 7), (tokens, c), &Device::Cpu).unwrap();
        let inner = fc1
            .forward(&norm.forward(&x).unwrap())
            .unwrap()
            .gelu_erf()
            .unwrap();
        let want = (&x + fc2.forward(&inner).unwrap()).unwrap();
        let got = MlpBlock::new(norm, fc1, fc2, Activation::Gelu)
            .forward(&x)
            .unwrap();
        let flat = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        close(&flat(got), &flat(want), 1e-5);
    }
}
