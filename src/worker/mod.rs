//! Work that takes longer than a frame, on two threads: `engine` runs the model,
//! `io` decodes, saves and exports, so that a save never waits for a forward pass.
//!
//! - A [`Job`] goes in with [`Worker::send`], which never blocks; [`Event`]s come
//!   back through [`Worker::try_recv`]. Each job gets exactly one final event,
//!   also when it is superseded, cancelled or panics.
//! - On the engine, loading, encoding, prompts, predictions, everything, inspecting and each
//!   kind of analysis are a lane each; within a lane the latest job wins. A job of a newer document cancels and
//!   drops those of older ones. A prompt leaves a running encoding of the same
//!   photo alone and uses it.
//! - On io, jobs run in the order sent. Opening and another display window are
//!   latest wins; a waiting journal gives way to a newer one of the same photo;
//!   saves and exports are never superseded. Nothing overtakes, so a journal never
//!   lands on the other side of a save than it was sent. A save drops the photo's
//!   journal itself ([`formats::save`](crate::formats::save)); asking for that
//!   after the save could hit a journal of newer edits.
//! - Each event is sent before the window is woken. This module knows no egui.
//!
//! The threads share queues under a lock held for moments (`mailbox`), where a
//! bounded channel could only refuse or wait; events return over a channel that
//! is bounded by the jobs sent (`outbox`).

mod analysis;
mod attention_file;
mod cache;
mod contact_sheet;
mod engine;
pub mod fake;
mod heatmap_picture;
mod inference;
mod inspection;
mod io;
mod lanes;
mod mailbox;
mod message;
mod outbox;
mod relevance;
mod service;
mod showing;
mod similar;
mod steps;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod what_if;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;

pub use analysis::{
    Analysed, Analysis, AnalysisKind, Elsewhere, Explained, Likeness, PromptAttention, Similar,
    Whole,
};
pub use attention_file::{AttentionFile, ShownRow};
pub use cache::Memory;
pub use contact_sheet::{ContactSheet, SheetLayer};
pub use engine::{Engine, Observed, Seen, Wanted};
pub use heatmap_picture::{HeatmapPicture, heatmaps_png};
pub use inference::{DEFAULT_MODEL, ModelEngine};
pub use inspection::Inspection;
pub use message::{
    ClassArea, DocumentId, Event, EventKind, Found, Job, JobHandle, JobId, JobKind, Likely,
    OpenedPhoto, Predicted, Proposal, Proposals, Stage,
};

pub use outbox::Wake;
pub use relevance::explained;
pub use service::panic_sentence;
pub use what_if::{Change, Outcome, WhatIf};

pub use steps::{JobError, Steps, unwatched};

use crate::task::Cancel;
use engine::EngineService;
use io::IoService;
use lanes::{EngineQueue, IoQueue, Queue, is_engine_job};
use mailbox::Mailbox;
use outbox::Outbox;
use service::{Service, serve};

/// Ids are unique in the process, so that an event can never be mistaken for one
/// of another worker.
static NEXT_JOB: AtomicU64 = AtomicU64::new(1);

/// The two threads and the ways to them.
///
/// Dropping it cancels what runs, finishes the saves, journals and exports that
/// were sent, and joins both threads.
pub struct Worker {
    engine: Arc<Mailbox<EngineQueue>>,
    io: Arc<Mailbox<IoQueue>>,
    outbox: Outbox,
    events: Receiver<Event>,
    memory: Memory,
    threads: Vec<JoinHandle<()>>,
}

impl Worker {
    /// Start both threads. `wake` is called after each event, from any thread.
    pub fn spawn(engine: Box<dyn Engine>, wake: Wake) -> Self {
        let (outbox, events) = Outbox::new(wake);
        let memory = engine.memory();
        let (engine_box, io_box) = (
            Arc::new(Mailbox::new(EngineQueue::default())),
            Arc::new(Mailbox::new(IoQueue::default())),
        );
        let threads = [
            start(
                "engine",
                engine_box.clone(),
                outbox.clone(),
                EngineService::new(engine),
            ),
            start("io", io_box.clone(), outbox.clone(), IoService),
        ];
        let threads = threads.into_iter().flatten().collect();
        Self {
            engine: engine_box,
            io: io_box,
            outbox,
            events,
            memory,
            threads,
        }
    }

    /// Send a job. Never blocks; what the job supersedes gets its final event now.
    pub fn send(&self, document: DocumentId, kind: JobKind) -> JobHandle {
        let id = JobId(NEXT_JOB.fetch_add(1, Ordering::Relaxed));
        let cancel = Cancel::new();
        let job = Job {
            id,
            document,
            cancel: cancel.clone(),
            kind,
        };
        let superseded = if is_engine_job(&job.kind) {
            self.engine.push(job)
        } else {
            self.io.push(job)
        };
        for old in superseded {
            self.outbox.send(old.id, old.document, EventKind::Cancelled);
        }
        JobHandle { id, cancel }
    }

    /// How much memory encodings take.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The next event, if one is there. Events of one job come in order.
    pub fn try_recv(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Cancel a job: a waiting one gets its final event now, a running one when it
    /// polls. Saves and journals are not cancelled; an unknown id does nothing.
    pub fn cancel(&self, id: JobId) {
        for job in self.engine.cancel(id).into_iter().chain(self.io.cancel(id)) {
            self.outbox.send(job.id, job.document, EventKind::Cancelled);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.engine.close();
        self.io.close();
        for thread in self.threads.drain(..) {
            // A panic in there was shown by the panic hook; there is no one to tell.
            let _ = thread.join();
        }
    }
}

/// Start a thread that serves a mailbox. If the system gives no thread, the
/// mailbox is closed, so that each job sent to it is answered at once.
fn start<Q: Queue + 'static>(
    name: &str,
    mailbox: Arc<Mailbox<Q>>,
    outbox: Outbox,
    mut service: impl Service + Send + 'static,
) -> Option<JoinHandle<()>> {
    let inner = mailbox.clone();
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || serve(&inner, &outbox, &mut service));
    thread.inspect_err(|_| mailbox.close()).ok()
}
