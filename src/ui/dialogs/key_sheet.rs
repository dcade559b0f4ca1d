//! The sheet with all keys.

use egui::{Align, Layout, RichText, ScrollArea, Ui};

use crate::ui::keys;
use crate::ui::theme::{self, space};
use crate::ui::widgets::dim;

/// The dialog.
pub fn show(ui: &mut Ui) {
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
