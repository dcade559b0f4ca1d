//! What `attention` makes of recorded queries and keys against the attention
//! maps of transformers, for every family. The models are tiny and random: what
//! the fixtures hold is written in `fixtures/vit/NOTICE`.

use candle_core::{Device, Tensor};
use patchlens::attention::{
    Heads, Query, Reverse, RolloutOptions, Target, all_heads, attentions, relevance, rollout,
    rollout_row, row, statistics,
};
use patchlens::models::mobilevit::MobileVit;
use patchlens::models::predict::{Options, Picture, observe};
use patchlens::models::segformer::SegFormer;
use patchlens::models::vit::VisionTransformer;
use patchlens::models::{Checkpoint, VisionModel, registry, sam};
use patchlens::nn::capture::QueryKey;
use patchlens::nn::{Capture, Watch};
use patchlens::task::{Task, detached};
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};

/// Largest difference, relative to the largest magnitude of the tensor.
const TOLERANCE: f32 = 1e-4;

/// The fixtures of one family.
struct Fixture {
    folder: PathBuf,
    expected: Vec<u8>,
}

impl Fixture {
    fn open(name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let folder = root.join(name);
        let expected = std::fs::read(folder.join("expected.safetensors")).unwrap();
        Self { folder, expected }
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
    fn pixels(&self) -> Tensor {
        let (shape, values) = self.tensor("pixel_values").unwrap();
        let pixels = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        let pixels = pixels.squeeze(0).unwrap().permute((1, 2, 0)).unwrap();
        pixels.contiguous().unwrap()
    }

    /// The records of a run on [`Fixture::pixels`].
    fn records(&self) -> Vec<QueryKey> {
        let pixels = self.pixels();
        let run = |task: Task<'_>| {
            self.model()
                .run(&pixels, &Capture::QueriesAndKeys.into(), task)
        };
        detached(run).unwrap().records
    }

    /// As [`Fixture::records`], for SAM's encoder.
    fn encoder_records(&self) -> Vec<QueryKey> {
        let checkpoint = Checkpoint::read(&self.folder).unwrap();
        let model = sam::load(&checkpoint.weights().unwrap(), &checkpoint).unwrap();
        let (width, height) = image::image_dimensions(self.folder.join("image.png")).unwrap();
        let (pixels, watch) = (self.pixels(), Watch::from(Capture::QueriesAndKeys));
        let encode = |task: Task<'_>| model.encode_pixels(&pixels, width, height, &watch, task);
        detached(encode).unwrap().records().to_vec()
    }

    fn model(&self) -> Box<dyn VisionModel> {
        let checkpoint = Checkpoint::read(&self.folder).unwrap();
        let (weights, config) = (checkpoint.weights().unwrap(), &checkpoint.config);
        let name = self.folder.file_name().unwrap().to_str().unwrap();
        match name {
            "segformer" => Box::new(SegFormer::load(&weights, config).unwrap()),
            "mobilevit_deeplabv3" => Box::new(MobileVit::load(&weights, config).unwrap()),
            _ => {
                let family = checkpoint.family;
                Box::new(VisionTransformer::load(&weights, config, family).unwrap())
            }
        }
    }

    /// Every attention map of the reference, layer by layer.
    fn maps(&self) -> Vec<(Vec<usize>, Vec<f32>)> {
        let map = |layer: usize| self.tensor(&format!("attentions.{layer}"));
        (0..).map_while(map).collect()
    }
}

fn close(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let top = want.iter().fold(0f32, |top, v| top.max(v.abs()));
    let worst = got.iter().zip(want).map(|(got, want)| (got - want).abs());
    let worst = worst.fold(0f32, f32::max) / top;
    assert!(worst <= TOLERANCE, "{what} is off by {worst}");
}

fn check_maps(name: &str, records: fn(&Fixture) -> Vec<QueryKey>) {
    let fixture = Fixture::open(name);
    let (records, maps) = (records(&fixture), fixture.maps());
    assert!(!maps.is_empty());
    assert_eq!(records.len(), maps.len(), "{name}");
    for (record, (shape, want)) in records.iter().zip(&maps) {
        let what = format!("{name} {}", record.layer);
        let got = attentions(record).unwrap();
        assert_eq!(got.dims(), shape, "{what}");
        let got: Vec<f32> = got.flatten_all().unwrap().to_vec1().unwrap();
        close(&got, want, &what);
    }
}

