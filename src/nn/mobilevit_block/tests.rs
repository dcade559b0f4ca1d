use super::*;
use crate::nn::testing::{close, noise};
use crate::nn::{FoldedConv, Reach};
use proptest::prelude::*;

fn linear(outputs: usize, inputs: usize, seed: u64) -> Linear {
    let bias = noise(outputs, seed + 1);
    Linear::new(&noise(outputs * inputs, seed), Some(&bias), outputs, inputs)
}

fn norm(channels: usize, seed: u64) -> LayerNorm {
    LayerNorm::new(noise(channels, seed), noise(channels, seed + 1), 1e-5)
}

fn layer(width: usize, heads: usize) -> PhaseLayer {
    let (fc1, fc2) = (linear(7, width, 21), linear(width, 7, 23));
    let mlp = MlpBlock::new(norm(width, 25), fc1, fc2, Activation::Silu);
    let (qkv, project) = (linear(3 * width, width, 27), linear(width, width, 29));
    PhaseLayer::new(norm(width, 31), qkv, project, heads, mlp)
}

/// Without a Transformer: what is unfolded is folded again.
fn block(c: usize, width: usize, patch: usize) -> MobileVitBlock {
    let conv = |outputs: usize, inputs: usize, seed| FoldedConv {
        weight: noise(outputs * inputs * 9, seed),
        bias: Some(noise(outputs, seed + 1)),
        outputs,
        inputs,
    };
    let reach = Reach::centred(3, 1, 1);
    MobileVitBlock {
        local: (
            Conv2d::new(&conv(c, c, 1), reach, Activation::Silu),
            linear(width, c, 3),
        ),
        layers: Vec::new(),
        norm: norm(width, 5),
        project: (linear(c, width, 7), Activation::Silu),
        fuse: Conv2d::new(&conv(c, 2 * c, 9), reach, Activation::Silu),
        patch,
    }
}

fn map(rows: usize, columns: usize, c: usize) -> Tensor {
    let values = noise(rows * columns * c, 11);
    Tensor::from_vec(values, (rows, columns, c), &Device::Cpu).unwrap()
}

fn patches(rows: usize, columns: usize, side: usize) -> Patches {
    Patches {
        grid: Grid { rows, columns },
        side,
    }
}

fn flat(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1::<f32>().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn folding_undoes_unfolding(
        (high, wide) in (1usize..6, 1usize..6),
        patch in 1usize..5,
    ) {
        let (c, width) = (3, 4);
        let (rows, columns) = (high * patch, wide * patch);
        let (block, x) = (block(c, width, patch), map(rows, columns, c));
        let phases = block.unfold(&x).unwrap();
        prop_assert_eq!(phases.tokens.dims(), &[patch * patch, high * wide, width]);
        let local = block.local.1.forward(&block.local.0.forward(&x).unwrap()).unwrap();
        let mut projected = block.project.0.forward(&block.norm.forward(&local).unwrap()).unwrap();
        projected = projected.silu().unwrap();
        let both = Tensor::cat(&[&x, &projected], 2).unwrap().contiguous().unwrap();
        let want = block.fuse.forward(&both).unwrap();
        close(&flat(&block.fold(&phases, &x).unwrap()), &flat(&want), 1e-5);
    }
}

#[test]
fn a_phase_holds_the_same_place_of_all_patches() {
    let (block, x) = (block(3, 4, 2), map(4, 6, 3));
    let phases = block.unfold(&x).unwrap();
    let local = block
        .local
        .1
        .forward(&block.local.0.forward(&x).unwrap())
        .unwrap();
    let (local, tokens) = (
        local.to_vec3::<f32>().unwrap(),
        phases.tokens.to_vec3::<f32>().unwrap(),
    );
    // Phase 2 is the lower left pixel of each patch; patch 4 is the second of
    // the second row.
    assert_eq!(tokens[2][4], local[3][2]);
    let norms = phases.norms().unwrap();
    let want = local[3][2].iter().map(|v| v * v).sum::<f32>().sqrt();
    assert!((norms[3 * 6 + 2] - want).abs() < 1e-6);
}

#[test]
fn an_odd_map_is_resized_and_back() {
    let (block, x) = (block(3, 4, 2), map(5, 8, 3));
    let phases = block.unfold(&x).unwrap();
    assert_eq!(phases.patches, patches(6, 8, 2));
    assert_eq!(block.fold(&phases, &x).unwrap().dims(), [5, 8, 3]);
    assert!(block.unfold(&map(4, 4, 2)).is_err());
}

#[test]
fn groups_do_not_see_each_other() {
    let (width, heads) = (6, 2);
    let layer = layer(width, heads);
    let phases = |tokens: &Tensor, side, rows| Phases {
        tokens: tokens.clone(),
        patches: patches(rows, 10 * side, side),
    };
    let tokens = map(4, 50, width);
    let mut all = phases(&tokens, 2, 10);
    let record = layer
        .forward_recorded(&mut all, "b".into(), LayerAblation::default())
        .unwrap();
    let mut again = phases(&tokens, 2, 10);
    layer.forward(&mut again, LayerAblation::default()).unwrap();
    assert_eq!(flat(&all.tokens), flat(&again.tokens));
    for group in 0..4 {
        let mut one = phases(&tokens.narrow(0, group, 1).unwrap(), 1, 5);
        let alone = layer
            .forward_recorded(&mut one, "a".into(), LayerAblation::default())
            .unwrap();
        let want = flat(&one.tokens);
        close(&flat(&all.tokens.get(group).unwrap()), &want, 1e-6);
        let want = alone.row(1, 0, 7).unwrap();
        close(&record.row(1, group, 7).unwrap(), &want, 1e-6);
    }
}

#[test]
fn a_layer_is_its_parts() {
    let (width, heads, n) = (6, 2, 33);
    let layer = layer(width, heads);
    let tokens = map(1, n, width);
    let qkv = layer
        .qkv
        .forward(&layer.norm.forward(&tokens).unwrap())
        .unwrap();
    let part = |index: usize| {
        let part = qkv
            .squeeze(0)
            .unwrap()
            .narrow(1, index * width, width)
            .unwrap();
        let part = part.reshape((n, heads, width / heads)).unwrap();
        part.transpose(0, 1).unwrap().contiguous().unwrap()
    };
    let scores = part(0).matmul(&part(1).t().unwrap()).unwrap();
    let scores = (scores * (3f64).powf(-0.5)).unwrap();
    let weights = candle_nn::ops::softmax_last_dim(&scores).unwrap();
    let mixed = weights.matmul(&part(2)).unwrap().transpose(0, 1).unwrap();
    let mixed = mixed.contiguous().unwrap().reshape((1, n, width)).unwrap();
    let y = (&tokens + layer.project.forward(&mixed).unwrap()).unwrap();
    let want = layer.mlp.forward(&y).unwrap();
    let mut phases = Phases {
        tokens,
        patches: patches(3, 11, 1),
    };
    layer
        .forward(&mut phases, LayerAblation::default())
        .unwrap();
    close(&flat(&phases.tokens), &flat(&want), 1e-5);
}
