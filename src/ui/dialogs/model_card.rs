//! What the chosen model is: its card.

use egui::{Grid, ScrollArea, Ui};

use super::buttons;
use crate::app::{App, Command};
use crate::models::ModelInfo;
use crate::ui::model_menu::parameters;
use crate::ui::theme::space;
use crate::ui::widgets::{dim, grouped, primary_button};

/// The dialog.
pub fn show(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let Some(info) = &app.model else {
        ui.heading("No model");
        ui.label(dim(ui, "No model is loaded: see Messages in the menu"));
        return;
    };
    ui.heading(info.title.to_string());
    facts(ui, info);
    if !info.labels.classes.is_empty() {
        labels(ui, info);
    }
    buttons(ui, |ui| {
        if primary_button(ui, "Done", true).clicked() {
            out.push(Command::CloseDialog);
        }
        if !info.labels.classes.is_empty() {
            let blocked = Command::AdoptLabels.blocked(app);
            let adopt = ui
                .add_enabled(blocked.is_none(), egui::Button::new("Use its classes"))
                .on_hover_text("Add the model's classes to those of this photo")
                .on_disabled_hover_text(blocked.unwrap_or_default());
            if adopt.clicked() {
                out.push(Command::AdoptLabels);
                out.push(Command::CloseDialog);
            }
        }
    });
}

fn facts(ui: &mut Ui, info: &ModelInfo) {
    let can: Vec<&str> = info.capabilities.iter().map(|c| c.verb()).collect();
    let place = if info.embedded {
        "built in".to_owned()
    } else {
        info.name.to_string()
    };
    let rows = [
        ("Architecture", info.family.title().to_owned()),
        ("Size", parameters(info.parameters)),
        ("Can", can.join(", ")),
        ("Licence", info.licence.to_string()),
        ("From", place),
    ];
    Grid::new("model card")
        .num_columns(2)
        .spacing([space::L, space::XS])
        .show(ui, |ui| {
            for (name, value) in rows {
                ui.label(dim(ui, name));
                ui.add(egui::Label::new(value).wrap().selectable(true));
                ui.end_row();
            }
        });
}

fn labels(ui: &mut Ui, info: &ModelInfo) {
    let count = info.labels.classes.len() as u64;
    ui.label(dim(ui, format!("{} classes", grouped(count))));
    ScrollArea::vertical()
        .max_height(160.0)
        .auto_shrink([false, true])
        .show_rows(
            ui,
            ui.spacing().interact_size.y,
            info.labels.classes.len(),
            |ui, rows| {
                for label in &info.labels.classes[rows] {
                    ui.horizontal(|ui| {
                        ui.label(dim(ui, label.id.to_string()));
                        ui.add(egui::Label::new(&label.name).truncate());
                    });
                }
            },
        );
}
