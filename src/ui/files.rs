//! The desktop's file dialogs, each in a thread of its own so that the window
//! never waits for one; at most one at a time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use egui::Context;

use crate::app::PathPurpose;

/// A dialog that is gone sooner than this was never seen by anybody: the desktop
/// has no file dialog, which is reported just like a cancel.
const TOO_FAST: Duration = Duration::from_millis(400);

/// What came of a dialog.
pub enum Picked {
    /// The user chose this.
    Path(PathPurpose, PathBuf),
    /// The desktop showed no dialog: let the path be typed.
    Unavailable(PathPurpose),
}

struct Pending {
    purpose: PathPurpose,
    since: Instant,
    answer: Receiver<Option<PathBuf>>,
}

/// The dialog that is open, if one is.
#[derive(Default)]
pub struct FileDialogs {
    pending: Option<Pending>,
}

impl FileDialogs {
    /// Whether a dialog is open.
    pub fn is_open(&self) -> bool {
        self.pending.is_some()
    }

    /// Show a dialog, unless one is open. `start` is where it begins: a folder, or
    /// for an export the proposed file.
    pub fn show(&mut self, ctx: &Context, purpose: PathPurpose, start: Option<PathBuf>) {
        if self.is_open() {
            return;
        }
        let (sender, answer) = bounded(1);
        let ctx = ctx.clone();
        let spawned = std::thread::Builder::new()
            .name("file dialog".into())
            .spawn(move || {
                let _ = sender.send(ask(purpose, start));
                ctx.request_repaint();
            });
        if spawned.is_ok() {
            self.pending = Some(Pending {
                purpose,
                since: Instant::now(),
                answer,
            });
        }
    }

    /// What came of the dialog, once.
    pub fn poll(&mut self) -> Option<Picked> {
        let pending = self.pending.as_ref()?;
        // A thread that died without an answer counts as no dialog.
        let answer = match pending.answer.try_recv() {
            Err(crossbeam_channel::TryRecvError::Empty) => return None,
            Ok(answer) => answer,
            Err(crossbeam_channel::TryRecvError::Disconnected) => None,
        };
        let pending = self.pending.take()?;
        match answer {
            Some(path) => Some(Picked::Path(pending.purpose, path)),
            None if pending.since.elapsed() < TOO_FAST => {
                Some(Picked::Unavailable(pending.purpose))
            }
            None => None,
        }
    }
}

fn ask(purpose: PathPurpose, start: Option<PathBuf>) -> Option<PathBuf> {
    let mut dialog = rfd::FileDialog::new();
    if let Some(start) = &start {
        // The export folder need not exist yet: the nearest one that does will do.
        let folder = start.ancestors().find(|folder| folder.is_dir());
        if let Some(folder) = folder {
            dialog = dialog.set_directory(folder);
        }
    }
    match purpose {
        PathPurpose::Photo => dialog
            .set_title("Open photo")
            .add_filter("Photos", &crate::photo::EXTENSIONS)
            .add_filter("All files", &["*"])
            .pick_file(),
        PathPurpose::Folder => dialog.set_title("Open folder").pick_folder(),
        PathPurpose::Model => dialog.set_title("Open model folder").pick_folder(),
        PathPurpose::Export => {
            let start = start.unwrap_or_default();
            let format = start.extension().unwrap_or("png".as_ref());
            let format = format.to_string_lossy();
            dialog
                .set_title("Export")
                .set_file_name(start.file_name().unwrap_or_default().to_string_lossy())
                .add_filter(format.to_uppercase(), &[format])
                .save_file()
        }
    }
}
