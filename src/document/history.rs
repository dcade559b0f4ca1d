//! Undo and redo.

use std::collections::VecDeque;

use super::{Document, dirty_between};
use crate::label::Rect;

/// The values of a document over time, with undo and redo of one edit each.
///
/// A *gesture* (a brush stroke, say) goes through many values; only its end
/// becomes a step. Memory is bounded: over the budget the oldest steps are
/// dropped, but the last one can always be undone.
#[derive(Clone, Debug)]
pub struct History {
    /// The value before `steps[0]`.
    first: Document,
    steps: VecDeque<Step>,
    /// How many of the steps are done; the others can be redone.
    done: usize,
    /// The value within a gesture.
    gesture: Option<Document>,
    saved: u64,
    budget: usize,
}

/// One edit, with the value it led to.
#[derive(Clone, Debug)]
struct Step {
    name: &'static str,
    after: Document,
    /// Memory that only the value before holds: the price of undoing.
    undo_bytes: usize,
    /// Memory that only the value after holds: the price of redoing.
    redo_bytes: usize,
}

impl Step {
    fn new(name: &'static str, before: &Document, after: Document) -> Self {
        Self {
            name,
            undo_bytes: before.bytes_not_shared_with(&after),
            redo_bytes: after.bytes_not_shared_with(before),
            after,
        }
    }
}

/// What undo, redo or a cancelled gesture did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Box around all pixels that may look different now.
    pub dirty: Rect,
    /// Name of the step that was undone or redone.
    pub name: &'static str,
}

/// The name of a gesture that ended before it had one.
const CANCELLED_GESTURE: &str = "Unfinished edit";

impl History {
    /// A history that begins, saved, with `document`; `budget` is in bytes and
    /// counts what the steps hold beyond the current value.
    pub fn new(document: Document, budget: usize) -> Self {
        Self {
            saved: document.revision(),
            first: document,
            steps: VecDeque::new(),
            done: 0,
            gesture: None,
            budget,
        }
    }

    /// The document as it is now, within a gesture too.
    pub fn current(&self) -> &Document {
        self.gesture.as_ref().unwrap_or(self.settled())
    }

    /// The document at the last finished step.
    fn settled(&self) -> &Document {
        self.value(self.done)
    }

    /// The value after `count` steps.
    fn value(&self, count: usize) -> &Document {
        match count.checked_sub(1) {
            None => &self.first,
            Some(index) => &self.steps[index].after,
        }
    }

    /// Begins a gesture; does nothing within one.
    pub fn begin_gesture(&mut self) {
        if self.gesture.is_none() {
            self.gesture = Some(self.settled().clone());
        }
    }

    /// Whether a gesture has begun and not ended.
    pub fn in_gesture(&self) -> bool {
        self.gesture.is_some()
    }

    /// Replaces the current value without making a step. Outside of a gesture
    /// it takes the place of the last step's value (for changes that nobody
    /// would want to undo by themselves).
    pub fn replace(&mut self, document: Document) {
        if self.gesture.is_some() {
            self.gesture = Some(document);
            return;
        }
        match self.done.checked_sub(1) {
            None => self.first = document,
            Some(index) => self.steps[index].after = document,
        }
        // The steps to and from this value hold other memory now.
        for index in self.done.saturating_sub(1)..(self.done + 1).min(self.steps.len()) {
            let (name, after) = (self.steps[index].name, self.steps[index].after.clone());
            self.steps[index] = Step::new(name, self.value(index), after);
        }
    }

    /// Ends a gesture; its changes become one step. False if there were none,
    /// or no gesture.
    pub fn commit_gesture(&mut self, name: &'static str) -> bool {
        match self.gesture.take() {
            Some(document) => self.push(name, document),
            None => false,
        }
    }

    /// Ends a gesture and drops its changes; what changed back, if anything.
    pub fn cancel_gesture(&mut self) -> Option<Change> {
        let dropped = self.gesture.take()?;
        let settled = self.settled();
        (dropped.revision() != settled.revision()).then(|| Change {
            dirty: dirty_between(&dropped, settled),
            name: CANCELLED_GESTURE,
        })
    }

    /// Makes `document` the current one, as one step. Within a gesture this
    /// ends it: `document` was made of its changes, which thus belong to the
    /// step. False if `document` is the current value already.
    pub fn apply(&mut self, name: &'static str, document: Document) -> bool {
        self.gesture = None;
        self.push(name, document)
    }

    fn push(&mut self, name: &'static str, document: Document) -> bool {
        if document.revision() == self.settled().revision() {
            return false;
        }
        self.steps.truncate(self.done);
        let step = Step::new(name, self.settled(), document);
        self.steps.push_back(step);
        self.done += 1;
        self.keep_to_budget();
        true
    }

    fn keep_to_budget(&mut self) {
        let mut bytes = self.bytes();
        while bytes > self.budget && self.done > 1 {
            let Some(oldest) = self.steps.pop_front() else {
                return;
            };
            bytes -= oldest.undo_bytes;
            self.first = oldest.after;
            self.done -= 1;
        }
    }

    /// Goes back one step; within a gesture, cancels that instead. `None` if
    /// there was nothing to go back to.
    pub fn undo(&mut self) -> Option<Change> {
        if self.in_gesture() {
            return self.cancel_gesture();
        }
        self.done = self.done.checked_sub(1)?;
        let step = &self.steps[self.done];
        Some(Change {
            dirty: dirty_between(&step.after, self.settled()),
            name: step.name,
        })
    }

    /// Does the step again that was undone last; not within a gesture.
    pub fn redo(&mut self) -> Option<Change> {
        if !self.can_redo() {
            return None;
        }
        let before = self.settled().clone();
        let name = self.steps[self.done].name;
        self.done += 1;
        Some(Change {
            dirty: dirty_between(&before, self.settled()),
            name,
        })
    }

    /// Whether [`undo`](Self::undo) would change something.
    pub fn can_undo(&self) -> bool {
        match &self.gesture {
            Some(document) => document.revision() != self.settled().revision(),
            None => self.done > 0,
        }
    }

    /// Whether [`redo`](Self::redo) would change something.
    pub fn can_redo(&self) -> bool {
        !self.in_gesture() && self.done < self.steps.len()
    }

    /// Name of the step that [`undo`](Self::undo) would take back.
    pub fn undo_name(&self) -> Option<&'static str> {
        if !self.can_undo() {
            return None;
        }
        if self.in_gesture() {
            return Some(CANCELLED_GESTURE);
        }
        self.done.checked_sub(1).map(|index| self.steps[index].name)
    }

    /// Name of the step that [`redo`](Self::redo) would do again.
    pub fn redo_name(&self) -> Option<&'static str> {
        self.can_redo().then(|| self.steps[self.done].name)
    }

    /// Remembers that the value of this revision is what the files hold.
    pub fn mark_saved(&mut self, revision: u64) {
        self.saved = revision;
    }

    /// Whether the current value is another than the saved one. Undoing back to
    /// the saved value makes it clean again.
    pub fn is_dirty(&self) -> bool {
        self.current().revision() != self.saved
    }

    /// Memory that undo and redo hold beyond the current value.
    pub fn bytes(&self) -> usize {
        let (done, undone) = (self.steps.range(..self.done), self.steps.range(self.done..));
        let undo: usize = done.map(|step| step.undo_bytes).sum();
        let redo: usize = undone.map(|step| step.redo_bytes).sum();
        undo + redo
    }
}

#[cfg(test)]
mod tests;
