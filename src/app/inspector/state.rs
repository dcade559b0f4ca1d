//! What is remembered of the inspector.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use super::probe::Probe;
use super::search::Search;
use super::show::Picture;
use super::what_if::{Experiment, HeadId};
use crate::app::OpenDocument;
use crate::attention::{
    AttentionError, Direction, Fusion, HeadStatistics, LayerMaps, Layers, Place, Reverse,
    RolloutOptions, TokenMask,
};
use crate::document::Document;
use crate::label::Mask;
use crate::models::geometry::View;
use crate::models::{Prompt, predict};
use crate::photo::Photo;
use crate::worker::{
    AnalysisKind, DocumentId, Explained, Inspection, JobId, Likeness, PromptAttention, Similar,
    WhatIf, Whole,
};

/// Whose attention is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Asking {
    /// The token under the pointer.
    #[default]
    Pointer,
    /// The class token.
    Class,
    /// The tokens that were pinned.
    Pinned,
    /// The tokens under the stroke.
    Stroke,
    /// The tokens under the selected segments.
    Segment,
    /// A token of the prompt decoder, for the prompt as it is.
    Prompt,
}

impl Asking {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pointer => "Pointer",
            Self::Class => "Class token",
            Self::Pinned => "Pinned",
            Self::Stroke => "Stroke",
            Self::Segment => "Segment",
            Self::Prompt => "Prompt",
        }
    }
}

/// What of the attention is shown on the canvas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Attention heads of one layer.
    #[default]
    Heads,
    /// Attention through all layers.
    Rollout,
    /// What the score of a class rests on.
    Relevance,
    /// Lengths of the tokens after a layer.
    Norms,
    /// How like a part of the photo each token is.
    Similarity,
}

/// How two attention heads are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Two pictures.
    #[default]
    SideBySide,
    /// The first less the second.
    Difference,
}

/// The state of the inspector.
#[derive(Default)]
pub struct Inspector {
    /// Whether it is shown.
    pub shown: bool,
    /// Whose attention is looked at.
    pub asking: Asking,
    /// Which way.
    pub direction: Direction,
    /// What is shown on the canvas.
    pub subject: Subject,
    /// The layer whose attention heads are shown.
    pub layer: usize,
    /// The attention heads of it that are shown; all of them if none is named.
    pub heads: Vec<usize>,
    /// How several attention heads become one picture.
    pub fusion: Fusion,
    /// Layer and attention heads of the side that is not asked, encoder or prompt
    /// decoder, to come back to.
    pub(super) aside: Option<(usize, Vec<usize>)>,
    /// The prompt decoder's last layer is to be shown once its layers are known.
    pub(super) wants_last: bool,
    /// Layer and attention head that is compared with those.
    pub compared: Option<(usize, usize)>,
    /// How it is compared.
    pub comparison: Comparison,
    /// How layers are rolled out.
    pub rollout: RolloutOptions,
    /// The class whose score is explained, by the model's number; what the
    /// model is most sure of if none is chosen.
    pub class: Option<usize>,
    /// The prompt decoder's token that was chosen; the shown mask's if none was.
    pub prompt_token: Option<usize>,
    /// Whether the statistics are wanted, because they are looked at.
    pub wants_statistics: bool,
    /// The attention head under the pointer, in the grid or in a chart.
    pub highlighted: Option<(usize, usize)>,
    /// Pinned places, in photo pixels.
    pub pinned: Vec<[f32; 2]>,
    /// Where a stroke went that asks.
    pub stroke: Mask,
    /// The place of the photo that the pointer was over last.
    pub hovered: Option<[f32; 2]>,
    /// Attention heads that are switched off, and what that changes.
    pub experiment: Experiment,
    /// Whether a stroke grows along the attention, instead of asking.
    pub grows: bool,
    /// What the stroke has grown to so far, and the part of the photo under its
    /// grid.
    pub grown: Option<(TokenMask, View)>,
    /// What is like something on this photo.
    pub similar: Option<Similar>,
    /// The search for more like that in the folder.
    pub search: Option<Search>,
    /// The photo that a hit of the search is being opened for.
    pub(super) wanted: Option<PathBuf>,
    /// The labels that the user was looking at when a mask was last asked to be
    /// made of attention.
    pub(super) asked_from: Option<Document>,
    pub(super) probe: Option<Probe>,
    pub(in crate::app) recorded: Option<Recorded>,
    pub(in crate::app) recording: Option<(JobId, Subjects)>,
    /// Why there is nothing to see, and of what.
    pub(in crate::app) refused: Option<(Subjects, String)>,
    pub(in crate::app) pending: Vec<(AnalysisKind, JobId, Asked)>,
    /// Questions that have no answer, and why: the last of each kind.
    pub(in crate::app) unanswered: Vec<(Asked, String)>,
    /// The model that was recorded last.
    pub(super) model: Option<OsString>,
    pub(super) maps: Maps,
    pub(super) pictures: Vec<Picture>,
    pub(super) drawn: Option<super::show::Inputs>,
    pub(super) serial: u64,
}

