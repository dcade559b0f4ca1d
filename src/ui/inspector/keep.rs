//! From attention to labels.

use egui::{ProgressBar, ScrollArea, Ui};

use super::panel::about;
use super::style::percent;
use crate::app::inspector::{AttentionCommand, Hit, Search};
use crate::app::{App, Command, OpenDocument};
use crate::ui::icons;
use crate::ui::theme::{size, space};
use crate::ui::widgets::{dim, icon_button, score, with_key};

/// Masks, prompts and more like this.
pub fn show(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
    let look = &mut app.settings.attention;
    let meaning = "The outlined tokens hold this share of the attention";
    percent(ui, "Holds", meaning, &mut look.mass, 1.0);
    ui.horizontal(|ui| {
        let tip = "Offer the outlined part, along the photo's edges; Enter keeps it";
        button(ui, app, "As proposal", tip, AttentionCommand::Propose, out);
        let tip = "Points and a box for the prompt decoder";
        button(ui, app, "As prompt", tip, AttentionCommand::Prompt, out);
    });
    brush(ui, app);
    ui.add_space(space::S);
    let released = percent(
        ui,
        "Strict",
        "How alike tokens must be: 0 % is what suits the chosen part",
        &mut app.settings.attention.strictness,
        1.0,
    );
    if released && app.inspector.similar.is_some() && app.has_part() {
        out.push(about(AttentionCommand::MoreLikeThis));
    }
    ui.horizontal(|ui| {
        let tip = "Offer what is like the selected segments, by the tokens' features";
        button(
            ui,
            app,
            "More like this",
            tip,
            AttentionCommand::MoreLikeThis,
            out,
        );
        let tip = "Look for more on all photos of the folder";
        button(
            ui,
            app,
            "In the folder",
            tip,
            AttentionCommand::SearchFolder,
            out,
        );
    });
    if let Some(open) = &app.open {
        candidates(ui, open, out);
    }
    if let Some(search) = &app.inspector.search {
        hits(ui, search, out);
    }
}

/// A button of a command, with its key and why it can do nothing.
fn button(
    ui: &mut Ui,
    app: &App,
    name: &str,
    meaning: &str,
    command: AttentionCommand,
    out: &mut Vec<Command>,
) {
    let command = about(command);
    let blocked = command.blocked(app);
    let tip = format!("{}\n{meaning}", with_key(ui, name, &command));
    let response = ui
        .add_enabled(blocked.is_none(), egui::Button::new(name))
        .on_hover_text(tip)
        .on_disabled_hover_text(blocked.unwrap_or_default());
    if response.clicked() {
        out.push(command);
    }
}

fn brush(ui: &mut Ui, app: &mut App) {
    let tip = "A stroke grows along what the shown attention heads connect, from where it began";
    ui.checkbox(&mut app.inspector.grows, "Attention brush")
        .on_hover_text(tip);
    if app.inspector.grows {
        let meaning = "How far the attention brush reaches: the share of attention it follows";
        percent(ui, "Reach", meaning, &mut app.settings.attention.reach, 1.0);
    }
}

/// What was found on this photo, the best first.
fn candidates(ui: &mut Ui, open: &OpenDocument, out: &mut Vec<Command>) {
    let Some(offered) = open
        .prompting
        .everything
        .as_ref()
        .filter(|_| open.prompting.labels.is_empty())
    else {
        return;
    };
    ui.add_space(space::XS);
    ui.label(dim(
        ui,
        format!("{} candidates: Enter keeps all", offered.len()),
    ));
    ScrollArea::vertical()
        .id_salt("candidates")
        .max_height(4.0 * size::ROW)
        .min_scrolled_height(4.0 * size::ROW)
        .auto_shrink([false, true])
        .show_rows(ui, size::ROW, offered.len(), |ui, range| {
            for at in range {
                ui.horizontal(|ui| {
                    let name = format!("Keep candidate {}", offered[at].number + 1);
                    if icon_button(ui, icons::CHECK, &name).clicked() {
                        out.push(Command::AcceptOne(at));
                    }
                    ui.label(format!("Candidate {}", offered[at].number + 1));
                    ui.label(dim(ui, score(offered[at].score)));
                });
            }
        });
}

/// How much of so many things is done, with a button that stops it. Whether
/// that was pressed.
pub fn progress(ui: &mut Ui, (done, total, what): (usize, usize, &str), stop: &str) -> bool {
    // The button comes first: the bar takes what is left of the panel.
    let layout = egui::Layout::right_to_left(egui::Align::Center);
    let height = egui::Vec2::new(ui.available_width(), size::ROW);
    let shown = ui.allocate_ui_with_layout(height, layout, |ui| {
        let stopped = icon_button(ui, icons::CLOSE, stop).clicked();
        let share = done as f32 / total.max(1) as f32;
        let bar = ProgressBar::new(share).desired_width(ui.available_width());
        ui.add(bar.text(format!("{done} of {total} {what}")));
        stopped
    });
    shown.inner
}

/// What was found in the folder, the best first.
fn hits(ui: &mut Ui, search: &Search, out: &mut Vec<Command>) {
    ui.add_space(space::XS);
    let (done, total) = (search.done(), search.total);
    if search.is_running() {
        if progress(ui, (done, total, "photos"), "Stop the search") {
            out.push(about(AttentionCommand::StopSearch));
        }
    } else {
        let text = format!(
            "{} of {total} photos have something like it",
            search.hits.len()
        );
        ui.label(dim(ui, text));
    }
    ScrollArea::vertical()
        .id_salt("hits")
        .max_height(6.0 * size::ROW)
        .min_scrolled_height(6.0 * size::ROW)
        .auto_shrink([false, true])
        .show_rows(ui, size::ROW, search.hits.len(), |ui, range| {
            for hit in &search.hits[range] {
                found(ui, hit, out);
            }
        });
}

fn found(ui: &mut Ui, hit: &Hit, out: &mut Vec<Command>) {
    let name = hit.path.file_name().unwrap_or(hit.path.as_os_str());
    let name = name.to_string_lossy();
    ui.horizontal(|ui| {
        ui.label(dim(ui, score(hit.score)));
        let areas = match hit.areas {
            1 => "1 area".to_owned(),
            many => format!("{many} areas"),
        };
        let text = format!("{name}  ·  {areas}");
        let response = ui.add(egui::Button::new(text).frame(false).truncate());
        if response
            .on_hover_text("Open it, with what was found on offer")
            .clicked()
        {
            out.push(about(AttentionCommand::ShowHit(hit.path.clone())));
        }
    });
}
