//! More like this: on the photo, and on the others of the folder.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use super::state::{Asked, Asking, Subject};
use crate::app::notices::Severity;
use crate::app::{App, Command, OpenDocument};
use crate::attention::Prototype;
use crate::label::Mask;
use crate::models::predict;
use crate::photo::Limits;
use crate::worker::{Analysis, AnalysisKind, Elsewhere, Inspection, Likeness, Similar};

/// A search through the folder, photo by photo: between two of them the model
/// is free for whoever waits for it.
pub struct Search {
    /// What is looked for.
    prototype: Arc<Prototype>,
    /// From which similarity on it counts.
    least: f32,
    /// The model whose features it is made of, and how it was shown photos.
    of: (OsString, predict::Options),
    waiting: VecDeque<PathBuf>,
    /// How many photos there are to look through.
    pub total: usize,
    /// What has been found, the best first.
    pub hits: Vec<Hit>,
}

/// A photo with something that is like it.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The photo.
    pub path: PathBuf,
    /// The similarity of its best area.
    pub score: f32,
    /// How many areas there are.
    pub areas: usize,
}

impl Search {
    /// How many photos have been looked through.
    pub fn done(&self) -> usize {
        self.total - self.waiting.len()
    }

    /// Whether there are photos left.
    pub fn is_running(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether features of this model can be compared.
    pub(super) fn is_of(&self, inspection: &Inspection) -> bool {
        let (name, options) = &self.of;
        *name == inspection.name && *options == inspection.options
    }

    fn take(&mut self, path: PathBuf, found: Elsewhere) {
        if let Some(score) = found.score {
            let at = self.hits.partition_point(|hit| hit.score >= score);
            let areas = found.areas;
            self.hits.insert(at, Hit { path, score, areas });
        }
    }
}

impl App {
    /// The part of the photo that more is to be like: the selected segments, else
    /// the mask on offer.
    fn part(&self) -> Option<Mask> {
        let open = self.open.as_ref()?;
        let selected = open.selected_mask();
        if !selected.is_empty() {
            return Some(selected);
        }
        let offer = open.prompting.offer.as_ref();
        let offered = offer.map(|offer| offer.chosen().mask.clone());
        offered.filter(|mask| !mask.is_empty())
    }

    /// Whether there is a part of the photo to find more like.
    pub fn has_part(&self) -> bool {
        let offers = |open: &OpenDocument| {
            let offer = open.prompting.offer.as_ref();
            offer.is_some_and(|offer| !offer.chosen().mask.is_empty())
        };
        let open = self.open.as_ref();
        open.is_some_and(|open| !open.selection.is_empty() || offers(open))
    }

    /// Offer what is like the selected segments on this photo.
    pub(in crate::app) fn more_like_this(&mut self) {
        let Some(mask) = self.part() else { return };
        let strictness = self.settings.attention.strictness;
        self.look_for(Likeness::Part { mask, strictness });
    }

    fn look_for(&mut self, what: Likeness) {
        self.inspector.similar = None;
        let asked = Asked::Similar(what.clone());
        self.inspector.forgive(&asked);
        self.ask(Analysis::Similar(what), asked);
    }

    pub(super) fn offer_similar(&mut self, similar: Similar) {
        let found = similar.found.clone();
        self.inspector.similar = Some(similar);
        if self.inspector.asking == Asking::Prompt {
            self.inspector.ask_from(Asking::Pointer);
        }
        self.inspector.subject = Subject::Similarity;
        self.inspector.drawn = None;
        self.drop_offer();
        if found.is_empty() {
            let text = "Nothing else on this photo is like it; a lower strictness finds more";
            return self.notices.say(Severity::Info, text);
        }
        self.everything_proposed(found);
    }

    /// Look for more on all other photos of the folder.
    pub(in crate::app) fn search_folder(&mut self) {
        // What is looked at for the search before says nothing for this one.
        self.inspector.forget(AnalysisKind::SimilarIn);
        let inspector = &self.inspector;
        let (Some(similar), Some(folder)) = (&inspector.similar, &self.folder) else {
            return;
        };
        let Some(known) = inspector.inspection() else {
            return;
        };
        let of = (known.name.clone(), known.options.clone());
        let open = self.open.as_ref().map(|open| &open.path);
        let paths = folder.photos.iter().map(|entry| &entry.path);
        let waiting: VecDeque<_> = paths.filter(|path| Some(*path) != open).cloned().collect();
        self.inspector.search = Some(Search {
            prototype: similar.prototype.clone(),
            least: similar.least,
            of,
            total: waiting.len(),
            waiting,
            hits: Vec::new(),
        });
        self.search_on();
    }

    /// Look at the next photo, unless one is being looked at.
    pub(in crate::app) fn search_on(&mut self) {
        let Some(search) = &self.inspector.search else {
            return;
        };
        let Some(path) = search.waiting.front().cloned() else {
            return;
        };
        if self.inspector.awaits(AnalysisKind::SimilarIn) {
            return;
        }
        let analysis = Analysis::SimilarIn {
            path: path.clone(),
            limits: Limits::megapixels(self.settings.max_megapixels),
            prototype: search.prototype.clone(),
            least: search.least,
        };
        self.ask(analysis, Asked::SimilarIn(path));
    }

    pub(super) fn searched(&mut self, path: PathBuf, found: Elsewhere) {
        if let Some(search) = &mut self.inspector.search {
            search.waiting.retain(|waiting| *waiting != path);
            search.take(path, found);
        }
        self.search_on();
    }

    /// A photo could not be looked at: the others can.
    pub(super) fn search_without(&mut self, path: &PathBuf) {
        if let Some(search) = &mut self.inspector.search {
            search.waiting.retain(|waiting| waiting != path);
        }
        self.search_on();
    }

    /// Stop the search; what has been found stays.
    pub(in crate::app) fn stop_search(&mut self) {
        if let Some(search) = &mut self.inspector.search {
            search.total = search.done();
            search.waiting.clear();
        }
    }

    /// Open a photo of the search, and offer what is like it there.
    pub(in crate::app) fn show_hit(&mut self, path: PathBuf) {
        self.inspector.wanted = Some(path.clone());
        self.apply(Command::Open(path));
    }

    /// The photo that a hit was opened for is there.
    pub(super) fn offer_hit(&mut self) {
        let Some(open) = &self.open else { return };
        // Of another photo, it is not wanted any more.
        let wanted = self.inspector.wanted.take();
        let wanted = wanted.filter(|path| *path == open.path);
        let (Some(_), Some(search)) = (wanted, &self.inspector.search) else {
            return;
        };
        self.look_for(Likeness::Known {
            prototype: search.prototype.clone(),
            least: search.least,
        });
    }
}
