//! MobileNetV2's inverted residual.

use super::filtered_mlp::FilteredMlp;
use super::kernels::Activation;
use super::{ChannelFilter, FoldedConv, Linear};
use candle_core::{Result, Tensor};

/// The inverted residual of MobileNetV2 (Sandler et al. 2018, figure 4): where
/// a ResNet's bottleneck is narrow inside, this one is wide inside.
///
/// ```text
/// x ── 1×1, act ── depthwise 3×3, act ── 1×1 ── + ──
/// └───────────── if stride 1, same width ───────┘
/// ```
///
/// The last 1×1 is linear: an activation would lose information in so few
/// channels. All three have their batch normalisation folded in.
#[derive(Clone, Debug)]
pub struct InvertedResidual(FilteredMlp);

impl InvertedResidual {
    /// The input is added to the output if `filter` has stride 1 and the
    /// widths agree.
    ///
    /// # Panics
    /// If the channels do not chain.
    pub fn new(
        expand: &FoldedConv,
        filter: (&FoldedConv, usize, usize),
        reduce: &FoldedConv,
        act: Activation,
    ) -> Self {
        let (conv, stride, dilation) = filter;
        let block = FilteredMlp {
            norm: None,
            widen: (Linear::from(expand), act),
            filter: (ChannelFilter::new(conv, stride, dilation), act),
            narrow: Linear::from(reduce),
            residual: stride == 1 && expand.inputs == reduce.outputs,
        };
        block.check();
        Self(block)
    }

    /// (rows, columns, in) to (rows / stride, columns / stride, out), rounded
    /// up.
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x)
    }
}

#[cfg(test)]
mod tests;
