//! The networks with random parameters: shapes, sizes, records, refusals.

mod trace;

use super::*;
use crate::models::testing::without_head;
use crate::models::{Output, VisionModel, Weights};
use crate::nn::testing::{close, noise};
use crate::nn::{Ablation, Capture, Watch};
use crate::task::{Cancel, Task, detached};
use candle_core::{Device, Tensor};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Gives noise and remembers what it gave.
#[derive(Default)]
struct Noise(RefCell<BTreeMap<String, Tensor>>);

impl Source for Noise {
    fn tensor(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor, ModelError> {
        let count = shape.iter().product();
        let mut given = self.0.borrow_mut();
        let scale = match init {
            Init::Zeros | Init::Normal(_) => 0.1,
            Init::KaimingFanIn(inputs) => (2.0 / inputs as f32).sqrt(),
            Init::Ones | Init::Constant(_) => 1.0,
        };
        let values = noise(count, given.len() as u64 + 1);
        let values: Vec<f32> = values.iter().map(|value| value * scale).collect();
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?;
        let before = given.insert(name.to_owned(), tensor.clone());
        assert!(before.is_none(), "{name} is asked for twice");
        Ok(tensor)
    }
}

fn small(backbone: &str) -> DeepLabConfig {
    let text = format!(r#"{{"backbone": {backbone}, "classes": 3, "boundary": true}}"#);
    serde_json::from_str(&text).unwrap()
}

fn plain() -> DeepLabConfig {
    small(r#"{"plain_vit": {"stem": [4, 6, 8], "width": 16, "depth": 2, "heads": 2}}"#)
}

fn tiny() -> DeepLabConfig {
    small(r#"{"tiny_vit": {"maps": [4, 6, 8, 5], "width": 16}}"#)
}

fn map(photos: usize, rows: usize, columns: usize, channels: usize) -> Tensor {
    let values = noise(photos * rows * columns * channels, 99);
    Tensor::from_vec(values, (photos, rows, columns, channels), &Device::Cpu).unwrap()
}

#[test]
fn a_plain_network_takes_pictures_of_any_size() {
    let network = plain().build(&Noise::default()).unwrap();
    for (rows, columns) in [(64, 64), (32, 96), (16, 16), (50, 37)] {
        let scores = network.forward(&[map(2, rows, columns, 3)]).unwrap();
        let quarter = [rows.div_ceil(4), columns.div_ceil(4)];
        assert_eq!(scores.dense.dims(), [2, quarter[0], quarter[1], 4]);
        assert_eq!(scores.presence.unwrap().dims(), [2, 3]);
    }
    assert!(network.forward(&[]).is_err());
    assert!(network.forward(&[map(1, 32, 32, 4)]).is_err());
}

#[test]
fn what_it_makes_of_a_photo_does_not_depend_on_the_others() {
    let network = plain().build(&Noise::default()).unwrap();
    let both = map(2, 32, 48, 3);
    let together = network.forward(std::slice::from_ref(&both)).unwrap().dense;
    let alone = network
        .forward(&[both.narrow(0, 1, 1).unwrap()])
        .unwrap()
        .dense;
    let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(flat(&together.narrow(0, 1, 1).unwrap()), flat(&alone));
}

#[test]
fn a_network_on_encodings_takes_their_maps() {
    let network = tiny().build(&Noise::default()).unwrap();
    // 90 × 100 pixels of the frame, so that no side is a whole number of places.
    let maps = [
        map(1, 23, 25, 4),
        map(1, 12, 13, 6),
        map(1, 6, 7, 8),
        map(1, 6, 7, 5),
    ];
    let scores = network.forward(&maps).unwrap();
    assert_eq!(scores.dense.dims(), [1, 23, 25, 4]);
    assert!(network.forward(&maps[..3]).is_err());
}

/// The tensors of the small plain network.
fn tensors() -> Vec<u8> {
    let source = Noise::default();
    plain().build(&source).unwrap();
    safetensors::serialize(source.0.into_inner(), None).unwrap()
}

/// A checkpoint of the small plain network.
fn checkpoint(object_classes: &str) -> Result<VitDeepLab, ModelError> {
    load(tensors(), object_classes)
}

fn load(bytes: Vec<u8>, object_classes: &str) -> Result<VitDeepLab, ModelError> {
    let weights = Weights::parse(bytes, "model.safetensors").unwrap();
    let network = serde_json::to_string(&plain()).unwrap();
    let text = format!(r#"{{"network": {network}, "object_classes": {object_classes}}}"#);
    let config = Config::parse_text(&text, "config.json").unwrap();
    VitDeepLab::load(&weights, &config, || {
        panic!("a plain network needs no encoder")
    })
}

#[test]
fn a_model_records_its_attention_layer_by_layer() {
    let model = checkpoint("[1]").unwrap();
    assert_eq!(model.stride(), 16);
    let picture = map(1, 48, 32, 3).squeeze(0).unwrap();
    let run = detached(|task| model.run(&picture, &Capture::QueriesAndKeys.into(), task)).unwrap();
    assert_eq!(run.records.len(), 2);
    for (i, record) in run.records.iter().enumerate() {
        assert_eq!(record.layer, format!("backbone.blocks.{i}"));
        assert_eq!((record.attention_heads, record.head_dim), (2, 8));
        let grid = record.key_tokens.grid.unwrap();
        assert_eq!(
            (grid.rows, grid.columns, record.key_tokens.prefix),
            (3, 2, 0)
        );
        let row = record.row(1, 0, 4).unwrap();
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(record.token_norms.as_ref().unwrap().len(), 6);
    }
    let Output::Dense(dense) = run.output else {
        panic!("not dense");
    };
    assert_eq!(dense.logits.dims(), [12, 8, 3]);
    let boundary = dense.boundary.unwrap();
    assert_eq!(boundary.scores.dims(), [12, 8]);
    assert_eq!(&*boundary.classes, [1]);
    assert_eq!(dense.presence.unwrap().len(), 3);
    let plain = detached(|task| model.run(&picture, &Watch::default(), task)).unwrap();
    assert!(plain.records.is_empty());
}

#[test]
fn a_model_refuses_specks_and_stops_when_asked() {
    let model = checkpoint("[]").unwrap();
    let picture = |rows| map(1, rows, 64, 3).squeeze(0).unwrap();
    let small = detached(|task| model.run(&picture(15), &Watch::default(), task));
    assert!(matches!(small, Err(ModelError::TooSmall { least: 16, .. })));
    let cancel = Cancel::new();
    cancel.cancel();
    let stopped = model.run(&picture(64), &Watch::default(), Task::new(&cancel, &|_| {}));
    assert!(matches!(stopped, Err(ModelError::Cancelled)));
    assert!(checkpoint(r#""all""#).is_err());
}

#[test]
fn impossible_sizes_are_refused() {
    let refused = |network: &str| {
        let text = format!(r#"{{"network": {network}}}"#);
        let config = Config::parse_text(&text, "here.json").unwrap();
        let error = DeepLabConfig::of(&config).unwrap_err().to_string();
        assert!(error.contains("here.json"), "{error}");
    };
    let with = |backbone: &str, classes: &str| {
        format!(r#"{{"backbone": {backbone}, "classes": {classes}, "boundary": false}}"#)
    };
    refused("{}");
    refused(&with(r#"{"resnet": {}}"#, "3"));
    refused(&with(r#"{"plain_vit": {}}"#, "0"));
    refused(&with(r#"{"plain_vit": {}}"#, "100000"));
    refused(&with(r#"{"plain_vit": {"width": 0}}"#, "3"));
    refused(&with(r#"{"plain_vit": {"heads": 5}}"#, "3"));
    refused(&with(r#"{"plain_vit": {"depth": 4000}}"#, "3"));
    refused(&with(r#"{"plain_vit": {"stem": [1, 2]}}"#, "3"));
    refused(&with(r#"{"tiny_vit": {"width": 0}}"#, "3"));
    let nothing = Config::parse_text("{}", "here.json").unwrap();
    assert!(DeepLabConfig::of(&nothing).is_err());
}

#[test]
fn the_default_sizes_are_those_that_are_shipped() {
    let parameters = |backbone: &str| {
        let source = Noise::default();
        let config = DeepLabConfig {
            classes: 12,
            ..small(backbone)
        };
        config.build(&source).unwrap();
        let tensors = source.0.into_inner();
        tensors.values().map(Tensor::elem_count).sum::<usize>()
    };
    assert_eq!(parameters(r#"{"plain_vit": {}}"#), 4_773_513);
    assert_eq!(parameters(r#"{"tiny_vit": {}}"#), 392_009);
}

#[test]
fn attention_heads_of_a_plain_network_go_off() {
    let picture = map(1, 48, 32, 3).squeeze(0).unwrap();
    let scores = |model: &VitDeepLab, ablation| {
        let watch = Watch {
            ablation,
            ..Watch::default()
        };
        let run = detached(|task| model.run(&picture, &watch, task)).unwrap();
        let Output::Dense(dense) = run.output else {
            panic!("not dense");
        };
        dense
            .logits
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    };
    let (model, none) = (checkpoint("[]").unwrap(), Ablation::none());
    let plain = scores(&model, none.clone());
    assert_ne!(
        scores(&model, none.with_layer(0, 2).with_layer(1, 2)),
        plain
    );
    assert_eq!(scores(&model, none.with(2, 0).with(0, 2)), plain);
    for layer in 0..2 {
        let got = scores(&model, none.with(layer, 1));
        assert_ne!(got, plain);
        let name = format!("backbone.blocks.{layer}");
        let less = load(without_head(&tensors(), &name, 1, 8), "[]").unwrap();
        close(&got, &scores(&less, none.clone()), 1e-6);
    }
}
