//! The bar at the bottom: where the pointer is, how large the photo is shown,
//! and what the worker does.

use egui::{Align, Button, Label, Layout, ProgressBar, RichText, Ui};

use super::canvas::Readout;
use super::icons;
use super::theme::{self, size, space};
use super::widgets::{dim, grouped};
use crate::app::{Activity, ActivityKind, App, Command, Dialog};
use crate::worker::Stage;

/// The bar.
pub fn show(ui: &mut Ui, app: &App, readout: &Readout, out: &mut Vec<Command>) {
    ui.horizontal_centered(|ui| {
        position(ui, app, readout);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            messages(ui, app, out);
            memory(ui, app);
            work(ui, app, out);
        });
    });
}

/// A cell whose width does not change with its digits.
fn cell(ui: &mut Ui, width: f32, text: RichText) {
    let size = egui::Vec2::new(width, ui.available_height());
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_width(width);
        ui.add(Label::new(text).truncate());
    });
}

fn position(ui: &mut Ui, app: &App, readout: &Readout) {
    let Some(open) = &app.open else {
        ui.label(dim(ui, "Open a photo or drop one here"));
        return;
    };
    let at = readout
        .pixel
        .map_or(String::new(), |[x, y]| format!("{x}, {y}"));
    cell(ui, 86.0, RichText::new(at));
    let classes = open.document().classes();
    let under = readout
        .pixel
        .and_then(|[x, y]| open.document().segment_at(x, y))
        .map(|segment| {
            let score = segment
                .score
                .map(|score| format!(" · {}", super::widgets::score(score)))
                .unwrap_or_default();
            format!(
                "{} · segment {}{score}",
                super::class_name(classes, segment.class),
                segment.id
            )
        })
        .unwrap_or_default();
    cell(ui, 210.0, RichText::new(under));
    cell(ui, 60.0, dim(ui, format!("{:.0} %", readout.zoom * 100.0)));
    let (width, height) = (open.photo.width(), open.photo.height());
    let source = open.photo.source();
    let float = if source.float { " float" } else { "" };
    let info = format!("{}, {} bit{float}", source.format.name(), source.bits);
    ui.label(dim(ui, format!("{width} × {height}")))
        .on_hover_text(format!(
            "{} pixels, {info}",
            grouped(u64::from(width) * u64::from(height))
        ));
}

/// How much memory encodings take.
fn memory(ui: &mut Ui, app: &App) {
    let megabytes = |bytes: usize| bytes.div_ceil(1 << 20);
    let (used, budget) = (app.memory().used(), app.memory().budget());
    let text = dim(ui, format!("{} MB", megabytes(used)));
    ui.label(text).on_hover_text(format!(
        "What models made of photos: {} of {} MB. The least recently used goes first.",
        megabytes(used),
        megabytes(budget)
    ));
    ui.separator();
}

fn messages(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let worst = app.notices.has_unseen_error();
    let colors = theme::colors(ui.ctx());
    let color = if worst { colors.danger } else { colors.dim };
    let face = RichText::new(icons::BELL)
        .font(theme::icon_font(size::SWATCH))
        .color(color);
    let response = ui.add(Button::new(face).frame_when_inactive(false).small());
    let response = response
        .accessible_name("Messages")
        .on_hover_text("All messages of this run");
    if response.clicked() {
        out.push(Command::Show(Dialog::Messages));
    }
}

fn work(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let activities = app.activities();
    // The job that is at work says most; journal writes are not worth a word.
    let shown = activities
        .iter()
        .filter(|activity| activity.kind != ActivityKind::Journal)
        .max_by_key(|activity| activity.stage.is_some());
    let Some(activity) = shown else {
        let ready = match &app.open {
            Some(open) if open.encoded => "Ready",
            _ => "",
        };
        ui.label(dim(ui, ready));
        return;
    };
    if activity.kind.can_be_stopped() {
        let close = RichText::new(icons::CLOSE).font(theme::icon_font(size::SWATCH));
        let cancel = ui.add(Button::new(close).frame_when_inactive(false).small());
        if cancel
            .accessible_name("Cancel")
            .on_hover_text("Stop this")
            .clicked()
        {
            out.push(Command::Cancel(activity.job));
        }
    }
    match activity.fraction {
        Some(fraction) => {
            let bar = ProgressBar::new(fraction)
                .desired_width(90.0)
                .desired_height(space::S);
            ui.add(bar);
        }
        None => {
            ui.add(egui::Spinner::new().size(size::SWATCH));
        }
    }
    let elapsed = activity.since.elapsed().as_secs_f32();
    ui.label(format!("{} {elapsed:.1} s", describe(activity)));
    ui.ctx()
        .request_repaint_after(std::time::Duration::from_millis(100));
}

fn describe(activity: &Activity) -> String {
    let by_kind = || match &activity.kind {
        ActivityKind::Open(path) => {
            let name = path
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy();
            format!("Opening {name}")
        }
        ActivityKind::Rewindow => "Changing the display window".to_owned(),
        ActivityKind::Save | ActivityKind::Journal => "Saving".to_owned(),
        ActivityKind::Export(_) => "Exporting".to_owned(),
        ActivityKind::Scan(_) => "Listing the folder".to_owned(),
        ActivityKind::LoadModel(_) => "Loading the model".to_owned(),
        ActivityKind::Encode => "Waiting to look at the photo".to_owned(),
        ActivityKind::Prompt => "Waiting for a mask".to_owned(),
        ActivityKind::Inspect | ActivityKind::Analyse(_) => {
            "Waiting to look into the attention".to_owned()
        }
        ActivityKind::Everything => "Waiting to segment everything".to_owned(),
        ActivityKind::Predict | ActivityKind::PredictUnasked => {
            "Waiting for the prediction".to_owned()
        }
    };
    match activity.stage {
        Some(Stage::LoadingModel) => "Loading the model".to_owned(),
        Some(Stage::Encoding) => "Looking at the photo".to_owned(),
        Some(Stage::Decoding) => "Finding the mask".to_owned(),
        Some(Stage::Predicting) => "Predicting".to_owned(),
        Some(Stage::Analysing) => "Looking into the attention".to_owned(),
        Some(Stage::Everything) => "Segmenting everything".to_owned(),
        _ => by_kind(),
    }
}
