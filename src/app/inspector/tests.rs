//! The inspector without a window, on the fake engine.

mod experiment;
mod probe;
mod refusals;
mod search;
mod sight;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::*;
use crate::app::{App, Command, Settings};
use crate::attention::{Direction, Fusion, Place};
use crate::document::History;
use crate::label::{Mask, Rect};
use crate::worker::fake::attention::{ATTENTION_HEADS, GRID, LAYERS};
use crate::worker::fake::{CLASSIFIER, DENSE, FakeControl, FakeEngine};
use crate::worker::{
    Analysed, Analysis, AnalysisKind, DEFAULT_MODEL, Event, EventKind, Stage, Worker,
};

/// Far longer than anything here takes; reached only where a test fails.
const LIMIT: Duration = Duration::from_secs(20);

struct Bench {
    app: App,
    control: FakeControl,
    wakes: Receiver<()>,
    folder: tempfile::TempDir,
}

impl Bench {
    /// A photo of 120×80 pixels, 10×10 a token, with nothing under way.
    fn new() -> Self {
        let (engine, control) = FakeEngine::new();
        let (sender, wakes) = crossbeam_channel::unbounded();
        let wake = Arc::new(move || {
            let _ = sender.send(());
        });
        let worker = Worker::spawn(Box::new(engine), wake);
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::load_from(&folder.path().join("settings.json"));
        let mut bench = Self {
            app: App::new(worker, settings),
            control,
            wakes,
            folder,
        };
        let path = bench.photo("a.png");
        bench.open(path);
        bench
    }

    /// The same with the inspector open.
    fn inspecting() -> Self {
        let mut bench = Self::new();
        bench.apply(Command::ToggleInspector);
        bench
    }

    /// The same with a model.
    fn inspecting_with(model: &str) -> Self {
        let mut bench = Self::new();
        bench.apply(Command::ChooseModel(model.into()));
        bench.apply(Command::ToggleInspector);
        bench
    }

    /// A photo whose colours tell the four quarters apart.
    fn photo(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        image::RgbImage::from_fn(120, 80, |x, y| image::Rgb([x as u8, y as u8, 90]))
            .save(&path)
            .unwrap();
        path
    }

    fn until(&mut self, what: &str, done: impl Fn(&App) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            self.app.tick();
            if done(&self.app) {
                return;
            }
            assert!(Instant::now() < deadline, "waited too long until {what}");
            let _ = self.wakes.recv_timeout(Duration::from_millis(20));
        }
    }

    fn settle(&mut self) {
        self.until("nothing runs", |app| app.activities().is_empty());
    }

    fn apply(&mut self, command: Command) {
        self.app.apply(command);
        self.settle();
    }

    fn attention(&mut self, command: AttentionCommand) {
        self.apply(Command::Attention(command));
    }

    fn open(&mut self, path: PathBuf) {
        self.app.apply(Command::Open(path.clone()));
        self.until("the photo is open", |app| {
            app.open.as_ref().is_some_and(|open| open.path == path)
        });
        self.settle();
    }

    /// A segment of these pixels, selected.
    fn segment(&mut self, rect: Rect) {
        let open = self.app.open.as_mut().unwrap();
        let edited = crate::document::accept(open.document(), &Mask::from_rect(rect), 1, None);
        let edited = edited.unwrap().document;
        let id = edited.segments().last().unwrap().id;
        open.history.apply("Test", edited);
        self.apply(Command::Select(vec![id]));
    }

    fn history(&self) -> &History {
        &self.app.open.as_ref().unwrap().history
    }

    fn inspector(&self) -> &Inspector {
        &self.app.inspector
    }

    fn titles(&self) -> Vec<&str> {
        let pictures = self.inspector().pictures().iter();
        pictures.map(|picture| picture.title.as_str()).collect()
    }

    /// How many questions of a kind have reached the engine.
    fn asked(&self, kind: AnalysisKind) -> usize {
        let all = self.control.analyses();
        all.iter().filter(|asked| asked.kind() == kind).count()
    }

    fn inspected(&self) -> Vec<String> {
        let all = self.control.inspections().into_iter();
        all.map(|(name, _)| name.into_string().unwrap()).collect()
    }
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn it_follows_photo_and_model() {
    let mut bench = Bench::new();
    assert_eq!(bench.inspected(), [""; 0], "not before it is shown");
    bench.apply(Command::ToggleInspector);
    assert_eq!(bench.inspected(), [DEFAULT_MODEL]);
    bench.apply(Command::ChooseModel(DENSE.into()));
    assert_eq!(bench.inspected(), [DEFAULT_MODEL, DENSE]);
    assert_eq!(bench.inspector().inspection().unwrap().name, DENSE);
    let other = bench.photo("b.png");
    bench.open(other);
    assert_eq!(bench.inspected(), [DEFAULT_MODEL, DENSE, DENSE]);
    bench.apply(Command::CloseInspector);
    bench.apply(Command::ChooseModel(CLASSIFIER.into()));
    assert_eq!(bench.inspected().len(), 3, "nobody looks");
    bench.apply(Command::ToggleInspector);
    assert_eq!(bench.inspector().inspection().unwrap().name, CLASSIFIER);
    let layers = bench.inspector().layers().unwrap();
    assert_eq!(layers.records.len(), LAYERS);
}

