//! What becomes of the worker's answers to the inspector's questions.

use super::state::{Asked, Asking, Inspector, Subject};
use crate::app::{Activity, App};
use crate::worker::{Analysed, AnalysisKind, JobId};

impl App {
    pub(in crate::app) fn analysed(&mut self, activity: &Activity, analysed: Analysed) {
        let Some(asked) = self.inspector.answered(activity.job) else {
            return;
        };
        let elsewhere = matches!(asked, Asked::SimilarIn(_));
        if !self.is_current(activity.document) && !elsewhere {
            // It is about the photo that was open before.
            return;
        }
        self.inspector.forgive(&asked);
        match (asked, analysed) {
            (Asked::Refine(_), Analysed::Refined(mask)) => self.offer_refined(mask),
            (Asked::Similar(_), Analysed::Similar(similar)) => self.offer_similar(similar),
            (Asked::SimilarIn(path), Analysed::Elsewhere(found)) => self.searched(path, found),
            (Asked::WhatIf(of), Analysed::Outcome(outcome)) => self.predicted_without(of, outcome),
            (Asked::Rank(head, of), Analysed::Outcome(outcome)) => self.ranked(head, &of, &outcome),
            (asked, analysed) => self.inspector.take(asked, analysed),
        }
        self.inspect();
    }
}

impl Inspector {
    /// Look from other tokens. Encoder and prompt decoder have layers of their
    /// own: each keeps what was chosen of it.
    pub(super) fn ask_from(&mut self, asking: Asking) {
        let crosses = (self.asking == Asking::Prompt) != (asking == Asking::Prompt);
        self.asking = asking;
        if crosses {
            let chosen = (self.layer, std::mem::take(&mut self.heads));
            self.wants_last |= self.aside.is_none();
            (self.layer, self.heads) = self.aside.replace(chosen).unwrap_or_default();
            self.compared = None;
            self.experiment.ranking = None;
            if asking == Asking::Prompt {
                self.subject = Subject::Heads;
            }
        }
    }

    /// The layer and attention heads that are chosen of the encoder, also while
    /// the prompt decoder is looked into; all of them if none is named. `None`
    /// before it was recorded.
    pub(super) fn of_encoder(&self) -> Option<(usize, &[usize])> {
        let last = self.inspection()?.layers.records.len().checked_sub(1)?;
        let (layer, heads) = match (self.asking, &self.aside) {
            (Asking::Prompt, Some((layer, heads))) => (*layer, &heads[..]),
            (Asking::Prompt, None) => (last, &[][..]),
            _ => (self.layer, &self.heads[..]),
        };
        Some((layer.min(last), heads))
    }

    pub(super) fn is_awaited(&self, asked: &Asked) -> bool {
        self.pending.iter().any(|(_, _, known)| known == asked)
    }

    pub(super) fn was_refused(&self, asked: &Asked) -> bool {
        self.unanswered.iter().any(|(known, _)| known == asked)
    }

    /// Forget that a question of this kind had no answer.
    pub(super) fn forgive(&mut self, asked: &Asked) {
        let kind = std::mem::discriminant(asked);
        self.unanswered
            .retain(|(known, _)| std::mem::discriminant(known) != kind);
    }

    /// Wait no longer for an answer of this kind.
    pub(super) fn forget(&mut self, kind: AnalysisKind) {
        self.pending.retain(|(known, ..)| *known != kind);
    }

    /// What the job asked, which is not awaited any more.
    pub(super) fn answered(&mut self, job: JobId) -> Option<Asked> {
        let at = self
            .pending
            .iter()
            .position(|(_, known, _)| *known == job)?;
        Some(self.pending.remove(at).2)
    }

    fn take(&mut self, asked: Asked, analysed: Analysed) {
        let Some(recorded) = &mut self.recorded else {
            return;
        };
        match (asked, analysed) {
            (Asked::Rows(place, direction), Analysed::Rows(maps)) => {
                self.set_maps(Some((place, direction, false)), maps);
            }
            (Asked::Reverse, Analysed::Reverse(layers)) => recorded.reverse = Some(layers),
            (Asked::Statistics, Analysed::Statistics(all)) => recorded.statistics = Some(all),
            (Asked::Rollout(place, options), Analysed::Whole(whole)) => {
                recorded.rollout = Some((place, options, whole));
            }
            (asked @ Asked::Relevance(..), Analysed::Explained(found)) => {
                recorded.explained = Some((asked, found));
                self.drawn = None;
            }
            (Asked::Prompt(prompt), Analysed::Prompt(found)) => {
                if self.asking == Asking::Prompt && std::mem::take(&mut self.wants_last) {
                    self.layer = found.layers.records.len().saturating_sub(1);
                }
                recorded.prompt = Some((prompt, found));
            }
            _ => {}
        }
    }
}
