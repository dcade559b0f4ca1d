//! The attention heads of all layers: which are shown, fused or compared.

use egui::{ComboBox, Slider, Ui};

use super::head_grid::{GridAction, GridInput, HeadGrid, LayerThumbs};
use super::panel::about;
use super::statistics_plot::{PlotInput, StatisticsPlot};
use crate::app::inspector::{Asking, AttentionCommand, Comparison, Subject};
use crate::app::{App, Command};
use crate::attention::{AttentionError, Fusion, Heatmap, LayerMaps, token_norms};
use crate::models::Capability;
use crate::ui::icons;
use crate::ui::theme::space;
use crate::ui::widgets::{dim, icon_button};
use crate::worker::AnalysisKind;

/// Tokens longer than so many times the median are called artefacts (Darcet et
/// al. 2024 see norms an order of magnitude above the others').
const ARTEFACT: f32 = 4.0;

/// The grid and the chart.
#[derive(Default)]
pub struct Heads {
    grid: HeadGrid,
    /// The windows of layers that look within such, by layer, with the serial
    /// that they are of: all else of their thumbnails would be empty.
    windows: (u64, Vec<Option<Vec<Heatmap>>>),
    plot: StatisticsPlot,
}

impl Heads {
    /// What is shown, the grid, and what is done with several.
    pub fn show(&mut self, ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
        subject(ui, app);
        self.grid(ui, app, out);
        match app.inspector.subject {
            Subject::Heads => {
                layer(ui, app, out);
                several(ui, app, out);
            }
            Subject::Rollout => rollout(ui, app),
            Subject::Norms => norms(ui, app, out),
            Subject::Relevance => relevance(ui, app),
            Subject::Similarity => {}
        }
    }

    fn grid(&mut self, ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
        let inspector = &app.inspector;
        let Some(layers) = inspector.layers() else {
            return;
        };
        let reasons: Vec<Option<String>> = inspector
            .maps()
            .iter()
            .map(|maps| maps.as_ref().err().map(ToString::to_string))
            .collect();
        if self.windows.0 != inspector.serial() {
            self.windows = (inspector.serial(), windows(app));
        }
        let rows: Vec<LayerThumbs<'_>> = layers
            .records
            .iter()
            .enumerate()
            .map(|(at, record)| LayerThumbs {
                name: &record.layer,
                maps: match (inspector.maps().get(at), self.windows.1.get(at)) {
                    (Some(Ok(_)), Some(Some(windows))) => windows,
                    (Some(Ok(maps)), _) => &maps.maps,
                    _ => &[],
                },
                reason: reasons.get(at).and_then(Option::as_deref),
                heads: record.attention_heads,
            })
            .collect();
        let style = &app.settings.attention;
        let decoder = app.inspects_decoder();
        let input = GridInput {
            layers: &rows,
            chosen: &chosen(app),
            compared: inspector.compared,
            highlighted: inspector.highlighted,
            off: &|layer, head| inspector.experiment.is_off(decoder, (layer, head)),
            colors: style.colors,
            shared_range: style.shared_range,
            serial: grid_serial(app),
        };
        let mut actions = Vec::new();
        self.grid.show(ui, &input, &mut actions);
        app.inspector.highlighted = None;
        act(app, actions, out);
    }

    /// The chart of the statistics by depth.
    pub fn chart(&mut self, ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
        let Some(statistics) = app.inspector.statistics() else {
            if app.inspector.awaits(AnalysisKind::Statistics) {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.label(dim(ui, "Measuring all attention heads"));
                });
            } else {
                ui.label(dim(ui, "Not measured"));
            }
            return;
        };
        let input = PlotInput {
            statistics,
            chosen: &chosen(app),
            highlighted: app.inspector.highlighted,
        };
        let mut actions = Vec::new();
        self.plot.show(ui, &input, &mut actions);
        act(app, actions, out);
    }
}

/// The maps of layers whose tokens do not see the whole photo, as far as those
/// asked for can see.
fn windows(app: &App) -> Vec<Option<Vec<Heatmap>>> {
    let inspector = &app.inspector;
    let layers = inspector.maps().iter().enumerate();
    let cut = |(at, maps): (usize, &Result<LayerMaps, AttentionError>)| {
        Some(inspector.in_sight(at, maps.as_ref().ok()?)?.0)
    };
    layers.map(cut).collect()
}

/// Those that are shown on the canvas.
fn chosen(app: &App) -> Vec<(usize, usize)> {
    let inspector = &app.inspector;
    if inspector.subject != Subject::Heads {
        return Vec::new();
    }
    let layer = inspector.layer;
    if !inspector.heads.is_empty() {
        return inspector.heads.iter().map(|head| (layer, *head)).collect();
    }
    let record = inspector
        .layers()
        .and_then(|layers| layers.records.get(layer));
    let heads = record.map_or(0, |record| record.attention_heads);
    (0..heads).map(|head| (layer, head)).collect()
}

