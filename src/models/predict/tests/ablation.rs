//! Attention heads switched off, in every family of networks that are not
//! prompted.

use super::*;
use crate::models::testing::{with_tensors, without_head};
use crate::nn::testing::close;

const FIXTURES: [&str; 10] = [
    "vit",
    "deit",
    "deit_distilled",
    "dino",
    "dinov2",
    "dinov2_with_registers",
    "segformer",
    "segformer_odd",
    "mobilevit_deeplabv3",
    "mobilevit_deeplabv3_patches",
];

fn seen(model: &LoadedModel, photo: &crate::photo::Photo, options: &Options) -> Run {
    let seen = detached(|task| observe(model, picture(photo), options, task));
    seen.unwrap().run
}

fn off(ablation: Ablation) -> Options {
    Options {
        ablation,
        ..Options::default()
    }
}

/// Everything that came out.
fn flat(run: &Run) -> Vec<f32> {
    let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let mut out = match &run.output {
        Output::Classes { logits, .. } => logits.clone(),
        Output::Dense(dense) => values(&dense.logits),
        Output::Features => Vec::new(),
    };
    out.extend(run.hidden.iter().flat_map(|hidden| values(&hidden.tokens)));
    out
}

/// The fixture's model without one attention head of the layer called `layer`.
fn less(name: &str, layer: &str, head: usize, head_dim: usize) -> Arc<LoadedModel> {
    let bytes = std::fs::read(folder(name).join("model.safetensors")).unwrap();
    with_tensors(name, &without_head(&bytes, layer, head, head_dim))
}

#[test]
fn an_attention_head_that_is_off_contributes_nothing_in_any_family() {
    for name in FIXTURES {
        let (model, photo) = (model(name), photo(name));
        let recorded = Options {
            capture: Capture::QueriesAndKeys,
            ..Options::default()
        };
        let recorded = seen(&model, &photo, &recorded);
        let plain = flat(&recorded);
        assert_eq!(flat(&seen(&model, &photo, &Options::default())), plain);
        let mut all = Ablation::none();
        let mut before = plain.clone();
        for (layer, record) in recorded.records.iter().enumerate() {
            let head = layer % record.attention_heads;
            let got = flat(&seen(
                &model,
                &photo,
                &off(Ablation::none().with(layer, head)),
            ));
            assert_ne!(got, plain, "{name}, layer {layer}");
            if folder(name).join("model.safetensors").exists() {
                let other = less(name, &record.layer, head, record.head_dim);
                close(
                    &got,
                    &flat(&seen(&other, &photo, &Options::default())),
                    1e-6,
                );
            }
            all = all.with_layer(layer, record.attention_heads);
            let got = flat(&seen(&model, &photo, &off(all.clone())));
            assert_ne!(got, before, "{name}, up to layer {layer}");
            before = got;
        }
        // What does not exist is ignored, and records are the layers that count.
        let missing = Ablation::none().with(0, 99).with(recorded.records.len(), 0);
        assert_eq!(flat(&seen(&model, &photo, &off(missing))), plain, "{name}");
    }
}

#[test]
fn tiles_are_seen_without_it_too() {
    let (model, photo) = (model("segformer"), photo("segformer"));
    let found = |ablation| {
        let options = Options {
            framing: Framing::Slide,
            input: Some((32, 32)),
            ..off(ablation)
        };
        let found = detached(|task| segment(&model, picture(&photo), &options, task)).unwrap();
        found.confidence
    };
    let plain = found(Ablation::none());
    assert_ne!(plain, found(Ablation::none().with_layer(0, 1).with(5, 0)));
}
