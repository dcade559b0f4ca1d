//! Gradients of scores, by the biases of values as in `vit::tests::trace`.

use super::*;
use crate::models::Traceable;
use crate::nn::{LayerGradient, Values};
use safetensors::SafeTensors;

/// The tensors with one value of one of them moved.
fn moved(name: &str, index: usize, step: f32) -> Vec<u8> {
    let mut bytes = tensors();
    let place = {
        let all = SafeTensors::deserialize(&bytes).unwrap();
        let data = all.tensor(name).unwrap().data();
        data.as_ptr() as usize - bytes.as_ptr() as usize + 4 * index
    };
    let value = f32::from_le_bytes(bytes[place..place + 4].try_into().unwrap()) + step;
    bytes[place..place + 4].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn gradients_at_outputs_are_those_of_the_values_biases() {
    let pixels = map(1, 48, 32, 3).squeeze(0).unwrap();
    let gradient = noise(12 * 8 * 3, 5);
    let none = Ablation::none();
    let off = none.with(1, 0);
    let score = |bytes: Vec<u8>, ablation: &Ablation| -> f64 {
        let watch = Watch {
            ablation: ablation.clone(),
            ..Watch::default()
        };
        let model = load(bytes, "[]").unwrap();
        let run = detached(|task| model.run(&pixels, &watch, task)).unwrap();
        let Output::Dense(dense) = run.output else {
            panic!("not dense");
        };
        let products = Values::of(&dense.logits).unwrap().to_vec();
        let products = products.iter().zip(&gradient);
        products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    for ablation in [none, off] {
        let mut found = Vec::new();
        let mut visit = |layer: &LayerGradient| {
            assert_eq!((layer.layout().len(), layer.attention_heads()), (6, 2));
            let mut sum = vec![0.0; 16];
            for row in layer.outputs().chunks_exact(16) {
                sum.iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += value);
            }
            found.push(sum);
            Ok(())
        };
        let model = checkpoint("[]").unwrap();
        detached(|task| model.trace(&pixels, &ablation, &gradient, &mut visit, task)).unwrap();
        assert_eq!(found.len(), 2);
        for (block, sums) in found.iter().rev().enumerate() {
            let name = format!("backbone.blocks.{block}.qkv.bias");
            // A small step: these few units have their kinks close by.
            let side = |column: usize, step: f32| score(moved(&name, 32 + column, step), &ablation);
            let slope = |column| (side(column, 1e-3) - side(column, -1e-3)) / 2e-3;
            let want: Vec<f64> = (0..16).map(slope).collect();
            let pairs = sums.iter().zip(&want);
            let errors = pairs.map(|(got, want)| (f64::from(*got) - want).powi(2));
            let size: f64 = want.iter().map(|want| want.powi(2)).sum();
            let share = (errors.sum::<f64>() / size).sqrt();
            assert!(
                share < 0.15,
                "block {block}: off by {share}: {sums:?}, not {want:?}"
            );
        }
        if !ablation.is_empty() {
            assert_eq!(found[0][..8], [0.0; 8], "of an attention head that is off");
        }
    }
}

#[test]
fn a_gradient_that_fits_no_scores_is_refused_and_work_stops() {
    let (model, pixels) = (
        checkpoint("[]").unwrap(),
        map(1, 48, 32, 3).squeeze(0).unwrap(),
    );
    assert!(model.traceable().is_some());
    let none = Ablation::none();
    let run = |task: Task<'_>| model.trace(&pixels, &none, &[1.0; 5], &mut |_| Ok(()), task);
    assert!(detached(run).is_err());
    let cancel = Cancel::new();
    cancel.cancel();
    let stopped = run(Task::new(&cancel, &|_| {}));
    assert!(matches!(stopped, Err(ModelError::Cancelled)));
}
