//! The attention inspector: what is looked at, and what becomes of it.

use super::*;
use patchlens::app::inspector::{Asking, Inspector, Picture, Unit};
use patchlens::attention::Direction;
use patchlens::worker::AnalysisKind;
use patchlens::worker::fake::attention::{ATTENTION_HEADS, LAYERS};
use patchlens::worker::fake::{CLASSIFIER, DENSE};

/// So high that nothing of the panel has to be scrolled to.
const SIZE: Vec2 = Vec2::new(1280.0, 1800.0);

impl Bench {
    fn inspector(&self) -> &Inspector {
        &self.harness.state().app.inspector
    }

    fn pictures(&self) -> &[Picture] {
        self.inspector().pictures()
    }

    fn titles(&self) -> Vec<&str> {
        let pictures = self.pictures().iter();
        pictures.map(|picture| picture.title.as_str()).collect()
    }

    /// The tokens that the first picture is of.
    fn tokens(&self) -> Vec<(usize, usize)> {
        let asked = self.pictures()[0].asked.as_ref();
        asked.unwrap().2.clone()
    }

    /// Move the pointer over a place of the photo.
    fn hover(&mut self, x: f32, y: f32) {
        let pos = self.at(x, y);
        self.harness.event(Event::PointerMoved(pos));
        self.harness.run_steps(3);
    }

    /// Click a control of that label.
    fn click_on(&mut self, label: &str, button: PointerButton, modifiers: Modifiers) {
        let control = self.harness.get_by_label(label);
        control.click_button_modifiers(button, modifiers);
        self.harness.run_steps(3);
    }

    /// Wait until nothing runs, and show that.
    fn settle(&mut self) {
        self.until("nothing runs", |window| window.app.activities().is_empty());
        self.harness.run_steps(3);
    }

    fn has(&self, label: &str) -> bool {
        self.harness.query_by_label_contains(label).is_some()
    }

    /// Unfold a section.
    fn unfold(&mut self, title: &str) {
        self.press(title);
        self.harness.run_steps(20);
        self.settle();
    }

    fn offered(&mut self) {
        self.until("there is a proposal", |window| {
            window.app.open.as_ref().unwrap().prompting.offer.is_some()
        });
        self.harness.run_steps(3);
    }

    /// A selected segment in the upper left corner.
    fn painted(&mut self) {
        self.harness.state_mut().app.settings.brush_radius = 8.0;
        self.key(Modifiers::NONE, Key::B);
        self.drag(&[[5.0, 5.0], [10.0, 5.0], [15.0, 10.0]]);
        assert_eq!(self.doc().selection.len(), 1);
    }
}

/// A photo under the inspector, with the model that prompts go to.
fn inspecting() -> (Bench, FakeControl) {
    let (mut bench, control) = Bench::open();
    inspect(&mut bench);
    (bench, control)
}

fn inspecting_with(model: &str) -> (Bench, FakeControl) {
    let (mut bench, control) = Bench::open();
    bench.ask(Command::ChooseModel(model.into()));
    inspect(&mut bench);
    (bench, control)
}

fn inspect(bench: &mut Bench) {
    bench.harness.set_size(SIZE);
    bench.settle();
    bench.key(Modifiers::NONE, Key::A);
    bench.settle();
}

#[test]
fn a_key_opens_and_closes_it() {
    let (mut bench, control) = inspecting();
    assert_eq!(control.inspections()[0].0, DEFAULT_MODEL);
    for layer in 0..LAYERS {
        for head in 0..ATTENTION_HEADS {
            let label = format!("Layer {layer}, attention head {head}");
            bench.harness.get_by_label(&label);
        }
    }
    assert_eq!(bench.harness.state().app.tool, Tool::Attention);
    assert!(bench.has("Colour bar: 0 to ") && bench.has("share of attention"));
    bench.key(Modifiers::NONE, Key::A);
    assert!(!bench.inspector().shown && !bench.has("attention head"));
    assert!(!bench.has("Colour bar"));
    assert_eq!(bench.harness.state().app.tool, Tool::default());
    bench.key(Modifiers::NONE, Key::A);
    // With another tool in hand, the key comes back to it.
    bench.key(Modifiers::NONE, Key::P);
    assert!(bench.inspector().shown);
    bench.key(Modifiers::NONE, Key::A);
    assert!(bench.inspector().shown);
    assert_eq!(bench.harness.state().app.tool, Tool::Attention);
    bench.press("Close the inspector  (A)");
    assert!(!bench.inspector().shown);
    assert_eq!(control.inspections().len(), 1, "it was recorded already");
}

