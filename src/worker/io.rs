//! What the `io` thread runs: files in and out.

use std::path::Path;
use std::sync::Arc;

use super::message::{EventKind, Job, JobKind, OpenedPhoto, Stage};
use super::service::Service;
use super::steps::{JobError, Steps};
use crate::dataset;
use crate::document::Document;
use crate::formats::{self, OpenOptions, Opened};
use crate::label::Classes;
use crate::photo::{self, Limits, Photo};

/// The io thread keeps nothing between jobs.
pub(super) struct IoService;

impl Service for IoService {
    fn run(&mut self, job: &Job, steps: &Steps<'_>) -> Result<EventKind, JobError> {
        match &job.kind {
            JobKind::Open {
                path,
                defaults,
                import,
                limits,
            } => open(path, defaults, *import, limits, steps),
            JobKind::Rewindow { photo, lo, hi } => steps.run(Stage::Opening, |_| {
                Ok::<_, JobError>(EventKind::Rewindowed(Arc::new(photo.with_window(*lo, *hi))))
            }),
            JobKind::Save {
                photo_path,
                edited,
                options,
            } => steps.run(Stage::Saving, |_| {
                let report = formats::save(photo_path, edited, options)?;
                Ok::<_, JobError>(EventKind::Saved {
                    revision: edited.revision(),
                    report,
                })
            }),
            JobKind::Journal { photo_path, edited } => steps.run(Stage::Saving, |_| {
                formats::save_journal(photo_path, edited)?;
                Ok::<_, JobError>(EventKind::Journaled)
            }),
            JobKind::DropJournal { photo_path } => steps.run(Stage::Saving, |_| {
                formats::drop_journal(photo_path)?;
                Ok::<_, JobError>(EventKind::JournalDropped)
            }),
            JobKind::Export {
                photo,
                edited,
                request,
            } => steps.run(Stage::Exporting, |_| {
                let paths = formats::export(photo, edited, request)?;
                Ok::<_, JobError>(EventKind::Exported { paths })
            }),
            JobKind::ExportAttention { photo, file, path } => steps.run(Stage::Exporting, |task| {
                let paths = vec![file.write(photo, path, task)?];
                Ok::<_, JobError>(EventKind::Exported { paths })
            }),
            JobKind::Scan { folder } => steps.run(Stage::Scanning, |_| {
                let photos = dataset::scan(folder)?;
                Ok::<_, JobError>(EventKind::Scanned {
                    folder: folder.clone(),
                    photos,
                })
            }),
            _ => Err(JobError::Failed(
                "the file thread was given a job for the engine".to_owned(),
            )),
        }
    }

    fn recover(&mut self) {}
}

/// Decode a photo, then read its labels and its journal.
fn open(
    path: &Path,
    defaults: &Classes,
    import: OpenOptions,
    limits: &Limits,
    steps: &Steps<'_>,
) -> Result<EventKind, JobError> {
    let photo = steps.run(Stage::Opening, |task| {
        let photo = photo::decode(path, limits)?;
        task.check()?;
        Ok::<_, JobError>(photo)
    })?;
    let mut notes = Vec::new();
    let opened = formats::open_with(path, photo.width(), photo.height(), defaults, import)?;
    let (document, read_only) = match opened {
        Opened::Fresh(document) | Opened::Loaded(document) => (document, None),
        Opened::ReadOnly { document, why } => (document, Some(why)),
    };
    let recovered = recover_edits(path, &photo, &mut notes);
    let photo = Arc::new(photo);
    let opened = OpenedPhoto {
        photo,
        document,
        read_only,
        recovered,
        notes,
    };
    Ok(EventKind::Opened(Box::new(opened)))
}

/// The journal of a photo, if it fits. One that cannot be used is no reason to
/// keep the photo closed: a note says so.
fn recover_edits(path: &Path, photo: &Photo, notes: &mut Vec<String>) -> Option<Document> {
    match formats::load_journal(path) {
        Ok(found) => found.filter(|document| {
            let fits = (document.width(), document.height()) == (photo.width(), photo.height());
            if !fits {
                notes.push(format!(
                    "unsaved edits of {} were left aside, since they belong to a photo of {} × {} pixels",
                    photo.name(),
                    document.width(),
                    document.height()
                ));
            }
            fits
        }),
        Err(error) => {
            notes.push(error.to_string());
            None
        }
    }
}
