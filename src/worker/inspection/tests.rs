//! What is recorded, and which part of the photo it lies on.

use crate::attention::{AllMaps, Direction, Layers, Place};
use crate::models::predict::{Framing, Options};
use crate::models::{Prompt, PromptPoint};
use crate::nn::{Ablation, Capture};
use crate::task::detached;
use crate::worker::testing::Bench;
use crate::worker::{Analysed, Analysis, JobError, Outcome, WhatIf};

fn all_look(layers: &Layers, place: &Place) -> AllMaps {
    detached(|task| layers.all_look(place, task)).unwrap()
}

fn near(got: f64, wanted: f64) {
    assert!((got - wanted).abs() < 1.0, "{got} is not {wanted}");
}

#[test]
fn a_photo_that_is_squashed_is_covered_by_the_grid() {
    let bench = Bench::new("vit", &Options::default());
    let inspection = &bench.inspection;
    assert_eq!(inspection.options.capture, Capture::QueriesAndKeys);
    let layers = &inspection.layers;
    assert_eq!(layers.records.len(), 3);
    assert!(layers.have_class_token() && layers.bytes() > 0);
    let view = layers.view;
    assert_eq!((view.left, view.top), (0.0, 0.0));
    near(view.right, 97.0);
    near(view.bottom, 64.0);
    // 4 × 4 tokens: the last one is under the lower right corner.
    let corner = Place::Points(vec![[96.0, 63.0]]);
    for maps in all_look(layers, &corner) {
        let maps = maps.unwrap();
        assert_eq!(maps.maps.len(), 3);
        let total = maps.maps[0].sum() + maps.prefix[0].iter().sum::<f32>();
        assert!((total - 1.0).abs() < 1e-4);
    }
}

#[test]
fn what_is_cut_off_has_no_tokens() {
    let bench = Bench::new("dinov2", &Options::default());
    let (width, height) = (
        f64::from(bench.photo.width()),
        f64::from(bench.photo.height()),
    );
    let view = bench.inspection.layers.view;
    // 56 of 64 pixels in the middle.
    let side = width.min(height) * 56.0 / 64.0;
    near(view.width(), side);
    near(view.height(), side);
    near(view.centre().0, width / 2.0);
    let record = &bench.inspection.layers.records[0];
    let outside = Place::Points(vec![[1.0, 1.0]]);
    let query = bench
        .inspection
        .layers
        .query(record, &outside, Direction::From);
    assert!(query.is_err());
}

#[test]
fn patches_leave_a_rest_of_the_input() {
    let options = Options {
        framing: Framing::Squash,
        input: Some((60, 56)),
        ..Options::default()
    };
    let bench = Bench::new("dinov2", &options);
    let (width, height) = (
        f64::from(bench.photo.width()),
        f64::from(bench.photo.height()),
    );
    let view = bench.inspection.layers.view;
    near(view.right, width * 56.0 / 60.0);
    near(view.bottom, height);
}

#[test]
fn a_frame_reaches_beyond_the_photo() {
    let bench = Bench::new("sam_slim", &Options::default());
    let view = bench.inspection.layers.view;
    // 90 × 67 pixels at the upper left of a square.
    near(view.right, 90.0);
    near(view.bottom, 90.0);
    assert!(!bench.inspection.layers.have_class_token());
}

fn click(x: f32, y: f32) -> Prompt {
    Prompt {
        points: vec![PromptPoint {
            x,
            y,
            positive: true,
        }],
        ..Prompt::default()
    }
}

#[test]
fn the_prompt_decoder_looks_from_and_at_its_tokens() {
    let mut bench = Bench::new("sam_slim", &Options::default());
    let Analysed::Prompt(found) = bench.ask(&Analysis::Prompt(click(40.0, 30.0))).unwrap() else {
        panic!("it is a prompt's");
    };
    assert!(found.mask_token < found.tokens.len());
    assert_eq!(found.layers.view, bench.inspection.layers.view);
    let maps = all_look(&found.layers, &Place::Prefix(found.mask_token));
    assert!(maps.iter().any(|maps| maps.is_ok()));
    // A model without prompts has no such layers.
    let mut bench = Bench::new("vit", &Options::default());
    let why = bench.ask(&Analysis::Prompt(click(1.0, 1.0))).unwrap_err();
    assert!(matches!(why, JobError::Failed(why) if why.contains("takes no prompts")));
}

#[test]
fn a_prediction_is_made_without_attention_heads() {
    let what = |encoder: Ablation| WhatIf {
        encoder,
        prompt: Some(click(40.0, 30.0)),
        ..WhatIf::default()
    };
    let all: Ablation = (0..9)
        .flat_map(|layer| (0..9).map(move |head| (layer, head)))
        .collect();
    let outcome = |bench: &mut Bench, what: WhatIf| {
        let Ok(Analysed::Outcome(outcome)) = bench.ask(&Analysis::WhatIf(what)) else {
            panic!("it predicts");
        };
        outcome
    };
    let mut bench = Bench::new("sam_slim", &Options::default());
    let before = outcome(&mut bench, what(Ablation::none()));
    let after = outcome(&mut bench, what(all.clone()));
    let of_decoder = WhatIf {
        decoder: all.clone(),
        ..what(Ablation::none())
    };
    let other = outcome(&mut bench, of_decoder);
    let score = |outcome: &Outcome| match outcome {
        Outcome::Mask(_, score) => *score,
        _ => panic!("a mask is asked for"),
    };
    assert_ne!(score(&before), score(&after));
    assert_ne!(score(&before), score(&other));
    let mut without = what(all.clone());
    without.prompt = None;
    assert!(
        bench.ask(&Analysis::WhatIf(without)).is_err(),
        "nothing is asked"
    );

    let mut bench = Bench::new("segformer", &Options::default());
    let before = outcome(&mut bench, what(Ablation::none()));
    let after = outcome(&mut bench, what(all));
    let scores = |outcome: &Outcome| match outcome {
        Outcome::Areas(areas) => areas.iter().map(|area| area.2).collect::<Vec<f32>>(),
        _ => panic!("it gives classes to pixels"),
    };
    assert_ne!(scores(&before), scores(&after));
}

#[test]
fn layers_have_grids_of_their_own() {
    let bench = Bench::new("segformer", &Options::default());
    let layers = &bench.inspection.layers;
    let grids: Vec<usize> = layers
        .records
        .iter()
        .filter_map(|record| record.query_tokens.grid)
        .map(|grid| grid.rows)
        .collect();
    assert_eq!(grids, [16, 16, 8, 4, 2]);
    let maps = all_look(layers, &Place::Points(vec![[30.0, 30.0]]));
    assert!(maps.iter().all(|maps| maps.is_ok()));
    let maps = all_look(layers, &Place::Class);
    assert!(maps.iter().all(|maps| maps.is_err()));
}
