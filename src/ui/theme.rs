//! Every colour, size and font of the window. No other file holds a colour or a
//! size of its own, so that the look can be judged and changed in one place.

use std::sync::Arc;

use egui::{
    Color32, Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Stroke,
    Style, TextStyle, Theme, Vec2, Visuals,
};

use crate::app::ThemeChoice;
use crate::attention::{ColorMap, fade};

/// The colours by role.
#[derive(Clone, Copy, Debug)]
pub struct Colors {
    /// Behind the photo.
    pub ground: Color32,
    /// Bars and panels.
    pub panel: Color32,
    /// Controls at rest.
    pub raised: Color32,
    /// Controls under the pointer.
    pub hover: Color32,
    /// Hairlines.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Text of less weight; still 4.5:1 on `panel`.
    pub dim: Color32,
    /// The one accent: focus, selection, proposals.
    pub accent: Color32,
    /// Text on accent.
    pub on_accent: Color32,
    /// Success.
    pub good: Color32,
    /// Attention.
    pub warning: Color32,
    /// Failure, destruction.
    pub danger: Color32,
}

const DARK: Colors = Colors {
    ground: Color32::from_rgb(0x14, 0x16, 0x1A),
    panel: Color32::from_rgb(0x1B, 0x1E, 0x24),
    raised: Color32::from_rgb(0x25, 0x29, 0x32),
    hover: Color32::from_rgb(0x2F, 0x34, 0x3F),
    line: Color32::from_rgb(0x33, 0x39, 0x45),
    text: Color32::from_rgb(0xE8, 0xEA, 0xED),
    dim: Color32::from_rgb(0x9B, 0xA3, 0xAF),
    accent: Color32::from_rgb(0x4C, 0xC2, 0xFF),
    on_accent: Color32::from_rgb(0x0B, 0x14, 0x1B),
    good: Color32::from_rgb(0x58, 0xD6, 0x8D),
    warning: Color32::from_rgb(0xF5, 0xC0, 0x4A),
    danger: Color32::from_rgb(0xFF, 0x6B, 0x6B),
};

const LIGHT: Colors = Colors {
    ground: Color32::from_rgb(0xC9, 0xCD, 0xD4),
    panel: Color32::from_rgb(0xF4, 0xF5, 0xF7),
    raised: Color32::from_rgb(0xE4, 0xE7, 0xEC),
    hover: Color32::from_rgb(0xD8, 0xDD, 0xE4),
    line: Color32::from_rgb(0xC9, 0xCF, 0xD8),
    text: Color32::from_rgb(0x1B, 0x1F, 0x27),
    dim: Color32::from_rgb(0x57, 0x60, 0x6E),
    accent: Color32::from_rgb(0x00, 0x6F, 0xB0),
    on_accent: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    good: Color32::from_rgb(0x17, 0x7D, 0x43),
    warning: Color32::from_rgb(0x8F, 0x5F, 0x00),
    danger: Color32::from_rgb(0xC2, 0x2B, 0x2B),
};

/// The colours of the theme in force.
pub fn colors(ctx: &Context) -> Colors {
    match ctx.theme() {
        Theme::Dark => DARK,
        Theme::Light => LIGHT,
    }
}

/// Spacing steps in points.
pub mod space {
    pub const XS: f32 = 4.0;
    pub const S: f32 = 8.0;
    pub const M: f32 = 12.0;
    pub const L: f32 = 16.0;
}

/// Sizes of the window's parts in points.
pub mod size {
    use egui::Vec2;

    pub const TOP_BAR: f32 = 40.0;
    /// Room for what stands at the right end of the top bar.
    pub const TOP_BAR_RIGHT: f32 = 456.0;
    pub const OPTIONS: f32 = 36.0;
    pub const RAIL: f32 = 44.0;
    pub const RAIL_BUTTON: f32 = 34.0;
    pub const PANEL: f32 = 300.0;
    pub const PANEL_MIN: f32 = 240.0;
    pub const PANEL_MAX: f32 = 460.0;
    pub const FILMSTRIP: f32 = 44.0;
    pub const STATUS: f32 = 26.0;
    pub const ROW: f32 = 28.0;
    /// A row with a second line of small text.
    pub const ROW_OF_TWO: f32 = 40.0;
    /// The menu of models.
    pub const MODELS: f32 = 390.0;
    pub const SWATCH: f32 = 14.0;
    pub const ICON: f32 = 18.0;
    pub const ICON_BUTTON: f32 = 28.0;
    pub const DIALOG: f32 = 440.0;
    /// Height of the export dialog without the list of kinds, with all that it
    /// may have to say, and some room around it.
    pub const EXPORT_REST: f32 = 290.0;
    pub const TOAST: f32 = 360.0;
    pub const CORNER: u8 = 6;
    pub const MINI_MAP: f32 = 140.0;
    pub const LEGEND_ROW: f32 = 19.0;
    /// The colours of the colour bar.
    pub const COLOR_BAR: Vec2 = Vec2::new(208.0, 10.0);
    /// Thumbnails of attention heads: the smallest, the largest, and between them.
    pub const THUMBNAIL: std::ops::RangeInclusive<f32> = 18.0..=40.0;
    pub const THUMBNAIL_GAP: f32 = 3.0;
    /// Room for the numbers of layers and attention heads beside thumbnails.
    pub const THUMBNAIL_NUMBERS: Vec2 = Vec2::new(20.0, 15.0);
    pub const HEAD_GRID: f32 = 420.0;
    pub const CHART: f32 = 180.0;
    pub const CHART_POINT: f32 = 2.5;
    pub const CHART_POINT_CHOSEN: f32 = 4.5;
    /// How near to a point of a chart the pointer has to be.
    pub const CHART_REACH: f32 = 10.0;
}

