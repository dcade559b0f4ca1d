//! Layers of a network that can be trained: maps are (photos, rows, columns,
//! channels), tokens (photos, tokens, channels).

use super::source::{Init, Part};
use crate::models::ModelError;
use crate::nn::grad;
use crate::nn::kernels::Activation;
use candle_core::Tensor;

/// Epsilon of all norms.
pub(super) const EPS: f32 = 1e-5;

/// Standard deviation of a Transformer's weights before training (ViT, as in
/// timm and DeiT).
const SMALL: f32 = 0.02;

/// `x · weightᵀ + bias`; on maps the 1×1 convolution.
pub(super) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// From `from` to `to` channels.
    pub fn new(part: &Part<'_>, from: usize, to: usize) -> Result<Self, ModelError> {
        Self::with(part, (from, to), Init::Normal(SMALL))
    }

    /// A layer that begins as zero, so that a residual branch begins as nothing.
    pub fn silent(part: &Part<'_>, from: usize, to: usize) -> Result<Self, ModelError> {
        Self::with(part, (from, to), Init::Zeros)
    }

    fn with(part: &Part<'_>, (from, to): (usize, usize), init: Init) -> Result<Self, ModelError> {
        Ok(Self {
            weight: part.tensor("weight", &[to, from], init)?,
            bias: part.tensor("bias", &[to], Init::Zeros)?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        Ok(grad::linear(x, &self.weight, Some(&self.bias))?)
    }
}

/// LayerNorm over the channels of each token or pixel, and an activation.
pub(super) struct Norm {
    weight: Tensor,
    bias: Tensor,
    then: Activation,
}

impl Norm {
    pub fn new(part: &Part<'_>, channels: usize, then: Activation) -> Result<Self, ModelError> {
        Ok(Self {
            weight: part.tensor("weight", &[channels], Init::Ones)?,
            bias: part.tensor("bias", &[channels], Init::Zeros)?,
            then,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        Ok(grad::layer_norm(
            x,
            &self.weight,
            &self.bias,
            EPS,
            self.then,
        )?)
    }
}

/// 1×1 convolution, norm, ReLU.
pub(super) struct Point {
    weight: Tensor,
    norm: Norm,
}

impl Point {
    pub fn new(part: &Part<'_>, from: usize, to: usize) -> Result<Self, ModelError> {
        Ok(Self {
            weight: part.tensor("conv.weight", &[to, from], Init::KaimingFanIn(from))?,
            norm: Norm::new(&part.part("norm"), to, Activation::Relu)?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        self.norm.forward(&grad::linear(x, &self.weight, None)?)
    }
}

/// 3×3 convolution, norm, ReLU.
pub(super) struct Conv {
    weight: Tensor,
    norm: Norm,
}

impl Conv {
    pub fn new(part: &Part<'_>, from: usize, to: usize) -> Result<Self, ModelError> {
        let init = Init::KaimingFanIn(9 * from);
        Ok(Self {
            weight: part.tensor("conv.weight", &[to, from, 3, 3], init)?,
            norm: Norm::new(&part.part("norm"), to, Activation::Relu)?,
        })
    }

    pub fn forward(&self, x: &Tensor, stride: usize, rate: usize) -> Result<Tensor, ModelError> {
        let x = grad::conv3x3(x, &self.weight, None, stride, rate)?;
        self.norm.forward(&x)
    }
}

/// Depthwise-separable 3×3 convolution (DeepLabV3+, Chen et al. 2018): each
/// channel by itself, then 1×1, norm, ReLU.
pub(super) struct Separable {
    depthwise: Tensor,
    point: Point,
}

impl Separable {
    pub fn new(part: &Part<'_>, from: usize, to: usize) -> Result<Self, ModelError> {
        let init = Init::KaimingFanIn(18);
        Ok(Self {
            depthwise: part.tensor("depthwise.weight", &[from, 1, 3, 3], init)?,
            point: Point::new(part, from, to)?,
        })
    }

    pub fn forward(&self, x: &Tensor, rate: usize) -> Result<Tensor, ModelError> {
        let x = grad::depthwise3x3(x, &self.depthwise, None, rate)?;
        self.point.forward(&x)
    }
}