#[test]
fn the_pointer_asks() {
    let (mut bench, _) = inspecting();
    bench.hover(15.0, 25.0);
    assert_eq!(bench.tokens(), [(2, 1)]);
    let serial = bench.inspector().serial();
    bench.hover(17.0, 27.0);
    assert_eq!(bench.inspector().serial(), serial, "the same token");
    bench.hover(95.0, 75.0);
    assert_eq!(bench.tokens(), [(7, 9)]);
    // Beside the photo there is no token: the last one stays.
    bench.hover(-10.0, 30.0);
    assert_eq!(bench.tokens(), [(7, 9)]);
}

#[test]
fn a_click_pins_and_a_right_click_unpins() {
    let (mut bench, _) = inspecting();
    bench.click(15.0, 25.0, PointerButton::Primary, Modifiers::NONE);
    bench.harness.run_steps(3);
    bench.harness.get_by_label("Pinned (1)");
    bench.click(95.0, 75.0, PointerButton::Primary, Modifiers::NONE);
    bench.harness.run_steps(3);
    bench.harness.get_by_label("Pinned (2)");
    bench.hover(55.0, 45.0);
    assert_eq!(bench.tokens(), [(2, 1), (7, 9)], "the pointer is free");
    bench.press("Pointer");
    assert_eq!(bench.tokens(), [(4, 5)]);
    bench.press("Pinned (2)");
    assert_eq!(bench.tokens().len(), 2);
    bench.click(55.0, 45.0, PointerButton::Secondary, Modifiers::NONE);
    bench.harness.run_steps(3);
    bench.harness.get_by_label("Pinned");
    assert_eq!(bench.inspector().asking, Asking::Pointer);
    assert!(bench.doc().document().segments().is_empty());
}

#[test]
fn a_stroke_asks_for_all_under_it() {
    let (mut bench, _) = inspecting();
    bench.harness.state_mut().app.settings.brush_radius = 6.0;
    bench.drag(&[[15.0, 45.0], [25.0, 45.0], [35.0, 45.0]]);
    bench.harness.run_steps(3);
    assert_eq!(bench.inspector().asking, Asking::Stroke);
    assert_eq!(bench.tokens(), [(4, 1), (4, 2), (4, 3)]);
    bench.key(Modifiers::NONE, Key::Escape);
    assert_eq!(bench.inspector().asking, Asking::Pointer);
}

#[test]
fn thumbnails_are_chosen_fused_and_compared() {
    let (mut bench, _) = inspecting();
    let left = |bench: &Bench| bench.harness.get_by_label("Who looks here").rect().left();
    let before = left(&bench);
    assert_eq!(bench.titles(), ["Layer 1, mean of 3 attention heads"]);
    bench.press("Layer 0, attention head 1");
    assert_eq!(bench.titles(), ["Layer 0, attention head 1"]);
    let (primary, ctrl) = (PointerButton::Primary, Modifiers::COMMAND);
    bench.click_on("Layer 0, attention head 2", primary, ctrl);
    bench.press("Max");
    assert_eq!(bench.titles(), ["Layer 0, maximum of attention heads 1, 2"]);
    bench.press("All of it");
    assert_eq!(bench.titles(), ["Layer 0, maximum of 3 attention heads"]);
    bench.press("Layer 0, attention head 1");
    bench.click_on("Layer 1, attention head 2", primary, Modifiers::SHIFT);
    assert_eq!(
        bench.titles(),
        ["Layer 0, attention head 1", "Layer 1, attention head 2"]
    );
    // The row of the comparison does not push the panel wider.
    bench.harness.run_steps(5);
    assert_eq!(left(&bench), before);
    bench.press("Difference");
    assert_eq!(bench.pictures()[0].unit, Unit::Difference);
    assert!(bench.pictures().len() == 1 && bench.has("difference of shares"));
    bench.press("Beside");
    assert_eq!(bench.pictures().len(), 2);
    bench.press("Compare no longer");
    assert_eq!(bench.titles(), ["Layer 0, attention head 1"]);
}