#[test]
fn within_a_token_there_is_nothing_to_compute() {
    let mut bench = Bench::inspecting();
    assert!(bench.app.look_at([62.0, 41.0]));
    assert!(!bench.app.look_at([69.0, 49.0]));
    assert!(bench.app.look_at([71.0, 49.0]));
    let picture = &bench.inspector().pictures()[0];
    let (grid, _, tokens) = picture.asked.clone().unwrap();
    assert_eq!((grid, tokens), (GRID, vec![(4, 7)]));
    // The fake attention heads look around themselves.
    let most = picture.map.values.iter().copied().fold(0.0, f32::max);
    assert_eq!(picture.map.at(4, 7), Some(most));
    let sum = picture.map.sum();
    assert!(
        0.0 < sum && sum < 1.0,
        "the class token has the rest: {sum}"
    );
}

#[test]
fn a_token_is_pinned_and_unpinned() {
    let mut bench = Bench::inspecting();
    bench.app.pin([12.0, 12.0]);
    assert_eq!(bench.inspector().asking, Asking::Pinned);
    bench.app.pin([32.0, 12.0]);
    let open = bench.app.open.as_ref().unwrap();
    let both = Place::Points(vec![[12.0, 12.0], [32.0, 12.0]]);
    assert_eq!(bench.inspector().place(open), Some(both));
    let (.., tokens) = bench.inspector().pictures()[0].asked.clone().unwrap();
    assert_eq!(tokens, [(1, 1), (1, 3)]);
    // The pointer moves nothing now.
    assert!(!bench.app.look_at([100.0, 70.0]));
    bench.app.pin([19.0, 18.0]);
    assert_eq!(bench.inspector().pinned, [[32.0, 12.0]]);
    bench.app.pin([31.0, 11.0]);
    assert_eq!(bench.inspector().asking, Asking::Pointer);
    bench.app.pin([12.0, 12.0]);
    bench.attention(AttentionCommand::ClearProbes);
    assert!(bench.inspector().pinned.is_empty());
    assert_eq!(bench.inspector().asking, Asking::Pointer);
}

#[test]
fn attention_heads_of_a_layer_are_fused() {
    use AttentionCommand as C;
    let mut bench = Bench::inspecting();
    assert_eq!(bench.titles(), ["Layer 1, mean of 3 attention heads"]);
    bench.attention(C::Choose(0, 2));
    assert_eq!(bench.titles(), ["Layer 0, attention head 2"]);
    bench.attention(C::ChooseToo(0, 0));
    assert_eq!(bench.titles(), ["Layer 0, mean of attention heads 0, 2"]);
    let maps = bench.inspector().maps()[0].as_ref().unwrap();
    let (first, third) = (&maps.maps[0].values, &maps.maps[2].values);
    let mean = |(a, b): (&f32, &f32)| (a + b) / 2.0;
    let mean: Vec<f32> = first.iter().zip(third).map(mean).collect();
    let most: Vec<f32> = first.iter().zip(third).map(|(a, b)| a.max(*b)).collect();
    crate::nn::testing::close(&bench.inspector().pictures()[0].map.values, &mean, 1e-6);
    bench.app.inspector.fusion = Fusion::Max;
    bench.settle();
    assert_eq!(bench.titles(), ["Layer 0, maximum of attention heads 0, 2"]);
    assert_eq!(bench.inspector().pictures()[0].map.values, most);
    bench.attention(C::ChooseToo(0, 2));
    assert_eq!(bench.titles(), ["Layer 0, attention head 0"]);
    bench.attention(C::ChooseToo(1, 1));
    assert_eq!(
        bench.titles(),
        ["Layer 1, attention head 1"],
        "sets are of one layer"
    );
    bench.attention(C::ChooseLayer(0));
    assert_eq!(bench.titles(), ["Layer 0, maximum of 3 attention heads"]);
}

