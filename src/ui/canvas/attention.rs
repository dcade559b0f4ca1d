//! Attention over the photo: heatmaps, whose they are, and what their colours
//! mean.

use egui::{Painter, Pos2, Rect, Response, Stroke, Ui};

use super::heat::{Heat, HeatPicture};
use super::proposal::MaskPicture;
use super::scene::Scene;
use super::token_layer::TokenLayer;
use super::view::View;
use super::{Canvas, marks, photo_size};
use crate::app::inspector::Picture;
use crate::app::{App, OpenDocument};
use crate::ui::inspector::color_bar::ColorBar;
use crate::ui::theme::{self, Colors, canvas as look, space};

/// Heatmaps on the canvas: the first one, and the one beside it.
#[derive(Default)]
pub struct Attention {
    heats: [HeatPicture; 2],
    /// What a prediction gains and loses without some attention heads.
    changed: Option<[MaskPicture; 2]>,
}

/// The two halves of a canvas that compares two pictures, or all of it.
pub fn halves(rect: Rect, app: &App) -> (Rect, Option<Rect>) {
    if !app.inspector.shown || app.inspector.pictures().len() < 2 {
        return (rect, None);
    }
    let middle = rect.center().x;
    let gap = space::XS / 2.0;
    let left = rect.with_max_x(middle - gap);
    (left, Some(rect.with_min_x(middle + gap)))
}

impl Canvas {
    /// Tell the inspector what the pointer is over, in either half.
    pub(super) fn look(&self, ui: &Ui, response: &Response, other: Option<Rect>, app: &mut App) {
        if !app.inspector.shown {
            return;
        }
        let pointer = ui.input(|input| input.pointer.hover_pos());
        let beside = other.zip(pointer).filter(|(rect, at)| rect.contains(*at));
        let at = match beside {
            Some((rect, at)) if ui.rect_contains_pointer(rect) => {
                Some(self.view.image_from_screen(rect, at))
            }
            _ => response
                .hover_pos()
                .map(|at| self.view.image_from_screen(response.rect, at)),
        };
        let photo = photo_size(app);
        let inside = |at: &Pos2| Rect::from_min_size(Pos2::ZERO, photo).contains(*at);
        if let Some(at) = at.filter(inside)
            && app.look_at([at.x, at.y])
        {
            // The grid of attention heads was drawn before.
            ui.ctx().request_repaint();
        }
    }

    /// The heatmap under the labels.
    pub(super) fn paint_heat(&mut self, painter: &Painter, canvas: Rect, app: &App, at: usize) {
        let (Some(open), Some(picture)) = (&app.open, app.inspector.pictures().get(at)) else {
            return;
        };
        let style = &app.settings.attention;
        let (colors, range) = style.colors_of(picture, app.inspector.pictures());
        let heat = Heat {
            map: &picture.map,
            view: picture.view,
            colors,
            range,
            interpolation: style.interpolation,
            opacity: style.opacity,
            fades: style.fades_in(picture),
            serial: serial(app, at),
        };
        let photo = (open.photo.width(), open.photo.height());
        let layer = layer(painter, canvas, &self.view, open, picture);
        let parts = match picture.windows[..] {
            [] => vec![painter.clip_rect()],
            // What a token cannot see has no attention, not a low one.
            _ => picture.windows.iter().map(|at| layer.rect(at)).collect(),
        };
        for part in parts {
            let painter = painter.with_clip_rect(painter.clip_rect().intersect(part));
            self.attention.heats[at].paint(&painter, canvas, &self.view, photo, &heat);
        }
        if style.token_grid {
            layer.grid_lines();
        }
        layer.windows(&picture.windows);
    }

    /// What is drawn over labels and heatmap.
    pub(super) fn paint_attention(&self, painter: &Painter, canvas: Rect, app: &App, at: usize) {
        let Some(open) = &app.open else { return };
        if let Some((tokens, view)) = &app.inspector.grown {
            let grown = TokenLayer {
                covers: *view,
                grid: tokens.grid,
                ..bare(painter, canvas, &self.view, open)
            };
            grown.contour(&tokens.on);
        }
        let Some(picture) = app.inspector.pictures().get(at) else {
            return;
        };
        if let Some(held) = picture.held.as_ref().filter(|_| shows_contour(app)) {
            layer(painter, canvas, &self.view, open, picture).contour(&held.on);
        }
        if let Some((grid, covers, tokens)) = &picture.asked {
            let asked = TokenLayer {
                covers: *covers,
                grid: *grid,
                ..bare(painter, canvas, &self.view, open)
            };
            asked.marks(tokens);
        }
        let room = Rect::from_min_max(canvas.min, canvas.max);
        marks::banner(painter, room, &picture.title, look::PAPER);
    }

