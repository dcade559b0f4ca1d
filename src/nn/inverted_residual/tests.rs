use super::*;
use crate::nn::testing::{close, noise};
use candle_core::Device;
use proptest::prelude::*;

fn conv(outputs: usize, inputs: usize, area: usize, seed: u64) -> FoldedConv {
    FoldedConv {
        weight: noise(outputs * inputs * area, seed),
        bias: Some(noise(outputs, seed + 1)),
        outputs,
        inputs,
    }
}

/// Channels first, by candle's convolutions.
fn by_candle(
    [expand, filter, reduce]: [&FoldedConv; 3],
    stride: usize,
    dilation: usize,
    x: &Tensor,
) -> Tensor {
    let apply = |conv: &FoldedConv, x: &Tensor, side, padding, stride, dilation, groups| {
        let shape = (conv.outputs, conv.inputs, side, side);
        let weight = Tensor::from_vec(conv.weight.clone(), shape, &Device::Cpu).unwrap();
        let bias = conv.bias.clone().unwrap();
        let bias = Tensor::from_vec(bias, (1, conv.outputs, 1, 1), &Device::Cpu).unwrap();
        let y = x
            .conv2d(&weight, padding, stride, dilation, groups)
            .unwrap();
        y.broadcast_add(&bias).unwrap()
    };
    let first = x.permute((2, 0, 1)).unwrap().unsqueeze(0).unwrap();
    let y = apply(expand, &first.contiguous().unwrap(), 1, 0, 1, 1, 1);
    let y = y.silu().unwrap();
    let y = apply(filter, &y, 3, dilation, stride, dilation, filter.outputs);
    let y = apply(reduce, &y.silu().unwrap(), 1, 0, 1, 1, 1);
    let y = y.squeeze(0).unwrap().permute((1, 2, 0)).unwrap();
    if stride == 1 && expand.inputs == reduce.outputs {
        (y + x).unwrap()
    } else {
        y.contiguous().unwrap()
    }
}

fn agrees(size: (usize, usize), channels: [usize; 3], stride: usize, dilation: usize) {
    let [inputs, wide, outputs] = channels;
    let expand = conv(wide, inputs, 1, 1);
    let filter = conv(wide, 1, 9, 3);
    let reduce = conv(outputs, wide, 1, 5);
    let block = InvertedResidual::new(
        &expand,
        (&filter, stride, dilation),
        &reduce,
        Activation::Silu,
    );
    let x = noise(size.0 * size.1 * inputs, 7);
    let x = Tensor::from_vec(x, (size.0, size.1, inputs), &Device::Cpu).unwrap();
    let got = block.forward(&x).unwrap();
    let want = by_candle([&expand, &filter, &reduce], stride, dilation, &x);
    assert_eq!(got.dims(), want.dims());
    let flat = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    close(&flat(got), &flat(want), 1e-5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_size_stride_and_dilation(
        size in (1usize..20, 1usize..20),
        channels in (1usize..10, 1usize..30, 1usize..10),
        stride in 1usize..3,
        dilation in 1usize..5,
    ) {
        agrees(size, [channels.0, channels.1, channels.2], stride, dilation);
    }
}

#[test]
fn slabs_join_without_a_seam() {
    // A row of the wide map is 390 KB, so a slab is a few rows high.
    for (stride, dilation) in [(1, 1), (2, 1), (1, 3)] {
        agrees((41, 101), [3, 960, 3], stride, dilation);
    }
}

#[test]
fn other_channels_are_refused() {
    let block = InvertedResidual::new(
        &conv(4, 3, 1, 1),
        (&conv(4, 1, 9, 2), 1, 1),
        &conv(3, 4, 1, 3),
        Activation::Silu,
    );
    let x = Tensor::from_vec(vec![0f32; 8], (2, 2, 2), &Device::Cpu).unwrap();
    assert!(block.forward(&x).is_err());
}
