//! Clicks and strokes of the attention tool.

use super::*;
use crate::attention::{Query, TokenMask};

/// What a stroke grows to that goes over `places`, an event for each.
fn grown(bench: &mut Bench, places: &[[f32; 2]]) -> TokenMask {
    bench.app.inspector.grows = true;
    bench.app.probe_begin(places[0]);
    for place in &places[1..] {
        bench.app.probe_to(&[*place]);
    }
    let (tokens, _) = bench.inspector().grown.clone().unwrap();
    bench.app.probe_end(false);
    bench.settle();
    tokens
}

const STROKE: [[f32; 2]; 3] = [[65.0, 45.0], [75.0, 45.0], [85.0, 45.0]];

#[test]
fn beside_the_photo_there_is_nothing_to_ask() {
    let mut bench = Bench::inspecting();
    for beside in [[-1.0, 5.0], [5.0, -1.0], [120.0, 5.0], [5.0, 80.0]] {
        bench.app.probe_begin(beside);
        bench.app.probe_end(true);
        bench.app.pin(beside);
        assert!(bench.inspector().pinned.is_empty(), "{beside:?}");
        // A stroke that comes onto the photo did not begin there.
        for grows in [false, true] {
            bench.app.inspector.grows = grows;
            bench.app.probe_begin(beside);
            bench.app.probe_to(&[[20.0, 20.0], [40.0, 20.0]]);
            bench.app.probe_end(false);
        }
        bench.settle();
        let inspector = bench.inspector();
        assert!(inspector.stroke.is_empty() && inspector.grown.is_none());
        assert_eq!(inspector.asking, Asking::Pointer);
    }
    bench.app.inspector.grows = false;
    bench.app.probe_begin([119.5, 79.5]);
    bench.app.probe_end(true);
    assert_eq!(bench.inspector().pinned.len(), 1);
}

#[test]
fn a_stroke_takes_the_place_of_what_has_grown() {
    let mut bench = Bench::inspecting();
    bench.app.inspector.grows = true;
    bench.app.probe_begin([65.0, 45.0]);
    assert!(bench.inspector().grown.is_some());
    bench.app.inspector.grows = false;
    bench.app.probe_begin([25.0, 25.0]);
    assert!(bench.inspector().grown.is_none());
}

#[test]
fn a_stroke_grows_by_what_is_new_of_it() {
    let mut bench = Bench::inspecting();
    let in_steps = grown(&mut bench, &STROKE);
    bench.app.probe_begin(STROKE[0]);
    bench.app.probe_to(&STROKE[1..]);
    let at_once = bench.inspector().grown.clone().unwrap().0;
    assert_eq!(in_steps, at_once);
    // With other attention heads and reach, it grows anew.
    bench.app.inspector.heads = vec![2];
    bench.app.settings.attention.reach = 0.9;
    bench.app.probe_to(&STROKE[2..]);
    let further = bench.inspector().grown.clone().unwrap().0;
    bench.app.probe_end(false);
    bench.settle();
    assert_eq!(further, grown(&mut bench, &STROKE));
    assert!(further.count() > at_once.count());
}

#[test]
fn while_the_prompt_decoder_is_shown_a_stroke_grows_along_the_encoder() {
    use AttentionCommand as C;
    let mut bench = Bench::inspecting();
    bench.attention(C::Choose(1, 2));
    let along_one = grown(&mut bench, &STROKE);
    bench.app.inspector.heads.clear();
    let along_all = grown(&mut bench, &STROKE);
    assert_ne!(along_one, along_all);
    bench.attention(C::Choose(1, 2));
    bench.app.add_point(60.0, 40.0, true);
    bench.attention(C::AskFrom(Asking::Prompt));
    assert!(bench.inspector().heads.is_empty(), "all of the decoder's");
    assert_eq!(grown(&mut bench, &STROKE), along_one);
    // Nor are places on the photo those of the decoder's tokens.
    bench.app.pin([12.0, 12.0]);
    bench.attention(C::AskFrom(Asking::Prompt));
    bench.app.pin([13.0, 13.0]);
    assert!(bench.inspector().pinned.is_empty(), "the same token");
}

#[test]
fn many_tokens_are_asked_of_the_worker_whichever_way() {
    let mut bench = Bench::inspecting();
    let recorded = bench.app.inspector.recorded.as_mut().unwrap();
    let layers = &mut recorded.inspection.layers;
    // As much work as a large model's few layers.
    let many = layers.records.iter().cycle().take(600).cloned();
    layers.records = many.collect();
    for direction in [Direction::From, Direction::To] {
        bench.app.inspector.direction = direction;
        bench.app.look_at([15.0, 15.0]);
        bench.settle();
        assert_eq!(bench.inspector().maps().len(), 600);
        bench.app.inspector.stroke = Mask::from_rect(Rect::new(0, 0, 120, 80));
        let ask = AttentionCommand::AskFrom(Asking::Stroke);
        bench.app.apply(Command::Attention(ask));
        let awaited = |bench: &Bench| bench.inspector().awaits(AnalysisKind::Rows);
        assert!(awaited(&bench), "{direction:?}");
        bench.settle();
        assert!(!awaited(&bench));
        let maps = bench.inspector().maps()[0].as_ref().unwrap();
        let Query::Tokens(tokens) = &maps.query else {
            panic!("all tokens are asked");
        };
        assert_eq!(tokens.len(), GRID.len());
        bench.attention(AttentionCommand::AskFrom(Asking::Pointer));
    }
}
