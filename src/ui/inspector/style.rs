//! How heatmaps look.

use egui::{Slider, Ui};

use super::heads::choice;
use crate::app::App;
use crate::app::inspector::Look;
use crate::attention::{ColorMap, Interpolation};
use crate::ui::widgets::dim;

/// Colours, range and what is drawn beside them.
pub fn show(ui: &mut Ui, app: &mut App) {
    let look = &mut app.settings.attention;
    percent(
        ui,
        "Opacity",
        "Opacity of the heatmap",
        &mut look.opacity,
        1.0,
    );
    let maps = ColorMap::ALL.map(|map| (map, map.name()));
    choice(ui, "Colours", &mut look.colors, maps);
    let between = [
        (Interpolation::Bilinear, "smooth"),
        (Interpolation::Nearest, "tokens"),
    ];
    choice(ui, "Drawn", &mut look.interpolation, between);
    let mut clip = look.clip / 100.0;
    percent(
        ui,
        "Clip",
        "Share of the highest (and of norms the lowest) values that are not told apart",
        &mut clip,
        Look::MOST_CLIPPED / 100.0,
    );
    look.clip = clip * 100.0;
    ui.checkbox(
        &mut look.fades,
        "Let the photo through where values are low",
    );
    ui.checkbox(&mut look.shared_range, "One range for all attention heads")
        .on_hover_text("Thumbnails then can be compared by brightness");
    ui.checkbox(&mut look.token_grid, "Token grid");
    ui.checkbox(
        &mut look.contour,
        "Outline what holds most of the attention",
    );
}

/// A slider of per cent for a share. Whether it was let go at another value.
pub fn percent(ui: &mut Ui, name: &str, meaning: &str, share: &mut f32, most: f32) -> bool {
    let shown = ui.horizontal(|ui| {
        ui.label(dim(ui, name));
        let mut value = *share * 100.0;
        let slider = Slider::new(&mut value, 0.0..=most * 100.0)
            .suffix(" %")
            .fixed_decimals(0);
        let response = ui
            .add(slider)
            .accessible_name(meaning)
            .on_hover_text(meaning);
        if response.changed() {
            *share = value / 100.0;
        }
        response.drag_stopped() || (response.changed() && !response.dragged())
    });
    shown.inner
}
