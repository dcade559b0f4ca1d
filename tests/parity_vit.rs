//! ViT, DeiT, DINO and DINOv2 against transformers. The models are tiny and
//! random: what the fixtures hold is written in `fixtures/vit/NOTICE`.

use candle_core::{Device, Tensor};
use patchlens::models::vit::VisionTransformer;
use patchlens::models::{Checkpoint, Fit, Output, Run, VisionModel};
use patchlens::nn::Capture;
use patchlens::nn::capture::QueryKey;
use patchlens::task::detached;
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};

/// Largest difference, relative to the largest magnitude of the tensor.
const TOLERANCE: f32 = 1e-4;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A checkpoint, a photo and what the reference made of it.
struct Case {
    name: String,
    checkpoint: Checkpoint,
    model: VisionTransformer,
    expected: Vec<u8>,
}

impl Case {
    fn load(folder: &Path) -> Self {
        let checkpoint = Checkpoint::read(folder).unwrap();
        let weights = checkpoint.weights().unwrap();
        let model =
            VisionTransformer::load(&weights, &checkpoint.config, checkpoint.family).unwrap();
        Self {
            name: folder.display().to_string(),
            checkpoint,
            model,
            expected: std::fs::read(folder.join("expected.safetensors")).unwrap(),
        }
    }

    /// Shape and values of a tensor.
    fn tensor(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let tensors = SafeTensors::deserialize(&self.expected).unwrap();
        let view = tensors.tensor(name).ok()?;
        let (words, _) = view.data().as_chunks::<4>();
        let values = words.iter().map(|word| f32::from_le_bytes(*word));
        Some((view.shape().to_vec(), values.collect()))
    }

    /// The network's input as the reference has it: (rows, columns, 3).
    fn stored_pixels(&self) -> Tensor {
        let (shape, values) = self.tensor("pixel_values").unwrap();
        let pixels = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        let pixels = pixels.squeeze(0).unwrap().permute((1, 2, 0)).unwrap();
        pixels.contiguous().unwrap()
    }

    /// The network's input made of the photo.
    fn own_pixels(&self) -> Tensor {
        let folder = &self.checkpoint.folder;
        let photo = image::open(folder.join("image.png")).unwrap().to_rgb8();
        let size = (photo.width() as usize, photo.height() as usize);
        let preprocessor = &self.checkpoint.preprocessor;
        let prepared = preprocessor.prepare(&photo, size, Fit::Trained, None);
        prepared.unwrap().pixels
    }

    fn run(&self, pixels: &Tensor) -> Run {
        detached(|task| {
            self.model
                .run(pixels, &Capture::QueriesAndKeys.into(), task)
        })
        .unwrap()
    }

    fn expect(&self, name: &str, shape: &[usize], got: &[f32]) {
        let (wanted, want) = self.tensor(name).unwrap();
        assert_eq!(shape, wanted, "{}: shape of {name}", self.name);
        let top = want.iter().fold(0f32, |top, v| top.max(v.abs()));
        let worst = got.iter().zip(&want).map(|(got, want)| (got - want).abs());
        let worst = worst.fold(0f32, f32::max) / top;
        assert!(
            worst <= TOLERANCE,
            "{}: {name} is off by {worst}",
            self.name
        );
    }

    /// All that the reference says about this input.
    fn check(&self, pixels: &Tensor) {
        let (rows, columns, channels) = pixels.dims3().unwrap();
        let planes = pixels.permute((2, 0, 1)).unwrap().flatten_all().unwrap();
        let planes = planes.to_vec1::<f32>().unwrap();
        self.expect("pixel_values", &[1, channels, rows, columns], &planes);

        let run = self.run(pixels);
        match &run.output {
            Output::Classes { logits, others } => {
                self.expect("logits", &[1, logits.len()], logits);
                for (name, logits) in others {
                    self.expect(name, &[1, logits.len()], logits);
                }
                let distilled = self.tensor("cls_logits").is_some();
                assert_eq!(others.len(), if distilled { 2 } else { 0 });
            }
            Output::Features => {
                let tokens = &run.hidden.as_ref().unwrap().tokens;
                let (count, width) = tokens.dims2().unwrap();
                let tokens = tokens.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                self.expect("last_hidden_state", &[1, count, width], &tokens);
            }
            Output::Dense(_) => panic!("{} is no dense model", self.name),
        }
        for (i, record) in run.records.iter().enumerate() {
            let (shape, attention) = attention(record);
            self.expect(&format!("attentions.{i}"), &shape, &attention);
            let norms = self.norms(i + 1);
            let got = record.token_norms.as_ref().unwrap();
            // The last hidden state of some families comes after the final norm.
            if i + 1 < run.records.len() {
                let close = |(got, want): (&f32, f32)| (got - want).abs() <= TOLERANCE * want;
                assert!(got.iter().zip(norms).all(close), "{}: norms {i}", self.name);
            }
        }
        let next = format!("attentions.{}", run.records.len());
        assert!(
            self.tensor(&next).is_none(),
            "{}: too few layers",
            self.name
        );
    }

    /// Lengths of the tokens of a hidden state.
    fn norms(&self, index: usize) -> Vec<f32> {
        let (shape, values) = self.tensor(&format!("hidden_states.{index}")).unwrap();
        let length = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>().sqrt();
        values.chunks_exact(shape[2]).map(length).collect()
    }
}

/// All rows of a layer, (1, heads, queries, keys).
fn attention(record: &QueryKey) -> (Vec<usize>, Vec<f32>) {
    let (queries, keys) = record.group(0).unwrap();
    let (heads, tokens, _) = queries.dims3().unwrap();
    let mut values = Vec::new();
    for head in 0..heads {
        for query in 0..tokens {
            values.extend(record.row_of(&queries, &keys, head, query).unwrap());
        }
    }
    (vec![1, heads, tokens, keys.dim(1).unwrap()], values)
}

/// The model alone, then from the photo.
pub fn check_snapshot(folder: &Path) {
    let case = Case::load(folder);
    case.check(&case.stored_pixels());
    case.check(&case.own_pixels());
}

#[test]
fn vit_is_the_references() {
    check_snapshot(&fixture("vit"));
}

#[test]
fn deit_is_the_references() {
    check_snapshot(&fixture("deit"));
}

#[test]
fn deit_with_a_teacher_is_the_references() {
    check_snapshot(&fixture("deit_distilled"));
}

#[test]
fn dino_is_the_references() {
    check_snapshot(&fixture("dino"));
}

#[test]
fn dinov2_is_the_references() {
    check_snapshot(&fixture("dinov2"));
}

#[test]
fn dinov2_with_registers_is_the_references() {
    check_snapshot(&fixture("dinov2_with_registers"));
}
