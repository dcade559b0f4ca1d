//! Applying what the worker sends. An event counts only if its job is still
//! awaited; what belongs to a photo counts only while that photo is open.

use std::path::PathBuf;

use super::command::{Dialog, Then};
use super::notices::Severity;
use super::open_document::OpenDocument;
use super::{Activity, ActivityKind, App, Folder};
use crate::dataset::{PhotoEntry, PhotoStatus};
use crate::formats::SaveReport;
use crate::worker::{DocumentId, Event, EventKind, JobKind, OpenedPhoto};

impl App {
    /// Apply one event.
    pub(super) fn handle(&mut self, event: Event) {
        let Some(at) = self
            .activities
            .iter()
            .position(|activity| activity.job == event.id)
        else {
            return;
        };
        match event.kind {
            EventKind::Started(stage) => {
                self.activities[at].stage = Some(stage);
                self.activities[at].fraction = None;
            }
            EventKind::Progress { stage, fraction } => {
                self.activities[at].stage = Some(stage);
                self.activities[at].fraction = Some(fraction);
            }
            last => {
                let activity = self.activities.remove(at);
                self.finish(activity, last);
            }
        }
    }

    pub(super) fn is_current(&self, document: DocumentId) -> bool {
        self.open.as_ref().is_some_and(|open| open.id == document)
    }

    fn finish(&mut self, activity: Activity, kind: EventKind) {
        let document = activity.document;
        match kind {
            EventKind::Opened(opened) => self.opened(activity, *opened),
            EventKind::Saved { revision, report } => self.saved(document, revision, report),
            EventKind::Exported { paths } => {
                let name = paths.first().map(|path| path.display().to_string());
                self.notices.say(
                    Severity::Success,
                    format!("Exported {}", name.unwrap_or_default()),
                );
            }
            EventKind::Scanned { folder, photos } => self.scanned(document, folder, photos),
            EventKind::ModelLoaded(info) => {
                if let ActivityKind::LoadModel(name) = activity.kind {
                    self.model_loaded(name, info);
                }
            }
            EventKind::Failed(reason) => self.failed(&activity, reason),
            EventKind::Cancelled => self.cancelled(&activity),
            EventKind::Encoded { .. } if self.is_current(document) => {
                if let Some(open) = &mut self.open {
                    open.encoded = true;
                }
                self.greet(document);
            }
            EventKind::Proposed(proposals) => {
                let awaited = self
                    .open
                    .as_ref()
                    .is_some_and(|open| open.prompting.waiting == Some(activity.job));
                if awaited {
                    self.proposed(proposals);
                }
            }
            EventKind::Everything { proposals, .. } => {
                let awaited = self.open.as_ref().is_some_and(|open| {
                    open.prompting.waiting_for_everything == Some(activity.job)
                });
                if awaited {
                    self.everything_proposed(proposals);
                }
            }
            EventKind::Predicted(predicted) => {
                let awaited = self.open.as_ref().is_some_and(|open| {
                    open.prompting.waiting_for_everything == Some(activity.job)
                });
                if awaited {
                    self.predicted(predicted);
                }
            }
            EventKind::Inspected(inspection) => self.inspected_by(&activity, inspection),
            EventKind::Analysed(analysed) => self.analysed(&activity, analysed),
            EventKind::Rewindowed(photo) if self.is_current(document) => {
                if let Some(open) = &mut self.open {
                    open.photo = photo;
                    open.encoded = false;
                }
                self.encode();
            }
            // The rest is quiet, or belongs to a photo that is no longer open.
            _ => {}
        }
    }

    fn opened(&mut self, activity: Activity, opened: OpenedPhoto) {
        let ActivityKind::Open(path) = activity.kind else {
            return;
        };
        // A later opening has been asked for: this one is not wanted any more.
        if activity.document.0 != self.documents {
            return;
        }
        self.stroke_end();
        if self.open.as_ref().is_some_and(|open| open.is_dirty()) {
            // Edited while the other photo was being decoded: ask before leaving it.
            return self.leave_then(Then::Open(path));
        }
        self.discarded = None;
        self.dialog.take_if(|dialog| {
            matches!(
                dialog,
                Dialog::DeleteClass(_)
                    | Dialog::Export
                    | Dialog::ExportAttention
                    | Dialog::Unsaved(_)
            )
        });
        for note in &opened.notes {
            self.notices.say(Severity::Info, note.clone());
        }
        if let Some(why) = &opened.read_only {
            self.notices.say(Severity::Warning, why.clone());
        }
        if opened.recovered.is_some() {
            self.notices.say(
                Severity::Info,
                "Unsaved work of an earlier session was recovered; Undo takes it back, Save keeps it",
            );
        }
        self.settings.remember(&path);
        let in_folder = self
            .folder
            .as_ref()
            .is_some_and(|folder| folder.position(&path).is_some());
        if !in_folder {
            self.folder = None;
        }
        self.open = Some(OpenDocument::new(activity.document, path, opened));
        self.everything_serial = self.next_serial();
        self.document_changed();
        self.encode();
    }

