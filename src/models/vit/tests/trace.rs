//! Gradients of classes' scores. Rows of attention weights sum to 1, so moving
//! the bias of a value moves the attention head's output of every token alike:
//! the gradient at the bias is the sum of those at the outputs.

use super::*;
use crate::models::Traceable;
use crate::nn::{Ablation, LayerGradient};

/// Sums over the tokens of the gradients at the outputs, from the last layer to
/// the first, (heads, head_dim) each.
fn sums(model: &VisionTransformer, pixels: &Tensor, gradient: &[f32]) -> Vec<Vec<f32>> {
    let mut found = Vec::new();
    let mut visit = |layer: &LayerGradient| {
        let mut sum = vec![0.0; 12];
        for row in layer.outputs().chunks_exact(12) {
            sum.iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += value);
        }
        found.push(sum);
        Ok(())
    };
    let none = Ablation::none();
    detached(|task| model.trace(pixels, &none, gradient, &mut visit, task)).unwrap();
    found
}

#[test]
fn gradients_at_outputs_are_those_of_the_values_biases() {
    let pixels = picture(8, 12);
    let config = tiny(r#", "architectures": ["ViTForImageClassification"], "num_labels": 3"#);
    let tensors = with_head(vit_tensors("vit."), "classifier", 3, 12);
    let gradient = [0.5, -1.0, 2.0];
    let score = |tensors: &Tensors| -> f64 {
        let Output::Classes { logits, .. } = run(&load(tensors, &config).unwrap(), &pixels).output
        else {
            panic!("no classifier");
        };
        let products = logits.iter().zip(&gradient);
        products.map(|(a, b)| f64::from(a * b)).sum()
    };
    let found = sums(&load(&tensors, &config).unwrap(), &pixels, &gradient);
    assert_eq!(found.len(), 2);
    for (layer, sums) in found.iter().rev().enumerate() {
        let name = format!("vit.encoder.layer.{layer}.attention.attention.value.bias");
        let moved = |column: usize, step: f32| {
            let mut tensors = tensors.clone();
            tensors.get_mut(&name).unwrap().1[column] += step;
            score(&tensors)
        };
        let slope = |column| ((moved(column, 1e-2) - moved(column, -1e-2)) / 2e-2) as f32;
        let want: Vec<f32> = (0..12).map(slope).collect();
        close(sums, &want, 1e-2);
    }
}

#[test]
fn a_gradient_that_fits_no_class_is_refused() {
    let config = tiny(r#", "architectures": ["ViTForImageClassification"], "num_labels": 3"#);
    let tensors = with_head(vit_tensors("vit."), "classifier", 3, 12);
    let refused = |model: &VisionTransformer, gradient: &[f32], pixels: &Tensor| {
        let none = Ablation::none();
        let run = |task: Task<'_>| model.trace(pixels, &none, gradient, &mut |_| Ok(()), task);
        detached(run).is_err()
    };
    let model = load(&tensors, &config).unwrap();
    assert!(!refused(&model, &[1.0; 3], &picture(8, 8)));
    assert!(refused(&model, &[1.0; 2], &picture(8, 8)));
    assert!(refused(&model, &[1.0; 3], &picture(2, 8)));
    let features = load(&vit_tensors("vit."), &tiny("")).unwrap();
    assert!(refused(&features, &[], &picture(8, 8)));
}
