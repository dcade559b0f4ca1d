use super::*;
use crate::nn::testing::{close, noise};
use candle_core::Device;
use proptest::prelude::*;

fn conv(outputs: usize, inputs: usize, side: usize) -> FoldedConv {
    FoldedConv {
        weight: noise(outputs * inputs * side * side, 1),
        bias: Some(noise(outputs, 2)),
        outputs,
        inputs,
    }
}

/// The same by candle, channels first.
fn by_candle(conv: &FoldedConv, x: &Tensor, side: usize, reach: Reach) -> Vec<f32> {
    let shape = (conv.outputs, conv.inputs, side, side);
    let weight = Tensor::from_vec(conv.weight.clone(), shape, &Device::Cpu).unwrap();
    let bias = conv.bias.clone().unwrap();
    let bias = Tensor::from_vec(bias, (1, conv.outputs, 1, 1), &Device::Cpu).unwrap();
    let x = x.permute((2, 0, 1)).unwrap().unsqueeze(0).unwrap();
    let Reach {
        stride,
        padding,
        dilation,
    } = reach;
    let y = x
        .contiguous()
        .unwrap()
        .conv2d(&weight, padding, stride, dilation, 1)
        .unwrap();
    let y = y.broadcast_add(&bias).unwrap().squeeze(0).unwrap();
    let y = y.permute((1, 2, 0)).unwrap().contiguous().unwrap();
    y.flatten_all().unwrap().to_vec1().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_is_a_convolution(
        (rows, columns) in (1usize..20, 1usize..70),
        (inputs, outputs) in (1usize..7, 1usize..20),
        side in 1usize..6,
        (stride, padding, dilation) in (1usize..4, 0usize..5, 1usize..7),
    ) {
        let reach = Reach { stride, padding, dilation };
        let weights = conv(outputs, inputs, side);
        let ours = Conv2d::new(&weights, reach, Activation::None);
        let x = noise(rows * columns * inputs, 3);
        let x = Tensor::from_vec(x, (rows, columns, inputs), &Device::Cpu).unwrap();
        let fits = |length| reach.output(side, length).is_some();
        if !fits(rows) || !fits(columns) {
            prop_assert!(ours.forward(&x).is_err());
            return Ok(());
        }
        let y = ours.forward(&x).unwrap();
        let size = ours.output_size((rows, columns)).unwrap();
        prop_assert_eq!(y.dims(), &[size.0, size.1, outputs]);
        let got = y.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        close(&got, &by_candle(&weights, &x, side, reach), 1e-5);
    }
}

#[test]
fn a_wide_map_with_many_channels() {
    for dilation in [1, 18] {
        let (rows, columns, inputs) = (9, 211, 61);
        let reach = Reach::centred(3, 1, dilation);
        let weights = conv(33, inputs, 3);
        let x = noise(rows * columns * inputs, 3);
        let x = Tensor::from_vec(x, (rows, columns, inputs), &Device::Cpu).unwrap();
        let y = Conv2d::new(&weights, reach, Activation::Relu)
            .forward(&x)
            .unwrap();
        assert_eq!(y.dims(), &[rows, columns, 33]);
        let mut want = by_candle(&weights, &x, 3, reach);
        Activation::Relu.apply(&mut want);
        close(
            &y.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            &want,
            1e-5,
        );
    }
}

#[test]
fn a_folded_norm_is_a_norm() {
    let norm = BatchNorm {
        weight: vec![2.0, -1.0],
        bias: vec![0.5, 0.25],
        mean: vec![1.0, -3.0],
        variance: vec![4.0 - 1e-5, 9.0 - 1e-5],
        eps: 1e-5,
    };
    let conv = FoldedConv {
        weight: vec![3.0, 6.0],
        bias: Some(vec![1.0, 0.0]),
        outputs: 2,
        inputs: 1,
    };
    let folded = conv.normalised(&norm);
    // (3 x + 1 - 1) / 2 · 2 + 0.5 and -(6 x + 3) / 3 + 0.25.
    close(&folded.weight, &[3.0, -2.0], 1e-6);
    close(&folded.bias.unwrap(), &[0.5, -0.75], 1e-6);
}

#[test]
fn other_channels_are_refused() {
    let conv = Conv2d::new(&conv(2, 3, 3), Reach::centred(3, 1, 1), Activation::None);
    let x = Tensor::from_vec(vec![0f32; 8], (2, 2, 2), &Device::Cpu).unwrap();
    assert!(conv.forward(&x).is_err());
}
