//! MobileViT with DeepLabV3 and SegFormer against transformers'
//! `MobileViTForSemanticSegmentation` and `SegformerForSemanticSegmentation`:
//! random weights, so the classes mean nothing and only the numbers do.
//!
//! Besides one checkpoint of each family as the Hub has them there is one that
//! stretches the configuration: `mobilevit_deeplabv3_patches` has patches of
//! 4×4 pixels, filters of 5×5, output stride 8 and two shards;
//! `segformer_odd` an input of 101×75 pixels, of which rows and columns are
//! left over at every reduction, and f16 weights.

use candle_core::{Device, Tensor};
use patchlens::models::mobilevit::MobileVit;
use patchlens::models::segformer::SegFormer;
use patchlens::models::{Checkpoint, Family, Fit, Output, VisionModel};
use patchlens::nn::Capture;
use patchlens::nn::capture::QueryKey;
use patchlens::nn::{Interpolation, resize_map};
use patchlens::task::detached;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// Largest difference, relative to the largest magnitude.
const TOLERANCE: f32 = 1e-4;
/// Share of a label map's pixels that must be the same.
const SAME_PIXELS: f64 = 0.999;

/// A checkpoint, a photo and what the reference made of it.
struct Case {
    name: String,
    checkpoint: Checkpoint,
    model: Box<dyn VisionModel>,
    photo: image::RgbImage,
    expected: Vec<u8>,
}

impl Case {
    fn load(folder: &Path) -> Self {
        let checkpoint = Checkpoint::read(folder).unwrap();
        let weights = checkpoint.weights().unwrap();
        let model: Box<dyn VisionModel> = match checkpoint.family {
            Family::MobileVit => Box::new(MobileVit::load(&weights, &checkpoint.config).unwrap()),
            Family::SegFormer => Box::new(SegFormer::load(&weights, &checkpoint.config).unwrap()),
            other => panic!("{other:?} is not dense"),
        };
        Self {
            name: folder.display().to_string(),
            model,
            checkpoint,
            photo: image::open(folder.join("image.png")).unwrap().to_rgb8(),
            expected: std::fs::read(folder.join("expected.safetensors")).unwrap(),
        }
    }

    /// Shape and values of a tensor, of bytes too.
    fn tensor(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let tensors = SafeTensors::deserialize(&self.expected).unwrap();
        let view = tensors.tensor(name).ok()?;
        let values = match view.dtype() {
            Dtype::F32 => {
                let (words, _) = view.data().as_chunks::<4>();
                words.iter().map(|word| f32::from_le_bytes(*word)).collect()
            }
            Dtype::U8 => view.data().iter().map(|byte| f32::from(*byte)).collect(),
            other => panic!("{name} holds {other:?}"),
        };
        Some((view.shape().to_vec(), values))
    }

    fn expect(&self, name: &str, shape: &[usize], got: &[f32]) {
        let (wanted, want) = self.tensor(name).unwrap();
        assert_eq!(shape, wanted, "{}: shape of {name}", self.name);
        let top = want.iter().fold(0f32, |top, v| top.max(v.abs()));
        let pairs = got.iter().zip(&want);
        let error = pairs.fold(0f32, |worst, (a, b)| worst.max((a - b).abs())) / top;
        let name = format!("{}: {name}", self.name);
        assert!(error <= TOLERANCE, "{name} is off by {error:e}");
    }

    /// Everything that the network makes of `pixels`, (rows, columns, 3).
    fn check(&self, pixels: &Tensor) {
        let run = |capture: Capture| {
            detached(|task| self.model.run(pixels, &capture.into(), task)).unwrap()
        };
        let (run, plain) = (run(Capture::QueriesAndKeys), run(Capture::Off));
        let (Output::Dense(scores), Output::Dense(same)) = (run.output, plain.output) else {
            panic!("{}: no scores for each place", self.name);
        };
        let (scores, same) = (scores.logits, same.logits);
        assert!(plain.records.is_empty());
        assert_eq!(flat(&scores), flat(&same), "recording changes nothing");
        let (rows, columns, classes) = scores.dims3().unwrap();
        assert_eq!(classes, self.checkpoint.labels.classes.len());
        let channels_first = flat(&scores.permute((2, 0, 1)).unwrap());
        self.expect("logits", &[1, classes, rows, columns], &channels_first);
        let (height, width, _) = pixels.dims3().unwrap();
        self.check_labels("labels_at_input", &scores, (height, width));
        let (width, height) = self.photo.dimensions();
        self.check_labels("labels", &scores, (height as usize, width as usize));
        self.check_attentions(&run.records);
    }

    /// The best class of each pixel after resizing the scores to `size`.
    fn check_labels(&self, name: &str, scores: &Tensor, size: (usize, usize)) {
        let from = scores.dims3().unwrap();
        let large = resize_map(&flat(scores), from, size, Interpolation::Bilinear);
        let best = large.chunks_exact(from.2).map(|scores| {
            let better = |best: usize, i: usize| if scores[i] > scores[best] { i } else { best };
            (0..scores.len()).fold(0, better) as f32
        });
        let (shape, want) = self.tensor(name).unwrap();
        assert_eq!(shape, [size.0, size.1]);
        let same = best.zip(&want).filter(|(got, want)| got == *want).count();
        let share = same as f64 / want.len() as f64;
        assert!(share >= SAME_PIXELS, "{}: {share} of {name}", self.name);
    }

    /// Each layer's matrices from the recorded queries and keys, row by row.
    fn check_attentions(&self, records: &[QueryKey]) {
        for (i, record) in records.iter().enumerate() {
            let (groups, heads) = (record.group_count(), record.attention_heads);
            let queries = record.query_tokens.len() / groups;
            let mut rows = Vec::new();
            for group in 0..groups {
                let (asking, keys) = record.group(group).unwrap();
                for head in 0..heads {
                    let row = |query| record.row_of(&asking, &keys, head, query).unwrap();
                    rows.extend((0..queries).flat_map(row));
                }
            }
            let keys = record.key_tokens.len() / groups;
            let shape = [groups, heads, queries, keys];
            self.expect(&format!("attentions.{i}"), &shape, &rows);
            let norms = record.token_norms.as_ref().unwrap();
            assert_eq!(norms.len(), record.query_tokens.len());
        }
        let next = format!("attentions.{}", records.len());
        assert!(self.tensor(&next).is_none(), "{next} was not recorded");
    }
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// From the reference's `pixel_values`, then from the photo.
fn check(name: &str) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let case = Case::load(&fixtures.join(name));
    let (shape, values) = case.tensor("pixel_values").unwrap();
    let stored = Tensor::from_vec(values, &shape[1..], &Device::Cpu).unwrap();
    let stored = stored.permute((1, 2, 0)).unwrap().contiguous().unwrap();
    case.check(&stored);
    let (width, height) = case.photo.dimensions();
    let size = (width as usize, height as usize);
    let preprocessor = &case.checkpoint.preprocessor;
    let prepared = preprocessor
        .prepare(&case.photo, size, Fit::Trained, None)
        .unwrap();
    let channels_first = flat(&prepared.pixels.permute((2, 0, 1)).unwrap());
    case.expect("pixel_values", &shape, &channels_first);
    case.check(&prepared.pixels);
}

#[test]
fn mobilevit_is_transformers() {
    check("mobilevit_deeplabv3");
    check("mobilevit_deeplabv3_patches");
}

#[test]
fn segformer_is_transformers() {
    check("segformer");
    check("segformer_odd");
}
