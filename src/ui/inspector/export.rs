//! The way to files of what is shown.

use egui::{Button, Ui};

use crate::app::{App, Command};
use crate::ui::theme::space;
use crate::ui::widgets::with_key;

/// A button that opens the dialog.
pub fn show(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    ui.add_space(space::S);
    let command = Command::AskForAttentionExport;
    let blocked = command.blocked(app);
    let what = "Heatmaps and sheets as pictures, attention as numbers, a description";
    let tip = format!("{}\n{what}", with_key(ui, "Export attention", &command));
    let response = ui
        .add_enabled(blocked.is_none(), Button::new("Export…"))
        .on_hover_text(tip)
        .on_disabled_hover_text(blocked.unwrap_or_default());
    if response.clicked() {
        out.push(command);
    }
}
