//! The model in the top bar: which one is chosen, others to choose, and the
//! button that asks it about the whole photo.

use std::ffi::OsString;
use std::path::Path;

use egui::containers::menu::MenuButton;
use egui::{Button, RichText, Ui};

use super::icons;
use super::theme::{self, size};
use super::widgets::{dim, with_key};
use crate::app::{ActivityKind, App, Command, Dialog, Framing};
use crate::models::{Capability, ModelInfo, registry};

/// Longest model name in the bar, in characters.
const NAME: usize = 22;

/// The button that asks the chosen model, or stops what it does.
pub fn ask(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let busy = app.is_busy(&ActivityKind::Everything) || app.is_busy(&ActivityKind::Predict);
    let (icon, name, command) = if busy {
        (icons::CLOSE, "Stop", Command::StopModel)
    } else {
        (
            icons::SPARKLE,
            question(app.model.as_ref()),
            Command::Predict,
        )
    };
    let blocked = command.blocked(app);
    let response = ui
        .add_enabled(blocked.is_none(), Button::new(format!("{icon}  {name}")))
        .accessible_name(name)
        .on_hover_text(with_key(ui, name, &command))
        .on_disabled_hover_text(blocked.unwrap_or_default());
    if response.clicked() {
        out.push(command);
    }
}

/// What the chosen model can be asked about a whole photo.
fn question(model: Option<&ModelInfo>) -> &'static str {
    match model {
        Some(info) if info.can(Capability::ClassMap) => "Predict classes",
        Some(info) if info.can(Capability::Classes) => "Classify photo",
        Some(info) if !info.can(Capability::Everything) => "Predict",
        _ => "Segment everything",
    }
}

/// The chosen model, as a menu of others.
pub fn chooser(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
    let (text, tip) = face(ui, app);
    let face = Button::new(text)
        .right_text(RichText::new(icons::CARET_DOWN).font(theme::icon_font(size::SWATCH)));
    let (response, _) = MenuButton::from_button(face).ui(ui, |ui| {
        ui.set_min_width(size::PANEL);
        for info in registry::embedded() {
            let name = OsString::from(info.name.as_ref());
            entry(ui, app, &name, &info.title, "built in", out);
        }
        for folder in app.recent_models() {
            let title = title_of(folder);
            entry(
                ui,
                app,
                folder.as_os_str(),
                &title,
                &folder.display().to_string(),
                out,
            );
        }
        ui.separator();
        if ui.button("Open model folder…").clicked() {
            out.push(Command::AskForModel);
            ui.close();
        }
        let card = ui.add_enabled(app.model.is_some(), Button::new("Model card"));
        if card.clicked() {
            out.push(Command::Show(Dialog::ModelCard));
            ui.close();
        }
        if app.model.as_ref().is_some_and(asks_by_picture) {
            framing(ui, app);
        }
    });
    response.accessible_name("Model").on_hover_text(tip);
}

/// Whether the framing of photos matters to the model.
fn asks_by_picture(info: &ModelInfo) -> bool {
    info.can(Capability::ClassMap) || info.can(Capability::Classes)
}

fn face(ui: &Ui, app: &App) -> (RichText, String) {
    if let Some(name) = app.loading_model() {
        let title = shortened(&title_of(Path::new(name)));
        return (
            dim(ui, format!("Loading {title}")),
            "The model is being loaded".to_owned(),
        );
    }
    match &app.model {
        Some(info) => (
            RichText::new(shortened(&info.title)),
            format!(
                "{}: {}, {}",
                info.title,
                parameters(info.parameters),
                info.licence
            ),
        ),
        None => (
            RichText::new("No model").color(theme::colors(ui.ctx()).warning),
            "The model could not be loaded; see Messages in the menu".to_owned(),
        ),
    }
}

/// One model of the menu.
fn entry(
    ui: &mut Ui,
    app: &App,
    name: &std::ffi::OsStr,
    title: &str,
    place: &str,
    out: &mut Vec<Command>,
) {
    let chosen = app.model.is_some() && app.chosen_model() == name;
    let response = ui
        .add(Button::selectable(chosen, title))
        .on_hover_text(place);
    if response.clicked() {
        out.push(Command::ChooseModel(name.to_owned()));
        ui.close();
    }
}

fn framing(ui: &mut Ui, app: &mut App) {
    ui.separator();
    ui.label(dim(ui, "What the model is shown"));
    let dense = app
        .model
        .as_ref()
        .is_some_and(|info| info.can(Capability::ClassMap));
    for framing in Framing::ALL {
        let face = egui::RadioButton::new(app.settings.framing == framing, framing.title());
        let response = ui
            .add_enabled(dense || framing != Framing::Slide, face)
            .on_disabled_hover_text("Tiles are for models that give each pixel a class");
        if response.clicked() {
            app.settings.framing = framing;
        }
    }
}

fn title_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

fn shortened(title: &str) -> String {
    if title.chars().count() <= NAME {
        return title.to_owned();
    }
    let start: String = title.chars().take(NAME - 1).collect();
    format!("{start}…")
}

/// `9803780` as `9.8 million parameters`.
pub fn parameters(count: usize) -> String {
    match count {
        0..100_000 => format!("{count} parameters"),
        _ => format!("{:.1} million parameters", count as f64 / 1e6),
    }
}
