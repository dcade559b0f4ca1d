//! Messages that come up over the canvas and go away by themselves.

use egui::{
    Align, Align2, Area, Button, Context, Frame, Id, Label, Layout, Order, RichText, Stroke, Vec2,
};

use super::icons;
use super::theme::{self, Colors, size, space};
use crate::app::{App, Severity};

/// At most so many at a time: more would hide the photo.
const SHOWN: usize = 4;

/// The colour and icon of a severity.
pub fn face(colors: &Colors, severity: Severity) -> (egui::Color32, &'static str) {
    match severity {
        Severity::Success => (colors.good, icons::CHECK),
        Severity::Info => (colors.accent, icons::INFO),
        Severity::Warning => (colors.warning, icons::WARNING),
        Severity::Error => (colors.danger, icons::ERROR),
    }
}

/// Show them above `bottom_right`.
pub fn show(ctx: &Context, app: &mut App, bottom_right: egui::Pos2) {
    let colors = theme::colors(ctx);
    let shown: Vec<_> = app.notices.toasts().cloned().collect();
    let mut dismissed = None;
    let area = Area::new(Id::unique("toasts"))
        .order(Order::Foreground)
        .pivot(Align2::RIGHT_BOTTOM)
        .fixed_pos(bottom_right - Vec2::splat(space::L));
    if shown.is_empty() {
        return;
    }
    area.show(ctx, |ui| {
        for notice in shown.iter().rev().take(SHOWN).rev() {
            let (color, icon) = face(&colors, notice.severity);
            Frame::popup(ui.style())
                .stroke(Stroke::new(1.0, color))
                .show(ui, |ui| {
                    ui.set_width(size::TOAST);
                    ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                        let close =
                            RichText::new(icons::CLOSE).font(theme::icon_font(size::SWATCH));
                        let close = ui.add(Button::new(close).frame_when_inactive(false).small());
                        if close.accessible_name("Dismiss").clicked() {
                            dismissed = Some(notice.id);
                        }
                        ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
                            ui.label(
                                RichText::new(icon)
                                    .font(theme::icon_font(size::ICON))
                                    .color(color),
                            );
                            ui.add(Label::new(&notice.text).wrap());
                        });
                    });
                });
            ui.add_space(space::XS);
        }
    });
    if let Some(id) = dismissed {
        app.notices.dismiss(id);
    }
}
