//! What the inspector asks of the worker, and what it computes by itself.

use super::search::Search;
use super::state::{Asked, Asking, Recorded, Rows, Subject, Subjects};
use crate::app::{Activity, ActivityKind, App, Tool};
use crate::attention::{Direction, Place, Reverse, between_frames};
use crate::models::{Capability, predict};
use crate::nn::capture::{Grouping, QueryKey};
use crate::task::detached;
use crate::worker::{Analysis, Inspection, JobKind};
use std::sync::Arc;

/// Multiplications that fit between two frames: some milliseconds on two cores.
const BETWEEN_FRAMES: u64 = 60_000_000;

impl App {
    /// Show the inspector and take its tool, or put both away.
    pub(in crate::app) fn toggle_inspector(&mut self) {
        let inspecting = self.tool == Tool::Attention;
        self.stroke_end();
        self.inspector.shown = !(inspecting && self.inspector.shown);
        self.tool = match (self.inspector.shown, inspecting) {
            (true, _) => Tool::Attention,
            (false, true) => Tool::default(),
            (false, false) => self.tool,
        };
        if self.inspector.shown {
            // Opened again, it tries again.
            self.inspector.refused = None;
            self.inspector.unanswered.clear();
            self.settings.panel_open = true;
            // What was offered unasked would lie over the heatmap.
            self.give_way();
        }
    }

    /// The pointer is over this place of the photo.
    /// Whether that changes what is shown.
    pub fn look_at(&mut self, at: [f32; 2]) -> bool {
        let before = self.inspector.serial();
        self.inspector.hovered = Some(self.middle_of_token(at));
        self.inspect();
        self.inspector.serial() != before
    }

    /// The middle of the token under a place, on the finest grid: within one
    /// token there is nothing new to compute.
    fn middle_of_token(&self, at: [f32; 2]) -> [f32; 2] {
        let middle = || {
            let layers = self.inspector.layers()?;
            let grids = layers
                .records
                .iter()
                .filter_map(|record| record.query_tokens.grid);
            let finest = grids.max_by_key(|grid| grid.len())?;
            let [x, y] = at.map(f64::from);
            let (row, column) = layers.view.token_from_image(finest, x, y)?;
            let (x, y) = layers.view.image_from_token(finest, row, column).centre();
            Some([x as f32, y as f32])
        };
        middle().unwrap_or(at)
    }

    /// Whether a place lies on the open photo.
    pub(super) fn is_on_photo(&self, [x, y]: [f32; 2]) -> bool {
        self.open.as_ref().is_some_and(|open| {
            let (width, height) = (open.photo.width() as f32, open.photo.height() as f32);
            (0.0..width).contains(&x) && (0.0..height).contains(&y)
        })
    }

    /// Pin a place of the photo, or unpin what is pinned there. Beside the photo
    /// there is nothing to pin.
    pub fn pin(&mut self, at: [f32; 2]) {
        if !self.is_on_photo(at) {
            return;
        }
        let same = self.token_at(at);
        let tokens: Vec<_> = self
            .inspector
            .pinned
            .iter()
            .map(|at| self.token_at(*at))
            .collect();
        match tokens.iter().position(|token| *token == same) {
            Some(known) if same.is_some() => {
                self.inspector.pinned.remove(known);
            }
            _ => self.inspector.pinned.push(at),
        }
        let asking = match self.inspector.pinned.is_empty() {
            true => Asking::Pointer,
            false => Asking::Pinned,
        };
        self.inspector.ask_from(asking);
        self.inspect();
    }

    /// The token of the encoder's chosen layer under a place of the photo.
    fn token_at(&self, [x, y]: [f32; 2]) -> Option<(usize, usize)> {
        let layers = &self.inspector.inspection()?.layers;
        let (layer, _) = self.inspector.of_encoder()?;
        let grid = layers.records.get(layer)?.query_tokens.grid?;
        layers.view.token_from_image(grid, x.into(), y.into())
    }

    /// See that what the inspector shows is of what is open, chosen and asked.
    pub(in crate::app) fn inspect(&mut self) {
        if !self.inspector.shown {
            return self.let_go();
        }
        let Some(wanted) = self.inspected() else {
            return;
        };
        let known = self.inspector.recorded.as_ref();
        if known.is_none_or(|known| known.of != wanted) {
            return self.record(wanted);
        }
        self.ask_rows();
        self.ask_statistics();
        self.ask_rollout();
        self.ask_relevance();
        self.ask_what_if();
        self.search_on();
        self.inspector.draw(self.settings.attention.mass);
    }

    /// While nobody looks, what was recorded of another photo is of no use.
    fn let_go(&mut self) {
        let open = self.open.as_ref().map(|open| open.id);
        let known = self.inspector.recorded.as_ref();
        if known.is_some_and(|known| Some(known.of.document) != open) {
            self.inspector.forget_photo();
        }
    }

