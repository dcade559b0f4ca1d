//! Attention heads off, and their ranking.

use super::*;
use AttentionCommand as C;

/// All attention heads of the fake models.
const ALL: usize = LAYERS * ATTENTION_HEADS;

/// A bench with a prompt.
fn prompted() -> Bench {
    let mut bench = Bench::inspecting();
    bench.app.add_point(60.0, 40.0, true);
    bench.settle();
    bench
}

#[test]
fn masks_shrink_without_an_attention_head() {
    let mut bench = prompted();
    bench.attention(C::ToggleOff(1, 2));
    let change = bench.inspector().experiment.change().unwrap();
    assert!(change.iou.unwrap() < 1.0 && change.score.1 < change.score.0);
    assert!(change.gained.is_empty() && !change.lost.is_empty());
    let one = change.lost.area();
    bench.attention(C::ToggleLayerOff(1));
    assert_eq!(bench.inspector().experiment.encoder.len(), 3);
    let change = bench.inspector().experiment.change().unwrap();
    assert!(change.lost.area() > one);
    bench.attention(C::ToggleLayerOff(1));
    assert!(bench.inspector().experiment.is_nothing(), "on again");
    bench.attention(C::ToggleOff(0, 0));
    bench.attention(C::AllOn);
    assert!(bench.inspector().experiment.change().is_none());
    // What all attention heads give was asked for once.
    assert_eq!(bench.asked(AnalysisKind::WhatIf), 1 + 3);
}

#[test]
fn without_a_prompt_there_is_nothing_to_compare() {
    let mut bench = Bench::inspecting();
    let why = bench.app.no_prediction().unwrap();
    assert!(why.contains("prompt"), "{why}");
    bench.attention(C::ToggleOff(0, 0));
    bench.attention(C::Rank);
    assert!(bench.inspector().experiment.is_nothing());
    assert!(bench.inspector().experiment.ranking.is_none());
    assert_eq!(bench.asked(AnalysisKind::WhatIf), 0);
}

#[test]
fn classes_change_too() {
    let mut bench = Bench::inspecting_with(DENSE);
    bench.attention(C::ToggleOff(1, 2));
    let change = bench.inspector().experiment.change().unwrap();
    // The cats stay, the cup is narrower: 30 of 40 columns.
    assert!((change.iou.unwrap() - (1.0 + 30.0 / 40.0) / 2.0).abs() < 1e-9);
    assert_eq!(change.lost.area(), 10 * 80);
    let mut bench = Bench::inspecting_with(CLASSIFIER);
    bench.attention(C::ToggleOff(1, 2));
    let change = bench.inspector().experiment.change().unwrap();
    assert_eq!((change.what.as_deref(), change.iou), (Some("tabby"), None));
    assert!((change.score.1 - 0.8 * 0.76).abs() < 1e-6);
}

#[test]
fn all_attention_heads_are_ranked_one_by_one() {
    let mut bench = prompted();
    bench.control.hold(Stage::Analysing);
    bench.app.apply(Command::Attention(C::Rank));
    assert!(bench.control.wait_until_held(Stage::Analysing, LIMIT));
    assert_eq!(bench.asked(AnalysisKind::Rank), 0, "all of them on first");
    bench.control.release(Stage::Analysing);
    bench.settle();
    let ranking = bench.inspector().experiment.ranking.as_ref().unwrap();
    assert_eq!((ranking.done(), ranking.total), (ALL, ALL));
    assert!(!ranking.of_decoder);
    let order: Vec<HeadId> = ranking.found.iter().map(|(head, _)| *head).collect();
    assert_eq!(order, [(1, 2), (1, 1), (1, 0), (0, 2), (0, 1), (0, 0)]);
    assert_eq!(bench.asked(AnalysisKind::Rank), ALL);
    assert_eq!(bench.asked(AnalysisKind::WhatIf), 1);
}

