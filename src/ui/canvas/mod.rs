//! The canvas: the photo, the labels over it, what the model offers, and the
//! pointer's business with them.

mod attention;
mod empty;
mod heat;
mod input;
mod legend;
mod marks;
mod offers;
mod overlay;
mod photo_tiles;
mod proposal;
mod scene;
mod token_layer;
mod view;

use std::hash::{Hash as _, Hasher as _};

use egui::{
    Color32, CursorIcon, Id, Key, Painter, Pos2, Rect, Response, Sense, Ui, Vec2, WidgetInfo,
};

use super::theme::{self, Colors};
use crate::app::{App, Command, OpenDocument, Tool, ViewRequest};
use crate::document::Document;
use crate::worker::DocumentId;
use attention::Attention;
use input::{Drag, Pointer};
use overlay::{LabelStyle, Overlay};
use photo_tiles::PhotoTiles;
use proposal::{EverythingPicture, MaskPicture};
use view::View;

/// What the status bar reads off the canvas.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readout {
    /// The photo pixel under the pointer.
    pub pixel: Option<[u32; 2]>,
    /// Physical screen pixels per photo pixel.
    pub zoom: f32,
}

/// The canvas and its caches.
pub struct Canvas {
    /// What the status bar shows.
    pub readout: Readout,
    view: View,
    shown: Option<DocumentId>,
    last_rect: Rect,
    pointer: Pointer,
    photo: PhotoTiles,
    overlay: Overlay,
    style: Option<LabelStyle>,
    proposal: Option<MaskPicture>,
    everything: Option<EverythingPicture>,
    attention: Attention,
}

impl Default for Canvas {
    fn default() -> Self {
        Self {
            readout: Readout::default(),
            view: View::default(),
            shown: None,
            last_rect: Rect::ZERO,
            pointer: Pointer::default(),
            photo: PhotoTiles::default(),
            overlay: Overlay::default(),
            style: None,
            proposal: None,
            everything: None,
            attention: Attention::default(),
        }
    }
}

/// The canvas takes the keyboard when nothing else has it.
pub fn focus_id() -> Id {
    Id::unique("canvas")
}

