//! The embedded models against their reference implementations.
//! What the fixtures hold is written in `fixtures/mobile_sam/NOTICE`.

use patchlens::label::{Mask, Rect};
use patchlens::models::{
    Checkpoint, Encoding, Prediction, Prompt, PromptPoint, PromptableModel, mobile_sam,
};
use patchlens::nn::Watch;
use patchlens::task::detached;
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Largest difference, relative to the largest magnitude, against a reference
/// with the same weights: the arithmetic alone.
const SAME_WEIGHTS: f32 = 1e-4;
/// Against the reference with f32 weights: rounding them to f16 costs up to
/// 4e-4 (embedding) and 1e-3 (logits) on these photos.
const ROUNDED_EMBEDDING: f32 = 1e-3;
const ROUNDED_LOGITS: f32 = 3e-3;
const MEAN_MASK_IOU: f64 = 0.995;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/mobile_sam")
        .join(name)
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("assets/samples")
        .join(name)
}

fn model() -> &'static PromptableModel {
    static MODEL: OnceLock<PromptableModel> = OnceLock::new();
    MODEL.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/mobile-sam");
        let checkpoint = Checkpoint::read(&folder).unwrap();
        mobile_sam::load(&checkpoint.weights().unwrap(), &checkpoint).unwrap()
    })
}

/// A photo with its prompts and what the reference made of them.
struct Case {
    size: (u32, u32),
    encoding: Encoding,
    prompts: Vec<serde_json::Value>,
    tensors: Vec<u8>,
    name: &'static str,
}

impl Case {
    fn load(name: &'static str) -> Self {
        let rgb = image::open(sample(&format!("{name}.png")))
            .unwrap()
            .to_rgb8();
        let size = rgb.dimensions();
        let encoding =
            detached(|task| model().encode(&rgb, size.0, size.1, &Watch::default(), task)).unwrap();
        let json = std::fs::read_to_string(fixture(&format!("{name}.json"))).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let prompts = json["prompts"].as_array().unwrap().clone();
        let tensors = std::fs::read(fixture(&format!("{name}.safetensors"))).unwrap();
        Self {
            size,
            encoding,
            prompts,
            tensors,
            name,
        }
    }

    fn tensor(&self, name: &str) -> Option<Vec<f32>> {
        let tensors = SafeTensors::deserialize(&self.tensors).unwrap();
        let view = tensors.tensor(name).ok()?;
        let (words, _) = view.data().as_chunks::<4>();
        Some(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }

    fn expect(&self, name: &str, got: &[f32], tolerance: f32) {
        let want = self.tensor(name).unwrap();
        let error = relative_error(got, &want);
        assert!(
            error <= tolerance,
            "{} {name}: {error:e} is above {tolerance:e}",
            self.name
        );
    }

    fn mask_iou(&self, prompt: usize, prediction: &Prediction) -> f64 {
        let path = fixture(&format!("{}.mask{prompt}.png", self.name));
        let png = image::open(path).unwrap().to_luma8();
        assert_eq!(png.dimensions(), self.size);
        let photo = Rect {
            x0: 0,
            y0: 0,
            x1: self.size.0,
            y1: self.size.1,
        };
        let want = Mask::from_bitmap(photo, &png);
        prediction.candidates[prediction.best]
            .mask(&self.encoding)
            .iou(&want)
    }
}

fn relative_error(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len());
    let top = want.iter().fold(0f32, |top, v| top.max(v.abs()));
    got.iter()
        .zip(want)
        .fold(0f32, |worst, (a, b)| worst.max((a - b).abs()))
        / top
}

fn prompt_of(json: &serde_json::Value) -> Prompt {
    let numbers = |v: &serde_json::Value| -> Vec<f32> {
        v.as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_f64().unwrap() as f32)
            .collect()
    };
    let points = json["points"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|point| {
            let point = numbers(point);
            PromptPoint {
                x: point[0],
                y: point[1],
                positive: point[2] > 0.5,
            }
        });
    let bbox = json
        .get("box")
        .map(|bbox| numbers(bbox).try_into().unwrap());
    Prompt {
        points: points.collect(),
        bbox,
        mask: None,
    }
}

/// Every fourth value, as the fixtures keep them.
fn sampled(map: &[f32], side: usize) -> Vec<f32> {
    let rows = map.chunks_exact(side).skip(1).step_by(4);
    rows.flat_map(|row| row.iter().skip(2).step_by(4))
        .copied()
        .collect()
}

fn all_logits(prediction: &Prediction) -> Vec<f32> {
    let masks = prediction.candidates.iter().map(|c| &c.low_res);
    masks
        .flat_map(|mask| sampled(mask.values(), mask.side()))
        .collect()
}

fn scores(prediction: &Prediction) -> Vec<f32> {
    prediction.candidates.iter().map(|c| c.score).collect()
}

/// Photo by photo: embedding, logits, scores, choice and fed-back masks.
fn check(name: &'static str) {
    let case = Case::load(name);
    let embedding = case.encoding.embedding().permute((2, 0, 1)).unwrap();
    let embedding: Vec<Vec<Vec<f32>>> = embedding.to_vec3().unwrap();
    let embedding: Vec<f32> = embedding
        .iter()
        .flat_map(|channel| sampled(&channel.concat(), 64))
        .collect();
    case.expect("embedding.shipped", &embedding, SAME_WEIGHTS);
    case.expect("embedding", &embedding, ROUNDED_EMBEDDING);
    let mut ious = Vec::new();
    for (k, json) in case.prompts.iter().enumerate() {
        let mut prompt = prompt_of(json);
        let prediction = model()
            .decode(&case.encoding, &prompt, &Watch::default())
            .unwrap();
        assert_eq!(
            prediction.best as u64,
            json["chosen_mask"].as_u64().unwrap()
        );
        case.expect(
            &format!("low_res.{k}"),
            &all_logits(&prediction),
            ROUNDED_LOGITS,
        );
        case.expect(&format!("iou.{k}"), &scores(&prediction), ROUNDED_EMBEDDING);
        let best = &prediction.candidates[prediction.best].low_res;
        if json.get("box").is_none() {
            let got = sampled(best.values(), best.side());
            case.expect(&format!("low_res.shipped.{k}"), &got, SAME_WEIGHTS);
        }
        ious.push(case.mask_iou(k, &prediction));
        prompt.mask = Some(best.clone());
        let fed_back = model()
            .decode(&case.encoding, &prompt, &Watch::default())
            .unwrap();
        case.expect(
            &format!("low_res_fed_back.{k}"),
            &all_logits(&fed_back),
            ROUNDED_LOGITS,
        );
        case.expect(
            &format!("iou_fed_back.{k}"),
            &scores(&fed_back),
            ROUNDED_EMBEDDING,
        );
    }
    let mean = ious.iter().sum::<f64>() / ious.len() as f64;
    assert!(
        mean >= MEAN_MASK_IOU,
        "{name}: mean mask IoU {mean}, {ious:?}"
    );
}

#[test]
fn mobile_sam_on_coffee() {
    check("coffee");
}

#[test]
fn mobile_sam_on_chelsea() {
    check("chelsea");
}
