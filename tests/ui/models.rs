//! Choosing models and taking what they find.

use super::*;
use patchlens::worker::fake::{CLASSIFIER, DENSE};

/// A document with a prediction of the fake dense model: two cats, a cup.
fn predicted() -> (Bench, FakeControl) {
    let (mut bench, control) = Bench::open();
    choose(&mut bench, DENSE);
    bench.press("Predict classes");
    bench.until("there is a prediction", |window| {
        !window
            .app
            .open
            .as_ref()
            .unwrap()
            .prompting
            .labels
            .is_empty()
    });
    bench.harness.run_steps(3);
    (bench, control)
}

fn choose(bench: &mut Bench, name: &str) {
    bench.ask(Command::ChooseModel(name.into()));
    let chosen = name.to_owned();
    bench.until("the model is chosen", move |window| {
        window.app.chosen_model() == chosen.as_str()
    });
    bench.harness.run_steps(3);
}

fn class_names(bench: &Bench) -> Vec<String> {
    let document = bench.doc().document();
    let names = document.segments().iter();
    names
        .map(|segment| document.classes().name(segment.class).to_owned())
        .collect()
}

#[test]
fn a_predicted_class_becomes_one_segment_with_a_class_of_its_name() {
    let (mut bench, _) = predicted();
    assert!(bench.harness.query_by_label("Accept background").is_none());
    bench.press("Accept cat");
    assert_eq!(class_names(&bench), ["cat"]);
    let segment = bench.doc().document().segments()[0];
    assert_eq!(segment.area, 2 * 40 * 26);
    assert!(bench.harness.query_by_label("Accept cat").is_none());
    bench.press("Accept cup");
    assert_eq!(class_names(&bench), ["cat", "cup"]);
    assert!(bench.doc().prompting.everything.is_none());
    bench.key(Modifiers::COMMAND, Key::Z);
    bench.key(Modifiers::COMMAND, Key::Z);
    let document = bench.doc().document();
    assert!(document.segments().is_empty());
    assert_eq!(document.classes().len(), 2, "the classes go with the step");
}

#[test]
fn one_area_can_be_accepted_by_a_click_and_all_by_enter() {
    let (mut bench, _) = predicted();
    bench.click(10.0, 10.0, PointerButton::Primary, Modifiers::NONE);
    assert_eq!(bench.doc().document().segments()[0].area, 40 * 26);
    bench.key(Modifiers::NONE, Key::Enter);
    assert_eq!(class_names(&bench), ["cat", "cat", "cup"]);
    bench.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(class_names(&bench), ["cat"], "accepting all is one step");
}

#[test]
fn areas_can_become_segments_of_their_own() {
    let (mut bench, _) = predicted();
    bench.press("A segment per area");
    bench.press("Accept cat");
    assert_eq!(class_names(&bench), ["cat", "cat"]);
}

#[test]
fn predictions_never_overwrite_labels() {
    let (mut bench, _) = Bench::open();
    bench.ask(Command::Take(Tool::Brush));
    bench.drag(&[[2.0, 2.0], [30.0, 2.0]]);
    let painted = bench.doc().document().segments()[0].area;
    choose(&mut bench, DENSE);
    bench.press("Predict classes");
    bench.until("there is a prediction", |window| {
        !window
            .app
            .open
            .as_ref()
            .unwrap()
            .prompting
            .labels
            .is_empty()
    });
    bench.harness.run_steps(3);
    bench.press("Accept cat");
    let segments = bench.doc().document().segments();
    assert_eq!(segments[0].area, painted);
    assert!(segments[1].area < 2 * 40 * 26);
}

#[test]
fn a_classifier_lists_what_the_photo_shows() {
    let (mut bench, _) = Bench::open();
    choose(&mut bench, CLASSIFIER);
    bench.press("Classify photo");
    bench.until("there are classes", |window| {
        !window
            .app
            .open
            .as_ref()
            .unwrap()
            .prompting
            .likely
            .is_empty()
    });
    bench.harness.run_steps(3);
    bench.press("Add class tabby");
    let classes = bench.doc().document().classes();
    assert!(classes.iter().any(|class| class.name == "tabby"));
    bench.key(Modifiers::NONE, Key::Escape);
    assert!(bench.doc().prompting.likely.is_empty());
}

#[test]
fn points_still_work_beside_a_dense_model() {
    let (mut bench, _) = predicted();
    bench.ask(Command::Drop);
    bench.prompt(60.0, 40.0);
    bench.key(Modifiers::NONE, Key::Enter);
    assert_eq!(bench.doc().document().segments().len(), 1);
}

#[test]
fn a_model_that_cannot_be_loaded_leaves_the_chosen_one() {
    let (mut bench, _) = Bench::open();
    bench.ask(Command::ChooseModel("nowhere".into()));
    bench.until("the failure is shown", |window| {
        let mut said = window.app.notices.history();
        said.any(|notice| notice.text.contains("nowhere"))
    });
    assert_eq!(bench.harness.state().app.chosen_model(), DEFAULT_MODEL);
    bench.prompt(60.0, 40.0);
}

#[test]
fn loading_and_predicting_can_be_stopped() {
    let (mut bench, control) = Bench::open();
    // Else it may be the encoding's model that is held.
    bench.until("the photo is encoded", |window| {
        window.app.activities().is_empty()
    });
    control.hold(Stage::LoadingModel);
    bench.ask(Command::ChooseModel(DENSE.into()));
    assert!(control.wait_until_held(Stage::LoadingModel, LIMIT));
    bench.harness.run_steps(3);
    bench.press("Cancel");
    bench.until("nothing runs", |window| window.app.activities().is_empty());
    assert_eq!(bench.harness.state().app.chosen_model(), DEFAULT_MODEL);
    control.release(Stage::LoadingModel);
    choose(&mut bench, DENSE);
    control.hold(Stage::Predicting);
    bench.press("Predict classes");
    assert!(control.wait_until_held(Stage::Predicting, LIMIT));
    bench.press("Stop");
    bench.until("nothing runs", |window| window.app.activities().is_empty());
    assert!(bench.doc().prompting.labels.is_empty());
}

#[test]
fn the_model_card_says_what_it_is_and_gives_its_classes() {
    let (mut bench, _) = Bench::open();
    choose(&mut bench, DENSE);
    bench.press("Model");
    bench.press("Model card");
    bench.harness.run_steps(3);
    bench.harness.get_by_label("CC0-1.0");
    bench.press("Use its classes");
    let classes = bench.doc().document().classes();
    assert_eq!((classes.name(1), classes.name(2)), ("cat", "cup"));
}

#[test]
fn another_model_drops_what_the_last_one_offered() {
    let (mut bench, _) = predicted();
    choose(&mut bench, DEFAULT_MODEL);
    assert!(bench.doc().prompting.everything.is_none());
    assert!(bench.harness.query_by_label("Accept cat").is_none());
}
