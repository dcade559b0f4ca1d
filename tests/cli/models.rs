//! `patchlens models`: what is built in, what the window has used, what was named.

use serde_json::{Value, json};

use super::{Bench, fixture, patchlens, succeeded, text};

#[test]
fn built_in_models_are_listed() {
    let (bench, home) = (Bench::new(), Bench::new());
    let list = |args: &[&str]| {
        let mut command = patchlens(["models"]);
        command.env("XDG_CONFIG_HOME", bench.folder.path());
        succeeded(command.env("HOME", home.folder.path()).args(args))
    };
    let told = list(&[]);
    let names = told.lines().map(|line| line.split(' ').next().unwrap());
    let names: Vec<&str> = names.collect();
    let all = ["mobile-sam", "tinyvit-deeplabv3plus", "vit-deeplabv3plus"];
    assert_eq!(names, all, "{told}");
    let list: Value = serde_json::from_str(&list(&["--json"])).unwrap();
    let model = &list["models"][0];
    assert_eq!(model["name"], json!("mobile-sam"));
    assert_eq!(model["licence"], json!("Apache-2.0"));
    assert_eq!(
        model["capabilities"],
        json!(["prompts", "everything", "attention"])
    );
    assert_eq!(
        (&model["classes"], &model["embedded"]),
        (&json!(0), &json!(true))
    );
}

#[test]
fn named_folders_are_described_or_the_reason_given() {
    let bench = Bench::new();
    let folders = [
        fixture("segformer"),
        fixture("vit"),
        bench.folder.path().to_owned(),
    ];
    let mut command = patchlens(["models", "--json"]);
    let output = command.args(&folders).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "one of them is no model");
    let told = text(&output.stderr);
    assert!(
        told.contains("config.json") && told.lines().count() == 1,
        "{told}"
    );
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let models = list["models"].as_array().unwrap();
    assert_eq!(models.len(), 3);
    assert_eq!(models[0]["capabilities"], json!(["predict", "attention"]));
    assert_eq!(
        (&models[0]["family"], &models[0]["classes"]),
        (&json!("segformer"), &json!(6))
    );
    assert_eq!(models[1]["capabilities"], json!(["classify", "attention"]));
    assert!(models[1]["parameters"].as_u64().unwrap() > 1000);
    assert!(models[2]["error"].as_str().unwrap().contains("config.json"));
}

/// Where the window keeps its settings is the system's affair; on Linux a test
/// can say.
#[cfg(target_os = "linux")]
#[test]
fn folders_that_the_window_has_used_are_listed() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("patchlens")).unwrap();
    let used = json!({"recent_models": [fixture("dino"), bench.path("gone")]});
    bench.file("patchlens/settings.json", used.to_string().as_bytes());
    let mut command = patchlens(["models"]);
    let told = succeeded(command.env("XDG_CONFIG_HOME", bench.folder.path()));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 5, "{told}");
    assert!(
        lines[0].starts_with("mobile-sam ") && lines[3].contains("dino: attention"),
        "{told}"
    );
    let gone = bench.path("gone");
    assert!(lines[4].starts_with(&*gone.to_string_lossy()), "{told}");
    assert!(lines[4].contains(" cannot be used: "), "{told}");
}
