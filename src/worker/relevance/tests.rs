//! Which class is explained, and what is refused.

use super::*;
use crate::label::Rect;
use crate::models::predict::{Framing, Options};
use crate::photo::{Limits, decode};
use crate::task::detached;
use crate::worker::testing::{photo, seen};
use crate::worker::{Engine as _, ModelEngine, unwatched};
use std::path::Path;
use std::sync::Arc;

fn of(
    seen: &Observed,
    photo: &Photo,
    class: Option<usize>,
    part: Option<&Mask>,
) -> Result<Explained, JobError> {
    detached(|task| explained(seen, photo, class, part, task))
}

fn why(result: Result<Explained, JobError>) -> String {
    match result {
        Err(JobError::Failed(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_class_the_likeliest_is_explained() {
    let photo = photo("deit");
    let seen = seen("deit", &photo);
    let Seen::Observation(observation) = &seen.seen else {
        panic!("it takes no prompts");
    };
    let Output::Classes { logits, .. } = &observation.run.output else {
        panic!("it is a classifier");
    };
    let found = of(&seen, &photo, None, None).unwrap();
    let most = logits.iter().copied().fold(f32::MIN, f32::max);
    assert_eq!(logits[found.class], most);
    assert_eq!(found.name, seen.model.info.labels.name(found.class));
    assert_eq!(found.view, seen.view());
    let map = found.row.grid.unwrap();
    assert!(map.sum() > 0.0 && map.values.iter().all(|value| *value >= 0.0));
    let other = usize::from(found.class == 0);
    let other = of(&seen, &photo, Some(other), None).unwrap();
    assert_ne!(other.row.grid.unwrap().values, map.values);
    // A classifier's classes have no place: the part is left out.
    let part = Mask::from_rect(Rect::new(0, 0, 9, 9));
    let found = of(&seen, &photo, None, Some(&part)).unwrap();
    assert_eq!(found.row.grid.unwrap().values, map.values);
    let why = why(of(&seen, &photo, Some(logits.len()), None));
    assert!(why.contains("there is no class"), "{why}");
}

#[test]
fn models_without_classes_or_of_many_sequences_are_refused() {
    for (name, wanted) in [
        ("dino", "class"),
        ("sam_slim", "class"),
        ("mobilevit_deeplabv3", "one sequence of tokens"),
    ] {
        let photo = photo(name);
        let seen = seen(name, &photo);
        let why = why(of(&seen, &photo, Some(1), None));
        assert!(why.contains(wanted), "{name}: {why}");
    }
}

/// The built-in network of one sequence, on a small input.
fn dense() -> (Observed, Arc<Photo>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sample = root.join("assets/samples/coffee.png");
    let photo = Arc::new(decode(&sample, &Limits::default()).unwrap());
    let options = Options {
        framing: Framing::Squash,
        input: Some((96, 64)),
        ..Options::default()
    };
    let name = root.join("weights/vit-deeplabv3plus").into_os_string();
    let mut engine = ModelEngine::default();
    let seen = unwatched(|steps| engine.observe(&photo, &name, &options, steps));
    (seen.unwrap(), photo)
}

#[test]
fn in_a_part_of_the_photo_it_is_the_class_with_most_pixels_there() {
    let (seen, photo) = dense();
    let Seen::Observation(observation) = &seen.seen else {
        panic!("it takes no prompts");
    };
    let Output::Dense(dense) = &observation.run.output else {
        panic!("it gives classes to pixels");
    };
    let size = (photo.width() as usize, photo.height() as usize);
    let map = detached(|task| ClassMap::from_logits(&dense.logits, &observation.view, size, task));
    let masks = map.unwrap().unwrap().masks();
    for found in masks.iter().filter(|found| found.id != 0) {
        let explained = of(&seen, &photo, None, Some(&found.mask)).unwrap();
        assert_eq!(explained.class, found.id);
        assert_eq!(explained.name, seen.model.info.labels.name(found.id));
    }
    let background = masks.iter().find(|found| found.id == 0);
    if let Some(background) = background {
        let why = why(of(&seen, &photo, None, Some(&background.mask)));
        assert!(why.contains("nothing but background"), "{why}");
        assert!(of(&seen, &photo, Some(1), Some(&background.mask)).is_ok());
    }
    let outside = Mask::from_rect(Rect::new(5000, 5000, 5010, 5010));
    assert!(of(&seen, &photo, Some(1), Some(&outside)).is_err());
}