/// What the attention is of: if any of this changes, it is another one.
#[derive(Clone)]
pub(in crate::app) struct Subjects {
    pub document: DocumentId,
    pub photo: Arc<Photo>,
    pub model: OsString,
    pub options: predict::Options,
}

impl PartialEq for Subjects {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
            && Arc::ptr_eq(&self.photo, &other.photo)
            && self.model == other.model
            && self.options == other.options
    }
}

/// What has been recorded, and what has been found out about it since.
pub(in crate::app) struct Recorded {
    pub of: Subjects,
    pub inspection: Inspection,
    pub reverse: Option<Arc<[Reverse]>>,
    pub statistics: Option<Vec<Vec<HeadStatistics>>>,
    pub prompt: Option<(Prompt, PromptAttention)>,
    pub rollout: Option<(Place, RolloutOptions, Whole)>,
    pub explained: Option<(Asked, Explained)>,
}

/// What a question was about, so that an answer finds its place.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::app) enum Asked {
    Rows(Place, Direction),
    Reverse,
    Statistics,
    Rollout(Place, RolloutOptions),
    Relevance(Option<usize>, Option<Mask>),
    Prompt(Prompt),
    /// Which one it is.
    Refine(u64),
    Similar(Likeness),
    /// A photo of the folder.
    SimilarIn(PathBuf),
    WhatIf(WhatIf),
    Rank(HeadId, WhatIf),
}

/// What rows are of: the tokens, which way, and whether they are a prompt's.
pub(super) type Rows = (Place, Direction, bool);

/// The rows of all attention heads for what is asked.
#[derive(Default)]
pub(super) struct Maps {
    /// What they are of: `None` if of nothing.
    pub of: Option<Rows>,
    pub layers: Vec<Result<LayerMaps, AttentionError>>,
    pub serial: u64,
}

impl Inspector {
    /// The model's recorded attention on the photo, once it is there.
    pub fn inspection(&self) -> Option<&Inspection> {
        Some(&self.recorded.as_ref()?.inspection)
    }

    /// Whether the model is looking at the photo for it.
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Whether an answer to a question of this kind is awaited.
    pub fn awaits(&self, kind: AnalysisKind) -> bool {
        self.pending.iter().any(|(known, ..)| *known == kind)
    }

    /// Why there is nothing to see, or no answer to the last question.
    pub fn refusal(&self) -> Option<&str> {
        let refused = self.refused.as_ref().map(|(_, why)| why.as_str());
        let mut unanswered = self.unanswered.iter().rev();
        let unanswered = unanswered.find(|(asked, _)| self.still_asks(asked));
        refused.or(unanswered.map(|(_, why)| why.as_str()))
    }

    /// Whether what is shown depends on the answer to this question.
    fn still_asks(&self, asked: &Asked) -> bool {
        match asked {
            Asked::Rollout(..) => self.subject == Subject::Rollout,
            Asked::Relevance(..) => self.subject == Subject::Relevance,
            Asked::Reverse => self.direction == Direction::To,
            Asked::Statistics => self.wants_statistics,
            Asked::Prompt(_) => self.asking == Asking::Prompt,
            _ => true,
        }
    }

    /// The layers that are looked into: the encoder's, or the prompt decoder's.
    pub fn layers(&self) -> Option<&Layers> {
        let recorded = self.recorded.as_ref()?;
        match self.asking {
            Asking::Prompt => recorded.prompt.as_ref().map(|(_, found)| &found.layers),
            _ => Some(&recorded.inspection.layers),
        }
    }

    /// The prompt decoder's token that is asked for, once there is one.
    pub fn asked_token(&self) -> Option<usize> {
        let found = self.prompt()?;
        let chosen = self
            .prompt_token
            .filter(|token| *token < found.tokens.len());
        Some(chosen.unwrap_or(found.mask_token))
    }

