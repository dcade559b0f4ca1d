//! The settings dialog.

use egui::{Grid, Ui};

use super::buttons;
use crate::app::{App, Command, ThemeChoice};
use crate::ui::theme::space;
use crate::ui::widgets::primary_button;

/// The dialog.
pub fn show(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
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
