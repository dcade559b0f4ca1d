mod attention;
mod storm;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::fake::{DENSE, FakeControl, FakeEngine};
use super::*;
use crate::document::Document;
use crate::formats::{self, OpenOptions, Opened, SaveOptions};
use crate::label::Classes;
use crate::models::predict::Options;
use crate::models::{EverythingOptions, Prompt, PromptPoint};
use crate::photo::{Limits, Photo};

/// Far longer than anything here takes; reached only where a test fails.
const LIMIT: Duration = Duration::from_secs(20);
const STAGES: [Stage; 5] = [
    Stage::LoadingModel,
    Stage::Encoding,
    Stage::Decoding,
    Stage::Everything,
    Stage::Analysing,
];

struct Bench {
    worker: Worker,
    control: FakeControl,
    woken: Receiver<()>,
}

impl Bench {
    fn new() -> Self {
        let (engine, control) = FakeEngine::new();
        let (wake, woken) = crossbeam_channel::unbounded();
        let wake = Arc::new(move || {
            let _ = wake.send(());
        });
        Self {
            worker: Worker::spawn(Box::new(engine), wake),
            control,
            woken,
        }
    }

    fn send(&self, document: u64, kind: JobKind) -> JobId {
        self.worker.send(DocumentId(document), kind).id
    }

    /// The next event. Each must be there by the time its wake is.
    fn next(&self) -> Event {
        self.woken.recv_timeout(LIMIT).expect("no event came");
        self.worker.try_recv().expect("woken without an event")
    }

    /// Events up to the final one of `id`; that one.
    fn final_of(&self, id: JobId) -> EventKind {
        loop {
            let event = self.next();
            if event.id == id && event.kind.is_final() {
                return event.kind;
            }
        }
    }

    fn release_all(&self) {
        STAGES.iter().for_each(|stage| self.control.release(*stage));
    }
}

fn photo() -> Arc<Photo> {
    Arc::new(Photo::from_rgb(40, 30, vec![0; 40 * 30 * 3], "p").unwrap())
}

fn encode(photo: &Arc<Photo>) -> JobKind {
    JobKind::Encode {
        photo: photo.clone(),
    }
}

fn click(photo: &Arc<Photo>, x: f32, y: f32) -> JobKind {
    let points = vec![PromptPoint {
        x,
        y,
        positive: true,
    }];
    let prompt = Prompt {
        points,
        ..Prompt::default()
    };
    JobKind::Prompt {
        photo: photo.clone(),
        prompt,
        revision: 7,
    }
}

fn everything(photo: &Arc<Photo>) -> JobKind {
    let options = EverythingOptions::default();
    JobKind::Everything {
        photo: photo.clone(),
        options,
        revision: 8,
    }
}

fn inspect(photo: &Arc<Photo>) -> JobKind {
    JobKind::Inspect {
        photo: photo.clone(),
        model: DENSE.into(),
        options: Options::default(),
    }
}

fn analyse(photo: &Arc<Photo>, inspection: &Inspection, analysis: Analysis) -> JobKind {
    JobKind::Analyse {
        photo: photo.clone(),
        inspection: Box::new(inspection.clone()),
        analysis,
    }
}

fn load(name: &str) -> JobKind {
    JobKind::LoadModel { name: name.into() }
}

fn open(path: impl Into<PathBuf>) -> JobKind {
    JobKind::Open {
        path: path.into(),
        defaults: Classes::default(),
        import: OpenOptions::default(),
        limits: Limits::default(),
    }
}

