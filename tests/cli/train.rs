//! `patchlens train` on shapes that are drawn here, with networks that are small
//! enough to be trained in a moment.

use std::path::{Path, PathBuf};
use std::process::{Command as Plain, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::shapes::labelled_shapes;
use super::{Bench, PROGRAM, complaint, patchlens, succeeded, text};

/// A bench with `count` labelled photos in `photos`, and settings in
/// `small.json`.
fn labelled(count: u64) -> Bench {
    let bench = Bench::new();
    labelled_shapes(&bench.path("photos"), count, 1);
    settings(&bench, &json!({}));
    bench
}

/// Write `small.json`: a tiny network, and `further` settings.
fn settings(bench: &Bench, further: &Value) {
    let mut all = json!({
        "backbone": {"plain_vit":
            {"stem": [4, 4, 8], "width": 16, "depth": 1, "heads": 2, "mlp_ratio": 2}},
        "crop": 32, "long_edge": 64, "batch": 2, "steps": 12, "validate_every": 4,
        "checkpoint_every": 2, "learning_rate": 0.01
    });
    let map = all.as_object_mut().unwrap();
    map.extend(further.as_object().unwrap().clone());
    bench.file("small.json", all.to_string().as_bytes());
}

/// The words of a training into `out`.
fn words(bench: &Bench, out: &Path, further: &[&str]) -> Vec<std::ffi::OsString> {
    let mut words: Vec<std::ffi::OsString> = vec!["train".into(), bench.path("photos").into()];
    words.extend(["--config".into(), bench.path("small.json").into()]);
    words.extend(["-o".into(), out.into()]);
    words.extend(further.iter().map(Into::into));
    words
}

fn train(bench: &Bench, out: &Path, further: &[&str]) -> Output {
    patchlens(words(bench, out, further)).output().unwrap()
}

/// What a training that succeeds says with `--json`.
fn trained(bench: &Bench, out: &Path, further: &[&str]) -> Value {
    let output = train(bench, out, &[&["--json"], further].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The last line on standard error of a training that fails.
fn refused(output: &Output) -> String {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(text(&output.stdout), "", "{told}");
    let last = told.lines().last().unwrap_or_default();
    assert!(last.starts_with("patchlens: "), "{told}");
    last.to_owned()
}

fn weights(out: &Path) -> Vec<u8> {
    std::fs::read(out.join("model/model.safetensors")).unwrap()
}

#[test]
fn a_training_gives_a_model_that_is_taken_everywhere() {
    let bench = labelled(12);
    let out = bench.path("out");
    let report = trained(&bench, &out, &[]);
    let model = out.join("model");
    assert_eq!(report["model"], json!(model));
    assert_eq!(report["ended"], json!("finished"));
    assert_eq!(
        (&report["step"], &report["steps"]),
        (&json!(12), &json!(12))
    );
    assert_eq!(
        (&report["photos"], &report["validated_on"]),
        (&json!(11), &json!(1))
    );
    let classes = report["sets"][0]["classes"].as_array().unwrap();
    assert_eq!(classes[2]["name"], json!("square"));
    assert_eq!(report["sets"][0]["name"], json!("photos"));
    let card = std::fs::read_to_string(model.join("README.md")).unwrap();
    for said in [
        "| photos | 11 | 1 | CC0-1.0 | drawn for a test |",
        "| circle |",
        "random weights",
    ] {
        assert!(card.contains(said), "{said:?} is not in\n{card}");
    }
    let curves = image::open(model.join("curves.png")).unwrap();
    assert!(curves.width() > 800);

    let photo = bench.path("photos").join("3.png");
    let mut predict = patchlens(["predict", "--json", "--model"]);
    let predicted = succeeded(
        predict
            .arg(&model)
            .arg(&photo)
            .arg("-o")
            .arg(bench.path("maps")),
    );
    let predicted: Value = serde_json::from_str(&predicted).unwrap();
    assert_eq!(predicted["size"], json!([64, 64]));
    let listed = succeeded(patchlens(["models", "--json"]).arg(&model));
    assert!(
        listed.contains("vit_deeplabv3plus") || listed.contains("predict"),
        "{listed}"
    );

    // again: nothing is left to do, and the same comes out
    let before = weights(&out);
    let again = trained(&bench, &out, &[]);
    assert_eq!(again["mean_iou"], report["mean_iou"]);
    // the folder alone is enough
    let output = patchlens(["train", "-o"]).arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("Trained 12 steps"),
        "{}",
        text(&output.stdout)
    );
    assert!(text(&output.stderr).contains("goes on from step 12 of 12"));
    assert_eq!(weights(&out), before);
}

#[test]
fn a_training_in_pieces_gives_the_same_as_one_without_a_break() {
    let bench = labelled(6);
    let (whole, pieces) = (bench.path("whole"), bench.path("pieces"));
    trained(&bench, &whole, &[]);
    let (mut ended, mut runs) = (json!(null), 0);
    while ended != json!("finished") {
        let report = trained(&bench, &pieces, &["--time-limit", "0.001s"]);
        assert!(report["step"].as_u64().unwrap() <= 12);
        ended = report["ended"].clone();
        runs += 1;
        assert!(runs < 200, "{report}");
    }
    assert!(runs > 1);
    assert_eq!(weights(&pieces), weights(&whole));
    let log = |out: &Path| {
        let text = std::fs::read_to_string(out.join("log.jsonl")).unwrap();
        let values = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let scores = values.filter(|line| !line["validation"].is_null());
        scores
            .map(|line| line["validation"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(log(&pieces), log(&whole));
}

/// Begin a training, and wait until it has written a checkpoint.
fn begun(bench: &Bench, out: &Path) -> std::process::Child {
    let mut command = Plain::new(PROGRAM);
    command
        .args(words(bench, out, &[]))
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let checkpoint = out.join("checkpoint.safetensors");
    for _ in 0..1200 {
        if checkpoint.exists() || child.try_wait().unwrap().is_some() {
            return child;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no checkpoint within a minute");
}

#[test]
fn a_training_that_was_killed_gives_the_same_too() {
    let bench = labelled(6);
    settings(&bench, &json!({"steps": 40, "validate_every": 20}));
    let (whole, killed) = (bench.path("whole"), bench.path("killed"));
    trained(&bench, &whole, &[]);
    let mut child = begun(&bench, &killed);
    child.kill().unwrap();
    child.wait().unwrap();
    trained(&bench, &killed, &[]);
    assert_eq!(weights(&killed), weights(&whole));
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_where_it_can_go_on() {
    let bench = labelled(4);
    settings(&bench, &json!({"steps": 1_000_000, "validate_every": 0}));
    let out = bench.path("out");
    let child = begun(&bench, &out);
    let killed = Plain::new("kill")
        .arg("-INT")
        .arg(child.id().to_string())
        .status();
    assert!(killed.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let told = refused(&output);
    assert!(
        told.contains("stopped after step ") && told.contains("goes on from there"),
        "{told}"
    );
    assert!(!out.join("model").exists());
    let report = trained(&bench, &out, &["--time-limit", "0.2s"]);
    assert!(report["step"].as_u64().unwrap() > 2, "{report}");
    assert_eq!(report["ended"], json!("time limit"));
}

#[test]
fn command_lines_that_make_no_sense_are_explained() {
    let bench = labelled(2);
    let photos = bench.path("photos");
    let photos = photos.to_str().unwrap();
    for (args, said) in [
        (vec!["train"], "-o"),
        (vec!["train", "-o", "out"], "name the folders"),
        (vec!["train", photos], "-o"),
        (
            vec!["train", photos, "-o", "out", "--steps", "0"],
            "--steps",
        ),
        (
            vec!["train", photos, "-o", "out", "--time-limit", "2"],
            "2h, 30m or 90s",
        ),
        (
            vec!["train", photos, "-o", "out", "--time-limit", "h"],
            "2h, 30m or 90s",
        ),
        (
            vec!["train", photos, "-o", "out", "--backbone", "resnet"],
            "tinyvit or vit",
        ),
        (
            vec!["train", photos, "-o", "out", "--learning-rate", "7"],
            "--learning-rate",
        ),
        (
            vec!["train", photos, photos, "--validate", photos, "-o", "out"],
            "same order",
        ),
        (
            vec!["train", photos, "-o", "out", "--epochs", "3"],
            "--epochs",
        ),
    ] {
        let told = complaint(&patchlens(&args).output().unwrap(), 2);
        assert!(
            told.contains(said) && told.contains("train --help"),
            "{told}"
        );
    }
    assert!(succeeded(&mut patchlens(["train", "--help"])).contains("--time-limit"));
}

#[test]
fn folders_that_cannot_be_trained_on_are_named() {
    let bench = labelled(1);
    let out = bench.path("out");
    let of = |args: &[&Path]| {
        let mut command = patchlens(["train", "--backbone", "vit", "-o"]);
        refused(&command.arg(&out).args(args).output().unwrap())
    };
    assert!(of(&[&bench.path("nowhere")]).contains("there is no folder"));
    let photos = bench.path("photos");
    assert!(of(&[&photos]).contains("only one of its photos has labels"));
    assert!(of(&[&photos, &photos]).contains("named twice"));
    let plain = bench.path("plain");
    std::fs::create_dir(&plain).unwrap();
    assert!(of(&[&plain]).contains("classes.json"));
    std::fs::copy(photos.join("classes.json"), plain.join("classes.json")).unwrap();
    std::fs::copy(photos.join("0.png"), plain.join("0.png")).unwrap();
    assert!(of(&[&plain]).contains("no photo with a class map"));
    std::fs::create_dir(plain.join("labels")).unwrap();
    std::fs::write(plain.join("labels/0.png"), "no PNG").unwrap();
    let told = of(&[&plain]);
    assert!(
        told.contains("0.png") && told.contains("no intact PNG"),
        "{told}"
    );
}

#[test]
fn a_folder_is_not_trained_into_if_it_holds_something_else() {
    let bench = labelled(4);
    let photos = bench.path("photos");
    assert!(refused(&train(&bench, &photos, &[])).contains("holds the photos"));
    let other = bench.path("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("thesis.tex"), "").unwrap();
    assert!(refused(&train(&bench, &other, &[])).contains("holds thesis.tex"));
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);

    let out = bench.path("out");
    trained(&bench, &out, &[]);
    let before = weights(&out);
    let told = refused(&train(&bench, &out, &["--batch", "3"]));
    assert!(
        told.contains("`batch` is 3 and was 2") && told.contains("another folder"),
        "{told}"
    );
    labelled_shapes(&photos, 5, 1);
    let told = refused(&train(&bench, &out, &[]));
    assert!(told.contains("[4] photos and had [3]"), "{told}");
    assert_eq!(weights(&out), before);
    // a model's folder has a config.json, too
    let model = out.join("model");
    let told = refused(&train(&bench, &model, &[]));
    assert!(told.contains("not of a training"), "{told}");
}

#[test]
fn several_folders_are_merged_by_the_names_of_classes() {
    let bench = labelled(4);
    let more = bench.path("more");
    labelled_shapes(&more, 3, 9);
    std::fs::write(
        more.join("classes.json"),
        r#"{"classes": [{"id": 1, "name": "disc", "color": [255, 0, 0]},
            {"id": 2, "name": "square", "color": [9, 9, 9]}]}"#,
    )
    .unwrap();
    let out = bench.path("out");
    let more = more.to_str().unwrap();
    let report = trained(&bench, &out, &[more]);
    let names = |set: usize| {
        let classes = report["sets"][set]["classes"].as_array().unwrap();
        classes
            .iter()
            .map(|class| class["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(0), ["background", "circle", "square"]);
    assert_eq!(names(1), ["background", "square", "disc"]);
    let model = std::fs::read_to_string(out.join("model/config.json")).unwrap();
    let model: Value = serde_json::from_str(&model).unwrap();
    assert_eq!(model["id2label"]["3"], json!("disc"));
    assert_eq!(model["palette"][2], json!([0, 0, 255]));
    assert_ne!(model["palette"][3], json!([255, 0, 0]), "colours differ");
}

#[test]
fn a_training_may_begin_with_another_model() {
    let bench = labelled(4);
    let first = bench.path("first");
    trained(&bench, &first, &[]);
    let init = first.join("model");
    let init = init.to_str().unwrap();
    settings(
        &bench,
        &json!({"sets": [{"name": "a", "train": "photos", "hold_out": true,
            "names": {"circle": "shape", "square": "shape"}}]}),
    );
    let out = bench.path("out");
    let settings = bench.path("small.json");
    let run = |init: &str, out: &Path| {
        let mut command = patchlens(["train", "--init", init, "-o"]);
        command
            .arg(out)
            .arg("--config")
            .arg(&settings)
            .output()
            .unwrap()
    };
    let output = run(init, &out);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("tensors begin anew (") && told.contains("instead of"),
        "{told}"
    );
    let none = bench.path("none");
    let told = refused(&run("tinyvit-deeplabv3plus", &none));
    assert!(told.contains("another backbone"), "{told}");
    let told = refused(&run("nowhere", &none));
    assert!(told.contains("no built-in model"), "{told}");
}

#[test]
fn a_head_is_trained_on_encodings_that_are_made_once() {
    let bench = Bench::new();
    let photos: PathBuf = bench.path("photos");
    labelled_shapes(&photos, 3, 1);
    let out = bench.path("out");
    let args = ["--steps", "4", "--batch", "1", "--crop", "128", "--json"];
    let run = || {
        let mut command = patchlens(["train"]);
        command
            .arg(&photos)
            .arg("-o")
            .arg(&out)
            .args(args)
            .output()
            .unwrap()
    };
    let output = run();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("encoding 1/3") && told.contains("tinyvit-deeplabv3plus"),
        "{told}"
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["photos"], &report["validated_on"]),
        (&json!(2), &json!(1))
    );
    let encodings = std::fs::read_dir(out.join("encodings")).unwrap().count();
    assert_eq!(encodings, 3);
    let output = run();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        !text(&output.stderr).contains("encoding"),
        "{}",
        text(&output.stderr)
    );
    let mut predict = patchlens(["predict", "--json", "--model"]);
    predict.arg(out.join("model")).arg(photos.join("0.png"));
    let predicted = succeeded(predict.arg("-o").arg(bench.path("maps")));
    assert!(predicted.contains("\"classes\""), "{predicted}");
}
