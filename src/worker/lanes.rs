//! What waits and what runs, as plain data: the rules of superseding live here,
//! apart from threads, so that they can be tested without any.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::sync::Arc;

use super::analysis::AnalysisKind;
use super::message::{DocumentId, Job, JobId, JobKind, Stage};
use crate::photo::Photo;
use crate::task::{Cancel, Cancelled};

/// Jobs that wait for one thread, and the one that it runs.
pub trait Queue: Send {
    /// Take a job in. What it supersedes comes back and needs its final event.
    fn push(&mut self, job: Job) -> Vec<Job>;
    /// The next job; it counts as running until [`Queue::finished`].
    fn pop(&mut self) -> Option<Job>;
    /// The running job has ended. Whether a newer one replaced it meanwhile.
    fn finished(&mut self) -> bool;
    /// The running job begins a stage, or must stop because it was superseded.
    fn enter(&mut self, stage: Stage) -> Result<(), Cancelled>;
    /// Cancel by id. A waiting job comes back and needs its final event; a
    /// running one stops at its next poll.
    fn cancel(&mut self, id: JobId) -> Option<Job>;
    /// Drop what need not be finished, and cancel it where it runs.
    fn close(&mut self);
}

/// What is remembered of the running job.
struct Running {
    id: JobId,
    document: DocumentId,
    lane: Lane,
    photo: Option<Arc<Photo>>,
    /// The model that the job names; the others use the one that is loaded.
    model: Option<OsString>,
    cancel: Cancel,
    stage: Option<Stage>,
    /// Replaced while it does work that its successor needs as well.
    superseded: bool,
    /// Whether its encoding of the photo is there for the next job.
    keeps_encoding: bool,
    keeps_work: bool,
    outlives_window: bool,
}

impl Running {
    fn of(job: &Job) -> Self {
        Self {
            id: job.id,
            document: job.document,
            lane: Lane::of(&job.kind),
            photo: photo_of(&job.kind).cloned(),
            model: model_of(&job.kind).cloned(),
            cancel: job.cancel.clone(),
            stage: None,
            superseded: false,
            keeps_encoding: keeps_encoding(&job.kind),
            keeps_work: keeps_work(&job.kind),
            outlives_window: outlives_window(&job.kind),
        }
    }

    /// Make room for `newer`, which replaces this job in its lane. Work whose
    /// result the newer job needs too goes on: otherwise a user who clicks faster
    /// than the encoder runs would never see a mask.
    fn make_room_for(&mut self, newer: &Job) {
        let same_photo = match (&self.photo, photo_of(&newer.kind)) {
            (Some(mine), Some(theirs)) => Arc::ptr_eq(mine, theirs),
            _ => false,
        };
        let shared = match self.stage {
            Some(Stage::LoadingModel) => self.model.as_ref() == model_of(&newer.kind),
            Some(Stage::Encoding) => same_photo && self.keeps_encoding,
            _ => false,
        };
        if shared {
            self.superseded = true;
        } else {
            self.cancel.cancel();
        }
    }

    fn enter(&mut self, stage: Stage) -> Result<(), Cancelled> {
        if self.keeps_work {
            return Ok(());
        }
        if self.superseded {
            self.cancel.cancel();
        }
        self.stage = Some(stage);
        self.cancel.check()
    }
}

/// Within a lane the latest job wins; `Keep` jobs are never superseded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Load,
    Prompt,
    Encode,
    Predict,
    Inspect,
    Analyse(AnalysisKind),
    Everything,
    Open,
    Rewindow,
    Journal,
    Keep,
}

/// The engine's lanes, in the order in which waiting jobs are taken: what the
/// user waits for with the pointer in the air comes before long work.
const ENGINE_LANES: [Lane; 6 + AnalysisKind::ALL.len()] = {
    let mut lanes = [Lane::Everything; 6 + AnalysisKind::ALL.len()];
    let first = [
        Lane::Load,
        Lane::Prompt,
        Lane::Inspect,
        Lane::Encode,
        Lane::Predict,
    ];
    let mut at = 0;
    while at + 1 < lanes.len() {
        lanes[at] = if at < first.len() {
            first[at]
        } else {
            Lane::Analyse(AnalysisKind::ALL[at - first.len()])
        };
        at += 1;
    }
    lanes
};

