//! The state of the program and the one place that changes it. The window reads
//! [`App`], makes [`Command`]s and hands over the worker's events; nothing here
//! knows how any of it looks, so that all of it runs in a test without a window.

mod apply;
pub mod command;
mod events;
mod files;
mod folder;
pub mod inspector;
mod models;
pub mod notices;
mod open_document;
mod painting;
mod prompting;
pub mod settings;
pub mod tool;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use command::{Command, Dialog, PathPurpose, Then, UnsavedAnswer};
pub use folder::Folder;
pub use inspector::{AttentionCommand, Inspector};
pub use notices::{Notice, Notices, Severity};
pub use open_document::{Candidate, Offer, Offered, OfferedLabel, OpenDocument, Prompting};
pub use settings::{Framing, Settings, ThemeChoice};
pub use tool::Tool;

use models::Predictor;

use crate::label::ClassId;
use crate::models::ModelInfo;
use crate::worker::{
    AnalysisKind, DEFAULT_MODEL, DocumentId, JobId, JobKind, Memory, Stage, Worker,
};

/// Unsaved edits are journalled once the user has paused for this long.
const JOURNAL_AFTER: Duration = Duration::from_millis(1500);

/// The program's state.
pub struct App {
    worker: Worker,
    /// What is remembered between runs.
    pub settings: Settings,
    /// The photo that is open.
    pub open: Option<OpenDocument>,
    /// The folder that is open.
    pub folder: Option<Folder>,
    /// The tool in hand.
    pub tool: Tool,
    /// The class that new segments get.
    pub current_class: ClassId,
    /// What has been said to the user.
    pub notices: Notices,
    /// The chosen model, once it is loaded.
    pub model: Option<ModelInfo>,
    /// The name of the chosen model.
    chosen: OsString,
    /// The name of the model that answers prompts, once it is loaded.
    prompter: Option<OsString>,
    /// The model that is asked about whole photos: the one chosen last that
    /// can be.
    predictor: Option<Predictor>,
    /// The opening of the sample photo at a first start, until it was greeted
    /// with a prediction.
    greets: Option<DocumentId>,
    /// Attention, looked at.
    pub inspector: Inspector,
    /// The dialog that is shown.
    pub dialog: Option<Dialog>,
    /// Whether the first-steps line is shown.
    pub first_steps: bool,
    /// Changes with every change to what is offered for the whole photo.
    pub everything_serial: u64,
    activities: Vec<Activity>,
    requests: Vec<Request>,
    after_save: Option<Then>,
    /// The opening whose unsaved work was thrown away to open another photo.
    discarded: Option<DocumentId>,
    documents: u64,
    serials: u64,
}

/// What only a window can do; it takes these with [`App::take_requests`].
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Show the desktop's file dialog for a photo.
    PickPhoto,
    /// Show the desktop's file dialog for a folder.
    PickFolder,
    /// Show the desktop's file dialog for a checkpoint folder.
    PickModel,
    /// Move the view.
    View(ViewRequest),
    /// Close the window.
    Close,
}

/// How the view is to move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ViewRequest {
    /// Show the whole photo.
    Fit,
    /// One photo pixel per screen pixel.
    ActualSize,
    /// Zoom by this factor about the middle.
    Zoom(f32),
    /// Show this part of the photo.
    Show(crate::label::Rect),
}

/// A job that runs or waits, as the status bar shows it.
#[derive(Clone, Debug)]
pub struct Activity {
    /// The job.
    pub job: JobId,
    /// The opening that it belongs to.
    pub document: DocumentId,
    /// What was asked for.
    pub kind: ActivityKind,
    /// What it is doing.
    pub stage: Option<Stage>,
    /// How far that is, where it can be known.
    pub fraction: Option<f32>,
    /// When it was asked for.
    pub since: Instant,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum ActivityKind {
    /// Open this photo.
    Open(PathBuf),
    /// Another display window.
    Rewindow,
    /// Save the labels.
    Save,
    /// Keep unsaved edits safe.
    Journal,
    /// Export to this file.
    Export(PathBuf),
    /// List this folder.
    Scan(PathBuf),
    /// Load this model.
    LoadModel(OsString),
    /// Encode the photo.
    Encode,
    /// Masks for the prompt.
    Prompt,
    /// Masks for the whole photo.
    Everything,
    /// Classes of the photo or its pixels.
    Predict,
    /// The same, before anybody has asked.
    PredictUnasked,
    /// The model's attention on the photo.
    Inspect,
    /// A question about it.
    Analyse(AnalysisKind),
}

impl ActivityKind {
    /// Whether the model is at work for it, and it may be stopped at any time.
    pub fn is_inference(&self) -> bool {
        matches!(
            self,
            Self::Encode
                | Self::Prompt
                | Self::Everything
                | Self::Predict
                | Self::PredictUnasked
                | Self::Inspect
                | Self::Analyse(_)
        )
    }