impl Canvas {
    /// Show the canvas in all the room that is left.
    pub fn show(&mut self, ui: &mut Ui, app: &mut App, out: &mut Vec<Command>) {
        let all = ui.available_rect_before_wrap();
        ui.advance_cursor_after_rect(all);
        let (rect, other) = attention::halves(all, app);
        let response = ui.interact(rect, focus_id(), Sense::click_and_drag());
        let name = app.open.as_ref().map_or("Canvas".to_owned(), |open| {
            format!("Canvas: {}", open.name())
        });
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, &name));
        self.take_focus(ui, app);
        self.arrange(rect, ui.pixels_per_point(), app);
        self.pointer.follow(&response, &mut self.view, app, out);

        let colors = theme::colors(ui.ctx());
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 0.0, colors.ground);
        if app.open.is_some() {
            let photo = photo_size(app);
            self.view.keep_in_sight(photo);
            self.read_out(&response, photo);
            self.look(ui, &response, other, app);
            self.paint(ui, &painter, rect, app, &colors);
            if let Some(other) = other {
                self.paint_beside(ui, other, app, &colors);
            }
            self.cursor(ui, &painter, &response, app);
        } else {
            empty::show(ui, rect, app, out);
        }
        if app.first_steps
            && !app.inspector.shown
            && app
                .open
                .as_ref()
                .is_some_and(|open| !open.prompting.is_picking())
        {
            let text = "Click an object. Right click takes away. Enter keeps it.";
            marks::banner(&painter, rect, text, theme::canvas::PAPER);
        }
    }

    /// Move the view as a command asked.
    pub fn move_view(&mut self, request: ViewRequest, app: &App) {
        let canvas = self.last_rect;
        match request {
            ViewRequest::Fit => self.view.fit(canvas, photo_size(app)),
            ViewRequest::ActualSize => {
                let factor = 1.0 / self.view.scale();
                self.view.zoom_about(canvas, canvas.center(), factor);
            }
            ViewRequest::Zoom(factor) => self.view.zoom_about(canvas, canvas.center(), factor),
            ViewRequest::Show(part) => {
                let part = Rect::from_min_max(
                    Pos2::new(part.x0 as f32, part.y0 as f32),
                    Pos2::new(part.x1 as f32, part.y1 as f32),
                );
                self.view.show(canvas, part.expand2(part.size() * 0.1));
            }
        }
    }

    /// With the keyboard, the canvas also takes Tab while masks can be cycled.
    fn take_focus(&self, ui: &Ui, app: &App) {
        let offers = app
            .open
            .as_ref()
            .is_some_and(|open| open.prompting.offer.is_some());
        ui.memory_mut(|memory| {
            if memory.focused().is_none() && app.dialog.is_none() {
                memory.request_focus(focus_id());
            }
            memory.set_focus_lock_filter(
                focus_id(),
                egui::EventFilter {
                    tab: offers,
                    horizontal_arrows: true,
                    vertical_arrows: true,
                    escape: true,
                },
            );
        });
    }

    fn arrange(&mut self, rect: Rect, pixels_per_point: f32, app: &App) {
        self.view.pixels_per_point = pixels_per_point;
        let resized = rect != self.last_rect;
        self.last_rect = rect;
        let open = app.open.as_ref().map(|open| open.id);
        if open != self.shown {
            self.shown = open;
            self.pointer.let_go();
            self.view.fitted = true;
            self.view.fit(rect, photo_size(app));
        } else if resized && self.view.fitted {
            self.view.fit(rect, photo_size(app));
        }
    }

    fn read_out(&mut self, response: &Response, photo: Vec2) {
        let at = response
            .hover_pos()
            .map(|pos| self.view.image_from_screen(response.rect, pos));
        let inside = |at: &Pos2| at.x >= 0.0 && at.y >= 0.0 && at.x < photo.x && at.y < photo.y;
        self.readout = Readout {
            pixel: at.filter(inside).map(|at| [at.x as u32, at.y as u32]),
            zoom: self.view.scale(),
        };
    }

    fn paint(&mut self, ui: &Ui, painter: &Painter, canvas: Rect, app: &App, colors: &Colors) {
        let Some(open) = &app.open else { return };
        let typing = painter.ctx().text_edit_focused();
        let (hold, alone) = painter
            .ctx()
            .input(|input| (input.key_down(Key::H) && !typing, input.modifiers.shift));
        let photo = Vec2::new(open.photo.width() as f32, open.photo.height() as f32);
        if !(hold && alone) {
            self.photo.paint(painter, canvas, &self.view, &open.photo);
        }
        if app.inspector.shown && !hold {
            self.paint_heat(painter, canvas, app, 0);
        }
        if !hold || alone {
            self.paint_labels(painter, canvas, app, open, alone && hold);
        }
        marks::pixel_grid(painter, canvas, &self.view, photo);
        if !hold {
            self.paint_offers(painter, canvas, app, open, colors);
            self.paint_prompt(painter, canvas, open, colors);
        }
        if app.inspector.shown && !hold {
            self.paint_change(painter, canvas, app, colors);
            self.paint_attention(painter, canvas, app, 0);
            self.paint_color_bar(ui, painter, canvas, app);
        }
        let small = self.photo.small(painter.ctx());
        let map = marks::mini_map(painter, canvas, &self.view, photo, small, colors);
        if !hold {
            let bottom = map.map_or(canvas.bottom(), |map| map.top());
            let room = canvas.with_max_y(bottom).shrink(theme::space::M);
            let under = self.hovered_offer(open).and_then(|at| at.1.label);
            legend::show(ui, painter, room, open, under);
        }
    }

    fn paint_labels(
        &mut self,
        painter: &Painter,
        canvas: Rect,
        app: &App,
        open: &OpenDocument,
        alone: bool,
    ) {
        let opacity = if alone {
            1.0
        } else {
            app.settings.overlay_opacity
        };
        let document = open.document();
        let fingerprint = fingerprint(document, &open.selection, opacity, app.settings.contours);
        if self
            .style
            .as_ref()
            .is_none_or(|style| style.fingerprint != fingerprint)
        {
            self.style = Some(label_style(
                document,
                open,
                opacity,
                app.settings.contours,
                fingerprint,
            ));
        }
        if let Some(style) = &self.style {
            let levels = open.photo.levels().len();
            self.overlay.paint(
                painter,
                canvas,
                &self.view,
                document.labels(),
                style,
                levels,
            );
        }
    }

    fn paint_prompt(&self, painter: &Painter, canvas: Rect, open: &OpenDocument, colors: &Colors) {
        let prompting = &open.prompting;
        if let Some([x0, y0, x1, y1]) = prompting.bbox {
            let rect = Rect::from_min_max(Pos2::new(x0, y0), Pos2::new(x1, y1));
            marks::prompt_box(painter, self.view.screen_rect(canvas, rect), colors);
        }
        if let Drag::Prompt {
            from,
            to,
            positive: true,
        } = self.pointer.drag()
            && from.distance(to) > 5.0
        {
            marks::prompt_box(painter, Rect::from_two_pos(from, to), colors);
        }
        let hovered = painter
            .ctx()
            .pointer_hover_pos()
            .and_then(|pointer| marks::hit(&prompting.points, canvas, &self.view, pointer));
        for (index, point) in prompting.points.iter().enumerate() {
            let at = self
                .view
                .screen_from_image(canvas, Pos2::new(point.x, point.y));
            marks::point(painter, at, point.positive, hovered == Some(index));
        }
        if prompting.is_waiting() && prompting.offer.is_none() {
            self.paint_waiting(painter, canvas, open, colors);
        }
    }

    /// A sign of life where the user looks: beside the newest point, or in the box.
    fn paint_waiting(&self, painter: &Painter, canvas: Rect, open: &OpenDocument, colors: &Colors) {
        let prompting = &open.prompting;
        let place = prompting
            .points
            .last()
            .map(|point| Pos2::new(point.x, point.y))
            .or_else(|| {
                prompting
                    .bbox
                    .map(|[x0, y0, x1, y1]| Pos2::new((x0 + x1) / 2.0, (y0 + y1) / 2.0))
            });
        let Some(place) = place else { return };
        let at = self.view.screen_from_image(canvas, place);
        let time = painter.ctx().input(|input| input.time) as f32;
        let reach = theme::canvas::POINT_RADIUS + 7.0;
        let arc: Vec<Pos2> = (0..=16)
            .map(|step| at + reach * Vec2::angled(time * 5.0 + step as f32 * 0.25))
            .collect();
        painter.add(egui::Shape::line(
            arc,
            egui::Stroke::new(2.5, colors.accent),
        ));
        painter.ctx().request_repaint();
    }

    fn cursor(&self, ui: &Ui, painter: &Painter, response: &Response, app: &App) {
        let Some(pointer) = response.hover_pos() else {
            return;
        };
        let space = ui.input(|input| input.key_down(Key::Space));
        if self.pointer.drag() == Drag::Pan {
            ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
        } else if space {
            ui.ctx().set_cursor_icon(CursorIcon::Grab);
        } else if app.tool.paints() {
            ui.ctx().set_cursor_icon(CursorIcon::None);
            let at = self.view.image_from_screen(response.rect, pointer);
            marks::brush_ring(
                painter,
                response.rect,
                &self.view,
                at,
                app.settings.brush_radius,
            );
        } else if app.tool == Tool::Attention || (app.tool.prompts() && !is_picking(app)) {
            ui.ctx().set_cursor_icon(CursorIcon::None);
            marks::crosshair(painter, pointer);
        } else {
            ui.ctx().set_cursor_icon(CursorIcon::Default);
        }
    }
}