#[test]
fn two_attention_heads_are_compared() {
    use AttentionCommand as C;
    let mut bench = Bench::inspecting();
    bench.attention(C::Choose(1, 0));
    bench.attention(C::Compare(0, 2));
    assert_eq!(
        bench.titles(),
        ["Layer 1, attention head 0", "Layer 0, attention head 2"]
    );
    let [first, second] = bench.inspector().pictures() else {
        panic!("there are two");
    };
    let pairs = first.map.values.iter().zip(&second.map.values);
    let wanted: Vec<f32> = pairs.map(|(a, b)| a - b).collect();
    bench.app.inspector.comparison = Comparison::Difference;
    bench.settle();
    let [only] = bench.inspector().pictures() else {
        panic!("there is one");
    };
    assert_eq!((only.unit, &only.map.values), (Unit::Difference, &wanted));
    assert!(only.held.is_none(), "a difference is no share to hold");
    bench.attention(C::Compare(0, 2));
    assert_eq!(bench.titles(), ["Layer 1, attention head 0"]);
}

#[test]
fn what_is_about_a_photo_goes_with_it() {
    use AttentionCommand as C;
    let mut bench = Bench::inspecting_with(DENSE);
    bench.attention(C::Choose(0, 2));
    bench.app.pin([12.0, 12.0]);
    bench.attention(C::ToggleOff(0, 1));
    assert!(bench.inspector().experiment.change().is_some());
    let other = bench.photo("b.png");
    bench.open(other);
    let inspector = bench.inspector();
    assert!(inspector.pinned.is_empty() && inspector.experiment.is_nothing());
    assert_eq!(inspector.asking, Asking::Pointer);
    assert_eq!(
        bench.titles(),
        ["Layer 0, attention head 2"],
        "still chosen"
    );
    // Another model has other layers and attention heads.
    bench.app.pin([12.0, 12.0]);
    bench.apply(Command::ChooseModel(CLASSIFIER.into()));
    assert_eq!(bench.titles(), ["Layer 1, mean of 3 attention heads"]);
    assert_eq!(bench.inspector().pinned.len(), 1, "the photo is the same");
}

#[test]
fn a_stroke_asks_for_what_is_under_it() {
    let mut bench = Bench::inspecting();
    bench.app.settings.brush_radius = 6.0;
    for row in [15.0, 45.0] {
        bench.app.probe_begin([15.0, row]);
        bench.app.probe_to(&[[25.0, row]]);
        bench.app.probe_to(&[[35.0, row]]);
        bench.app.probe_end(false);
    }
    assert_eq!(bench.inspector().asking, Asking::Stroke);
    let (.., tokens) = bench.inspector().pictures()[0].asked.clone().unwrap();
    assert_eq!(tokens, [(4, 1), (4, 2), (4, 3)], "the last stroke only");
    bench.app.probe_begin([65.0, 15.0]);
    bench.app.probe_end(true);
    assert_eq!(bench.inspector().pinned, [[65.0, 15.0]], "a click pins");
}

#[test]
fn a_mask_of_attention_has_no_score_and_is_one_step() {
    let mut bench = Bench::inspecting();
    bench.app.look_at([65.0, 45.0]);
    bench.attention(AttentionCommand::Propose);
    let offer = bench.app.open.as_ref().unwrap().prompting.offer.as_ref();
    let candidate = offer.unwrap().chosen().clone();
    assert!(candidate.score.is_none() && candidate.low_res.is_none());
    assert!(candidate.mask.contains(65, 45));
    let before = bench.history().current().revision();
    bench.apply(Command::Accept);
    let segment = bench.history().current().segments()[0];
    assert_eq!((segment.area, segment.score), (candidate.mask.area(), None));
    bench.apply(Command::Undo);
    assert_eq!(bench.history().current().revision(), before);
}

#[test]
fn more_of_the_attention_is_more_of_the_photo() {
    let mut bench = Bench::inspecting();
    let mut held = |mass| {
        bench.app.settings.attention.mass = mass;
        bench.settle();
        let held = bench.inspector().pictures()[0].held.clone();
        held.unwrap().count()
    };
    let (less, more) = (held(0.2), held(0.9));
    assert!(0 < less && less < more && more < GRID.len());
}

#[test]
fn a_stroke_grows_along_the_attention() {
    let mut bench = Bench::inspecting();
    bench.attention(AttentionCommand::ToggleBrush);
    bench.app.probe_begin([65.0, 45.0]);
    let small = bench.inspector().grown.as_ref().unwrap().0.count();
    bench.app.probe_to(&[[75.0, 45.0], [85.0, 45.0]]);
    let large = bench.inspector().grown.as_ref().unwrap().0.count();
    assert!(0 < small && small < large);
    bench.app.probe_end(false);
    bench.settle();
    let open = bench.app.open.as_ref().unwrap();
    let mask = &open.prompting.offer.as_ref().unwrap().chosen().mask;
    assert!(mask.contains(65, 45) && bench.inspector().grown.is_none());
    assert_eq!(bench.inspector().asking, Asking::Pointer, "nothing pinned");
}

