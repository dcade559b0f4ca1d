//! The fused blocks against candle's convolutions.

use super::*;
use crate::nn::Linear;
use crate::nn::testing::{close, noise};
use candle_core::Device;

fn conv(outputs: usize, inputs: usize, side: usize, seed: u64) -> FoldedConv {
    let weight = noise(outputs * inputs * side * side, seed)
        .iter()
        .map(|v| v * 0.3)
        .collect();
    FoldedConv {
        weight,
        bias: Some(noise(outputs, seed + 1)),
        outputs,
        inputs,
    }
}

/// candle's convolution of a channels-last map; `bias` is required.
fn reference(x: &Tensor, conv: &FoldedConv, side: usize, stride: usize, groups: usize) -> Tensor {
    let dims = (conv.outputs, conv.inputs / groups, side, side);
    let weight = Tensor::from_slice(&conv.weight, dims, &Device::Cpu).unwrap();
    let bias = Tensor::from_slice(conv.bias.as_ref().unwrap(), conv.outputs, &Device::Cpu).unwrap();
    let x = x
        .permute((2, 0, 1))
        .unwrap()
        .unsqueeze(0)
        .unwrap()
        .contiguous()
        .unwrap();
    let y = x.conv2d(&weight, side / 2, stride, 1, groups).unwrap();
    let y = y.squeeze(0).unwrap().permute((1, 2, 0)).unwrap();
    y.broadcast_add(&bias).unwrap().contiguous().unwrap()
}

fn flat(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn map(h: usize, w: usize, c: usize) -> Tensor {
    Tensor::from_vec(noise(h * w * c, 9), (h, w, c), &Device::Cpu).unwrap()
}

#[test]
fn bottleneck_is_three_convolutions() {
    for (h, w, stride, residual) in [(9, 70, 1, true), (11, 131, 2, false), (1, 1, 1, false)] {
        let (expand, project) = (conv(12, 5, 1, 1), conv(5, 12, 1, 3));
        let middle = FoldedConv {
            inputs: 12,
            ..conv(12, 1, 3, 5)
        };
        let x = map(h, w, 5);
        let y = reference(&x, &expand, 1, 1, 1).gelu_erf().unwrap();
        let y = reference(&y, &middle, 3, stride, 12).gelu_erf().unwrap();
        let mut want = reference(&y, &project, 1, 1, 1);
        if residual {
            want = (want + &x).unwrap().gelu_erf().unwrap();
        }
        let depthwise = Depthwise::new(&middle.weight, middle.bias.clone().unwrap());
        let block = Bottleneck::new(&expand, depthwise, &project, stride, residual);
        let got = block.forward(&x).unwrap();
        assert_eq!(got.dims(), want.dims());
        close(&flat(&got), &flat(&want), 1e-5);
    }
}

#[test]
fn stem_is_two_convolutions() {
    for (h, w) in [(300, 20), (7, 290), (1, 1)] {
        let (first, second) = (conv(6, 3, 3, 1), conv(9, 6, 3, 3));
        let x = map(h, w, 3);
        let y = reference(&x, &first, 3, 2, 1).gelu_erf().unwrap();
        let want = reference(&y, &second, 3, 2, 1);
        let got = ConvStem::new(&first, &second).forward(&x).unwrap();
        assert_eq!(got.dims(), want.dims());
        close(&flat(&got), &flat(&want), 1e-5);
    }
}

#[test]
fn dense_depthwise_and_pointwise() {
    let x = map(5, 30, 4);
    let dense = conv(7, 4, 3, 1);
    close(
        &flat(&Conv3x3::new(&dense).forward(&x).unwrap()),
        &flat(&reference(&x, &dense, 3, 1, 1)),
        1e-5,
    );
    let filter = FoldedConv {
        inputs: 4,
        ..conv(4, 1, 3, 5)
    };
    let depthwise = Depthwise::new(&filter.weight, filter.bias.clone().unwrap());
    close(
        &flat(&depthwise.forward(&x).unwrap()),
        &flat(&reference(&x, &filter, 3, 1, 4)),
        1e-5,
    );
    let pointwise = conv(6, 4, 1, 7);
    close(
        &flat(&Linear::from(&pointwise).forward(&x).unwrap()),
        &flat(&reference(&x, &pointwise, 1, 1, 1)),
        1e-5,
    );
    assert!(Conv3x3::new(&dense).forward(&map(2, 2, 3)).is_err());
}