    /// What the prediction gains and loses without the attention heads that are
    /// off.
    pub(super) fn paint_change(
        &mut self,
        painter: &Painter,
        canvas: Rect,
        app: &App,
        colors: &Colors,
    ) {
        let experiment = &app.inspector.experiment;
        let Some(change) = experiment.change() else {
            self.attention.changed = None;
            return;
        };
        let serial = experiment.serial();
        let known = self.attention.changed.take();
        let known = known.filter(|pictures| pictures[0].is(serial));
        let pictures = known.unwrap_or_else(|| {
            [&change.gained, &change.lost].map(|mask| MaskPicture::new(painter, mask, serial))
        });
        for (picture, color) in pictures.iter().zip([colors.good, colors.danger]) {
            let color = theme::with_alpha(color, look::CHANGE_FILL);
            picture.paint_fill(painter, canvas, &self.view, color);
        }
        self.attention.changed = Some(pictures);
    }

    /// What the colours mean.
    pub(super) fn paint_color_bar(&self, ui: &Ui, painter: &Painter, canvas: Rect, app: &App) {
        let Some(picture) = app.inspector.pictures().first() else {
            return;
        };
        let (colors, range) = app
            .settings
            .attention
            .colors_of(picture, app.inspector.pictures());
        let bar = ColorBar {
            colors,
            range,
            unit: picture.unit.name(),
            marker: app.inspector.hovered.and_then(|at| value_at(picture, at)),
        };
        bar.show(ui, painter, canvas.shrink(space::M));
    }

    /// The photo once more, with the picture that is compared.
    pub(super) fn paint_beside(&mut self, ui: &Ui, rect: Rect, app: &App, colors: &Colors) {
        let Some(open) = &app.open else { return };
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 0.0, colors.ground);
        self.photo.paint(&painter, rect, &self.view, &open.photo);
        self.paint_heat(&painter, rect, app, 1);
        self.paint_attention(&painter, rect, app, 1);
        let edge = rect.left() - space::XS / 2.0;
        ui.painter()
            .vline(edge, rect.y_range(), Stroke::new(space::XS, colors.line));
    }
}

fn shows_contour(app: &App) -> bool {
    app.settings.attention.contour && app.inspector.grown.is_none()
}

/// The value of a picture under a place of the photo.
fn value_at(picture: &Picture, [x, y]: [f32; 2]) -> Option<f32> {
    let token = picture
        .view
        .token_from_image(picture.map.grid, x.into(), y.into())?;
    picture.map.at(token.0, token.1)
}

/// Another one whenever the look of a heatmap changes.
fn serial(app: &App, at: usize) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    let style = &app.settings.attention;
    let mut hasher = std::hash::DefaultHasher::new();
    (app.inspector.serial(), at, style.colors).hash(&mut hasher);
    (style.clip.to_bits(), style.interpolation as u8).hash(&mut hasher);
    style.fades.hash(&mut hasher);
    hasher.finish()
}

fn bare<'a>(
    painter: &'a Painter,
    canvas: Rect,
    view: &'a View,
    open: &OpenDocument,
) -> TokenLayer<'a> {
    let photo = (open.photo.width(), open.photo.height());
    TokenLayer {
        scene: Scene {
            painter,
            canvas,
            view,
        },
        photo,
        covers: crate::models::geometry::View::whole((photo.0 as usize, photo.1 as usize)),
        grid: crate::nn::capture::Grid {
            rows: 0,
            columns: 0,
        },
    }
}

fn layer<'a>(
    painter: &'a Painter,
    canvas: Rect,
    view: &'a View,
    open: &OpenDocument,
    picture: &Picture,
) -> TokenLayer<'a> {
    TokenLayer {
        covers: picture.view,
        grid: picture.map.grid,
        ..bare(painter, canvas, view, open)
    }
}
