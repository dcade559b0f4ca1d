//! The model as a whole, with the shipped weights.

use super::*;
use crate::label::Mask;
use crate::models::promptable::{Encoding, EverythingOptions, Prediction, Prompt};
use crate::models::testing::without_head;
use crate::nn::capture::{Grouping, QueryKey};
use crate::nn::testing::close;
use crate::nn::{Ablation, Capture, Watch};
use crate::task::{Cancel, Cancelled, Task, detached};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

fn bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/weights/mobile-sam/model.safetensors"
        );
        std::fs::read(path).unwrap()
    })
}

fn model() -> &'static PromptableModel {
    static MODEL: OnceLock<PromptableModel> = OnceLock::new();
    MODEL.get_or_init(|| from_safetensors(bytes()).unwrap())
}

/// A bright disc (radius 30 around (60, 50)) and a bright square on dark.
fn scene() -> (Vec<u8>, u32, u32) {
    let (w, h) = (200u32, 120u32);
    let pixel = |i: u32| {
        let (x, y) = (i % w, i / w);
        let disc = (x as f32 - 60.0).hypot(y as f32 - 50.0) < 30.0;
        let square = (130..180).contains(&x) && (40..90).contains(&y);
        if disc {
            [230, 60, 40]
        } else if square {
            [60, 200, 230]
        } else {
            [30, 34, 40]
        }
    };
    ((0..w * h).flat_map(pixel).collect(), w, h)
}

fn encoded() -> &'static Encoding {
    static ENCODING: OnceLock<Encoding> = OnceLock::new();
    ENCODING.get_or_init(|| {
        let (rgb, w, h) = scene();
        detached(|task| model().encode(&rgb, w, h, &Capture::QueriesAndKeys.into(), task)).unwrap()
    })
}

/// The scene's disc, as a mask.
fn disc() -> Mask {
    let photo = crate::label::Rect {
        x0: 0,
        y0: 0,
        x1: 200,
        y1: 120,
    };
    Mask::from_fn(photo, |x, y| {
        (x as f32 - 60.0).hypot(y as f32 - 50.0) < 30.0
    })
}

#[test]
fn a_click_or_a_box_finds_the_disc() {
    let prompts = [
        Prompt::point(60.0, 50.0),
        Prompt {
            bbox: Some([28.0, 18.0, 92.0, 82.0]),
            ..Prompt::default()
        },
    ];
    for prompt in prompts {
        let prediction = model()
            .decode(encoded(), &prompt, &Watch::default())
            .unwrap();
        assert_eq!(prediction.candidates.len(), 4);
        assert_eq!(prediction.best > 0, prompt.is_single_point());
        let best = &prediction.candidates[prediction.best];
        let iou = best.mask(encoded()).iou(&disc());
        assert!(iou > 0.95, "{prompt:?}: {iou}");
        let fed_back = Prompt {
            mask: Some(best.low_res.clone()),
            ..prompt
        };
        let again = model()
            .decode(encoded(), &fed_back, &Watch::default())
            .unwrap();
        assert!(again.candidates[again.best].mask(encoded()).iou(&disc()) > 0.95);
    }
}

#[test]
fn everything_finds_disjoint_objects() {
    let options = EverythingOptions {
        points_per_side: 8,
        ..EverythingOptions::default()
    };
    let last = Mutex::new(0.0f32);
    let report = |fraction: f32| {
        let mut last = last.lock().unwrap();
        *last = last.max(fraction);
    };
    let cancel = Cancel::new();
    let masks = model()
        .segment_everything(encoded(), &options, Task::new(&cancel, &report))
        .unwrap();
    assert_eq!(*last.lock().unwrap(), 1.0);
    assert!(masks.iter().any(|m| m.mask.iou(&disc()) > 0.95));
    assert!(masks.is_sorted_by(|a, b| a.score >= b.score));
    for (i, a) in masks.iter().enumerate() {
        assert!(!a.mask.is_empty() && a.score >= options.min_score);
        assert!(
            masks[i + 1..]
                .iter()
                .all(|b| a.mask.intersect(&b.mask).is_empty())
        );
    }
    cancel.cancel();
    let stopped = model().segment_everything(encoded(), &options, Task::new(&cancel, &report));
    assert!(matches!(stopped, Err(ModelError::Cancelled)));
}

