use super::*;
use crate::attention::{Features, Heatmap, Place, RolloutOptions, TokenMask};
use crate::document::Document;
use crate::formats::{OpenOptions, SaveOptions};
use crate::label::{Classes, Mask, Rect};
use crate::models::predict::Options;
use crate::models::{EverythingOptions, Prompt};
use crate::photo::Limits;
use crate::worker::fake::{DENSE, FakeEngine};
use crate::worker::{Analysis, Engine as _, Likeness, WhatIf, unwatched};

fn photo() -> Arc<Photo> {
    Arc::new(Photo::from_rgb(2, 2, vec![0; 12], "p").unwrap())
}

fn job(id: u64, document: u64, kind: JobKind) -> Job {
    Job {
        id: JobId(id),
        document: DocumentId(document),
        cancel: Cancel::new(),
        kind,
    }
}

fn prompt(photo: &Arc<Photo>) -> JobKind {
    JobKind::Prompt {
        photo: photo.clone(),
        prompt: Prompt::default(),
        revision: 0,
    }
}

fn encode(photo: &Arc<Photo>) -> JobKind {
    JobKind::Encode {
        photo: photo.clone(),
    }
}

fn everything(photo: &Arc<Photo>) -> JobKind {
    let options = EverythingOptions::default();
    JobKind::Everything {
        photo: photo.clone(),
        options,
        revision: 0,
    }
}

fn load() -> JobKind {
    JobKind::LoadModel { name: "m".into() }
}

fn open(path: &str) -> JobKind {
    JobKind::Open {
        path: path.into(),
        defaults: Classes::default(),
        import: OpenOptions::default(),
        limits: Limits::default(),
    }
}

fn document() -> Document {
    Document::new(2, 2, Classes::default())
}

fn save(path: &str) -> JobKind {
    let options = SaveOptions::default();
    JobKind::Save {
        photo_path: path.into(),
        edited: document(),
        options,
    }
}

fn journal(path: &str) -> JobKind {
    JobKind::Journal {
        photo_path: path.into(),
        edited: document(),
    }
}

fn drop_journal(path: &str) -> JobKind {
    JobKind::DropJournal {
        photo_path: path.into(),
    }
}

fn ids(jobs: &[Job]) -> Vec<u64> {
    jobs.iter().map(|job| job.id.0).collect()
}

/// Run the queue dry; the ids in the order taken.
fn drain(queue: &mut dyn Queue) -> Vec<u64> {
    let mut order = Vec::new();
    while let Some(job) = queue.pop() {
        order.push(job.id.0);
        queue.finished();
    }
    order
}

#[test]
fn the_latest_waiting_job_of_a_lane_wins() {
    let (mut queue, p) = (EngineQueue::default(), photo());
    assert!(queue.push(job(1, 1, prompt(&p))).is_empty());
    assert!(queue.push(job(2, 1, encode(&p))).is_empty());
    assert_eq!(ids(&queue.push(job(3, 1, prompt(&p)))), [1]);
    assert_eq!(drain(&mut queue), [3, 2]);
}

#[test]
fn the_pointer_comes_before_long_work() {
    let (mut queue, p) = (EngineQueue::default(), photo());
    for (id, kind) in [
        (1, everything(&p)),
        (2, encode(&p)),
        (3, prompt(&p)),
        (4, load()),
    ] {
        assert!(queue.push(job(id, 1, kind)).is_empty());
    }
    assert_eq!(drain(&mut queue), [4, 3, 2, 1]);
}

#[test]
fn a_newer_prompt_cancels_a_decoding_one_but_not_an_encoding_both_need() {
    let (mut queue, p) = (EngineQueue::default(), photo());
    queue.push(job(1, 1, prompt(&p)));
    let first = queue.pop().unwrap();
    queue.enter(Stage::Encoding).unwrap();
    queue.push(job(2, 1, prompt(&p)));
    assert!(!first.cancel.is_cancelled(), "the encoding goes on");
    assert!(
        queue.enter(Stage::Decoding).is_err(),
        "but its own decoding is not wanted"
    );
    assert!(queue.finished());

    let second = queue.pop().unwrap();
    queue.enter(Stage::Decoding).unwrap();
    queue.push(job(3, 1, prompt(&p)));
    assert!(second.cancel.is_cancelled());
}

#[test]
fn an_encoding_of_another_photo_is_cancelled() {
    let (mut queue, p, other) = (EngineQueue::default(), photo(), photo());
    queue.push(job(1, 1, encode(&p)));
    let running = queue.pop().unwrap();
    queue.enter(Stage::Encoding).unwrap();
    queue.push(job(2, 1, prompt(&p)));
    assert!(
        !running.cancel.is_cancelled(),
        "a prompt waits for the encoding"
    );
    queue.push(job(3, 1, encode(&other)));
    assert!(running.cancel.is_cancelled());
}