#[test]
fn both_halves_of_a_comparison_answer_the_pointer() {
    let (mut bench, _) = inspecting();
    bench.press("Layer 0, attention head 1");
    let shift = Modifiers::SHIFT;
    bench.click_on("Layer 1, attention head 2", PointerButton::Primary, shift);
    let left = bench.harness.get_by_label_contains("Canvas").rect();
    let tokens = |bench: &mut Bench, pos: Pos2| {
        bench.harness.event(Event::PointerMoved(pos));
        bench.harness.run_steps(3);
        bench.tokens()
    };
    let step = Vec2::new(-60.0, 30.0);
    let there = tokens(&mut bench, left.center() + step);
    let centre = tokens(&mut bench, left.center());
    assert_ne!(there, centre);
    let beside = left.center() + Vec2::new(left.width() + 4.0, 0.0);
    assert_eq!(tokens(&mut bench, beside + step), there);
    assert_eq!(tokens(&mut bench, beside), centre);
}

#[test]
fn arrows_walk_through_the_grid() {
    let (mut bench, _) = inspecting();
    bench.press("Layer 0, attention head 1");
    bench
        .harness
        .get_by_label("Layer 0, attention head 1")
        .focus();
    bench.harness.run_steps(2);
    bench.key(Modifiers::NONE, Key::ArrowRight);
    assert_eq!(bench.titles(), ["Layer 0, attention head 2"]);
    bench.key(Modifiers::NONE, Key::ArrowDown);
    assert_eq!(bench.titles(), ["Layer 1, attention head 2"]);
    assert_eq!(bench.doc().name(), "leaf.png", "no other photo");
}

#[test]
fn the_mass_is_chosen_by_a_slider() {
    let (mut bench, _) = inspecting();
    bench.hover(65.0, 45.0);
    let held = |bench: &Bench| bench.pictures()[0].held.as_ref().unwrap().count();
    let mut hold = |percent| {
        let label = "The outlined tokens hold this share of the attention";
        let slider = bench.harness.get_by_label(label);
        slider.set_value_accesskit(percent);
        bench.harness.run_steps(3);
        held(&bench)
    };
    let (less, more) = (hold(20.0), hold(80.0));
    assert!(0 < less && less < more && more < 96, "{less} and {more}");
}

#[test]
fn attention_becomes_a_segment() {
    let (mut bench, _) = inspecting();
    bench.hover(65.0, 45.0);
    bench.press("As proposal");
    bench.offered();
    bench.key(Modifiers::NONE, Key::Enter);
    let segment = bench.doc().document().segments()[0];
    assert_eq!(segment.score, None, "no model has judged it");
    assert!(bench.doc().document().segment_at(65, 45).is_some());
    bench.key(Modifiers::COMMAND, Key::Z);
    assert!(bench.doc().document().segments().is_empty());
}

#[test]
fn attention_becomes_a_prompt() {
    let (mut bench, control) = inspecting();
    bench.hover(65.0, 45.0);
    bench.press("As prompt");
    bench.offered();
    assert!(control.prompts()[0].bbox.is_some());
    bench.key(Modifiers::NONE, Key::Enter);
    let segment = bench.doc().document().segments()[0];
    assert!(segment.score.is_some(), "the prompt decoder's");
}