/// Lines and marks on the canvas, in points unless said otherwise.
pub mod canvas {
    use egui::Color32;

    pub const CONTOUR: f32 = 1.5;
    pub const CONTOUR_SELECTED: f32 = 2.5;
    pub const PROPOSAL_FILL: f32 = 0.25;
    /// Of what a prediction gains and loses.
    pub const CHANGE_FILL: f32 = 0.7;
    pub const EVERYTHING_FILL: f32 = 0.42;
    /// Opacity of the ink around areas on offer.
    pub const RIM: f32 = 0.6;
    pub const ANT: f32 = 5.0;
    pub const ANTS_PER_SECOND: f64 = 3.0;
    pub const POINT_RADIUS: f32 = 7.0;
    pub const POINT_REACH: f32 = 11.0;
    pub const BOX_CORNER: f32 = 10.0;
    /// Photo pixels are shown as squares from this zoom on (screen per photo pixel).
    pub const CRISP_FROM: f32 = 2.0;
    /// The pixel grid shows from this zoom on.
    pub const GRID_FROM: f32 = 8.0;
    pub const GRID: Color32 = Color32::from_rgba_premultiplied(40, 40, 40, 48);
    pub const INK: Color32 = Color32::from_rgb(0x10, 0x12, 0x16);
    pub const PAPER: Color32 = Color32::from_rgb(0xFF, 0xFF, 0xFF);
    /// Text of less weight on ink.
    pub const PAPER_DIM: Color32 = Color32::from_rgb(0xB4, 0xBA, 0xC4);
    /// Opacity of the ink behind text on the photo.
    pub const PLATE: f32 = 0.82;
    pub const POSITIVE: Color32 = Color32::from_rgb(0x2E, 0xB8, 0x6B);
    pub const NEGATIVE: Color32 = Color32::from_rgb(0xE5, 0x4B, 0x4B);
    /// Lines between tokens show while tokens are at least so large.
    pub const TOKEN_GRID_FROM: f32 = 8.0;
    /// They have their full strength while tokens are at least so large.
    pub const TOKEN_GRID_FULL: f32 = 32.0;
    pub const TOKEN_GRID: Color32 = Color32::from_rgba_premultiplied(62, 62, 62, 84);
    /// Around the tokens that hold most of the attention: the accent, as bright in
    /// both themes, since it lies on a heatmap.
    pub const MASS: Color32 = Color32::from_rgb(0x4C, 0xC2, 0xFF);
    /// Opacity of the ink over what a token cannot see.
    pub const VEIL: f32 = 0.3;
    /// Dashes around attention windows, and the gaps between them.
    pub const WINDOW_DASH: f32 = 4.0;
}

/// Class colours come from the document as plain bytes.
pub fn class_color(rgb: [u8; 3]) -> Color32 {
    let [r, g, b] = rgb;
    Color32::from_rgb(r, g, b)
}

/// A step of a heatmap's colour map.
pub fn heat_color(colors: ColorMap, step: u8) -> Color32 {
    class_color(colors.step(step))
}

/// How much of the photo a step of a heatmap that fades covers, of 255.
pub fn heat_alpha(step: u8) -> u8 {
    (fade(f32::from(step) / 255.0) * 255.0).round() as u8
}

/// `color` with `alpha` 0..=1.
pub fn with_alpha(color: Color32, alpha: f32) -> Color32 {
    color.gamma_multiply(alpha)
}

/// Half bold text.
pub fn semibold() -> FontFamily {
    FontFamily::Name("semibold".into())
}

/// The icon font at `size` points.
pub fn icon_font(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("icons".into()))
}

/// Install fonts and both themes; call once, before the first frame.
pub fn install(ctx: &Context) {
    ctx.set_fonts(fonts());
    ctx.set_style_of(Theme::Dark, style(Theme::Dark, DARK));
    ctx.set_style_of(Theme::Light, style(Theme::Light, LIGHT));
}