    /// What the prompt decoder looks at.
    pub fn prompt(&self) -> Option<&PromptAttention> {
        Some(&self.recorded.as_ref()?.prompt.as_ref()?.1)
    }

    /// What the score of a class rests on, once it is known.
    pub fn explained(&self) -> Option<&Explained> {
        Some(&self.recorded.as_ref()?.explained.as_ref()?.1)
    }

    /// The statistics of all attention heads, by layer, once they are there.
    pub fn statistics(&self) -> Option<&[Vec<HeadStatistics>]> {
        self.recorded.as_ref()?.statistics.as_deref()
    }

    /// The rows of all attention heads for what is asked, by layer; empty
    /// while nothing is asked.
    pub fn maps(&self) -> &[Result<LayerMaps, AttentionError>] {
        &self.maps.layers
    }

    /// What is shown on the canvas: nothing, one picture, or two beside each
    /// other.
    pub fn pictures(&self) -> &[Picture] {
        &self.pictures
    }

    /// Changes whenever [`Inspector::maps`] or [`Inspector::pictures`] do.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Bytes of memory that the recorded attention holds.
    pub fn bytes(&self) -> usize {
        self.recorded.as_ref().map_or(0, |recorded| {
            let prepared = recorded.reverse.iter().flat_map(|layers| layers.iter());
            let prompt = recorded.prompt.as_ref();
            recorded.inspection.layers.bytes()
                + prepared.map(Reverse::bytes).sum::<usize>()
                + prompt.map_or(0, |(_, found)| found.layers.bytes())
        })
    }

    /// The place that is asked for; `None` while there is none.
    pub fn place(&self, open: &OpenDocument) -> Option<Place> {
        match self.asking {
            Asking::Pointer => {
                let middle = || {
                    let (width, height) = (open.photo.width(), open.photo.height());
                    [width as f32 / 2.0, height as f32 / 2.0]
                };
                Some(Place::Points(vec![self.hovered.unwrap_or_else(middle)]))
            }
            Asking::Class => Some(Place::Class),
            Asking::Pinned => (!self.pinned.is_empty()).then(|| Place::Points(self.pinned.clone())),
            Asking::Stroke => (!self.stroke.is_empty()).then(|| Place::Area(self.stroke.clone())),
            Asking::Segment => {
                let mask = open.selected_mask();
                (!mask.is_empty()).then_some(Place::Area(mask))
            }
            Asking::Prompt => Some(Place::Prefix(self.asked_token()?)),
        }
    }

    /// Forget all that was recorded.
    pub(in crate::app) fn forget_model(&mut self) {
        self.recorded = None;
        self.refused = None;
        self.unanswered.clear();
        self.compared = None;
        self.class = None;
        self.experiment = Experiment::default();
        self.similar = None;
        if self.subject == Subject::Similarity {
            self.subject = Subject::default();
        }
        self.search = None;
        self.grown = None;
        self.highlighted = None;
        self.set_maps(None, Vec::new());
        self.pictures.clear();
        self.drawn = None;
    }

    /// Show other rows.
    pub(super) fn set_maps(
        &mut self,
        of: Option<Rows>,
        layers: Vec<Result<LayerMaps, AttentionError>>,
    ) {
        if self.maps.layers.is_empty() && layers.is_empty() {
            return;
        }
        let serial = self.maps.serial + 1;
        self.serial += 1;
        self.maps = Maps { of, layers, serial };
    }

    /// Forget all that was about the photo.
    pub(in crate::app) fn forget_photo(&mut self) {
        if self.asking == Asking::Prompt {
            // What was chosen of the encoder stays.
            self.ask_from(Asking::Pointer);
        }
        *self = Self {
            shown: self.shown,
            asking: match self.asking {
                Asking::Class => Asking::Class,
                _ => Asking::Pointer,
            },
            direction: self.direction,
            subject: match self.subject {
                Subject::Similarity => Subject::default(),
                subject => subject,
            },
            layer: self.layer,
            heads: std::mem::take(&mut self.heads),
            fusion: self.fusion,
            rollout: self.rollout,
            model: self.model.take(),
            grows: self.grows,
            search: self.search.take(),
            wanted: self.wanted.take(),
            wants_statistics: self.wants_statistics,
            serial: self.serial + 1,
            maps: Maps {
                serial: self.maps.serial + 1,
                ..Maps::default()
            },
            ..Self::default()
        };
    }
}