/// Rank up to the first attention head, which is held.
fn ranking() -> Bench {
    let mut bench = prompted();
    bench.attention(C::ToggleOff(0, 0));
    bench.attention(C::AllOn);
    bench.control.hold(Stage::Analysing);
    bench.app.apply(Command::Attention(C::Rank));
    assert!(bench.control.wait_until_held(Stage::Analysing, LIMIT));
    assert_eq!(bench.asked(AnalysisKind::Rank), 1, "one at a time");
    bench
}

#[test]
fn ranking_is_stopped() {
    for stop in [Command::Attention(C::StopRanking), Command::StopModel] {
        let mut bench = ranking();
        bench.app.apply(stop);
        bench.control.release(Stage::Analysing);
        bench.settle();
        let ranking = bench.inspector().experiment.ranking.as_ref().unwrap();
        assert!(!ranking.is_running() && ranking.found.len() <= 1);
        assert_eq!(bench.asked(AnalysisKind::Rank), 1);
    }
}

#[test]
fn ranking_ends_where_the_model_fails() {
    let mut bench = ranking();
    bench.control.fail_next("out of memory");
    bench.control.release(Stage::Analysing);
    bench.settle();
    let ranking = bench.inspector().experiment.ranking.as_ref().unwrap();
    assert!(!ranking.is_running());
    assert_eq!(bench.inspector().refusal(), Some("out of memory"));
}

#[test]
fn a_ranking_is_of_one_prompt() {
    let mut bench = ranking();
    bench.app.add_point(20.0, 20.0, true);
    bench.control.release(Stage::Analysing);
    bench.settle();
    assert!(bench.inspector().experiment.ranking.is_none());
    bench.attention(C::Rank);
    let ranking = bench.inspector().experiment.ranking.as_ref().unwrap();
    assert_eq!(ranking.found.len(), ALL);
}

#[test]
fn a_new_ranking_does_not_take_the_answers_of_the_one_before() {
    let mut bench = ranking();
    bench.app.apply(Command::Attention(C::StopRanking));
    bench
        .app
        .apply(Command::Attention(C::AskFrom(Asking::Prompt)));
    bench.control.release(Stage::Analysing);
    bench.settle();
    bench.control.hold(Stage::Analysing);
    bench.app.apply(Command::Attention(C::Rank));
    assert!(bench.control.wait_until_held(Stage::Analysing, LIMIT));
    bench
        .app
        .apply(Command::Attention(C::AskFrom(Asking::Pointer)));
    bench.app.apply(Command::Attention(C::Rank));
    bench.control.release(Stage::Analysing);
    bench.settle();
    let ranking = bench.inspector().experiment.ranking.as_ref().unwrap();
    assert!(!ranking.of_decoder);
    assert_eq!(ranking.found.len(), ALL);
    let of_encoder = |asked: &Analysis| match asked {
        Analysis::Rank(what) => !what.encoder.is_empty(),
        _ => false,
    };
    let asked = bench.control.analyses();
    let asked = asked.iter().filter(|asked| of_encoder(asked)).count();
    assert_eq!(
        asked,
        1 + ALL,
        "each of them, and the one before it was stopped"
    );
}

#[test]
fn the_prompt_decoder_has_attention_heads_of_its_own() {
    let mut bench = prompted();
    bench.attention(C::AskFrom(Asking::Prompt));
    bench.attention(C::ToggleOff(0, 1));
    let experiment = &bench.inspector().experiment;
    assert_eq!((experiment.encoder.len(), experiment.decoder.len()), (0, 1));
    assert!(experiment.is_off(true, (0, 1)) && !experiment.is_off(false, (0, 1)));
    assert!(experiment.change().is_some());
    bench.attention(C::Rank);
    let ranking = bench.inspector().experiment.ranking.as_ref().unwrap();
    assert!(ranking.of_decoder);
    assert_eq!(ranking.found.len(), ATTENTION_HEADS, "of its one layer");
}
