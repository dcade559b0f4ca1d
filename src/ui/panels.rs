//! The panels at the right: classes and segments.

use egui::{
    Align, Button, CollapsingHeader, Layout, RichText, ScrollArea, Sense, TextEdit, Ui, Vec2,
};

use super::icons;
use super::theme::{self, size, space};
use super::widgets::{dim, grouped, icon_button, icon_toggle, swatch};
use crate::app::{App, Command, OpenDocument};
use crate::label::{BACKGROUND, Class, ClassId, IGNORE, Segment};
use crate::worker::DocumentId;

/// What is being typed in a panel.
#[derive(Default)]
pub struct Panels {
    /// The class that is being renamed, and its new name so far.
    renaming: Option<(ClassId, String)>,
    /// The name of the class to add, so far.
    adding: Option<String>,
    /// A colour that is being chosen: applied when the picker closes, so that one
    /// choice is one undo step.
    recoloring: Option<(ClassId, [u8; 3])>,
    /// The photo that this is about.
    document: Option<DocumentId>,
    /// The selection that the list was last scrolled to.
    shown_selection: Vec<u16>,
}

impl Panels {
    /// Both panels.
    pub fn show(&mut self, ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
        let Some(open) = &app.open else {
            ui.add_space(space::L);
            ui.vertical_centered(|ui| {
                ui.label(dim(ui, "Classes and segments of the photo appear here"));
            });
            return;
        };
        if self.document != Some(open.id) {
            *self = Self {
                document: Some(open.id),
                ..Self::default()
            };
        }
        let classes_height = (ui.available_height() * 0.45).max(120.0);
        self.header(ui, "Classes", |panels, ui| {
            if icon_button(ui, icons::PLUS, "Add class").clicked() {
                panels.adding = Some(String::new());
            }
        });
        ScrollArea::vertical()
            .id_salt("classes")
            .max_height(classes_height)
            .auto_shrink([false, true])
            .show(ui, |ui| {
                self.classes(ui, app, open, out);
            });
        ui.add_space(space::S);
        ui.separator();
        let count = open.document().segments().len();
        self.header(ui, &format!("Segments  {count}"), |_, _| {});
        self.segments(ui, open, out);
    }

