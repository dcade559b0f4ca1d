//! Strokes of the attention tool that end otherwise than they should.

use super::*;

/// The inspector on the 120 × 80 photo, with the attention brush in hand.
fn growing() -> Bench {
    let (mut bench, _) = Bench::open();
    bench.key(Modifiers::NONE, Key::A);
    bench.until("a heatmap is shown", |window| {
        !window.app.inspector.pictures().is_empty()
    });
    bench.harness.run_steps(3);
    bench.press("Grow");
    bench
}

/// Press at a place of the photo and move to another one.
fn begin(bench: &mut Bench, from: [f32; 2], to: [f32; 2]) {
    let places = [from, to].map(|[x, y]| bench.at(x, y));
    bench.harness.event(Event::PointerMoved(places[0]));
    bench.harness.step();
    bench.pointer(places[0], PointerButton::Primary, true, Modifiers::NONE);
    bench.harness.event(Event::PointerMoved(places[1]));
    bench.harness.step();
}

#[test]
fn a_stroke_ends_when_the_window_loses_the_focus() {
    let mut bench = growing();
    begin(&mut bench, [65.0, 45.0], [75.0, 45.0]);
    let grown = |bench: &Bench| {
        let (tokens, _) = bench.harness.state().app.inspector.grown.clone()?;
        Some(tokens.count())
    };
    let before = grown(&bench);
    assert!(before.is_some());
    bench.harness.event(Event::WindowFocused(false));
    bench.harness.step();
    // What it has grown to is offered.
    bench.until("there is a proposal", |window| {
        let open = window.app.open.as_ref().unwrap();
        open.prompting.offer.is_some()
    });
    // The pointer moves on, with nothing in hand.
    let places = [[95.0, 15.0], [15.0, 15.0]];
    for [x, y] in places {
        let pos = bench.at(x, y);
        bench.harness.event(Event::PointerMoved(pos));
        bench.harness.step();
    }
    assert_eq!(grown(&bench), None);
    let app = &bench.harness.state().app;
    assert!(app.inspector.pinned.is_empty());
}

#[test]
fn a_stroke_beside_the_photo_does_nothing() {
    let mut bench = growing();
    begin(&mut bench, [-3.0, 45.0], [75.0, 45.0]);
    let end = bench.at(75.0, 45.0);
    bench.pointer(end, PointerButton::Primary, false, Modifiers::NONE);
    bench.harness.run_steps(3);
    let app = &bench.harness.state().app;
    assert!(app.inspector.grown.is_none() && app.inspector.pinned.is_empty());
    assert!(app.activities().is_empty());
}
