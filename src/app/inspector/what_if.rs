//! What if: the prediction without some attention heads, and which of them
//! matter most for it.

use std::collections::VecDeque;

use super::state::Asked;
use crate::app::App;
use crate::models::Capability;
use crate::nn::Ablation;
use crate::worker::{Analysis, AnalysisKind, Change, Outcome, WhatIf};

/// A layer and an attention head of it.
pub type HeadId = (usize, usize);

/// The experiment: what is off, and what that changes.
#[derive(Default)]
pub struct Experiment {
    /// Attention heads of the encoder, or of the whole network, that are off.
    pub encoder: Ablation,
    /// Attention heads of the prompt decoder that are off.
    pub decoder: Ablation,
    /// The prediction with all attention heads, and what it was asked for.
    before: Option<(WhatIf, Outcome)>,
    /// What is changed by those that are off, and which these are.
    changed: Option<(WhatIf, Change)>,
    /// All attention heads by how much they matter.
    pub ranking: Option<Ranking>,
    serial: u64,
}

/// Attention heads by what the prediction loses without each.
pub struct Ranking {
    /// Whether they are the prompt decoder's.
    pub of_decoder: bool,
    waiting: VecDeque<HeadId>,
    /// How many there are.
    pub total: usize,
    /// Those that have been tried, the most important first.
    pub found: Vec<(HeadId, Change)>,
}

impl Ranking {
    /// How many have been tried.
    pub fn done(&self) -> usize {
        self.total - self.waiting.len()
    }

    /// Whether some are left.
    pub fn is_running(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn take(&mut self, head: HeadId, change: Change) {
        let weight = change.weight();
        let at = self
            .found
            .partition_point(|(_, known)| known.weight() >= weight);
        self.found.insert(at, (head, change));
    }
}

impl Experiment {
    /// Forget what those that are off have changed: there is nothing to change.
    pub(super) fn forget_change(&mut self) {
        self.changed = None;
        self.before = None;
    }

    /// Whether an attention head is off.
    pub fn is_off(&self, of_decoder: bool, (layer, head): HeadId) -> bool {
        self.side(of_decoder).is_off(layer, head)
    }

    /// Those of the encoder or the decoder that are off.
    pub fn side(&self, of_decoder: bool) -> &Ablation {
        if of_decoder {
            &self.decoder
        } else {
            &self.encoder
        }
    }

    /// Whether all attention heads are on.
    pub fn is_nothing(&self) -> bool {
        self.encoder.is_empty() && self.decoder.is_empty()
    }

    /// What those that are off have changed, once it is known.
    pub fn change(&self) -> Option<&Change> {
        let (of, change) = self.changed.as_ref()?;
        let same = of.encoder == self.encoder && of.decoder == self.decoder;
        same.then_some(change)
    }

    /// Changes with [`Experiment::change`].
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Put other attention heads of a side off.
    fn set(&mut self, of_decoder: bool, off: Ablation) {
        match of_decoder {
            true => self.decoder = off,
            false => self.encoder = off,
        }
    }
}

impl App {
    /// Whether the attention heads in the grid are the prompt decoder's.
    pub fn inspects_decoder(&self) -> bool {
        self.inspector.asking == super::Asking::Prompt
    }

    /// Whether an attention head of the grid is off.
    pub fn is_off(&self, head: HeadId) -> bool {
        let decoder = self.inspects_decoder();
        self.inspector.experiment.is_off(decoder, head)
    }

    pub(super) fn toggle_off(&mut self, (layer, head): HeadId) {
        let decoder = self.inspects_decoder();
        let off = self.inspector.experiment.side(decoder).toggled(layer, head);
        self.inspector.experiment.set(decoder, off);
    }

    /// Switch a whole layer off, or on again if all of it is off.
    pub(super) fn toggle_layer_off(&mut self, layer: usize) {
        let decoder = self.inspects_decoder();
        let layers = self.inspector.layers();
        let record = layers.and_then(|layers| layers.records.get(layer));
        let heads = record.map_or(0, |record| record.attention_heads);
        let known = self.inspector.experiment.side(decoder);
        let all = (0..heads).all(|head| known.is_off(layer, head));
        let off = match all {
            true => known.without_layer(layer),
            false => known.with_layer(layer, heads),
        };
        self.inspector.experiment.set(decoder, off);
    }

    pub(super) fn all_on(&mut self) {
        self.inspector.experiment.encoder = Ablation::none();
        self.inspector.experiment.decoder = Ablation::none();
        self.inspector.experiment.changed = None;
    }

    /// What to predict with these attention heads off; `None` where a prompt is
    /// missing.
    fn what_if(&self, encoder: Ablation, decoder: Ablation) -> Option<WhatIf> {
        let open = self.open.as_ref()?;
        let known = self.inspector.inspection()?;
        let prompt = match known.model.can(Capability::Prompts) {
            true if open.prompting.is_empty() => return None,
            // The offered mask as a prior would come from the whole network.
            true => Some(crate::models::Prompt {
                mask: None,
                ..open.prompting.prompt()
            }),
            false => None,
        };
        Some(WhatIf {
            encoder,
            decoder,
            prompt,
        })
    }

