use super::*;
use crate::nn::Capture;
use crate::task::{Cancel, detached};
use candle_core::Device;
use std::sync::Mutex;

const FILES: [&[u8]; 2] = [
    include_bytes!("../../../tests/fixtures/segformer/config.json"),
    include_bytes!("../../../tests/fixtures/segformer/model.safetensors"),
];

fn config(change: &str) -> Config {
    let mut fields: serde_json::Value = serde_json::from_slice(FILES[0]).unwrap();
    let change: serde_json::Value = serde_json::from_str(change).unwrap();
    for (key, value) in change.as_object().unwrap() {
        fields[key] = value.clone();
    }
    Config::parse_text(&fields.to_string(), "config.json").unwrap()
}

fn weights() -> Weights<'static> {
    Weights::parse(FILES[1], "model.safetensors").unwrap()
}

fn load(change: &str) -> Result<SegFormer, ModelError> {
    SegFormer::load(&weights(), &config(change))
}

fn picture(rows: usize, columns: usize) -> Tensor {
    let values = (0..rows * columns * 3).map(|i| (i % 17) as f32 * 0.1 - 0.8);
    Tensor::from_vec(values.collect(), (rows, columns, 3), &Device::Cpu).unwrap()
}

#[test]
fn nonsense_is_refused() {
    for (change, part) in [
        (r#"{"depths": [2, 1]}"#, "depths has 2 entries for 4 stages"),
        (r#"{"num_encoder_blocks": 0}"#, "num_encoder_blocks is 0"),
        (r#"{"num_encoder_blocks": 99}"#, "num_encoder_blocks is 99"),
        (r#"{"strides": [4, 0, 2, 2]}"#, "strides has 0"),
        (
            r#"{"hidden_sizes": [8, 12, 20, 1000000000]}"#,
            "hidden_sizes has",
        ),
        (
            r#"{"num_attention_heads": [9, 2, 5, 6]}"#,
            "9 for 8 channels",
        ),
        (r#"{"mlp_ratios": [4, 4, 4, 1e18]}"#, "mlp_ratios"),
        (r#"{"num_channels": 4}"#, "num_channels is 4"),
        (r#"{"hidden_act": "xielu"}"#, "hidden_act \"xielu\""),
        (r#"{"decoder_hidden_size": 0}"#, "decoder_hidden_size is 0"),
        (r#"{"depths": "many"}"#, "depths"),
    ] {
        let error = load(change).err().unwrap();
        assert!(
            matches!(error, ModelError::Config { .. }),
            "{change}: {error}"
        );
        assert!(error.to_string().contains(part), "{change}: {error}");
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let error = load(r#"{"depths": [2, 1, 2, 1]}"#)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("segformer.encoder.block.2.1."), "{error}");
    let error = load(r#"{"decoder_hidden_size": 32}"#)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("decode_head.linear_c.0.proj.weight"),
        "{error}"
    );
    let error = load(r#"{"id2label": {"0": "a"}}"#)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("decode_head.classifier.weight"), "{error}");
}

#[test]
fn a_sparse_configuration_is_b0() {
    let sparse = Config::parse_text(r#"{"model_type": "segformer"}"#, "config.json").unwrap();
    let fields = SegFormerConfig::read(&sparse).unwrap();
    let stages: Vec<_> = fields.stages().collect();
    assert_eq!(stages.len(), 4);
    let last = stages[3];
    assert_eq!(
        (last.inputs, last.channels, last.heads, last.hidden),
        (160, 256, 8, 1024)
    );
    assert_eq!(
        (stages[0].patch, stages[0].stride, stages[0].ratio),
        (7, 4, 8)
    );
    assert_eq!(fields.decoder_hidden_size, 256);
}

#[test]
fn a_head_can_be_missing() {
    let model = load(r#"{"architectures": ["SegformerModel"]}"#).unwrap();
    let run = detached(|task| model.run(&picture(64, 96), &Capture::QueriesAndKeys.into(), task))
        .unwrap();
    assert!(matches!(run.output, Output::Features));
    assert_eq!(run.records.len(), 5);
    assert_eq!(
        run.records[2].layer,
        "segformer.encoder.block.1.0.attention.self"
    );
    let grid = |tokens: crate::nn::capture::Tokens| tokens.grid.map(|g| (g.rows, g.columns));
    assert_eq!(grid(run.records[2].query_tokens), Some((8, 12)));
    assert_eq!(grid(run.records[2].key_tokens), Some((2, 3)));
}

#[test]
fn a_picture_without_keys_is_too_small() {
    let model = load("{}").unwrap();
    let run = |picture: &Tensor| detached(|task| model.run(picture, &Watch::default(), task));
    match run(&picture(64, 20)).err().unwrap() {
        ModelError::TooSmall {
            width,
            height,
            least,
        } => {
            // The first stage's map must have 8 rows for its keys.
            assert_eq!((width, height, least), (20, 64, 29));
        }
        other => panic!("{other}"),
    }
    assert!(run(&picture(29, 29)).is_ok());
    let flat = picture(29, 29).reshape((29 * 29, 3)).unwrap();
    assert!(matches!(run(&flat), Err(ModelError::Compute(_))));
}

#[test]
fn it_stops_between_blocks_and_tells_how_far_it_is() {
    let model = load("{}").unwrap();
    let (cancel, seen) = (Cancel::new(), Mutex::new(Vec::new()));
    let report = |fraction: f32| {
        seen.lock().unwrap().push(fraction);
        if fraction > 0.5 {
            cancel.cancel();
        }
    };
    let result = model.run(
        &picture(64, 64),
        &Watch::default(),
        Task::new(&cancel, &report),
    );
    assert!(matches!(result, Err(ModelError::Cancelled)));
    let seen = seen.into_inner().unwrap();
    assert!(seen.len() > 3 && seen.is_sorted(), "{seen:?}");
    assert!(seen.iter().filter(|fraction| **fraction > 0.5).count() == 1);
}
