//! What the attention inspector shows, in files.

use super::*;

/// The inspector on the 120 × 80 photo, with a heatmap on the canvas.
fn inspecting() -> Bench {
    let (mut bench, _) = Bench::open();
    bench.key(Modifiers::NONE, Key::A);
    bench.until("a heatmap is shown", |window| {
        !window.app.inspector.pictures().is_empty()
    });
    bench.harness.run_steps(3);
    bench
}

/// Press the dialog's button and wait for the file.
fn export(bench: &mut Bench, name: &str) -> PathBuf {
    let buttons = bench.harness.get_all_by_label("Export");
    buttons.last().unwrap().click();
    bench.harness.run_steps(2);
    bench.until("it is exported", |window| {
        let mut said = window.app.notices.history();
        said.any(|notice| notice.text.starts_with("Exported") && notice.text.ends_with(name))
    });
    assert_eq!(bench.harness.state().app.dialog, None);
    bench.folder.path().join("exports").join(name)
}

#[test]
fn the_heatmap_is_exported_in_the_size_of_the_photo() {
    let mut bench = inspecting();
    bench.press("Export…");
    let app = &bench.harness.state().app;
    assert_eq!(app.dialog, Some(Dialog::ExportAttention));
    let file = export(&mut bench, "leaf-attention-layer1-mean.png");
    let picture = image::open(&file).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (120, 80));
    let photo = image::open(bench.folder.path().join("leaf.png")).unwrap();
    assert_ne!(picture, photo.into_rgb8(), "the heatmap is over it");
}

#[test]
fn other_kinds_are_chosen_in_the_dialog_and_the_name_follows() {
    let mut bench = inspecting();
    bench.press("Export…");
    bench.press("Rows of all attention heads");
    let file = export(&mut bench, "leaf-attention-layer1-rows.npy");
    let rows = std::fs::read(file).unwrap();
    // Three attention heads on a grid of 8 × 12, after the header.
    assert_eq!(rows.len(), 128 + 4 * 3 * 8 * 12);
    bench.press("Export…");
    bench.press("Description");
    let file = export(&mut bench, "leaf-attention-layer1-mean.json");
    let text = std::fs::read_to_string(file).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["shown"], "Layer 1, mean of 3 attention heads");
    assert_eq!(json["model"], DEFAULT_MODEL);
    assert_eq!(json["statistics"].as_array().unwrap().len(), 3);
}

#[test]
fn the_dialog_fits_the_smallest_window_and_shows_all_in_a_larger_one() {
    let mut bench = inspecting();
    bench.press("Export…");
    let bottom = |bench: &Bench, label: &str| {
        let found = bench.harness.get_all_by_label(label);
        found.last().unwrap().rect().bottom()
    };
    assert!(bottom(&bench, "Description") < bottom(&bench, "File"));
    bench.harness.set_size(Vec2::new(1024.0, 640.0));
    bench.harness.run_steps(4);
    assert!(bottom(&bench, "Export") < 630.0);
    assert!(bench.harness.get_by_label("Class map").rect().top() > 10.0);
}

#[test]
fn attention_is_offered_only_while_the_inspector_shows_it() {
    let (mut bench, _) = Bench::open();
    bench.ask(Command::AskForAttentionExport);
    assert_eq!(bench.harness.state().app.dialog, None, "it is blocked");
    bench.key(Modifiers::COMMAND, Key::E);
    let heatmap = bench.harness.query_by_label("Heatmap over the photo");
    assert!(heatmap.is_none());
    assert!(bench.harness.query_by_label("Class map").is_some());
}
