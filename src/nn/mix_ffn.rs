//! SegFormer's feed-forward block.

use super::filtered_mlp::FilteredMlp;
use super::kernels::Activation;
use super::{ChannelFilter, FoldedConv, LayerNorm, Linear};
use candle_core::{Result, Tensor};

/// Mix-FFN (Xie et al. 2021, equation 3), with its norm and residual:
/// `x + fc2(act(depthwise3×3(fc1(norm(x)))))`.
///
/// The 3×3 convolution between the two layers lets tokens know where they are
/// (its zero padding shows the border), so that SegFormer needs no position
/// encoding and takes photos of any size.
#[derive(Clone, Debug)]
pub struct MixFfn(FilteredMlp);

impl MixFfn {
    /// # Panics
    /// If the channels do not chain.
    pub fn new(
        norm: LayerNorm,
        fc1: Linear,
        depthwise: &FoldedConv,
        fc2: Linear,
        act: Activation,
    ) -> Self {
        let block = FilteredMlp {
            norm: Some(norm),
            widen: (fc1, Activation::None),
            filter: (ChannelFilter::new(depthwise, 1, 1), act),
            narrow: fc2,
            residual: true,
        };
        block.check();
        Self(block)
    }

    /// (rows, columns, channels) to the same shape.
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Depthwise;
    use crate::nn::testing::{close, noise};
    use candle_core::Device;

    #[test]
    fn it_is_its_parts() {
        let (rows, columns, c, hidden) = (23, 11, 12, 40);
        let norm = LayerNorm::new(noise(c, 1), noise(c, 2), 1e-5);
        let fc1 = Linear::new(&noise(hidden * c, 3), Some(&noise(hidden, 4)), hidden, c);
        let fc2 = Linear::new(&noise(hidden * c, 5), Some(&noise(c, 6)), c, hidden);
        let (weight, bias) = (noise(9 * hidden, 7), noise(hidden, 8));
        let filter = Depthwise::new(&weight, bias.clone());
        let x = noise(rows * columns * c, 9);
        let x = Tensor::from_vec(x, (rows, columns, c), &Device::Cpu).unwrap();
        let wide = fc1.forward(&norm.forward(&x).unwrap()).unwrap();
        let inner = filter.forward(&wide).unwrap().gelu_erf().unwrap();
        let want = (&x + fc2.forward(&inner).unwrap()).unwrap();
        let conv = FoldedConv {
            weight,
            bias: Some(bias),
            outputs: hidden,
            inputs: 1,
        };
        let got = MixFfn::new(norm, fc1, &conv, fc2, Activation::Gelu)
            .forward(&x)
            .unwrap();
        let flat = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        close(&flat(got), &flat(want), 1e-5);
    }
}
