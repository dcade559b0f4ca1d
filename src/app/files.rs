//! Opening and leaving photos, saving and exporting: everything in which work
//! could get lost, in one place.

use std::path::{Path, PathBuf};

use super::command::{Dialog, Then, UnsavedAnswer};
use super::notices::Severity;
use super::open_document::Saving;
use super::{ActivityKind, App, Request};
use crate::formats::{ExportKind, ExportRequest, SaveOptions};
use crate::label::Classes;
use crate::photo::Limits;
use crate::worker::{DocumentId, JobKind};

/// The sample photo, for a first start without a photo of one's own.
///
/// It shows what the built-in models know: things to click, and clothes, hair
/// and skin among their classes.
const SAMPLE: &[u8] = include_bytes!("../../assets/samples/astronaut.png");
const SAMPLE_NAME: &str = "astronaut.png";

impl App {
    /// Do `then`, unless unsaved work has to be dealt with first.
    pub(super) fn leave_then(&mut self, then: Then) {
        self.stroke_end();
        let open = self.open.as_ref();
        let dirty = open.is_some_and(|open| open.is_dirty());
        let on_its_way = open.is_some_and(|open| open.is_being_saved());
        // A folder leaves the photo that is open alone until it has been listed.
        let leaves = match &then {
            // What is not there cannot open: it will be said, and nothing is left.
            Then::Open(path) => path.is_file(),
            Then::Quit => true,
        };
        if !dirty || !leaves {
            self.go_on(then);
        } else if on_its_way {
            self.after_save = Some(then);
        } else if self.settings.save_on_switch
            && matches!(then, Then::Open(_))
            && self
                .open
                .as_ref()
                .is_some_and(|open| open.read_only.is_none())
        {
            self.after_save = Some(then);
            self.save();
        } else {
            self.dialog = Some(Dialog::Unsaved(then));
        }
    }

    /// Do what was to be done once nothing unsaved stood in its way.
    pub(super) fn go_on(&mut self, then: Then) {
        match then {
            Then::Open(path) if Self::is_model_folder(&path) => self.choose_model(path.into()),
            Then::Open(path) if path.is_dir() => self.scan(path),
            Then::Open(path) => self.open_photo(path),
            Then::Quit => self.requests.push(Request::Close),
        }
    }

    pub(super) fn answer_unsaved(&mut self, answer: UnsavedAnswer) {
        let Some(Dialog::Unsaved(then)) = self.dialog.take() else {
            return;
        };
        match answer {
            UnsavedAnswer::Stay => {}
            UnsavedAnswer::Discard => {
                if let Some(open) = &mut self.open {
                    let kind = JobKind::DropJournal {
                        photo_path: open.path.clone(),
                    };
                    let revision = open.document().revision();
                    open.history.mark_saved(revision);
                    open.journaled = 0;
                    let document = open.id;
                    self.discarded = Some(document);
                    self.start(document, kind, ActivityKind::Journal);
                }
                self.go_on(then);
            }
            UnsavedAnswer::Save => {
                self.after_save = Some(then);
                self.save();
            }
        }
    }

    fn scan(&mut self, folder: PathBuf) {
        let kind = JobKind::Scan {
            folder: folder.clone(),
        };
        self.start(DocumentId(self.documents), kind, ActivityKind::Scan(folder));
    }

    fn open_photo(&mut self, path: PathBuf) {
        self.documents += 1;
        let limits = Limits::megapixels(self.settings.max_megapixels);
        let defaults = self.folder_classes(&path);
        let kind = JobKind::Open {
            path: path.clone(),
            defaults,
            import: self.settings.import(),
            limits,
        };
        self.start(DocumentId(self.documents), kind, ActivityKind::Open(path));
    }

    /// Classes for a photo without labels: those of the photo that is open, if it
    /// lies in the same folder.
    fn folder_classes(&self, path: &Path) -> Classes {
        self.open
            .as_ref()
            .filter(|open| open.path.parent() == path.parent())
            .map(|open| Classes::clone(open.document().classes()))
            .unwrap_or_default()
    }

    pub(super) fn open_neighbour(&mut self, by: isize) {
        let current = self
            .activities
            .iter()
            .rev()
            .find_map(|activity| match &activity.kind {
                ActivityKind::Open(path) => Some(path.clone()),
                _ => None,
            });
        let current = current.or_else(|| self.open.as_ref().map(|open| open.path.clone()));
        let (Some(folder), Some(current)) = (&self.folder, current) else {
            return;
        };
        match folder.neighbour(&current, by) {
            Some(next) => {
                let next = next.to_path_buf();
                self.leave_then(Then::Open(next));
            }
            None if by > 0 => self
                .notices
                .say(Severity::Info, "This is the folder's last photo"),
            None => self
                .notices
                .say(Severity::Info, "This is the folder's first photo"),
        }
    }

    /// Open the sample from the user's data folder, where its labels may be saved.
    pub(super) fn open_sample(&mut self) {
        match sample_file(self.settings.samples.as_deref()) {
            Ok(path) => {
                let first = self.documents == 0 && self.settings.are_new();
                self.leave_then(Then::Open(path));
                self.greets = first.then_some(DocumentId(self.documents));
            }
            Err(error) => self.notices.say(
                Severity::Error,
                format!("The sample photo could not be put in your data folder: {error}. Open a photo of your own"),
            ),
        }
    }

    pub(super) fn save(&mut self) {
        self.stroke_end();
        let options = SaveOptions {
            voc_palette: self.settings.voc_palette,
            ..SaveOptions::default()
        };
        let Some(open) = &mut self.open else { return };
        if open.read_only.is_some() {
            return;
        }
        if let Some(saving) = &mut open.saving {
            // What has changed since is saved once that save is done.
            saving.again = true;
            return;
        }
        let revision = open.document().revision();
        let kind = JobKind::Save {
            photo_path: open.path.clone(),
            edited: open.document().clone(),
            options,
        };
        let document = open.id;
        let job = self.start(document, kind, ActivityKind::Save);
        if let Some(open) = &mut self.open {
            open.saving = Some(Saving {
                job,
                revision,
                again: false,
            });
        }
    }

    pub(super) fn export(&mut self, kind: ExportKind, path: PathBuf) {
        let Some(open) = &self.open else { return };
        let job = JobKind::Export {
            photo: open.photo.clone(),
            edited: open.document().clone(),
            request: ExportRequest {
                kind,
                path: path.clone(),
            },
        };
        let document = open.id;
        self.dialog = None;
        self.start(document, job, ActivityKind::Export(path));
    }
}

/// The sample photo in `folder`, or else in the user's data folder, put there
/// if it is not.
fn sample_file(folder: Option<&Path>) -> std::io::Result<PathBuf> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => directories::ProjectDirs::from("", "", "patchlens")
            .ok_or_else(|| std::io::Error::other("you have no home folder"))?
            .data_dir()
            .join("samples"),
    };
    let path = folder.join(SAMPLE_NAME);
    if std::fs::read(&path).ok().as_deref() != Some(SAMPLE) {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(&path, SAMPLE)?;
    }
    Ok(path)
}