/// Follow the user's choice of theme.
pub fn follow(ctx: &Context, choice: ThemeChoice) {
    ctx.set_theme(match choice {
        ThemeChoice::System => egui::ThemePreference::System,
        ThemeChoice::Dark => egui::ThemePreference::Dark,
        ThemeChoice::Light => egui::ThemePreference::Light,
    });
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let mut add = |name: &str, bytes: &'static [u8]| {
        fonts
            .font_data
            .insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    };
    add(
        "inter",
        include_bytes!("../../assets/fonts/Inter-Regular.otf"),
    );
    add(
        "inter-semibold",
        include_bytes!("../../assets/fonts/Inter-SemiBold.otf"),
    );
    add(
        "phosphor",
        include_bytes!("../../assets/fonts/Phosphor.ttf"),
    );
    let fallback = fonts
        .families
        .get(&FontFamily::Proportional)
        .cloned()
        .unwrap_or_default();
    let chain = |first: &str| {
        let mut chain = vec![first.to_owned(), "phosphor".to_owned()];
        chain.extend(fallback.iter().cloned());
        chain
    };
    fonts
        .families
        .insert(FontFamily::Proportional, chain("inter"));
    fonts.families.insert(semibold(), chain("inter-semibold"));
    fonts
        .families
        .insert(FontFamily::Name("icons".into()), chain("phosphor"));
    fonts
}

fn style(theme: Theme, colors: Colors) -> Style {
    let mut style = Style {
        visuals: visuals(theme, colors),
        animation_time: 0.1,
        ..Style::default()
    };
    style.text_styles = [
        (TextStyle::Body, FontId::new(13.0, FontFamily::Proportional)),
        (
            TextStyle::Button,
            FontId::new(13.0, FontFamily::Proportional),
        ),
        (
            TextStyle::Small,
            FontId::new(11.0, FontFamily::Proportional),
        ),
        (TextStyle::Heading, FontId::new(15.0, semibold())),
        (
            TextStyle::Monospace,
            FontId::new(12.0, FontFamily::Monospace),
        ),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = Vec2::new(space::S, space::XS);
    spacing.button_padding = Vec2::new(10.0, 5.0);
    spacing.interact_size = Vec2::new(size::ICON_BUTTON, size::ICON_BUTTON);
    spacing.menu_margin = Margin::same(6);
    spacing.window_margin = Margin::same(16);
    spacing.slider_width = 120.0;
    spacing.combo_width = 120.0;
    spacing.icon_width = 16.0;
    spacing.scroll.floating = true;
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.35;
    style
}

fn visuals(theme: Theme, colors: Colors) -> Visuals {
    let mut visuals = match theme {
        Theme::Dark => Visuals::dark(),
        Theme::Light => Visuals::light(),
    };
    let corner = CornerRadius::same(size::CORNER);
    visuals.panel_fill = colors.panel;
    visuals.window_fill = colors.panel;
    visuals.window_stroke = Stroke::new(1.0, colors.line);
    visuals.window_corner_radius = CornerRadius::same(size::CORNER + 2);
    visuals.menu_corner_radius = corner;
    visuals.extreme_bg_color = colors.ground;
    visuals.faint_bg_color = colors.raised;
    visuals.weak_text_color = Some(colors.dim);
    visuals.hyperlink_color = colors.accent;
    visuals.warn_fg_color = colors.warning;
    visuals.error_fg_color = colors.danger;
    visuals.selection.bg_fill = with_alpha(colors.accent, 0.28);
    visuals.selection.stroke = Stroke::new(1.0, colors.accent);
    visuals.slider_trailing_fill = true;

    let widgets = &mut visuals.widgets;
    // Check boxes and slider rails are filled one step stronger than buttons: an
    // empty box has to show on a panel.
    for (state, fill, strong) in [
        (&mut widgets.noninteractive, colors.panel, colors.panel),
        (&mut widgets.inactive, colors.raised, colors.line),
        (&mut widgets.hovered, colors.hover, colors.line),
        (&mut widgets.active, colors.line, colors.line),
        (&mut widgets.open, colors.hover, colors.line),
    ] {
        state.bg_fill = strong;
        state.weak_bg_fill = fill;
        state.fg_stroke = Stroke::new(1.0, colors.text);
        state.bg_stroke = Stroke::NONE;
        state.corner_radius = corner;
        state.expansion = 0.0;
    }
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, colors.line);
    widgets.active.bg_stroke = Stroke::new(1.0, colors.accent);
    visuals
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance and contrast as in WCAG 2.1.
    fn contrast(a: Color32, b: Color32) -> f32 {
        let luminance = |c: Color32| {
            let linear = |v: u8| {
                let v = f32::from(v) / 255.0;
                if v <= 0.04045 {
                    v / 12.92
                } else {
                    ((v + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * linear(c.r()) + 0.7152 * linear(c.g()) + 0.0722 * linear(c.b())
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read() {
        for (name, c) in [("dark", DARK), ("light", LIGHT)] {
            for (what, text, ground) in [
                ("text on panel", c.text, c.panel),
                ("text on raised", c.text, c.raised),
                ("text on hover", c.text, c.hover),
                ("dim on panel", c.dim, c.panel),
                ("accent on panel", c.accent, c.panel),
                ("danger on panel", c.danger, c.panel),
                ("warning on panel", c.warning, c.panel),
                ("good on panel", c.good, c.panel),
                ("text on accent", c.on_accent, c.accent),
            ] {
                let got = contrast(text, ground);
                assert!(got >= 4.5, "{name}: {what} has contrast {got:.2}");
            }
        }
    }
}
