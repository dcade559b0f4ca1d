//! The way in: a queue that one thread serves. Putting a job in takes a lock for
//! a few instructions and never waits for a job, so the window may do it within
//! a frame. A bounded channel would do neither latest-wins nor never-block: full,
//! it can only refuse or wait. What bounds this queue is its rules: one waiting
//! job per latest-wins lane, and as many saves and exports as a user asked for.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::lanes::Queue;
use super::message::{Job, JobId, Stage};
use crate::task::Cancelled;

/// A [`Queue`] shared between those who send and the one thread that serves it.
pub struct Mailbox<Q> {
    state: Mutex<State<Q>>,
    ready: Condvar,
}

struct State<Q> {
    queue: Q,
    closed: bool,
}

impl<Q: Queue> Mailbox<Q> {
    /// A mailbox around an empty queue.
    pub fn new(queue: Q) -> Self {
        Self {
            state: Mutex::new(State {
                queue,
                closed: false,
            }),
            ready: Condvar::new(),
        }
    }

    /// Jobs run outside the lock, so a panic of theirs cannot leave the queue half
    /// changed: a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, State<Q>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Put a job in; the jobs that it supersedes come back. Never waits for a job.
    /// After [`Mailbox::close`] nobody would run it, so it comes back itself.
    pub fn push(&self, job: Job) -> Vec<Job> {
        let mut state = self.lock();
        if state.closed {
            return vec![job];
        }
        let superseded = state.queue.push(job);
        drop(state);
        self.ready.notify_one();
        superseded
    }

    /// Wait for the next job; `None` when closed and nothing is left to finish.
    pub fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The running job has ended. Whether a newer one replaced it meanwhile.
    pub fn finished(&self) -> bool {
        self.lock().queue.finished()
    }

    /// The running job begins a stage, or must stop because it was superseded.
    pub fn enter(&self, stage: Stage) -> Result<(), Cancelled> {
        self.lock().queue.enter(stage)
    }

    /// See [`Queue::cancel`].
    pub fn cancel(&self, id: JobId) -> Option<Job> {
        self.lock().queue.cancel(id)
    }

    /// Take nothing more in; drop and cancel what need not be finished.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.queue.close();
        drop(state);
        self.ready.notify_one();
    }
}
