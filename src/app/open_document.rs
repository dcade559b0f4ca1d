//! The photo that is open, with its labels, their history, and what the model
//! offers for it.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::document::{Document, History};
use crate::label::{Mask, SegmentId};
use crate::models::{LowResMask, Prompt, PromptPoint};
use crate::photo::Photo;
use crate::worker::{DocumentId, JobId, Likely, OpenedPhoto, Proposal, Proposals};

/// Undo steps are dropped, oldest first, once they hold more than this.
const HISTORY_BYTES: usize = 512 << 20;

/// One opened photo.
pub struct OpenDocument {
    /// Tells events of this opening from those of earlier ones.
    pub id: DocumentId,
    /// Where the photo is.
    pub path: PathBuf,
    /// Its pixels.
    pub photo: Arc<Photo>,
    /// Its labels, with undo and redo.
    pub history: History,
    /// Why the labels must not be saved, if they must not.
    pub read_only: Option<String>,
    /// Selected segments, in the order of selection.
    pub selection: Vec<SegmentId>,
    /// The conversation with the prompt decoder.
    pub prompting: Prompting,
    /// Whether the model has an encoding of this photo.
    pub encoded: bool,
    /// What [`OpenDocument::selected_mask`] was last: revision, selection, pixels.
    selected: RefCell<Option<(u64, Vec<SegmentId>, Mask)>>,
    /// The stroke being painted.
    pub(super) stroke: Option<super::painting::Stroke>,
    /// Where the last stroke ended, for straight lines.
    pub(super) stroke_end: Option<[f32; 2]>,
    /// The save that is on its way.
    pub(super) saving: Option<Saving>,
    /// Revision that the journal holds, or that is on its way there; 0 for none.
    pub(super) journaled: u64,
    /// When the document last changed.
    pub(super) changed_at: Instant,
}

impl OpenDocument {
    pub(super) fn new(id: DocumentId, path: PathBuf, opened: OpenedPhoto) -> Self {
        let mut history = History::new(opened.document, HISTORY_BYTES);
        history.mark_saved(history.current().revision());
        let mut journaled = 0;
        if let Some(recovered) = opened.recovered {
            history.apply("Recover unsaved work", recovered);
            journaled = history.current().revision();
        }
        Self {
            id,
            path,
            photo: opened.photo,
            history,
            read_only: opened.read_only,
            selection: Vec::new(),
            prompting: Prompting::default(),
            encoded: false,
            selected: RefCell::default(),
            stroke: None,
            stroke_end: None,
            saving: None,
            journaled,
            changed_at: Instant::now(),
        }
    }

    /// The labels as they are now.
    pub fn document(&self) -> &Document {
        self.history.current()
    }

    /// The photo's file name, for titles and messages.
    pub fn name(&self) -> String {
        self.photo.name()
    }

    /// Whether there is work that is not on disk.
    pub fn is_dirty(&self) -> bool {
        self.history.is_dirty()
    }

    /// Whether the save that is on its way has the document as it is now.
    pub(super) fn is_being_saved(&self) -> bool {
        let revision = self.document().revision();
        self.saving
            .as_ref()
            .is_some_and(|saving| saving.revision == revision)
    }

    /// Whether a stroke is being painted.
    pub fn is_painting(&self) -> bool {
        self.stroke.is_some()
    }

    /// The pixels of the selected segments; looked up once per selection and
    /// state of the labels.
    pub fn selected_mask(&self) -> Mask {
        let revision = self.document().revision();
        let mut known = self.selected.borrow_mut();
        if let Some((of, selection, mask)) = known.as_ref()
            && *of == revision
            && *selection == self.selection
        {
            return mask.clone();
        }
        let labels = self.document().labels();
        let masks = self.selection.iter().map(|id| labels.mask_of(*id));
        let mask = masks.fold(Mask::empty(), |all, mask| all.union(&mask));
        *known = Some((revision, self.selection.clone(), mask.clone()));
        mask
    }

    /// Forget selected segments that no longer exist.
    pub(super) fn prune_selection(&mut self) {
        let document = self.history.current();
        self.selection.retain(|&id| document.segment(id).is_some());
    }
}

/// A save that is on its way.
pub(super) struct Saving {
    pub job: JobId,
    /// What it saves.
    pub revision: u64,
    /// Whether to save once more when it is done.
    pub again: bool,
}

