//! What long work needs from whoever started it: a cancel flag to poll and a
//! place to report progress to.
//!
//! This is the one vocabulary type shared by every layer (models poll it
//! between blocks, exporters between photos, workers hand it out), so it
//! depends on nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that asks running work to stop. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ask the work that holds this flag to stop at its next poll.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the work should stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// [`Cancelled`] if the flag is raised; meant for `?` between blocks.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() {
            Err(Cancelled)
        } else {
            Ok(())
        }
    }
}

/// The work was stopped on request; nothing is wrong and nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

/// The handle that a running piece of work is given: poll it, report to it.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    cancel: &'a Cancel,
    report: &'a (dyn Fn(f32) + Sync),
}

impl<'a> Task<'a> {
    /// A handle that polls `cancel` and reports fractions 0..=1 to `report`.
    pub fn new(cancel: &'a Cancel, report: &'a (dyn Fn(f32) + Sync)) -> Self {
        Self { cancel, report }
    }

    /// Report how much is done, as a fraction 0..=1.
    pub fn progress(&self, fraction: f32) {
        (self.report)(fraction.clamp(0.0, 1.0));
    }

    /// [`Cancelled`] if the work should stop.
    pub fn check(&self) -> Result<(), Cancelled> {
        self.cancel.check()
    }

    /// The cancel flag itself, for handing on.
    pub fn cancel(&self) -> &'a Cancel {
        self.cancel
    }

    /// A handle with the same cancel flag that reports to `report` instead: for a
    /// part of the work, whose fractions the caller maps to those of the whole.
    pub fn reporting_to<'b>(&self, report: &'b (dyn Fn(f32) + Sync)) -> Task<'b>
    where
        'a: 'b,
    {
        Task {
            cancel: self.cancel,
            report,
        }
    }
}

/// Run `work` with a handle that nobody listens to and nobody cancels.
pub fn detached<T>(work: impl FnOnce(Task<'_>) -> T) -> T {
    let cancel = Cancel::new();
    work(Task::new(&cancel, &|_| {}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_flag_reaches_every_clone() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        assert_eq!(other.check(), Ok(()));
        cancel.cancel();
        assert_eq!(other.check(), Err(Cancelled));
    }

    #[test]
    fn progress_is_clamped() {
        let seen = std::sync::Mutex::new(Vec::new());
        let cancel = Cancel::new();
        let report = |f: f32| seen.lock().unwrap().push(f);
        let task = Task::new(&cancel, &report);
        task.progress(-1.0);
        task.progress(0.5);
        task.progress(7.0);
        assert_eq!(*seen.lock().unwrap(), vec![0.0, 0.5, 1.0]);
    }
}
