//! What the model offers, drawn so that nobody takes it for a label: accent
//! fill, and a contour that moves.

use egui::{Color32, ColorImage, Painter, Pos2, Rect, Stroke, TextureHandle, TextureOptions};

use super::scene::{Dashes, Scene};
use super::view::View;
use crate::app::{Offered, OfferedLabel};
use crate::label::{Mask, contours};
use crate::ui::theme::{self, Colors};

/// Longest side of a proposal's picture in pixels; larger masks are sampled.
const LONGEST: u32 = 1536;

/// A mask as texture and outline.
pub struct MaskPicture {
    serial: u64,
    bounds: Rect,
    texture: Option<TextureHandle>,
    outlines: Vec<Vec<Pos2>>,
}

impl MaskPicture {
    /// Draw `mask`; `serial` names it.
    pub fn new(painter: &Painter, mask: &Mask, serial: u64) -> Self {
        let bounds = mask.bounds();
        let outlines = contours(mask)
            .into_iter()
            .map(|line| {
                line.into_iter()
                    .map(|[x, y]| Pos2::new(x as f32, y as f32))
                    .collect()
            })
            .collect();
        let texture = (!mask.is_empty()).then(|| {
            let image = picture(std::iter::once((mask, Color32::WHITE)), bounds);
            painter
                .ctx()
                .load_texture("proposal", image, TextureOptions::LINEAR)
        });
        Self {
            serial,
            bounds: image_rect(bounds),
            texture,
            outlines,
        }
    }

    /// Whether this is the picture of the mask with that serial.
    pub fn is(&self, serial: u64) -> bool {
        self.serial == serial
    }

    /// Paint fill and moving contour.
    pub fn paint(&self, painter: &Painter, canvas: Rect, view: &View, colors: &Colors) {
        let tint = theme::with_alpha(colors.accent, theme::canvas::PROPOSAL_FILL);
        self.paint_fill(painter, canvas, view, tint);
        self.paint_ants(painter, canvas, view, colors);
    }

    /// Paint the fill alone, in `color`.
    pub fn paint_fill(&self, painter: &Painter, canvas: Rect, view: &View, color: Color32) {
        if let Some(texture) = &self.texture {
            let rect = view.screen_rect(canvas, self.bounds);
            let uv = Rect::from_min_max(Pos2::ZERO, Pos2::new(1.0, 1.0));
            painter.image(texture.id(), rect, uv, color);
        }
    }

    /// Paint the moving contour alone.
    pub fn paint_ants(&self, painter: &Painter, canvas: Rect, view: &View, colors: &Colors) {
        let scene = Scene {
            painter,
            canvas,
            view,
        };
        let time = painter.ctx().input(|input| input.time);
        let period = 2.0 * theme::canvas::ANT;
        let pattern = Dashes {
            dash: theme::canvas::ANT,
            period,
            moved: (time * theme::canvas::ANTS_PER_SECOND).fract() as f32 * period,
        };
        let under = Stroke::new(theme::canvas::CONTOUR_SELECTED, theme::canvas::INK);
        let ants = Stroke::new(theme::canvas::CONTOUR, colors.accent);
        for outline in &self.outlines {
            for run in scene.runs(outline.iter().copied()) {
                painter.add(run.line(under));
                painter.extend(run.dashes(pattern, ants));
            }
        }
        painter
            .ctx()
            .request_repaint_after(std::time::Duration::from_millis(125));
    }
}

/// The masks offered for the whole photo, each in its class's colour or one of
/// its own.
pub struct EverythingPicture {
    serial: u64,
    bounds: Rect,
    texture: TextureHandle,
    hovered: Option<(usize, MaskPicture)>,
}

impl EverythingPicture {
    /// Draw all of `masks` for a photo of that size.
    pub fn new(
        painter: &Painter,
        masks: &[Offered],
        labels: &[OfferedLabel],
        (width, height): (u32, u32),
        serial: u64,
    ) -> Self {
        let bounds = crate::label::Rect::of_size(width, height);
        let label = |offered: &Offered| labels.get(offered.label?);
        let color = |offered: &Offered| match label(offered) {
            Some(label) => theme::class_color(label.color),
            None => hue(offered.number),
        };
        let colored = masks.iter().map(|offered| (&offered.mask, color(offered)));
        let image = outlined(&picture(colored, bounds));
        let texture = painter
            .ctx()
            .load_texture("proposals", image, TextureOptions::LINEAR);
        Self {
            serial,
            bounds: image_rect(bounds),
            texture,
            hovered: None,
        }
    }

    /// Whether this is the picture with that serial.
    pub fn is(&self, serial: u64) -> bool {
        self.serial == serial
    }