fn act(app: &mut App, actions: Vec<GridAction>, out: &mut Vec<Command>) {
    use AttentionCommand as C;
    for action in actions {
        let command = match action {
            GridAction::Choose(layer, head) => C::Choose(layer, head),
            GridAction::Compare(layer, head) => C::Compare(layer, head),
            GridAction::ToggleInSet(layer, head) => C::ChooseToo(layer, head),
            GridAction::ToggleOff(layer, head) => C::ToggleOff(layer, head),
            GridAction::Hover(layer, head) => {
                app.inspector.highlighted = Some((layer, head));
                continue;
            }
        };
        out.push(about(command));
    }
}

fn grid_serial(app: &App) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    let style = &app.settings.attention;
    let mut hasher = std::hash::DefaultHasher::new();
    (app.inspector.serial(), style.colors, style.shared_range).hash(&mut hasher);
    hasher.finish()
}

/// What is on the canvas.
fn subject(ui: &mut Ui, app: &mut App) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        let inspector = &mut app.inspector;
        let mut choices = vec![
            (Subject::Heads, "Layer", "The attention heads of one layer"),
            (
                Subject::Rollout,
                "Rollout",
                "Attention through all layers, as if nothing else mixed tokens (Abnar & Zuidema 2020)",
            ),
            (
                Subject::Relevance,
                "Relevance",
                "What the score of a class rests on: attention weighted with its gradient (Chefer et al. 2021)",
            ),
            (
                Subject::Norms,
                "Norms",
                "Lengths of the tokens after a layer: artefacts stand out (Darcet et al. 2024)",
            ),
        ];
        if inspector.similar.is_some() {
            let meaning = "How like the chosen part each token is";
            choices.push((Subject::Similarity, "Similarity", meaning));
        }
        if inspector.asking == Asking::Prompt {
            choices.truncate(1);
        }
        let unfit = inspector.unfit_for_rollout();
        let can = |what| inspector.inspection().is_some_and(|known| known.model.can(what));
        let tells_classes = can(Capability::ClassMap) || can(Capability::Classes);
        for (subject, name, meaning) in choices {
            let no_classes = Some("This model tells no classes").filter(|_| !tells_classes);
            let why = match subject {
                Subject::Rollout => unfit.as_deref(),
                Subject::Relevance => no_classes.or(unfit.as_deref()),
                _ => None,
            };
            let button = egui::Button::selectable(inspector.subject == subject, name);
            let response = ui
                .add_enabled(why.is_none(), button)
                .on_hover_text(meaning)
                .on_disabled_hover_text(why.unwrap_or_default());
            if response.clicked() {
                inspector.subject = subject;
            }
        }
    });
}

fn layer(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
    let count = app
        .inspector
        .layers()
        .map_or(0, |layers| layers.records.len());
    if count == 0 {
        return;
    }
    ui.horizontal(|ui| {
        let mut layer = app.inspector.layer;
        ui.label(dim(ui, "Layer"));
        let slider = Slider::new(&mut layer, 0..=count.saturating_sub(1));
        if ui.add(slider).accessible_name("Layer").changed() {
            out.push(about(AttentionCommand::ChooseSameOf(layer)));
        }
        let all = app.inspector.heads.is_empty();
        let response = ui
            .add_enabled(!all, egui::Button::new("All of it"))
            .on_hover_text("Fuse all attention heads of the layer")
            .on_disabled_hover_text("All attention heads of the layer are fused");
        if response.clicked() {
            out.push(about(AttentionCommand::ChooseLayer(app.inspector.layer)));
        }
    });
}

/// What becomes of several attention heads.
fn several(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
    let inspector = &mut app.inspector;
    if inspector.heads.len() != 1 {
        ui.horizontal(|ui| {
            ui.label(dim(ui, "Fused by"));
            for (fusion, name) in FUSIONS {
                ui.selectable_value(&mut inspector.fusion, fusion, name);
            }
        });
    }
    if let Some((layer, head)) = inspector.compared {
        // Wrapped: a row that is too long would widen the panel.
        ui.horizontal_wrapped(|ui| {
            ui.label(dim(ui, format!("Against layer {layer}, no. {head}")));
            let beside = inspector.comparison == Comparison::SideBySide;
            let beside = beside || !inspector.has_difference();
            if ui.selectable_label(beside, "Beside").clicked() {
                inspector.comparison = Comparison::SideBySide;
            }
            let same = inspector.has_difference();
            let difference = inspector.comparison == Comparison::Difference;
            let button = egui::Button::selectable(difference && same, "Difference");
            let why = "Their layers have grids of different sizes";
            let response = ui.add_enabled(same, button).on_disabled_hover_text(why);
            if response.clicked() {
                inspector.comparison = Comparison::Difference;
            }
            if icon_button(ui, icons::CLOSE, "Compare no longer").clicked() {
                out.push(about(AttentionCommand::CompareNothing));
            }
        });
    } else {
        ui.label(dim(ui, "Shift+click compares, Ctrl+click adds to the shown").small());
    }
}

