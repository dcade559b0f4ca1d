//! The bar at the top: menu, photo, file and history buttons, model, and the
//! strip below it with the options of the tool in hand.

use egui::containers::menu::MenuButton;
use egui::{Align, Button, Layout, RichText, Slider, Ui};

use super::theme::{self, size, space};
use super::widgets::{command_button, dim, with_key};
use super::{icons, keys, model_menu};
use crate::app::tool::{MAX_RADIUS, MIN_RADIUS};
use crate::app::{App, Command, Dialog, Offer, OpenDocument, Tool};
use crate::label::IGNORE;

/// The bar itself.
pub fn show(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
    ui.horizontal_centered(|ui| {
        menu(ui, app, out);
        ui.separator();
        command_button(
            ui,
            app,
            out,
            icons::IMAGE,
            "Open photo",
            Command::AskForPhoto,
        );
        command_button(
            ui,
            app,
            out,
            icons::FOLDER,
            "Open folder",
            Command::AskForFolder,
        );
        command_button(ui, app, out, icons::SAVE, "Save labels", Command::Save);
        command_button(ui, app, out, icons::EXPORT, "Export", Command::AskForExport);
        ui.separator();
        let undo = undo_name(app);
        command_button(ui, app, out, icons::UNDO, &undo, Command::Undo);
        let redo = redo_name(app);
        command_button(ui, app, out, icons::REDO, &redo, Command::Redo);
        ui.separator();
        // Behind the buttons, which stay where they are whatever the name.
        let room = (ui.available_width() - size::TOP_BAR_RIGHT).max(size::RAIL);
        ui.scope(|ui| {
            ui.set_max_width(room);
            title(ui, app);
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let panels = if app.settings.panel_open {
                "Hide panels"
            } else {
                "Show panels"
            };
            command_button(ui, app, out, icons::PANEL, panels, Command::TogglePanel);
            let palette = Command::Show(Dialog::Palette(String::new()));
            command_button(ui, app, out, icons::SEARCH, "Find a command", palette);
            ui.separator();
            let everything = Command::SegmentEverything;
            command_button(
                ui,
                app,
                out,
                icons::EVERYTHING,
                "Segment everything",
                everything,
            );
            model_menu::ask(ui, app, out);
            model_menu::chooser(ui, app, out);
        });
    });
}

fn undo_name(app: &App) -> String {
    match app.open.as_ref().and_then(|open| open.history.undo_name()) {
        Some(name) => format!("Undo: {name}"),
        None => "Undo".to_owned(),
    }
}

fn redo_name(app: &App) -> String {
    match app.open.as_ref().and_then(|open| open.history.redo_name()) {
        Some(name) => format!("Redo: {name}"),
        None => "Redo".to_owned(),
    }
}

fn title(ui: &mut Ui, app: &App) {
    let Some(open) = &app.open else {
        ui.label(RichText::new("PatchLens").family(theme::semibold()));
        return;
    };
    let name = RichText::new(open.name()).family(theme::semibold());
    ui.add(egui::Label::new(name).truncate())
        .on_hover_text(open.path.display().to_string());
    if open.read_only.is_some() {
        ui.label(RichText::new("read-only").color(theme::colors(ui.ctx()).warning))
            .on_hover_text(open.read_only.clone().unwrap_or_default());
    } else if open.is_dirty() {
        ui.label(RichText::new("•").color(theme::colors(ui.ctx()).accent))
            .on_hover_text("There are unsaved changes");
    }
    if let Some(folder) = &app.folder
        && let Some(at) = folder.position(&open.path)
    {
        ui.label(dim(ui, format!("{} / {}", at + 1, folder.photos.len())));
    }
}

fn menu(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let face = Button::new(RichText::new(icons::MENU).font(theme::icon_font(size::ICON)))
        .frame_when_inactive(false);
    let (response, _) = MenuButton::from_button(face).ui(ui, |ui| {
        ui.set_min_width(size::PANEL_MIN);
        for group in ["File", "Edit", "Model", "View", "Help"] {
            ui.menu_button(group, |ui| {
                ui.set_min_width(size::PANEL_MIN);
                for action in keys::actions()
                    .iter()
                    .filter(|action| action.group == group)
                {
                    menu_item(ui, app, out, action);
                }
                if group == "File" {
                    recent(ui, app, out);
                }
            });
        }
    });
    response.accessible_name("Menu").on_hover_text("Menu");
}

fn menu_item(ui: &mut Ui, app: &App, out: &mut Vec<Command>, action: &keys::Action) {
    let blocked = action.command.blocked(app);
    let mut button = Button::new(action.name);
    if let Some(key) = &action.key {
        button = button.shortcut_text(keys::text(ui.ctx(), key));
    }
    let response = ui
        .add_enabled(blocked.is_none(), button)
        .on_disabled_hover_text(blocked.unwrap_or_default());
    if response.clicked() {
        out.push(action.command.clone());
        ui.close();
    }
}

