mod trace;

use super::*;
use crate::models::{Output, OutputKind};
use crate::nn::kernels::Activation;
use crate::nn::testing::{close, noise};
use crate::nn::{Capture, Interpolation};
use crate::task::{Cancel, detached};
use candle_core::{DType, Device};
use std::collections::HashMap;

/// Tensors by name, with shapes.
type Tensors = HashMap<String, (Vec<usize>, Vec<f32>)>;

fn config(text: &str) -> Config {
    Config::parse_text(text, "config.json").unwrap()
}

/// A tiny configuration with more fields.
fn tiny(more: &str) -> Config {
    config(&format!(
        r#"{{"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3,
            "intermediate_size": 20, "image_size": 8, "patch_size": 4 {more}}}"#
    ))
}

/// Random tensors of a ViT as [`tiny`] describes it, with names that begin with
/// `root`.
fn vit_tensors(root: &str) -> Tensors {
    let mut shapes = vec![
        ("embeddings.cls_token".to_owned(), vec![1, 1, 12]),
        ("embeddings.position_embeddings".to_owned(), vec![1, 5, 12]),
        (
            "embeddings.patch_embeddings.projection.weight".to_owned(),
            vec![12, 3, 4, 4],
        ),
        (
            "embeddings.patch_embeddings.projection.bias".to_owned(),
            vec![12],
        ),
    ];
    let mut layer = |name: String, outputs: usize, inputs: usize| {
        shapes.push((format!("{name}.weight"), vec![outputs, inputs]));
        shapes.push((format!("{name}.bias"), vec![outputs]));
    };
    for i in 0..2 {
        let block = format!("encoder.layer.{i}");
        for part in ["query", "key", "value"] {
            layer(format!("{block}.attention.attention.{part}"), 12, 12);
        }
        layer(format!("{block}.attention.output.dense"), 12, 12);
        layer(format!("{block}.intermediate.dense"), 20, 12);
        layer(format!("{block}.output.dense"), 12, 20);
    }
    let norms = (0..2).flat_map(|i| {
        ["before", "after"].map(|side| format!("encoder.layer.{i}.layernorm_{side}"))
    });
    for norm in norms.chain(["layernorm".to_owned()]) {
        shapes.push((format!("{norm}.weight"), vec![12]));
        shapes.push((format!("{norm}.bias"), vec![12]));
    }
    let filled = shapes.into_iter().zip(1..).map(|((name, shape), seed)| {
        let values = noise(shape.iter().product(), seed);
        (format!("{root}{name}"), (shape, values))
    });
    filled.collect()
}

fn with_head(mut tensors: Tensors, name: &str, classes: usize, inputs: usize) -> Tensors {
    let (weight, bias) = (noise(classes * inputs, 91), noise(classes, 92));
    tensors.insert(format!("{name}.weight"), (vec![classes, inputs], weight));
    tensors.insert(format!("{name}.bias"), (vec![classes], bias));
    tensors
}

fn weights(tensors: &Tensors) -> Weights<'static> {
    let tensor = |(shape, values): &(Vec<usize>, Vec<f32>)| {
        Tensor::from_slice(values, shape.as_slice(), &Device::Cpu).unwrap()
    };
    let named = tensors.iter().map(|(name, t)| (name.as_str(), tensor(t)));
    let bytes = safetensors::serialize(named, None).unwrap();
    Weights::parse(bytes, "model.safetensors").unwrap()
}

fn load(tensors: &Tensors, config: &Config) -> Result<VisionTransformer, ModelError> {
    VisionTransformer::load(&weights(tensors), config, Family::Vit)
}

fn picture(rows: usize, columns: usize) -> Tensor {
    Tensor::from_vec(
        noise(rows * columns * 3, 7),
        (rows, columns, 3),
        &Device::Cpu,
    )
    .unwrap()
}

