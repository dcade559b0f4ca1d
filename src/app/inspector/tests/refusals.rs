//! What cannot be answered is told once, and what was stopped stays stopped.

use super::*;
use AttentionCommand as C;

#[test]
fn a_failed_inspection_is_told_and_not_tried_again_by_itself() {
    let mut bench = Bench::new();
    bench.control.fail_next("there is no attention in it");
    bench.apply(Command::ToggleInspector);
    for _ in 0..5 {
        bench.settle();
    }
    assert_eq!(bench.inspected(), [DEFAULT_MODEL]);
    let why = bench.inspector().refusal();
    assert_eq!(why, Some("there is no attention in it"));
    assert_eq!(bench.app.notices.history().count(), 0, "told in one place");
    bench.apply(Command::CloseInspector);
    bench.apply(Command::ToggleInspector);
    assert_eq!(bench.inspected().len(), 2, "opened again, it tries again");
    assert!(bench.inspector().inspection().is_some() && bench.inspector().refusal().is_none());
}

#[test]
fn another_model_is_tried_after_a_failure() {
    let mut bench = Bench::new();
    bench.control.fail_next("there is no attention in it");
    bench.apply(Command::ToggleInspector);
    bench.apply(Command::ChooseModel(DENSE.into()));
    assert_eq!(bench.inspector().inspection().unwrap().name, DENSE);
    assert_eq!(bench.inspector().refusal(), None);
}

#[test]
fn a_refusal_outlives_answers_to_other_questions() {
    let mut bench = Bench::inspecting();
    bench.app.inspector.subject = Subject::Relevance;
    bench.settle();
    let why = bench.inspector().refusal().unwrap().to_owned();
    assert!(why.contains("class"), "{why}");
    bench.app.add_point(60.0, 40.0, true);
    bench.settle();
    let before = bench.asked(AnalysisKind::Relevance);
    bench.attention(C::Rank);
    assert_eq!(bench.asked(AnalysisKind::Rank), LAYERS * ATTENTION_HEADS);
    // Once more because a button was pressed, not for each answer of others.
    assert!(bench.asked(AnalysisKind::Relevance) <= before + 1);
    assert_eq!(bench.inspector().refusal(), Some(&*why));
    bench.app.inspector.subject = Subject::Heads;
    bench.settle();
    assert_eq!(
        bench.inspector().refusal(),
        None,
        "it is not asked any more"
    );
}

#[test]
fn what_was_stopped_does_not_begin_again() {
    let mut bench = Bench::new();
    bench.control.hold(Stage::Encoding);
    bench.app.apply(Command::ToggleInspector);
    bench.until("it is asked", |app| app.inspector.is_recording());
    assert!(bench.control.wait_until_held(Stage::Encoding, LIMIT));
    bench.apply(Command::StopModel);
    assert_eq!(bench.inspected().len(), 1);
    assert!(bench.inspector().refusal().is_some());
    bench.control.release(Stage::Encoding);
    bench.apply(Command::CloseInspector);
    bench.apply(Command::ToggleInspector);
    assert!(bench.inspector().inspection().is_some());

    bench.control.hold(Stage::Analysing);
    bench.app.inspector.subject = Subject::Relevance;
    bench.until("it is asked", |app| !app.activities().is_empty());
    assert!(bench.control.wait_until_held(Stage::Analysing, LIMIT));
    bench.apply(Command::StopModel);
    assert_eq!(bench.asked(AnalysisKind::Relevance), 1);
}

#[test]
fn answers_about_another_model_are_not_waited_for() {
    let mut bench = Bench::inspecting();
    bench.app.inspector.wants_statistics = true;
    bench.app.inspect();
    assert!(bench.inspector().awaits(AnalysisKind::Statistics));
    // Before the answer is taken in, another model is there.
    let info = bench.app.model.clone().unwrap();
    bench.app.model_loaded(DENSE.into(), info);
    bench.app.inspect();
    assert!(!bench.inspector().awaits(AnalysisKind::Statistics));
    bench.settle();
    assert!(bench.inspector().statistics().is_some(), "asked anew");
}

#[test]
fn a_late_answer_about_the_photo_before_is_not_offered() {
    let mut bench = Bench::inspecting();
    bench.app.look_at([65.0, 45.0]);
    bench.app.apply(Command::Attention(C::Propose));
    let of_refine = |kind: &AnalysisKind| *kind == AnalysisKind::Refine;
    let pending = &bench.inspector().pending;
    let (_, id, _) = pending.iter().find(|known| of_refine(&known.0)).unwrap();
    let (id, document) = (*id, bench.app.open.as_ref().unwrap().id);
    let other = bench.photo("b.png");
    bench.app.apply(Command::Open(other));
    // Take the other photo in, but nothing else of the same moment.
    while bench.app.open.as_ref().unwrap().id == document {
        match bench.app.worker.try_recv() {
            Some(event) if event.id == id => {}
            Some(event) => bench.app.handle(event),
            None => bench.wakes.recv_timeout(LIMIT).unwrap(),
        }
    }
    let kind = EventKind::Analysed(Analysed::Refined(Mask::from_rect(Rect::new(0, 0, 9, 9))));
    bench.app.handle(Event { id, document, kind });
    bench.settle();
    let open = bench.app.open.as_ref().unwrap();
    assert!(open.prompting.offer.is_none());
}