const FUSIONS: [(Fusion, &str); 3] = [
    (Fusion::Mean, "Mean"),
    (Fusion::Max, "Max"),
    (Fusion::Min, "Min"),
];

fn rollout(ui: &mut Ui, app: &mut App) {
    let layers = app
        .inspector
        .layers()
        .map_or(1, |layers| layers.records.len());
    let options = &mut app.inspector.rollout;
    ui.horizontal(|ui| {
        ui.label(dim(ui, "From layer"));
        ui.add(Slider::new(
            &mut options.start_layer,
            0..=layers.saturating_sub(1),
        ))
        .accessible_name("First layer of the rollout");
    });
    ui.horizontal(|ui| {
        ui.label(dim(ui, "Fused by"));
        for (fusion, name) in FUSIONS {
            ui.selectable_value(&mut options.fusion, fusion, name);
        }
    });
    ui.horizontal(|ui| {
        ui.label(dim(ui, "Discard"));
        let mut percent = options.discard_ratio * 100.0;
        let slider = Slider::new(&mut percent, 0.0..=99.0)
            .suffix(" %")
            .fixed_decimals(0);
        let tip = "Share of each layer's weights, lowest first, that is left out";
        let response = ui.add(slider).accessible_name("Discarded share");
        if response.on_hover_text(tip).changed() {
            options.discard_ratio = percent / 100.0;
        }
    });
}

/// The class whose score is explained.
fn relevance(ui: &mut Ui, app: &mut App) {
    let labels = app
        .inspector
        .inspection()
        .map(|known| known.model.labels.clone());
    let Some(labels) = labels.filter(|labels| !labels.classes.is_empty()) else {
        ui.label(dim(ui, "This model tells no classes"));
        return;
    };
    let explained = app.inspector.explained();
    let surest = explained.map_or("most certain".to_owned(), |found| found.name.clone());
    let name = app
        .inspector
        .class
        .map_or(surest, |class| labels.name(class));
    ui.horizontal(|ui| {
        ui.label(dim(ui, "Class"));
        ComboBox::from_id_salt("explained class")
            .selected_text(name)
            .show_ui(ui, |ui| {
                let class = &mut app.inspector.class;
                ui.selectable_value(class, None, "What the model is most sure of");
                for label in &labels.classes {
                    ui.selectable_value(class, Some(label.id), &label.name);
                }
            });
        if app.inspector.awaits(AnalysisKind::Relevance) {
            ui.spinner();
        }
    });
    let known = app.inspector.inspection();
    let has_parts = known.is_some_and(|known| known.model.can(Capability::ClassMap));
    let open = app.open.as_ref();
    let selected = open.is_some_and(|open| has_parts && !open.selection.is_empty());
    let of = if selected {
        "of the selected segments"
    } else {
        "of the photo"
    };
    ui.label(dim(ui, format!("Score {of}")).small());
}

/// The norms' layer, and a warning where artefacts dominate.
fn norms(ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
    layer(ui, app, out);
    let layers = app.inspector.layers();
    let record = layers.and_then(|layers| layers.records.get(app.inspector.layer));
    let Some(norms) = record.and_then(token_norms) else {
        ui.label(dim(ui, "This model records no token norms"));
        return;
    };
    let artefacts = norms.outliers(ARTEFACT).len();
    let colors = crate::ui::theme::colors(ui.ctx());
    if artefacts > 0 {
        let tokens = if artefacts == 1 {
            "token is"
        } else {
            "tokens are"
        };
        let text = format!(
            "{artefacts} {tokens} over {ARTEFACT} times as long as the median: they may hold \
             global information instead of what is there, and draw attention to themselves"
        );
        ui.add(egui::Label::new(egui::RichText::new(text).color(colors.warning)).wrap());
    } else {
        ui.label(dim(ui, "No token stands out"));
    }
}

/// A choice among names.
pub fn choice<T: Copy + PartialEq>(
    ui: &mut Ui,
    label: &str,
    value: &mut T,
    choices: impl IntoIterator<Item = (T, &'static str)>,
) {
    let choices: Vec<_> = choices.into_iter().collect();
    let shown = choices.iter().find(|(known, _)| known == value);
    let shown = shown.map_or("", |(_, name)| *name);
    ui.horizontal(|ui| {
        ui.label(dim(ui, label));
        ComboBox::from_id_salt(label)
            .selected_text(shown)
            .show_ui(ui, |ui| {
                for (choice, name) in choices {
                    ui.selectable_value(value, choice, name);
                }
            });
    });
}