fn run(model: &VisionTransformer, pixels: &Tensor) -> Run {
    detached(|task| model.run(pixels, &Capture::QueriesAndKeys.into(), task)).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn what_a_configuration_leaves_out_is_the_references_default() {
    let read = |family| VitConfig::read(&config("{}"), family).unwrap();
    let vit = VitConfig {
        width: 768,
        depth: 12,
        attention_heads: 12,
        head_dim: 64,
        qkv_bias: true,
        feed_forward: FeedForwardConfig::Mlp {
            hidden: 3072,
            act: Activation::Gelu,
        },
        layer_scale: false,
        eps: 1e-12,
        image: (224, 224),
        patch: (16, 16),
        distillation: false,
        registers: 0,
        interpolation: Interpolation::Bicubic,
    };
    assert_eq!(read(Family::Vit), vit);
    let deit = VitConfig {
        distillation: true,
        ..vit.clone()
    };
    assert_eq!(read(Family::Deit), deit);
    let dinov2 = VitConfig {
        layer_scale: true,
        eps: 1e-6,
        patch: (14, 14),
        ..vit
    };
    assert_eq!(read(Family::Dinov2), dinov2);
    let registers = VitConfig {
        patch: (16, 16),
        registers: 4,
        interpolation: Interpolation::BicubicAntialias,
        ..dinov2
    };
    assert_eq!(read(Family::Dinov2WithRegisters), registers);
}

#[test]
fn sides_may_be_a_list_and_widths_odd() {
    let text = r#"{"image_size": [32, 48], "patch_size": [16, 8], "hidden_size": 36,
        "num_attention_heads": 5, "head_dim": null, "layer_norm_eps": 1e-5}"#;
    let read = VitConfig::read(&config(text), Family::Vit).unwrap();
    assert_eq!((read.image, read.patch), ((32, 48), (16, 8)));
    assert_eq!(read.trained_grid(), (2, 6));
    assert_eq!((read.head_dim, read.eps), (7, 1e-5));
}

#[test]
fn the_gate_of_dinov2_is_two_thirds_wide() {
    for (width, ratio, hidden) in [
        (1536, "4", 4096),
        (32, "4", 88),
        (45, "3", 96),
        (10, "2.5", 16),
    ] {
        let text = format!(
            r#"{{"hidden_size": {width}, "num_attention_heads": 1, "mlp_ratio": {ratio}, "use_swiglu_ffn": true}}"#
        );
        let read = VitConfig::read(&config(&text), Family::Dinov2).unwrap();
        assert_eq!(read.feed_forward, FeedForwardConfig::SwiGlu { hidden });
    }
}

