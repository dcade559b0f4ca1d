//! What goes to the worker (jobs) and what comes back (events).

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::analysis::{Analysed, Analysis};
use super::attention_file::AttentionFile;
use super::inspection::Inspection;
use crate::dataset::PhotoEntry;
use crate::document::Document;
use crate::formats::{ExportRequest, OpenOptions, SaveOptions, SaveReport};
use crate::label::{Classes, Mask};
use crate::models::{EverythingOptions, LowResMask, ModelInfo, Prompt, predict};
use crate::photo::{Limits, Photo};
use crate::task::Cancel;

/// Names one job; unique in the process, a later job has a larger number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Names one opening of a photo in the window; a later opening has a larger number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(pub u64);

/// What the sender keeps of a job.
#[derive(Clone, Debug)]
pub struct JobHandle {
    /// The id that every event of this job carries.
    pub id: JobId,
    /// Raising it stops the job at its next poll; a save or journal ignores it.
    /// A job that is still waiting notices only when its turn comes: to have its
    /// final event at once, call [`Worker::cancel`](super::Worker::cancel).
    pub cancel: Cancel,
}

/// A request to the worker.
pub struct Job {
    /// Carried by every event of this job.
    pub id: JobId,
    /// The opening that the job belongs to; carried by every event.
    pub document: DocumentId,
    /// Asks the job to stop.
    pub cancel: Cancel,
    /// What to do.
    pub kind: JobKind,
}

/// What a job does. The first group runs on the `io` thread in the order sent,
/// the second on the `engine` thread, one lane per kind and latest wins in each.
pub enum JobKind {
    /// Decode a photo and read its saved labels and its journal. Latest wins.
    Open {
        /// The photo.
        path: PathBuf,
        /// Classes for a photo that has no saved labels.
        defaults: Classes,
        /// How to treat label PNGs that other programs made.
        import: OpenOptions,
        /// What a decoder may allocate.
        limits: Limits,
    },
    /// Show a 16-bit or float photo with another display window. Latest wins.
    Rewindow {
        /// The photo as it is now.
        photo: Arc<Photo>,
        /// Sample value shown black.
        lo: f32,
        /// Sample value shown white.
        hi: f32,
    },
    /// Write the labels beside the photo, then drop its journal. Never superseded.
    Save {
        /// The photo that the labels belong to.
        photo_path: PathBuf,
        /// What to save.
        edited: Document,
        /// How to write the class map.
        options: SaveOptions,
    },
    /// Write the unsaved edits to the folder's journal. A newer one for the same
    /// photo replaces a waiting one.
    Journal {
        /// The photo that the edits belong to.
        photo_path: PathBuf,
        /// The document with the unsaved edits.
        edited: Document,
    },
    /// Forget the journal of a photo, because its edits were thrown away.
    DropJournal {
        /// The photo.
        photo_path: PathBuf,
    },
    /// Write one export file. Never superseded.
    Export {
        /// The photo, for exports that show it.
        photo: Arc<Photo>,
        /// The labels.
        edited: Document,
        /// Kind and place.
        request: ExportRequest,
    },
    /// Write one file about recorded attention. Never superseded.
    ExportAttention {
        /// The photo.
        photo: Arc<Photo>,
        /// What is in the file.
        file: Box<AttentionFile>,
        /// The file to write; a name without extension gets the format's.
        path: PathBuf,
    },
    /// List the photos of a folder.
    Scan {
        /// The folder.
        folder: PathBuf,
    },

    /// Load a model, so that nobody need wait for it later. A promptable one
    /// answers prompts from then on.
    LoadModel {
        /// An embedded model's name or a checkpoint folder.
        name: OsString,
    },
    /// Ask a model that is not prompted: classes of the photo or of its pixels.
    Predict {
        /// The photo.
        photo: Arc<Photo>,
        /// An embedded model's name or a checkpoint folder.
        model: OsString,
        /// How to show the photo to it.
        options: predict::Options,
        /// The document revision that the user was looking at.
        revision: u64,
    },
    /// Show a photo to a model and record its attention.
    Inspect {
        /// The photo.
        photo: Arc<Photo>,
        /// An embedded model's name or a checkpoint folder.
        model: OsString,
        /// How to show the photo to it.
        options: predict::Options,
    },
    /// Answer a question about recorded attention; of each kind of question the
    /// latest wins.
    Analyse {
        /// The photo.
        photo: Arc<Photo>,
        /// What was recorded.
        inspection: Box<Inspection>,
        /// The question.
        analysis: Analysis,
    },
    /// Encode a photo into the cache.
    Encode {
        /// The photo.
        photo: Arc<Photo>,
    },
    /// Masks for a prompt; encodes first where the cache lacks the photo.
    Prompt {
        /// The photo.
        photo: Arc<Photo>,
        /// Points, box and prior mask, in photo pixels.
        prompt: Prompt,
        /// The document revision that the user was looking at.
        revision: u64,
    },
    /// Masks for everything in the photo; encodes first where needed.
    Everything {
        /// The photo.
        photo: Arc<Photo>,
        /// Grid and filters.
        options: EverythingOptions,
        /// The document revision that the user was looking at.
        revision: u64,
    },
}

