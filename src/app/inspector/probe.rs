//! What the pointer does with the attention tool: a click pins, a stroke asks
//! for all tokens under it, or grows along the attention.

use super::state::Asking;
use crate::app::App;
use crate::attention::{Direction, Heads, TokenMask, grow};
use crate::document::brush;
use crate::label::Mask;

/// A stroke of the attention tool.
#[derive(Clone, Debug, Default)]
pub(in crate::app) struct Probe {
    /// Where it went, in photo pixels.
    path: Vec<[f32; 2]>,
    /// Whether it grows along the attention, instead of asking.
    grows: bool,
}

impl App {
    /// Put the attention tool down at a place of the photo.
    pub fn probe_begin(&mut self, at: [f32; 2]) {
        let grows = self.inspector.grows;
        if grows {
            self.drop_offer();
        }
        self.inspector.probe = Some(Probe {
            path: vec![at],
            grows,
        });
        if grows {
            self.grow();
        }
    }

    /// Move it on.
    pub fn probe_to(&mut self, places: &[[f32; 2]]) {
        let Some(probe) = &mut self.inspector.probe else {
            return;
        };
        let from = probe.path.last().copied();
        probe.path.extend(places);
        if probe.grows {
            return self.grow();
        }
        let Some(open) = &self.open else { return };
        let bounds = (open.photo.width(), open.photo.height());
        let radius = self.settings.brush_radius;
        let mut stroke = match self.inspector.asking {
            Asking::Stroke if probe.path.len() > places.len() + 1 => self.inspector.stroke.clone(),
            _ => Mask::empty(),
        };
        let mut last = from.unwrap_or_default();
        for &at in places {
            stroke = stroke.union(&brush::capsule(last, at, radius, bounds));
            last = at;
        }
        self.inspector.stroke = stroke;
        self.inspector.ask_from(Asking::Stroke);
        self.inspect();
    }

    /// Lift it. A click at one place pins that, unless the stroke grew.
    pub fn probe_end(&mut self, clicked: bool) {
        let Some(probe) = self.inspector.probe.take() else {
            return;
        };
        match (probe.grows, probe.path.first()) {
            (true, _) => self.offer_grown(),
            (false, Some(at)) if clicked => self.pin(*at),
            _ => {}
        }
    }

    /// Unpin everything, and forget the stroke. Whether there was anything.
    pub(in crate::app) fn clear_probes(&mut self) -> bool {
        let inspector = &mut self.inspector;
        let something = !inspector.pinned.is_empty()
            || !inspector.stroke.is_empty()
            || inspector.probe.is_some()
            || inspector.grown.is_some();
        inspector.pinned.clear();
        inspector.stroke = Mask::empty();
        inspector.probe = None;
        inspector.grown = None;
        if matches!(inspector.asking, Asking::Pinned | Asking::Stroke) {
            inspector.asking = Asking::Pointer;
        }
        self.inspect();
        something
    }

    /// Follow the attention of the chosen attention heads from the stroke.
    fn grow(&mut self) {
        let inspector = &self.inspector;
        let (Some(probe), Some(known)) = (&inspector.probe, inspector.inspection()) else {
            return;
        };
        let layers = &known.layers;
        let Some(record) = layers.records.get(inspector.layer) else {
            return;
        };
        let Some(grid) = record.query_tokens.grid else {
            return;
        };
        let token =
            |[x, y]: &[f32; 2]| layers.view.token_from_image(grid, (*x).into(), (*y).into());
        let mut tokens: Vec<_> = probe.path.iter().filter_map(token).collect();
        tokens.dedup();
        let Some(start) = tokens.first().copied() else {
            return;
        };
        let heads = match inspector.heads[..] {
            [] => Heads::Set((0..record.attention_heads).collect(), inspector.fusion),
            _ => Heads::Set(inspector.heads.clone(), inspector.fusion),
        };
        let reach = self.settings.attention.reach;
        let grown = grow(record, &heads, start, &tokens, reach);
        let view = crate::attention::key_view(record, layers.view);
        match grown {
            Ok(tokens) => self.inspector.grown = Some((tokens, view)),
            Err(error) => {
                self.inspector.probe = None;
                self.notices
                    .say(crate::app::Severity::Warning, error.to_string());
            }
        }
        self.inspector.direction = Direction::From;
    }

    fn offer_grown(&mut self) {
        let Some((tokens, view)) = self.inspector.grown.clone() else {
            return;
        };
        self.refine(&tokens, view);
    }

    /// Bring a set of tokens to the photo's pixels, and offer that.
    pub(super) fn refine(&mut self, tokens: &TokenMask, view: crate::models::geometry::View) {
        use super::state::Asked;
        use crate::worker::Analysis;
        if tokens.is_empty() {
            return;
        }
        let soft = tokens.heatmap();
        let Some(open) = &self.open else { return };
        self.inspector.asked_from = Some(open.document().clone());
        let asked = Asked::Refine(self.next_serial());
        self.ask(Analysis::Refine { soft, view }, asked);
    }
}