/// Gradient-weighted rollout of the class token for each class, computed with
/// PyTorch's own gradients.
#[test]
fn relevance_is_that_of_the_references_gradients() {
    for name in ["vit", "deit"] {
        let mut fixture = Fixture::open(name);
        fixture.expected = std::fs::read(fixture.folder.join("relevance.safetensors")).unwrap();
        let photo = image::open(fixture.folder.join("image.png")).unwrap();
        let photo = photo.to_rgb8();
        let picture = Picture {
            rgb: photo.as_raw(),
            width: photo.width(),
            height: photo.height(),
        };
        let load = |task: Task<'_>| registry::load(fixture.folder.as_os_str(), task);
        let model = detached(load).unwrap();
        let look = |task: Task<'_>| observe(&model, picture, &Options::default(), task);
        let seen = detached(look).unwrap();
        let classes = model.info.labels.classes.len();
        assert!(classes > 1);
        for class in 0..classes {
            let explain = |task: Task<'_>| relevance(&model, &seen, &Target::Class(class), task);
            let row = detached(explain).unwrap().row;
            let grid = row.grid.unwrap().values;
            let got: Vec<f32> = row.prefix.iter().chain(&grid).copied().collect();
            let (_, want) = fixture.tensor(&format!("relevance.{class}")).unwrap();
            close(&got, &want, &format!("{name} class {class}"));
        }
    }
}

#[test]
fn the_vit_kin_has_the_references_maps() {
    for name in [
        "vit",
        "deit",
        "deit_distilled",
        "dino",
        "dinov2",
        "dinov2_with_registers",
    ] {
        check_maps(name, Fixture::records);
    }
}

#[test]
fn reduced_keys_have_the_references_maps() {
    check_maps("segformer", Fixture::records);
}

#[test]
fn phases_have_the_references_maps() {
    check_maps("mobilevit_deeplabv3", Fixture::records);
}

#[test]
fn windows_and_relative_positions_have_the_references_maps() {
    for name in ["sam", "sam_slim"] {
        check_maps(name, Fixture::encoder_records);
        let records = Fixture::open(name).encoder_records();
        let options = RolloutOptions::default();
        let error = detached(|task| rollout(&records, &options, task)).unwrap_err();
        assert!(
            error.to_string().contains("looks within windows"),
            "{error}"
        );
    }
}

/// The reference's weights, as [head][query][key].
fn by_head((shape, values): &(Vec<usize>, Vec<f32>)) -> Vec<Vec<Vec<f32>>> {
    let [_, _, queries, keys] = shape[..] else {
        panic!("not a plain layer: {shape:?}")
    };
    let rows = |head: &[f32]| head.chunks_exact(keys).map(<[f32]>::to_vec).collect();
    values.chunks_exact(queries * keys).map(rows).collect()
}

#[test]
fn rows_and_columns_are_the_references() {
    let fixture = Fixture::open("dinov2_with_registers");
    for (record, map) in fixture.records().iter().zip(fixture.maps()) {
        let heads = by_head(&map);
        let tokens = record.query_tokens;
        let (prefix, grid) = (tokens.prefix, tokens.grid.unwrap());
        let token = Query::Token { row: 2, column: 1 };
        let place = prefix + 2 * grid.columns + 1;
        for (query, place) in [(Query::Prefix(0), 0), (token.clone(), place)] {
            for (row, head) in all_heads(record, &query).unwrap().iter().zip(&heads) {
                close(&row.prefix, &head[place][..prefix], "prefix of a row");
                let on_grid = &row.grid.as_ref().unwrap().values;
                close(on_grid, &head[place][prefix..], "a row");
            }
        }
        let prepared = detached(|task| Reverse::new(record, task)).unwrap();
        for (column, head) in prepared.all_heads(&token).unwrap().iter().zip(&heads) {
            let want: Vec<f32> = head.iter().map(|row| row[place]).collect();
            close(&column.prefix, &want[..prefix], "prefix of a column");
            close(
                &column.grid.as_ref().unwrap().values,
                &want[prefix..],
                "a column",
            );
        }
        let mean = row(record, &Heads::Mean, &Query::Prefix(0)).unwrap();
        let mean_of = |key: usize| {
            let weights = heads.iter().map(|head| head[0][key]);
            weights.sum::<f32>() / heads.len() as f32
        };
        let want: Vec<f32> = (prefix..tokens.len()).map(mean_of).collect();
        close(&mean.grid.unwrap().values, &want, "the mean over heads");
    }
}

