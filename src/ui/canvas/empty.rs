//! The canvas while no photo is open.

use egui::{Rect, Ui, Vec2};

use crate::app::{App, Command};
use crate::ui::theme::{size, space};
use crate::ui::widgets::dim;

/// Nothing is open: say what belongs here and offer it.
pub fn show(ui: &mut Ui, rect: Rect, app: &App, out: &mut Vec<Command>) {
    let middle = Rect::from_center_size(rect.center(), Vec2::new(size::DIALOG, 160.0));
    ui.scope_builder(egui::UiBuilder::new().max_rect(middle), |ui| {
        ui.vertical_centered(|ui| {
            if app.is_opening() {
                ui.add(egui::Spinner::new().size(28.0));
                ui.label(dim(ui, "Opening the photo"));
                return;
            }
            ui.heading("Drop a photo or a folder here");
            ui.add_space(space::S);
            ui.label(dim(ui, "or"));
            ui.add_space(space::S);
            for (name, command) in [
                ("Open photo…", Command::AskForPhoto),
                ("Open folder…", Command::AskForFolder),
                ("Open the sample photo", Command::OpenSample),
            ] {
                if ui.button(name).clicked() {
                    out.push(command);
                }
            }
        });
    });
}