#[test]
fn attention_becomes_a_prompt() {
    let mut bench = Bench::inspecting();
    bench.app.look_at([65.0, 45.0]);
    bench.attention(AttentionCommand::Prompt);
    let prompt = bench.control.prompts().pop().unwrap();
    let [x0, y0, x1, y1] = prompt.bbox.unwrap();
    assert!(x0 < 65.0 && 65.0 < x1 && y0 < 45.0 && 45.0 < y1);
    let point = prompt.points[0];
    assert_eq!((point.x, point.y, point.positive), (65.0, 45.0, true));
}

#[test]
fn the_prompt_decoder_is_asked_for_the_prompt_as_it_is() {
    use AttentionCommand as C;
    let mut bench = Bench::inspecting();
    bench.attention(C::Choose(1, 2));
    bench.app.inspector.subject = Subject::Rollout;
    bench.app.add_point(60.0, 40.0, true);
    bench.attention(C::AskFrom(Asking::Prompt));
    let tokens = bench.inspector().prompt().unwrap().tokens.clone();
    assert_eq!(tokens, ["score", "mask 1", "point 1"]);
    assert_eq!(
        bench.inspector().asked_token(),
        Some(1),
        "the mask that is shown"
    );
    // The decoder has one layer where the encoder has two, and no rollout.
    assert_eq!(bench.titles(), ["Layer 0, mean of 3 attention heads"]);
    bench.app.add_point(20.0, 20.0, false);
    bench.settle();
    assert_eq!(bench.inspector().prompt().unwrap().tokens.len(), 4);
    assert_eq!(bench.asked(AnalysisKind::Prompt), 2);
    // It is there for the same prompt.
    bench.attention(C::AskFrom(Asking::Pointer));
    bench.attention(C::AskFrom(Asking::Prompt));
    assert_eq!(bench.asked(AnalysisKind::Prompt), 2);
}

#[test]
fn encoder_and_prompt_decoder_keep_what_was_chosen_of_them() {
    use AttentionCommand as C;
    let mut bench = Bench::inspecting();
    bench.attention(C::Choose(1, 2));
    bench.app.add_point(60.0, 40.0, true);
    bench.attention(C::AskFrom(Asking::Prompt));
    bench.attention(C::Choose(0, 1));
    bench.attention(C::AskFrom(Asking::Pointer));
    assert_eq!(bench.titles(), ["Layer 1, attention head 2"]);
    bench.attention(C::AskFrom(Asking::Prompt));
    assert_eq!(bench.titles(), ["Layer 0, attention head 1"]);
    let other = bench.photo("b.png");
    bench.open(other);
    assert_eq!(bench.inspector().asking, Asking::Pointer);
    assert_eq!(bench.titles(), ["Layer 1, attention head 2"]);
    // A model without prompts leaves nothing to ask the decoder.
    bench.app.add_point(60.0, 40.0, true);
    bench.attention(C::AskFrom(Asking::Prompt));
    bench.apply(Command::ChooseModel(DENSE.into()));
    assert_eq!(bench.inspector().asking, Asking::Pointer);
    assert_eq!(bench.titles(), ["Layer 1, mean of 3 attention heads"]);
}

#[test]
fn it_also_tells_who_looks_at_a_token() {
    let mut bench = Bench::inspecting();
    bench.app.look_at([5.0, 5.0]);
    let from = bench.inspector().pictures()[0].map.clone();
    bench.app.inspector.direction = Direction::To;
    bench.settle();
    let to = bench.inspector().pictures()[0].map.clone();
    assert_eq!(to.at(0, 0), from.at(0, 0), "the same weight");
    // In the corner, less of the neighbour's attention is left for it.
    assert!(to.at(0, 1).unwrap() < from.at(0, 1).unwrap());
}

#[test]
fn rollout_relevance_and_statistics_are_asked_when_looked_at() {
    let mut bench = Bench::inspecting_with(DENSE);
    assert!(bench.inspector().statistics().is_none());
    bench.app.inspector.wants_statistics = true;
    bench.settle();
    let statistics = bench.inspector().statistics().unwrap();
    assert_eq!(statistics.len(), LAYERS);
    assert_eq!(statistics[0].len(), ATTENTION_HEADS);
    // Each attention head looks farther than the one before.
    let distances: Vec<f32> = statistics[0]
        .iter()
        .map(|of| of.mean_distance.unwrap())
        .collect();
    assert!(distances.is_sorted() && distances[0] < distances[2]);
    bench.app.inspector.subject = Subject::Rollout;
    bench.settle();
    assert_eq!(bench.titles(), ["Rollout through all layers"]);
    bench.app.inspector.subject = Subject::Relevance;
    bench.settle();
    assert_eq!(bench.titles(), ["What cat rests on"]);
    bench.app.inspector.class = Some(2);
    bench.settle();
    assert_eq!(bench.titles(), ["What cup rests on"]);
    assert_eq!(bench.asked(AnalysisKind::Relevance), 2);
}