impl Lane {
    fn of(kind: &JobKind) -> Self {
        match kind {
            JobKind::LoadModel { .. } => Self::Load,
            JobKind::Prompt { .. } => Self::Prompt,
            JobKind::Encode { .. } => Self::Encode,
            JobKind::Predict { .. } => Self::Predict,
            JobKind::Inspect { .. } => Self::Inspect,
            JobKind::Analyse { analysis, .. } => Self::Analyse(analysis.kind()),
            JobKind::Everything { .. } => Self::Everything,
            JobKind::Open { .. } => Self::Open,
            JobKind::Rewindow { .. } => Self::Rewindow,
            JobKind::Journal { .. } => Self::Journal,
            JobKind::Save { .. }
            | JobKind::DropJournal { .. }
            | JobKind::Export { .. }
            | JobKind::ExportAttention { .. }
            | JobKind::Scan { .. } => Self::Keep,
        }
    }
}

/// Whether a job runs on the `engine` thread (otherwise on `io`).
pub fn is_engine_job(kind: &JobKind) -> bool {
    ENGINE_LANES.contains(&Lane::of(kind))
}

/// The photo that an engine job works on.
fn photo_of(kind: &JobKind) -> Option<&Arc<Photo>> {
    match kind {
        JobKind::Encode { photo }
        | JobKind::Prompt { photo, .. }
        | JobKind::Predict { photo, .. }
        | JobKind::Inspect { photo, .. }
        | JobKind::Analyse { photo, .. }
        | JobKind::Everything { photo, .. } => Some(photo),
        _ => None,
    }
}

/// The model that a job names.
fn model_of(kind: &JobKind) -> Option<&OsString> {
    match kind {
        JobKind::LoadModel { name: model }
        | JobKind::Predict { model, .. }
        | JobKind::Inspect { model, .. } => Some(model),
        _ => None,
    }
}

/// Whether what the job encodes is the photo as its model sees it, which is kept
/// for the next job: not with attention heads off, nor another photo.
fn keeps_encoding(kind: &JobKind) -> bool {
    let JobKind::Analyse { analysis, .. } = kind else {
        return true;
    };
    !matches!(
        analysis.kind(),
        AnalysisKind::WhatIf | AnalysisKind::Rank | AnalysisKind::SimilarIn
    )
}

/// Whether stopping the job could lose work: these cannot be cancelled.
pub fn keeps_work(kind: &JobKind) -> bool {
    matches!(
        kind,
        JobKind::Save { .. } | JobKind::Journal { .. } | JobKind::DropJournal { .. }
    )
}

/// Whether the job is finished even when the worker shuts down.
fn outlives_window(kind: &JobKind) -> bool {
    let exports = matches!(
        kind,
        JobKind::Export { .. } | JobKind::ExportAttention { .. }
    );
    keeps_work(kind) || exports
}

/// Jobs of the `engine` thread: at most one waits in each lane.
#[derive(Default)]
pub struct EngineQueue {
    waiting: [Option<Job>; ENGINE_LANES.len()],
    running: Option<Running>,
}

impl EngineQueue {
    /// The newest document that a waiting or running job belongs to. Loading a
    /// model belongs to no document.
    fn newest_document(&self) -> Option<DocumentId> {
        let waiting = self.waiting.iter().flatten();
        let waiting = waiting.filter(|job| photo_of(&job.kind).is_some());
        let running = self.running.iter().filter(|running| {
            running.photo.is_some() && !running.superseded && !running.cancel.is_cancelled()
        });
        waiting
            .map(|job| job.document)
            .chain(running.map(|running| running.document))
            .max()
    }

    /// Take out the jobs of documents older than `document`.
    fn drop_older(&mut self, document: DocumentId, dropped: &mut Vec<Job>) {
        for slot in &mut self.waiting {
            let older = |job: &mut Job| photo_of(&job.kind).is_some() && job.document < document;
            dropped.extend(slot.take_if(older));
        }
        if let Some(running) = &mut self.running
            && running.photo.is_some()
            && running.document < document
        {
            running.cancel.cancel();
        }
    }
}

