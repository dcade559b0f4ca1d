//! What the program has told the user: toasts that go away by themselves, and
//! the history that they can be read again in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many messages the history keeps.
const KEPT: usize = 200;

/// How serious a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something went well.
    Success,
    /// Good to know.
    Info,
    /// Something is not as expected; nothing is lost.
    Warning,
    /// Something failed.
    Error,
}

impl Severity {
    /// How long the toast stays.
    fn lifetime(self) -> Duration {
        Duration::from_secs(match self {
            Self::Success => 4,
            Self::Info => 6,
            Self::Warning => 10,
            Self::Error => 15,
        })
    }
}

/// One message.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Unique within the run, for the toast's identity on screen.
    pub id: u64,
    /// How serious.
    pub severity: Severity,
    /// One or two sentences.
    pub text: String,
    /// When it was said.
    pub at: Instant,
    dismissed: bool,
}

/// All messages of this run, newest last.
#[derive(Debug, Default)]
pub struct Notices {
    said: VecDeque<Notice>,
    next: u64,
    /// Messages before this one have been read in the history.
    seen: u64,
}

impl Notices {
    /// Say something.
    pub fn say(&mut self, severity: Severity, text: impl Into<String>) {
        let text = text.into();
        // The same complaint twice in a row is one complaint.
        if let Some(last) = self.said.back_mut()
            && last.text == text
        {
            last.at = Instant::now();
            last.dismissed = false;
            return;
        }
        self.said.push_back(Notice {
            id: self.next,
            severity,
            text,
            at: Instant::now(),
            dismissed: false,
        });
        self.next += 1;
        if self.said.len() > KEPT {
            self.said.pop_front();
        }
    }

    /// Messages that are still shown as toasts, oldest first.
    pub fn toasts(&self) -> impl Iterator<Item = &Notice> {
        self.said
            .iter()
            .filter(|notice| !notice.dismissed && notice.at.elapsed() < notice.severity.lifetime())
    }

    /// Time until the next toast goes away, if one is shown.
    pub fn next_change(&self) -> Option<Duration> {
        self.toasts()
            .map(|notice| {
                notice
                    .severity
                    .lifetime()
                    .saturating_sub(notice.at.elapsed())
            })
            .min()
    }

    /// Take a toast away; it stays in the history.
    pub fn dismiss(&mut self, id: u64) {
        if let Some(notice) = self.said.iter_mut().find(|notice| notice.id == id) {
            notice.dismissed = true;
        }
    }

    /// The history has been looked at.
    pub fn mark_seen(&mut self) {
        self.seen = self.next;
    }

    /// Whether something failed that has not been looked at in the history.
    pub fn has_unseen_error(&self) -> bool {
        self.said
            .iter()
            .any(|notice| notice.id >= self.seen && notice.severity == Severity::Error)
    }

    /// Everything said, newest first.
    pub fn history(&self) -> impl Iterator<Item = &Notice> {
        self.said.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dismissed_toast_stays_in_the_history() {
        let mut notices = Notices::default();
        notices.say(Severity::Error, "no");
        notices.say(Severity::Info, "well");
        let first = notices.history().last().unwrap().id;
        notices.dismiss(first);
        assert_eq!(notices.toasts().count(), 1);
        assert_eq!(notices.history().count(), 2);
    }

    #[test]
    fn errors_count_until_the_history_was_looked_at() {
        let mut notices = Notices::default();
        notices.say(Severity::Error, "no");
        assert!(notices.has_unseen_error());
        notices.mark_seen();
        assert!(!notices.has_unseen_error());
    }

    #[test]
    fn the_same_message_twice_is_shown_once() {
        let mut notices = Notices::default();
        notices.say(Severity::Error, "disk full");
        notices.say(Severity::Error, "disk full");
        assert_eq!(notices.history().count(), 1);
    }
}
