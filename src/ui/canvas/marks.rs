//! Points, boxes, the cursor, the pixel grid and the mini-map: everything that
//! is drawn at screen resolution over photo and labels.

use std::sync::Arc;

use egui::cache::{ComputerMut, FrameCache};
use egui::{Align2, Color32, Context, FontId, Painter, Pos2, Rect, Stroke, StrokeKind, Vec2};

use super::scene::Scene;
use super::view::View;
use crate::document::brush;
use crate::models::PromptPoint;
use crate::ui::theme::{self, Colors, canvas as look, size, space};

/// A prompt point: a disc with a plus or a minus and a white ring.
pub fn point(painter: &Painter, at: Pos2, positive: bool, hovered: bool) {
    let fill = if positive {
        look::POSITIVE
    } else {
        look::NEGATIVE
    };
    let radius = look::POINT_RADIUS + if hovered { 2.0 } else { 0.0 };
    painter.circle_filled(at, radius + 1.0, theme::with_alpha(look::INK, 0.6));
    painter.circle(at, radius, fill, Stroke::new(1.5, look::PAPER));
    let arm = radius * 0.5;
    let stroke = Stroke::new(1.8, look::PAPER);
    painter.line_segment([at - Vec2::new(arm, 0.0), at + Vec2::new(arm, 0.0)], stroke);
    if positive {
        painter.line_segment([at - Vec2::new(0.0, arm), at + Vec2::new(0.0, arm)], stroke);
    }
}

/// The point of the prompt that the pointer is on.
pub fn hit(points: &[PromptPoint], canvas: Rect, view: &View, pointer: Pos2) -> Option<usize> {
    points
        .iter()
        .enumerate()
        .map(|(at, point)| {
            let on_screen = view.screen_from_image(canvas, Pos2::new(point.x, point.y));
            (at, on_screen.distance(pointer))
        })
        .filter(|(_, distance)| *distance <= look::POINT_REACH)
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(at, _)| at)
}

/// A prompt box: a hairline with marks at its corners.
pub fn prompt_box(painter: &Painter, rect: Rect, colors: &Colors) {
    painter.rect_stroke(rect, 0.0, Stroke::new(2.0, look::INK), StrokeKind::Middle);
    painter.rect_stroke(
        rect,
        0.0,
        Stroke::new(1.0, colors.accent),
        StrokeKind::Middle,
    );
    let reach = look::BOX_CORNER.min(rect.width().min(rect.height()) / 2.0);
    let stroke = Stroke::new(3.0, colors.accent);
    for (corner, x, y) in [
        (rect.left_top(), 1.0, 1.0),
        (rect.right_top(), -1.0, 1.0),
        (rect.left_bottom(), 1.0, -1.0),
        (rect.right_bottom(), -1.0, -1.0),
    ] {
        painter.line_segment([corner, corner + Vec2::new(x * reach, 0.0)], stroke);
        painter.line_segment([corner, corner + Vec2::new(0.0, y * reach)], stroke);
    }
}

/// The exact footprint of the brush, in two tones so that it shows on any photo.
pub fn brush_ring(painter: &Painter, canvas: Rect, view: &View, at: Pos2, radius: f32) {
    let scene = Scene {
        painter,
        canvas,
        view,
    };
    let center = Pos2::from(brush::snap([at.x, at.y], radius));
    let ring = ring(painter.ctx(), radius);
    let runs = scene.runs(ring.iter().map(|&corner| center + corner));
    for stroke in [
        Stroke::new(3.0, theme::with_alpha(look::INK, 0.7)),
        Stroke::new(1.0, look::PAPER),
    ] {
        painter.extend(runs.iter().map(|run| run.line(stroke)));
    }
    // A brush smaller than a few points on screen is marked by a cross beside it.
    if radius * view.zoom < 3.0 {
        cross(painter, scene.screen(center), 5.0, 11.0);
    }
}

/// The corners of [`brush::ring`], which takes a while for large brushes.
type Ring = Arc<[Vec2]>;

/// Makes rings; egui keeps the one of the last frame.
#[derive(Default)]
struct RingMaker;

impl ComputerMut<u32, Ring> for RingMaker {
    fn compute(&mut self, radius: u32) -> Ring {
        let ring = brush::ring(f32::from_bits(radius));
        ring.into_iter().map(Vec2::from).collect()
    }
}

fn ring(ctx: &Context, radius: f32) -> Ring {
    ctx.memory_mut(|memory| {
        let cache = memory.caches.cache::<FrameCache<Ring, RingMaker>>();
        cache.get(radius.to_bits()).clone()
    })
}

/// Crosshair for exact places: two-tone, open in the middle.
pub fn crosshair(painter: &Painter, at: Pos2) {
    cross(painter, at, 4.0, 13.0);
}