    /// What is to be inspected: the chosen model on the open photo.
    fn inspected(&self) -> Option<Subjects> {
        let (open, info) = (self.open.as_ref()?, self.model.as_ref()?);
        let framing = match self.settings.framing.of(info) {
            // Tiles have no attention between them.
            predict::Framing::Slide => predict::Framing::Pad,
            framing => framing,
        };
        Some(Subjects {
            document: open.id,
            photo: open.photo.clone(),
            model: self.chosen.clone(),
            options: predict::Options {
                framing,
                ..predict::Options::default()
            },
        })
    }

    fn record(&mut self, wanted: Subjects) {
        let inspector = &mut self.inspector;
        let under_way = inspector.recording.as_ref().map(|(_, of)| of);
        let refused = inspector.refused.as_ref().map(|(of, _)| of);
        if under_way == Some(&wanted) || refused == Some(&wanted) {
            return;
        }
        // Answers about what is shown now would pass for the other's.
        for (_, job, _) in std::mem::take(&mut inspector.pending) {
            self.worker.cancel(job);
        }
        let other_photo = inspector
            .recorded
            .as_ref()
            .is_none_or(|known| known.of.document != wanted.document);
        if other_photo {
            inspector.forget_photo();
        } else {
            inspector.forget_model();
        }
        let kind = JobKind::Inspect {
            photo: wanted.photo.clone(),
            model: wanted.model.clone(),
            options: wanted.options.clone(),
        };
        let job = self.start(wanted.document, kind, ActivityKind::Inspect);
        self.inspector.recording = Some((job, wanted));
    }

    pub(in crate::app) fn inspected_by(&mut self, activity: &Activity, inspection: Inspection) {
        let recording = self
            .inspector
            .recording
            .take_if(|(job, _)| *job == activity.job);
        let Some((_, of)) = recording else { return };
        let layers = &inspection.layers;
        let last = layers.records.len().saturating_sub(1);
        if self.inspector.model.as_ref() != Some(&of.model) {
            if self.inspector.asking == Asking::Prompt {
                // The prompt went with the model.
                self.inspector.ask_from(Asking::Pointer);
            }
            self.inspector.model = Some(of.model.clone());
            self.inspector.aside = None;
            self.inspector.wants_last = false;
            self.inspector.layer = widest(&layers.records);
            self.inspector.heads.clear();
        }
        self.inspector.layer = self.inspector.layer.min(last);
        if self.inspector.asking == Asking::Class && !layers.have_class_token() {
            self.inspector.asking = Asking::Pointer;
        }
        self.inspector.refused = None;
        let known = |search: &mut Search| !search.is_of(&inspection);
        drop(self.inspector.search.take_if(known));
        self.inspector.recorded = Some(Recorded {
            of,
            inspection,
            reverse: None,
            statistics: None,
            prompt: None,
            rollout: None,
            explained: None,
        });
        self.offer_hit();
        self.inspect();
    }

    /// The recording or a question has no answer: it failed, or it was stopped
    /// if there is no reason. Neither is tried again by itself.
    pub(in crate::app) fn inspection_failed(&mut self, activity: &Activity, why: Option<&str>) {
        let recording = self
            .inspector
            .recording
            .take_if(|(job, _)| *job == activity.job);
        let asked = self.inspector.answered(activity.job);
        if !self.is_current(activity.document) {
            // Stopped for another photo, which is asked about anew.
            return;
        }
        let stopped = why.is_none();
        let why = why.unwrap_or("this was stopped").to_owned();
        if let Some((_, of)) = recording {
            self.inspector.refused = Some((of, why.clone()));
        }
        match asked {
            Some(Asked::SimilarIn(path)) if !stopped => return self.search_without(&path),
            Some(Asked::SimilarIn(_)) => return self.stop_search(),
            Some(Asked::Rank(..) | Asked::WhatIf(_)) => self.stop_ranking(),
            _ => {}
        }
        if let Some(asked) = asked {
            self.inspector.forgive(&asked);
            self.inspector.unanswered.push((asked, why));
        }
    }

    fn ask_rows(&mut self) {
        let Some(open) = &self.open else { return };
        if self.inspector.asking == Asking::Prompt && open.prompting.is_empty() {
            // The prompt has been accepted or dropped.
            self.inspector.ask_from(Asking::Pointer);
        }
        let Some(open) = &self.open else { return };
        let prompt = (self.inspector.asking == Asking::Prompt).then(|| open.prompting.prompt());
        if let Some(prompt) = prompt {
            let known = self
                .inspector
                .recorded
                .as_ref()
                .and_then(|known| known.prompt.as_ref());
            if known.is_none_or(|(known, _)| *known != prompt) {
                if !prompt.points.is_empty() || prompt.bbox.is_some() {
                    self.ask(Analysis::Prompt(prompt.clone()), Asked::Prompt(prompt));
                }
                return self.inspector.set_maps(None, Vec::new());
            }
        }
        let Some(open) = &self.open else { return };
        let inspector = &self.inspector;
        let of_prompt = inspector.asking == Asking::Prompt;
        let place = inspector.place(open);
        let of = place.map(|place| (place, inspector.direction, of_prompt));
        if of == inspector.maps.of {
            return;
        }
        match of {
            Some(of) => self.ask_rows_of(of),
            None => self.inspector.set_maps(None, Vec::new()),
        }
    }

