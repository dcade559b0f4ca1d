//! Training as a library, on shapes that are drawn here: what has to be learned
//! is learned, what has to be left alone is, and nothing is cut off.

#[path = "train/shapes.rs"]
mod shapes;

use std::path::Path;
use std::sync::Mutex;

use candle_core::{Device, Tensor, Var};
use patchlens::models::ModelError;
use patchlens::models::deeplab::{
    BackboneConfig, DeepLabConfig, Init, PlainVitConfig, Scores, Source, TinyVitConfig,
};
use patchlens::task::{Cancel, Task};
use patchlens::train::loss::{self, Measure, Parts};
use patchlens::train::optimizer::AdamW;
use patchlens::train::{
    Config, Ended, Examples, LossShares, Random, Run, Target, TrainingSet, Variables, open_sets,
};
use shapes::{CIRCLE, SQUARE, labelled_shapes};

/// A plain ViT of a quarter of the usual width.
fn small_network(config: &Config) -> DeepLabConfig {
    DeepLabConfig {
        backbone: BackboneConfig::PlainVit(PlainVitConfig {
            stem: [16, 24, 32],
            width: 48,
            depth: 2,
            heads: 3,
            mlp_ratio: 2,
        }),
        classes: config.classes.len(),
        boundary: config.boundary,
    }
}

fn config(folder: &Path, further: &str) -> Config {
    let text = format!(
        r#"{{"classes": [{{"name": "background", "color": [0, 0, 0]}},
            {{"name": "circle", "color": [255, 0, 0]}}, {{"name": "square", "color": [0, 0, 255]}}],
            "sets": [{{"name": "shapes", "train": "train", "dev": "dev"}}],
            "crop": 64, "long_edge": 64, "scale": [0.9, 1.2] {further}}}"#
    );
    let path = folder.join("config.json");
    Config::from_text(&text, &path)
        .unwrap()
        .checked(&path)
        .unwrap()
}

fn training_sets(config: &Config) -> Vec<TrainingSet> {
    let sets = open_sets(config).unwrap().into_iter();
    let examples = |pictures| Ok(Box::new(pictures) as Box<dyn Examples>);
    sets.map(|set| set.into_training(examples).unwrap())
        .collect()
}

/// As many steps as take half a minute on one core, whatever the machine does.
#[test]
fn shapes_are_learned_from_scratch() {
    let folder = tempfile::tempdir().unwrap();
    labelled_shapes(&folder.path().join("train"), 60, 1);
    labelled_shapes(&folder.path().join("dev"), 10, 2);
    let config = config(
        folder.path(),
        r#", "batch": 8, "steps": 260, "warmup": 20, "learning_rate": 0.004, "ema": 0.95,
            "validate_every": 130, "seed": 3"#,
    );
    let network = small_network(&config);
    let sets = training_sets(&config);
    let build = |source: &dyn Source| network.build(source);
    let mut run = Run::open(config, &folder.path().join("run"), build, sets).unwrap();
    let outcome = run
        .train(None, Task::new(&Cancel::new(), &|_| {}), &mut |_| {})
        .unwrap();
    assert_eq!((outcome.ended, outcome.skipped), (Ended::Finished, 0));
    let validation = outcome.validation.unwrap();
    let scores = &validation.sets[0].classes;
    assert!(validation.mean_iou >= 0.9, "{scores:?}");
    assert!(
        scores.iter().all(|class| class.iou.unwrap() > 0.8),
        "{scores:?}"
    );
}

