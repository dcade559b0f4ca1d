//! From an image encoder's last map to the embedding that the decoder takes.

use super::names::Names;
use crate::models::{ModelError, Weights};
use crate::nn::{Conv3x3, LayerNorm, Linear};
use candle_core::Tensor;

/// Epsilon of the channel-wise norms.
const EPS: f32 = 1e-6;

/// A pointwise and a 3×3 convolution, each followed by a channel-wise norm.
pub(in crate::models) struct Neck {
    narrow: Linear,
    first_norm: LayerNorm,
    conv: Conv3x3,
    second_norm: LayerNorm,
}

impl Neck {
    /// From `from` to `to` channels.
    pub(in crate::models) fn load(
        weights: &Weights,
        names: &Names,
        from: usize,
        to: usize,
    ) -> Result<Self, ModelError> {
        let [narrow, first_norm, conv, second_norm] = names.neck;
        Ok(Self {
            narrow: Linear::from(&weights.conv(narrow, (to, from, 1), false)?),
            first_norm: weights.norm(first_norm, to, EPS)?,
            conv: Conv3x3::new(&weights.conv(conv, (to, to, 3), false)?),
            second_norm: weights.norm(second_norm, to, EPS)?,
        })
    }

    /// (rows, columns, from) to (rows, columns, to).
    pub(in crate::models) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let x = self.first_norm.forward(&self.narrow.forward(x)?)?;
        Ok(self.second_norm.forward(&self.conv.forward(&x)?)?)
    }
}
