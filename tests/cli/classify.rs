//! `patchlens classify` on the tiny classifiers of the fixtures.

use serde_json::{Value, json};

use super::tensors::{npy, tensors};
use super::{Bench, complaint, fixture, patchlens, succeeded, text};

#[test]
fn classes_are_the_references() {
    let bench = Bench::new();
    for (family, count) in [("vit", 5), ("deit", 5), ("deit_distilled", 5)] {
        let folder = fixture(family);
        let scores = bench.path("scores.npy");
        let mut command = patchlens(["classify", "--json", "--top", "3", "--npy"]);
        command
            .arg(&scores)
            .arg(folder.join("image.png"))
            .arg("-m")
            .arg(&folder);
        let report: Value = serde_json::from_str(&succeeded(&mut command)).unwrap();
        let wanted = &tensors(&folder.join("expected.safetensors"))["logits"];
        npy(&scores).check(wanted, false, family);
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|a, b| wanted.values[*b].total_cmp(&wanted.values[*a]));
        let classes = report["classes"].as_array().unwrap();
        let ids: Vec<u64> = classes
            .iter()
            .map(|class| class["id"].as_u64().unwrap())
            .collect();
        assert_eq!(
            ids,
            order[..3].iter().map(|id| *id as u64).collect::<Vec<_>>()
        );
        let total: f32 = wanted.values.iter().map(|v| v.exp()).sum();
        let probability = wanted.values[order[0]].exp() / total;
        let told = classes[0]["probability"].as_f64().unwrap() as f32;
        assert!((told - probability).abs() < 1e-3, "{told} {probability}");
        assert_eq!(report["fit"], json!("trained"));
    }
}

#[test]
fn names_are_listed_for_people_and_failures_named() {
    let (vit, bench) = (fixture("vit"), Bench::new());
    let image = vit.join("image.png");
    let mut command = patchlens(["classify", "--top", "2"]);
    let listed = succeeded(command.arg(&image).arg("--model").arg(&vit));
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].contains(" dog") && lines[0].contains('%'),
        "{listed}"
    );
    let mut command = patchlens(["classify"]);
    command
        .arg(bench.path("missing.png"))
        .arg(&image)
        .arg("--model")
        .arg(&vit);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (out, told) = (text(&output.stdout), text(&output.stderr));
    assert!(
        out.starts_with(&image.display().to_string()) && out.contains(" dog"),
        "{out}"
    );
    assert!(
        told.contains("missing.png") && told.lines().count() == 1,
        "{told}"
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let bench = Bench::new();
    bench.photo("photo.png", 40, 30);
    let refused = |args: &[&str], code: i32| {
        let mut command = patchlens(["classify"]);
        command.current_dir(bench.folder.path()).args(args);
        let told = complaint(&command.output().unwrap(), code);
        assert_eq!(bench.names(), ["photo.png"], "{args:?}");
        told
    };
    let (vit, segformer) = (fixture("vit"), fixture("segformer"));
    let (vit, segformer) = (vit.to_str().unwrap(), segformer.to_str().unwrap());
    for args in [
        &["--model", vit][..],
        &["photo.png"],
        &["photo.png", "--model", vit, "--top", "0"],
        &["photo.png", "--model", vit, "--fit", "slide"],
        &["photo.png", "--model", vit, "--fit", "stretch"],
        &["photo.png", "--model", vit, "--size", "8x"],
        &["photo.png", "photo.png", "--model", vit, "--npy", "x.npy"],
        &["photo.png", "--model", vit, "-o", "x"],
    ] {
        assert!(
            refused(args, 2).contains("see `patchlens classify --help`"),
            "{args:?}"
        );
    }
    for (args, expected) in [
        (
            &["photo.png", "--model", segformer][..],
            "cannot classify photos",
        ),
        (
            &["photo.png", "--model", "mobile-sam"],
            "cannot classify photos",
        ),
        (
            &["photo.png", "--model", vit, "--npy", "no/x.npy"],
            "no folder",
        ),
        (
            &["photo.png", "--model", vit, "--npy", "photo.png"],
            "photo itself",
        ),
        (&["photo.png", "--model", "nothing"], "no model"),
    ] {
        let told = refused(args, 1);
        assert!(told.contains(expected), "{args:?}: {told}");
    }
}