/// One batch, again and again.
#[test]
fn one_batch_is_learned_by_heart() {
    let folder = tempfile::tempdir().unwrap();
    labelled_shapes(&folder.path().join("train"), 2, 5);
    labelled_shapes(&folder.path().join("dev"), 1, 6);
    let config = config(folder.path(), r#", "batch": 2, "weight_decay": 0.0"#);
    let set = &training_sets(&config)[0];
    let examples: Vec<_> = (0..2)
        .map(|photo| set.train.whole(photo).unwrap())
        .collect();
    let values: Vec<f32> = examples
        .iter()
        .flat_map(|e| e.inputs[0].values.clone())
        .collect();
    let input = Tensor::from_vec(values, (2, 64, 64, 3), &Device::Cpu).unwrap();
    let targets: Vec<Target> = examples.into_iter().map(|example| example.target).collect();
    let variables = Variables::new(1);
    let network = small_network(&config).build(&variables).unwrap();
    let mut optimizer = AdamW::new(variables.into_list(), &config).unwrap();
    let measure = measure(3);
    let mut step = || -> Parts {
        let scores = network.forward(std::slice::from_ref(&input)).unwrap();
        let (loss, parts) = loss::of(&scores, &targets, &measure).unwrap();
        let moved = optimizer.step(&loss.backward().unwrap(), 0.003).unwrap();
        assert!(moved.is_finite);
        parts
    };
    let first = step();
    let last = (0..80).map(|_| step()).last().unwrap();
    assert!(first.cross_entropy > 0.5, "{first:?}");
    assert!(last.cross_entropy < 0.06 && last.dice < 0.06, "{last:?}");
}

fn measure(classes: usize) -> Measure {
    Measure {
        shares: LossShares::default(),
        class_weights: vec![1.0; classes],
    }
}

/// Every parameter is random: those that begin as zero would hide from others
/// whether the gradient reaches them.
struct AllRandom(Mutex<Vec<(String, Var)>>);

impl Source for AllRandom {
    fn tensor(&self, name: &str, shape: &[usize], _: Init) -> Result<Tensor, ModelError> {
        let mut random = Random::new(7, name, 0);
        let count: usize = shape.iter().product();
        let fan = shape.iter().skip(1).product::<usize>().max(1) as f32;
        let middle = if name.contains("norm") && name.ends_with("weight") {
            1.0
        } else {
            0.0
        };
        let values = (0..count).map(|_| middle + random.normal() * (1.0 / fan).sqrt().min(0.3));
        let variable = Var::from_vec(values.collect::<Vec<f32>>(), shape, &Device::Cpu)?;
        let tensor = variable.as_tensor().clone();
        self.0.lock().unwrap().push((name.to_owned(), variable));
        Ok(tensor)
    }
}

fn noise(size: (usize, usize, usize, usize), name: &str) -> Tensor {
    let mut random = Random::new(1, name, 0);
    let count = size.0 * size.1 * size.2 * size.3;
    let values: Vec<f32> = (0..count).map(|_| random.normal()).collect();
    Tensor::from_vec(values, size, &Device::Cpu).unwrap()
}

/// Labels in stripes of 4 columns of the classes 0, 1 and 2, with rims, of which
/// the first `known` classes are annotated.
fn target(side: usize, classes: usize, known: usize) -> Target {
    let labels = (0..side * side).map(|at| (at % side / 4 % 3.min(known)) as u8);
    let boundary = (0..side * side).map(|at| u8::from(at % 4 == 0));
    Target {
        rows: side,
        columns: side,
        labels: labels.collect(),
        boundary: Some(boundary.collect()),
        annotated: (0..classes).map(|class| class < known).collect(),
    }
}

/// The gradient of each variable, by its name.
fn gradients(
    network: &DeepLabConfig,
    inputs: &[Tensor],
    target: Target,
) -> (Vec<(String, Vec<f32>)>, Scores) {
    let source = AllRandom(Mutex::default());
    let built = network.build(&source).unwrap();
    let scores = built.forward(inputs).unwrap();
    let (loss, _) = loss::of(&scores, &[target], &measure(network.classes)).unwrap();
    let store = loss.backward().unwrap();
    let variables = source.0.into_inner().unwrap().into_iter();
    let gradients = variables.map(|(name, variable)| {
        let gradient = store.get(variable.as_tensor());
        let gradient = gradient.unwrap_or_else(|| panic!("{name} has no gradient"));
        assert_eq!(gradient.dims(), variable.dims(), "{name}");
        (name, gradient.flatten_all().unwrap().to_vec1().unwrap())
    });
    (gradients.collect(), scores)
}

fn both_networks(classes: usize) -> [(DeepLabConfig, Vec<Tensor>); 2] {
    let network = |backbone| DeepLabConfig {
        backbone,
        classes,
        boundary: true,
    };
    let maps = [(64, 16), (128, 8), (320, 4), (256, 4)];
    let maps = maps.map(|(channels, side)| noise((1, side, side, channels), "map"));
    let picture = noise((1, 64, 64, 3), "picture");
    [
        (
            network(BackboneConfig::PlainVit(PlainVitConfig::default())),
            vec![picture],
        ),
        (
            network(BackboneConfig::TinyVit(TinyVitConfig::default())),
            maps.to_vec(),
        ),
    ]
}

#[test]
fn every_variable_of_the_real_networks_gets_a_gradient() {
    for (network, inputs) in both_networks(5) {
        let (gradients, _) = gradients(&network, &inputs, target(64, 5, 5));
        assert!(gradients.len() > 30, "{}", gradients.len());
        for (name, gradient) in gradients {
            let is_good = gradient.iter().all(|value| value.is_finite());
            // a bias of keys moves all scores of a query alike, and so nothing
            let is_moved = gradient.iter().any(|value| *value != 0.0);
            assert!(is_good && is_moved, "{name}");
        }
    }
}

#[test]
fn classes_that_a_set_does_not_annotate_get_no_gradient() {
    let (classes, known) = (5, 3);
    for (network, inputs) in both_networks(classes) {
        let (gradients, _) = gradients(&network, &inputs, target(64, classes, known));
        for layer in ["decoder.classifier", "presence"] {
            for kind in ["weight", "bias"] {
                let name = format!("{layer}.{kind}");
                let (_, gradient) = gradients.iter().find(|(other, _)| *other == name).unwrap();
                let outputs = if layer == "presence" {
                    classes
                } else {
                    classes + 1
                };
                let rows: Vec<&[f32]> = gradient.chunks(gradient.len() / outputs).collect();
                for (class, row) in rows.iter().enumerate() {
                    let is_masked = (known..classes).contains(&class);
                    let is_still = row.iter().all(|value| *value == 0.0);
                    assert_eq!(is_still, is_masked, "{name} of {class}");
                }
            }
        }
    }
}

#[test]
fn a_tenth_of_the_photos_is_held_out_by_name() {
    let folder = tempfile::tempdir().unwrap();
    labelled_shapes(&folder.path().join("train"), 21, 1);
    labelled_shapes(&folder.path().join("dev"), 1, 1);
    let mut config = config(folder.path(), "");
    config.sets[0].dev = None;
    config.sets[0].hold_out = true;
    let names = |config: &Config| {
        let opened = open_sets(config).unwrap().remove(0);
        let names = |pictures: &patchlens::train::Pictures| -> Vec<_> {
            (0..pictures.photos())
                .map(|photo| pictures.file(photo).to_owned())
                .collect()
        };
        (names(&opened.train), names(opened.dev.as_ref().unwrap()))
    };
    let (train, dev) = names(&config);
    assert_eq!((train.len(), dev.len()), (19, 2));
    assert!(dev.iter().all(|photo| !train.contains(photo)));
    // another photo changes nothing about those that are there, or one at most
    labelled_shapes(&folder.path().join("train"), 22, 1);
    let (_, later) = names(&config);
    assert_eq!(later.len(), 2);
    assert!(later.iter().filter(|photo| dev.contains(photo)).count() >= 1);
    assert_eq!((CIRCLE, SQUARE), (1, 2));
}