#[test]
fn encoding_reports_progress_and_stops_when_asked() {
    let (rgb, w, h) = scene();
    let cancel = Cancel::new();
    let calls = AtomicU32::new(0);
    let report = |_: f32| {
        if calls.fetch_add(1, Ordering::Relaxed) == 3 {
            cancel.cancel();
        }
    };
    let task = Task::new(&cancel, &report);
    let stopped = model().encode(&rgb, w, h, &Watch::default(), task);
    assert!(matches!(stopped, Err(ModelError::Cancelled)));
    assert_eq!(
        calls.load(Ordering::Relaxed),
        4,
        "it went on after it was cancelled"
    );
    assert_eq!(ModelError::from(Cancelled).to_string(), "cancelled");
    let seen = Mutex::new(Vec::new());
    let report = |fraction: f32| seen.lock().unwrap().push(fraction);
    let cancel = Cancel::new();
    model()
        .encode(&rgb, w, h, &Watch::default(), Task::new(&cancel, &report))
        .unwrap();
    let seen = seen.lock().unwrap();
    assert!(
        seen.is_sorted() && seen.len() > 10 && seen.last() == Some(&1.0),
        "{seen:?}"
    );
}

#[test]
fn every_attention_layer_that_sees_the_photo_is_recorded() {
    let records = encoded().records();
    assert_eq!(records.len(), 10);
    assert_eq!(records[0].layer, "image_encoder.layers.1.blocks.0.attn");
    let grids: Vec<usize> = records
        .iter()
        .map(|r| r.query_tokens.grid.map_or(0, |g| g.rows))
        .collect();
    assert_eq!(grids, [128, 128, 64, 64, 64, 64, 64, 64, 64, 64]);
    for record in records {
        let Grouping::Windows(windows) = record.grouping else {
            panic!("{} has no windows", record.layer);
        };
        let row = record
            .row(record.attention_heads - 1, windows.count() - 1, 0)
            .unwrap();
        assert_eq!(row.len(), windows.side.pow(2));
        let norms = record.token_norms.as_ref().unwrap();
        assert_eq!(norms.len(), record.query_tokens.len());
        assert!(norms.iter().all(|norm| *norm > 0.0));
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }
    let prompt = Prompt::point(60.0, 50.0);
    let prediction = model()
        .decode(encoded(), &prompt, &Capture::QueriesAndKeys.into())
        .unwrap();
    let names: Vec<&str> = prediction
        .records
        .iter()
        .map(|r| r.layer.as_str())
        .collect();
    let root = "mask_decoder.transformer";
    let want = [
        format!("{root}.layers.0.cross_attn_token_to_image"),
        format!("{root}.layers.0.cross_attn_image_to_token"),
        format!("{root}.layers.1.cross_attn_token_to_image"),
        format!("{root}.layers.1.cross_attn_image_to_token"),
        format!("{root}.final_attn_token_to_image"),
    ];
    assert_eq!(names, want);
    assert_eq!(prediction.records[0].row(0, 0, 5).unwrap().len(), 64 * 64);
    // Five tokens of the decoder, the point and the padding point.
    assert_eq!(
        prediction.records[1].row(0, 0, 64 * 64 - 1).unwrap().len(),
        7
    );
    let quiet = model()
        .decode(encoded(), &prompt, &Watch::default())
        .unwrap();
    assert!(quiet.records.is_empty());
    let same = |p: &Prediction| p.candidates.iter().map(|c| c.score).collect::<Vec<_>>();
    assert_eq!(same(&quiet), same(&prediction));
    let records: usize = encoded().records().iter().map(QueryKey::bytes).sum();
    assert!(encoded().bytes() > records && records > 40 << 20);
}

#[test]
fn photos_of_any_shape_are_taken_and_wrong_sizes_are_not() {
    let encode =
        |rgb: &[u8], w, h| detached(|task| model().encode(rgb, w, h, &Watch::default(), task));
    for (w, h) in [(1, 1), (1, 5000)] {
        let encoding = encode(&vec![90; (w * h * 3) as usize], w, h).unwrap();
        assert_eq!((encoding.width(), encoding.height()), (w, h));
        let prediction = model()
            .decode(&encoding, &Prompt::point(0.5, 0.5), &Watch::default())
            .unwrap();
        assert!(prediction.candidates[0].mask(&encoding).area() <= u64::from(w * h));
    }
    for (len, w, h) in [(5, 1, 2), (0, 0, 0), (3, u32::MAX, u32::MAX)] {
        assert!(matches!(
            encode(&vec![0; len], w, h),
            Err(ModelError::PhotoSize { .. })
        ));
    }
}