#[test]
fn a_newer_document_clears_the_engine_but_keeps_a_loading_model() {
    let (mut queue, p, other) = (EngineQueue::default(), photo(), photo());
    queue.push(job(1, 1, encode(&p)));
    let running = queue.pop().unwrap();
    queue.enter(Stage::Encoding).unwrap();
    queue.push(job(2, 0, load()));
    queue.push(job(3, 1, prompt(&p)));
    queue.push(job(4, 1, everything(&p)));
    let dropped = queue.push(job(5, 2, encode(&other)));
    assert_eq!(ids(&dropped), [3, 4]);
    assert!(running.cancel.is_cancelled());
    queue.finished();
    assert_eq!(drain(&mut queue), [2, 5]);
}

#[test]
fn a_late_job_of_an_older_document_is_refused_only_while_a_newer_one_works() {
    let (mut queue, p) = (EngineQueue::default(), photo());
    queue.push(job(1, 2, encode(&p)));
    assert_eq!(ids(&queue.push(job(2, 1, prompt(&p)))), [2]);
    assert_eq!(drain(&mut queue), [1]);
    assert!(queue.push(job(3, 1, prompt(&p))).is_empty());
    assert_eq!(drain(&mut queue), [3]);
}

#[test]
fn io_keeps_the_order_sent() {
    let mut queue = IoQueue::default();
    let kinds = [
        open("a"),
        save("a"),
        journal("a"),
        drop_journal("a"),
        save("a"),
    ];
    for (id, kind) in kinds.into_iter().enumerate() {
        assert!(queue.push(job(id as u64, 1, kind)).is_empty());
    }
    assert_eq!(drain(&mut queue), [0, 1, 2, 3, 4]);
}

#[test]
fn opening_is_latest_wins_but_sees_earlier_saves() {
    let mut queue = IoQueue::default();
    queue.push(job(1, 1, open("a")));
    let running = queue.pop().unwrap();
    queue.enter(Stage::Opening).unwrap();
    queue.push(job(2, 2, open("b")));
    assert!(running.cancel.is_cancelled());
    queue.push(job(3, 1, save("c")));
    assert_eq!(ids(&queue.push(job(4, 3, open("c")))), [2]);
    queue.finished();
    assert_eq!(drain(&mut queue), [3, 4]);
}

#[test]
fn a_journal_replaces_only_a_waiting_one_of_its_photo_and_stays_on_its_side_of_a_save() {
    let mut queue = IoQueue::default();
    queue.push(job(1, 1, journal("a")));
    queue.push(job(2, 1, journal("b")));
    queue.push(job(3, 1, save("a")));
    assert_eq!(ids(&queue.push(job(4, 1, journal("a")))), [1]);
    assert_eq!(drain(&mut queue), [2, 3, 4]);
}

#[test]
fn saves_ignore_every_kind_of_cancelling() {
    let mut queue = IoQueue::default();
    queue.push(job(1, 1, save("a")));
    queue.push(job(2, 1, journal("a")));
    queue.push(job(3, 1, save("a")));
    assert!(queue.cancel(JobId(1)).is_none());
    assert!(queue.cancel(JobId(2)).is_none());
    let running = queue.pop().unwrap();
    queue.cancel(JobId(1));
    running.cancel.cancel();
    assert!(queue.enter(Stage::Saving).is_ok());
    queue.finished();
    assert_eq!(drain(&mut queue), [2, 3]);
}

#[test]
fn cancelling_takes_a_waiting_job_out_and_stops_a_running_one() {
    let (mut queue, p) = (EngineQueue::default(), photo());
    queue.push(job(1, 1, prompt(&p)));
    queue.push(job(2, 1, encode(&p)));
    let running = queue.pop().unwrap();
    assert_eq!(queue.cancel(JobId(2)).map(|job| job.id), Some(JobId(2)));
    assert!(queue.cancel(JobId(1)).is_none());
    assert!(running.cancel.is_cancelled());
    assert!(queue.cancel(JobId(99)).is_none());
    queue.finished();
    assert!(queue.pop().is_none());
}

#[test]
fn closing_keeps_what_must_be_finished() {
    let mut io = IoQueue::default();
    io.push(job(1, 1, open("a")));
    let running = io.pop().unwrap();
    io.push(job(2, 1, JobKind::Scan { folder: "f".into() }));
    io.push(job(3, 1, save("a")));
    io.push(job(4, 1, journal("a")));
    io.push(job(5, 1, open("a")));
    io.close();
    assert!(running.cancel.is_cancelled());
    io.finished();
    assert_eq!(drain(&mut io), [3, 4]);

    let (mut engine, p) = (EngineQueue::default(), photo());
    engine.push(job(1, 1, prompt(&p)));
    engine.push(job(2, 1, load()));
    engine.close();
    assert!(engine.pop().is_none());
}

