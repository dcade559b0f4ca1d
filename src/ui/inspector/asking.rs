//! Whose attention is looked at, and which way.

use egui::{ComboBox, Ui};

use super::panel::about;
use crate::app::inspector::{Asking, AttentionCommand};
use crate::app::{App, Command, OpenDocument};
use crate::attention::Direction;
use crate::ui::theme::space;
use crate::ui::widgets::dim;

/// The choice of tokens, and of the direction.
pub fn show(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
    ui.label(dim(ui, "Look from"));
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        for asking in [
            Asking::Pointer,
            Asking::Pinned,
            Asking::Class,
            Asking::Segment,
            Asking::Stroke,
            Asking::Prompt,
        ] {
            let blocked = blocked(app, asking);
            let chosen = app.inspector.asking == asking;
            let name = name(app, asking);
            let button = egui::Button::selectable(chosen, name);
            let response = ui
                .add_enabled(blocked.is_none() || chosen, button)
                .on_hover_text(meaning(asking))
                .on_disabled_hover_text(blocked.unwrap_or_default());
            if response.clicked() {
                out.push(about(AttentionCommand::AskFrom(asking)));
            }
        }
    });
    if app.inspector.asking == Asking::Prompt {
        prompt_tokens(ui, app);
    } else {
        direction(ui, app);
    }
}

fn name(app: &App, asking: Asking) -> String {
    match (asking, app.inspector.pinned.len()) {
        (Asking::Pinned, count) if count > 0 => format!("Pinned ({count})"),
        _ => asking.name().to_owned(),
    }
}

fn meaning(asking: Asking) -> &'static str {
    match asking {
        Asking::Pointer => "The token under the pointer",
        Asking::Class => "The token that stands for the whole photo",
        Asking::Pinned => "The mean of the tokens that were clicked; a right click unpins all",
        Asking::Stroke => "The mean of the tokens under the last stroke",
        Asking::Segment => "The mean of the tokens under the selected segments",
        Asking::Prompt => "What the prompt decoder looks at for the points and the box",
    }
}

fn blocked(app: &App, asking: Asking) -> Option<&'static str> {
    let inspector = &app.inspector;
    let nothing = |nothing: bool, why| nothing.then_some(why);
    match asking {
        Asking::Pointer => None,
        Asking::Class => nothing(
            !inspector
                .inspection()
                .is_some_and(|known| known.layers.have_class_token()),
            "This model has no class token",
        ),
        Asking::Pinned => nothing(inspector.pinned.is_empty(), "Click a token on the photo"),
        Asking::Stroke => nothing(
            inspector.stroke.is_empty(),
            "Drag over the photo with the attention tool",
        ),
        Asking::Segment => nothing(
            app.open
                .as_ref()
                .is_none_or(|open| open.selection.is_empty()),
            "Select a segment first",
        ),
        Asking::Prompt => prompt_blocked(app),
    }
}

fn prompt_blocked(app: &App) -> Option<&'static str> {
    let prompts = app
        .inspector
        .inspection()
        .is_some_and(|known| known.model.can(crate::models::Capability::Prompts));
    let asked = |open: &OpenDocument| !open.prompting.is_empty();
    if !prompts {
        return Some("This model takes no prompts: choose MobileSAM or a SAM");
    }
    let none = !app.open.as_ref().is_some_and(asked);
    none.then_some("Give a prompt first: points (P) or a box (R)")
}

fn direction(ui: &mut Ui, app: &mut App) {
    let mut reverse = app.inspector.direction == Direction::To;
    let changed = ui
        .checkbox(&mut reverse, "Who looks here")
        .on_hover_text("The other way round: how much of its attention each token spends here")
        .changed();
    if changed {
        app.inspector.direction = if reverse {
            Direction::To
        } else {
            Direction::From
        };
    }
}

/// Which token of the prompt decoder is asked.
fn prompt_tokens(ui: &mut Ui, app: &mut App) {
    let Some(found) = app.inspector.prompt() else {
        ui.label(dim(ui, "Give a prompt with points (P) or a box (R)"));
        return;
    };
    let tokens = found.tokens.clone();
    let chosen = app.inspector.asked_token().unwrap_or_default();
    let text = tokens.get(chosen).cloned().unwrap_or_default();
    let response = ComboBox::from_id_salt("prompt token")
        .selected_text(text)
        .show_ui(ui, |ui| {
            for (at, name) in tokens.iter().enumerate() {
                let label = ui.selectable_label(at == chosen, name);
                if label.clicked() {
                    app.inspector.prompt_token = Some(at);
                }
            }
        })
        .response;
    response
        .on_hover_text("Where this token of the decoder looks, and who on the photo looks at it");
}
