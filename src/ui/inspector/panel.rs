//! The panel of the attention inspector.

use egui::{Align, CollapsingHeader, Layout, RichText, ScrollArea, Spinner, Ui};

use super::heads::Heads;
use super::{asking, export, help, keep, style, what_if};
use crate::app::{App, AttentionCommand, Command};
use crate::ui::icons;
use crate::ui::theme::{self, size, space};
use crate::ui::widgets::{dim, icon_button};

/// The panel, with the pictures that it keeps from frame to frame.
#[derive(Default)]
pub struct InspectorPanel {
    heads: Heads,
}

impl InspectorPanel {
    /// Show the panel in all the room that is left.
    pub fn show(&mut self, ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
        title(ui, app, out);
        ScrollArea::vertical()
            .id_salt("attention inspector")
            .auto_shrink([false, false])
            .show(ui, |ui| {
                state(ui, app);
                if app.inspector.inspection().is_some() {
                    self.sections(ui, app, out);
                }
                ui.add_space(space::S);
                help::show(ui);
                ui.add_space(space::M);
            });
    }

    fn sections(&mut self, ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
        asking::show(ui, app, out);
        ui.add_space(space::S);
        self.heads.show(ui, app, out);
        section(ui, "To labels", true, |ui| keep::show(ui, app, out));
        section(ui, "What if", false, |ui| what_if::show(ui, app, out));
        section(ui, "Look", false, |ui| style::show(ui, app));
        app.inspector.wants_statistics =
            section(ui, "Statistics", false, |ui| self.heads.chart(ui, app, out));
        export::show(ui, app, out);
    }
}

/// A section that can be folded. Whether it is open.
pub fn section(ui: &mut Ui, title: &str, open: bool, content: impl FnOnce(&mut Ui)) -> bool {
    ui.add_space(space::XS);
    let text = RichText::new(title).family(theme::semibold());
    let shown = CollapsingHeader::new(text)
        .id_salt(("attention", title))
        .default_open(open)
        .show_unindented(ui, content);
    shown.openness > 0.0
}

fn title(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        ui.set_min_height(size::ROW);
        ui.heading("Attention");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icon_button(ui, icons::CLOSE, "Close the inspector  (A)").clicked() {
                out.push(Command::CloseInspector);
            }
            let Some(known) = app.inspector.inspection() else {
                return;
            };
            let layers = known.layers.records.len();
            let bytes = app.inspector.bytes() as f64 / f64::from(1 << 20);
            let text = format!("{} · {bytes:.0} MB", known.model.title);
            let tip = format!(
                "{bytes:.1} MB of queries and keys of {layers} layers, from which every row of \
                 attention is computed"
            );
            ui.add(egui::Label::new(dim(ui, text).small()).truncate())
                .on_hover_text(tip);
        });
    });
}

/// What is under way, or why there is nothing to see.
fn state(ui: &mut Ui, app: &App) {
    let colors = theme::colors(ui.ctx());
    if app.inspector.is_recording() {
        ui.horizontal(|ui| {
            ui.add(Spinner::new().size(size::SWATCH));
            ui.label(dim(ui, "The model looks at the photo"));
        });
    } else if app.open.is_none() {
        ui.label(dim(ui, "Open a photo to see where a model looks"));
    } else if app.model.is_none() {
        ui.label(dim(ui, "The model is being loaded"));
    }
    if let Some(why) = app.inspector.refusal() {
        ui.horizontal(|ui| {
            ui.label(
                RichText::new(icons::WARNING)
                    .font(theme::icon_font(size::SWATCH))
                    .color(colors.warning),
            );
            ui.add(egui::Label::new(sentence(why)).wrap());
        });
    }
}

/// An error as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// A command about attention as one of the window's.
pub fn about(command: AttentionCommand) -> Command {
    Command::Attention(command)
}
