//! SAM and SlimSAM against transformers' `SamModel`. What the fixtures hold is
//! written in `fixtures/sam/NOTICE`.

use patchlens::label::{Mask, Rect};
use patchlens::models::promptable::{Encoding, Prediction, PromptableModel};
use patchlens::models::{Checkpoint, Prompt, PromptPoint, sam};
use patchlens::nn::{Capture, Watch};
use patchlens::task::detached;
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};

/// Largest difference, relative to the largest magnitude.
const TOLERANCE: f32 = 1e-4;
/// Share of a mask's pixels that must be the same.
const SAME_PIXELS: f64 = 0.999;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A checkpoint, a photo and what the reference made of it.
struct Case {
    name: String,
    model: PromptableModel,
    photo: image::RgbImage,
    expected: Vec<u8>,
}

impl Case {
    fn load(folder: &Path) -> Self {
        let checkpoint = Checkpoint::read(folder).unwrap();
        Self {
            name: folder.display().to_string(),
            model: sam::load(&checkpoint.weights().unwrap(), &checkpoint).unwrap(),
            photo: image::open(folder.join("image.png")).unwrap().to_rgb8(),
            expected: std::fs::read(folder.join("expected.safetensors")).unwrap(),
        }
    }

    /// Shape and values of a tensor, whatever it holds.
    fn tensor(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let tensors = SafeTensors::deserialize(&self.expected).unwrap();
        let view = tensors.tensor(name).ok()?;
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => {
                let (words, _) = data.as_chunks::<4>();
                words.iter().map(|word| f32::from_le_bytes(*word)).collect()
            }
            Dtype::I64 => {
                let (words, _) = data.as_chunks::<8>();
                let words = words.iter().map(|word| i64::from_le_bytes(*word) as f32);
                words.collect()
            }
            Dtype::U8 => data.iter().map(|byte| f32::from(*byte)).collect(),
            other => panic!("{name} holds {other:?}"),
        };
        Some((view.shape().to_vec(), values))
    }

    fn values(&self, name: &str) -> Vec<f32> {
        self.tensor(name).unwrap().1
    }

    fn expect(&self, name: &str, shape: &[usize], got: &[f32]) {
        let (wanted, want) = self.tensor(name).unwrap();
        assert_eq!(shape, wanted, "{}: shape of {name}", self.name);
        let top = want.iter().fold(0f32, |top, v| top.max(v.abs()));
        let pairs = got.iter().zip(&want);
        let worst = pairs.fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
        let error = worst / top;
        assert!(
            error <= TOLERANCE,
            "{}: {name} is off by {error:e}",
            self.name
        );
    }

    /// Everything that the network makes of `pixels`, (frame, frame, 3).
    fn check(&self, pixels: &candle_core::Tensor) {
        let (width, height) = self.photo.dimensions();
        let encoding = detached(|task| {
            let watch = Watch::from(Capture::QueriesAndKeys);
            self.model
                .encode_pixels(pixels, width, height, &watch, task)
        })
        .unwrap();
        let embedding = flat(&encoding.embedding().permute((2, 0, 1)).unwrap());
        let grid = encoding.grid();
        let shape = [1, self.model.design().width, grid.rows, grid.columns];
        self.expect("image_embeddings", &shape, &embedding);
        self.check_attentions(&encoding);
        let (resized, want) = (encoding.resized(), self.values("reshaped_input_size"));
        assert_eq!([resized.1 as f32, resized.0 as f32], want[..]);
        for k in 0.. {
            let Some(prompt) = self.prompt(k) else {
                assert!(k > 0, "no prompts");
                break;
            };
            let prediction = self
                .model
                .decode(&encoding, &prompt, &Watch::default())
                .unwrap();
            self.check_prediction(k, &prediction, &encoding);
        }
    }

    /// Each layer's matrices from the recorded queries and keys, row by row.
    fn check_attentions(&self, encoding: &Encoding) {
        let records = encoding.records();
        for (i, record) in records.iter().enumerate() {
            let (groups, heads) = (record.group_count(), record.attention_heads);
            let (_, keys) = record.group(0).unwrap();
            let tokens = keys.dims()[1];
            let mut rows = Vec::new();
            for group in 0..groups {
                let (queries, keys) = record.group(group).unwrap();
                for head in 0..heads {
                    for query in 0..tokens {
                        rows.extend(record.row_of(&queries, &keys, head, query).unwrap());
                    }
                }
            }
            let shape = [groups * heads, tokens, tokens];
            self.expect(&format!("attentions.{i}"), &shape, &rows);
            let norms = record.token_norms.as_ref().unwrap();
            if let Some((shape, hidden)) = self.tensor(&format!("hidden_states.{}", i + 1)) {
                let tokens = hidden.chunks_exact(shape[3]);
                let want = tokens.map(|token| token.iter().map(|v| v * v).sum::<f32>().sqrt());
                let pairs = norms.iter().zip(want);
                assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-3 * b));
            }
        }
        let next = format!("attentions.{}", records.len());
        assert!(self.tensor(&next).is_none(), "{next} was not recorded");
    }

    fn prompt(&self, k: usize) -> Option<Prompt> {
        let points = self.tensor(&format!("input_points.{k}"));
        let bbox = self.tensor(&format!("input_box.{k}"));
        if points.is_none() && bbox.is_none() {
            return None;
        }
        let points = points.map_or(Vec::new(), |(_, points)| {
            let labels = self.values(&format!("input_labels.{k}"));
            let points = points.chunks_exact(2).zip(labels);
            points
                .map(|(point, label)| PromptPoint {
                    x: point[0],
                    y: point[1],
                    positive: label > 0.5,
                })
                .collect()
        });
        Some(Prompt {
            points,
            bbox: bbox.map(|(_, corners)| corners.try_into().unwrap()),
            mask: None,
        })
    }

    fn check_prediction(&self, k: usize, prediction: &Prediction, encoding: &Encoding) {
        let shown = &prediction.candidates[1..];
        let (n, side) = (shown.len(), shown[0].low_res.side());
        let logits: Vec<f32> = shown
            .iter()
            .flat_map(|candidate| candidate.low_res.values())
            .copied()
            .collect();
        self.expect(&format!("pred_masks.{k}"), &[1, 1, n, side, side], &logits);
        let scores: Vec<f32> = shown.iter().map(|candidate| candidate.score).collect();
        self.expect(&format!("iou_scores.{k}"), &[1, 1, n], &scores);
        let chosen = self.values(&format!("mask_index.{k}"))[0];
        assert_eq!(prediction.best as f32, chosen + 1.0, "{}", self.name);
        let (width, height) = self.photo.dimensions();
        let area = (width * height) as usize;
        let masks = self.values(&format!("masks.{k}"));
        assert_eq!(masks.len(), n * area);
        for (candidate, want) in shown.iter().zip(masks.chunks_exact(area)) {
            self.same_mask(&candidate.mask(encoding), want);
        }
        let best = prediction.candidates[prediction.best].mask(encoding);
        self.same_mask(&best, &self.values(&format!("mask.{k}")));
    }

    fn same_mask(&self, got: &Mask, want: &[f32]) {
        let (width, height) = self.photo.dimensions();
        let photo = Rect::of_size(width, height);
        let bytes: Vec<u8> = want.iter().map(|v| *v as u8).collect();
        let want = Mask::from_bitmap(photo, &bytes);
        let wrong = got.subtract(&want).area() + want.subtract(got).area();
        let same = 1.0 - wrong as f64 / photo.area() as f64;
        assert!(same >= SAME_PIXELS, "{}: {wrong} pixels", self.name);
    }
}

fn flat(tensor: &candle_core::Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// From the reference's `pixel_values`, then from the photo.
fn check(folder: &Path) {
    let case = Case::load(folder);
    let (shape, values) = case.tensor("pixel_values").unwrap();
    let stored = candle_core::Tensor::from_vec(values, &shape[1..], &candle_core::Device::Cpu);
    let stored = stored.unwrap().permute((1, 2, 0)).unwrap();
    case.check(&stored.contiguous().unwrap());
    let (width, height) = case.photo.dimensions();
    let pixels = case.model.pixels(&case.photo, width, height).unwrap();
    let channels_first = flat(&pixels.permute((2, 0, 1)).unwrap());
    case.expect("pixel_values", &shape, &channels_first);
    case.check(&pixels);
}

#[test]
fn sam_is_transformers() {
    check(&fixture("sam"));
}

#[test]
fn a_pruned_sam_with_a_sparse_configuration_is_transformers() {
    check(&fixture("sam_slim"));
}
