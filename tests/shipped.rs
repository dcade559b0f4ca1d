//! The weights in the program: what they make of a sample photo is what they made
//! of it when they were committed. New weights need new results:
//!
//!     PATCHLENS_WRITE_RESULTS=1 cargo test --release --test shipped

use std::ffi::OsStr;
use std::path::Path;

use image::{GrayImage, ImageFormat};
use patchlens::models::predict::{Options, Picture, segment};
use patchlens::models::registry::{self, PLAIN_DEEPLAB, TINY_DEEPLAB};
use patchlens::photo::{self, Limits};
use patchlens::task::detached;

/// Of 1000 pixels, those that may differ: other machines round otherwise.
const MAY_DIFFER: usize = 10;

#[test]
fn shipped_weights_give_the_results_that_are_committed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let photo = root.join("assets/samples/astronaut.png");
    let photo = photo::decode(&photo, &Limits::default()).unwrap();
    let size = (photo.width(), photo.height());
    for name in [PLAIN_DEEPLAB, TINY_DEEPLAB] {
        let model = detached(|task| registry::load(OsStr::new(name), task)).unwrap();
        let picture = Picture {
            rgb: photo.rgb(),
            width: size.0,
            height: size.1,
        };
        let found = detached(|task| segment(&model, picture, &Options::default(), task)).unwrap();
        let ids: Vec<u8> = found
            .map
            .ids
            .iter()
            .map(|id| u8::try_from(*id).unwrap())
            .collect();
        let classes = model.info.labels.classes.len();
        assert!(ids.iter().all(|id| usize::from(*id) < classes), "{name}");
        let result = root.join(format!("tests/fixtures/shipped/{name}.png"));
        if std::env::var_os("PATCHLENS_WRITE_RESULTS").is_some() {
            std::fs::create_dir_all(result.parent().unwrap()).unwrap();
            let map = GrayImage::from_vec(size.0, size.1, ids).unwrap();
            map.save_with_format(&result, ImageFormat::Png).unwrap();
            continue;
        }
        let expected = image::open(&result).unwrap().into_luma8();
        assert_eq!(expected.dimensions(), size, "{name}");
        let pairs = ids.iter().zip(expected.as_raw());
        let differing = pairs.filter(|(found, expected)| found != expected).count();
        assert!(
            differing * 1000 <= ids.len() * MAY_DIFFER,
            "{name}: {differing} of {} pixels differ",
            ids.len()
        );
    }
}
