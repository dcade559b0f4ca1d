//! The two-way transformer against its definition in plain candle operations.

use super::*;
use crate::nn::Values;
use crate::nn::testing::{close, noise};

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

fn block(seed: u64) -> TwoWayBlock {
    TwoWayBlock {
        self_attention: attention(W, seed),
        to_image: attention(32, seed + 10),
        mlp: Mlp::new(vec![linear(96, W, seed + 20), linear(W, 96, seed + 22)]),
        from_image: attention(32, seed + 30),
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
        let inner = Tensor::from_vec(b.mlp.apply(&values), queries.dims(), &Device::Cpu)?;
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

#[test]
fn it_follows_the_definition_and_its_records_give_the_weights_used() {
    let positions = noise(GRID.len() * W, 5);
    let last = attention(32, 300);
    let model = TwoWayTransformer::new(
        vec![block(10), block(110)],
        last,
        norm(400),
        positions,
        GRID,
    );
    let image = noise(GRID.len() * W, 6);
    let projected = model.project(&image);
    // More than sixteen tokens take a second pass in the kernels.
    for n in [7, 21] {
        let tokens = noise(n * W, 7);
        let x = Tensor::from_slice(&tokens, (n, W), &Device::Cpu).unwrap();
        let y = Tensor::from_slice(&image, (GRID.len(), W), &Device::Cpu).unwrap();
        let (want_tokens, want_image, weights) = reference(&model, &x, &y).unwrap();
        let (got_tokens, got_image) = model
            .forward(&tokens, image.clone(), &projected, None)
            .unwrap();
        close(&got_tokens, &flat(&want_tokens), 1e-4);
        close(&got_image, &flat(&want_image), 1e-4);
        let mut records = Vec::new();
        let again = model
            .forward(&tokens, image.clone(), &projected, Some(&mut records))
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
