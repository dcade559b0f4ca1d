//! Configurations; the numbers are held against the reference in
//! `tests/parity_sam.rs`.

use super::*;
use crate::models::promptable::Choice;
use crate::models::testing::{folder, model, with_tensors, without_head};
use crate::models::{Config, Encoding, LoadedModel};
use crate::nn::kernels::Activation;
use crate::nn::testing::close;
use crate::nn::{Ablation, Capture, Watch};
use crate::task::{Task, detached};

fn parse(json: &str) -> Result<SamConfig, ModelError> {
    SamConfig::of(&Config::parse_text(json, "here.json")?)
}

#[test]
fn what_is_left_out_is_sam_vit_bs() {
    let config = parse(r#"{"model_type": "sam"}"#).unwrap();
    assert_eq!(config, SamConfig::default());
    let vision = &config.vision_config;
    assert_eq!((vision.grid_side(), vision.mlp_width()), (64, 3072));
    let windows: Vec<_> = (0..12).map(|block| vision.window(block)).collect();
    assert_eq!(windows[..3], [Some(14), Some(14), None]);
    assert_eq!(windows.iter().filter(|window| window.is_none()).count(), 4);
    let design = config.design();
    assert_eq!((design.masks, design.mask_side()), (4, 256));
    assert_eq!(design.mlp, (2048, Activation::Relu));
    assert_eq!(design.mask_prompt, (16, Activation::Gelu));
    assert_eq!(design.choice, Choice::ByScore);
}

#[test]
fn sparse_sections_and_foreign_keys_are_taken() {
    let config = parse(
        r#"{
            "vision_config": {
                "model_type": "", "hidden_size": 36, "mlp_dim": 150, "mlp_ratio": 2.0,
                "projection_dim": 512, "intermediate_size": 6144, "window_size": 0
            },
            "prompt_encoder_config": {"model_type": ""},
            "mask_decoder_config": {
                "iou_head_depth": 1, "attention_downsample_rate": 4, "num_hidden_layers": 0
            }
        }"#,
    )
    .unwrap();
    assert_eq!(config.vision_config.mlp_width(), 150);
    assert_eq!(config.vision_config.window(0), None);
    let design = config.design();
    assert_eq!(design.score_head, (2, 256));
    assert_eq!(
        (design.block_downsampling, design.last_downsampling),
        (2, 4)
    );
    assert_eq!(design.layers, 0);
    let by_ratio = parse(r#"{"vision_config": {"mlp_ratio": 2.5, "mlp_dim": null}}"#).unwrap();
    assert_eq!(by_ratio.vision_config.mlp_width(), 1920);
}

#[test]
fn what_cannot_be_is_refused_with_the_file_named() {
    for json in [
        "",
        "[]",
        r#"{"vision_config": {"image_size": [1024, 1024]}}"#,
        r#"{"vision_config": {"image_size": 512}}"#,
        r#"{"vision_config": {"patch_size": 0}}"#,
        r#"{"vision_config": {"num_attention_heads": 7}}"#,
        r#"{"vision_config": {"hidden_size": 99999999999}}"#,
        r#"{"vision_config": {"mlp_ratio": 1e300}}"#,
        r#"{"vision_config": {"num_channels": 4}}"#,
        r#"{"vision_config": {"hidden_act": "nonsense"}}"#,
        r#"{"vision_config": {"layer_norm_eps": -1}}"#,
        r#"{"vision_config": {"num_pos_feats": 64}}"#,
        r#"{"vision_config": {"output_channels": 128}}"#,
        r#"{"vision_config": {"window_size": 100000}}"#,
        r#"{"prompt_encoder_config": {"num_point_embeddings": 2}}"#,
        r#"{"prompt_encoder_config": {"mask_input_channels": 3}}"#,
        r#"{"mask_decoder_config": {"num_multimask_outputs": 0}}"#,
        r#"{"mask_decoder_config": {"num_multimask_outputs": 18446744073709551615}}"#,
        r#"{"mask_decoder_config": {"num_attention_heads": 256}}"#,
        r#"{"mask_decoder_config": {"attention_downsample_rate": 0}}"#,
        r#"{"mask_decoder_config": {"hidden_act": 3}}"#,
    ] {
        let error = parse(json).expect_err(json).to_string();
        assert!(
            error.contains("here.json") && !error.contains('\n'),
            "{error}"
        );
    }
}

#[test]
fn attention_heads_of_the_encoder_go_off() {
    let image = image::open(folder("sam").join("image.png"))
        .unwrap()
        .to_rgb8();
    let encode = |model: &LoadedModel, watch: Watch| {
        let (width, height) = image.dimensions();
        let model = model.promptable().unwrap();
        let encode = |task: Task<'_>| model.encode(&image, width, height, &watch, task);
        detached(encode).unwrap()
    };
    let flat = |encoding: &Encoding| -> Vec<f32> {
        encoding
            .embedding()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap()
    };
    let off = |ablation| Watch {
        ablation,
        ..Watch::default()
    };
    let model = model("sam");
    let recorded = encode(&model, Capture::QueriesAndKeys.into());
    let plain = flat(&recorded);
    assert_eq!(flat(&encode(&model, Watch::default())), plain);
    let bytes = std::fs::read(folder("sam").join("model.safetensors")).unwrap();
    // Layers with windows and layers without.
    for (layer, record) in recorded.records().iter().enumerate() {
        let got = flat(&encode(&model, off(Ablation::none().with(layer, 1))));
        assert_ne!(got, plain, "layer {layer}");
        let less = without_head(&bytes, &record.layer, 1, record.head_dim);
        let less = with_tensors("sam", &less);
        close(&got, &flat(&encode(&less, Watch::default())), 1e-6);
    }
}
