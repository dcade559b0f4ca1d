//! The gated feed-forward half of a transformer block.

use super::kernels::gradients::activation_gradient;
use super::kernels::{Activation, add_assign, linear, linear_add};
use super::mlp::BAND;
use super::values::Values;
use super::{LayerNorm, Linear};
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// `x + down(silu(gate) · up)` with `[gate, up] = gate_up(norm(x))`: SwiGLU
/// (Shazeer 2020), as in DINOv2's largest models.
#[derive(Clone, Debug)]
pub struct SwiGlu {
    norm: LayerNorm,
    /// To ([gate, up], hidden).
    gate_up: Linear,
    down: Linear,
}

impl SwiGlu {
    /// # Panics
    /// If the widths do not chain.
    pub fn new(norm: LayerNorm, gate_up: Linear, down: Linear) -> Self {
        assert!(norm.channels() == gate_up.inputs() && norm.channels() == down.outputs());
        assert_eq!(gate_up.outputs(), 2 * down.inputs());
        Self {
            norm,
            gate_up,
            down,
        }
    }

    /// (…, channels) to the same shape.
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (width, hidden) = (self.down.outputs(), self.down.inputs());
        if x.dims().last() != Some(&width) {
            bail!("expected {width} channels, got {:?}", x.dims());
        }
        let mut out = Values::of(x)?.to_vec();
        let tokens = out.len() / width;
        let mut both = vec![0.0; BAND.min(tokens) * 2 * hidden];
        let mut gated = vec![0.0; BAND.min(tokens) * hidden];
        for band in out.chunks_mut(BAND * width) {
            let rows = band.len() / width;
            let (both, gated) = (&mut both[..rows * 2 * hidden], &mut gated[..rows * hidden]);
            let normed = self.norm.of(band);
            linear(&normed, self.gate_up.packed(), both, Activation::None);
            gated
                .par_chunks_mut(hidden)
                .zip(both.par_chunks(2 * hidden))
                .for_each(|(gated, both)| {
                    let (gate, up) = both.split_at(hidden);
                    gated.copy_from_slice(gate);
                    Activation::Silu.apply(gated);
                    gated
                        .iter_mut()
                        .zip(up)
                        .for_each(|(value, up)| *value *= up);
                });
            linear_add(gated, self.down.packed(), band);
        }
        Tensor::from_vec(out, x.dims(), x.device())
    }

    /// The gradient of `x` (tokens, channels) from that of the result, residual
    /// included.
    ///
    /// # Panics
    /// If a length does not fit.
    pub(super) fn gradient(&self, x: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (width, hidden) = (self.down.outputs(), self.down.inputs());
        let (first, second) = (self.gate_up.turned(), self.down.turned());
        let mut out = gradient.to_vec();
        for (x, out) in x.chunks(BAND * width).zip(out.chunks_mut(BAND * width)) {
            let rows = x.len() / width;
            let mut both = vec![0.0; rows * 2 * hidden];
            let normed = self.norm.of(x);
            linear(&normed, self.gate_up.packed(), &mut both, Activation::None);
            let mut gated = vec![0.0; rows * hidden];
            linear(out, second.packed(), &mut gated, Activation::None);
            both.par_chunks_mut(2 * hidden)
                .zip(gated.par_chunks(hidden))
                .for_each(|(both, gated)| gate_gradient(both, gated));
            let mut normed = vec![0.0; x.len()];
            linear(&both, first.packed(), &mut normed, Activation::None);
            add_assign(out, &self.norm.gradient(x, &normed));
        }
        out
    }
}

/// Turns a token's `[gate, up]` into its gradient, from that of
/// `silu(gate) · up`.
fn gate_gradient(both: &mut [f32], gated: &[f32]) {
    let (gate, up) = both.split_at_mut(gated.len());
    let mut open = gate.to_vec();
    Activation::Silu.apply(&mut open);
    let mut slopes: Vec<f32> = gated.iter().zip(&*up).map(|(g, up)| g * up).collect();
    activation_gradient(Activation::Silu, gate, &mut slopes);
    gate.copy_from_slice(&slopes);
    for ((up, gated), open) in up.iter_mut().zip(gated).zip(open) {
        *up = gated * open;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};
    use candle_core::Device;

    #[test]
    fn the_first_half_is_the_gate() {
        let (width, hidden, tokens) = (6, 10, BAND + 9);
        let norm = LayerNorm::new(noise(width, 1), noise(width, 2), 1e-6);
        let (w, b) = (noise(2 * hidden * width, 3), noise(2 * hidden, 4));
        let down = Linear::new(
            &noise(width * hidden, 5),
            Some(&noise(width, 6)),
            width,
            hidden,
        );
        let x = Tensor::from_vec(noise(tokens * width, 7), (tokens, width), &Device::Cpu).unwrap();
        let half = |part: usize| {
            let (w, b) = (&w[part * hidden * width..], &b[part * hidden..]);
            let layer = Linear::new(&w[..hidden * width], Some(&b[..hidden]), hidden, width);
            layer.forward(&norm.forward(&x).unwrap()).unwrap()
        };
        let gated = (half(0).silu().unwrap() * half(1)).unwrap();
        let want = (&x + down.forward(&gated).unwrap()).unwrap();
        let gate_up = Linear::new(&w, Some(&b), 2 * hidden, width);
        let got = SwiGlu::new(norm.clone(), gate_up, down)
            .forward(&x)
            .unwrap();
        let flat = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        close(&flat(got), &flat(want), 1e-5);
    }
}
