//! What the colours of a heatmap mean: a small plate at the lower right of the
//! canvas. It takes no clicks: what lies under it can be asked.

use egui::{
    Align2, Color32, FontId, Id, Mesh, Painter, Pos2, Rect, Sense, Shape, Stroke, Ui, Vec2,
    WidgetInfo,
};

use super::scale::{number, ticks};
use crate::attention::ColorMap;
use crate::ui::theme::{self, canvas as look, size, space};

/// Size of the text in points.
const TEXT: f32 = 11.0;

/// The meaning of a heatmap's colours.
#[derive(Clone, Copy, Debug)]
pub struct ColorBar<'a> {
    /// The colour map.
    pub colors: ColorMap,
    /// The values at its ends.
    pub range: (f32, f32),
    /// What the values are, such as "share of attention".
    pub unit: &'a str,
    /// The value under the pointer.
    pub marker: Option<f32>,
}

impl ColorBar<'_> {
    /// Show it in the lower right corner of `room`; says where.
    pub fn show(&self, ui: &Ui, painter: &Painter, room: Rect) -> Rect {
        let row = TEXT + space::XS;
        let inside = Vec2::new(size::COLOR_BAR.x, 2.0 * row + size::COLOR_BAR.y + space::XS);
        let margin = Vec2::new(space::M, space::S);
        let plate = Align2::RIGHT_BOTTOM.anchor_size(room.right_bottom(), inside + 2.0 * margin);
        let response = ui.interact(plate, Id::unique("colour bar"), Sense::hover());
        let name = self.name();
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, &name));
        let fill = theme::with_alpha(look::INK, look::PLATE);
        painter.rect_filled(plate, f32::from(size::CORNER), fill);
        let content = plate.shrink2(margin);
        let bar = Rect::from_min_size(content.min + Vec2::new(0.0, row), size::COLOR_BAR);
        self.head_line(painter, content);
        painter.add(gradient(bar, self.colors));
        self.scale(painter, bar, content);
        if let Some(at) = self.marker.and_then(|value| self.place(f64::from(value))) {
            pin(painter, bar, at);
        }
        plate
    }

    /// For assistive tools.
    fn name(&self) -> String {
        let [low, high] = [self.range.0, self.range.1].map(|end| number(f64::from(end)));
        format!("Colour bar: {low} to {high}, {}", self.unit)
    }

    /// The unit, and the value under the pointer.
    fn head_line(&self, painter: &Painter, content: Rect) {
        let text = |text: String, at: Pos2, align: Align2, color: Color32| {
            painter.text(at, align, text, FontId::proportional(TEXT), color);
        };
        let unit = self.unit.to_owned();
        text(unit, content.min, Align2::LEFT_TOP, look::PAPER_DIM);
        if let Some(value) = self.marker.filter(|value| value.is_finite()) {
            let value = number(f64::from(value));
            text(value, content.right_top(), Align2::RIGHT_TOP, look::PAPER);
        }
    }

    /// Ticks with their numbers, kept on the plate.
    fn scale(&self, painter: &Painter, bar: Rect, content: Rect) {
        let stroke = Stroke::new(1.0, look::PAPER_DIM);
        for tick in ticks(self.range) {
            let Some(share) = self.place(tick) else {
                continue;
            };
            let x = painter.round_to_pixel_center(bar.left() + share * bar.width());
            painter.vline(x, bar.bottom()..=bar.bottom() + space::XS, stroke);
            let galley =
                painter.layout_no_wrap(number(tick), FontId::proportional(TEXT), look::PAPER);
            let half = galley.size().x / 2.0;
            let most = (content.right() - half).max(content.left() + half);
            let middle = x.clamp(content.left() + half, most);
            let at = Pos2::new(middle - half, bar.bottom() + space::XS);
            painter.galley(at, galley, look::PAPER);
        }
    }

    /// Where a value is on the bar, from 0 to 1; the middle if all are the same.
    fn place(&self, value: f64) -> Option<f32> {
        let (low, high) = (f64::from(self.range.0), f64::from(self.range.1));
        let share = if low == high {
            0.5
        } else {
            (value - low) / (high - low)
        };
        share.is_finite().then(|| share.clamp(0.0, 1.0) as f32)
    }
}

/// All colours side by side.
fn gradient(bar: Rect, colors: ColorMap) -> Shape {
    let mut mesh = Mesh::default();
    for step in 0..=u8::MAX {
        let x = bar.left() + f32::from(step) / f32::from(u8::MAX) * bar.width();
        let color = theme::heat_color(colors, step);
        mesh.colored_vertex(Pos2::new(x, bar.top()), color);
        mesh.colored_vertex(Pos2::new(x, bar.bottom()), color);
        let next = 2 * u32::from(step);
        if step > 0 {
            mesh.add_triangle(next - 2, next - 1, next);
            mesh.add_triangle(next - 1, next, next + 1);
        }
    }
    Shape::mesh(mesh)
}

/// A mark at a place of the bar, in two tones that show on all colours.
fn pin(painter: &Painter, bar: Rect, share: f32) {
    let x = bar.left() + share * bar.width();
    let range = bar.top() - 2.0..=bar.bottom() + 2.0;
    painter.vline(x, range.clone(), Stroke::new(4.0, look::INK));
    painter.vline(x, range, Stroke::new(2.0, look::PAPER));
}

#[cfg(test)]
mod tests;
