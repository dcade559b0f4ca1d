//! What a model that is not prompted found on the photo: classes of its
//! pixels, to keep one by one or all, or classes of the whole photo.

use egui::{Align, Label, Layout, ProgressBar, RichText, ScrollArea, Ui};

use super::icons;
use super::theme::{self, size, space};
use super::widgets::{dim, icon_button, swatch};
use crate::app::{App, Command, OfferedLabel, OpenDocument};

/// The highest that the list grows, in points.
const HIGHEST: f32 = 220.0;

/// A class of which something is on offer.
pub struct Share<'a> {
    /// Which of the prediction's labels it is.
    pub at: usize,
    /// Its name and colour.
    pub label: &'a OfferedLabel,
    /// Its part of the photo's pixels, 0..=1.
    share: f64,
}

impl Share<'_> {
    /// Its part of the photo, for the eye.
    pub fn percent(&self) -> String {
        percent(self.share)
    }

    /// Its name and its part of the photo.
    pub fn text(&self) -> String {
        format!("{} {}", self.label.name, self.percent())
    }
}

/// The classes of which something is on offer, the largest first.
pub fn shares(open: &OpenDocument) -> Vec<Share<'_>> {
    let total = u64::from(open.photo.width()) * u64::from(open.photo.height());
    let labels = open.prompting.labels.iter().enumerate();
    let mut shares: Vec<_> = labels
        .filter(|(at, _)| open.prompting.offered_of(*at) > 0)
        .map(|(at, label)| Share {
            at,
            label,
            share: label.pixels as f64 / total as f64,
        })
        .collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.label.pixels));
    shares
}

/// The section of the panels at the right, where there is something to show.
pub fn show(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
    let App { open, settings, .. } = app;
    let Some(open) = open else { return };
    if !open.prompting.labels.is_empty() {
        header(ui, "Predicted classes", out);
        areas(ui, open, out);
        ui.checkbox(&mut settings.separate_areas, "A segment per area")
            .on_hover_text("Otherwise all areas of a class become one segment");
        ui.add_space(space::S);
        ui.separator();
    } else if !open.prompting.likely.is_empty() {
        header(ui, "This photo shows", out);
        likely(ui, open, out);
        ui.add_space(space::S);
        ui.separator();
    }
}

fn header(ui: &mut Ui, title: &str, out: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        ui.set_min_height(size::ROW);
        ui.heading(title);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icon_button(ui, icons::CLOSE, "Drop the prediction").clicked() {
                out.push(Command::Drop);
            }
        });
    });
}

/// One row per class that is still on offer, the largest first.
fn areas(ui: &mut Ui, open: &OpenDocument, out: &mut Vec<Command>) {
    ScrollArea::vertical()
        .id_salt("prediction")
        .max_height(HIGHEST)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            for share in shares(open) {
                area(ui, &share, out);
            }
        });
}

fn area(ui: &mut Ui, share: &Share<'_>, out: &mut Vec<Command>) {
    let label = share.label;
    ui.horizontal(|ui| {
        ui.set_min_height(size::ROW);
        swatch(ui, theme::class_color(label.color), false);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let accept = icon_button(ui, icons::CHECK, &format!("Accept {}", label.name));
            if accept.clicked() {
                out.push(Command::AcceptLabel(share.at));
            }
            ui.label(dim(ui, share.percent())).on_hover_text(format!(
                "{} of the photo; mean probability {}",
                share.percent(),
                super::widgets::score(label.score)
            ));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(&label.name).truncate());
            });
        });
    });
}

fn likely(ui: &mut Ui, open: &OpenDocument, out: &mut Vec<Command>) {
    let rows = open.prompting.likely.iter();
    for guess in rows.take(5) {
        ui.horizontal(|ui| {
            ui.set_min_height(size::ROW);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let add = icon_button(ui, icons::PLUS, &format!("Add class {}", guess.name));
                if add.clicked() {
                    out.push(Command::AddClass(guess.name.clone()));
                }
                let text = RichText::new(percent(f64::from(guess.probability)));
                ui.add(
                    ProgressBar::new(guess.probability)
                        .desired_width(size::RAIL)
                        .desired_height(space::S),
                );
                ui.label(text);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(Label::new(&guess.name).truncate());
                });
            });
        });
    }
}

/// A share for the eye.
fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent < 0.1 => "<0.1 %".to_owned(),
        percent if percent < 10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}