fn cross(painter: &Painter, at: Pos2, inner: f32, outer: f32) {
    let arms = [Vec2::X, -Vec2::X, Vec2::Y, -Vec2::Y];
    for (width, color) in [(3.0, theme::with_alpha(look::INK, 0.7)), (1.0, look::PAPER)] {
        for arm in arms {
            let line = [at + arm * inner, at + arm * outer];
            painter.line_segment(line, Stroke::new(width, color));
        }
    }
}

/// Lines between photo pixels, while these are large.
pub fn pixel_grid(painter: &Painter, canvas: Rect, view: &View, photo: Vec2) {
    if view.scale() < look::GRID_FROM {
        return;
    }
    let shown = view
        .visible(canvas)
        .intersect(Rect::from_min_size(Pos2::ZERO, photo));
    let on_screen = view.screen_rect(canvas, shown);
    let stroke = Stroke::new(1.0 / view.pixels_per_point, look::GRID);
    for x in shown.min.x.ceil() as i64..=shown.max.x as i64 {
        let x = view.screen_from_image(canvas, Pos2::new(x as f32, 0.0)).x;
        painter.vline(x, on_screen.y_range(), stroke);
    }
    for y in shown.min.y.ceil() as i64..=shown.max.y as i64 {
        let y = view.screen_from_image(canvas, Pos2::new(0.0, y as f32)).y;
        painter.hline(on_screen.x_range(), y, stroke);
    }
}

/// Where the view is in the photo, when the photo is larger than the view. Says
/// where on screen that stands.
pub fn mini_map(
    painter: &Painter,
    canvas: Rect,
    view: &View,
    photo: Vec2,
    picture: Option<egui::TextureId>,
    colors: &Colors,
) -> Option<Rect> {
    let whole = Rect::from_min_size(Pos2::ZERO, photo);
    let visible = view.visible(canvas).intersect(whole);
    if !visible.is_positive() || visible.area() > whole.area() * 0.85 {
        return None;
    }
    let extent = photo * (size::MINI_MAP / photo.max_elem());
    if extent.min_elem() < space::XS {
        return None;
    }
    let map = Rect::from_min_size(
        canvas.left_bottom() + Vec2::new(space::M, -space::M - extent.y),
        extent,
    );
    painter.rect_filled(map.expand(1.0), 2.0, look::INK);
    if let Some(picture) = picture {
        let uv = Rect::from_min_max(Pos2::ZERO, Pos2::new(1.0, 1.0));
        painter.image(picture, map, uv, theme::with_alpha(Color32::WHITE, 0.75));
    }
    painter.rect_stroke(map, 2.0, Stroke::new(1.0, colors.line), StrokeKind::Outside);
    let place = |at: Pos2| map.min + (at.to_vec2() / photo) * extent;
    let part = Rect::from_min_max(place(visible.min), place(visible.max));
    painter.rect_stroke(
        part,
        0.0,
        Stroke::new(1.5, colors.accent),
        StrokeKind::Inside,
    );
    Some(map)
}

/// A line of text on a dark plate, centred at the top of the canvas.
pub fn banner(painter: &Painter, canvas: Rect, text: &str, color: Color32) {
    let font = FontId::proportional(13.0);
    let galley = painter.layout_no_wrap(text.to_owned(), font, color);
    let at = Pos2::new(canvas.center().x, canvas.top() + space::L);
    let rect = Align2::CENTER_TOP.anchor_size(
        at,
        galley.size() + Vec2::new(2.0 * space::M, 2.0 * space::S),
    );
    painter.rect_filled(
        rect,
        f32::from(size::CORNER),
        theme::with_alpha(look::INK, look::PLATE),
    );
    painter.galley(rect.min + Vec2::new(space::M, space::S), galley, color);
}

/// A word beside a proposal: its score or its class.
pub fn tag(painter: &Painter, at: Pos2, text: String, colors: &Colors) {
    let galley = painter.layout_no_wrap(text, FontId::proportional(11.0), colors.on_accent);
    let rect = Rect::from_min_size(at, galley.size() + Vec2::new(space::S, space::XS));
    painter.rect_filled(rect, 3.0, colors.accent);
    painter.galley(
        rect.min + Vec2::new(space::XS, space::XS / 2.0),
        galley,
        colors.on_accent,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_of_a_radius_is_kept_from_frame_to_frame() {
        let ctx = Context::default();
        let frame = |radius: f32| {
            let mut found: Ring = [].into();
            let output = ctx.run_ui(egui::RawInput::default(), |ui| {
                found = ring(ui.ctx(), radius);
            });
            output.drop_without_applying_deltas();
            found
        };
        let first = frame(20.0);
        assert_eq!(first.len(), brush::ring(20.0).len());
        assert!(Arc::ptr_eq(&first, &frame(20.0)));
        assert_eq!(frame(0.5).len(), 4);
    }
}
