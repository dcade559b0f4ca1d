//! Framing and reading answers, on the tiny models of the parity fixtures.

mod ablation;

use super::*;
use crate::models::OUTSIDE;
use crate::models::testing::{folder, model};
use crate::photo::{Limits, decode};
use crate::task::{Cancel, detached};
use std::sync::Arc;

fn photo(name: &str) -> crate::photo::Photo {
    decode(&folder(name).join("image.png"), &Limits::default()).unwrap()
}

fn picture(photo: &crate::photo::Photo) -> Picture<'_> {
    Picture {
        rgb: photo.rgb(),
        width: photo.width(),
        height: photo.height(),
    }
}

fn with(framing: Framing) -> Options {
    Options {
        framing,
        ..Options::default()
    }
}

#[test]
fn the_likeliest_classes_come_first() {
    let classification = Classification::new(vec![1.0, 3.0, 2.0]);
    assert_eq!(classification.top(2), [1, 2]);
    assert_eq!(classification.top(9).len(), 3);
    let total: f32 = classification.probabilities.iter().sum();
    assert!((total - 1.0).abs() < 1e-6);
    let extreme = Classification::new(vec![1e30, -1e30]);
    assert_eq!(extreme.probabilities, [1.0, 0.0]);
}

#[test]
fn a_crop_leaves_a_margin_without_class_and_other_framings_do_not() {
    let (model, photo) = (model("mobilevit_deeplabv3"), photo("mobilevit_deeplabv3"));
    let unseen = |framing| {
        let found = detached(|task| segment(&model, picture(&photo), &with(framing), task));
        let map = found.unwrap().map;
        map.ids.iter().filter(|id| **id == OUTSIDE).count()
    };
    assert!(unseen(Framing::Trained) > 0);
    for framing in [Framing::Squash, Framing::Pad, Framing::Slide] {
        assert_eq!(unseen(framing), 0, "{framing:?}");
    }
}

#[test]
fn sliding_over_a_photo_of_one_tile_is_looking_once() {
    let model = model("segformer");
    let photo = photo("segformer");
    let size = (64, 64);
    let small = crate::photo::resample::resize(
        photo.rgb(),
        (photo.width() as usize, photo.height() as usize),
        3,
        size,
        crate::photo::resample::Filter::Bilinear,
    );
    let picture = Picture {
        rgb: &small,
        width: 64,
        height: 64,
    };
    let look = |framing| {
        detached(|task| segment(&model, picture, &with(framing), task))
            .unwrap()
            .map
    };
    assert_eq!(look(Framing::Slide), look(Framing::Squash));
}

#[test]
fn sliding_covers_photos_that_no_tile_divides() {
    let model = model("segformer");
    let rgb: Vec<u8> = (0..201 * 147 * 3).map(|i| (i * 7 % 251) as u8).collect();
    let picture = Picture {
        rgb: &rgb,
        width: 201,
        height: 147,
    };
    let found = detached(|task| segment(&model, picture, &with(Framing::Slide), task)).unwrap();
    assert!(found.map.ids.iter().all(|id| *id != OUTSIDE));
    assert!(found.confidence.iter().any(|mean| *mean > 0.0));
}

#[test]
fn a_strip_thinner_than_a_tile_slides_at_its_own_resolution() {
    let model = model("segformer");
    let rgb: Vec<u8> = (0..400 * 20 * 3).map(|i| (i * 7 % 251) as u8).collect();
    let picture = Picture {
        rgb: &rgb,
        width: 400,
        height: 20,
    };
    let found = detached(|task| segment(&model, picture, &with(Framing::Slide), task)).unwrap();
    assert!(found.observation.is_none(), "one look at all of it");
    assert!(found.map.ids.iter().all(|id| *id != OUTSIDE));
}

#[test]
fn asking_for_what_a_model_cannot_do_says_what_it_can() {
    let (vit, photo) = (model("vit"), photo("vit"));
    let error = detached(|task| segment(&vit, picture(&photo), &Options::default(), task))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("vit") && error.contains("classify"),
        "{error}"
    );
    let sam = model("sam_slim");
    let error = detached(|task| classify(&sam, picture(&photo), &Options::default(), task))
        .unwrap_err()
        .to_string();
    assert!(error.contains("take points"), "{error}");
}

#[test]
fn work_stops_when_asked() {
    let (model, photo) = (model("segformer"), photo("segformer"));
    let cancel = Cancel::new();
    cancel.cancel();
    for framing in Framing::ALL {
        let task = Task::new(&cancel, &|_| {});
        let stopped = segment(&model, picture(&photo), &with(framing), task);
        assert!(matches!(stopped, Err(ModelError::Cancelled)), "{framing:?}");
    }
}