    fn header(&mut self, ui: &mut Ui, title: &str, buttons: impl FnOnce(&mut Self, &mut Ui)) {
        ui.horizontal(|ui| {
            ui.set_min_height(size::ROW);
            ui.heading(title);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| buttons(self, ui));
        });
    }

    fn classes(&mut self, ui: &mut Ui, app: &App, open: &OpenDocument, out: &mut Vec<Command>) {
        let classes = open.document().classes();
        for class in classes.iter().filter(|class| class.id != BACKGROUND) {
            self.class_row(ui, app, class, out);
        }
        ignore_row(ui, app, out);
        if let Some(mut name) = self.adding.take() {
            let response = ui.add(
                TextEdit::singleline(&mut name)
                    .hint_text("Name of the new class")
                    .desired_width(f32::INFINITY),
            );
            let response = response.accessible_name("Name of the new class");
            let entered = ui.input(|input| input.key_pressed(egui::Key::Enter));
            if response.lost_focus() {
                if entered && !name.trim().is_empty() {
                    out.push(Command::AddClass(name.trim().to_owned()));
                }
            } else {
                response.request_focus();
                self.adding = Some(name);
            }
        }
    }

    fn class_row(&mut self, ui: &mut Ui, app: &App, class: &Class, out: &mut Vec<Command>) {
        let current = app.current_class == class.id;
        row(ui, current, |ui| {
            self.color_button(ui, class, out);
            if self
                .renaming
                .as_ref()
                .is_some_and(|(id, _)| *id == class.id)
            {
                self.rename_field(ui, out);
                return;
            }
            let number = if class.id <= 9 {
                class.id.to_string()
            } else {
                String::new()
            };
            let width = ui.available_width() - 2.0 * size::ROW - space::L;
            let name = format!("{}  {}", class.id, class.name);
            let response = ui
                .add_sized(Vec2::new(width, size::ROW), name_button(&name, current))
                .accessible_name(format!("Class {}", class.name))
                .on_hover_text(if number.is_empty() {
                    "Click to use it, double click to rename it".to_owned()
                } else {
                    format!("Click to use it ({number}), double click to rename it")
                });
            if response.double_clicked() {
                self.renaming = Some((class.id, class.name.clone()));
            } else if response.clicked() {
                out.push(Command::PickClass(class.id));
            }
            response.context_menu(|ui| {
                if ui.button("Rename").clicked() {
                    self.renaming = Some((class.id, class.name.clone()));
                    ui.close();
                }
                if ui.button("Delete").clicked() {
                    out.push(Command::DeleteClass(class.id));
                    ui.close();
                }
            });
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let name = format!("Delete class {}", class.name);
                if icon_toggle(ui, icons::TRASH, &name, false, false).clicked() {
                    out.push(Command::DeleteClass(class.id));
                }
            });
        });
    }

    fn rename_field(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        let Some((id, mut name)) = self.renaming.take() else {
            return;
        };
        let response = ui.add(TextEdit::singleline(&mut name).desired_width(ui.available_width()));
        let response = response.accessible_name("New name of the class");
        let escaped = ui.input(|input| input.key_pressed(egui::Key::Escape));
        if response.lost_focus() {
            if !escaped && !name.trim().is_empty() {
                out.push(Command::RenameClass(id, name.trim().to_owned()));
            }
        } else {
            response.request_focus();
            self.renaming = Some((id, name));
        }
    }

    fn color_button(&mut self, ui: &mut Ui, class: &Class, out: &mut Vec<Command>) {
        let mut color = match self.recoloring {
            Some((id, color)) if id == class.id => color,
            _ => class.color,
        };
        let id = ui.scope(|ui| {
            ui.spacing_mut().interact_size = Vec2::splat(size::SWATCH);
            let response = ui
                .color_edit_button_srgb(&mut color)
                .accessible_name(format!("Colour of {}", class.name))
                .on_hover_text("Change the colour");
            if response.changed() {
                self.recoloring = Some((class.id, color));
            }
            response.id
        });
        let _ = id;
        if let Some((id, color)) = self.recoloring
            && id == class.id
            && !egui::Popup::is_any_open(ui.ctx())
        {
            self.recoloring = None;
            if color != class.color {
                out.push(Command::RecolorClass(id, color));
            }
        }
    }

    fn segments(&mut self, ui: &mut Ui, open: &OpenDocument, out: &mut Vec<Command>) {
        let segments = open.document().segments();
        if segments.is_empty() {
            ui.add_space(space::S);
            ui.vertical_centered(|ui| {
                ui.label(dim(ui, "Click an object in the photo, or paint one"));
            });
            return;
        }
        let mut area = ScrollArea::vertical()
            .id_salt("segments")
            .auto_shrink([false, false]);
        // A selection made on the canvas is brought into view.
        if self.shown_selection != open.selection {
            self.shown_selection.clone_from(&open.selection);
            if let [only] = open.selection[..]
                && let Some(at) = segments.iter().position(|segment| segment.id == only)
            {
                let row = size::ROW + ui.spacing().item_spacing.y;
                let middle = (at as f32 * row - ui.available_height() / 2.0).max(0.0);
                area = area.vertical_scroll_offset(middle);
            }
        }
        area.show_rows(ui, size::ROW, segments.len(), |ui, range| {
            for segment in &segments[range] {
                segment_row(ui, open, segment, out);
            }
        });
    }
}

/// A list row: full width, highlighted when it is the current one.
fn row(ui: &mut Ui, current: bool, content: impl FnOnce(&mut Ui)) {
    let rect =
        egui::Rect::from_min_size(ui.cursor().min, Vec2::new(ui.available_width(), size::ROW));
    if current {
        let fill = ui.visuals().selection.bg_fill;
        ui.painter()
            .rect_filled(rect, f32::from(size::CORNER), fill);
    }
    ui.allocate_ui_with_layout(rect.size(), Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_size(rect.size());
        ui.add_space(space::S);
        content(ui);
    });
}

fn name_button(name: &str, current: bool) -> Button<'static> {
    let mut text = RichText::new(name);
    if current {
        text = text.family(theme::semibold());
    }
    Button::new(text).frame(false).truncate().right_text("")
}

fn ignore_row(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let current = app.current_class == IGNORE;
    row(ui, current, |ui| {
        swatch(ui, theme::colors(ui.ctx()).dim, true);
        let width = ui.available_width() - space::L;
        let response = ui
            .add_sized(
                Vec2::new(width, size::ROW),
                name_button("255  ignore", current),
            )
            .accessible_name("Class ignore")
            .on_hover_text("Pixels that training and evaluation leave out");
        if response.clicked() {
            out.push(Command::PickClass(IGNORE));
        }
    });
}

