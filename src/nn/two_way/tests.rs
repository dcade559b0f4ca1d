//! The two-way transformer against its definition in plain candle operations.

use super::*;
use crate::nn::testing::{close, noise};
use crate::nn::{Capture, Mlp, Values, Watch};

const W: usize = 64;
const HEADS: usize = 2;
const GRID: Grid = Grid {
    rows: 9,
    columns: 15,
};

fn linear(outputs: usize, inputs: usize, seed: u64) -> Linear {
    let weight: Vec<f32> = noise(outputs * inputs, seed)
        .iter()
        .map(|v| v * 0.3)
        .collect();
    Linear::new(&weight, Some(&noise(outputs, seed + 1)), outputs, inputs)
}

fn attention(inner: usize, seed: u64) -> CrossAttention {
    CrossAttention {
        q: linear(inner, W, seed),
        k: linear(inner, W, seed + 2),
        v: linear(inner, W, seed + 4),
        out: linear(W, inner, seed + 6),
        heads: HEADS,
    }
}

fn norm(seed: u64) -> LayerNorm {
    LayerNorm::new(noise(W, seed), noise(W, seed + 1), 1e-5)
}

/// Its cross-attention is `inner` wide: heads of any width work.
fn block(seed: u64, inner: usize) -> TwoWayBlock {
    TwoWayBlock {
        self_attention: attention(W, seed),
        to_image: attention(inner, seed + 10),
        mlp: [linear(96, W, seed + 20), linear(W, 96, seed + 22)],
        activation: Activation::Relu,
        from_image: attention(inner, seed + 30),
        norms: [
            norm(seed + 40),
            norm(seed + 42),
            norm(seed + 44),
            norm(seed + 46),
        ],
    }
}

/// Weights (heads, queries, keys) and result of an attention layer.
fn attend(a: &CrossAttention, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)> {
    let dim = a.head_dim();
    let split = |x: Tensor| x.reshape(((), HEADS, dim))?.transpose(0, 1)?.contiguous();
    let (q, k, v) = (
        split(a.q.forward(q)?)?,
        split(a.k.forward(k)?)?,
        split(a.v.forward(v)?)?,
    );
    let scores = (q.matmul(&k.t()?)? * f64::from(a.scale()))?;
    let weights = candle_nn::ops::softmax_last_dim(&scores)?;
    let mixed = weights
        .matmul(&v)?
        .transpose(0, 1)?
        .contiguous()?
        .reshape(((), HEADS * dim))?;
    Ok((weights, a.out.forward(&mixed)?))
}

/// Tokens, image and the weights of each cross-attention, by the definition.
fn reference(
    model: &TwoWayTransformer,
    tokens: &Tensor,
    image: &Tensor,
) -> Result<(Tensor, Tensor, Vec<Tensor>)> {
    let positions = Tensor::from_slice(&model.positions, (GRID.len(), W), &Device::Cpu)?;
    let (mut queries, mut keys, mut seen) = (tokens.clone(), image.clone(), Vec::new());
    for (i, b) in model.blocks.iter().enumerate() {
        if i == 0 {
            queries = attend(&b.self_attention, &queries, &queries, &queries)?.1;
        } else {
            let q = (&queries + tokens)?;
            queries = (&queries + attend(&b.self_attention, &q, &q, &queries)?.1)?;
        }
        queries = b.norms[0].forward(&queries)?;
        let (w, y) = attend(
            &b.to_image,
            &(&queries + tokens)?,
            &(&keys + &positions)?,
            &keys,
        )?;
        seen.push(w);
        queries = b.norms[1].forward(&(&queries + y)?)?;
        let values = Values::of(&queries)?.to_vec();
        let mlp = Mlp::new(b.mlp.to_vec()).apply(&values);
        let inner = Tensor::from_vec(mlp, queries.dims(), &Device::Cpu)?;
        queries = b.norms[2].forward(&(&queries + inner)?)?;
        let (q, k) = ((&keys + &positions)?, (&queries + tokens)?);
        let (w, y) = attend(&b.from_image, &q, &k, &queries)?;
        seen.push(w);
        keys = b.norms[3].forward(&(&keys + y)?)?;
    }
    let (w, y) = attend(
        &model.last,
        &(&queries + tokens)?,
        &(&keys + &positions)?,
        &keys,
    )?;
    seen.push(w);
    Ok((model.last_norm.forward(&(&queries + y)?)?, keys, seen))
}

fn flat(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// A transformer of cross-attention widths `blocks` and `last`.
fn model(blocks: &[usize], last: usize) -> TwoWayTransformer {
    let blocks = blocks.iter().zip(0..);
    let blocks = blocks.map(|(inner, i)| block(10 + 100 * i, *inner));
    TwoWayTransformer::new(
        blocks.collect(),
        attention(last, 300),
        norm(400),
        noise(GRID.len() * W, 5),
        GRID,
    )
}

#[test]
fn it_follows_the_definition_and_its_records_give_the_weights_used() {
    check(&model(&[32, 32], 32));
}

#[test]
fn heads_of_any_width_and_any_number_of_blocks_work() {
    check(&model(&[10, 34], 6));
    check(&model(&[64], 2));
    check(&model(&[], 22));
}

fn check(model: &TwoWayTransformer) {
    let image = noise(GRID.len() * W, 6);
    let projected = model.project(&image);
    // More than sixteen tokens take a second pass in the kernels.
    for n in [7, 21] {
        let tokens = noise(n * W, 7);
        let x = Tensor::from_slice(&tokens, (n, W), &Device::Cpu).unwrap();
        let y = Tensor::from_slice(&image, (GRID.len(), W), &Device::Cpu).unwrap();
        let (want_tokens, want_image, weights) = reference(model, &x, &y).unwrap();
        let (got_tokens, got_image) = model
            .forward(&tokens, image.clone(), &projected, &mut Probe::default())
            .unwrap();
        close(&got_tokens, &flat(&want_tokens), 1e-4);
        close(&got_image, &flat(&want_image), 1e-4);
        let (mut records, watch) = (Vec::new(), Watch::from(Capture::QueriesAndKeys));
        let mut probe = Probe::new(&watch, &mut records);
        let again = model
            .forward(&tokens, image.clone(), &projected, &mut probe)
            .unwrap();
        assert_eq!((got_tokens, got_image), again);
        assert_eq!(records.len(), weights.len());
        for (record, weights) in records.iter().zip(&weights) {
            for head in 0..HEADS {
                for query in [0, 6] {
                    let want = weights.get(head).unwrap().get(query).unwrap();
                    close(&record.row(head, 0, query).unwrap(), &flat(&want), 1e-4);
                }
            }
        }
    }
}