/// Which part of a job is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Reading a model's weights.
    LoadingModel,
    /// The image encoder runs.
    Encoding,
    /// The prompt decoder runs.
    Decoding,
    /// A model that is not prompted looks at the photo.
    Predicting,
    /// Segmenting everything.
    Everything,
    /// Looking into recorded attention.
    Analysing,
    /// Decoding a photo and reading its labels; also another display window.
    Opening,
    /// Writing labels or the journal.
    Saving,
    /// Writing an export.
    Exporting,
    /// Listing a folder.
    Scanning,
}

/// What the worker says about a job.
#[derive(Debug)]
pub struct Event {
    /// The job.
    pub id: JobId,
    /// The opening that the job belonged to.
    pub document: DocumentId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a job. All but [`EventKind::Started`] and
/// [`EventKind::Progress`] are final, and every job gets exactly one final event.
#[derive(Debug)]
pub enum EventKind {
    /// A part of the job begins.
    Started(Stage),
    /// How far that part is; at most one per 30 ms.
    Progress {
        /// The part.
        stage: Stage,
        /// 0..=1, not falling within a stage.
        fraction: f32,
    },
    /// Final: the photo and its labels.
    Opened(Box<OpenedPhoto>),
    /// Final: the photo with the other display window.
    Rewindowed(Arc<Photo>),
    /// Final: the labels are on disk.
    Saved {
        /// Revision of the document that was saved.
        revision: u64,
        /// What was written.
        report: SaveReport,
    },
    /// Final: the unsaved edits are in the journal.
    Journaled,
    /// Final: the journal is gone.
    JournalDropped,
    /// Final: the export is on disk.
    Exported {
        /// The files that were written.
        paths: Vec<PathBuf>,
    },
    /// Final: the photos of a folder.
    Scanned {
        /// The folder.
        folder: PathBuf,
        /// Its photos in natural order.
        photos: Vec<PhotoEntry>,
    },
    /// Final: the model is ready.
    ModelLoaded(ModelInfo),
    /// Final: the encoding is in the cache.
    Encoded {
        /// How long this job took.
        elapsed: Duration,
        /// Whether it was there already.
        cached: bool,
    },
    /// Final: masks for a prompt.
    Proposed(Proposals),
    /// Final: masks for everything, best first; they do not overlap.
    Everything {
        /// The revision given with the job.
        revision: u64,
        /// Mask and score.
        proposals: Vec<(Mask, f32)>,
        /// How long this job took.
        elapsed: Duration,
    },
    /// Final: what a model that is not prompted makes of the photo.
    Predicted(Predicted),
    /// Final: the attention of a model on the photo.
    Inspected(Inspection),
    /// Final: the answer to a question about it.
    Analysed(Analysed),
    /// Final: it did not work; one sentence for the user.
    Failed(String),
    /// Final: stopped on request, or superseded by a newer job.
    Cancelled,
}

impl EventKind {
    /// Whether this is the one final event of its job.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Started(_) | Self::Progress { .. })
    }
}

/// A photo as it was opened.
#[derive(Debug)]
pub struct OpenedPhoto {
    /// The pixels.
    pub photo: Arc<Photo>,
    /// The saved labels, or an empty document.
    pub document: Document,
    /// Why the labels must not be saved over, if they must not.
    pub read_only: Option<String>,
    /// Unsaved edits of an earlier run, found in the journal.
    pub recovered: Option<Document>,
    /// Sentences for the user about what was noticed at opening.
    pub notes: Vec<String>,
}

/// The masks that a model offers for a prompt.
#[derive(Clone, Debug)]
pub struct Proposals {
    /// The revision given with the job.
    pub revision: u64,
    /// All masks of the model; Tab cycles through them.
    pub candidates: Vec<Proposal>,
    /// Index of the one to show first.
    pub best: usize,
    /// How long the job took, encoding included.
    pub elapsed: Duration,
}

/// What a model that is not prompted makes of a photo.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// The revision given with the job.
    pub revision: u64,
    /// Which model it was.
    pub model: ModelInfo,
    /// What it found.
    pub found: Found,
    /// How long the job took.
    pub elapsed: Duration,
}

/// What was found.
#[derive(Clone, Debug)]
pub enum Found {
    /// Classes of the photo as a whole, the likeliest first.
    Photo(Vec<Likely>),
    /// Classes of its pixels, in the order of the model's numbers.
    Pixels(Vec<ClassArea>),
}

/// A class that a photo may be of.
#[derive(Clone, Debug, PartialEq)]
pub struct Likely {
    /// The model's name for it.
    pub name: String,
    /// Its probability, 0..=1.
    pub probability: f32,
}

/// The pixels of one class.
#[derive(Clone, Debug)]
pub struct ClassArea {
    /// The model's name for the class.
    pub name: String,
    /// Its connected areas (8-neighbourhood).
    pub regions: Vec<Mask>,
    /// Mean probability where the class was seen, 0..=1.
    pub score: f32,
}

/// One mask that a model offers.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The pixels, at photo size.
    pub mask: Mask,
    /// The model's own estimate of the mask's quality, 0..=1.
    pub score: f32,
    /// The logits, to feed back as the next prompt's prior.
    pub low_res: LowResMask,
}