/// The prompt so far, and what the model made of it.
#[derive(Default)]
pub struct Prompting {
    /// Points of the object so far, in photo pixels.
    pub points: Vec<PromptPoint>,
    /// Box of the object, `x0 y0 x1 y1` in photo pixels.
    pub bbox: Option<[f32; 4]>,
    /// The labels that the user was looking at when asking.
    pub(super) asked_from: Option<Document>,
    /// The prompt job whose answer is awaited.
    pub(super) waiting: Option<JobId>,
    /// The job for the whole photo whose answer is awaited.
    pub(super) waiting_for_everything: Option<JobId>,
    /// The masks on offer for the prompt.
    pub offer: Option<Offer>,
    /// The masks on offer for the whole photo.
    pub everything: Option<Vec<Offered>>,
    /// The classes of those masks, where the model gave them some.
    pub labels: Vec<OfferedLabel>,
    /// What the model that gave them is called.
    pub predictor: String,
    /// Nobody asked for the prediction that is awaited or on offer: it gives
    /// way to whatever else is begun.
    pub unasked: bool,
    /// What a classifier takes the photo for, the likeliest first.
    pub likely: Vec<Likely>,
}

impl Prompting {
    /// Whether nothing has been asked.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty() && self.bbox.is_none()
    }

    /// Whether there is anything that Esc would drop.
    pub(super) fn is_under_way(&self) -> bool {
        !self.is_empty()
            || self.has_offer()
            || self.waiting_for_everything.is_some()
            || !self.likely.is_empty()
    }

    /// Whether a click takes one of the masks on offer for the whole photo,
    /// whatever the tool.
    pub fn is_picking(&self) -> bool {
        self.everything.is_some() && !self.unasked
    }

    /// How many of the masks on offer are of a label.
    pub fn offered_of(&self, label: usize) -> usize {
        let all = self.everything.iter().flatten();
        all.filter(|offered| offered.label == Some(label)).count()
    }

    /// Whether an answer is awaited.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether there is a mask that Enter would accept.
    pub fn has_offer(&self) -> bool {
        self.offer.is_some() || self.everything.is_some()
    }

    /// What to ask the model: all points and the box; and if the user turned to
    /// another mask than the model's first choice, that mask as the prior.
    pub(super) fn prompt(&self) -> Prompt {
        let prior = self
            .offer
            .as_ref()
            .filter(|offer| offer.chosen != 0)
            .and_then(|offer| offer.chosen().low_res.clone());
        Prompt {
            points: self.points.clone(),
            bbox: self.bbox,
            mask: prior,
        }
    }
}

/// A class that a dense model found on the photo.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferedLabel {
    /// The model's name for it.
    pub name: String,
    /// The colour that its segments will have.
    pub color: [u8; 3],
    /// The model's mean probability where it sees this class, 0..=1.
    pub score: f32,
    /// Its pixels on the photo, offered or accepted.
    pub pixels: u64,
}

/// One of the masks on offer for the whole photo.
pub struct Offered {
    /// Its pixels.
    pub mask: Mask,
    /// The model's own estimate of its quality.
    pub score: f32,
    /// Keeps its colour on screen while others are taken.
    pub number: usize,
    /// Which of [`Prompting::labels`] it is of; `None` for objects without a
    /// class, which get the current one.
    pub label: Option<usize>,
}

/// A mask on offer.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its pixels.
    pub mask: Mask,
    /// The model's own estimate of its quality, of masks that a model gave.
    pub score: Option<f32>,
    /// The logits, to feed back as the next prompt's prior, of masks that the
    /// prompt decoder gave.
    pub low_res: Option<LowResMask>,
}

impl From<Proposal> for Candidate {
    fn from(proposal: Proposal) -> Self {
        Self {
            mask: proposal.mask,
            score: Some(proposal.score),
            low_res: Some(proposal.low_res),
        }
    }
}

/// Candidate masks, one of them chosen.
pub struct Offer {
    /// All candidates, the likely ones first.
    pub candidates: Vec<Candidate>,
    /// The one shown; the model's own choice is the first.
    pub chosen: usize,
    /// Changes with every new offer and choice, for caches of its picture.
    pub serial: u64,
}

impl Offer {
    /// The model's choice comes first, then the others by their score: Tab goes
    /// from the likely to the unlikely.
    pub(super) fn new(proposals: Proposals, serial: u64) -> Option<Self> {
        let mut candidates = proposals.candidates;
        if proposals.best >= candidates.len() {
            return None;
        }
        let best = candidates.remove(proposals.best);
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        candidates.insert(0, best);
        Some(Self {
            candidates: candidates.into_iter().map(Candidate::from).collect(),
            chosen: 0,
            serial,
        })
    }

    /// The candidate that is shown.
    pub fn chosen(&self) -> &Candidate {
        // `chosen` starts in range and is only ever changed modulo the length.
        &self.candidates[self.chosen]
    }
}
