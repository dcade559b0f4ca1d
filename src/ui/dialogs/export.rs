//! The export dialog: what to export, and where.

use std::path::PathBuf;

use egui::{Button, Key, RichText, TextEdit, Ui};

use super::buttons;
use crate::app::{App, Command, OpenDocument, PathPurpose};
use crate::formats::ExportKind;
use crate::label::{BACKGROUND, ClassId};
use crate::ui::files::FileDialogs;
use crate::ui::theme::{self, space};
use crate::ui::widgets::{dim, primary_button};
use crate::worker::DocumentId;

/// The export that is being put together; it outlives the dialog while its photo
/// is open.
#[derive(Default)]
pub struct ExportDialog {
    draft: Option<ExportDraft>,
}

/// An export that is being put together.
struct ExportDraft {
    document: DocumentId,
    kind: ExportKind,
    class: ClassId,
    /// The file; its text may not be all of it, for names that are not Unicode.
    path: PathBuf,
    text: String,
    /// Whether there is such a file: looked up when the path changes.
    exists: bool,
    /// The user has changed the path: it no longer follows the kind.
    own_path: bool,
    no_file_dialog: bool,
}

impl ExportDialog {
    /// Where the file dialog said to export to.
    pub fn set_path(&mut self, path: PathBuf) {
        if let Some(draft) = &mut self.draft {
            draft.text = path.display().to_string();
            draft.set_path(path);
            draft.own_path = true;
        }
    }

    /// The desktop has no file dialog.
    pub fn type_path(&mut self) {
        if let Some(draft) = &mut self.draft {
            draft.no_file_dialog = true;
        }
    }

    /// The dialog.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        app: &App,
        files: &mut FileDialogs,
        out: &mut Vec<Command>,
    ) {
        let Some(open) = &app.open else {
            out.push(Command::CloseDialog);
            return;
        };
        if self
            .draft
            .as_ref()
            .is_none_or(|draft| draft.document != open.id)
        {
            self.draft = Some(ExportDraft::new(open, app.current_class));
        }
        let Some(draft) = &mut self.draft else {
            return;
        };
        ui.heading("Export");
        draft.kinds(ui, open);
        ui.add_space(space::XS);
        ui.label(dim(ui, "File"));
        let mut entered = false;
        ui.horizontal(|ui| {
            let width = ui.available_width() - 90.0;
            let field = TextEdit::singleline(&mut draft.text).desired_width(width);
            let field = ui.add(field).accessible_name("Export file");
            if field.changed() {
                draft.set_path(PathBuf::from(draft.text.trim()));
                draft.own_path = true;
            }
            entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            let browse = ui.add_enabled(!files.is_open(), Button::new("Browse…"));
            if browse.clicked() {
                let start = Some(draft.path.clone());
                files.show(ui.ctx(), PathPurpose::Export, start);
            }
        });
        if draft.no_file_dialog {
            ui.label(dim(
                ui,
                "This desktop offers no file dialog: type the path above.",
            ));
        }
        let path = draft.path.clone();
        if draft.exists {
            let text = "This file exists and will be replaced.";
            ui.label(RichText::new(text).color(theme::colors(ui.ctx()).warning));
        }
        let ready = path.file_name().is_some();
        let focused = ui.memory(|memory| memory.focused()).is_some();
        let enter = entered || (!focused && pressed_once(ui, Key::Enter));
        let kind = draft.kind();
        buttons(ui, |ui| {
            let go = primary_button(ui, "Export", ready).clicked() || (enter && ready);
            if ui.button("Cancel").clicked() {
                out.push(Command::CloseDialog);
            } else if go {
                out.push(Command::Export(kind, path));
                self.draft = None;
            }
        });
    }
}

impl ExportDraft {
    fn new(open: &OpenDocument, class: ClassId) -> Self {
        let mut draft = Self {
            document: open.id,
            kind: ExportKind::ClassMap,
            class,
            path: PathBuf::new(),
            text: String::new(),
            exists: false,
            own_path: false,
            no_file_dialog: false,
        };
        draft.propose(open);
        draft
    }

    fn kind(&self) -> ExportKind {
        match self.kind {
            ExportKind::Binary(_) => ExportKind::Binary(self.class),
            kind => kind,
        }
    }

    fn kinds(&mut self, ui: &mut Ui, open: &OpenDocument) {
        let before = self.kind();
        for (kind, name, what) in [
            (
                ExportKind::ClassMap,
                "Class map",
                "8-bit indexed PNG: one class id per pixel, 255 = ignore",
            ),
            (
                ExportKind::InstanceMap,
                "Instance map",
                "16-bit grey PNG: one segment id per pixel, 0 = none",
            ),
            (
                ExportKind::Binary(self.class),
                "Binary mask of one class",
                "8-bit grey PNG: 255 inside, 0 outside",
            ),
            (
                ExportKind::Overlay,
                "Overlay picture",
                "The photo with the labels over it, to look at",
            ),
        ] {
            let on = std::mem::discriminant(&self.kind) == std::mem::discriminant(&kind);
            if ui.radio(on, name).on_hover_text(what).clicked() {
                self.kind = kind;
            }
            if on {
                ui.indent(name, |ui| ui.label(dim(ui, what)));
            }
        }
        if matches!(self.kind, ExportKind::Binary(_)) {
            let classes = open.document().classes();
            egui::ComboBox::from_label("Class")
                .selected_text(classes.name(self.class))
                .show_ui(ui, |ui| {
                    for class in classes.iter().filter(|class| class.id != BACKGROUND) {
                        ui.selectable_value(&mut self.class, class.id, &class.name);
                    }
                });
        }
        if self.kind() != before && !self.own_path {
            self.propose(open);
        }
    }

    /// A file in the photo's export folder whose name says what is in it.
    fn propose(&mut self, open: &OpenDocument) {
        self.set_path(
            self.kind()
                .proposed_path(&open.path, open.document().classes()),
        );
        self.text = self.path.display().to_string();
    }

    fn set_path(&mut self, path: PathBuf) {
        self.exists = path.exists();
        self.path = path;
    }
}

/// Whether `key` went down in this frame; being held does not count.
fn pressed_once(ui: &Ui, key: Key) -> bool {
    ui.input(|input| {
        input.events.iter().any(|event| {
            matches!(event, egui::Event::Key { key: down, pressed: true, repeat: false, .. } if *down == key)
        })
    })
}