    fn ask_rows_of(&mut self, (place, direction, of_prompt): Rows) {
        let Some(layers) = self.inspector.layers().cloned() else {
            return self.inspector.set_maps(None, Vec::new());
        };
        let asked = Asked::Rows(place.clone(), direction);
        if self.inspector.is_awaited(&asked) {
            return;
        }
        let way = match of_prompt {
            // A prompt's tokens are asked whichever way a layer looks.
            true => Direction::From,
            false => direction,
        };
        let prepared = match (way, self.prepared()) {
            (Direction::From, _) => None,
            (Direction::To, None) => return self.ask(Analysis::Reverse, Asked::Reverse),
            (Direction::To, prepared) => prepared,
        };
        if !of_prompt && layers.cost(&place, way) > BETWEEN_FRAMES {
            return self.ask(rows(place, prepared), asked);
        }
        let compute = || {
            detached(|task| match &prepared {
                None => layers.all_look(&place, task),
                Some(prepared) => layers.all_looked_at(prepared, &place, task),
            })
        };
        let maps = between_frames(compute);
        let of = (place, direction, of_prompt);
        // Nobody cancels it.
        self.inspector.set_maps(Some(of), maps.unwrap_or_default());
    }

    /// The layers prepared for seeing who looks at a token, if they are.
    fn prepared(&self) -> Option<Arc<[Reverse]>> {
        self.inspector.recorded.as_ref()?.reverse.clone()
    }

    fn ask_statistics(&mut self) {
        let inspector = &self.inspector;
        if inspector.wants_statistics && inspector.statistics().is_none() {
            self.ask(Analysis::Statistics, Asked::Statistics);
        }
    }

    fn ask_rollout(&mut self) {
        let inspector = &self.inspector;
        if inspector.subject != Subject::Rollout || inspector.asking == Asking::Prompt {
            return;
        }
        let Some(place) = self.open.as_ref().and_then(|open| inspector.place(open)) else {
            return;
        };
        let options = inspector.rollout;
        let known = inspector
            .recorded
            .as_ref()
            .and_then(|known| known.rollout.as_ref());
        if known.is_none_or(|(of, by, _)| *of != place || *by != options) {
            let analysis = Analysis::Rollout(place.clone(), options);
            self.ask(analysis, Asked::Rollout(place, options));
        }
    }

    fn ask_relevance(&mut self) {
        if self.inspector.subject != Subject::Relevance {
            return;
        }
        let (class, open) = (self.inspector.class, self.open.as_ref());
        // A classifier has one score for the whole photo.
        let has_parts = |known: &Inspection| known.model.can(Capability::ClassMap);
        let has_parts = self.inspector.inspection().is_some_and(has_parts);
        let part = open.map(|open| open.selected_mask());
        let part = part.filter(|mask| has_parts && !mask.is_empty());
        let asked = Asked::Relevance(class, part.clone());
        let recorded = self.inspector.recorded.as_ref();
        let known = recorded.and_then(|recorded| recorded.explained.as_ref());
        if known.is_none_or(|(known, _)| *known != asked) {
            self.ask(Analysis::Relevance { class, part }, asked);
        }
    }

    /// Ask the worker, unless that is under way or was refused.
    pub(in crate::app) fn ask(&mut self, analysis: Analysis, asked: Asked) {
        let (Some(open), Some(recorded)) = (&self.open, &self.inspector.recorded) else {
            return;
        };
        if self.inspector.is_awaited(&asked) || self.inspector.was_refused(&asked) {
            return;
        }
        let analysis_kind = analysis.kind();
        let kind = JobKind::Analyse {
            photo: open.photo.clone(),
            inspection: Box::new(recorded.inspection.clone()),
            analysis,
        };
        let document = open.id;
        let job = self.start(document, kind, ActivityKind::Analyse(analysis_kind));
        self.inspector.forget(analysis_kind);
        self.inspector.pending.push((analysis_kind, job, asked));
    }
}

/// The layer to show first: the last one of those whose tokens see most of the
/// photo.
fn widest(records: &[QueryKey]) -> usize {
    let sees = |record: &QueryKey| match record.grouping {
        Grouping::Windows(windows) => windows.side as f64 / windows.padded.columns.max(1) as f64,
        Grouping::Whole | Grouping::Phases { .. } => 1.0,
    };
    let layers = records.iter().enumerate();
    let widest = layers.max_by(|a, b| sees(a.1).total_cmp(&sees(b.1)));
    widest.map_or(0, |(layer, _)| layer)
}

/// The question where `place` looks, or who looks there in prepared layers.
fn rows(place: Place, prepared: Option<Arc<[Reverse]>>) -> Analysis {
    match prepared {
        None => Analysis::Rows(place),
        Some(prepared) => Analysis::Columns(place, prepared),
    }
}
