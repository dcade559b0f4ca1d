//! The masks on offer: the one for the prompt, and those for the whole photo.

use egui::{Painter, Pos2, Rect, Vec2};

use super::proposal::{EverythingPicture, MaskPicture};
use super::{Canvas, marks};
use crate::app::{App, Offered, OpenDocument, Tool};
use crate::label::Mask;
use crate::ui::theme::{self, Colors};
use crate::ui::widgets::score;

impl Canvas {
    /// Paint all that is on offer.
    pub(super) fn paint_offers(
        &mut self,
        painter: &Painter,
        canvas: Rect,
        app: &App,
        open: &OpenDocument,
        colors: &Colors,
    ) {
        match &open.prompting.offer {
            None => self.proposal = None,
            Some(offer) => {
                let chosen = offer.chosen();
                if self
                    .proposal
                    .as_ref()
                    .is_none_or(|picture| !picture.is(offer.serial))
                {
                    self.proposal = Some(MaskPicture::new(painter, &chosen.mask, offer.serial));
                }
                if let Some(picture) = &self.proposal {
                    picture.paint(painter, canvas, &self.view, colors);
                }
                if let Some(score) = chosen.score {
                    self.paint_score(painter, canvas, &chosen.mask, score, colors);
                }
            }
        }
        self.paint_everything(painter, canvas, app, open, colors);
    }

    fn paint_everything(
        &mut self,
        painter: &Painter,
        canvas: Rect,
        app: &App,
        open: &OpenDocument,
        colors: &Colors,
    ) {
        let Some(masks) = &open.prompting.everything else {
            self.everything = None;
            return;
        };
        let serial = app.everything_serial;
        if self
            .everything
            .as_ref()
            .is_none_or(|picture| !picture.is(serial))
        {
            let size = (open.photo.width(), open.photo.height());
            let labels = &open.prompting.labels;
            self.everything = Some(EverythingPicture::new(painter, masks, labels, size, serial));
        }
        // Outlined if a click takes it.
        let picks = open.prompting.is_picking() || app.tool == Tool::Select;
        let hovered = self.hovered_offer(open).filter(|_| picks);
        if let Some(picture) = &mut self.everything {
            let hovered = hovered.map(|(at, offered)| (at, &offered.mask));
            picture.paint(painter, canvas, &self.view, colors, hovered);
        }
        let Some((_, offered)) = hovered else { return };
        let label = offered
            .label
            .and_then(|label| open.prompting.labels.get(label));
        match label {
            Some(label) => self.paint_name(painter, canvas, &label.name, colors),
            None => self.paint_score(painter, canvas, &offered.mask, offered.score, colors),
        }
    }

    /// The mask for the whole photo that is under the pointer.
    pub(super) fn hovered_offer<'a>(&self, open: &'a OpenDocument) -> Option<(usize, &'a Offered)> {
        let [x, y] = self.readout.pixel?;
        let masks = open.prompting.everything.as_ref()?;
        let mut masks = masks.iter().enumerate();
        masks.find(|(_, offered)| offered.mask.contains(x, y))
    }

    fn paint_score(
        &self,
        painter: &Painter,
        canvas: Rect,
        mask: &Mask,
        value: f32,
        colors: &Colors,
    ) {
        if mask.is_empty() {
            return;
        }
        let bounds = mask.bounds();
        let corner = Pos2::new(bounds.x1 as f32, bounds.y0 as f32);
        let at = self.view.screen_from_image(canvas, corner) + Vec2::new(theme::space::XS, 0.0);
        // Beside the mask, but never outside the canvas.
        let room = canvas.shrink(theme::space::M);
        let at = at.min(room.max - Vec2::new(36.0, 18.0)).max(room.min);
        marks::tag(painter, at, score(value), colors);
    }

    /// The class of the area under the pointer, beside it.
    fn paint_name(&self, painter: &Painter, canvas: Rect, name: &str, colors: &Colors) {
        let Some([x, y]) = self.readout.pixel else {
            return;
        };
        let pixel = Pos2::new(x as f32, y as f32);
        let at = self.view.screen_from_image(canvas, pixel) + Vec2::splat(theme::space::L);
        marks::tag(painter, at, name.to_owned(), colors);
    }
}