fn is_picking(app: &App) -> bool {
    let open = app.open.as_ref();
    open.is_some_and(|open| open.prompting.is_picking())
}

fn photo_size(app: &App) -> Vec2 {
    app.open.as_ref().map_or(Vec2::splat(1.0), |open| {
        Vec2::new(open.photo.width() as f32, open.photo.height() as f32)
    })
}

/// Changes when the look of any segment does.
fn fingerprint(document: &Document, selection: &[u16], opacity: f32, contours: bool) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    for segment in document.segments() {
        (segment.id, segment.class, segment.hidden).hash(&mut hasher);
    }
    for class in document.classes().iter() {
        (class.id, class.color).hash(&mut hasher);
    }
    (selection, opacity.to_bits(), contours).hash(&mut hasher);
    hasher.finish()
}

fn label_style(
    document: &Document,
    open: &OpenDocument,
    opacity: f32,
    contours: bool,
    fingerprint: u64,
) -> LabelStyle {
    let count = document
        .segments()
        .last()
        .map_or(0, |segment| usize::from(segment.id) + 1);
    let mut selected = vec![false; count];
    for &id in &open.selection {
        if let Some(selected) = selected.get_mut(usize::from(id)) {
            *selected = true;
        }
    }
    let mut colors = vec![[Color32::TRANSPARENT; 2]; count];
    for segment in document.segments().iter().filter(|segment| !segment.hidden) {
        let color = theme::class_color(document.classes().color(segment.class));
        let fill = if selected[usize::from(segment.id)] {
            (opacity + 0.15).min(1.0)
        } else {
            opacity
        };
        colors[usize::from(segment.id)] = [theme::with_alpha(color, fill), color];
    }
    LabelStyle {
        colors,
        selected,
        fingerprint,
        contours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{Classes, Mask};

    #[test]
    fn the_fingerprint_sees_what_changes_the_look() {
        let document = Document::new(8, 8, Classes::default());
        let plain = fingerprint(&document, &[], 0.4, true);
        assert_eq!(plain, fingerprint(&document, &[], 0.4, true));
        assert_ne!(plain, fingerprint(&document, &[1], 0.4, true));
        assert_ne!(plain, fingerprint(&document, &[], 0.5, true));
        assert_ne!(plain, fingerprint(&document, &[], 0.4, false));
        let mask = Mask::from_rect(crate::label::Rect::new(0, 0, 2, 2));
        let painted = crate::document::accept(&document, &mask, 1, None)
            .unwrap()
            .document;
        assert_ne!(plain, fingerprint(&painted, &[], 0.4, true));
    }
}
