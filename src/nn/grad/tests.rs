use super::*;
use crate::nn::kernels::{self, Activation};
use crate::nn::testing::{close, noise};
use crate::nn::{Conv2d, FoldedConv, Interpolation, LayerNorm, Linear, Reach, resize_map};
use candle_core::Var;

mod gradients;

fn tensor(dims: &[usize], seed: u64) -> Tensor {
    let values = noise(dims.iter().product(), seed);
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn a_linear_layer_is_the_inference_module() {
    let (x, weight, bias) = (tensor(&[2, 5, 7], 1), tensor(&[19, 7], 2), tensor(&[19], 3));
    let module = Linear::new(&values(&weight), Some(&values(&bias)), 19, 7);
    let got = linear(&x, &weight, Some(&bias)).unwrap();
    assert_eq!(got.dims(), [2, 5, 19]);
    close(&values(&got), &module.apply(&values(&x)), 1e-6);
    let module = Linear::new(&values(&weight), None, 19, 7);
    let got = linear(&x, &weight, None).unwrap();
    close(&values(&got), &module.apply(&values(&x)), 1e-6);
}

#[test]
fn a_convolution_is_the_inference_module() {
    for (rows, columns, stride, dilation) in [
        (6, 9, 1, 1),
        (7, 5, 2, 1),
        (3, 4, 1, 3),
        (8, 8, 2, 2),
        (1, 1, 1, 1),
    ] {
        let (inputs, outputs) = (5, 18);
        let x = tensor(&[2, rows, columns, inputs], 1);
        let (weight, bias) = (tensor(&[outputs, inputs, 3, 3], 2), tensor(&[outputs], 3));
        let got = conv3x3(&x, &weight, Some(&bias), stride, dilation).unwrap();
        let size = [2, rows.div_ceil(stride), columns.div_ceil(stride), outputs];
        assert_eq!(got.dims(), size);
        let folded = FoldedConv {
            weight: values(&weight),
            bias: Some(values(&bias)),
            outputs,
            inputs,
        };
        let reach = Reach::centred(3, stride, dilation);
        let module = Conv2d::new(&folded, reach, Activation::None);
        for sample in 0..2 {
            let want = module.forward(&x.get(sample).unwrap()).unwrap();
            close(&values(&got.get(sample).unwrap()), &values(&want), 1e-5);
        }
    }
}

#[test]
fn a_depthwise_convolution_is_a_dense_one_with_a_diagonal_filter() {
    for (rows, columns, c, dilation) in [(5, 7, 43, 1), (4, 3, 8, 3), (1, 2, 3, 2)] {
        let x = tensor(&[2, rows, columns, c], 1);
        let (weight, bias) = (tensor(&[c, 1, 3, 3], 2), tensor(&[c], 3));
        let mut dense = vec![0.0; c * c * 9];
        for (i, filter) in values(&weight).chunks_exact(9).enumerate() {
            dense[(i * c + i) * 9..][..9].copy_from_slice(filter);
        }
        let dense = Tensor::from_vec(dense, (c, c, 3, 3), &Device::Cpu).unwrap();
        for bias in [None, Some(&bias)] {
            let got = depthwise3x3(&x, &weight, bias, dilation).unwrap();
            let want = conv3x3(&x, &dense, bias, 1, dilation).unwrap();
            assert_eq!(got.dims(), want.dims());
            close(&values(&got), &values(&want), 1e-5);
        }
    }
}

#[test]
fn a_normalisation_is_the_inference_module() {
    let (x, weight, bias) = (tensor(&[2, 70, 19], 1), tensor(&[19], 2), tensor(&[19], 3));
    for then in [Activation::None, Activation::Relu, Activation::Gelu] {
        let mut want = LayerNorm::new(values(&weight), values(&bias), 1e-5).of(&values(&x));
        then.apply(&mut want);
        let got = layer_norm(&x, &weight, &bias, 1e-5, then).unwrap();
        close(&values(&got), &want, 1e-6);
    }
    let mut want = values(&x);
    kernels::gelu(&mut want);
    assert_eq!(values(&gelu(&x).unwrap()), want);
}

#[test]
fn attention_matches_candle() {
    for (n, tokens, heads, d) in [(2, 5, 3, 4), (1, 101, 2, 8), (1, 200, 1, 3)] {
        let width = heads * d;
        let qkv = tensor(&[n, tokens, 3 * width], 4);
        let part = |third: usize| {
            let part = qkv.narrow(2, third * width, width).unwrap();
            let part = part.reshape((n, tokens, heads, d)).unwrap();
            part.transpose(1, 2).unwrap().contiguous().unwrap()
        };
        let keys = part(1).t().unwrap();
        let scores = part(0).matmul(&keys).unwrap() / (d as f64).sqrt();
        let weights = scores.unwrap().exp().unwrap();
        let total = weights.sum_keepdim(3).unwrap();
        let weights = weights.broadcast_div(&total).unwrap();
        let want = weights.matmul(&part(2)).unwrap().transpose(1, 2).unwrap();
        let got = attention(&qkv, heads).unwrap();
        assert_eq!(got.dims(), [n, tokens, width]);
        close(&values(&got), &values(&want), 1e-5);
    }
}

#[test]
fn resizing_is_the_inference_function() {
    for (from, to) in [
        ((3, 5), (7, 9)),
        ((9, 8), (4, 3)),
        ((4, 4), (4, 4)),
        ((1, 1), (3, 2)),
    ] {
        let x = tensor(&[2, from.0, from.1, 3], 5);
        let got = resize(&x, to).unwrap();
        assert_eq!(got.dims(), [2, to.0, to.1, 3]);
        for sample in 0..2 {
            let x = values(&x.get(sample).unwrap());
            let want = resize_map(&x, (from.0, from.1, 3), to, Interpolation::Bilinear);
            close(&values(&got.get(sample).unwrap()), &want, 1e-5);
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let x = tensor(&[2, 4, 4, 6], 1);
    assert!(linear(&x, &tensor(&[3, 5], 2), None).is_err());
    assert!(linear(&x, &tensor(&[3, 6], 2), Some(&tensor(&[4], 3))).is_err());
    assert!(linear(&tensor(&[0, 6], 1), &tensor(&[3, 6], 2), None).is_err());
    assert!(conv3x3(&x, &tensor(&[3, 5, 3, 3], 2), None, 1, 1).is_err());
    assert!(conv3x3(&x, &tensor(&[3, 6, 3, 3], 2), None, 0, 1).is_err());
    assert!(conv3x3(&x, &tensor(&[3, 6, 3, 3], 2), None, 1, 0).is_err());
    assert!(depthwise3x3(&x, &tensor(&[6, 6, 3, 3], 2), None, 1).is_err());
    assert!(depthwise3x3(&x, &tensor(&[6, 1, 3, 3], 2), None, 0).is_err());
    let c = tensor(&[6], 2);
    assert!(layer_norm(&x, &c, &tensor(&[5], 2), 1e-5, Activation::None).is_err());
    assert!(layer_norm(&x, &c, &c, 1e-5, Activation::Silu).is_err());
    assert!(attention(&x, 2).is_err());
    assert!(attention(&tensor(&[2, 4, 6], 2), 4).is_err());
    assert!(attention(&tensor(&[2, 4, 6], 2), 0).is_err());
    assert!(resize(&x, (0, 3)).is_err());
    assert!(with_gradient(&x, 1.0, c).is_err());
    let doubles = x.to_dtype(candle_core::DType::F64).unwrap();
    assert!(gelu(&doubles).is_err());
    assert!(resize(&doubles, (3, 3)).is_err());
}

#[test]
fn nan_is_not_hidden() {
    let mut bad = noise(2 * 4 * 4 * 6, 1);
    bad[50] = f32::NAN;
    let x = Tensor::from_vec(bad, (2, 4, 4, 6), &Device::Cpu).unwrap();
    let c = tensor(&[6], 2);
    let tokens = x.reshape((2, 16, 6)).unwrap();
    for got in [
        gelu(&x),
        linear(&x, &tensor(&[3, 6], 2), None),
        conv3x3(&x, &tensor(&[3, 6, 3, 3], 2), None, 1, 1),
        depthwise3x3(&x, &tensor(&[6, 1, 3, 3], 2), None, 1),
        layer_norm(&x, &c, &c, 1e-5, Activation::Relu),
        attention(&tokens, 2),
        resize(&x, (7, 7)),
    ] {
        assert!(values(&got.unwrap()).iter().any(|v| v.is_nan()));
    }
}
