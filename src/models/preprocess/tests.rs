//! Against the reference implementation's processors, and beyond what they do.

mod hub;
mod reference;

use super::*;
use crate::models::checkpoint::Config;
use crate::models::family::Family;
use safetensors::SafeTensors;
use std::path::PathBuf;

/// Pixels that anybody can compute: the top byte of i · 2654435761 mod 2³².
fn picture((width, height): (usize, usize)) -> Vec<u8> {
    let byte = |i: usize| ((i as u64 * 2_654_435_761 % (1 << 32)) >> 24) as u8;
    (0..width * height * 3).map(byte).collect()
}

/// FNV-1a of the values' bytes.
fn hash(values: &[f32]) -> u64 {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn read(family: &str, json: &str) -> Result<Preprocessor, ModelError> {
    let family = Family::ALL.into_iter().find(|f| f.model_type() == family);
    let config = Config::parse_text(json, "preprocessor_config.json").unwrap();
    Preprocessor::from_config(&config, family.unwrap())
}

#[test]
fn inputs_equal_those_of_the_reference_bit_for_bit() {
    for (family, json, pictures) in reference::CASES {
        let steps = read(family, json).unwrap();
        for (size, input, expected) in *pictures {
            let prepared = steps
                .prepare(&picture(*size), *size, Fit::Trained, None)
                .unwrap();
            let place = format!("{family} {json} {size:?}");
            assert_eq!(prepared.pixels.dims(), [input.1, input.0, 3], "{place}");
            assert_eq!(hash(&values(&prepared.pixels)), *expected, "{place}");
            assert_eq!(steps.input_size(*size), *input, "{place}");
        }
    }
}

#[test]
fn inputs_of_the_fixtures_equal_the_references() {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for name in [
        "vit",
        "deit",
        "deit_distilled",
        "dino",
        "dinov2",
        "dinov2_with_registers",
        "mobilevit_deeplabv3",
        "segformer",
        "sam",
        "sam_slim",
    ] {
        let folder = fixtures.join(name);
        let config = Config::read(&folder.join("config.json")).unwrap();
        let family = Family::of(&config).unwrap();
        let steps = Preprocessor::read(&folder, family, &config).unwrap();
        let photo = image::open(folder.join("image.png")).unwrap().to_rgb8();
        let size = (photo.width() as usize, photo.height() as usize);
        let got = steps.prepare(&photo, size, Fit::Trained, None).unwrap();
        let bytes = std::fs::read(folder.join("expected.safetensors")).unwrap();
        let expected = SafeTensors::deserialize(&bytes).unwrap();
        let expected = expected.tensor("pixel_values").unwrap();
        let (rows, columns) = (got.pixels.dims()[0], got.pixels.dims()[1]);
        assert_eq!(expected.shape(), [1, 3, rows, columns], "{name}");
        let (words, _) = expected.data().as_chunks();
        let expected: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        let got = values(&got.pixels.permute((2, 0, 1)).unwrap());
        assert!(got == expected, "{name} differs");
    }
}

fn dino() -> Preprocessor {
    read(
        "dinov2",
        r#"{"size": {"shortest_edge": 256}, "crop_size": 224, "image_mean": 0.5, "image_std": 0.5}"#,
    )
    .unwrap()
}

#[test]
fn views_undo_resizing_and_cropping() {
    let size = (640, 480);
    let view = dino().frame(size, Fit::Trained).unwrap().view(size);
    // 341 × 256 pixels, of which 58 and 16 are cut off.
    let across = 640.0 / 341.0;
    assert!((view.left - 58.0 * across).abs() < 1e-9);
    assert!((view.right - (58.0 + 224.0) * across).abs() < 1e-9);
    assert!((view.top - 30.0).abs() < 1e-9 && (view.bottom - 450.0).abs() < 1e-9);
    let view = dino().frame(size, Fit::Squash).unwrap().view(size);
    assert_eq!(view, View::whole(size));
    let view = dino().frame(size, Fit::Pad).unwrap().view(size);
    assert_eq!((view.left, view.top, view.right), (0.0, 0.0, 640.0));
    assert!((view.bottom - 480.0 * 224.0 / 168.0).abs() < 1e-9);
    // A crop that is larger than the picture sees black around it.
    let steps = read(
        "dinov2",
        r#"{"size": {"shortest_edge": 20}, "crop_size": 30}"#,
    )
    .unwrap();
    let view = steps.frame((20, 40), Fit::Trained).unwrap().view((20, 40));
    assert_eq!((view.left, view.right), (-5.0, 25.0));
    assert_eq!((view.top, view.bottom), (5.0, 35.0));
}

#[test]
fn squashing_shows_all_and_padding_keeps_the_aspect() {
    let (size, rgb) = ((30, 10), picture((30, 10)));
    let steps = read("deit", r#"{"size": 20, "crop_size": 15, "resample": 2}"#).unwrap();
    let squashed = steps.prepare(&rgb, size, Fit::Squash, None).unwrap();
    let exact = read("vit", r#"{"size": 15}"#).unwrap();
    let exact = exact.prepare(&rgb, size, Fit::Trained, None).unwrap();
    assert_eq!(values(&squashed.pixels), values(&exact.pixels));
    let padded = steps.prepare(&rgb, size, Fit::Pad, None).unwrap();
    assert_eq!(padded.pixels.dims(), [15, 15, 3]);
    let padded = values(&padded.pixels);
    let wide = read("vit", r#"{"size": {"width": 15, "height": 5}}"#).unwrap();
    let wide = wide.prepare(&rgb, size, Fit::Trained, None).unwrap();
    assert_eq!(padded[..5 * 15 * 3], values(&wide.pixels));
    assert!(padded[5 * 15 * 3..].iter().all(|value| *value == 0.0));
}

#[test]
fn other_input_sizes_keep_the_proportions() {
    let size = (640, 480);
    let with = |steps: &Preprocessor, input| {
        let frame = steps.for_input(input).unwrap().frame(size, Fit::Trained);
        frame.unwrap()
    };
    let frame = with(&dino(), (448, 448));
    assert_eq!((frame.picture, frame.input), ((682, 512), (448, 448)));
    let frame = with(&dino(), (448, 224));
    assert_eq!((frame.picture, frame.input), ((682, 512), (448, 224)));
    let vit = read("vit", "{}").unwrap();
    assert_eq!(with(&vit, (384, 320)).picture, (384, 320));
    let deit = read("deit", "{}").unwrap();
    let frame = with(&deit, (448, 224));
    assert_eq!((frame.picture, frame.input), ((512, 256), (448, 224)));
    let sam = read("sam", "{}").unwrap();
    let frame = with(&sam, (512, 512));
    assert_eq!((frame.picture, frame.input), ((512, 384), (512, 512)));
    for input in [(0, 5), (5, 0), (1 << 13, 1 << 13), (usize::MAX, 2)] {
        assert!(matches!(
            dino().for_input(input),
            Err(ModelError::Option { .. })
        ));
    }
}

#[test]
fn tiles_are_normalised_and_filled_up() {
    let (size, rgb) = ((8, 6), picture((8, 6)));
    let steps = read("vit", r#"{"size": 4}"#).unwrap();
    let tile = steps.tile(&rgb, size, Rect::new(5, 2, 10, 7)).unwrap();
    assert_eq!(tile.dims(), [5, 5, 3]);
    let tile = values(&tile);
    for (i, value) in tile.iter().enumerate() {
        let (y, x) = (2 + i / 15, 5 + i % 15 / 3);
        let expected = if x < 8 && y < 6 {
            (f32::from(rgb[(y * 8 + x) * 3 + i % 3]) / 255.0 - 0.5) / 0.5
        } else {
            0.0
        };
        assert!((value - expected).abs() < 1e-6, "value {i}");
    }
    for area in [Rect::EMPTY, Rect::new(0, 0, u32::MAX, u32::MAX)] {
        assert!(steps.tile(&rgb, size, area).is_err());
    }
    let beyond = steps.tile(&rgb, size, Rect::new(20, 20, 22, 22)).unwrap();
    assert!(values(&beyond).iter().all(|value| *value == 0.0));
}

#[test]
fn photos_that_are_too_long_and_thin_are_refused_before_they_take_memory() {
    let rgb = picture((1, 5000));
    let error = dino()
        .prepare(&rgb, (1, 5000), Fit::Trained, None)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the photo of 1×5000 pixels is too long and thin for this model's preprocessing, \
         which would resize it to 256×1280000; crop it, or let it be squashed or padded"
    );
    for fit in [Fit::Squash, Fit::Pad] {
        let prepared = dino().prepare(&rgb, (1, 5000), fit, None).unwrap();
        assert_eq!(prepared.pixels.dims(), [224, 224, 3]);
    }
    let uncropped = read("dinov2", r#"{"do_center_crop": false, "size": 4000}"#).unwrap();
    let photo = (600, 60);
    assert!(
        uncropped
            .prepare(&picture(photo), photo, Fit::Trained, None)
            .is_err()
    );
    // The input size of a photo is known all the same.
    assert_eq!(dino().input_size((1, 5000)), (224, 224));
}

#[test]
fn pixels_must_fit_the_size() {
    for (bytes, size) in [(0, (0, 0)), (12, (2, 3)), (19, (2, 3))] {
        let error = dino().prepare(&vec![0; bytes], size, Fit::Trained, None);
        assert!(matches!(error, Err(ModelError::PhotoSize { .. })));
    }
}

#[test]
fn impossible_configurations_are_refused_in_a_sentence() {
    for json in [
        r#"{"size": 0}"#,
        r#"{"size": -3}"#,
        r#"{"size": 1e30}"#,
        r#"{"size": 4294967296}"#,
        r#"{"size": "224"}"#,
        r#"{"size": {}}"#,
        r#"{"size": [224]}"#,
        r#"{"size": {"height": 224}}"#,
        r#"{"size": {"shortest_edge": 224, "longest_edge": 300}}"#,
        r#"{"size": {"height": 100000000, "width": 2}}"#,
        r#"{"crop_size": {"shortest_edge": 3}, "do_center_crop": true}"#,
        r#"{"crop_size": true, "do_center_crop": true}"#,
        r#"{"do_center_crop": true}"#,
        r#"{"resample": 5}"#,
        r#"{"resample": "bicubic"}"#,
        r#"{"do_resize": 1}"#,
        r#"{"rescale_factor": "x"}"#,
        r#"{"rescale_factor": 1e300}"#,
        r#"{"image_std": [0, 1, 1]}"#,
        r#"{"image_mean": [0.5, 0.5]}"#,
        r#"{"image_mean": ["a", 0.5, 0.5]}"#,
    ] {
        let error = read("vit", json).err();
        let error = error
            .unwrap_or_else(|| panic!("{json} was accepted"))
            .to_string();
        assert!(error.starts_with("preprocessor_config.json"), "{error}");
        assert!(!error.contains('\n') && error.len() < 200, "{error}");
    }
}

#[test]
fn what_is_null_counts_as_missing() {
    let nulls = r#"{"size": null, "do_resize": null, "image_mean": null, "resample": null}"#;
    assert_eq!(read("vit", nulls).unwrap(), read("vit", "{}").unwrap());
}
