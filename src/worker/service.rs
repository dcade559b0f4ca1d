//! The loop of a worker thread.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::lanes::{Queue, keeps_work};
use super::mailbox::Mailbox;
use super::message::{EventKind, Job};
use super::outbox::Outbox;
use super::steps::{JobError, Steps};

/// What a worker thread does with a job.
pub trait Service {
    /// Do the job; the result is its final event.
    fn run(&mut self, job: &Job, steps: &Steps<'_>) -> Result<EventKind, JobError>;
    /// A job panicked: forget whatever it may have left half done.
    fn recover(&mut self);
}

/// Serve a mailbox until it is closed: one final event per job, whatever happens
/// in it.
pub fn serve<Q: Queue>(mailbox: &Mailbox<Q>, outbox: &Outbox, service: &mut dyn Service) {
    // The closures given to a job are shared with rayon's threads, hence `Sync`.
    let enter = |stage| mailbox.enter(stage);
    while let Some(job) = mailbox.next() {
        let emit = |kind| outbox.send(job.id, job.document, kind);
        let steps = Steps::new(&job.cancel, &enter, &emit);
        let outcome = guarded(service, &job, &steps);
        let unwanted = mailbox.finished() || job.cancel.is_cancelled();
        outbox.send(job.id, job.document, final_event(outcome, unwanted));
    }
}

/// Run a job; a panic becomes an error.
fn guarded(service: &mut dyn Service, job: &Job, steps: &Steps<'_>) -> Result<EventKind, JobError> {
    if !keeps_work(&job.kind) {
        job.cancel.check()?;
    }
    // Unwind safe because `recover` throws away what the job may have left behind.
    catch_unwind(AssertUnwindSafe(|| service.run(job, steps))).unwrap_or_else(|panic| {
        service.recover();
        Err(JobError::Failed(panic_sentence(panic.as_ref())))
    })
}

/// The one final event of a job. What is on disk already is told as it is, even
/// when nobody waits for it any more.
fn final_event(outcome: Result<EventKind, JobError>, unwanted: bool) -> EventKind {
    use EventKind::{Cancelled, Exported, Failed, JournalDropped, Journaled, Saved};
    match outcome {
        Ok(kind @ (Saved { .. } | Journaled | JournalDropped | Exported { .. })) => kind,
        Ok(_) if unwanted => Cancelled,
        Ok(kind) => kind,
        Err(JobError::Cancelled) => Cancelled,
        Err(JobError::Failed(sentence)) => Failed(sentence),
    }
}

/// A panic's message as one sentence for the user.
pub fn panic_sentence(panic: &(dyn std::any::Any + Send)) -> String {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no details");
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "this failed through a mistake in PatchLens itself, and the labels are unchanged: {message}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_message_becomes_one_line() {
        let panic = catch_unwind(|| panic!("index {}\n out of range", 7)).unwrap_err();
        let sentence = panic_sentence(panic.as_ref());
        assert!(sentence.ends_with("index 7 out of range"), "{sentence}");
        let panic = catch_unwind(|| std::panic::panic_any(7_u8)).unwrap_err();
        assert!(panic_sentence(panic.as_ref()).ends_with("no details"));
    }

    #[test]
    fn what_is_on_disk_is_reported_even_when_unwanted() {
        assert!(matches!(
            final_event(Ok(EventKind::Journaled), true),
            EventKind::Journaled
        ));
        let scanned = EventKind::Scanned {
            folder: "f".into(),
            photos: Vec::new(),
        };
        assert!(matches!(
            final_event(Ok(scanned), true),
            EventKind::Cancelled
        ));
    }
}
