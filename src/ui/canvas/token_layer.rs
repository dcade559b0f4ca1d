//! What is drawn on the token grid over the photo: its lines, query tokens,
//! sets of tokens, and the windows that attention stays in.

use egui::{Align2, Color32, FontId, Mesh, Painter, Pos2, Rect, Shape, Stroke, Vec2};

use super::heat::on_screen;
use super::scene::{Dashes, Scene};
use crate::attention::TokenRect;
use crate::label::{self, Mask, contours};
use crate::models::geometry::View;
use crate::nn::capture::Grid;
use crate::ui::theme::{self, canvas as look, space};

/// Room beside the photo, in points, for lines that run along its edge.
const RIM: f32 = 2.0;

/// A token grid that lies on a photo.
#[derive(Clone, Copy)]
pub struct TokenLayer<'a> {
    /// Where and how to paint.
    pub scene: Scene<'a>,
    /// Width and height of the photo in pixels; nothing is drawn beyond it.
    pub photo: (u32, u32),
    /// The part of the photo that the grid covers, in photo pixels.
    pub covers: View,
    /// The grid.
    pub grid: Grid,
}

impl TokenLayer<'_> {
    /// Hairlines between tokens, while these are large enough on screen.
    pub fn grid_lines(&self) {
        let all = self.rect(&self.whole());
        let token = all.size() / Vec2::new(self.grid.columns as f32, self.grid.rows as f32);
        if self.grid.is_empty() || token.min_elem() < look::TOKEN_GRID_FROM {
            return;
        }
        let painter = self.painter();
        let hairline = 1.0 / self.scene.view.pixels_per_point;
        let range = look::TOKEN_GRID_FROM..=look::TOKEN_GRID_FULL;
        let strength = egui::remap_clamp(token.min_elem(), range, 0.3..=1.0);
        let stroke = Stroke::new(hairline, theme::with_alpha(look::TOKEN_GRID, strength));
        for column in 0..=self.grid.columns {
            let x = self.scene.screen(self.corner(0, column)).x;
            painter.vline(x, all.y_range(), stroke);
        }
        for row in 0..=self.grid.rows {
            let y = self.scene.screen(self.corner(row, 0)).y;
            painter.hline(all.x_range(), y, stroke);
        }
    }

    /// Outlines of query tokens, as (row, column), in two tones that show on any
    /// photo. Tokens side by side share one outline.
    pub fn marks(&self, tokens: &[(usize, usize)]) {
        let mut set = vec![false; self.grid.len()];
        for &(row, column) in tokens {
            if row < self.grid.rows && column < self.grid.columns {
                set[row * self.grid.columns + column] = true;
            }
        }
        self.outline(&set, look::PAPER, look::CONTOUR);
    }

    /// The outline of a set of tokens, row by row: those that hold most of the
    /// attention.
    pub fn contour(&self, tokens: &[bool]) {
        self.outline(tokens, look::MASS, look::CONTOUR_SELECTED);
    }

    fn outline(&self, set: &[bool], color: Color32, width: f32) {
        if set.len() != self.grid.len() {
            return;
        }
        let painter = self.painter();
        let ink = Stroke::new(width + 2.0, theme::with_alpha(look::INK, 0.7));
        for outline in contours(&self.mask(|row, column| set[row * self.grid.columns + column])) {
            let corners = outline.iter();
            let corners = corners.map(|[x, y]| self.corner(*y as usize, *x as usize));
            for run in self.scene.runs(corners) {
                painter.add(run.line(ink));
                painter.add(run.line(Stroke::new(width, color)));
            }
        }
    }

    /// The windows that a query can see, dashed and named, so that nobody takes
    /// their edges for an object's; what it cannot see is veiled. Nothing where
    /// it sees the whole grid.
    pub fn windows(&self, windows: &[TokenRect]) {
        let seen = |row: usize, column: usize| windows.iter().any(|at| holds(at, row, column));
        let hidden = self.mask(|row, column| !seen(row, column));
        if hidden.is_empty() || windows.is_empty() {
            return;
        }
        let painter = self.painter();
        painter.add(self.veil(&hidden));
        for window in windows {
            self.edges(&painter, window, seen);
        }
        let name = match windows {
            [_] => "attention window",
            _ => "attention windows",
        };
        let first = windows.iter().min_by_key(|at| (at.top, at.left));
        if let Some(first) = first {
            self.name(&painter, self.rect(first), name);
        }
    }

    /// Without seams, which rectangles with soft edges would have.
    fn veil(&self, hidden: &Mask) -> Shape {
        let mut mesh = Mesh::default();
        let ink = theme::with_alpha(look::INK, look::VEIL);
        for span in hidden.spans() {
            let (row, left, right) = (span.y as usize, span.x0 as usize, span.x1 as usize);
            let run = TokenRect {
                top: row,
                left,
                bottom: row + 1,
                right,
            };
            mesh.add_colored_rect(self.rect(&run), ink);
        }
        Shape::mesh(mesh)
    }

    /// The edges of a window. An edge that it shares with another one is drawn
    /// once, by the one after it.
    fn edges(&self, painter: &Painter, at: &TokenRect, seen: impl Fn(usize, usize) -> bool) {
        let [left_top, right_top] = [at.left, at.right].map(|x| self.corner(at.top, x));
        let [left_bottom, right_bottom] = [at.left, at.right].map(|x| self.corner(at.bottom, x));
        self.dashed(painter, left_top, right_top);
        self.dashed(painter, left_top, left_bottom);
        if !seen(at.top, at.right) {
            self.dashed(painter, right_top, right_bottom);
        }
        if !seen(at.bottom, at.left) {
            self.dashed(painter, left_bottom, right_bottom);
        }
    }

    fn dashed(&self, painter: &Painter, from: Pos2, to: Pos2) {
        let Some(run) = self.scene.stretch(from, to) else {
            return;
        };
        let pattern = Dashes {
            dash: look::WINDOW_DASH,
            period: 2.0 * look::WINDOW_DASH,
            moved: 0.0,
        };
        painter.add(run.line(Stroke::new(1.5, theme::with_alpha(look::INK, 0.7))));
        painter.extend(run.dashes(pattern, Stroke::new(1.0, look::PAPER)));
    }

    /// `text` over the upper left corner of a window, or in it where there is no
    /// room above.
    fn name(&self, painter: &Painter, window: Rect, text: &str) {
        let font = FontId::proportional(11.0);
        let galley = painter.layout_no_wrap(text.to_owned(), font, look::PAPER);
        let extent = galley.size() + Vec2::new(space::S, space::XS);
        let room = painter.clip_rect();
        let corner = window.min.max(room.min);
        let above = corner.y - extent.y - RIM;
        let top = if above < room.top() {
            corner.y + RIM
        } else {
            above
        };
        let plate = Rect::from_min_size(Pos2::new(corner.x, top), extent);
        painter.rect_filled(plate, 3.0, theme::with_alpha(look::INK, look::PLATE));
        let at = Align2::CENTER_CENTER.anchor_size(plate.center(), galley.size());
        painter.galley(at.min, galley, look::PAPER);
    }

    /// Paints on the photo only.
    fn painter(&self) -> Painter {
        let painter = self.scene.painter;
        let photo = on_screen(self.scene, self.photo).expand(RIM);
        painter.with_clip_rect(painter.clip_rect().intersect(photo))
    }

    fn mask(&self, holds: impl Fn(usize, usize) -> bool) -> Mask {
        let all = label::Rect::of_size(self.grid.columns as u32, self.grid.rows as u32);
        Mask::from_fn(all, |x, y| holds(y as usize, x as usize))
    }

    fn whole(&self) -> TokenRect {
        TokenRect {
            top: 0,
            left: 0,
            bottom: self.grid.rows,
            right: self.grid.columns,
        }
    }

    /// The upper left corner of a token, in photo pixels.
    fn corner(&self, row: usize, column: usize) -> Pos2 {
        let token = self.covers.image_from_token(self.grid, row, column);
        Pos2::new(token.left as f32, token.top as f32)
    }

    /// Where some tokens are on screen.
    pub fn rect(&self, tokens: &TokenRect) -> Rect {
        let corner = |row, column| self.corner(row, column);
        self.scene.screen_rect(Rect::from_min_max(
            corner(tokens.top, tokens.left),
            corner(tokens.bottom, tokens.right),
        ))
    }
}

fn holds(rect: &TokenRect, row: usize, column: usize) -> bool {
    (rect.top..rect.bottom).contains(&row) && (rect.left..rect.right).contains(&column)
}

#[cfg(test)]
mod tests;
