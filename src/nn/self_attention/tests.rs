use super::*;
use crate::nn::capture::Grid;
use crate::nn::testing::{close, noise};

fn layer(width: usize, heads: usize, dim: usize) -> MultiHeadSelfAttention {
    let inner = heads * dim;
    MultiHeadSelfAttention::new(
        LayerNorm::new(noise(width, 1), noise(width, 2), 1e-6),
        Linear::new(
            &noise(3 * inner * width, 3),
            Some(&noise(3 * inner, 4)),
            3 * inner,
            width,
        ),
        Linear::new(
            &noise(width * inner, 5),
            Some(&noise(width, 6)),
            width,
            inner,
        ),
        heads,
    )
}

fn layout(prefix: usize, rows: usize, columns: usize) -> Tokens {
    Tokens {
        prefix,
        grid: Some(Grid { rows, columns }),
    }
}

/// The layer with candle's operations, and its attention (heads, tokens,
/// tokens).
fn plain(layer: &MultiHeadSelfAttention, x: &Tensor) -> (Tensor, Tensor) {
    let tokens = x.dim(0).unwrap();
    let qkv = layer
        .qkv
        .forward(&layer.norm.forward(x).unwrap())
        .unwrap()
        .reshape((tokens, 3, layer.heads(), layer.head_dim()))
        .unwrap()
        .permute((1, 2, 0, 3))
        .unwrap();
    let part = |i: usize| qkv.get(i).unwrap().contiguous().unwrap();
    let scores = part(0)
        .matmul(&part(1).t().unwrap())
        .unwrap()
        .affine(f64::from(layer.heads.scale()), 0.0)
        .unwrap();
    let e = scores
        .broadcast_sub(&scores.max_keepdim(2).unwrap())
        .unwrap()
        .exp()
        .unwrap();
    let attention = e.broadcast_div(&e.sum_keepdim(2).unwrap()).unwrap();
    let mixed = attention
        .matmul(&part(2))
        .unwrap()
        .transpose(0, 1)
        .unwrap()
        .contiguous()
        .unwrap()
        .flatten_from(1)
        .unwrap();
    let out = (x + layer.project.forward(&mixed).unwrap()).unwrap();
    (out, attention)
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn it_is_softmax_attention_of_any_width() {
    // Head widths that are no multiples of 8, inner widths that are not the
    // tokens', more tokens than a task takes.
    for (width, heads, dim, prefix, rows, columns) in [
        (12, 3, 4, 1, 3, 5),
        (20, 1, 17, 0, 1, 1),
        (24, 5, 7, 5, 20, 31),
    ] {
        let layer = layer(width, heads, dim);
        let layout = layout(prefix, rows, columns);
        let x = noise(layout.len() * width, 7);
        let x = Tensor::from_vec(x, (layout.len(), width), &Device::Cpu).unwrap();
        let (want, attention) = plain(&layer, &x);
        let label = RecordAs { layer: "a", layout };
        let (got, record) = layer
            .forward(&x, Some(label), LayerAblation::default())
            .unwrap();
        close(&flat(&got), &flat(&want), 1e-5);
        let record = record.unwrap();
        assert_eq!(
            (record.layer.as_str(), record.attention_heads),
            ("a", heads)
        );
        for head in 0..heads {
            for query in [0, layout.len() / 2, layout.len() - 1] {
                let want = flat(&attention.get(head).unwrap().get(query).unwrap());
                close(&record.row(head, 0, query).unwrap(), &want, 1e-5);
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let layer = layer(12, 3, 4);
    let x = Tensor::zeros((5, 10), candle_core::DType::F32, &Device::Cpu).unwrap();
    assert!(layer.forward(&x, None, LayerAblation::default()).is_err());
    let x = Tensor::zeros((5, 12), candle_core::DType::F32, &Device::Cpu).unwrap();
    assert!(
        layer
            .forward(&x, None, LayerAblation::default())
            .unwrap()
            .1
            .is_none()
    );
    let label = RecordAs {
        layer: "a",
        layout: layout(1, 2, 3),
    };
    assert!(
        layer
            .forward(&x, Some(label), LayerAblation::default())
            .is_err()
    );
}
