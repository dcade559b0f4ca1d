mod trace;

use super::*;
use crate::nn::capture::Grid;
use crate::nn::kernels::Activation;
use crate::nn::testing::{close, noise};
use crate::nn::{Capture, LayerAblation, Linear};
use crate::task::{Cancel, detached};
use candle_core::Device;
use std::sync::Mutex;

const WIDTH: usize = 8;

#[derive(Debug)]
enum Stopped {
    Broken(String),
    Cancelled,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<Cancelled> for Stopped {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// A block of two attention heads whose weights are noise of seeds from `seed` on:
/// the output projection's is `seed` + 4.
fn block(seed: u64) -> TransformerBlock {
    let norm = |seed| LayerNorm::new(noise(WIDTH, seed), noise(WIDTH, seed + 1), 1e-6);
    let linear = |outputs, inputs, seed| {
        let bias = noise(outputs, seed + 1);
        Linear::new(&noise(outputs * inputs, seed), Some(&bias), outputs, inputs)
    };
    TransformerBlock {
        name: format!("layer.{seed}"),
        attention: MultiHeadSelfAttention::new(
            norm(seed),
            linear(3 * WIDTH, WIDTH, seed + 2),
            linear(WIDTH, WIDTH, seed + 4),
            2,
        ),
        feed_forward: FeedForward::Mlp(MlpBlock::new(
            norm(seed + 6),
            linear(20, WIDTH, seed + 8),
            linear(WIDTH, 20, seed + 10),
            Activation::Gelu,
        )),
    }
}

fn encoder() -> TransformerEncoder {
    let norm = LayerNorm::new(noise(WIDTH, 70), noise(WIDTH, 71), 1e-6);
    TransformerEncoder::new(vec![block(10), block(40)], norm)
}

fn tokens() -> (Tensor, Tokens) {
    let layout = Tokens {
        prefix: 1,
        grid: Some(Grid {
            rows: 2,
            columns: 3,
        }),
    };
    let x = Tensor::from_vec(noise(7 * WIDTH, 99), (7, WIDTH), &Device::Cpu).unwrap();
    (x, layout)
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn blocks_follow_each_other_and_each_is_recorded() {
    let encoder = encoder();
    let (x, layout) = tokens();
    let run =
        |watch| detached(|task| encoder.forward::<Stopped>(&x, layout, &watch, task)).unwrap();
    let (got, records) = run(Watch::from(Capture::QueriesAndKeys));
    let (mut want, all) = (x.clone(), LayerAblation::default());
    for (block, record) in encoder.blocks().iter().zip(&records) {
        want = block.attention.forward(&want, None, all).unwrap().0;
        want = block.feed_forward.forward(&want).unwrap();
        assert_eq!(record.layer, block.name);
        let norms = record.token_norms.clone().unwrap();
        for (row, norm) in flat(&want).chunks_exact(WIDTH).zip(norms.iter()) {
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            assert!((length - norm).abs() < 1e-5 * length);
        }
    }
    assert_eq!(records.len(), 2);
    close(
        &flat(&got),
        &flat(&encoder.norm.forward(&want).unwrap()),
        1e-6,
    );
    let (again, none) = run(Watch::default());
    assert_eq!(flat(&again), flat(&got));
    assert!(none.is_empty());
}

#[test]
fn a_cancelled_run_stops_between_blocks() {
    let (x, layout) = tokens();
    let cancel = Cancel::new();
    let seen = Mutex::new(Vec::new());
    let report = |fraction: f32| {
        seen.lock().unwrap().push(fraction);
        if fraction >= 0.5 {
            cancel.cancel();
        }
    };
    let task = Task::new(&cancel, &report);
    let stopped = encoder().forward::<Stopped>(&x, layout, &Watch::default(), task);
    assert!(matches!(stopped, Err(Stopped::Cancelled)));
    assert_eq!(*seen.lock().unwrap(), [0.0, 0.5]);
}

#[test]
fn tokens_of_another_width_are_refused() {
    let (_, layout) = tokens();
    let x = Tensor::zeros((7, WIDTH + 1), candle_core::DType::F32, &Device::Cpu).unwrap();
    let stopped =
        detached(|task| encoder().forward::<Stopped>(&x, layout, &Watch::default(), task));
    assert!(matches!(stopped, Err(Stopped::Broken(why)) if why.contains("expected tokens of 8")));
}
