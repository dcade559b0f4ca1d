//! Snapshots as the Hub has them, and folders that are none.

use super::*;
use std::fs::{self, File};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn snapshot(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn refused(folder: &Path) -> String {
    let started = Instant::now();
    let error = Checkpoint::read(folder).unwrap_err().to_string();
    assert!(started.elapsed() < Duration::from_secs(1), "{error}");
    assert!(!error.contains('\n') && error.len() < 600, "{error}");
    error
}

/// (family, configuration, number of classes, name of the last class).
#[rustfmt::skip]
const HUB: &[(Family, &str, usize, &str)] = &[
    // google/vit-base-patch16-224, its 1000 classes shortened.
    (Family::Vit, r#"{"_name_or_path": "google/vit-base-patch16-224", "architectures": ["ViTForImageClassification"],
      "attention_probs_dropout_prob": 0.0, "hidden_act": "gelu", "hidden_dropout_prob": 0.0, "hidden_size": 768,
      "id2label": {"0": "tench, Tinca tinca", "1": "goldfish, Carassius auratus", "2": "great white shark"},
      "image_size": 224, "initializer_range": 0.02, "intermediate_size": 3072, "label2id": {"tench, Tinca tinca": 0},
      "layer_norm_eps": 1e-12, "model_type": "vit", "num_attention_heads": 12, "num_channels": 3,
      "num_hidden_layers": 12, "patch_size": 16, "qkv_bias": true, "transformers_version": "4.13.0.dev0"}"#,
      3, "great white shark"),
    // facebook/deit-base-distilled-patch16-224
    (Family::Deit, r#"{"architectures": ["DeiTForImageClassificationWithTeacher"], "hidden_size": 768,
      "id2label": {"0": "tench", "1": "goldfish"}, "image_size": 224, "intermediate_size": 3072,
      "layer_norm_eps": 1e-12, "model_type": "deit", "num_attention_heads": 12, "num_hidden_layers": 12,
      "patch_size": 16}"#, 2, "goldfish"),
    // facebook/dino-vits8
    (Family::Vit, r#"{"architectures": ["ViTModel"], "hidden_size": 384, "image_size": 224, "intermediate_size": 1536,
      "layer_norm_eps": 1e-12, "model_type": "vit", "num_attention_heads": 6, "num_hidden_layers": 12,
      "patch_size": 8, "qkv_bias": true, "transformers_version": "4.10.0.dev0"}"#, 0, ""),
    // facebook/dinov2-small
    (Family::Dinov2, r#"{"apply_layernorm": true, "architectures": ["Dinov2Model"], "drop_path_rate": 0.0,
      "hidden_act": "gelu", "hidden_size": 384, "image_size": 518, "layer_norm_eps": 1e-06, "layerscale_value": 1.0,
      "mlp_ratio": 4, "model_type": "dinov2", "num_attention_heads": 6, "num_hidden_layers": 12,
      "out_features": ["stage12"], "out_indices": [12], "patch_size": 14, "qkv_bias": true,
      "reshape_hidden_states": true, "use_swiglu_ffn": false}"#, 0, ""),
    // facebook/dinov2-with-registers-small
    (Family::Dinov2WithRegisters, r#"{"architectures": ["Dinov2WithRegistersModel"], "hidden_size": 384,
      "image_size": 518, "interpolate_antialias": true, "interpolate_offset": 0.0,
      "model_type": "dinov2_with_registers", "num_attention_heads": 6, "num_hidden_layers": 12,
      "num_register_tokens": 4, "patch_size": 14}"#, 0, ""),
    // apple/deeplabv3-mobilevit-small, its 21 classes shortened.
    (Family::MobileVit, r#"{"architectures": ["MobileViTForSemanticSegmentation"], "aspp_out_channels": 256,
      "atrous_rates": [6, 12, 18], "conv_kernel_size": 3, "expand_ratio": 4.0, "hidden_act": "silu",
      "hidden_sizes": [144, 192, 240], "id2label": {"0": "background", "1": "aeroplane"}, "image_size": 512,
      "layer_norm_eps": 1e-05, "mlp_ratio": 2.0, "model_type": "mobilevit",
      "neck_hidden_sizes": [16, 32, 64, 96, 128, 160, 640], "num_attention_heads": 4, "output_stride": 16,
      "patch_size": 2, "qkv_bias": true, "semantic_loss_ignore_index": 255}"#, 2, "aeroplane"),
    // nvidia/segformer-b0-finetuned-ade-512-512, its 150 classes shortened.
    (Family::SegFormer, r#"{"architectures": ["SegformerForSemanticSegmentation"], "decoder_hidden_size": 256,
      "depths": [2, 2, 2, 2], "downsampling_rates": [1, 4, 8, 16], "hidden_sizes": [32, 64, 160, 256],
      "id2label": {"0": "wall", "1": "building", "2": "sky"}, "image_size": 224, "layer_norm_eps": 1e-06,
      "mlp_ratios": [4, 4, 4, 4], "model_type": "segformer", "num_attention_heads": [1, 2, 5, 8],
      "num_encoder_blocks": 4, "patch_sizes": [7, 3, 3, 3], "reshape_last_stage": true,
      "sr_ratios": [8, 4, 2, 1], "strides": [4, 2, 2, 2], "torch_dtype": "float32"}"#, 3, "sky"),
    // facebook/sam-vit-base, shortened.
    (Family::Sam, r#"{"_commit_hash": null, "architectures": ["SamModel"], "initializer_range": 0.02,
      "mask_decoder_config": {"hidden_size": 256, "model_type": ""}, "model_type": "sam",
      "prompt_encoder_config": {"hidden_size": 256, "image_size": 1024},
      "vision_config": {"image_size": 1024, "mlp_dim": 3072, "model_type": "", "num_pos_feats": 128}}"#, 0, ""),
    // Zigeng/SlimSAM-uniform-77, shortened.
    (Family::Sam, r#"{"architectures": ["SamModel"], "initializer_range": 0.02,
      "mask_decoder_config": {"model_type": ""}, "model_type": "", "prompt_encoder_config": {"model_type": ""},
      "vision_config": {"dropout": 0.0, "hidden_size": 168, "intermediate_size": 6144, "mlp_dim": 696,
      "model_type": "", "projection_dim": 512}}"#, 0, ""),
];

