//! A heatmap over the photo.

use egui::{
    Color32, ColorImage, Context, Painter, Pos2, Rect, TextureHandle, TextureOptions, Vec2,
};

use super::scene::Scene;
use super::view::View;
use crate::attention::{
    ColorMap, Heatmap, Interpolation, Style, ValueRange, between_frames, render,
};
use crate::models::geometry;
use crate::ui::theme;

/// Longest side of an interpolated picture in pixels; from there on the graphics
/// card interpolates colours, which by then are close to each other.
const LONGEST: usize = 256;
/// Longest side of any picture in pixels: what every graphics card takes.
const LARGEST: usize = 2048;

/// What is drawn, and how.
#[derive(Clone, Copy, Debug)]
pub struct Heat<'a> {
    /// One value per token.
    pub map: &'a Heatmap,
    /// The part of the photo that the map lies on, in photo pixels; what of it
    /// is beyond the photo is cut off.
    pub view: geometry::View,
    /// The colour map.
    pub colors: ColorMap,
    /// The values at the two ends of the colour map.
    pub range: (f32, f32),
    /// What is drawn between the centres of tokens.
    pub interpolation: Interpolation,
    /// From 0 to 1.
    pub opacity: f32,
    /// Whether low values let the photo through, instead of covering it with
    /// the colour map's lowest colour.
    pub fades: bool,
    /// Another one whenever map, colours, range or interpolation change.
    pub serial: u64,
}

/// The picture of a heatmap, drawn anew only when its serial changes.
#[derive(Default)]
pub struct HeatPicture {
    serial: Option<u64>,
    texture: Option<TextureHandle>,
}

impl HeatPicture {
    /// Paint `heat` over a photo of `photo` (width, height) pixels. A map whose
    /// values do not fill its grid is not painted.
    pub fn paint(
        &mut self,
        painter: &Painter,
        canvas: Rect,
        view: &View,
        photo: (u32, u32),
        heat: &Heat<'_>,
    ) {
        if self.serial != Some(heat.serial) {
            self.serial = Some(heat.serial);
            self.upload(painter.ctx(), heat);
        }
        // An opacity that is no number paints nothing.
        let (Some(texture), true) = (&self.texture, heat.opacity > 0.0) else {
            return;
        };
        let scene = Scene {
            painter,
            canvas,
            view,
        };
        let clip = painter.clip_rect().intersect(on_screen(scene, photo));
        let uv = Rect::from_min_max(Pos2::ZERO, Pos2::new(1.0, 1.0));
        let tint = theme::with_alpha(Color32::WHITE, heat.opacity.min(1.0));
        let rect = scene.screen_rect(image_rect(heat.view));
        painter
            .with_clip_rect(clip)
            .image(texture.id(), rect, uv, tint);
    }

    fn upload(&mut self, ctx: &Context, heat: &Heat<'_>) {
        let Some(image) = between_frames(|| picture(heat)) else {
            self.texture = None;
            return;
        };
        let options = match heat.interpolation {
            Interpolation::Nearest => TextureOptions::NEAREST,
            Interpolation::Bilinear => TextureOptions::LINEAR,
        };
        match &mut self.texture {
            Some(texture) => texture.set(image, options),
            None => self.texture = Some(ctx.load_texture("heatmap", image, options)),
        }
    }
}

/// Where a photo of (width, height) pixels is on screen.
pub(super) fn on_screen(scene: Scene<'_>, (width, height): (u32, u32)) -> Rect {
    let size = Vec2::new(width as f32, height as f32);
    scene.screen_rect(Rect::from_min_size(Pos2::ZERO, size))
}

fn image_rect(view: geometry::View) -> Rect {
    Rect::from_min_max(
        Pos2::new(view.left as f32, view.top as f32),
        Pos2::new(view.right as f32, view.bottom as f32),
    )
}

/// One pixel per token, or several where values are interpolated.
fn picture(heat: &Heat<'_>) -> Option<ColorImage> {
    let grid = heat.map.grid;
    if grid.is_empty() || heat.map.values.len() != grid.len() {
        return None;
    }
    let per_token = match heat.interpolation {
        Interpolation::Nearest => 1,
        Interpolation::Bilinear => (LONGEST / grid.rows.max(grid.columns)).max(1),
    };
    let side = |tokens: usize| (tokens * per_token).min(LARGEST);
    let (low, high) = heat.range;
    let style = Style {
        colors: heat.colors,
        interpolation: heat.interpolation,
        range: ValueRange::Fixed { low, high },
        fades: false,
    };
    let picture = render(heat.map, (side(grid.columns), side(grid.rows)), &style).ok()?;
    let size = [picture.width, picture.height];
    if !heat.fades {
        return Some(ColorImage::from_rgb(size, &picture.rgb));
    }
    let grey = Style {
        colors: ColorMap::Grey,
        ..style
    };
    let values = render(heat.map, (size[0], size[1]), &grey).ok()?;
    let pixels = picture.rgb.chunks_exact(3).zip(values.rgb.chunks_exact(3));
    let pixels = pixels.map(|(color, value)| {
        let alpha = theme::heat_alpha(value[0]);
        Color32::from_rgba_unmultiplied(color[0], color[1], color[2], alpha)
    });
    Some(ColorImage::new(size, pixels.collect()))
}

#[cfg(test)]
mod tests;
