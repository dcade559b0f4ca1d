use super::*;
use crate::document::{Target, paint, recolor_class};
use crate::label::{Classes, Mask};

const SIDE: u32 = 1024;

fn blank() -> Document {
    Document::new(SIDE, SIDE, Classes::default())
}

/// The document with a square of 10 pixels at `(x, y)`.
fn painted(document: &Document, x: u32, y: u32) -> Document {
    let mask = Mask::from_rect(Rect::new(x, y, x + 10, y + 10));
    let target = document
        .segments()
        .first()
        .map_or(Target::New(1), |s| Target::Segment(s.id));
    paint(document, &mask, target).unwrap().document
}

fn history() -> History {
    History::new(blank(), usize::MAX)
}

fn apply(history: &mut History, name: &'static str, x: u32, y: u32) {
    let next = painted(history.current(), x, y);
    assert!(history.apply(name, next));
}

#[test]
fn undo_and_redo_say_what_they_did_and_where() {
    let mut history = history();
    assert_eq!((history.undo(), history.redo()), (None, None));
    apply(&mut history, "Brush", 300, 0);
    apply(&mut history, "Accept mask", 0, 600);
    assert_eq!(
        (history.undo_name(), history.redo_name()),
        (Some("Accept mask"), None)
    );
    let change = history.undo().unwrap();
    assert_eq!(change.name, "Accept mask");
    assert_eq!(change.dirty, Rect::new(0, 512, 256, 768));
    assert_eq!(
        (history.undo_name(), history.redo_name()),
        (Some("Brush"), Some("Accept mask"))
    );
    assert_eq!(history.redo(), Some(change));
    assert_eq!(history.current().segment(1).map(|s| s.area), Some(200));
}

#[test]
fn a_new_step_forgets_what_could_be_redone() {
    let mut history = history();
    apply(&mut history, "Brush", 0, 0);
    history.undo();
    apply(&mut history, "Erase", 500, 0);
    assert!(!history.can_redo());
    assert!(history.undo().is_some() && !history.can_undo());
}

#[test]
fn a_gesture_is_one_step() {
    let mut history = history();
    history.begin_gesture();
    for x in 0..20 {
        let next = painted(history.current(), x * 40, 0);
        history.replace(next);
    }
    assert!(history.in_gesture() && history.is_dirty());
    assert!(history.commit_gesture("Brush"));
    assert_eq!(history.current().segment(1).unwrap().area, 2000);
    assert_eq!(history.undo().unwrap().name, "Brush");
    assert!(history.current().segments().is_empty());
    history.begin_gesture();
    assert!(!history.commit_gesture("Brush"), "nothing was painted");
    assert!(history.can_redo(), "so nothing was forgotten");
    assert!(!history.commit_gesture("Brush"), "no gesture");
}

#[test]
fn undo_within_a_gesture_cancels_it() {
    let mut history = history();
    apply(&mut history, "Brush", 0, 0);
    history.begin_gesture();
    assert!(!history.can_undo());
    assert_eq!(history.undo(), None);
    assert!(!history.in_gesture());
    history.begin_gesture();
    let next = painted(history.current(), 600, 0);
    history.replace(next);
    assert!(history.can_undo() && history.redo().is_none());
    assert_eq!(history.undo().unwrap().dirty, Rect::new(512, 0, 768, 256));
    assert_eq!(history.current().segment(1).unwrap().area, 100);
    assert_eq!(history.undo_name(), Some("Brush"));
}

#[test]
fn an_edit_within_a_gesture_takes_it_along() {
    let mut history = history();
    history.begin_gesture();
    let next = painted(history.current(), 0, 0);
    history.replace(next);
    apply(&mut history, "Accept mask", 600, 0);
    assert!(!history.in_gesture());
    assert_eq!(history.undo().unwrap().name, "Accept mask");
    assert!(history.current().segments().is_empty() && !history.can_undo());
}

#[test]
fn undoing_back_to_the_saved_value_is_clean() {
    let mut history = history();
    assert!(!history.is_dirty());
    apply(&mut history, "Brush", 0, 0);
    let saved = history.current().revision();
    assert!(history.is_dirty());
    history.mark_saved(saved);
    assert!(!history.is_dirty());
    apply(&mut history, "Brush", 50, 0);
    history.undo();
    assert!(!history.is_dirty());
    history.undo();
    assert!(history.is_dirty());
    history.redo();
    assert!(!history.is_dirty());
}

#[test]
fn a_step_costs_the_tiles_that_only_it_holds() {
    const TILE_BYTES: usize = 256 * 256 * 2;
    let mut history = history();
    apply(&mut history, "Brush", 0, 0);
    assert!(
        history.bytes() < TILE_BYTES / 10,
        "before the first stroke the tile was empty"
    );
    apply(&mut history, "Brush", 20, 0);
    apply(&mut history, "Brush", 40, 0);
    let bytes = history.bytes();
    assert!((2 * TILE_BYTES..3 * TILE_BYTES).contains(&bytes), "{bytes}");
    history.undo();
    history.undo();
    history.undo();
    let bytes = history.bytes();
    assert!((3 * TILE_BYTES..4 * TILE_BYTES).contains(&bytes), "{bytes}");
    let recolored = recolor_class(history.current(), 1, [1, 2, 3])
        .unwrap()
        .document;
    history.apply("Recolour class", recolored);
    assert!(history.bytes() < 1000, "no tiles at all");
}

#[test]
fn over_the_budget_the_oldest_steps_go() {
    let budget = 1_000_000;
    let mut history = History::new(blank(), budget);
    for step in 0..100 {
        apply(&mut history, "Brush", step * 10, 0);
        assert!(history.bytes() <= budget);
    }
    let mut undone = 0;
    while history.undo().is_some() {
        undone += 1;
        assert_eq!(history.current().segments()[0].area, 100 * (100 - undone));
    }
    assert!((5..12).contains(&undone), "{undone} steps were kept");
    while history.redo().is_some() {}
    assert_eq!(history.current().segments()[0].area, 10000);
}

#[test]
fn the_last_step_can_be_undone_on_any_budget() {
    let mut history = History::new(blank(), 0);
    for step in 0..3 {
        apply(&mut history, "Brush", step * 10, 0);
    }
    assert!(history.undo().is_some());
    assert!(history.undo().is_none());
}

#[test]
fn replacing_outside_of_a_gesture_makes_no_step() {
    let mut history = history();
    apply(&mut history, "Brush", 0, 0);
    apply(&mut history, "Brush", 20, 0);
    history.undo();
    let next = painted(history.current(), 600, 600);
    history.replace(next);
    assert_eq!(history.current().segments()[0].area, 200);
    let before = history.bytes();
    assert!(history.redo().is_some());
    assert!(history.undo().is_some());
    assert_eq!(history.bytes(), before);
    assert_eq!(history.current().segments()[0].area, 200);
    assert_eq!(history.undo().unwrap().dirty, Rect::new(0, 0, 768, 768));
    assert!(history.current().segments().is_empty());
}
