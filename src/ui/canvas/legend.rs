//! What the colours of a prediction mean: a small plate at the lower left of the
//! canvas, there as long as anything of the prediction is on offer. It takes no
//! clicks: what lies under it can be prompted.

use std::sync::Arc;

use egui::{Align2, Color32, FontId, Galley, Id, Painter, Pos2, Rect, Sense, Ui, Vec2, WidgetInfo};

use crate::app::OpenDocument;
use crate::ui::prediction::{self, Share};
use crate::ui::theme::{self, canvas as look, size, space};
use crate::ui::widgets::shortened;

/// Longest name of a model or class, in characters.
const NAME: usize = 26;
/// The keys that deal with all of it.
const KEYS: &str = "Enter keeps all, Esc drops";

/// Show it in `room`; `under` is the class that the pointer is on.
pub fn show(ui: &Ui, painter: &Painter, room: Rect, open: &OpenDocument, under: Option<usize>) {
    let shares = prediction::shares(open);
    if shares.is_empty() {
        return;
    }
    let told: Vec<String> = shares.iter().map(Share::text).collect();
    let lines = lines(painter, room, open, &shares, under);
    let plate = plate(room, &lines);
    let response = ui.interact(plate, Id::unique("legend"), Sense::hover());
    let name = format!("Legend: {}", told.join(", "));
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, &name));
    let fill = theme::with_alpha(look::INK, look::PLATE);
    painter.rect_filled(plate, f32::from(size::CORNER), fill);
    let mut top = plate.shrink2(Vec2::new(space::M, space::S));
    for line in lines {
        let row = top.with_max_y(top.top() + size::LEGEND_ROW);
        line.paint(painter, row);
        top.min.y += size::LEGEND_ROW;
    }
}

/// A line of the plate.
struct Line {
    color: Option<Color32>,
    text: Arc<Galley>,
    /// At the right end.
    share: Option<Arc<Galley>>,
}

impl Line {
    fn width(&self) -> f32 {
        let swatch = self.color.map_or(0.0, |_| size::SWATCH + space::S);
        let share = self
            .share
            .as_ref()
            .map_or(0.0, |share| share.size().x + space::L);
        swatch + self.text.size().x + share
    }

    fn paint(self, painter: &Painter, row: Rect) {
        let at = |align: Align2, x: f32, galley: &Galley| {
            align
                .anchor_size(Pos2::new(x, row.center().y), galley.size())
                .min
        };
        let mut left = row.left();
        if let Some(color) = self.color {
            let side = Vec2::splat(size::SWATCH);
            let swatch = Align2::LEFT_CENTER.anchor_size(row.left_center(), side);
            painter.rect_filled(swatch, 3.0, color);
            left += size::SWATCH + space::S;
        }
        let text = at(Align2::LEFT_CENTER, left, &self.text);
        painter.galley(text, self.text, look::PAPER);
        if let Some(share) = self.share {
            let pos = at(Align2::RIGHT_CENTER, row.right(), &share);
            painter.galley(pos, share, look::PAPER);
        }
    }
}

/// Who says so, the classes by their share as far as there is room, and the keys.
fn lines(
    painter: &Painter,
    room: Rect,
    open: &OpenDocument,
    shares: &[Share<'_>],
    under: Option<usize>,
) -> Vec<Line> {
    let body =
        |text: String, color| painter.layout_no_wrap(text, FontId::proportional(12.0), color);
    let small = |text: String| Line {
        color: None,
        text: painter.layout_no_wrap(text, FontId::proportional(11.0), look::PAPER_DIM),
        share: None,
    };
    let fits = (room.height() * 0.7 / size::LEGEND_ROW) as usize;
    let most = fits.saturating_sub(3).max(1);
    let mut lines = vec![small(shortened(&open.prompting.predictor, NAME))];
    for share in &shares[..shares.len().min(most)] {
        let strong = under.is_none_or(|under| under == share.at);
        let color = if strong { look::PAPER } else { look::PAPER_DIM };
        lines.push(Line {
            color: Some(theme::class_color(share.label.color)),
            text: body(shortened(&share.label.name, NAME), color),
            share: Some(body(share.percent(), color)),
        });
    }
    if shares.len() > most {
        lines.push(small(format!("and {} more", shares.len() - most)));
    }
    lines.push(small(KEYS.to_owned()));
    lines
}

/// Where it lies: at the lower left of `room`, as large as its lines.
fn plate(room: Rect, lines: &[Line]) -> Rect {
    let widest = lines.iter().map(Line::width).fold(0.0, f32::max);
    let height = lines.len() as f32 * size::LEGEND_ROW;
    let extent = Vec2::new(widest + 2.0 * space::M, height + 2.0 * space::S);
    Align2::LEFT_BOTTOM.anchor_size(room.left_bottom(), extent)
}
