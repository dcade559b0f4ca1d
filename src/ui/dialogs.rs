//! The dialogs; at most one is shown, over a dimmed window.

use std::path::PathBuf;

use egui::{
    Align, Button, Context, Grid, Id, Key, Layout, Modal, RichText, ScrollArea, TextEdit, Ui,
};

use super::files::FileDialogs;
use super::theme::{self, size, space};
use super::widgets::{dim, primary_button};
use super::{icons, keys, toasts};
use crate::app::{App, Command, Dialog, OpenDocument, PathPurpose, ThemeChoice, UnsavedAnswer};
use crate::document::ClassRemoval;
use crate::formats::ExportKind;
use crate::label::{BACKGROUND, ClassId};
use crate::worker::DocumentId;

/// What is being typed and chosen in a dialog.
#[derive(Default)]
pub struct Dialogs {
    export: Option<ExportDraft>,
    move_to: Option<ClassId>,
    chosen: usize,
    /// The dialog of the last frame: a new one gets the keyboard.
    shown: Option<std::mem::Discriminant<Dialog>>,
}

/// An export that is being put together.
struct ExportDraft {
    document: DocumentId,
    kind: ExportKind,
    class: ClassId,
    /// The file; its text may not be all of it, for names that are not Unicode.
    path: PathBuf,
    text: String,
    /// The user has changed the path: it no longer follows the kind.
    own_path: bool,
    no_file_dialog: bool,
}

impl Dialogs {
    /// Show the dialog that is due.
    pub fn show(
        &mut self,
        ctx: &Context,
        app: &mut App,
        files: &mut FileDialogs,
        out: &mut Vec<Command>,
    ) {
        let Some(mut dialog) = app.dialog.take() else {
            self.shown = None;
            return;
        };
        let kind = std::mem::discriminant(&dialog);
        let fresh = self.shown != Some(kind);
        if fresh {
            self.shown = Some(kind);
            self.chosen = 0;
            self.move_to = None;
            ctx.memory_mut(|memory| memory.surrender_focus(super::canvas::focus_id()));
        }
        let response = Modal::new(Id::unique("dialog")).show(ctx, |ui| {
            ui.set_width(size::DIALOG);
            ui.spacing_mut().item_spacing.y = space::S;
            self.content(ui, &mut dialog, app, files, out, fresh);
        });
        let closes = response.should_close();
        app.dialog = Some(dialog);
        if closes {
            out.push(match app.dialog {
                Some(Dialog::Unsaved(_)) => Command::Unsaved(UnsavedAnswer::Stay),
                _ => Command::CloseDialog,
            });
        }
    }

    /// Where the file dialog said to export to.
    pub fn set_export_path(&mut self, path: PathBuf) {
        if let Some(draft) = &mut self.export {
            draft.text = path.display().to_string();
            draft.path = path;
            draft.own_path = true;
        }
    }

    /// The desktop has no file dialog.
    pub fn type_export_path(&mut self) {
        if let Some(draft) = &mut self.export {
            draft.no_file_dialog = true;
        }
    }

    fn content(
        &mut self,
        ui: &mut Ui,
        dialog: &mut Dialog,
        app: &mut App,
        files: &mut FileDialogs,
        out: &mut Vec<Command>,
        fresh: bool,
    ) {
        match dialog {
            Dialog::Unsaved(_) => unsaved(ui, app, out),
            Dialog::Path(purpose, text) => path(ui, *purpose, text, fresh, out),
            Dialog::Export => self.export(ui, app, files, out),
            Dialog::DeleteClass(id) => self.delete_class(ui, app, *id, out),
            Dialog::Keys => all_keys(ui),
            Dialog::Palette(query) => self.palette(ui, app, query, fresh, out),
            Dialog::Messages => messages(ui, app),
            Dialog::Settings => settings(ui, app, out),
            Dialog::About => about(ui),
        }
    }