#[test]
fn a_click_gives_masks_and_says_on_the_way_what_it_does() {
    let bench = Bench::new();
    let photo = photo();
    let id = bench.send(1, click(&photo, 20.0, 15.0));
    let mut started = Vec::new();
    let proposals = loop {
        let event = bench.next();
        assert_eq!((event.id, event.document), (id, DocumentId(1)));
        match event.kind {
            EventKind::Started(stage) => started.push(stage),
            EventKind::Progress { .. } => {}
            EventKind::Proposed(proposals) => break proposals,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        started,
        [Stage::LoadingModel, Stage::Encoding, Stage::Decoding]
    );
    assert_eq!((proposals.revision, proposals.candidates.len()), (7, 4));
    assert!(proposals.candidates[proposals.best].mask.contains(20, 15));
}

#[test]
fn an_encoding_is_made_once() {
    let bench = Bench::new();
    let photo = photo();
    for expected in [false, true] {
        let id = bench.send(1, encode(&photo));
        match bench.final_of(id) {
            EventKind::Encoded { cached, .. } => assert_eq!(cached, expected),
            other => panic!("{other:?}"),
        }
    }
    let id = bench.send(1, everything(&photo));
    match bench.final_of(id) {
        EventKind::Everything {
            revision: 8,
            proposals,
            ..
        } => assert_eq!(proposals.len(), 4),
        other => panic!("{other:?}"),
    }
    let stages = bench.control.stages();
    assert_eq!(
        stages,
        [Stage::LoadingModel, Stage::Encoding, Stage::Everything]
    );
}

#[test]
fn a_prompt_waits_for_the_running_encoding_and_uses_it() {
    let bench = Bench::new();
    let photo = photo();
    bench.control.hold(Stage::Encoding);
    let encoding = bench.send(1, encode(&photo));
    assert!(bench.control.wait_until_held(Stage::Encoding, LIMIT));
    let prompt = bench.send(1, click(&photo, 3.0, 3.0));
    bench.control.release(Stage::Encoding);
    assert!(matches!(
        bench.final_of(encoding),
        EventKind::Encoded { cached: false, .. }
    ));
    assert!(matches!(bench.final_of(prompt), EventKind::Proposed(_)));
    let encodings = bench
        .control
        .stages()
        .iter()
        .filter(|s| **s == Stage::Encoding)
        .count();
    assert_eq!(encodings, 1);
}

#[test]
fn clicks_faster_than_the_encoder_still_end_in_a_mask() {
    let bench = Bench::new();
    let photo = photo();
    bench.control.hold(Stage::Encoding);
    let first = bench.send(1, click(&photo, 1.0, 1.0));
    assert!(bench.control.wait_until_held(Stage::Encoding, LIMIT));
    let second = bench.send(1, click(&photo, 2.0, 2.0));
    let third = bench.send(1, click(&photo, 3.0, 3.0));
    assert!(
        matches!(bench.final_of(second), EventKind::Cancelled),
        "at once, while held"
    );
    bench.control.release(Stage::Encoding);
    assert!(matches!(bench.final_of(first), EventKind::Cancelled));
    assert!(matches!(bench.final_of(third), EventKind::Proposed(_)));
    assert_eq!(bench.control.prompts().len(), 1);
    let encodings = bench
        .control
        .stages()
        .iter()
        .filter(|s| **s == Stage::Encoding)
        .count();
    assert_eq!(encodings, 1, "the first click's encoding was kept");
}

#[test]
fn a_newer_document_stops_the_older_one() {
    let bench = Bench::new();
    let (old, new) = (photo(), photo());
    bench.control.hold(Stage::Everything);
    let running = bench.send(1, everything(&old));
    assert!(bench.control.wait_until_held(Stage::Everything, LIMIT));
    let waiting = bench.send(1, click(&old, 1.0, 1.0));
    let newer = bench.send(2, encode(&new));
    let mut finals = HashMap::new();
    while finals.len() < 3 {
        let event = bench.next();
        if event.kind.is_final() {
            finals.insert(event.id, event.kind);
        }
    }
    assert!(matches!(finals[&waiting], EventKind::Cancelled));
    assert!(
        matches!(finals[&running], EventKind::Cancelled),
        "though still held"
    );
    assert!(matches!(finals[&newer], EventKind::Encoded { .. }));
}

#[test]
fn cancelling_works_by_id_and_by_handle() {
    let bench = Bench::new();
    let photo = photo();
    bench.control.hold(Stage::Encoding);
    let running = bench.worker.send(DocumentId(1), encode(&photo));
    assert!(bench.control.wait_until_held(Stage::Encoding, LIMIT));
    let waiting = bench.send(1, everything(&photo));
    bench.worker.cancel(waiting);
    assert!(matches!(bench.final_of(waiting), EventKind::Cancelled));
    running.cancel.cancel();
    assert!(matches!(bench.final_of(running.id), EventKind::Cancelled));
}

#[test]
fn a_panic_is_reported_and_the_thread_lives_on_with_a_fresh_engine() {
    let bench = Bench::new();
    let photo = photo();
    let id = bench.send(1, encode(&photo));
    bench.final_of(id);
    bench.control.panic_next("a bad\nindex");
    let id = bench.send(1, click(&photo, 1.0, 1.0));
    match bench.final_of(id) {
        EventKind::Failed(sentence) => {
            assert!(sentence.contains("a bad index"), "{sentence}");
            assert!(!sentence.contains('\n'), "{sentence}");
        }
        other => panic!("{other:?}"),
    }
    let id = bench.send(1, click(&photo, 1.0, 1.0));
    assert!(matches!(bench.final_of(id), EventKind::Proposed(_)));
    let loads = bench
        .control
        .stages()
        .iter()
        .filter(|s| **s == Stage::LoadingModel)
        .count();
    assert_eq!(loads, 2, "nothing of before the panic is trusted");
}

#[test]
fn failures_are_the_sentences_of_what_failed() {
    let bench = Bench::new();
    bench.control.fail_next("the weights are torn");
    let id = bench.send(1, encode(&photo()));
    assert!(matches!(bench.final_of(id), EventKind::Failed(s) if s == "the weights are torn"));
    let id = bench.send(1, load("no-such-model"));
    assert!(matches!(bench.final_of(id), EventKind::Failed(s) if s.contains("no-such-model")));
    let id = bench.send(1, open("no-such-photo.png"));
    assert!(matches!(bench.final_of(id), EventKind::Failed(s) if s.contains("no-such-photo.png")));
}

/// A folder with one photo in it.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    image::RgbImage::from_pixel(4, 3, image::Rgb([9, 9, 9]))
        .save(&path)
        .unwrap();
    (folder, path)
}

