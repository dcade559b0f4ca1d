//! `patchlens dump`: what the program computes of a picture, from the picture on,
//! against what the reference implementation computes of it.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::tensors::{Tensor, tensors};
use super::{Bench, complaint, fixture, patchlens, succeeded};

/// What the program computes of a family's picture.
fn dumped(family: &str, further: &[String]) -> BTreeMap<String, Tensor> {
    let bench = Bench::new();
    let file = bench.path("out.safetensors");
    let folder = fixture(family);
    let mut command = patchlens(["dump"]);
    command
        .arg(folder.join("image.png"))
        .arg("--model")
        .arg(&folder);
    succeeded(command.args(further).arg("-o").arg(&file));
    assert_eq!(bench.names(), ["out.safetensors"]);
    tensors(&file)
}

fn expected(family: &str) -> BTreeMap<String, Tensor> {
    tensors(&fixture(family).join("expected.safetensors"))
}

/// Hold `name` of what was computed against `wanted`.
fn hold(got: &BTreeMap<String, Tensor>, name: &str, wanted: &Tensor, what: &str) {
    let got = got
        .get(name)
        .unwrap_or_else(|| panic!("{what}: there is no {name}"));
    let labels = name.starts_with("labels") || name.starts_with("mask");
    got.check(wanted, labels, &format!("{name} of {what}"));
}

#[test]
fn whole_photos_give_what_the_reference_gives() {
    for (family, result) in [
        ("vit", "logits"),
        ("deit", "logits"),
        ("deit_distilled", "distillation_logits"),
        ("dino", "last_hidden_state"),
        ("dinov2", "last_hidden_state"),
        ("dinov2_with_registers", "last_hidden_state"),
        ("mobilevit_deeplabv3", "labels_at_input"),
        ("segformer", "labels_at_input"),
    ] {
        let (got, mut wanted) = (dumped(family, &[]), expected(family));
        wanted.retain(|name, _| !name.starts_with("hidden_states"));
        assert!(
            wanted.contains_key(result) && wanted.contains_key("attentions.0"),
            "{family}"
        );
        for (name, tensor) in &wanted {
            hold(&got, name, tensor, family);
        }
        assert_eq!(got.len(), wanted.len(), "{family}: {:?}", got.keys());
    }
}

/// Prompt `k` of a fixture, as options.
fn prompt(wanted: &BTreeMap<String, Tensor>, k: usize) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(points) = wanted.get(&format!("input_points.{k}")) {
        let labels = &wanted[&format!("input_labels.{k}")].values;
        for (point, label) in points.values.as_chunks().0.iter().zip(labels) {
            let [x, y] = point;
            options.extend(["--point".to_owned(), format!("{x},{y},{label}")]);
        }
    }
    if let Some(corners) = wanted.get(&format!("input_box.{k}")) {
        let corners: Vec<String> = corners.values.iter().map(f32::to_string).collect();
        options.extend(["--box".to_owned(), corners.join(",")]);
    }
    options
}

#[test]
fn prompts_give_what_the_reference_gives() {
    for family in ["sam", "sam_slim"] {
        let wanted = expected(family);
        for k in 0..3 {
            let options = prompt(&wanted, k);
            assert!(!options.is_empty(), "{family} has prompt {k}");
            let (got, what) = (dumped(family, &options), format!("{family} for prompt {k}"));
            let common = wanted.iter().filter(|(name, _)| {
                let common = ["pixel_values", "image_embeddings", "attentions"];
                common.iter().any(|start| name.starts_with(start))
            });
            for (name, tensor) in common {
                hold(&got, name, tensor, &what);
            }
            for name in ["pred_masks", "iou_scores", "masks", "mask"] {
                hold(&got, name, &wanted[&format!("{name}.{k}")], &what);
            }
        }
        let got = dumped(family, &[]);
        assert!(got.contains_key("image_embeddings") && !got.contains_key("mask"));
    }
}