fn recent(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    ui.menu_button("Open recent", |ui| {
        if app.settings.recent.is_empty() {
            ui.label(dim(ui, "Photos that you open are listed here"));
        }
        for path in &app.settings.recent {
            let name = path
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy();
            let response = ui.button(name).on_hover_text(path.display().to_string());
            if response.clicked() {
                out.push(Command::Open(path.clone()));
                ui.close();
            }
        }
    });
}

/// Width in points from which the options strip has room for everything.
const ROOMY: f32 = 780.0;
/// Length of the opacity slider in a narrow strip.
const NARROW_SLIDER: f32 = 56.0;

/// The strip with the options of the tool in hand.
pub fn options(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
    ui.horizontal_centered(|ui| {
        ui.label(RichText::new(app.tool.name()).family(theme::semibold()));
        ui.separator();
        // A narrow strip does without what the panels and the canvas say too.
        let roomy = ui.available_width() > ROOMY;
        if app.tool.paints() {
            brush(ui, app);
        } else if app.tool.prompts() {
            prompt(ui, app, out);
        } else if app.tool == Tool::Attention {
            attention(ui, app, out);
        } else {
            selection(ui, app, out);
        }
        if app.tool != Tool::Select && roomy {
            ui.separator();
            class(ui, app);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if !roomy {
                ui.spacing_mut().slider_width = NARROW_SLIDER;
            }
            opacity(ui, app, roomy);
            if roomy {
                ui.add_space(space::S);
                ui.add(egui::Label::new(dim(ui, hint(app))).truncate());
            }
        });
    });
}

/// What a click does now.
fn hint(app: &App) -> &'static str {
    let picking = |open: &OpenDocument| open.prompting.is_picking();
    match &app.open {
        Some(open) if picking(open) => "Click an area to accept it",
        _ if app.tool == Tool::Attention && app.inspector.grows => {
            "A stroke grows along the attention"
        }
        _ => app.tool.hint(),
    }
}

fn class(ui: &mut Ui, app: &App) {
    let Some(open) = &app.open else { return };
    let classes = open.document().classes();
    ui.label(dim(ui, "Class"));
    super::widgets::swatch(
        ui,
        theme::class_color(classes.color(app.current_class)),
        app.current_class == IGNORE,
    );
    ui.label(super::class_name(classes, app.current_class));
}

fn opacity(ui: &mut Ui, app: &mut App, roomy: bool) {
    let mut percent = app.settings.overlay_opacity * 100.0;
    let slider = Slider::new(&mut percent, 0.0..=100.0)
        .suffix(" %")
        .fixed_decimals(0);
    let response = ui.add(slider).accessible_name("Label opacity");
    if response.on_hover_text("Opacity of the labels").changed() {
        app.settings.overlay_opacity = percent / 100.0;
    }
    if roomy {
        ui.label(dim(ui, "Labels"));
    }
}

fn brush(ui: &mut Ui, app: &mut App) {
    brush_size(ui, app);
    if app.tool == Tool::Eraser {
        ui.checkbox(
            &mut app.settings.erase_selected_only,
            "Selected segment only",
        );
    } else if let Some(open) = &app.open {
        let into = match open.selection[..] {
            [only] => format!("Into segment {only}"),
            _ => "New segment".to_owned(),
        };
        ui.label(dim(ui, into))
            .on_hover_text("Esc deselects: the next stroke is a new segment");
    }
}

fn brush_size(ui: &mut Ui, app: &mut App) {
    ui.label(dim(ui, "Size"));
    let mut diameter = app.settings.brush_radius * 2.0;
    let slider = Slider::new(&mut diameter, MIN_RADIUS * 2.0..=MAX_RADIUS * 2.0)
        .logarithmic(true)
        .fixed_decimals(0)
        .suffix(" px");
    let key = "Brush size  ([ and ], Ctrl+wheel)";
    if ui
        .add(slider)
        .accessible_name("Brush size")
        .on_hover_text(key)
        .changed()
    {
        app.settings.brush_radius = diameter.round() / 2.0;
    }
}

