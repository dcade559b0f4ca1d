//! More like this, by hand and on the models of the parity fixtures.

use super::*;
use crate::label::{Mask, Rect};
use crate::models::testing::folder;
use crate::nn::capture::Grid;
use crate::photo::Limits;
use crate::worker::testing::{Bench, photo, seen};
use crate::worker::{Analysed, Analysis};

const VIEW: View = View {
    left: 0.0,
    top: 0.0,
    right: 60.0,
    bottom: 20.0,
};

/// 2 × 6 tokens of 10 pixels: one thing in columns 0, 1 and 4, another between.
fn features() -> Features {
    let grid = Grid {
        rows: 2,
        columns: 6,
    };
    let row = [1.0, 1.0, -1.0, -1.0, 1.0, -1.0];
    let values = row.iter().chain(&row).flat_map(|value| [*value, 3.0]);
    Features::new(grid, 2, values.collect()).unwrap()
}

fn part(rect: Rect, strictness: f32) -> Likeness {
    Likeness::Part {
        mask: Mask::from_rect(rect),
        strictness,
    }
}

#[test]
fn the_same_thing_elsewhere_is_found() {
    let found = similar_in(&features(), VIEW, &part(Rect::new(0, 0, 20, 20), 0.0)).unwrap();
    let [area] = found.areas.as_slice() else {
        panic!("{} areas", found.areas.len());
    };
    assert_eq!(
        area.tokens.tokens(),
        [(0, 4), (1, 4)],
        "less the part itself"
    );
    assert!((area.score - 1.0).abs() < 1e-5);
    assert!((found.map.at(0, 5).unwrap() + 1.0).abs() < 1e-5);
    assert_eq!((found.least, found.view), (0.75, VIEW));
}

#[test]
fn strictness_goes_from_the_suggestion_to_the_same() {
    for (strictness, least) in [
        (0.0, 0.75),
        (0.5, 0.875),
        (1.0, 1.0),
        (9.0, 1.0),
        (-1.0, 0.75),
    ] {
        let what = part(Rect::new(0, 0, 20, 20), strictness);
        let found = similar_in(&features(), VIEW, &what).unwrap();
        assert_eq!(found.least, least, "{strictness}");
    }
    let what = part(Rect::new(0, 0, 20, 20), f32::NAN);
    // Nothing is as like it as no number says.
    assert!(
        similar_in(&features(), VIEW, &what)
            .unwrap()
            .areas
            .is_empty()
    );
}

#[test]
fn what_is_no_part_of_the_photo_is_refused() {
    for rect in [Rect::new(0, 0, 0, 0), Rect::new(100, 100, 120, 120)] {
        let error = similar_in(&features(), VIEW, &part(rect, 0.0)).unwrap_err();
        assert_eq!(error, AttentionError::NoTokens);
    }
    let all = part(Rect::new(0, 0, 60, 20), 0.0);
    let error = similar_in(&features(), VIEW, &all).unwrap_err();
    assert_eq!(error, AttentionError::NothingInCommon);
}

#[test]
fn what_was_found_before_is_counted_on_another_photo() {
    let found = similar_in(&features(), VIEW, &part(Rect::new(0, 0, 20, 20), 0.0)).unwrap();
    let elsewhere = elsewhere_in(&features(), &found.prototype, found.least).unwrap();
    assert_eq!(elsewhere.areas, 2, "the part itself counts there");
    assert!((elsewhere.score.unwrap() - 1.0).abs() < 1e-5);
    let nowhere = elsewhere_in(&features(), &found.prototype, 1.5).unwrap();
    assert_eq!((nowhere.score, nowhere.areas), (None, 0));
    let known = Likeness::Known {
        prototype: found.prototype,
        least: found.least,
    };
    let again = similar_in(&features(), VIEW, &known).unwrap();
    assert_eq!(again.areas.len(), 2);
    let other = Features::new(features().grid, 1, vec![1.0; 12]).unwrap();
    let error = similar_in(&other, VIEW, &known).unwrap_err();
    assert!(matches!(error, AttentionError::OtherFeatures { .. }));
}

#[test]
fn specks_are_left_out_on_every_photo() {
    // A strip of 20 tokens of a thing, and one such token by itself.
    let grid = Grid {
        rows: 1,
        columns: 40,
    };
    let thing = |at: usize| at < 20 || at == 30;
    let values = (0..40).map(|at| if thing(at) { 1.0 } else { -1.0 });
    let features = Features::new(grid, 1, values.collect()).unwrap();
    let prototype = |count: usize| {
        let tokens: Vec<_> = (0..count).map(|column| (0, column)).collect();
        let tokens = TokenMask::from_tokens(grid, &tokens);
        Arc::new(features.prototype(&tokens).unwrap())
    };
    for (count, areas) in [(10, 2), (11, 1), (20, 1)] {
        let prototype = prototype(count);
        assert_eq!(prototype.tokens, count);
        let elsewhere = elsewhere_in(&features, &prototype, 0.5).unwrap();
        assert_eq!(elsewhere.areas, areas, "like {count} tokens");
        let known = Likeness::Known {
            prototype,
            least: 0.5,
        };
        let here = similar_in(&features, VIEW, &known).unwrap();
        assert_eq!(here.areas.len(), areas, "like {count} tokens");
    }
}

#[test]
fn each_kind_of_model_has_features() {
    // The embedding without padding, output tokens, and the last keys.
    for (name, rows, columns) in [("sam_slim", 5, 6), ("vit", 4, 4), ("segformer", 2, 2)] {
        let photo = photo(name);
        let seen = seen(name, &photo);
        let (features, view) = features_of(&seen);
        assert_eq!(features.grid, Grid { rows, columns }, "{name}");
        assert!(view.width() >= f64::from(photo.width()) - 1.0, "{name}");
        let what = part(Rect::new(0, 0, photo.width() / 2, photo.height() / 2), 0.0);
        let found = similar(&seen, &what).unwrap();
        assert_eq!(found.map.grid, features.grid);
        assert!(found.map.values.iter().all(|value| value.abs() <= 1.0));
    }
}

fn features_of(seen: &Observed) -> (Features, View) {
    super::features(seen).unwrap()
}

#[test]
fn another_photo_is_read_and_searched() {
    let mut bench = Bench::new("vit", &Default::default());
    let what = part(Rect::new(0, 0, 40, 30), 0.0);
    let Analysed::Similar(found) = bench.ask(&Analysis::Similar(what)).unwrap() else {
        panic!("it is similar");
    };
    let mut search = |path| {
        bench.ask(&Analysis::SimilarIn {
            path,
            limits: Limits::default(),
            prototype: found.prototype.clone(),
            least: -1.0,
        })
    };
    let Ok(Analysed::Elsewhere(elsewhere)) = search(folder("deit").join("image.png")) else {
        panic!("it is a photo");
    };
    assert_eq!(elsewhere.areas, 1, "everything is like it by that measure");
    assert!(search(folder("deit").join("config.json")).is_err());
    assert!(search(folder("deit").join("missing.png")).is_err());
}