#[test]
fn the_attention_brush_makes_a_proposal() {
    let (mut bench, _) = inspecting();
    bench.press("Grow");
    bench.drag(&[[65.0, 45.0], [75.0, 45.0], [85.0, 45.0]]);
    bench.offered();
    assert!(bench.inspector().pinned.is_empty());
    bench.key(Modifiers::NONE, Key::Enter);
    assert_eq!(bench.doc().document().segments().len(), 1);
    assert!(bench.doc().document().segment_at(75, 45).is_some());
    bench.key(Modifiers::COMMAND, Key::Z);
    assert!(bench.doc().document().segments().is_empty());
    // The key takes the brush in hand from anywhere.
    bench.key(Modifiers::NONE, Key::A);
    bench.key(Modifiers::SHIFT, Key::B);
    assert!(bench.inspector().shown && bench.inspector().grows);
}

#[test]
fn more_like_a_segment_is_offered_and_kept() {
    let (mut bench, _) = inspecting();
    bench.painted();
    bench.press("More like this");
    bench.settle();
    let offered = bench.doc().prompting.everything.as_ref().unwrap().len();
    assert_eq!(bench.pictures()[0].unit, Unit::Similarity);
    assert!(bench.has("cosine similarity") && bench.has("Keep candidate 1"));
    bench
        .harness
        .get_by_label(&format!("{offered} candidates: Enter keeps all"));
    bench.key(Modifiers::NONE, Key::Enter);
    let segments = bench.doc().document().segments().len();
    assert_eq!(segments, 1 + offered);
    bench.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(bench.doc().document().segments().len(), 1, "one step");
}

#[test]
fn the_folder_is_searched_for_more() {
    let (mut bench, _) = Bench::open();
    for name in ["other.png", "third.png"] {
        photo(bench.folder.path(), name);
    }
    let folder = bench.folder.path().to_path_buf();
    bench.ask(Command::Open(folder));
    inspect(&mut bench);
    bench.painted();
    bench.key(Modifiers::NONE, Key::M);
    bench.settle();
    bench.press("In the folder");
    bench.settle();
    bench
        .harness
        .get_by_label("2 of 2 photos have something like it");
    bench.key(Modifiers::NONE, Key::Escape);
    bench.key(Modifiers::COMMAND, Key::S);
    bench.settle();
    let hit = bench.harness.get_by_label_contains("other.png  ·");
    hit.click();
    bench.until("it is open", |window| {
        let open = window.app.open.as_ref().unwrap();
        open.name() == "other.png" && open.prompting.everything.is_some()
    });
}

#[test]
fn the_prompt_decoder_is_looked_into() {
    let (mut bench, control) = inspecting();
    bench.key(Modifiers::NONE, Key::P);
    bench.prompt(60.0, 40.0);
    bench.harness.run_steps(3);
    bench.press("Prompt");
    bench.settle();
    let found = bench.inspector().prompt().unwrap();
    assert_eq!(found.tokens, ["score", "mask 1", "point 1"]);
    assert_eq!(bench.pictures().len(), 1);
    assert_eq!(bench.inspector().layers().unwrap().records.len(), 1);
    assert!(!bench.has("Layer 1, attention head"), "it has one layer");
    let mut combos = bench.harness.query_all_by_role(egui::Role::ComboBox);
    assert!(combos.any(|combo| combo.value().as_deref() == Some("mask 1")));
    let asked = control.analyses();
    assert!(
        asked
            .iter()
            .all(|asked| asked.kind() == AnalysisKind::Prompt)
    );
}

#[test]
fn it_tells_who_looks_here() {
    let (mut bench, _) = inspecting();
    bench.hover(5.0, 5.0);
    let from = bench.pictures()[0].map.clone();
    bench.press("Who looks here");
    bench.settle();
    assert_eq!(bench.inspector().direction, Direction::To);
    let to = bench.pictures()[0].map.clone();
    assert_eq!(bench.tokens(), [(0, 0)]);
    assert!(to.at(0, 1).unwrap() < from.at(0, 1).unwrap());
    bench.hover(95.0, 75.0);
    assert_eq!(
        bench.tokens(),
        [(7, 9)],
        "prepared once, then by the pointer"
    );
    bench.press("Who looks here");
    assert_eq!(bench.inspector().direction, Direction::From);
}

