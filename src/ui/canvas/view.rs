//! The view: which part of the photo is shown, and how large. Photo pixels and
//! screen points are converted here and nowhere else.

use egui::{Pos2, Rect, Vec2};

/// Smallest and largest zoom, in physical screen pixels per photo pixel.
const ZOOM: std::ops::RangeInclusive<f32> = 0.01..=64.0;
/// Share of the canvas that a fitted photo leaves free, in points on each side.
const MARGIN: f32 = 16.0;

/// Which part of the photo is shown. `zoom` is in points per photo pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Points per photo pixel.
    pub zoom: f32,
    /// The place in the photo that is in the middle of the canvas.
    pub center: Pos2,
    /// Physical pixels per point.
    pub pixels_per_point: f32,
    /// Whether the photo is to stay fitted when the canvas changes its size.
    pub fitted: bool,
}

impl Default for View {
    fn default() -> Self {
        Self {
            zoom: 1.0,
            center: Pos2::ZERO,
            pixels_per_point: 1.0,
            fitted: true,
        }
    }
}

impl View {
    /// Physical screen pixels per photo pixel: what "100 %" speaks of.
    pub fn scale(&self) -> f32 {
        self.zoom * self.pixels_per_point
    }

    /// Where a place on screen is in the photo.
    pub fn image_from_screen(&self, canvas: Rect, at: Pos2) -> Pos2 {
        self.center + (at - canvas.center()) / self.zoom
    }

    /// Where a place in the photo is on screen.
    pub fn screen_from_image(&self, canvas: Rect, at: Pos2) -> Pos2 {
        canvas.center() + (at - self.center) * self.zoom
    }

    /// The screen rectangle of a rectangle of the photo.
    pub fn screen_rect(&self, canvas: Rect, image: Rect) -> Rect {
        Rect::from_min_max(
            self.screen_from_image(canvas, image.min),
            self.screen_from_image(canvas, image.max),
        )
    }

    /// The part of the photo's plane that is on screen.
    pub fn visible(&self, canvas: Rect) -> Rect {
        Rect::from_min_max(
            self.image_from_screen(canvas, canvas.min),
            self.image_from_screen(canvas, canvas.max),
        )
    }

    /// Show all of `image` with a margin.
    pub fn show(&mut self, canvas: Rect, image: Rect) {
        let room = (canvas.size() - Vec2::splat(2.0 * MARGIN)).max(Vec2::splat(1.0));
        let size = image.size().max(Vec2::splat(1.0));
        self.set_scale((room / size).min_elem() * self.pixels_per_point);
        self.center = image.center();
        self.fitted = false;
    }

    /// Show the whole photo; small ones not larger than four times their size.
    pub fn fit(&mut self, canvas: Rect, photo: Vec2) {
        self.show(canvas, Rect::from_min_size(Pos2::ZERO, photo));
        self.set_scale(self.scale().min(4.0));
        self.fitted = true;
    }

    /// Zoom so that a photo pixel is `scale` physical pixels large.
    pub fn set_scale(&mut self, scale: f32) {
        self.zoom = scale.clamp(*ZOOM.start(), *ZOOM.end()) / self.pixels_per_point;
    }

    /// Zoom by `factor`, so that the place under `pointer` stays where it is.
    pub fn zoom_about(&mut self, canvas: Rect, pointer: Pos2, factor: f32) {
        let held = self.image_from_screen(canvas, pointer);
        self.set_scale(self.scale() * factor);
        self.center = held - (pointer - canvas.center()) / self.zoom;
        self.fitted = false;
    }

    /// Move the photo with the pointer.
    pub fn pan(&mut self, delta: Vec2) {
        self.center -= delta / self.zoom;
        self.fitted = false;
    }

    /// Keep a part of the photo on screen, so that it cannot get lost.
    pub fn keep_in_sight(&mut self, photo: Vec2) {
        self.center = self.center.clamp(Pos2::ZERO, photo.to_pos2());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas() -> Rect {
        Rect::from_min_size(Pos2::new(40.0, 80.0), Vec2::new(800.0, 600.0))
    }

    #[test]
    fn zooming_keeps_the_place_under_the_pointer() {
        let mut view = View::default();
        view.fit(canvas(), Vec2::new(6000.0, 4000.0));
        let pointer = Pos2::new(200.0, 300.0);
        let before = view.image_from_screen(canvas(), pointer);
        view.zoom_about(canvas(), pointer, 3.7);
        let after = view.image_from_screen(canvas(), pointer);
        assert!((before - after).length() < 0.01);
    }

    #[test]
    fn conversions_are_inverse() {
        let mut view = View {
            pixels_per_point: 2.0,
            ..View::default()
        };
        view.fit(canvas(), Vec2::new(300.0, 5000.0));
        let at = Pos2::new(123.0, 456.0);
        let there = view.screen_from_image(canvas(), at);
        assert!((view.image_from_screen(canvas(), there) - at).length() < 0.01);
    }

    #[test]
    fn a_fitted_photo_is_inside_the_canvas() {
        for photo in [
            Vec2::new(1.0, 1.0),
            Vec2::new(1.0, 5000.0),
            Vec2::new(9000.0, 3.0),
        ] {
            let mut view = View::default();
            view.fit(canvas(), photo);
            let shown = view.screen_rect(canvas(), Rect::from_min_size(Pos2::ZERO, photo));
            assert!(canvas().contains_rect(shown), "{photo:?} {shown:?}");
        }
    }
}
