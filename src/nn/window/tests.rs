//! Window attention against the same thing in plain candle operations.

use super::*;
use crate::nn::capture::{Grouping, QueryKey};
use crate::nn::testing::{close, noise};
use std::sync::Arc;

const HEADS: usize = 2;
const DIM: usize = 4;
const C: usize = 8;

fn layer(side: usize) -> WindowAttention {
    let norm = LayerNorm::new(noise(C, 1), noise(C, 2), 1e-5);
    let qkv = Linear::new(&noise(3 * C * C, 3), Some(&noise(3 * C, 4)), 3 * C, C);
    let project = Linear::new(&noise(C * C, 5), Some(&noise(C, 6)), C, C);
    WindowAttention::new(
        norm,
        qkv,
        project,
        &noise(HEADS * side * side, 7),
        HEADS,
        side,
    )
    .unwrap()
}

/// Attention weights (windows, heads, n, n) and the output, step by step.
fn reference(layer: &WindowAttention, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (h, w, _) = x.dims3()?;
    let side = layer.side;
    let (ph, pw) = (h.next_multiple_of(side), w.next_multiple_of(side));
    let padded = x
        .pad_with_zeros(0, 0, ph - h)?
        .pad_with_zeros(1, 0, pw - w)?;
    let count = ph / side * (pw / side);
    let windows = padded
        .reshape((ph / side, side, pw / side, side, C))?
        .permute((0, 2, 1, 3, 4))?
        .contiguous()?
        .reshape((count, side * side, C))?;
    let qkv = layer.qkv.forward(&layer.norm.forward(&windows)?)?;
    let qkv = qkv
        .reshape((count, side * side, HEADS, 3 * DIM))?
        .transpose(1, 2)?;
    let part = |i: usize| qkv.narrow(3, i * DIM, DIM)?.contiguous();
    let scores = (part(0)?.matmul(&part(1)?.t()?)? * f64::from(layer.scale()))?;
    let weights = candle_nn::ops::softmax_last_dim(&scores.broadcast_add(&layer.bias)?)?;
    let mixed = weights.matmul(&part(2)?)?.transpose(1, 2)?.contiguous()?;
    let out = layer
        .project
        .forward(&mixed.reshape((count, side * side, C))?)?;
    let out = out
        .reshape((ph / side, pw / side, side, side, C))?
        .permute((0, 2, 1, 3, 4))?
        .contiguous()?
        .reshape((ph, pw, C))?
        .narrow(0, 0, h)?
        .narrow(1, 0, w)?;
    Ok((weights, (x + out)?))
}

fn flat(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn it_agrees_with_candle() {
    for (h, w, side) in [(6, 6, 3), (7, 11, 4), (2, 3, 5)] {
        let layer = layer(side);
        let x = Tensor::from_vec(noise(h * w * C, 8), (h, w, C), &Device::Cpu).unwrap();
        let (_, want) = reference(&layer, &x).unwrap();
        close(
            &flat(&layer.forward(&x, LayerAblation::default()).unwrap()),
            &flat(&want),
            1e-5,
        );
    }
}

#[test]
fn recorded_rows_are_the_softmax_that_was_used() {
    let (h, w, side) = (7, 5, 4);
    let layer = Arc::new(layer(side));
    let x = Tensor::from_vec(noise(h * w * C, 8), (h, w, C), &Device::Cpu).unwrap();
    let (weights, _) = reference(&layer, &x).unwrap();
    let record = QueryKey::windowed("attn".into(), &layer, &x).unwrap();
    assert_eq!(record.group_count(), 4);
    let windows = Windows::covering(
        Grid {
            rows: h,
            columns: w,
        },
        side,
    );
    assert_eq!(record.grouping, Grouping::Windows(windows));
    for (y, x) in [(0, 0), (6, 4), (3, 4), (5, 1)] {
        let (window, place) = windows.locate(y, x);
        for head in 0..HEADS {
            let row = record.row(head, window, place).unwrap();
            let want = weights
                .get(window)
                .unwrap()
                .get(head)
                .unwrap()
                .get(place)
                .unwrap();
            close(&row, &flat(&want), 1e-5);
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
    assert!(record.row(0, 4, 0).is_err() && record.row(HEADS, 0, 0).is_err());
    // Queries and keys are those of the forward pass, so weighting the values
    // with the rows gives its output; and holding them costs the input only.
    assert_eq!(record.bytes(), 4 * h * w * C);
    let (queries, keys) = record.queries_and_keys().unwrap();
    assert_eq!(queries.dims(), [4, HEADS, side * side, DIM]);
    let scores = queries
        .contiguous()
        .unwrap()
        .matmul(&keys.t().unwrap())
        .unwrap();
    let scores = (scores * f64::from(layer.scale())).unwrap();
    let scores = scores.broadcast_add(&layer.bias()).unwrap();
    let got = candle_nn::ops::softmax_last_dim(&scores).unwrap();
    close(&flat(&got), &flat(&weights), 1e-5);
}

#[test]
fn bias_offsets_are_numbered_by_first_appearance() {
    // The numbering of the TinyViT sources, literally.
    let side = 3;
    let points: Vec<(usize, usize)> = (0..side)
        .flat_map(|r| (0..side).map(move |c| (r, c)))
        .collect();
    let mut offsets: Vec<(usize, usize)> = Vec::new();
    let mut want = Vec::new();
    let table: Vec<f32> = (0..9).map(|v| v as f32).collect();
    for a in &points {
        for b in &points {
            let offset = (a.0.abs_diff(b.0), a.1.abs_diff(b.1));
            let index = offsets
                .iter()
                .position(|o| *o == offset)
                .unwrap_or_else(|| {
                    offsets.push(offset);
                    offsets.len() - 1
                });
            want.push(table[index]);
        }
    }
    assert_eq!(expand_bias(&table, 1, side), want);
}
