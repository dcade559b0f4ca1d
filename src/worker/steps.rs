//! How a job says what it is doing and learns that it should stop.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::message::{EventKind, Stage};
use crate::dataset::DatasetError;
use crate::formats::StoreError;
use crate::models::ModelError;
use crate::photo::PhotoError;
use crate::task::{Cancel, Cancelled, Task};

/// Progress closer together than this is not worth waking the window for.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(30);

/// Why a job has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Stopped on request.
    #[error("cancelled")]
    Cancelled,
    /// It did not work; one sentence for the user.
    #[error("{0}")]
    Failed(String),
}

impl From<Cancelled> for JobError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl From<ModelError> for JobError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Cancelled => Self::Cancelled,
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<PhotoError> for JobError {
    fn from(error: PhotoError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<DatasetError> for JobError {
    fn from(error: DatasetError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Asked before each stage: is the job still wanted?
type Enter<'a> = &'a (dyn Fn(Stage) -> Result<(), Cancelled> + Sync);
/// Takes `Started` and `Progress` events.
type Emit<'a> = &'a (dyn Fn(EventKind) + Sync);

/// A running job's line to whoever asked for it.
#[derive(Clone, Copy)]
pub struct Steps<'a> {
    cancel: &'a Cancel,
    enter: Enter<'a>,
    emit: Emit<'a>,
}

impl<'a> Steps<'a> {
    /// Steps of a job that polls `cancel`, asks `enter` before each stage and
    /// tells `emit` what happens.
    pub(super) fn new(cancel: &'a Cancel, enter: Enter<'a>, emit: Emit<'a>) -> Self {
        Self {
            cancel,
            enter,
            emit,
        }
    }

    /// Run one stage: announce it, hand `work` a [`Task`] whose progress is
    /// passed on at a bearable rate, and stop here if the job is not wanted.
    pub fn run<T, E>(
        &self,
        stage: Stage,
        work: impl FnOnce(Task<'_>) -> Result<T, E>,
    ) -> Result<T, JobError>
    where
        JobError: From<E>,
    {
        (self.enter)(stage)?;
        (self.emit)(EventKind::Started(stage));
        let throttle = Mutex::new(Throttle::starting(Instant::now()));
        let report = |fraction: f32| {
            let mut throttle = throttle.lock().unwrap_or_else(PoisonError::into_inner);
            // Sent under the lock, so that progress from many threads stays in order.
            if throttle.admits(Instant::now(), fraction) {
                (self.emit)(EventKind::Progress { stage, fraction });
            }
        };
        Ok(work(Task::new(self.cancel, &report))?)
    }
}

/// Run `work` with steps that nobody watches or cancels, as the command line does.
pub fn unwatched<T>(work: impl FnOnce(&Steps<'_>) -> T) -> T {
    let cancel = Cancel::new();
    work(&Steps::new(&cancel, &|_| Ok(()), &|_| {}))
}

/// Lets progress through that is late enough and higher than before.
struct Throttle {
    last: Instant,
    fraction: f32,
}

impl Throttle {
    fn starting(now: Instant) -> Self {
        Self {
            last: now,
            fraction: 0.0,
        }
    }

    fn admits(&mut self, now: Instant, fraction: f32) -> bool {
        let admitted = fraction > self.fraction && now >= self.last + PROGRESS_INTERVAL;
        if admitted {
            *self = Self {
                last: now,
                fraction,
            };
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_throttled_and_never_falls() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut throttle = Throttle::starting(start);
        assert!(!throttle.admits(at(29), 0.1), "too soon after the start");
        assert!(throttle.admits(at(30), 0.2));
        assert!(!throttle.admits(at(59), 0.3), "too soon after the last one");
        assert!(!throttle.admits(at(90), 0.1), "falling");
        assert!(throttle.admits(at(90), 0.4));
    }

    #[test]
    fn a_stage_is_announced_and_an_unwanted_one_is_not_run() {
        let cancel = Cancel::new();
        let seen = Mutex::new(Vec::new());
        let enter = |stage| {
            if stage == Stage::Decoding {
                Err(Cancelled)
            } else {
                Ok(())
            }
        };
        let emit = |kind| seen.lock().unwrap().push(format!("{kind:?}"));
        let steps = Steps::new(&cancel, &enter, &emit);
        assert_eq!(steps.run(Stage::Encoding, |_| Ok::<_, JobError>(7)), Ok(7));
        let unwanted = steps.run(Stage::Decoding, |_| -> Result<(), JobError> {
            panic!("was run")
        });
        assert_eq!(unwanted, Err(JobError::Cancelled));
        assert_eq!(*seen.lock().unwrap(), ["Started(Encoding)"]);
    }
}