#[test]
fn an_attention_head_is_switched_off() {
    let (mut bench, _) = inspecting_with(DENSE);
    bench.unfold("What if");
    let secondary = PointerButton::Secondary;
    bench.click_on("Layer 1, attention head 2", secondary, Modifiers::NONE);
    bench.press("Switch off");
    bench.settle();
    assert!(bench.has("Without 1 attention head") && bench.has("Mean IoU of all classes 0.875"));
    assert!(bench.has("gained 0 px") && bench.has("lost 800 px"));
    bench.press("Layer 1 off");
    bench.settle();
    assert!(bench.has("Without 3 attention heads"));
    bench.press("All on");
    bench.settle();
    assert!(!bench.has("Mean IoU of all classes"));
    assert!(bench.doc().document().segments().is_empty());
}

#[test]
fn without_a_prompt_there_is_nothing_to_try() {
    let (mut bench, _) = inspecting();
    bench.unfold("What if");
    assert!(bench.has("Give a prompt first"));
    assert!(!bench.has("Which attention heads matter most"));
}

#[test]
fn attention_heads_are_ranked() {
    let (mut bench, control) = inspecting_with(CLASSIFIER);
    bench.unfold("What if");
    control.hold(Stage::Analysing);
    bench.press("Which attention heads matter most");
    bench.until("the first is tried", |_| {
        control.wait_until_held(Stage::Analysing, Duration::from_millis(1))
    });
    bench.harness.get_by_label("Stop trying attention heads");
    control.release(Stage::Analysing);
    bench.until("all have been tried", |window| {
        let ranking = window.app.inspector.experiment.ranking.as_ref();
        ranking.is_some_and(|ranking| !ranking.is_running())
    });
    bench.harness.run_steps(3);
    let experiment = &bench.inspector().experiment;
    let ranking = experiment.ranking.as_ref().unwrap();
    assert_eq!(ranking.found.len(), LAYERS * ATTENTION_HEADS);
    assert_eq!(ranking.found[0].0, (1, 2));
    // The probability of "tabby" falls from 0.8 by 0.24 of it.
    assert!(bench.has("p -0.192"));
    // Each is named in the grid, then in the list.
    let named = bench.harness.get_all_by_label("Layer 1, attention head 2");
    named.last().unwrap().click();
    bench.harness.run_steps(3);
    assert_eq!(bench.titles(), ["Layer 1, attention head 2"]);
}

#[test]
fn a_class_is_explained() {
    let (mut bench, _) = inspecting_with(DENSE);
    bench.press("Relevance");
    bench.settle();
    assert_eq!(bench.titles(), ["What cat rests on"]);
    assert!(bench.has("Score of the photo") && bench.has("relevance"));
    bench.press("Rollout");
    bench.settle();
    assert_eq!(bench.titles(), ["Rollout through all layers"]);
    assert!(bench.has("share of rollout"));
}

#[test]
fn statistics_are_measured_when_unfolded() {
    let (mut bench, _) = inspecting();
    assert!(bench.inspector().statistics().is_none());
    bench.unfold("Statistics");
    assert!(bench.inspector().statistics().is_some());
    assert!(!bench.has("Measuring"));
}

#[test]
fn it_says_why_there_is_nothing_to_see() {
    let (mut bench, control) = Bench::open();
    bench.settle();
    control.fail_next("this model has no attention layers that look at the photo");
    bench.key(Modifiers::NONE, Key::A);
    bench.settle();
    assert!(bench.has("This model has no attention layers"));
    assert!(!bench.has("Layer 0, attention head 0") && !bench.has("Colour bar"));
    assert_eq!(control.inspections().len(), 1);
}

#[test]
fn it_fits_into_tiny_windows() {
    let (mut bench, _) = inspecting();
    bench.hover(65.0, 45.0);
    for size in [[360.0, 120.0], [60.0, 40.0], [1280.0, 800.0]] {
        bench.harness.set_size(Vec2::from(size));
        bench.harness.run_steps(3);
    }
    assert_eq!(bench.pictures().len(), 1);
}