/// Rollout from the reference's weights, straight from the paper, in f64.
fn rolled_out(maps: &[(Vec<usize>, Vec<f32>)]) -> Vec<Vec<f64>> {
    let n = maps[0].0[2];
    let identity = |i: usize, j: usize| f64::from(u8::from(i == j));
    let row = |i| (0..n).map(|j| identity(i, j)).collect();
    let mut all: Vec<Vec<f64>> = (0..n).map(row).collect();
    for map in maps {
        let heads = by_head(map);
        let mixing = |i: usize, j: usize| {
            let sum: f64 = heads.iter().map(|head| f64::from(head[i][j])).sum();
            (sum / heads.len() as f64 + identity(i, j)) / 2.0
        };
        let entry = |i, j| (0..n).map(|k| mixing(i, k) * all[k][j]).sum();
        all = (0..n)
            .map(|i| (0..n).map(|j| entry(i, j)).collect())
            .collect();
    }
    all
}

#[test]
fn rollout_is_that_of_the_references_maps() {
    for name in ["vit", "dino", "dinov2_with_registers"] {
        let fixture = Fixture::open(name);
        let (records, want) = (fixture.records(), rolled_out(&fixture.maps()));
        let options = RolloutOptions::default();
        let got = detached(|task| rollout(&records, &options, task)).unwrap();
        let want: Vec<Vec<f32>> = want
            .iter()
            .map(|row| row.iter().map(|v| *v as f32).collect())
            .collect();
        close(got.matrix(), &want.concat(), name);
        let class = |task: Task<'_>| rollout_row(&records, &Query::Prefix(0), &options, task);
        let class = detached(class).unwrap();
        let prefix = records[0].query_tokens.prefix;
        close(&class.grid.unwrap().values, &want[0][prefix..], name);
    }
}

#[test]
fn statistics_are_those_of_the_references_maps() {
    let fixture = Fixture::open("vit");
    for (record, map) in fixture.records().iter().zip(fixture.maps()) {
        let got = detached(|task| statistics(record, (16.0, 16.0), task)).unwrap();
        for (got, head) in got.iter().zip(by_head(&map)) {
            let count = head.len() as f32;
            let entropy = |row: &Vec<f32>| row.iter().map(|w| -w * w.ln()).sum::<f32>();
            let entropy = head.iter().map(entropy).sum::<f32>() / count;
            assert!((got.entropy - entropy).abs() <= TOLERANCE * entropy);
            let prefix = head.iter().map(|row| row[0]).sum::<f32>() / count;
            assert!((got.prefix_mass - prefix).abs() <= TOLERANCE);
            let columns = record.key_tokens.grid.unwrap().columns;
            let distance = |a: usize, b: usize| {
                let apart = |a: usize, b: usize| (a as f32 - b as f32) * 16.0;
                apart(a / columns, b / columns).hypot(apart(a % columns, b % columns))
            };
            let mean = |(at, row): (usize, &Vec<f32>)| {
                let keys = row[1..].iter().enumerate();
                let sum: f32 = keys.map(|(key, w)| w * distance(at, key)).sum();
                sum / row[1..].iter().sum::<f32>()
            };
            let mean = head[1..].iter().enumerate().map(mean).sum::<f32>() / (count - 1.0);
            assert!((got.mean_distance.unwrap() - mean).abs() <= TOLERANCE * mean);
        }
    }
}
