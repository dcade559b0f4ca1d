//! The conversation with the prompt decoder: points and boxes go out, masks come
//! back, one is accepted or all are dropped.

use super::notices::Severity;
use super::open_document::{Offer, Offered};
use super::{ActivityKind, App};
use crate::document::{accept, unchanged_since};
use crate::label::Mask;
use crate::models::{EverythingOptions, PromptPoint};
use crate::worker::{JobKind, Proposals};

impl App {
    /// Add a point at `x, y` (photo pixels) and ask again.
    pub fn add_point(&mut self, x: f32, y: f32, positive: bool) {
        self.give_way();
        let Some(open) = &mut self.open else { return };
        open.prompting.everything = None;
        open.prompting.points.push(PromptPoint { x, y, positive });
        self.ask_model();
    }

    /// Put point `index` elsewhere; ask again with [`App::ask_model`] when it is let go.
    pub fn move_point(&mut self, index: usize, x: f32, y: f32) {
        if let Some(open) = &mut self.open
            && let Some(point) = open.prompting.points.get_mut(index)
        {
            point.x = x;
            point.y = y;
        }
    }

    /// Take point `index` away and ask again.
    pub fn remove_point(&mut self, index: usize) {
        let Some(open) = &mut self.open else { return };
        if index < open.prompting.points.len() {
            open.prompting.points.remove(index);
            self.ask_model();
        }
    }

    /// Start a new object with a box (photo pixels, corners in any order).
    pub fn set_box(&mut self, a: [f32; 2], b: [f32; 2]) {
        self.give_way();
        let Some(open) = &mut self.open else { return };
        open.prompting.everything = None;
        open.prompting.points.clear();
        open.prompting.offer = None;
        open.prompting.bbox = Some([
            a[0].min(b[0]),
            a[1].min(b[1]),
            a[0].max(b[0]),
            a[1].max(b[1]),
        ]);
        self.ask_model();
    }

    /// Ask the model for masks of the prompt as it is now.
    pub fn ask_model(&mut self) {
        self.forget_made_of_attention();
        let Some(open) = &mut self.open else { return };
        if open.prompting.is_empty() {
            self.drop_offer();
            return;
        }
        let kind = JobKind::Prompt {
            photo: open.photo.clone(),
            prompt: open.prompting.prompt(),
            revision: open.document().revision(),
        };
        open.prompting.asked_from = Some(open.history.current().clone());
        let document = open.id;
        let everything = open.prompting.waiting_for_everything.take();
        if let Some(job) = everything {
            self.worker.cancel(job);
        }
        let job = self.start(document, kind, ActivityKind::Prompt);
        if let Some(open) = &mut self.open {
            open.prompting.waiting = Some(job);
        }
    }

    /// Offer masks for the whole photo.
    pub(super) fn segment_everything(&mut self) {
        self.drop_offer();
        let Some(open) = &mut self.open else { return };
        let kind = JobKind::Everything {
            photo: open.photo.clone(),
            options: EverythingOptions::default(),
            revision: open.document().revision(),
        };
        let document = open.id;
        let job = self.start(document, kind, ActivityKind::Everything);
        if let Some(open) = &mut self.open {
            open.prompting.waiting_for_everything = Some(job);
        }
    }

    pub(super) fn proposed(&mut self, proposals: Proposals) {
        let serial = self.next_serial();
        let Some(open) = &mut self.open else { return };
        open.encoded = true;
        open.prompting.waiting = None;
        let offer = Offer::new(proposals, serial);
        let nothing = offer
            .as_ref()
            .is_none_or(|offer| offer.chosen().mask.is_empty());
        open.prompting.offer = offer;
        if nothing {
            self.notices.say(
                Severity::Info,
                "The model found no object there; try another point or a box",
            );
        }
    }

    pub(super) fn everything_proposed(&mut self, proposals: Vec<(Mask, f32)>) {
        self.everything_serial = self.next_serial();
        let Some(open) = &mut self.open else { return };
        open.encoded = true;
        open.prompting.waiting_for_everything = None;
        if proposals.is_empty() {
            self.notices.say(
                Severity::Info,
                "The model is sure of no object in this photo",
            );
            return;
        }
        self.notices.say(
            Severity::Info,
            format!(
                "{} proposals: click the ones to keep, Enter keeps all",
                proposals.len()
            ),
        );
        let numbered = proposals.into_iter().enumerate();
        open.prompting.everything = Some(
            numbered
                .map(|(number, (mask, score))| Offered {
                    mask,
                    score,
                    number,
                    label: None,
                })
                .collect(),
        );
    }

    pub(super) fn turn_candidate(&mut self, by: isize) {
        let serial = self.next_serial();
        let Some(open) = &mut self.open else { return };
        if let Some(offer) = &mut open.prompting.offer {
            let count = offer.candidates.len() as isize;
            offer.chosen = (offer.chosen as isize + by).rem_euclid(count) as usize;
            offer.serial = serial;
        }
    }

    /// Keep what is offered: one mask as a segment of the current class, or all
    /// masks of the whole photo, each a segment; those never overwrite labels.
    pub(super) fn accept_offer(&mut self) {
        self.stroke_end();
        let class = self.current_class;
        let Some(open) = &mut self.open else { return };
        let result = if let Some(offer) = &open.prompting.offer {
            let chosen = offer.chosen();
            if chosen.mask.is_empty() {
                return;
            }
            // What was drawn since the question stays.
            let now = open.document();
            let base = open.prompting.asked_from.as_ref().unwrap_or(now);
            let mask = unchanged_since(base, now, &chosen.mask);
            accept(now, &mask, class, chosen.score).map(|edited| ("Accept mask", edited))
        } else {
            if self.accept_offered("Accept all proposals", |_, _| true) {
                self.drop_offer();
            }
            return;
        };
        if self.finish_edit(result) {
            self.settings.first_steps_done = true;
            self.first_steps = false;
            self.drop_offer();
        }
    }

    /// Keep one mask of those offered for the whole photo; the others stay on offer.
    pub(super) fn accept_one(&mut self, index: usize) {
        self.accept_offered("Accept proposal", |at, _| at == index);
    }

    /// Forget prompt and proposals.
    pub(super) fn drop_offer(&mut self) {
        self.forget_made_of_attention();
        let Some(open) = &mut self.open else { return };
        let prompting = std::mem::take(&mut open.prompting);
        let waiting = [prompting.waiting, prompting.waiting_for_everything];
        for job in waiting.into_iter().flatten() {
            self.worker.cancel(job);
        }
    }

    /// Forget a prediction that nobody asked for: something else is begun.
    pub(super) fn give_way(&mut self) {
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.prompting.unasked)
        {
            self.drop_offer();
        }
    }

    /// Take the last point back, then the box. Returns whether there was one.
    pub(super) fn undo_prompt(&mut self) -> bool {
        let Some(open) = &mut self.open else {
            return false;
        };
        let prompting = &mut open.prompting;
        if prompting.points.pop().is_none() && prompting.bbox.take().is_none() {
            return false;
        }
        // A prior that the last point led to would keep it alive.
        prompting.offer = None;
        self.ask_model();
        true
    }
}