impl Queue for EngineQueue {
    fn push(&mut self, job: Job) -> Vec<Job> {
        let mut dropped = Vec::new();
        if photo_of(&job.kind).is_some() {
            if self
                .newest_document()
                .is_some_and(|newest| job.document < newest)
            {
                return vec![job];
            }
            self.drop_older(job.document, &mut dropped);
        }
        let lane = Lane::of(&job.kind);
        if let Some(running) = &mut self.running
            && running.lane == lane
        {
            running.make_room_for(&job);
        }
        let index = ENGINE_LANES.iter().position(|slot_lane| *slot_lane == lane);
        match index.and_then(|index| self.waiting.get_mut(index)) {
            Some(slot) => dropped.extend(slot.replace(job)),
            None => dropped.push(job),
        }
        dropped
    }

    fn pop(&mut self) -> Option<Job> {
        let job = self.waiting.iter_mut().find_map(Option::take)?;
        self.running = Some(Running::of(&job));
        Some(job)
    }

    fn finished(&mut self) -> bool {
        self.running
            .take()
            .is_some_and(|running| running.superseded)
    }

    fn enter(&mut self, stage: Stage) -> Result<(), Cancelled> {
        self.running
            .as_mut()
            .map_or(Ok(()), |running| running.enter(stage))
    }

    fn cancel(&mut self, id: JobId) -> Option<Job> {
        if let Some(running) = self.running.as_ref().filter(|running| running.id == id) {
            running.cancel.cancel();
        }
        self.waiting
            .iter_mut()
            .find_map(|slot| slot.take_if(|job| job.id == id))
    }

    fn close(&mut self) {
        self.waiting = Default::default();
        if let Some(running) = &self.running {
            running.cancel.cancel();
        }
    }
}

/// Jobs of the `io` thread: strictly in the order sent. A superseded job leaves
/// the queue and its successor joins at the end, so that nothing ever overtakes:
/// a journal stays on its side of a save, and opening a photo sees what was
/// saved to it before.
#[derive(Default)]
pub struct IoQueue {
    waiting: VecDeque<Job>,
    running: Option<Running>,
}

/// Whether `newer` makes a waiting `older` pointless.
fn supersedes(newer: &JobKind, older: &JobKind) -> bool {
    match (newer, older) {
        (JobKind::Open { .. }, JobKind::Open { .. }) => true,
        (JobKind::Rewindow { .. }, JobKind::Rewindow { .. }) => true,
        (
            JobKind::Journal {
                photo_path: newer, ..
            },
            JobKind::Journal {
                photo_path: older, ..
            },
        ) => newer == older,
        _ => false,
    }
}

impl Queue for IoQueue {
    fn push(&mut self, job: Job) -> Vec<Job> {
        let replaced = |older: &Job| supersedes(&job.kind, &older.kind);
        let (dropped, kept): (Vec<Job>, Vec<Job>) =
            self.waiting.drain(..).partition(|older| replaced(older));
        self.waiting = kept.into();
        let lane = Lane::of(&job.kind);
        if let Some(running) = &mut self.running
            && running.lane == lane
            && matches!(lane, Lane::Open | Lane::Rewindow)
        {
            running.make_room_for(&job);
        }
        self.waiting.push_back(job);
        dropped
    }

    fn pop(&mut self) -> Option<Job> {
        let job = self.waiting.pop_front()?;
        self.running = Some(Running::of(&job));
        Some(job)
    }

    fn finished(&mut self) -> bool {
        self.running
            .take()
            .is_some_and(|running| running.superseded)
    }

    fn enter(&mut self, stage: Stage) -> Result<(), Cancelled> {
        self.running
            .as_mut()
            .map_or(Ok(()), |running| running.enter(stage))
    }

    fn cancel(&mut self, id: JobId) -> Option<Job> {
        if let Some(running) = self.running.as_ref().filter(|running| running.id == id) {
            running.cancel.cancel();
        }
        let found = self
            .waiting
            .iter()
            .position(|job| job.id == id && !keeps_work(&job.kind))?;
        self.waiting.remove(found)
    }

    fn close(&mut self) {
        self.waiting.retain(|job| outlives_window(&job.kind));
        if let Some(running) = self
            .running
            .as_ref()
            .filter(|running| !running.outlives_window)
        {
            running.cancel.cancel();
        }
    }
}

#[cfg(test)]
mod tests;
