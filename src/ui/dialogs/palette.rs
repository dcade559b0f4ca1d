//! The palette: every command by name.

use egui::{Button, Key, ScrollArea, TextEdit, Ui};

use crate::app::{App, Command};
use crate::ui::keys;
use crate::ui::theme::size;
use crate::ui::widgets::dim;

/// Which of the commands found is chosen.
#[derive(Default)]
pub struct Palette {
    chosen: usize,
}

impl Palette {
    /// The dialog; a `fresh` one takes the keyboard.
    pub fn show(
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
            .iter()
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

fn matches(name: &str, query: &str) -> bool {
    let name = name.to_lowercase();
    query
        .to_lowercase()
        .split_whitespace()
        .all(|word| name.contains(word))
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
