//! Classes of whole photos: unasked at a first start, and with Predict.

use super::*;
use patchlens::app::Framing;
use patchlens::models::predict;
use patchlens::models::registry::TINY_DEEPLAB;
use patchlens::worker::fake::{CLASSIFIER, DENSE};

/// The program without arguments, on the sample photo.
fn started(folder: tempfile::TempDir) -> (Bench, FakeControl) {
    let (engine, control) = FakeEngine::new();
    (Bench::start(Box::new(engine), folder, None), control)
}

/// A first start: there are no settings.
fn first_start() -> (Bench, FakeControl) {
    started(tempfile::tempdir().unwrap())
}

fn is_predicted(window: &Window) -> bool {
    let open = window.app.open.as_ref();
    open.is_some_and(|open| !open.prompting.labels.is_empty())
}

fn greeted() -> (Bench, FakeControl) {
    let (mut bench, control) = first_start();
    bench.until("the sample's classes are shown", is_predicted);
    bench.harness.run_steps(3);
    (bench, control)
}

fn has_legend(bench: &Bench) -> bool {
    bench.harness.query_by_label_contains("Legend").is_some()
}

fn said(bench: &Bench) -> Vec<String> {
    let notices = bench.harness.state().app.notices.history();
    notices.map(|notice| notice.text.clone()).collect()
}

#[test]
fn a_first_start_predicts_the_sample_and_shows_a_legend() {
    let (bench, control) = greeted();
    bench.harness.get_by_label("Legend: cup 33 %, cat 22 %");
    let (model, options) = control.predictions().pop().unwrap();
    assert_eq!(model, TINY_DEEPLAB);
    assert_eq!(options.framing, predict::Framing::Trained);
    assert_eq!(bench.harness.state().app.chosen_model(), DEFAULT_MODEL);
    assert_eq!(said(&bench), [""; 0], "nothing was asked for");
}

#[test]
fn what_was_predicted_unasked_gives_way_to_a_click() {
    let (mut bench, control) = greeted();
    bench.prompt(80.0, 80.0);
    assert_eq!(control.prompts()[0].points.len(), 1);
    assert!(bench.doc().prompting.labels.is_empty() && !has_legend(&bench));
    bench.key(Modifiers::NONE, Key::Enter);
    assert_eq!(bench.doc().document().segments().len(), 1);
    assert_eq!(said(&bench), [""; 0]);
}

#[test]
fn an_unasked_prediction_that_still_runs_gives_way_without_a_word() {
    let (engine, control) = FakeEngine::new();
    // Before the window starts: else it may have predicted already.
    control.hold(Stage::Predicting);
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(Box::new(engine), folder, None);
    bench.until("it is being predicted", |_| {
        control.wait_until_held(Stage::Predicting, Duration::from_millis(1))
    });
    bench.prompt(80.0, 80.0);
    bench.until("nothing runs", |window| window.app.activities().is_empty());
    assert_eq!(said(&bench), [""; 0]);
}

#[test]
fn enter_keeps_what_was_predicted_unasked_and_escape_drops_it() {
    let (mut bench, _) = greeted();
    bench.key(Modifiers::NONE, Key::Enter);
    assert_eq!(bench.doc().document().segments().len(), 2);
    assert!(!bench.harness.state().app.first_steps);
    let (mut bench, _) = greeted();
    bench.key(Modifiers::NONE, Key::Escape);
    assert!(bench.doc().prompting.everything.is_none() && !has_legend(&bench));
    assert!(bench.doc().document().segments().is_empty());
}

#[test]
fn a_stroke_and_the_select_tool_also_have_their_way() {
    let (mut bench, _) = greeted();
    bench.key(Modifiers::NONE, Key::V);
    bench.click(500.0, 80.0, PointerButton::Primary, Modifiers::NONE);
    assert_eq!(bench.doc().document().segments().len(), 1, "the cup");
    bench.key(Modifiers::NONE, Key::B);
    bench.drag(&[[250.0, 250.0], [260.0, 250.0]]);
    assert!(!has_legend(&bench));
}

#[test]
fn later_starts_and_other_photos_are_not_predicted_unasked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("settings.json"), "{}").unwrap();
    let (mut later, control) = started(folder);
    later.until("the photo is encoded", |window| {
        window.app.open.as_ref().is_some_and(|open| open.encoded)
    });
    later.until("nothing runs", |window| window.app.activities().is_empty());
    assert_eq!(control.predictions(), []);
    let (mut other, control) = Bench::open();
    other.until("nothing runs", |window| window.app.activities().is_empty());
    assert_eq!(control.predictions(), []);
}

#[test]
fn predict_needs_no_chosen_model() {
    let (mut bench, control) = Bench::open();
    bench.key(Modifiers::COMMAND, Key::P);
    bench.until("there is a prediction", is_predicted);
    bench.harness.run_steps(3);
    assert_eq!(control.predictions()[0].0, TINY_DEEPLAB);
    assert_eq!(bench.harness.state().app.chosen_model(), DEFAULT_MODEL);
    assert!(has_legend(&bench));
    // Asked for, a click takes an area.
    bench.click(10.0, 10.0, PointerButton::Primary, Modifiers::NONE);
    assert_eq!(bench.doc().document().segments().len(), 1);
}

#[test]
fn predict_asks_the_model_chosen_last_that_knows_classes() {
    let (mut bench, control) = Bench::open();
    for model in [DENSE, DEFAULT_MODEL] {
        bench.ask(Command::ChooseModel(model.into()));
        bench.until("the model is chosen", |window| {
            window.app.chosen_model() == model
        });
    }
    bench.press("Predict classes");
    bench.until("there is a prediction", is_predicted);
    assert_eq!(control.predictions()[0].0, DENSE);
}

#[test]
fn models_see_the_whole_photo_as_in_training_unless_that_crops_it() {
    let (mut bench, control) = Bench::open();
    let mut shown = |framing, model: &str| {
        bench.harness.state_mut().app.settings.framing = framing;
        bench.ask(Command::ChooseModel(model.into()));
        bench.until("the model is chosen", |window| {
            window.app.chosen_model() == model
        });
        bench.ask(Command::Predict);
        bench.until("it is answered", |window| {
            window.app.activities().is_empty()
        });
        control.predictions().pop().unwrap().1.framing
    };
    let whole = Framing::default();
    assert_eq!(shown(whole, DENSE), predict::Framing::Trained);
    assert_eq!(shown(whole, CLASSIFIER), predict::Framing::Squash);
    assert_eq!(
        shown(Framing::Trained, CLASSIFIER),
        predict::Framing::Trained
    );
    assert_eq!(shown(Framing::Slide, DENSE), predict::Framing::Slide);
    assert_eq!(shown(Framing::Slide, CLASSIFIER), predict::Framing::Squash);
}

#[test]
fn the_chooser_lists_the_models_that_are_built_in() {
    let (mut bench, _) = Bench::open();
    bench.press("Model");
    for title in ["MobileSAM", "TinyViT-DeepLabV3+", "ViT-DeepLabV3+"] {
        bench.harness.get_by_label(title);
    }
    bench
        .harness
        .get_by_label("Predict shows TinyViT-DeepLabV3+");
    bench.press("ViT-DeepLabV3+");
    bench.until("it is chosen", |window| {
        window.app.chosen_model() == patchlens::models::registry::PLAIN_DEEPLAB
    });
}