    /// Whether the user may stop it: what writes files is left to finish.
    pub fn can_be_stopped(&self) -> bool {
        self.is_inference()
            || matches!(
                self,
                Self::Open(_) | Self::Scan(_) | Self::Rewindow | Self::LoadModel(_)
            )
    }
}

impl App {
    /// A program with nothing open; the model begins to load.
    pub fn new(worker: Worker, settings: Settings) -> Self {
        let mut app = Self {
            worker,
            first_steps: !settings.first_steps_done,
            settings,
            open: None,
            folder: None,
            tool: Tool::default(),
            current_class: 1,
            notices: Notices::default(),
            model: None,
            chosen: DEFAULT_MODEL.into(),
            prompter: None,
            predictor: Predictor::built_in(),
            greets: None,
            inspector: Inspector::default(),
            dialog: None,
            everything_serial: 0,
            activities: Vec::new(),
            requests: Vec::new(),
            after_save: None,
            discarded: None,
            documents: 0,
            serials: 0,
        };
        app.choose_model(DEFAULT_MODEL.into());
        app
    }

    /// Jobs that run or wait, in the order they were asked for.
    pub fn activities(&self) -> &[Activity] {
        &self.activities
    }

    /// Whether a job of this kind runs or waits.
    pub fn is_busy(&self, kind: &ActivityKind) -> bool {
        self.activities
            .iter()
            .any(|activity| activity.kind == *kind)
    }

    /// Whether the model is at work, or will be.
    pub fn is_model_busy(&self) -> bool {
        self.activities
            .iter()
            .any(|activity| activity.kind.is_inference())
    }

    /// The model that is being loaded, if one is.
    pub fn loading_model(&self) -> Option<&OsString> {
        self.activities
            .iter()
            .rev()
            .find_map(|activity| match &activity.kind {
                ActivityKind::LoadModel(name) => Some(name),
                _ => None,
            })
    }

    /// How much memory encodings take.
    pub fn memory(&self) -> &Memory {
        self.worker.memory()
    }

    /// Whether a photo is being opened.
    pub fn is_opening(&self) -> bool {
        self.activities
            .iter()
            .any(|activity| matches!(activity.kind, ActivityKind::Open(_)))
    }

    /// What only the window can do, since the last call.
    pub fn take_requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    /// Apply everything that the worker has sent, and do what is due by now.
    /// Returns when to call again at the latest, if something is due then.
    pub fn tick(&mut self) -> Option<Duration> {
        while let Some(event) = self.worker.try_recv() {
            self.handle(event);
        }
        self.inspect();
        let journal = self.journal_if_due();
        let toast = self.notices.next_change();
        journal.into_iter().chain(toast).min()
    }

    /// Keep unsaved edits safe from a crash, once the user pauses.
    fn journal_if_due(&mut self) -> Option<Duration> {
        let open = self.open.as_mut()?;
        let revision = open.document().revision();
        if !open.is_dirty() && open.journaled != 0 && open.saving.is_none() {
            // Everything was undone: nothing is to come back after a crash.
            open.journaled = 0;
            let kind = JobKind::DropJournal {
                photo_path: open.path.clone(),
            };
            let document = open.id;
            self.start(document, kind, ActivityKind::Journal);
            return None;
        }
        if !open.is_dirty() || open.journaled == revision || open.read_only.is_some() {
            return None;
        }
        let waited = open.changed_at.elapsed();
        if waited < JOURNAL_AFTER || open.is_painting() {
            return Some(
                JOURNAL_AFTER
                    .saturating_sub(waited)
                    .max(Duration::from_millis(100)),
            );
        }
        open.journaled = revision;
        let kind = JobKind::Journal {
            photo_path: open.path.clone(),
            edited: open.document().clone(),
        };
        let document = open.id;
        self.start(document, kind, ActivityKind::Journal);
        None
    }

    fn start(&mut self, document: DocumentId, kind: JobKind, activity: ActivityKind) -> JobId {
        let job = self.worker.send(document, kind).id;
        self.activities.push(Activity {
            job,
            document,
            kind: activity,
            stage: None,
            fraction: None,
            since: Instant::now(),
        });
        job
    }

    fn next_serial(&mut self) -> u64 {
        self.serials += 1;
        self.serials
    }

    /// The document has changed: the selection may point nowhere, and the
    /// journal is behind.
    fn document_changed(&mut self) {
        if let Some(open) = &mut self.open {
            open.changed_at = Instant::now();
            open.prune_selection();
            let classes = open.document().classes();
            if self.current_class != crate::label::IGNORE
                && classes.get(self.current_class).is_none()
            {
                self.current_class = classes
                    .iter()
                    .map(|class| class.id)
                    .find(|&id| id != 0)
                    .unwrap_or(0);
            }
        }
    }
}