fn prompt(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let Some(open) = &app.open else { return };
    if let Some(offer) = &open.prompting.offer {
        let chosen = offer.chosen();
        match chosen.score {
            Some(score) => candidates(ui, app, offer, score, out),
            None => drop(ui.label("Mask from attention")),
        }
        accept_and_drop(ui, out, "Accept");
    } else if let Some(masks) = &open.prompting.everything {
        let classes = super::prediction::shares(open).len();
        match classes {
            0 => ui.label(format!("{} proposals", masks.len())),
            1 => ui.label("1 class"),
            _ => ui.label(format!("{classes} classes")),
        };
        accept_and_drop(ui, out, "Accept all");
    } else if open.prompting.is_waiting() {
        ui.spinner();
        ui.label(dim(ui, "Looking at the photo"));
    } else {
        ui.label(dim(ui, "No prompt"));
    }
}

/// Which mask it is of how many, and the ways to the others.
fn candidates(ui: &mut Ui, app: &App, offer: &Offer, score: f32, out: &mut Vec<Command>) {
    let count = offer.candidates.len();
    let score = super::widgets::score(score);
    let number = offer.chosen + 1;
    ui.label(format!("Mask {number} of {count}  ·  score {score}"));
    let others = [
        (
            icons::CARET_LEFT,
            "Previous mask",
            Command::PreviousCandidate,
        ),
        (icons::CARET_RIGHT, "Next mask", Command::NextCandidate),
    ];
    for (icon, name, command) in others {
        command_button(ui, app, out, icon, name, command);
    }
}

fn accept_and_drop(ui: &mut Ui, out: &mut Vec<Command>, accept: &str) {
    let tip = with_key(ui, accept, &Command::Accept);
    if super::widgets::primary_button(ui, accept, true)
        .on_hover_text(tip)
        .clicked()
    {
        out.push(Command::Accept);
    }
    let tip = with_key(ui, "Drop", &Command::Drop);
    if ui.button("Drop").on_hover_text(tip).clicked() {
        out.push(Command::Drop);
    }
}

/// What a stroke of the attention tool does; or what is on offer.
fn attention(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
    let offers = |open: &OpenDocument| open.prompting.has_offer();
    if app.open.as_ref().is_some_and(offers) {
        return prompt(ui, app, out);
    }
    let grows = &mut app.inspector.grows;
    ui.selectable_value(grows, false, "Ask")
        .on_hover_text("A click pins a token, a stroke asks for all tokens under it");
    ui.selectable_value(grows, true, "Grow")
        .on_hover_text("A stroke grows along the attention and becomes a proposal");
    if *grows {
        let look = &mut app.settings.attention;
        let meaning = "How far the attention brush reaches: the share of attention it follows";
        super::inspector::percent(ui, "Reach", meaning, &mut look.reach, 1.0);
    } else {
        brush_size(ui, app);
    }
}

fn selection(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    let Some(open) = &app.open else { return };
    match open.selection.len() {
        0 => {
            ui.label(dim(ui, "Nothing selected"));
        }
        1 => {
            ui.label(format!("Segment {}", open.selection[0]));
        }
        many => {
            ui.label(format!("{many} segments"));
        }
    }
    command_button(
        ui,
        app,
        out,
        icons::MERGE,
        "Merge selected",
        Command::MergeSelected,
    );
    command_button(
        ui,
        app,
        out,
        icons::TRASH,
        "Delete selected",
        Command::DeleteSelected,
    );
}

/// The tool rail at the left.
pub fn rail(ui: &mut Ui, app: &App, out: &mut Vec<Command>) {
    ui.vertical_centered(|ui| {
        ui.add_space(space::S);
        for tool in Tool::ALL {
            let icon = match tool {
                Tool::Select => icons::CURSOR,
                Tool::Points => icons::POINTS,
                Tool::Box => icons::BOX,
                Tool::Brush => icons::BRUSH,
                Tool::Eraser => icons::ERASER,
                Tool::Attention => icons::ATTENTION,
            };
            let command = match tool {
                Tool::Attention => Command::ToggleInspector,
                _ => Command::Take(tool),
            };
            let face = Button::new(RichText::new(icon).font(theme::icon_font(size::ICON + 2.0)))
                .frame_when_inactive(app.tool == tool)
                .selected(app.tool == tool)
                .min_size(egui::Vec2::splat(size::RAIL_BUTTON));
            let tip = format!("{}\n{}", with_key(ui, tool.name(), &command), tool.hint());
            let response = ui.add(face).accessible_name(tool.name()).on_hover_text(tip);
            if response.clicked() {
                out.push(command);
            }
            if matches!(tool, Tool::Box | Tool::Eraser) {
                ui.separator();
            }
        }
        ui.with_layout(Layout::bottom_up(Align::Center), |ui| {
            ui.add_space(space::S);
            let keys = Command::Show(Dialog::Keys);
            command_button(ui, app, out, icons::KEYBOARD, "All keys", keys);
            command_button(ui, app, out, icons::FIT, "Fit photo", Command::Fit);
        });
    });
}