    fn export(&mut self, ui: &mut Ui, app: &App, files: &mut FileDialogs, out: &mut Vec<Command>) {
        let Some(open) = &app.open else {
            out.push(Command::CloseDialog);
            return;
        };
        if self
            .export
            .as_ref()
            .is_none_or(|draft| draft.document != open.id)
        {
            self.export = Some(ExportDraft::new(open, app.current_class));
        }
        let Some(draft) = &mut self.export else {
            return;
        };
        ui.heading("Export");
        draft.kinds(ui, open);
        ui.add_space(space::XS);
        ui.label(dim(ui, "File"));
        ui.horizontal(|ui| {
            let width = ui.available_width() - 90.0;
            let field = TextEdit::singleline(&mut draft.text).desired_width(width);
            if ui.add(field).accessible_name("Export file").changed() {
                draft.path = PathBuf::from(draft.text.trim());
                draft.own_path = true;
            }
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
        if path.exists() {
            let text = "This file exists and will be replaced.";
            ui.label(RichText::new(text).color(theme::colors(ui.ctx()).warning));
        }
        let ready = path.file_name().is_some();
        let enter = ui.input(|input| input.key_pressed(Key::Enter));
        let kind = draft.kind();
        buttons(ui, |ui| {
            let go = primary_button(ui, "Export", ready).clicked() || (enter && ready);
            if ui.button("Cancel").clicked() {
                out.push(Command::CloseDialog);
            } else if go {
                out.push(Command::Export(kind, path));
                self.export = None;
            }
        });
    }

    fn delete_class(&mut self, ui: &mut Ui, app: &App, id: ClassId, out: &mut Vec<Command>) {
        let Some(open) = &app.open else { return };
        let document = open.document();
        let classes = document.classes();
        let used = document
            .segments()
            .iter()
            .filter(|segment| segment.class == id)
            .count();
        let plural = if used == 1 {
            "segment uses"
        } else {
            "segments use"
        };
        ui.heading(format!("Delete class {}", classes.name(id)));
        ui.label(format!("{used} {plural} it. What should become of them?"));
        let others: Vec<_> = classes
            .iter()
            .filter(|class| class.id != id && class.id != BACKGROUND)
            .collect();
        for class in &others {
            let text = format!("Give them the class {}", class.name);
            ui.radio_value(&mut self.move_to, Some(class.id), text);
        }
        ui.radio_value(
            &mut self.move_to,
            None,
            "Delete them too (Undo brings them back)",
        );
        buttons(ui, |ui| {
            if primary_button(ui, "Delete class", true).clicked() {
                let removal = self
                    .move_to
                    .map_or(ClassRemoval::DeleteSegments, ClassRemoval::MoveTo);
                out.push(Command::RemoveClass(id, removal));
            }
            if ui.button("Cancel").clicked() {
                out.push(Command::CloseDialog);
            }
        });
    }

    fn palette(
        &mut self,
        ui: &mut Ui,
        app: &App,
        query: &mut String,
        fresh: bool,
        out: &mut Vec<Command>,
    ) {
        let field = TextEdit::singleline(query)
            .hint_text("Find a command")
            .desired_width(f32::INFINITY);
        let response = ui.add(field).accessible_name("Find a command");
        if fresh {
            response.request_focus();
        }
        if response.changed() {
            self.chosen = 0;
        }
        let found: Vec<_> = keys::actions()
            .into_iter()
            .filter(|action| matches(action.name, query))
            .collect();
        let (up, down, enter) = ui.input(|input| {
            (
                input.key_pressed(Key::ArrowUp),
                input.key_pressed(Key::ArrowDown),
                input.key_pressed(Key::Enter),
            )
        });
        self.chosen = (self.chosen + usize::from(down)).saturating_sub(usize::from(up));
        self.chosen = self.chosen.min(found.len().saturating_sub(1));
        if found.is_empty() {
            ui.label(dim(ui, "No command has such a name"));
        }
        let mut run = None;
        ScrollArea::vertical().max_height(340.0).show(ui, |ui| {
            for (at, action) in found.iter().enumerate() {
                let blocked = action.command.blocked(app);
                let mut button = Button::new(action.name)
                    .selected(at == self.chosen)
                    .frame_when_inactive(at == self.chosen)
                    .min_size(egui::Vec2::new(ui.available_width(), size::ROW));
                if let Some(key) = &action.key {
                    button = button.shortcut_text(keys::text(ui.ctx(), key));
                } else {
                    button = button.right_text("");
                }
                let response = ui.add_enabled(blocked.is_none(), button);
                let response = response.on_disabled_hover_text(blocked.unwrap_or_default());
                if at == self.chosen && (up || down) {
                    response.scroll_to_me(None);
                }
                if response.clicked() || (enter && at == self.chosen && blocked.is_none()) {
                    run = Some(action.command.clone());
                }
            }
        });
        if let Some(command) = run {
            out.push(Command::CloseDialog);
            out.push(command);
        }
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

    /// A file beside the photo whose name says what is in it.
    fn propose(&mut self, open: &OpenDocument) {
        let name = self.kind().file_name(&open.path, open.document().classes());
        self.path = open.path.with_file_name(name);
        self.text = self.path.display().to_string();
    }
}

/// A row of buttons at the right, the first one outermost.
fn buttons(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    ui.add_space(space::S);
    ui.with_layout(Layout::right_to_left(Align::Center), add);
}

fn unsaved(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let name = app
        .open
        .as_ref()
        .map(|open| open.name())
        .unwrap_or_default();
    let read_only = app
        .open
        .as_ref()
        .is_some_and(|open| open.read_only.is_some());
    ui.heading(format!("Save the labels of {name}?"));
    ui.label(if read_only {
        "They were opened read-only and cannot be saved in place. Stay and use Export to keep your changes, or discard them."
    } else {
        "There are changes that are not saved yet."
    });
    buttons(ui, |ui| {
        if !read_only && primary_button(ui, "Save", true).clicked() {
            out.push(Command::Unsaved(UnsavedAnswer::Save));
        }
        if ui.button("Stay").clicked() {
            out.push(Command::Unsaved(UnsavedAnswer::Stay));
        }
        let discard = RichText::new("Discard").color(theme::colors(ui.ctx()).danger);
        if ui.button(discard).clicked() {
            out.push(Command::Unsaved(UnsavedAnswer::Discard));
        }
    });
}

fn path(ui: &mut Ui, purpose: PathPurpose, text: &mut String, fresh: bool, out: &mut Vec<Command>) {
    let what = if purpose == PathPurpose::Folder {
        "folder"
    } else {
        "photo"
    };
    ui.heading(format!("Open {what}"));
    ui.label(dim(
        ui,
        "This desktop offers no file dialog. Type or paste a path, or drop a file on the window.",
    ));
    let field = TextEdit::singleline(text)
        .hint_text("Path")
        .desired_width(f32::INFINITY);
    let response = ui.add(field.cursor_at_end(true)).accessible_name("Path");
    if fresh {
        response.request_focus();
    }
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    let ready = !text.trim().is_empty();
    buttons(ui, |ui| {
        if primary_button(ui, "Open", ready).clicked() || (entered && ready) {
            out.push(Command::CloseDialog);
            out.push(Command::Open(PathBuf::from(text.trim())));
        }
        if ui.button("Cancel").clicked() {
            out.push(Command::CloseDialog);
        }
    });
}

fn all_keys(ui: &mut Ui) {
    ui.heading("Keys");
    ScrollArea::vertical().max_height(460.0).show(ui, |ui| {
        let mut group = "";
        for action in keys::actions() {
            let Some(key) = action.key else { continue };
            if action.group != group {
                group = action.group;
                ui.add_space(space::S);
                ui.label(RichText::new(group).family(theme::semibold()));
            }
            let also = action
                .other
                .map(|key| format!("  or  {}", keys::text(ui.ctx(), &key)));
            key_row(
                ui,
                &(keys::text(ui.ctx(), &key) + &also.unwrap_or_default()),
                action.name,
            );
        }
        ui.add_space(space::S);
        ui.label(RichText::new("Pointer and more").family(theme::semibold()));
        for (key, what) in keys::GESTURES {
            key_row(ui, key, what);
        }
    });
}

fn key_row(ui: &mut Ui, key: &str, what: &str) {
    ui.horizontal(|ui| {
        let width = 150.0;
        ui.allocate_ui_with_layout(
            egui::Vec2::new(width, ui.spacing().interact_size.y / 1.5),
            Layout::left_to_right(Align::Center),
            |ui| {
                ui.set_min_width(width);
                ui.label(dim(ui, key));
            },
        );
        ui.add(egui::Label::new(what).wrap());
    });
}

fn matches(name: &str, query: &str) -> bool {
    let name = name.to_lowercase();
    query
        .to_lowercase()
        .split_whitespace()
        .all(|word| name.contains(word))
}

fn messages(ui: &mut Ui, app: &App) {
    ui.heading("Messages");
    let colors = theme::colors(ui.ctx());
    let mut any = false;
    ScrollArea::vertical()
        .max_height(420.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            for notice in app.notices.history() {
                any = true;
                let (color, icon) = toasts::face(&colors, notice.severity);
                ui.horizontal_top(|ui| {
                    ui.label(
                        RichText::new(icon)
                            .font(theme::icon_font(size::ICON))
                            .color(color),
                    );
                    ui.label(dim(ui, ago(notice.at.elapsed().as_secs())));
                    ui.add(egui::Label::new(&notice.text).wrap().selectable(true));
                });
            }
        });
    if !any {
        ui.label(dim(ui, "Nothing has been said yet"));
    }
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        _ => format!("{} h ago", seconds / 3600),
    }
}

fn settings(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
    ui.heading("Settings");
    Grid::new("settings")
        .num_columns(2)
        .spacing([space::L, space::S])
        .show(ui, |ui| {
            ui.label("Theme");
            ui.horizontal(|ui| {
                for (name, theme) in [
                    ("Dark", ThemeChoice::Dark),
                    ("Light", ThemeChoice::Light),
                    ("As the desktop", ThemeChoice::System),
                ] {
                    ui.selectable_value(&mut app.settings.theme, theme, name);
                }
            });
            ui.end_row();
            ui.label("Contours");
            ui.checkbox(&mut app.settings.contours, "Outline segments");
            ui.end_row();
            ui.label("Going to another photo");
            ui.checkbox(&mut app.settings.save_on_switch, "Save without asking");
            ui.end_row();
            ui.label("Label PNGs");
            ui.checkbox(
                &mut app.settings.voc_palette,
                "Use the VOC palette, not the classes' colours",
            );
            ui.end_row();
            ui.label("Labels of other programs");
            ui.vertical(|ui| {
                ui.checkbox(
                    &mut app.settings.import_one_per_class,
                    "One segment per class, not per area",
                );
                ui.checkbox(
                    &mut app.settings.import_unknown_classes,
                    "Add classes for unknown ids",
                )
                .on_hover_text("Otherwise such a file opens read-only");
            });
            ui.end_row();
            ui.label("Largest photo");
            let megapixels = egui::DragValue::new(&mut app.settings.max_megapixels)
                .range(1..=4000)
                .suffix(" megapixels");
            ui.add(megapixels).accessible_name("Largest photo");
            ui.end_row();
        });
    buttons(ui, |ui| {
        if primary_button(ui, "Done", true).clicked() {
            app.settings.save();
            out.push(Command::CloseDialog);
        }
    });
}

fn about(ui: &mut Ui) {
    ui.heading(format!("PatchLens {}", env!("CARGO_PKG_VERSION")));
    ui.label("Labels images for segmentation with Vision Transformers, offline.");
    ui.label(dim(
        ui,
        "Model: MobileSAM (Zhang et al. 2023), Apache-2.0. Font: Inter, OFL-1.1. Icons: Phosphor, MIT. \
         Sample photo: Rachel Michetti, Pikolo Espresso Bar, CC0. Code: MIT or Apache-2.0.",
    ));
    ui.horizontal(|ui| {
        ui.label(RichText::new(icons::INFO).font(theme::icon_font(size::ICON)));
        ui.label("What the photo shows stays on this computer: PatchLens uses no network.");
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_by_any_of_its_words() {
        assert!(matches("Open photo…", "photo"));
        assert!(matches("Open photo…", "PHO op"));
        assert!(!matches("Open photo…", "folder"));
        assert!(matches("Open photo…", ""));
    }
}
