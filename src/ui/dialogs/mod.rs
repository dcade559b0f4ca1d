//! The dialogs; at most one is shown, over a dimmed window.

mod export;
mod key_sheet;
mod model_card;
mod palette;
mod settings;

use std::path::PathBuf;

use egui::{Align, Context, Id, Key, Layout, Modal, RichText, ScrollArea, TextEdit, Ui};

use super::files::FileDialogs;
use super::theme::{self, size, space};
use super::widgets::{dim, primary_button};
use super::{icons, toasts};
use crate::app::{App, Command, Dialog, PathPurpose, UnsavedAnswer};
use crate::document::ClassRemoval;
use crate::label::{BACKGROUND, ClassId};
use export::ExportDialog;
use palette::Palette;

/// What is being typed and chosen in a dialog.
#[derive(Default)]
pub struct Dialogs {
    export: ExportDialog,
    move_to: Option<ClassId>,
    palette: Palette,
    /// The dialog of the last frame: a new one gets the keyboard.
    shown: Option<std::mem::Discriminant<Dialog>>,
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
            self.palette = Palette::default();
            self.move_to = default_target(app, &dialog);
            ctx.memory_mut(|memory| memory.surrender_focus(super::canvas::focus_id()));
        }
        let frame = egui::Frame::popup(&ctx.global_style()).inner_margin(space::L);
        let response = Modal::new(id_of(&dialog)).frame(frame).show(ctx, |ui| {
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
        self.export.set_path(path);
    }

    /// The desktop has no file dialog.
    pub fn type_export_path(&mut self) {
        self.export.type_path();
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
            Dialog::Unsaved(_) => unsaved(ui, app, fresh, out),
            Dialog::Path(purpose, text) => path(ui, *purpose, text, fresh, out),
            Dialog::Export | Dialog::ExportAttention => {
                if fresh {
                    let attention = *dialog == Dialog::ExportAttention;
                    self.export.begin(app, attention);
                }
                self.export.show(ui, app, files, out);
            }
            Dialog::DeleteClass(id) => self.delete_class(ui, app, *id, out),
            Dialog::Keys => key_sheet::show(ui),
            Dialog::Palette(query) => self.palette.show(ui, app, query, fresh, out),
            Dialog::Messages => {
                app.notices.mark_seen();
                messages(ui, app);
            }
            Dialog::ModelCard => model_card::show(ui, app, out),
            Dialog::Settings => settings::show(ui, app, out),
            Dialog::About => about(ui),
        }
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
}

/// Segments of a deleted class keep being segments unless the user says otherwise.
fn default_target(app: &App, dialog: &Dialog) -> Option<ClassId> {
    let Dialog::DeleteClass(id) = *dialog else {
        return None;
    };
    let classes = app.open.as_ref()?.document().classes();
    let mut others = classes.iter().map(|class| class.id);
    others.find(|&other| other != id && other != BACKGROUND)
}

/// Each dialog has a place of its own: areas keep the size of what they held.
fn id_of(dialog: &Dialog) -> Id {
    Id::unique(("dialog", std::mem::discriminant(dialog)))
}

/// A row of buttons at the right, the first one outermost.
fn buttons(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    ui.add_space(space::S);
    let row = egui::Vec2::new(ui.available_width(), size::ROW);
    ui.allocate_ui_with_layout(row, Layout::right_to_left(Align::Center), add);
}

fn unsaved(ui: &mut Ui, app: &App, fresh: bool, out: &mut Vec<Command>) {
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
        if !read_only {
            let save = primary_button(ui, "Save", true);
            if fresh {
                save.request_focus();
            }
            if save.clicked() {
                out.push(Command::Unsaved(UnsavedAnswer::Save));
            }
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
    let what = match purpose {
        PathPurpose::Folder => "folder",
        PathPurpose::Model => "model folder",
        PathPurpose::Photo | PathPurpose::Export => "photo",
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
            out.push(match purpose {
                PathPurpose::Model => Command::ChooseModel(text.trim().into()),
                _ => Command::Open(PathBuf::from(text.trim())),
            });
        }
        if ui.button("Cancel").clicked() {
            out.push(Command::CloseDialog);
        }
    });
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

fn about(ui: &mut Ui) {
    ui.heading(format!("PatchLens {}", env!("CARGO_PKG_VERSION")));
    ui.label("Labels images for segmentation with Vision Transformers, offline.");
    ui.label(dim(
        ui,
        "Model: MobileSAM (Zhang et al. 2023), Apache-2.0. Font: Inter, OFL-1.1. Icons: Phosphor, MIT. \
         Sample photo: NASA, public domain. Code: MIT or Apache-2.0.",
    ));
    ui.horizontal(|ui| {
        ui.label(RichText::new(icons::INFO).font(theme::icon_font(size::ICON)));
        ui.label("What the photo shows stays on this computer: PatchLens uses no network.");
    });
}
