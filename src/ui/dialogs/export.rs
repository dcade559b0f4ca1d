//! The export dialog: what to export, and where.

use std::ffi::OsStr;
use std::path::PathBuf;

use egui::{Button, Key, RadioButton, RichText, ScrollArea, TextEdit, Ui};

use super::buttons;
use crate::app::inspector::AttentionExport;
use crate::app::{App, Command, Inspector, OpenDocument, PathPurpose};
use crate::formats::ExportKind;
use crate::label::{BACKGROUND, ClassId};
use crate::ui::files::FileDialogs;
use crate::ui::theme::{self, size, space};
use crate::ui::widgets::{dim, primary_button};
use crate::worker::DocumentId;

/// The export that is being put together; it outlives the dialog while its photo
/// is open.
#[derive(Default)]
pub struct ExportDialog {
    draft: Option<ExportDraft>,
}

/// What to export.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Labels(ExportKind),
    Attention(AttentionExport),
}

/// Kinds of exports of labels; that of one class stands for each class.
const LABELS: [(ExportKind, &str, &str); 4] = [
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
        ExportKind::Binary(BACKGROUND),
        "Binary mask of one class",
        "8-bit grey PNG: 255 inside, 0 outside",
    ),
    (
        ExportKind::Overlay,
        "Overlay picture",
        "The photo with the labels over it, to look at",
    ),
];

/// An export that is being put together.
struct ExportDraft {
    document: DocumentId,
    kind: Kind,
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

    /// The dialog opens: with the heatmap chosen if it is about `attention`.
    pub fn begin(&mut self, app: &App, attention: bool) {
        let Some(open) = &app.open else { return };
        let mut draft = match self.draft.take() {
            Some(draft) if draft.document == open.id => draft,
            _ => ExportDraft::new(open, app),
        };
        let of_attention = matches!(draft.kind, Kind::Attention(_));
        if attention && !of_attention {
            draft.choose(Kind::Attention(AttentionExport::Overlay), open, app);
        } else if of_attention && !app.inspector.shown {
            draft.choose(Kind::Labels(ExportKind::ClassMap), open, app);
        } else if !draft.own_path {
            // The name says what is shown, which may be something else by now.
            draft.propose(open, &app.inspector);
        }
        self.draft = Some(draft);
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
        let fits = |draft: &ExportDraft| draft.document == open.id;
        if !self.draft.as_ref().is_some_and(fits) {
            self.begin(app, false);
        }
        let Some(draft) = &mut self.draft else {
            return;
        };
        ui.heading("Export");
        let room = ui.ctx().content_rect().height() - size::EXPORT_REST;
        ScrollArea::vertical()
            .max_height(room)
            .min_scrolled_height(room)
            .auto_shrink([false, true])
            .show(ui, |ui| draft.kinds(ui, open, app));
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
        let command = draft.command(path.clone());
        let blocked = command.blocked(app);
        let ready = path.file_name().is_some() && blocked.is_none();
        let focused = ui.memory(|memory| memory.focused()).is_some();
        let enter = entered || (!focused && pressed_once(ui, Key::Enter));
        buttons(ui, |ui| {
            let go = primary_button(ui, "Export", ready).clicked() || (enter && ready);
            if ui.button("Cancel").clicked() {
                out.push(Command::CloseDialog);
            } else if go {
                out.push(command);
                self.draft = None;
            }
        });
    }
}

impl ExportDraft {
    fn new(open: &OpenDocument, app: &App) -> Self {
        let mut draft = Self {
            document: open.id,
            kind: Kind::Labels(ExportKind::ClassMap),
            class: app.current_class,
            path: PathBuf::new(),
            text: String::new(),
            exists: false,
            own_path: false,
            no_file_dialog: false,
        };
        draft.propose(open, &app.inspector);
        draft
    }

    fn kind(&self) -> Kind {
        match self.kind {
            Kind::Labels(ExportKind::Binary(_)) => Kind::Labels(ExportKind::Binary(self.class)),
            kind => kind,
        }
    }

    fn command(&self, path: PathBuf) -> Command {
        match self.kind() {
            Kind::Labels(kind) => Command::Export(kind, path),
            Kind::Attention(kind) => Command::ExportAttention(kind, path),
        }
    }

    fn kinds(&mut self, ui: &mut Ui, open: &OpenDocument, app: &App) {
        let before = self.kind();
        if app.inspector.shown {
            ui.label(RichText::new("Labels").family(theme::semibold()));
        }
        for (kind, name, what) in LABELS {
            self.offer(ui, Kind::Labels(kind), (name, what), None);
        }
        if matches!(self.kind, Kind::Labels(ExportKind::Binary(_))) {
            let classes = open.document().classes();
            egui::ComboBox::from_label("Class")
                .selected_text(classes.name(self.class))
                .show_ui(ui, |ui| {
                    for class in classes.iter().filter(|class| class.id != BACKGROUND) {
                        ui.selectable_value(&mut self.class, class.id, &class.name);
                    }
                });
        }
        if app.inspector.shown {
            ui.label(RichText::new("Attention").family(theme::semibold()));
            for kind in AttentionExport::ALL {
                let words = (kind.name(), kind.meaning());
                self.offer(ui, Kind::Attention(kind), words, kind.blocked(app));
            }
        }
        let now = self.kind();
        if now != before {
            self.choose(now, open, app);
        }
    }

    /// A kind, with its name and meaning, and why it is not to be had.
    fn offer(
        &mut self,
        ui: &mut Ui,
        kind: Kind,
        (name, meaning): (&str, &str),
        blocked: Option<&str>,
    ) {
        let on = match (self.kind, kind) {
            (Kind::Labels(a), Kind::Labels(b)) => {
                std::mem::discriminant(&a) == std::mem::discriminant(&b)
            }
            (a, b) => a == b,
        };
        let response = ui
            .add_enabled(blocked.is_none(), RadioButton::new(on, name))
            .on_hover_text(meaning)
            .on_disabled_hover_text(blocked.unwrap_or_default());
        if response.clicked() {
            self.kind = kind;
        }
        if on {
            ui.indent(name, |ui| ui.label(dim(ui, meaning)));
        }
    }

    /// A path of the user's own keeps its name and gets the other format's
    /// extension.
    fn choose(&mut self, kind: Kind, open: &OpenDocument, app: &App) {
        self.kind = kind;
        if !self.own_path {
            return self.propose(open, &app.inspector);
        }
        let extension = match kind {
            Kind::Labels(_) => "png",
            Kind::Attention(kind) => kind.extension(),
        };
        let other = |known: &OsStr| !known.eq_ignore_ascii_case(extension);
        if self.path.extension().is_some_and(other) {
            self.set_path(self.path.with_extension(extension));
            self.text = self.path.display().to_string();
        }
    }

    /// A file in the photo's export folder whose name says what is in it.
    fn propose(&mut self, open: &OpenDocument, inspector: &Inspector) {
        self.set_path(match self.kind() {
            Kind::Labels(kind) => kind.proposed_path(&open.path, open.document().classes()),
            Kind::Attention(kind) => kind.proposed_path(&open.path, inspector),
        });
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