#[test]
fn impossible_prompts_are_refused() {
    for prompt in [
        Prompt::default(),
        Prompt::point(201.0, 50.0),
        Prompt::point(f32::NAN, 50.0),
        Prompt {
            bbox: Some([10.0, 10.0, 10.0, 40.0]),
            ..Prompt::default()
        },
    ] {
        assert!(
            model()
                .decode(encoded(), &prompt, &Watch::default())
                .is_err(),
            "{prompt:?}"
        );
    }
}

#[test]
fn damaged_weights_are_refused_with_the_tensor_named() {
    let load = |bytes: &[u8]| from_safetensors(bytes.to_vec()).unwrap_err();
    let good = bytes();
    assert!(matches!(
        load(&good[..good.len() - 1]),
        ModelError::NotSafetensors { .. }
    ));
    let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let text = std::str::from_utf8(&good[8..8 + header])
            .unwrap()
            .replace(from, to);
        [&good[..8], text.as_bytes(), &good[8 + header..]].concat()
    };
    let error = load(&replaced("neck.0.weight", "neck.9.weight"));
    assert!(
        error
            .to_string()
            .contains("no tensor image_encoder.neck.0.weight"),
        "{error}"
    );
    let error = load(&replaced("[256,320,1,1]", "[320,256,1,1]"));
    let text = "image_encoder.neck.0.weight of model.safetensors has shape [320, 256, 1, 1]";
    assert!(error.to_string().contains(text), "{error}");
    // 0xffff is NaN in f16, and the last tensor of the file is small f32: all ones there.
    let mut spoilt = good.to_vec();
    let end = spoilt.len();
    spoilt[end - 4..].fill(0xff);
    assert!(matches!(load(&spoilt), ModelError::NotFinite { .. }));
}

fn off(ablation: Ablation) -> Watch {
    Watch {
        ablation,
        ..Watch::default()
    }
}

fn values(encoding: &Encoding) -> Vec<f32> {
    let values = encoding.embedding().flatten_all().unwrap();
    values.to_vec1::<f32>().unwrap()
}

#[test]
fn attention_heads_of_the_encoder_go_off() {
    let (rgb, w, h) = scene();
    let encode = |model: &PromptableModel, ablation: Ablation| {
        detached(|task| model.encode(&rgb, w, h, &off(ablation), task)).unwrap()
    };
    let (plain, none) = (values(encoded()), Ablation::none());
    assert_eq!(values(&encode(model(), none.clone())), plain);
    let layers = encoded().records();
    for (layer, head) in [(0, 3), (layers.len() - 1, 9)] {
        let got = values(&encode(model(), none.with(layer, head)));
        assert_ne!(got, plain);
        let name = &layers[layer].layer;
        let less = without_head(bytes(), name, head, layers[layer].head_dim);
        let less = from_safetensors(less).unwrap();
        close(&got, &values(&encode(&less, none.clone())), 1e-6);
    }
}

#[test]
fn attention_heads_of_the_decoder_go_off() {
    let prompt = Prompt::point(60.0, 50.0);
    let decode =
        |model: &PromptableModel, watch: &Watch| model.decode(encoded(), &prompt, watch).unwrap();
    let flat = |found: &Prediction| -> Vec<f32> {
        let masks = found.candidates.iter().map(|c| c.low_res.values());
        masks.flatten().copied().collect()
    };
    let plain = decode(model(), &Capture::QueriesAndKeys.into());
    let same = decode(model(), &off(Ablation::none()));
    assert_eq!(flat(&plain), flat(&same));
    for (layer, record) in plain.records.iter().enumerate() {
        let got = flat(&decode(model(), &off(Ablation::none().with(layer, 5))));
        assert_ne!(got, flat(&plain), "{}", record.layer);
        let less = without_head(bytes(), &record.layer, 5, record.head_dim);
        let less = from_safetensors(less).unwrap();
        close(&got, &flat(&decode(&less, &Watch::default())), 1e-5);
    }
}
