//! The way back: events for the window.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::message::{DocumentId, Event, EventKind, JobId};

/// Wakes the window; called after each event, from any thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// With more events than this waiting, nobody is looking: progress is left out.
const MOST_WAITING: usize = 256;

/// Sends events and wakes the window. Clones share the channel.
///
/// The channel has no capacity of its own, because a final event may be neither
/// lost nor waited for (the window itself sends those of superseded jobs). It is
/// bounded by what goes in: one final event per job that the window sent, and
/// `Started` and `Progress` only while fewer than [`MOST_WAITING`] events wait.
#[derive(Clone)]
pub struct Outbox {
    sender: Sender<Event>,
    wake: Wake,
}

impl Outbox {
    /// An outbox and the end to read it from.
    pub fn new(wake: Wake) -> (Self, Receiver<Event>) {
        let (sender, receiver) = unbounded();
        (Self { sender, wake }, receiver)
    }

    /// Send an event, then wake the window. Never blocks.
    pub fn send(&self, id: JobId, document: DocumentId, kind: EventKind) {
        if !kind.is_final() && self.sender.len() >= MOST_WAITING {
            return;
        }
        // The receiver is gone only while the worker shuts down: nobody listens.
        if self.sender.send(Event { id, document, kind }).is_ok() {
            (self.wake)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::Stage;

    #[test]
    fn a_flood_of_progress_is_cut_but_final_events_get_through() {
        let (outbox, events) = Outbox::new(Arc::new(|| {}));
        let send = |kind| outbox.send(JobId(1), DocumentId(1), kind);
        for _ in 0..10 * MOST_WAITING {
            send(EventKind::Progress {
                stage: Stage::Encoding,
                fraction: 0.5,
            });
        }
        send(EventKind::Cancelled);
        assert_eq!(events.len(), MOST_WAITING + 1);
        assert!(
            events
                .try_iter()
                .last()
                .is_some_and(|event| event.kind.is_final())
        );
    }
}