    /// Why there is no prediction to compare, in words for a tooltip.
    pub fn no_prediction(&self) -> Option<&'static str> {
        let known = self.inspector.inspection()?;
        let can = |what| known.model.can(what);
        if can(Capability::Prompts) {
            let none = self
                .open
                .as_ref()
                .is_none_or(|open| open.prompting.is_empty());
            return none.then_some("Give a prompt first: points (P) or a box (R)");
        }
        let predicts = can(Capability::ClassMap) || can(Capability::Classes);
        (!predicts).then_some("This model predicts nothing: it gives features only")
    }

    /// See that the change is of what is off.
    pub(super) fn ask_what_if(&mut self) {
        if self.inspector.experiment.is_nothing() && self.inspector.experiment.ranking.is_none() {
            return;
        }
        if self.no_prediction().is_some() {
            return self.inspector.experiment.forget_change();
        }
        let Some(whole) = self.what_if(Ablation::none(), Ablation::none()) else {
            return;
        };
        let before = self.inspector.experiment.before.as_ref();
        if before.is_none_or(|(of, _)| *of != whole) {
            self.inspector.experiment.changed = None;
            return self.ask(Analysis::WhatIf(whole.clone()), Asked::WhatIf(whole));
        }
        let experiment = &self.inspector.experiment;
        let (encoder, decoder) = (experiment.encoder.clone(), experiment.decoder.clone());
        if !experiment.is_nothing()
            && let Some(wanted) = self.what_if(encoder, decoder)
        {
            let changed = self.inspector.experiment.changed.as_ref();
            if changed.is_none_or(|(of, _)| *of != wanted) {
                self.ask(Analysis::WhatIf(wanted.clone()), Asked::WhatIf(wanted));
            }
        }
        self.rank_on();
    }

    /// Try all attention heads one by one: between two of them the model is
    /// free for whoever waits for it.
    pub(super) fn rank(&mut self) {
        let Some(layers) = self.inspector.layers() else {
            return;
        };
        let all = layers.records.iter().enumerate();
        let waiting: VecDeque<HeadId> = all
            .flat_map(|(layer, record)| (0..record.attention_heads).map(move |head| (layer, head)))
            .collect();
        // What is tried for the ranking before says nothing for this one.
        self.inspector.forget(AnalysisKind::Rank);
        self.inspector.experiment.ranking = Some(Ranking {
            of_decoder: self.inspects_decoder(),
            total: waiting.len(),
            waiting,
            found: Vec::new(),
        });
    }

    fn rank_on(&mut self) {
        let Some(ranking) = &self.inspector.experiment.ranking else {
            return;
        };
        let Some((layer, head)) = ranking.waiting.front().copied() else {
            return;
        };
        if self.inspector.awaits(AnalysisKind::Rank) {
            return;
        }
        let off = Ablation::none().with(layer, head);
        let (encoder, decoder) = match ranking.of_decoder {
            true => (Ablation::none(), off),
            false => (off, Ablation::none()),
        };
        if let Some(wanted) = self.what_if(encoder, decoder) {
            let asked = Asked::Rank((layer, head), wanted.clone());
            self.ask(Analysis::Rank(wanted), asked);
        }
    }

    /// Stop trying; what has been found stays.
    pub(super) fn stop_ranking(&mut self) {
        if let Some(ranking) = &mut self.inspector.experiment.ranking {
            ranking.total = ranking.done();
            ranking.waiting.clear();
        }
    }

    pub(super) fn predicted_without(&mut self, of: WhatIf, outcome: Outcome) {
        let experiment = &mut self.inspector.experiment;
        if of.encoder.is_empty() && of.decoder.is_empty() {
            // What was found for another prompt says nothing of this one.
            if experiment
                .before
                .as_ref()
                .is_some_and(|(known, _)| *known != of)
            {
                experiment.ranking = None;
            }
            experiment.before = Some((of, outcome));
        } else if let Some(change) = experiment.change_to(&of, &outcome) {
            experiment.changed = Some((of, change));
            experiment.serial += 1;
        }
    }

    pub(super) fn ranked(&mut self, head: HeadId, of: &WhatIf, outcome: &Outcome) {
        let experiment = &mut self.inspector.experiment;
        let change = experiment.change_to(of, outcome);
        let Some(ranking) = &mut experiment.ranking else {
            return;
        };
        ranking.waiting.retain(|waiting| *waiting != head);
        if let Some(change) = change {
            ranking.take(head, change);
        }
    }
}

impl Experiment {
    /// What has changed, if the prediction before was asked for the same.
    fn change_to(&self, of: &WhatIf, outcome: &Outcome) -> Option<Change> {
        let (whole, before) = self.before.as_ref()?;
        let same = whole.prompt == of.prompt;
        same.then(|| Change::between(before, outcome)).flatten()
    }
}