    /// Have the model look at the photo before anybody asks.
    pub(super) fn encode(&mut self) {
        let Some(open) = &self.open else { return };
        let kind = JobKind::Encode {
            photo: open.photo.clone(),
        };
        let document = open.id;
        self.start(document, kind, ActivityKind::Encode);
    }

    fn saved(&mut self, document: DocumentId, revision: u64, report: SaveReport) {
        for note in &report.notes {
            self.notices.say(Severity::Info, note.clone());
        }
        let mut again = false;
        if let Some(open) = self.open.as_mut().filter(|open| open.id == document) {
            again = open.saving.take().is_some_and(|saving| saving.again);
            open.history.mark_saved(revision);
            if open.journaled == revision {
                open.journaled = 0;
            }
            self.notices.say(
                Severity::Success,
                format!("Saved {}", report.labels.display()),
            );
            let path = open.path.clone();
            if let Some(folder) = &mut self.folder
                && let Some(at) = folder.position(&path)
            {
                folder.photos[at].status = PhotoStatus::Labelled;
            }
        }
        if again && self.open.as_ref().is_some_and(|open| open.is_dirty()) {
            self.save();
        } else if let Some(then) = self.after_save.take() {
            // The document may have changed while it was being saved.
            self.leave_then(then);
        }
    }

    fn scanned(&mut self, asked: DocumentId, path: PathBuf, photos: Vec<PhotoEntry>) {
        if photos.is_empty() {
            self.notices.say(
                Severity::Warning,
                format!("There are no photos in {}; it stays closed", path.display()),
            );
            return;
        }
        let shown = self.open.as_ref().map(|open| open.path.clone());
        let folder = Folder { path, photos };
        let first = folder
            .photos
            .iter()
            .find(|entry| entry.status == PhotoStatus::Unlabelled)
            .or(folder.photos.first())
            .map(|entry| entry.path.clone());
        let already = shown.is_some_and(|path| folder.position(&path).is_some());
        // A photo that was asked for later than the folder is not to be replaced.
        let stale = asked.0 != self.documents;
        self.folder = Some(folder);
        if let Some(first) = first.filter(|_| !already && !stale) {
            self.apply(super::Command::Open(first));
        }
    }

    fn failed(&mut self, activity: &Activity, reason: String) {
        self.forget_waiting(activity);
        self.inspection_failed(activity, Some(&reason));
        if matches!(
            activity.kind,
            ActivityKind::Inspect | ActivityKind::Analyse(_)
        ) {
            // Said where it would be seen.
        } else if activity.kind == ActivityKind::PredictUnasked {
            // Whoever asks is told.
        } else if activity.kind == ActivityKind::Save {
            self.after_save = None;
            self.notices
                .say(Severity::Error, format!("Not saved: {reason}"));
        } else if let ActivityKind::Open(_) = activity.kind {
            self.restore_discarded();
            self.notices.say(Severity::Error, reason);
        } else if activity.kind == ActivityKind::Journal {
            self.notices.say(
                Severity::Warning,
                format!("Unsaved work is not protected against a crash: {reason}"),
            );
        } else {
            self.notices.say(Severity::Error, reason);
        }
    }

    /// The photo that discarded work was to make room for did not open: that work
    /// is still there, and unsaved again.
    fn restore_discarded(&mut self) {
        let discarded = self.discarded.take();
        if let Some(open) = self.open.as_mut().filter(|open| Some(open.id) == discarded) {
            // Revisions begin at 1: no document is the saved one now.
            open.history.mark_saved(0);
        }
    }

    fn cancelled(&mut self, activity: &Activity) {
        self.forget_waiting(activity);
        self.inspection_failed(activity, None);
        if matches!(activity.kind, ActivityKind::Open(_)) && !self.is_opening() {
            self.restore_discarded();
        }
        let stopped = match activity.kind {
            ActivityKind::Everything => "Segmenting everything was stopped",
            ActivityKind::Predict => "The prediction was stopped",
            _ => return,
        };
        if self.is_current(activity.document) {
            self.notices.say(Severity::Info, stopped);
        }
    }

    /// Nothing more comes for this job.
    fn forget_waiting(&mut self, activity: &Activity) {
        let Some(open) = &mut self.open else { return };
        if open.prompting.waiting == Some(activity.job) {
            open.prompting.waiting = None;
        }
        if open.prompting.waiting_for_everything == Some(activity.job) {
            open.prompting.waiting_for_everything = None;
        }
        if open
            .saving
            .as_ref()
            .is_some_and(|saving| saving.job == activity.job)
        {
            open.saving = None;
        }
    }

    /// Whether the dialog about unsaved work is shown.
    pub fn asks_about_unsaved(&self) -> bool {
        matches!(self.dialog, Some(Dialog::Unsaved(_)))
    }
}
