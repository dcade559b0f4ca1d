//! Gradients at the outputs of attention heads, against finite differences.

use super::*;

type Visited = std::result::Result<(), Stopped>;

/// One token's output of an attention head at a column, moved by a step.
#[derive(Clone, Copy)]
struct Moved {
    block: usize,
    token: usize,
    /// Column of (heads, head_dim).
    column: usize,
    step: f32,
}

/// The second block is gated instead.
fn gated() -> TransformerEncoder {
    let encoder = encoder();
    let (norm, mut blocks) = (encoder.norm, encoder.blocks);
    let linear =
        |outputs, inputs, seed| Linear::new(&noise(outputs * inputs, seed), None, outputs, inputs);
    let swiglu = SwiGlu::new(norm.clone(), linear(24, WIDTH, 71), linear(WIDTH, 12, 72));
    blocks[1].feed_forward = FeedForward::SwiGlu(swiglu);
    blocks.push(block(100));
    TransformerEncoder::new(blocks, norm)
}

/// The score: products of the result with `gradient`.
fn score(encoder: &TransformerEncoder, off: &Ablation, gradient: &[f32], moved: Moved) -> f64 {
    let mut x = tokens().0;
    for (i, block) in encoder.blocks().iter().enumerate() {
        x = block.attention.forward(&x, None, off.layer(i)).unwrap().0;
        if i == moved.block && !off.is_off(i, moved.column / 4) {
            // The output projection of the block, as it is built.
            let seed = [10, 40, 100][i] + 4;
            let project = noise(WIDTH * WIDTH, seed);
            let mut rows = flat(&x);
            let row = &mut rows[moved.token * WIDTH..][..WIDTH];
            for (value, weights) in row.iter_mut().zip(project.chunks_exact(WIDTH)) {
                *value += moved.step * weights[moved.column];
            }
            x = Tensor::from_vec(rows, x.dims(), &Device::Cpu).unwrap();
        }
        x = block.feed_forward.forward(&x).unwrap();
    }
    let out = flat(&encoder.norm.forward(&x).unwrap());
    let products = out.iter().zip(gradient);
    products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Layers from the last to the first.
fn layers(encoder: &TransformerEncoder, off: &Ablation, gradient: &[f32]) -> Vec<LayerGradient> {
    let (x, layout) = tokens();
    let mut seen = Vec::new();
    let mut visit = |layer: &LayerGradient| {
        seen.push(layer.clone());
        Ok::<_, Stopped>(())
    };
    detached(|task| encoder.trace((&x, layout, off), gradient, &mut visit, task)).unwrap();
    seen
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let (encoder, gradient) = (gated(), noise(7 * WIDTH, 5));
    for off in [Ablation::none(), Ablation::none().with(1, 1).with(2, 0)] {
        let layers = layers(&encoder, &off, &gradient);
        assert_eq!(layers.len(), 3);
        for (block, layer) in layers.iter().rev().enumerate() {
            assert_eq!((layer.layout(), layer.attention_heads()), (tokens().1, 2));
            let moved = |place: usize, step: f32| {
                let (token, column) = (place / WIDTH, place % WIDTH);
                let moved = Moved {
                    block,
                    token,
                    column,
                    step,
                };
                score(&encoder, &off, &gradient, moved)
            };
            let step = 2e-3;
            let want: Vec<f32> = (0..7 * WIDTH)
                .map(|place| {
                    ((moved(place, step) - moved(place, -step)) / f64::from(2.0 * step)) as f32
                })
                .collect();
            close(layer.outputs(), &want, 1e-2);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_visitors_can_stop() {
    let (encoder, (x, layout)) = (gated(), tokens());
    let none = Ablation::none();
    let run = |gradient: &[f32], visit: &mut dyn FnMut(&LayerGradient) -> Visited| {
        detached(|task| encoder.trace((&x, layout, &none), gradient, visit, task))
    };
    let short = run(&noise(7, 1), &mut |_| Ok(()));
    assert!(matches!(short, Err(Stopped::Broken(why)) if why.contains("7 gradients")));
    let mut seen = 0;
    let stopped = run(&noise(7 * WIDTH, 1), &mut |_| {
        seen += 1;
        Err(Stopped::Cancelled)
    });
    assert!(matches!(stopped, Err(Stopped::Cancelled)) && seen == 1);
}