    /// Paint all of them, and the contour of the one under the pointer.
    pub fn paint(
        &mut self,
        painter: &Painter,
        canvas: Rect,
        view: &View,
        colors: &Colors,
        hovered: Option<(usize, &Mask)>,
    ) {
        let rect = view.screen_rect(canvas, self.bounds);
        let uv = Rect::from_min_max(Pos2::ZERO, Pos2::new(1.0, 1.0));
        painter.image(self.texture.id(), rect, uv, Color32::WHITE);
        match hovered {
            None => self.hovered = None,
            Some((at, mask)) => {
                if self.hovered.as_ref().is_none_or(|(known, _)| *known != at) {
                    self.hovered = Some((at, MaskPicture::new(painter, mask, self.serial)));
                }
            }
        }
        if let Some((_, picture)) = &self.hovered {
            picture.paint_ants(painter, canvas, view, colors);
        }
    }
}

/// Neighbouring numbers get hues far apart: steps by the golden ratio.
fn hue(at: usize) -> Color32 {
    const GOLDEN: f32 = 0.618_034;
    egui::ecolor::Hsva::new((at as f32 * GOLDEN).fract(), 0.65, 0.95, 1.0).into()
}

fn image_rect(bounds: crate::label::Rect) -> Rect {
    Rect::from_min_max(
        Pos2::new(bounds.x0 as f32, bounds.y0 as f32),
        Pos2::new(bounds.x1 as f32, bounds.y1 as f32),
    )
}

/// Masks on a transparent ground over `bounds`, sampled to at most [`LONGEST`].
fn picture<'a>(
    masks: impl Iterator<Item = (&'a Mask, Color32)>,
    bounds: crate::label::Rect,
) -> ColorImage {
    let longest = bounds.width().max(bounds.height()).max(1);
    let step = longest.div_ceil(LONGEST);
    let width = bounds.width().div_ceil(step).max(1) as usize;
    let height = bounds.height().div_ceil(step).max(1) as usize;
    let mut pixels = vec![Color32::TRANSPARENT; width * height];
    for (mask, color) in masks {
        for span in mask.spans() {
            let y = span.y - bounds.y0;
            // One row stands for `step` of them; thin shapes keep their first row.
            if !y.is_multiple_of(step) {
                continue;
            }
            let x0 = ((span.x0 - bounds.x0) / step) as usize;
            let x1 = ((span.x1 - bounds.x0).div_ceil(step) as usize).min(width);
            let row = (y / step) as usize * width;
            pixels[row + x0..row + x1].fill(color);
        }
    }
    ColorImage::new([width, height], pixels)
}

/// Areas of one colour, see-through but for their rims, which stand out dark
/// against what has no colour: a class may look like what it lies on.
fn outlined(areas: &ColorImage) -> ColorImage {
    let [width, height] = areas.size;
    let rim = theme::with_alpha(theme::canvas::INK, theme::canvas::RIM);
    let at = |x: usize, y: usize| areas.pixels[y * width + x];
    let look = |x: usize, y: usize| {
        let own = at(x, y);
        // Beyond the photo all goes on as at its edge.
        let beside = [
            at(x.saturating_sub(1), y),
            at((x + 1).min(width - 1), y),
            at(x, y.saturating_sub(1)),
            at(x, (y + 1).min(height - 1)),
        ];
        match (own, beside.iter().all(|other| *other == own)) {
            (Color32::TRANSPARENT, true) => own,
            (Color32::TRANSPARENT, false) => rim,
            (own, true) => theme::with_alpha(own, theme::canvas::EVERYTHING_FILL),
            (own, false) => own,
        }
    };
    let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    ColorImage::new(areas.size, rows.map(|(x, y)| look(x, y)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_see_through_inside_and_have_rims() {
        let mask = Mask::from_rect(crate::label::Rect::new(0, 0, 3, 5));
        let bounds = crate::label::Rect::of_size(6, 5);
        let areas = picture(std::iter::once((&mask, Color32::RED)), bounds);
        let image = outlined(&areas);
        let inside = theme::with_alpha(Color32::RED, theme::canvas::EVERYTHING_FILL);
        let rim = theme::with_alpha(theme::canvas::INK, theme::canvas::RIM);
        let row = [
            inside,
            inside,
            Color32::RED,
            rim,
            Color32::TRANSPARENT,
            Color32::TRANSPARENT,
        ];
        assert_eq!(image.pixels[..6], row);
    }

    #[test]
    fn a_picture_covers_its_mask() {
        let mask = Mask::from_rect(crate::label::Rect::new(10, 20, 13, 22));
        let image = picture(std::iter::once((&mask, Color32::WHITE)), mask.bounds());
        assert_eq!(image.size, [3, 2]);
        assert!(image.pixels.iter().all(|&pixel| pixel == Color32::WHITE));
    }

    #[test]
    fn a_huge_mask_is_sampled() {
        let mask = Mask::from_rect(crate::label::Rect::new(0, 0, 9000, 3000));
        let image = picture(std::iter::once((&mask, Color32::WHITE)), mask.bounds());
        assert!(image.size[0] <= LONGEST as usize && image.size[1] <= LONGEST as usize);
        assert!(image.pixels.iter().all(|&pixel| pixel == Color32::WHITE));
    }
}
