//! The strip with the folder's photos: names in order, a dot for what is
//! labelled.

use egui::{AtomExt as _, Button, RichText, ScrollArea, Ui};

use super::icons;
use super::theme::{self, size};
use super::widgets::command_button;
use crate::app::{App, Command};
use crate::dataset::PhotoStatus;

/// Width of one photo's place in the strip.
const PLACE: f32 = 128.0;

/// What the strip remembers between frames.
#[derive(Default)]
pub struct Filmstrip {
    shown: Option<usize>,
}

impl Filmstrip {
    /// The strip. Only places that can be seen are laid out, so that a folder of
    /// a hundred thousand photos costs no more than one of ten.
    pub fn show(&mut self, ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
        let Some(folder) = &app.folder else { return };
        let current = app
            .open
            .as_ref()
            .and_then(|open| folder.position(&open.path));
        ui.horizontal_centered(|ui| {
            command_button(
                ui,
                app,
                out,
                icons::CARET_LEFT,
                "Previous photo",
                Command::PreviousPhoto,
            );
            command_button(
                ui,
                app,
                out,
                icons::CARET_RIGHT,
                "Next photo",
                Command::NextPhoto,
            );
            let mut area = ScrollArea::horizontal().auto_shrink([false, false]);
            if self.shown != current {
                self.shown = current;
                let middle = current.unwrap_or(0) as f32 * PLACE - ui.available_width() / 2.0;
                area = area.horizontal_scroll_offset((middle + PLACE / 2.0).max(0.0));
            }
            area.show_viewport(ui, |ui, viewport| {
                ui.set_width(PLACE * folder.photos.len() as f32);
                let first = (viewport.min.x / PLACE).floor().max(0.0) as usize;
                let last = ((viewport.max.x / PLACE).ceil() as usize).min(folder.photos.len());
                let top_left = ui.max_rect().min;
                let height = ui.available_height();
                for at in first..last {
                    let entry = &folder.photos[at];
                    let min = top_left + egui::Vec2::new(at as f32 * PLACE, 0.0);
                    let place = egui::Rect::from_min_size(min, egui::Vec2::new(PLACE, height));
                    let rect = place.shrink2(egui::Vec2::new(2.0, 4.0));
                    let name = entry.path.file_name().unwrap_or(entry.path.as_os_str());
                    let name = name.to_string_lossy();
                    let text = RichText::new(name.as_ref()).atom_shrink(true);
                    let face = Button::new((dot(ui, entry.status), text))
                        .truncate()
                        .frame_when_inactive(false)
                        .selected(current == Some(at));
                    let response = ui.put(rect, face).accessible_name(format!("Photo {name}"));
                    if response
                        .on_hover_text(entry.path.display().to_string())
                        .clicked()
                    {
                        out.push(Command::Open(entry.path.clone()));
                    }
                }
            });
        });
    }
}

fn dot(ui: &Ui, status: PhotoStatus) -> RichText {
    let colors = theme::colors(ui.ctx());
    let (text, color) = match status {
        PhotoStatus::Unlabelled => ("○", colors.dim),
        _ => ("●", colors.good),
    };
    RichText::new(text).color(color).size(size::SWATCH - 3.0)
}
