use super::*;
use crate::nn::Capture;
use crate::nn::capture::Grouping;
use crate::task::{Cancel, detached};
use candle_core::Device;
use std::sync::Mutex;

const FILES: [&[u8]; 2] = [
    include_bytes!("../../../tests/fixtures/mobilevit_deeplabv3/config.json"),
    include_bytes!("../../../tests/fixtures/mobilevit_deeplabv3/model.safetensors"),
];

fn config(change: &str) -> Config {
    let mut fields: serde_json::Value = serde_json::from_slice(FILES[0]).unwrap();
    let change: serde_json::Value = serde_json::from_str(change).unwrap();
    for (key, value) in change.as_object().unwrap() {
        fields[key] = value.clone();
    }
    Config::parse_text(&fields.to_string(), "config.json").unwrap()
}

fn load(change: &str) -> Result<MobileVit, ModelError> {
    let weights = Weights::parse(FILES[1], "model.safetensors").unwrap();
    MobileVit::load(&weights, &config(change))
}

fn picture(rows: usize, columns: usize) -> Tensor {
    let values = (0..rows * columns * 3).map(|i| (i % 17) as f32 * 0.06);
    Tensor::from_vec(values.collect(), (rows, columns, 3), &Device::Cpu).unwrap()
}

#[test]
fn nonsense_is_refused() {
    for (change, part) in [
        (
            r#"{"hidden_sizes": [16, 20]}"#,
            "length of hidden_sizes is 2; only 3",
        ),
        (
            r#"{"neck_hidden_sizes": [16]}"#,
            "length of neck_hidden_sizes is 1",
        ),
        (r#"{"atrous_rates": [1, 2]}"#, "length of atrous_rates is 2"),
        (r#"{"atrous_rates": [1, 2, 0]}"#, "atrous rate is 0"),
        (
            r#"{"num_attention_heads": 3}"#,
            "hidden size 16 is not a multiple of 3",
        ),
        (
            r#"{"conv_kernel_size": 4}"#,
            "conv_kernel_size is 4, expected an odd",
        ),
        (r#"{"patch_size": 0}"#, "patch_size is 0"),
        (r#"{"patch_size": [2, 2]}"#, "patch_size"),
        (r#"{"expand_ratio": 1e30}"#, "expand_ratio is"),
        (r#"{"mlp_ratio": 0.01}"#, "mlp_ratio is 0.01"),
        (
            r#"{"hidden_sizes": [16, 20, 100000000]}"#,
            "hidden size is 100000000",
        ),
        (r#"{"num_channels": 1}"#, "num_channels is 1; only 3"),
        (r#"{"hidden_act": "mish"}"#, "hidden_act \"mish\""),
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
    let error = load(r#"{"hidden_sizes": [16, 20, 28]}"#)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("mobilevit.encoder.layer.4.conv_1x1.convolution.weight"),
        "{error}"
    );
    let error = load(r#"{"architectures": ["MobileViTForImageClassification"]}"#);
    let error = error.err().unwrap().to_string();
    assert!(
        error.contains("no tensor mobilevit.conv_1x1_exp"),
        "{error}"
    );
}

#[test]
fn a_sparse_configuration_is_mobilevit_small() {
    let sparse = Config::parse_text(r#"{"model_type": "mobilevit"}"#, "config.json").unwrap();
    let fields = MobileVitConfig::read(&sparse).unwrap();
    assert_eq!(fields.hidden_sizes, [144, 192, 240]);
    assert_eq!((fields.stride(), fields.expanded(16)), (32, 64));
}

#[test]
fn the_output_stride_becomes_dilation() {
    for (asked, stride, rows) in [(8, 8, 12), (16, 16, 6), (32, 32, 3), (7, 32, 3)] {
        let model = load(&format!(r#"{{"output_stride": {asked}}}"#)).unwrap();
        assert_eq!(model.stride(), stride);
        let run = detached(|task| model.run(&picture(96, 64), &Watch::default(), task)).unwrap();
        let Output::Dense(scores) = run.output else {
            panic!("not dense");
        };
        assert_eq!(scores.logits.dims(), [rows, rows * 2 / 3, 5]);
    }
}

#[test]
fn phases_are_recorded_layer_by_layer() {
    let model = load(r#"{"architectures": ["MobileViTModel"]}"#).unwrap();
    // The maps have 5×7 and 3×4 pixels: odd sides are resized to whole patches.
    let picture = picture(40, 56);
    let run = detached(|task| model.run(&picture, &Capture::QueriesAndKeys.into(), task)).unwrap();
    assert!(matches!(run.output, Output::Features));
    let grids = run.records.iter().map(|record| match record.grouping {
        Grouping::Phases { side: 2, grid } => (grid.rows, grid.columns),
        other => panic!("{other:?}"),
    });
    let grids: Vec<_> = grids.collect();
    assert_eq!(grids[..2], [(6, 8); 2]);
    assert_eq!(grids[2..], [(4, 4); 7]);
    let layer = "mobilevit.encoder.layer.3.transformer.layer.1.attention.attention";
    assert_eq!(run.records[3].layer, layer);
    let norms = run.records[3].token_norms.as_ref().unwrap();
    assert!(norms.len() == 16 && norms.iter().all(|norm| *norm > 0.0));
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

#[test]
fn a_picture_of_one_pixel_works_and_of_none_does_not() {
    let model = load("{}").unwrap();
    let run = |picture: &Tensor| detached(|task| model.run(picture, &Watch::default(), task));
    assert!(run(&picture(1, 1)).is_ok());
    assert!(matches!(
        run(&picture(0, 5)),
        Err(ModelError::TooSmall { .. })
    ));
}