#[test]
fn snapshots_of_the_hub_are_understood() {
    for (family, config, classes, last) in HUB {
        let folder = snapshot(&[("config.json", config)]);
        let checkpoint = Checkpoint::read(folder.path()).unwrap();
        assert_eq!(checkpoint.family, *family);
        let names = &checkpoint.labels.classes;
        assert_eq!(names.len(), *classes, "{family:?}");
        assert_eq!(names.last().map_or("", |class| &class.name), *last);
        assert_eq!(checkpoint.licence, None);
    }
}

#[test]
fn licence_and_title_come_with_it() {
    let files = [
        ("config.json", r#"{"model_type": "vit"}"#),
        ("README.md", "---\nlicense: apache-2.0\n---\n"),
    ];
    let folder = snapshot(&files);
    let named = folder.path().join("my model");
    fs::create_dir(&named).unwrap();
    for (name, text) in files {
        fs::write(named.join(name), text).unwrap();
    }
    let checkpoint = Checkpoint::read(&named).unwrap();
    assert_eq!(checkpoint.licence.as_deref(), Some("Apache-2.0"));
    assert_eq!(checkpoint.title, "my model");
    let cached = folder
        .path()
        .join("models--google--vit-base/snapshots/3f49326eb077187dfe1c2a2bb15fbd74e6ab91e3");
    fs::create_dir_all(&cached).unwrap();
    fs::write(cached.join("config.json"), files[0].1).unwrap();
    assert_eq!(Checkpoint::read(&cached).unwrap().title, "google/vit-base");
}

#[test]
fn weights_come_when_they_are_asked_for() {
    let folder = snapshot(&[("config.json", r#"{"model_type": "vit"}"#)]);
    let checkpoint = Checkpoint::read(folder.path()).unwrap();
    let error = checkpoint.weights().err().unwrap();
    assert!(matches!(error, ModelError::NoWeights { .. }), "{error}");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vit");
    let weights = Checkpoint::read(&tests).unwrap().weights().unwrap();
    assert!(weights.has("classifier.weight"));
}

#[test]
fn folders_that_are_no_snapshot_are_refused() {
    let empty = snapshot(&[("notes.txt", "")]);
    assert!(refused(empty.path()).contains("is no model folder"));
    assert!(refused(&empty.path().join("notes.txt")).contains("is no model folder"));
    assert!(refused(&empty.path().join("nothing")).contains("is no model folder"));
    fs::create_dir(empty.path().join("config.json")).unwrap();
    assert!(refused(empty.path()).contains("it is not a file"));
}

#[test]
fn other_architectures_are_told_what_is_supported() {
    let folder = snapshot(&[(
        "config.json",
        r#"{"model_type": "bert", "architectures": ["BertModel"]}"#,
    )]);
    let error = refused(folder.path());
    assert!(
        error.contains("\"bert\"") && error.contains("segformer"),
        "{error}"
    );
}

#[test]
fn configurations_that_are_none_are_refused() {
    for text in [
        "",
        "[]",
        "[1, 2]",
        "3",
        "null",
        "{",
        "{\"a\":",
        "\u{feff}{}",
        "{\"a\": NaN}",
    ] {
        let folder = snapshot(&[("config.json", text)]);
        let error = refused(folder.path());
        assert!(
            error.contains("config.json is not a usable model configuration"),
            "{error}"
        );
    }
    let deep = "[".repeat(100_000);
    refused(snapshot(&[("config.json", &format!("{{\"a\": {deep}"))]).path());
    for json in [
        r#"{"model_type": "vit", "num_labels": "three"}"#,
        r#"{"model_type": "vit", "image_size": 0}"#,
    ] {
        refused(snapshot(&[("config.json", json)]).path());
    }
    let files = [
        ("config.json", r#"{"model_type": "vit"}"#),
        ("preprocessor_config.json", "[]"),
    ];
    let error = refused(snapshot(&files).path());
    assert!(error.contains("preprocessor_config.json"), "{error}");
}

#[test]
fn a_gigabyte_of_configuration_is_not_read() {
    let folder = snapshot(&[]);
    let file = File::create(folder.path().join("config.json")).unwrap();
    if file.set_len(1 << 30).is_ok() {
        assert!(refused(folder.path()).contains("larger than 16 MiB"));
    }
}

#[test]
fn fields_are_named_when_they_are_wrong() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(default)]
    struct Sizes {
        hidden_size: usize,
        depths: Vec<usize>,
    }
    impl Default for Sizes {
        fn default() -> Self {
            Self {
                hidden_size: 768,
                depths: vec![2],
            }
        }
    }
    let parse = |json: &str| {
        Config::parse_text(json, "config.json")
            .unwrap()
            .parse::<Sizes>()
    };
    let sizes = parse(r#"{"depths": [1, 2], "hidden_size": null, "more": {}}"#).unwrap();
    assert_eq!((sizes.hidden_size, sizes.depths), (768, vec![1, 2]));
    let error = parse(r#"{"a": 1, "hidden_size": "wide"}"#)
        .unwrap_err()
        .to_string();
    assert!(error.contains("hidden_size: invalid type"), "{error}");
    let config = Config::parse_text(
        r#"{"n": 3, "x": 0.5, "yes": true, "s": "t", "sub": {"n": null}, "big": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#,
        "config.json",
    );
    let config = config.unwrap();
    assert_eq!(
        (config.usize("n", 7).unwrap(), config.usize("m", 7).unwrap()),
        (3, 7)
    );
    assert_eq!(
        (config.f64("x", 1.0).unwrap(), config.f64("n", 1.0).unwrap()),
        (0.5, 3.0)
    );
    assert!(config.bool("yes", false).unwrap());
    assert_eq!((config.str("s"), config.str("n")), (Some("t"), None));
    assert_eq!(config.section("sub").unwrap().usize("n", 9).unwrap(), 9);
    assert!(config.section("s").is_none());
    let error = config.usize("x", 0).unwrap_err().to_string();
    assert!(
        error.contains("x is 0.5, expected a whole number"),
        "{error}"
    );
    let error = config.bool("big", true).unwrap_err().to_string();
    assert!(error.contains("xxx…"), "{error}");
}
