//! More like this, on the photo and in the folder.

use super::*;
use AttentionCommand as C;

/// A part of the photo, and more of the same colours beside it.
const PART: Rect = Rect {
    x0: 0,
    y0: 0,
    x1: 20,
    y1: 20,
};

impl Bench {
    /// A photo with a square of the part's colours among others.
    fn other(&self, name: &str, side: u32, color: [u8; 3]) -> PathBuf {
        let path = self.folder.path().join(name);
        let inside = |x: u32, y: u32| x < side && y < side;
        image::RgbImage::from_fn(120, 80, |x, y| match inside(x, y) {
            true => image::Rgb(color),
            false => image::Rgb([120, 80, 90]),
        })
        .save(&path)
        .unwrap();
        path
    }

    /// With more like [`PART`] on offer, in a folder of these photos and one
    /// that is none: two with something like it, one without.
    fn found() -> Self {
        let mut bench = Self::inspecting();
        bench.other("b.png", 30, [40, 5, 90]);
        bench.other("c.png", 20, [5, 5, 90]);
        bench.other("d.png", 0, [0; 3]);
        std::fs::write(bench.folder.path().join("broken.png"), "no picture").unwrap();
        let folder = bench.folder.path().to_path_buf();
        bench.apply(Command::Open(folder));
        assert_eq!(bench.app.folder.as_ref().unwrap().photos.len(), 5);
        bench.segment(PART);
        bench.attention(C::MoreLikeThis);
        bench.save();
        bench
    }

    /// So that another photo can be opened.
    fn save(&mut self) {
        let offered = self.app.open.as_mut().unwrap().prompting.everything.take();
        self.apply(Command::Save);
        self.app.open.as_mut().unwrap().prompting.everything = offered;
    }

    fn hits(&self) -> Vec<&str> {
        let hits = &self.inspector().search.as_ref().unwrap().hits;
        hits.iter().map(|hit| name(&hit.path)).collect()
    }
}

#[test]
fn what_is_like_a_segment_is_offered() {
    let mut bench = Bench::found();
    let open = bench.app.open.as_ref().unwrap();
    let offered = open.prompting.everything.as_ref().unwrap();
    let own = open.selected_mask();
    let [only] = offered.as_slice() else {
        panic!("{} areas", offered.len());
    };
    // The rest of the upper left quarter has colours in that direction.
    assert!(only.score > 0.35 && only.mask.contains(35, 25));
    assert!(!only.mask.contains(100, 70) && own.contains(5, 5));
    assert_eq!(bench.titles(), ["More like this"]);
    bench.apply(Command::Accept);
    assert_eq!(bench.history().current().segments().len(), 2);
    // A stricter search finds less.
    let least = bench.inspector().similar.as_ref().unwrap().least;
    bench.app.settings.attention.strictness = 1.0;
    let first = bench.history().current().segments()[0].id;
    bench.apply(Command::Select(vec![first]));
    bench.attention(C::MoreLikeThis);
    let similar = bench.inspector().similar.as_ref().unwrap();
    assert!(least < similar.least && similar.least == 1.0);
    assert!(similar.found.is_empty());
    let mut said = bench.app.notices.history();
    assert!(said.any(|notice| notice.text.contains("lower strictness")));
}

#[test]
fn a_search_through_the_folder_sorts_what_it_finds() {
    let mut bench = Bench::found();
    bench.attention(C::SearchFolder);
    let search = bench.inspector().search.as_ref().unwrap();
    assert_eq!((search.done(), search.total), (4, 4), "the broken one, too");
    assert!(!search.is_running());
    assert_eq!(bench.hits(), ["c.png", "b.png"]);
    let scores: Vec<f32> = search.hits.iter().map(|hit| hit.score).collect();
    assert!(scores[0] > scores[1]);
    assert_eq!(search.hits[0].areas, 1);
}

#[test]
fn a_search_goes_on_when_another_photo_is_opened() {
    let mut bench = Bench::found();
    bench.control.hold(Stage::Analysing);
    bench.app.apply(Command::Attention(C::SearchFolder));
    assert!(bench.control.wait_until_held(Stage::Analysing, LIMIT));
    let other = bench.folder.path().join("c.png");
    bench.app.apply(Command::Open(other.clone()));
    bench.until("the other photo is inspected", |app| {
        let open = app.open.as_ref().unwrap();
        open.path == other && app.inspector.inspection().is_some()
    });
    let search = bench.inspector().search.as_ref().unwrap();
    assert_eq!((search.done(), search.total), (0, 4));
    bench.control.release(Stage::Analysing);
    bench.settle();
    assert_eq!(bench.hits(), ["c.png", "b.png"]);
}

#[test]
fn a_search_is_stopped_and_keeps_what_it_found() {
    let mut bench = Bench::found();
    for stop in [Command::Attention(C::StopSearch), Command::StopModel] {
        bench.control.hold(Stage::Analysing);
        bench.app.apply(Command::Attention(C::SearchFolder));
        assert!(bench.control.wait_until_held(Stage::Analysing, LIMIT));
        let before = bench.asked(AnalysisKind::SimilarIn);
        bench.app.apply(stop);
        bench.control.release(Stage::Analysing);
        bench.settle();
        let search = bench.inspector().search.as_ref().unwrap();
        assert_eq!((search.done(), search.is_running()), (search.total, false));
        assert_eq!(bench.asked(AnalysisKind::SimilarIn), before);
    }
}

#[test]
fn a_new_search_does_not_take_the_answers_of_the_one_before() {
    let mut bench = Bench::found();
    bench.control.hold(Stage::Analysing);
    for _ in 0..2 {
        bench.app.apply(Command::Attention(C::SearchFolder));
        assert!(bench.control.wait_until_held(Stage::Analysing, LIMIT));
    }
    bench.control.release(Stage::Analysing);
    bench.settle();
    let search = bench.inspector().search.as_ref().unwrap();
    assert_eq!((search.done(), search.total), (4, 4));
    assert_eq!(bench.hits(), ["c.png", "b.png"]);
    assert!(
        bench.asked(AnalysisKind::SimilarIn) > 4,
        "the first one anew"
    );
}

#[test]
fn a_hit_opens_with_what_was_found_on_offer() {
    let mut bench = Bench::found();
    bench.attention(C::SearchFolder);
    let hit = bench.folder.path().join("c.png");
    bench.attention(C::ShowHit(hit.clone()));
    let open = bench.app.open.as_ref().unwrap();
    assert_eq!(open.path, hit);
    let offered = open.prompting.everything.as_ref().unwrap();
    assert!(offered[0].mask.contains(5, 5) && !offered[0].mask.contains(60, 60));
    assert_eq!(bench.hits(), ["c.png", "b.png"], "the list stays");
}
