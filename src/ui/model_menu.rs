//! The models in the top bar: which one is chosen, others to choose, and the
//! button that asks one about the whole photo.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use egui::containers::menu::MenuButton;
use egui::text::LayoutJob;
use egui::{Button, RichText, TextFormat, TextStyle, Ui, Vec2};

use super::icons;
use super::theme::{self, size};
use super::widgets::{dim, shortened, with_key};
use crate::app::{ActivityKind, App, Command, Dialog, Framing};
use crate::models::{Capability, ModelInfo, registry};

/// Longest model name in the bar, in characters.
const NAME: usize = 22;
/// Longest path of a folder in the menu, in characters.
const PLACE: usize = 48;

/// The button that asks about the whole photo, or stops what a model does.
pub fn ask(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let busy = app.is_busy(&ActivityKind::Everything) || app.is_busy(&ActivityKind::Predict);
    let (icon, name, command) = if busy {
        (icons::CLOSE, "Stop", Command::StopModel)
    } else {
        (icons::SPARKLE, question(app.predictor()), Command::Predict)
    };
    let tip = match app.predictor() {
        Some(info) if !busy => format!("{name} with {}", info.title),
        _ => name.to_owned(),
    };
    let blocked = command.blocked(app);
    let response = ui
        .add_enabled(blocked.is_none(), Button::new(format!("{icon}  {name}")))
        .accessible_name(name)
        .on_hover_text(with_key(ui, &tip, &command))
        .on_disabled_hover_text(blocked.unwrap_or_default());
    if response.clicked() {
        out.push(command);
    }
}

/// What the model can be asked about a whole photo.
fn question(predictor: Option<&ModelInfo>) -> &'static str {
    match predictor {
        Some(info) if info.can(Capability::Classes) => "Classify photo",
        _ => "Predict classes",
    }
}

/// The chosen model, as a menu of others.
pub fn chooser(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
    let (text, tip) = face(ui, app);
    let face = Button::new(text)
        .right_text(RichText::new(icons::CARET_DOWN).font(theme::icon_font(size::SWATCH)));
    let (response, _) = MenuButton::from_button(face).ui(ui, |ui| {
        ui.set_width(size::MODELS);
        for info in registry::embedded() {
            let name = OsString::from(info.name.as_ref());
            let classes = knows(&info);
            entry(ui, app, [&info.title, &about(&info), &classes], &name, out);
        }
        for folder in app.recent_models() {
            let (title, place) = (title_of(folder), folder.display().to_string());
            let about = shortened(&place, PLACE);
            entry(ui, app, [&title, &about, &place], folder.as_os_str(), out);
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
        framing(ui, app);
    });
    response.accessible_name("Model").on_hover_text(tip);
}

fn face(ui: &Ui, app: &App) -> (RichText, String) {
    if let Some(name) = app.loading_model() {
        let title = shortened(&title_of(Path::new(name)), NAME);
        return (
            dim(ui, format!("Loading {title}")),
            "The model is being loaded".to_owned(),
        );
    }
    match &app.model {
        Some(info) => (
            RichText::new(shortened(&info.title, NAME)),
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

/// One model of the menu: its title, a few words about it, and a tooltip.
fn entry(
    ui: &mut Ui,
    app: &App,
    [title, about, tip]: [&str; 3],
    name: &OsStr,
    out: &mut Vec<Command>,
) {
    let chosen = app.model.is_some() && app.chosen_model() == name;
    let room = Vec2::new(ui.available_width(), size::ROW_OF_TWO);
    let face = Button::selectable(chosen, two_lines(ui, title, about)).min_size(room);
    let response = ui.add(face).accessible_name(title).on_hover_text(tip);
    if response.clicked() {
        out.push(Command::ChooseModel(name.to_owned()));
        ui.close();
    }
}

/// A title, and below it smaller text of less weight.
fn two_lines(ui: &Ui, title: &str, about: &str) -> LayoutJob {
    let colors = theme::colors(ui.ctx());
    let format = |style: TextStyle, color| TextFormat::simple(style.resolve(ui.style()), color);
    let mut job = LayoutJob::default();
    job.append(title, 0.0, format(TextStyle::Body, colors.text));
    let about = format!("\n{about}");
    job.append(&about, 0.0, format(TextStyle::Small, colors.dim));
    job
}

/// What a built-in model is for, and its size.
fn about(info: &ModelInfo) -> String {
    let what = match info.name.as_ref() {
        registry::MOBILE_SAM => "Masks for clicks and boxes",
        registry::TINY_DEEPLAB => "A class for each pixel, on MobileSAM's encoding",
        registry::PLAIN_DEEPLAB => "A class for each pixel, by a plain ViT",
        _ => info.family.title(),
    };
    match info.parameters {
        0 => what.to_owned(),
        count => format!("{what} · {}", parameters(count)),
    }
}

/// The classes that a model knows, or else that it is built in.
fn knows(info: &ModelInfo) -> String {
    let classes = info.labels.classes.iter().filter(|class| class.id != 0);
    let names: Vec<&str> = classes.map(|class| class.name.as_str()).collect();
    if names.is_empty() {
        "Built in".to_owned()
    } else {
        format!("Built in; it knows {}", names.join(", "))
    }
}

/// What of a photo Predict shows to the model.
fn framing(ui: &mut Ui, app: &mut App) {
    let chosen = app.settings.framing;
    let Some(model) = app.predictor() else { return };
    ui.separator();
    ui.label(dim(ui, format!("Predict shows {}", model.title)));
    let mut picked = chosen;
    for framing in Framing::ALL {
        let face = egui::RadioButton::new(chosen == framing, framing.title());
        let response = ui
            .add_enabled(framing.suits(model), face)
            .on_hover_text(framing.meaning())
            .on_disabled_hover_text("Tiles are for models that give each pixel a class");
        if response.clicked() {
            picked = framing;
        }
    }
    app.settings.framing = picked;
}

fn title_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

/// `9803780` as `9.8 million parameters`.
pub fn parameters(count: usize) -> String {
    match count {
        0..100_000 => format!("{count} parameters"),
        _ => format!("{:.1} million parameters", count as f64 / 1e6),
    }
}
