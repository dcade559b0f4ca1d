//! Attention heads off: what changes, and which of them matter most.

use egui::{Label, RichText, ScrollArea, Ui};

use super::keep::progress;
use super::panel::about;
use crate::app::inspector::{AttentionCommand, HeadId, Ranking};
use crate::app::{App, Command};
use crate::ui::theme::{self, size, space};
use crate::ui::widgets::dim;
use crate::worker::{AnalysisKind, Change};

/// What is off, what that changes, and the ranking.
pub fn show(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    if let Some(why) = app.no_prediction() {
        ui.add(Label::new(dim(ui, why)).wrap());
        if !app.inspector.experiment.is_nothing() && ui.button("All on").clicked() {
            out.push(about(AttentionCommand::AllOn));
        }
        return;
    }
    off(ui, app, out);
    ui.add_space(space::XS);
    ranking(ui, app, out);
}

fn off(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let experiment = &app.inspector.experiment;
    let layer = app.inspector.layer;
    ui.horizontal(|ui| {
        let tip = "Its attention heads add nothing then; again switches them on";
        let text = format!("Layer {layer} off");
        if ui.button(text).on_hover_text(tip).clicked() {
            out.push(about(AttentionCommand::ToggleLayerOff(layer)));
        }
        let some = !experiment.is_nothing();
        if ui.add_enabled(some, egui::Button::new("All on")).clicked() {
            out.push(about(AttentionCommand::AllOn));
        }
    });
    if experiment.is_nothing() {
        let hint = "Right click an attention head above and switch it off, to see what the prediction loses";
        ui.add(Label::new(dim(ui, hint).small()).wrap());
        return;
    }
    let count = experiment.encoder.len() + experiment.decoder.len();
    let heads = match count {
        1 => "attention head",
        _ => "attention heads",
    };
    match experiment.change() {
        Some(change) => changed(ui, &format!("Without {count} {heads}"), change),
        None if !app.inspector.awaits(AnalysisKind::WhatIf) => {
            ui.label(dim(ui, format!("Without {count} {heads}: not predicted")));
        }
        None => {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(dim(ui, format!("Predicting without {count} {heads}")));
            });
        }
    }
}

/// The numbers, and what the colours on the canvas mean.
fn changed(ui: &mut Ui, title: &str, change: &Change) {
    let colors = theme::colors(ui.ctx());
    ui.label(RichText::new(title).family(theme::semibold()));
    if let Some(iou) = change.iou {
        let of = match change.of_classes {
            true => "Mean IoU of all classes",
            false => "IoU of the mask",
        };
        let text = format!("{of} {iou:.3}  (\u{394} {:+.3})", iou - 1.0);
        ui.add(Label::new(text).truncate());
    }
    let (before, after) = change.score;
    let what = change.what.as_deref().unwrap_or(match change.of_classes {
        true => "Mean probability",
        false => "Score of the mask",
    });
    ui.add(
        Label::new(format!(
            "{what} {before:.3} \u{2192} {after:.3}  (\u{394} {:+.3})",
            after - before
        ))
        .truncate(),
    );
    if change.iou.is_some() {
        ui.horizontal(|ui| {
            for (mask, name, color) in [
                (&change.gained, "gained", colors.good),
                (&change.lost, "lost", colors.danger),
            ] {
                let text = format!("{name} {} px", crate::ui::widgets::grouped(mask.area()));
                ui.label(RichText::new(text).small().color(color));
            }
        });
    }
}

fn ranking(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let running = app
        .inspector
        .experiment
        .ranking
        .as_ref()
        .filter(|ranking| ranking.is_running());
    match running {
        None => {
            let tip = "Predicts once without each attention head, and sorts them by the change";
            if ui
                .button("Which attention heads matter most")
                .on_hover_text(tip)
                .clicked()
            {
                out.push(about(AttentionCommand::Rank));
            }
        }
        Some(ranking) => {
            let done = (ranking.done(), ranking.total, "attention heads");
            if progress(ui, done, "Stop trying attention heads") {
                out.push(about(AttentionCommand::StopRanking));
            }
        }
    }
    if let Some(ranking) = &app.inspector.experiment.ranking {
        ranked(ui, ranking, out);
    }
}

fn ranked(ui: &mut Ui, ranking: &Ranking, out: &mut Vec<Command>) {
    ScrollArea::vertical()
        .id_salt("ranking")
        .max_height(6.0 * size::ROW)
        .min_scrolled_height(6.0 * size::ROW)
        .auto_shrink([false, true])
        .show_rows(ui, size::ROW, ranking.found.len(), |ui, range| {
            for (head, change) in &ranking.found[range] {
                row(ui, *head, change, out);
            }
        });
}

fn row(ui: &mut Ui, (layer, head): HeadId, change: &Change, out: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        let name = format!("Layer {layer}, no. {head}");
        let tip = format!("Show attention head {head} of layer {layer}");
        let button = egui::Button::new(name).frame(false);
        if ui.add(button).on_hover_text(tip).clicked() {
            out.push(about(AttentionCommand::Choose(layer, head)));
        }
        let (before, after) = change.score;
        let score = after - before;
        let text = match change.iou {
            Some(iou) => format!("\u{394}IoU {:+.3}  \u{394}score {score:+.3}", iou - 1.0),
            None => format!("\u{394}p {score:+.3}"),
        };
        ui.add(Label::new(dim(ui, text).small()).truncate());
    });
}