fn segment_row(ui: &mut Ui, open: &OpenDocument, segment: &Segment, out: &mut Vec<Command>) {
    let selected = open.selection.contains(&segment.id);
    let classes = open.document().classes();
    ui.push_id(("segment", segment.id), |ui| {
        row(ui, selected, |ui| {
            swatch(
                ui,
                theme::class_color(classes.color(segment.class)),
                segment.class == IGNORE,
            );
            let name = format!(
                "{}  {}",
                segment.id,
                super::class_name(classes, segment.class)
            );
            let width = ui.available_width() - 2.0 * size::ROW - 100.0;
            let response = ui
                .add_sized(
                    Vec2::new(width.max(60.0), size::ROW),
                    name_button(&name, selected),
                )
                .accessible_name(format!("Segment {}", segment.id))
                .on_hover_text(
                    "Click to select, Shift adds, double click zooms, right click for more",
                );
            if response.double_clicked() {
                out.push(Command::Select(vec![segment.id]));
                out.push(Command::ZoomToSegment);
            } else if response.clicked() {
                let add = ui.input(|input| input.modifiers.shift || input.modifiers.command);
                out.push(if add {
                    Command::ToggleSelected(segment.id)
                } else {
                    Command::Select(vec![segment.id])
                });
            }
            response.context_menu(|ui| segment_menu(ui, open, segment, out));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                segment_toggles(ui, segment, out);
                let area = RichText::new(format!("{} px", grouped(segment.area))).small();
                ui.add(
                    egui::Label::new(area.color(theme::colors(ui.ctx()).dim)).sense(Sense::hover()),
                );
            });
        });
    });
}

fn segment_toggles(ui: &mut Ui, segment: &Segment, out: &mut Vec<Command>) {
    let (icon, name) = if segment.locked {
        (icons::LOCK, format!("Unlock segment {}", segment.id))
    } else {
        (icons::UNLOCK, format!("Lock segment {}", segment.id))
    };
    if icon_toggle(ui, icon, &name, segment.locked, segment.locked).clicked() {
        out.push(Command::SetLocked(segment.id, !segment.locked));
    }
    let (icon, name) = if segment.hidden {
        (icons::EYE_OFF, format!("Show segment {}", segment.id))
    } else {
        (icons::EYE, format!("Hide segment {}", segment.id))
    };
    if icon_toggle(ui, icon, &name, segment.hidden, segment.hidden).clicked() {
        out.push(Command::SetHidden(segment.id, !segment.hidden));
    }
}

fn segment_menu(ui: &mut Ui, open: &OpenDocument, segment: &Segment, out: &mut Vec<Command>) {
    let select = |out: &mut Vec<Command>| {
        if !open.selection.contains(&segment.id) {
            out.push(Command::Select(vec![segment.id]));
        }
    };
    ui.menu_button("Change class", |ui| {
        for class in open
            .document()
            .classes()
            .iter()
            .filter(|class| class.id != BACKGROUND)
        {
            if ui.radio(segment.class == class.id, &class.name).clicked() {
                out.push(Command::SetClass(segment.id, class.id));
                ui.close();
            }
        }
    });
    if ui.button("Zoom to segment").clicked() {
        out.push(Command::Select(vec![segment.id]));
        out.push(Command::ZoomToSegment);
        ui.close();
    }
    let can_merge = open.selection.len() > 1 && open.selection.contains(&segment.id);
    if ui
        .add_enabled(can_merge, Button::new("Merge selected"))
        .clicked()
    {
        out.push(Command::MergeSelected);
        ui.close();
    }
    if ui.button("Delete").clicked() {
        select(out);
        out.push(Command::DeleteSelected);
        ui.close();
    }
}

/// Kept closed by default: a 16-bit or float photo's display window.
pub fn display_window(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let Some(window) = app.open.as_ref().and_then(|open| open.photo.window()) else {
        return;
    };
    CollapsingHeader::new("Display window")
        .default_open(true)
        .show(ui, |ui| {
            let (mut lo, mut hi) = (window.lo, window.hi);
            let speed = ((window.max - window.min) / 500.0).max(f32::MIN_POSITIVE);
            ui.horizontal(|ui| {
                ui.label(dim(ui, "Black"));
                let range = window.min..=window.max;
                let low = ui.add(
                    egui::DragValue::new(&mut lo)
                        .speed(speed)
                        .range(range.clone()),
                );
                ui.label(dim(ui, "White"));
                let high = ui.add(egui::DragValue::new(&mut hi).speed(speed).range(range));
                if (low.changed() || high.changed()) && lo < hi {
                    out.push(Command::SetWindow(lo, hi));
                }
            });
        });
}