#[test]
fn the_built_in_model_has_all_its_masks() {
    let bench = Bench::new();
    let (photo, file) = (
        bench.photo("photo.png", 40, 30),
        bench.path("out.safetensors"),
    );
    let mut command = patchlens(["dump", "--point", "20,15"]);
    succeeded(command.arg(&photo).arg("-o").arg(&file));
    let got = tensors(&file);
    let shape = |name: &str| got[name].shape.clone();
    assert_eq!(shape("pixel_values"), [1, 3, 1024, 1024]);
    assert_eq!(shape("image_embeddings"), [1, 256, 64, 64]);
    assert_eq!(shape("pred_masks"), [1, 1, 3, 256, 256]);
    assert_eq!(shape("iou_scores"), [1, 1, 3]);
    assert_eq!(
        (shape("mask"), shape("masks")),
        (vec![30, 40], vec![3, 30, 40])
    );
    let best = (0..3).max_by(|a, b| {
        let scores = &got["iou_scores"].values;
        scores[*a].total_cmp(&scores[*b])
    });
    assert_eq!(got["mask"], got["masks"].at(best.unwrap()));
    // Windows of 7 × 7 tokens on 128 × 128: 19 × 19 windows of 4 attention heads.
    assert_eq!(shape("attentions.0"), [19 * 19 * 4, 49, 49]);
    assert_eq!(
        got.keys()
            .filter(|name| name.starts_with("attentions"))
            .count(),
        10
    );
}

#[test]
fn another_input_size_is_computed_too() {
    let got = dumped(
        "dino",
        &[
            "--size".into(),
            "40x24".into(),
            "--fit".into(),
            "squash".into(),
        ],
    );
    assert_eq!(got["pixel_values"].shape, [1, 3, 24, 40]);
    let patches = (24 / 8) * (40 / 8);
    assert_eq!(got["last_hidden_state"].shape[1], 1 + patches);
}

#[test]
fn the_file_says_what_it_is_of() {
    let bench = Bench::new();
    let file = bench.path("out.safetensors");
    let folder = fixture("vit");
    let mut command = patchlens(["dump", "--fit", "pad"]);
    command
        .arg(folder.join("image.png"))
        .arg("--model")
        .arg(&folder);
    succeeded(command.arg("-o").arg(&file));
    let bytes = std::fs::read(&file).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().as_ref().unwrap();
    assert_eq!((&*metadata["title"], &*metadata["fit"]), ("vit", "pad"));
    assert_eq!(OsString::from(&metadata["model"]), folder.as_os_str());
}

#[test]
fn what_cannot_be_dumped_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    let photo = bench.photo("photo.png", 40, 30);
    let refused = |args: &[&str], code: i32| {
        let mut command = patchlens(["dump"]);
        command.current_dir(bench.folder.path()).args(args);
        let told = complaint(&command.output().unwrap(), code);
        assert_eq!(bench.names(), ["photo.png"], "{args:?}");
        told
    };
    let vit = fixture("vit");
    let vit = vit.to_str().unwrap();
    for args in [
        &["-o", "x"][..],
        &["photo.png"],
        &["photo.png", "-o", "x", "--fit", "slide"],
        &["photo.png", "-o", "x", "--size", "0"],
        &["photo.png", "-o", "x", "--size", "9000x9000"],
        &["photo.png", "-o", "x", "--point", "1"],
        &["photo.png", "-o", "x", "--layer", "1"],
    ] {
        assert!(
            refused(args, 2).contains("see `patchlens dump --help`"),
            "{args:?}"
        );
    }
    for (args, expected) in [
        (
            &["photo.png", "-o", "x", "--model", vit, "--point", "1,1"][..],
            "cannot take points",
        ),
        (
            &["photo.png", "-o", "x", "--model", vit, "--point", "40,1"],
            "outside the photo",
        ),
        (
            &["photo.png", "-o", "photo.png", "--model", vit],
            "photo itself",
        ),
        (&["photo.png", "-o", "no/x", "--model", vit], "no folder"),
        (&["photo.png", "-o", "x", "--model", "nothing"], "no model"),
        (&["photo.png", "-o", "x", "--model", "."], "config.json"),
        (&["photo.png", "-o", "x", "--fit", "pad"], "leave out"),
        (&["missing.png", "-o", "x", "--model", vit], "missing.png"),
        (
            &["photo.png", "-o", "x", "--model", vit, "--size", "3"],
            "small",
        ),
    ] {
        let told = refused(args, 1);
        assert!(told.contains(expected), "{args:?}: {told}");
    }
    assert!(photo.is_file());
}
