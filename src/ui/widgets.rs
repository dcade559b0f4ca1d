//! The few controls that the whole window is made of.

use egui::{Button, Color32, Response, RichText, Sense, Ui, Vec2};

use super::keys;
use super::theme::{self, size, space};
use crate::app::{App, Command};

/// A button that makes `command`: disabled with the reason in its tooltip when
/// the command can do nothing, its key in the tooltip otherwise.
pub fn command_button(
    ui: &mut Ui,
    app: &App,
    out: &mut Vec<Command>,
    icon: &str,
    name: &str,
    command: Command,
) -> Response {
    let blocked = command.blocked(app);
    let response = ui
        .add_enabled(blocked.is_none(), icon_face(icon, false))
        .accessible_name(name)
        .on_hover_text(with_key(ui, name, &command))
        .on_disabled_hover_text(blocked.unwrap_or_default());
    if response.clicked() {
        out.push(command);
    }
    response
}

/// A small button with an icon and a name for the tooltip and assistive tools.
pub fn icon_button(ui: &mut Ui, icon: &str, name: &str) -> Response {
    ui.add(icon_face(icon, false))
        .accessible_name(name)
        .on_hover_text(name)
}

/// An icon that is on or off.
pub fn icon_toggle(ui: &mut Ui, icon: &str, name: &str, on: bool, strong: bool) -> Response {
    let colors = theme::colors(ui.ctx());
    let color = if strong { colors.text } else { colors.dim };
    let face = Button::new(
        RichText::new(icon)
            .font(theme::icon_font(size::SWATCH))
            .color(color),
    )
    .frame_when_inactive(false)
    .selected(on && strong)
    .min_size(Vec2::splat(size::ROW - space::XS));
    ui.add(face).accessible_name(name).on_hover_text(name)
}

fn icon_face(icon: &str, selected: bool) -> Button<'_> {
    Button::new(RichText::new(icon).font(theme::icon_font(size::ICON)))
        .frame_when_inactive(false)
        .selected(selected)
        .min_size(Vec2::splat(size::ICON_BUTTON))
}

/// `name`, with the command's key behind it where it has one.
pub fn with_key(ui: &Ui, name: &str, command: &Command) -> String {
    match keys::text_of(ui.ctx(), command) {
        Some(key) => format!("{name}  ({key})"),
        None => name.to_owned(),
    }
}

/// A small square of a class's colour.
pub fn swatch(ui: &mut Ui, color: Color32, hollow: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(size::SWATCH), Sense::hover());
    if hollow {
        let stroke = egui::Stroke::new(1.0, theme::colors(ui.ctx()).dim);
        ui.painter()
            .rect_stroke(rect, 3.0, stroke, egui::StrokeKind::Inside);
    } else {
        ui.painter().rect_filled(rect, 3.0, color);
    }
    response
}

/// The one button that a dialog is about.
pub fn primary_button(ui: &mut Ui, text: &str, enabled: bool) -> Response {
    let colors = theme::colors(ui.ctx());
    let face = RichText::new(text)
        .color(colors.on_accent)
        .family(theme::semibold());
    let response = ui.add_enabled(enabled, Button::new(face).fill(colors.accent));
    if response.has_focus() {
        // The usual ring of the accent colour would not show on it.
        let ring = egui::Stroke::new(2.0, colors.text);
        let rect = response.rect.expand(2.0);
        ui.painter().rect_stroke(
            rect,
            f32::from(size::CORNER),
            ring,
            egui::StrokeKind::Outside,
        );
    }
    response
}

/// Text of less weight.
pub fn dim(ui: &Ui, text: impl Into<String>) -> RichText {
    RichText::new(text).color(theme::colors(ui.ctx()).dim)
}

/// A score for the eye; the model's estimate may be a little over 1.
pub fn score(score: f32) -> String {
    format!("{:.2}", score.clamp(0.0, 1.0))
}

/// The beginning of `text`, at most `most` characters of it.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most - 1).collect();
    format!("{start}…")
}

/// `1234567` as `1 234 567`, with thin spaces.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1234), "1\u{2009}234");
        assert_eq!(grouped(1234567), "1\u{2009}234\u{2009}567");
    }
}