#[test]
fn impossible_configurations_are_refused() {
    for (text, why) in [
        (r#"{"num_attention_heads": 0}"#, "num_attention_heads is 0"),
        (
            r#"{"hidden_size": 8}"#,
            "the width of an attention head is 0",
        ),
        (
            r#"{"hidden_size": 99999999999}"#,
            "hidden_size is 99999999999",
        ),
        (r#"{"patch_size": 0}"#, "patch_size is 0"),
        (r#"{"patch_size": "big"}"#, "patch_size"),
        (
            r#"{"image_size": 15}"#,
            "image_size is smaller than patch_size",
        ),
        (r#"{"image_size": [1, 2, 3]}"#, "height and width"),
        (r#"{"num_channels": 1}"#, "num_channels is 1"),
        (
            r#"{"hidden_act": "tanh"}"#,
            "\"tanh\", which is not supported",
        ),
        (r#"{"num_hidden_layers": -1}"#, "num_hidden_layers"),
    ] {
        let error = VitConfig::read(&config(text), Family::Vit).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains(why) && error.contains("config.json"),
            "{error}"
        );
    }
    let text = r#"{"mlp_ratio": 1e30, "use_swiglu_ffn": true}"#;
    assert!(VitConfig::read(&config(text), Family::Dinov2).is_err());
}

#[test]
fn names_may_have_the_familys_root_or_none() {
    let rooted = load(&vit_tensors("vit."), &tiny("")).unwrap();
    let bare = load(&vit_tensors(""), &tiny("")).unwrap();
    let pixels = picture(8, 8);
    let (rooted, bare) = (run(&rooted, &pixels), run(&bare, &pixels));
    let tokens = |run: &Run| flat(&run.hidden.as_ref().unwrap().tokens);
    assert_eq!(tokens(&rooted), tokens(&bare));
    let names = |run: &Run| {
        run.records
            .iter()
            .map(|r| r.layer.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&rooted)[1], "vit.encoder.layer.1.attention.attention");
    assert_eq!(names(&bare)[0], "encoder.layer.0.attention.attention");
}

#[test]
fn any_picture_of_a_patch_or_more_will_do() {
    let model = load(&vit_tensors(""), &tiny("")).unwrap();
    let layout = run(&model, &picture(7, 21)).hidden.unwrap().layout;
    let grid = layout.grid.unwrap();
    assert_eq!((layout.prefix, grid.rows, grid.columns), (1, 1, 5));
    let error = detached(|task| model.run(&picture(3, 90), &Watch::default(), task));
    assert!(matches!(error, Err(ModelError::TooSmall { least: 4, .. })));
    assert_eq!(model.stride(), 4);
}

#[test]
fn the_class_in_architectures_says_what_is_read() {
    let encoder = vit_tensors("vit.");
    let tensors = with_head(encoder.clone(), "classifier", 4, 12);
    let kind = |more: &str, tensors: &Tensors| load(tensors, &tiny(more)).map(|model| model.kind());
    let classifier = r#", "architectures": ["ViTForImageClassification"]"#;
    let masked = r#", "architectures": ["ViTForMaskedImageModeling"]"#;
    let model = r#", "architectures": ["ViTModel"]"#;
    assert_eq!(kind(classifier, &tensors).unwrap(), OutputKind::Classes);
    assert_eq!(kind(model, &tensors).unwrap(), OutputKind::Features);
    assert_eq!(kind("", &tensors).unwrap(), OutputKind::Classes);
    assert_eq!(kind("", &encoder).unwrap(), OutputKind::Features);
    assert_eq!(kind(masked, &encoder).unwrap(), OutputKind::Features);
    let error = kind(classifier, &encoder).unwrap_err().to_string();
    assert!(error.contains("no tensor classifier.weight"), "{error}");
    let fewer =
        r#", "architectures": ["ViTForImageClassification"], "id2label": {"0": "a", "1": "b"}"#;
    let error = kind(fewer, &tensors).unwrap_err().to_string();
    assert!(error.contains("[4, 12], expected [2, 12]"), "{error}");
}

#[test]
fn a_missing_or_misshapen_tensor_is_named() {
    let mut tensors = vit_tensors("vit.");
    tensors.remove("vit.encoder.layer.1.output.dense.bias");
    let error = load(&tensors, &tiny("")).unwrap_err().to_string();
    assert!(
        error.contains("vit.encoder.layer.1.output.dense.bias"),
        "{error}"
    );
    // A table for another grid than the configuration's.
    let more = r#", "image_size": 12"#;
    let text = format!("{:?}", load(&vit_tensors("vit."), &tiny(more)).unwrap_err());
    assert!(
        text.contains("position_embeddings") && text.contains("[1, 10, 12]"),
        "{text}"
    );
}

#[test]
fn a_cancelled_run_gives_nothing() {
    let model = load(&vit_tensors(""), &tiny("")).unwrap();
    let cancel = Cancel::new();
    let stop = |_: f32| cancel.cancel();
    let task = Task::new(&cancel, &stop);
    let stopped = model.run(&picture(8, 8), &Watch::default(), task);
    assert!(matches!(stopped, Err(ModelError::Cancelled)));
}

/// A DINOv2 of the same tensors under its own names, with LayerScale.
fn dinov2_tensors(factor: f32, registers: usize) -> Tensors {
    let renamed = vit_tensors("").into_iter().map(|(name, tensor)| {
        let name = name
            .replace("layernorm_before", "norm1")
            .replace("layernorm_after", "norm2")
            .replace("intermediate.dense", "mlp.fc1");
        let name = match name.contains("attention") {
            true => name,
            false => name.replace("output.dense", "mlp.fc2"),
        };
        (name, tensor)
    });
    let mut tensors: Tensors = renamed.collect();
    for (i, part) in [(0, 1), (0, 2), (1, 1), (1, 2)] {
        let name = format!("encoder.layer.{i}.layer_scale{part}.lambda1");
        tensors.insert(name, (vec![12], vec![factor; 12]));
    }
    let values = noise(registers * 12, 55);
    tensors.insert(
        "embeddings.register_tokens".into(),
        (vec![1, registers, 12], values),
    );
    tensors
}

fn dinov2_config(more: &str) -> Config {
    // 20 / 12, so that the widths are those of the ViT.
    tiny(&format!(
        r#", "mlp_ratio": 1.67, "layer_norm_eps": 1e-12 {more}"#
    ))
}

#[test]
fn layer_scale_scales_each_branch() {
    let pixels = picture(8, 8);
    let tokens = |run: Run| flat(&run.hidden.unwrap().tokens);
    let vit = run(&load(&vit_tensors(""), &tiny("")).unwrap(), &pixels);
    let scaled = |factor| {
        let weights = weights(&dinov2_tensors(factor, 0));
        let config = dinov2_config("");
        run(
            &VisionTransformer::load(&weights, &config, Family::Dinov2).unwrap(),
            &pixels,
        )
    };
    close(&tokens(scaled(1.0)), &tokens(vit), 1e-5);
    // Without branches, tokens leave as they came but for the norm: no two
    // layers' token norms differ.
    let still = scaled(0.0);
    assert_eq!(still.records[0].token_norms, still.records[1].token_norms);
    let moved = scaled(0.5);
    assert_ne!(moved.records[0].token_norms, moved.records[1].token_norms);
}

#[test]
fn registers_stand_between_class_and_patches() {
    let pixels = picture(8, 8);
    let of = |registers: usize| {
        let weights = weights(&dinov2_tensors(0.0, registers));
        let config = dinov2_config(&format!(r#", "num_register_tokens": {registers}"#));
        let family = Family::Dinov2WithRegisters;
        run(
            &VisionTransformer::load(&weights, &config, family).unwrap(),
            &pixels,
        )
    };
    let (none, two) = (of(0).hidden.unwrap(), of(2).hidden.unwrap());
    assert_eq!((none.layout.prefix, two.layout.prefix), (1, 3));
    let (none, two) = (flat(&none.tokens), flat(&two.tokens));
    assert_eq!(none[..12], two[..12]);
    assert_eq!(none[12..], two[36..]);
}

#[test]
fn dinov2s_classifier_looks_at_the_mean_patch_too() {
    let tensors = with_head(dinov2_tensors(1.0, 0), "classifier", 2, 24);
    let weights = weights(&tensors);
    let config = dinov2_config(r#", "architectures": ["Dinov2ForImageClassification"]"#);
    let model = VisionTransformer::load(&weights, &config, Family::Dinov2).unwrap();
    let run = run(&model, &picture(8, 8));
    let hidden = run.hidden.unwrap();
    let pooled = Pooling::ClassAndMean
        .apply(&hidden.tokens, hidden.layout)
        .unwrap();
    let (weight, bias) = (
        &tensors["classifier.weight"].1,
        &tensors["classifier.bias"].1,
    );
    let logit = |(row, bias): (&[f32], &f32)| {
        row.iter().zip(&pooled).map(|(w, x)| w * x).sum::<f32>() + bias
    };
    let want: Vec<f32> = weight.chunks_exact(24).zip(bias).map(logit).collect();
    match run.output {
        Output::Classes { logits, others } => {
            close(&logits, &want, 1e-5);
            assert!(others.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn pixels_must_have_three_channels() {
    let model = load(&vit_tensors(""), &tiny("")).unwrap();
    let grey = Tensor::zeros((8, 8, 1), DType::F32, &Device::Cpu).unwrap();
    assert!(detached(|task| model.run(&grey, &Watch::default(), task)).is_err());
}