/// A question of each kind about what the fake model recorded.
fn analyses(photo: &Arc<Photo>) -> Vec<JobKind> {
    let (mut engine, _) = FakeEngine::new();
    let options = Options::default();
    let inspection = unwatched(|steps| engine.inspect(photo, DENSE.as_ref(), &options, steps));
    let inspection = inspection.unwrap();
    let view = inspection.layers.view;
    let like = Likeness::Part {
        mask: Mask::from_rect(Rect::new(0, 0, 1, 1)),
        strictness: 0.0,
    };
    let grid = inspection.layers.records[0].query_tokens.grid.unwrap();
    let features = Features::new(grid, 1, (0..grid.len()).map(|at| at as f32).collect());
    let some = TokenMask::from_tokens(grid, &[(0, 0)]);
    let prototype = Arc::new(features.unwrap().prototype(&some).unwrap());
    let all = [
        Analysis::SimilarIn {
            path: "a".into(),
            limits: Limits::default(),
            prototype,
            least: 0.5,
        },
        Analysis::Rank(WhatIf::default()),
        Analysis::Statistics,
        Analysis::Reverse,
        Analysis::WhatIf(WhatIf::default()),
        Analysis::Relevance {
            class: None,
            part: None,
        },
        Analysis::Rollout(Place::Class, RolloutOptions::default()),
        Analysis::Similar(like),
        Analysis::Refine {
            soft: Heatmap::zeros(grid),
            view,
        },
        Analysis::Prompt(Prompt::default()),
        Analysis::Rows(Place::Class),
    ];
    let job = |analysis| JobKind::Analyse {
        photo: photo.clone(),
        inspection: Box::new(inspection.clone()),
        analysis,
    };
    all.map(job).into()
}

#[test]
fn kinds_of_analysis_do_not_supersede_each_other() {
    let (mut queue, p) = (EngineQueue::default(), photo());
    let kinds = analyses(&p);
    let count = kinds.len() as u64;
    assert_eq!(kinds.len(), AnalysisKind::ALL.len());
    for (id, kind) in kinds.into_iter().enumerate() {
        assert!(is_engine_job(&kind));
        assert!(queue.push(job(id as u64, 1, kind)).is_empty());
    }
    // Of each kind the latest wins.
    for (id, kind) in analyses(&p).into_iter().enumerate() {
        let dropped = queue.push(job(count + id as u64, 1, kind));
        assert_eq!(ids(&dropped), [id as u64]);
    }
    // What the pointer waits for comes first, whatever was sent first.
    let wanted: Vec<u64> = (count..2 * count).rev().collect();
    assert_eq!(drain(&mut queue), wanted);
}

#[test]
fn a_running_analysis_is_cancelled_by_one_of_its_kind_only() {
    let (mut queue, p) = (EngineQueue::default(), photo());
    let (mut kinds, mut again) = (analyses(&p), analyses(&p));
    let (last, other) = (kinds.pop().unwrap(), kinds.pop().unwrap());
    queue.push(job(1, 1, last));
    let running = queue.pop().unwrap();
    queue.enter(Stage::Analysing).unwrap();
    queue.push(job(2, 1, other));
    queue.push(job(3, 1, prompt(&p)));
    assert!(!running.cancel.is_cancelled());
    queue.push(job(4, 1, again.pop().unwrap()));
    assert!(running.cancel.is_cancelled());
    queue.finished();
    assert_eq!(drain(&mut queue), [3, 4, 2]);
}

#[test]
fn analyses_of_an_older_document_are_dropped() {
    let (mut queue, p, other) = (EngineQueue::default(), photo(), photo());
    let mut kinds = analyses(&p);
    queue.push(job(1, 1, kinds.pop().unwrap()));
    let running = queue.pop().unwrap();
    queue.enter(Stage::Analysing).unwrap();
    queue.push(job(2, 1, kinds.pop().unwrap()));
    queue.push(job(3, 1, kinds.pop().unwrap()));
    let mut dropped = ids(&queue.push(job(4, 2, encode(&other))));
    dropped.sort_unstable();
    assert_eq!(dropped, [2, 3]);
    assert!(running.cancel.is_cancelled());
    // One that comes late is not even taken in.
    assert_eq!(ids(&queue.push(job(5, 1, kinds.pop().unwrap()))), [5]);
    queue.finished();
    assert_eq!(drain(&mut queue), [4]);
}

#[test]
fn an_encoding_that_is_not_kept_is_not_waited_for() {
    let p = photo();
    let newer = analyses(&p);
    for (older, newer) in analyses(&p).into_iter().zip(newer) {
        let JobKind::Analyse { analysis, .. } = &older else {
            panic!("it is a question");
        };
        let kind = analysis.kind();
        let mut queue = EngineQueue::default();
        queue.push(job(1, 1, older));
        let running = queue.pop().unwrap();
        queue.enter(Stage::Encoding).unwrap();
        queue.push(job(2, 1, newer));
        let lost = [
            AnalysisKind::WhatIf,
            AnalysisKind::Rank,
            AnalysisKind::SimilarIn,
        ];
        let cancelled = running.cancel.is_cancelled();
        assert_eq!(cancelled, lost.contains(&kind), "{kind:?}");
        assert_eq!(queue.finished(), !cancelled);
    }
}