fn document() -> Document {
    Document::new(4, 3, Classes::default())
}

#[test]
fn a_photo_opens_with_its_unsaved_edits() {
    let (_folder, path) = folder();
    let bench = Bench::new();
    let journal = JobKind::Journal {
        photo_path: path.clone(),
        edited: document(),
    };
    assert!(matches!(
        bench.final_of(bench.send(1, journal)),
        EventKind::Journaled
    ));
    let opened = match bench.final_of(bench.send(1, open(&path))) {
        EventKind::Opened(opened) => opened,
        other => panic!("{other:?}"),
    };
    assert_eq!((opened.photo.width(), opened.photo.height()), (4, 3));
    assert!(opened.recovered.is_some());
    assert_eq!(opened.notes, [""; 0]);
}

#[test]
fn unsaved_edits_of_labels_that_others_renewed_are_left_aside_with_a_note() {
    let (folder, path) = folder();
    let bench = Bench::new();
    let journal = JobKind::Journal {
        photo_path: path.clone(),
        edited: document(),
    };
    bench.final_of(bench.send(1, journal));
    let labels = folder.path().join("labels");
    std::fs::create_dir(&labels).unwrap();
    image::GrayImage::from_pixel(4, 3, image::Luma([1]))
        .save(labels.join("a.png"))
        .unwrap();
    let opened = match bench.final_of(bench.send(1, open(&path))) {
        EventKind::Opened(opened) => opened,
        other => panic!("{other:?}"),
    };
    assert!(opened.recovered.is_none());
    assert_eq!(opened.document.class_at(0, 0), 1);
    let [note] = opened.notes.as_slice() else {
        panic!("{:?}", opened.notes);
    };
    assert!(
        note.contains("a.png") && note.contains("a.stale-"),
        "{note}"
    );
}

#[test]
fn a_save_drops_the_journal() {
    let (_folder, path) = folder();
    let bench = Bench::new();
    let journal = JobKind::Journal {
        photo_path: path.clone(),
        edited: document(),
    };
    bench.send(1, journal);
    let edited = document();
    let revision = edited.revision();
    let options = SaveOptions::default();
    let save = JobKind::Save {
        photo_path: path.clone(),
        edited,
        options,
    };
    let saved = bench.final_of(bench.send(1, save));
    assert!(matches!(saved, EventKind::Saved { revision: r, .. } if r == revision));
    match bench.final_of(bench.send(1, open(&path))) {
        EventKind::Opened(opened) => assert!(opened.recovered.is_none()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn saves_are_finished_when_the_worker_is_dropped_though_the_engine_is_held() {
    let (_folder, path) = folder();
    let bench = Bench::new();
    bench.control.hold(Stage::Encoding);
    bench.send(1, encode(&photo()));
    assert!(bench.control.wait_until_held(Stage::Encoding, LIMIT));
    let options = SaveOptions::default();
    let save = JobKind::Save {
        photo_path: path.clone(),
        edited: document(),
        options,
    };
    bench.send(1, open(&path));
    bench.send(1, save);
    drop(bench);
    let opened = formats::open(&path, 4, 3, &Classes::default()).unwrap();
    assert!(matches!(opened, Opened::Loaded(_)));
}
