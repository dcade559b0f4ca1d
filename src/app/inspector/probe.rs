//! What the pointer does with the attention tool: a click pins, a stroke asks
//! for all tokens under it, or grows along the attention.

use super::state::Asking;
use crate::app::App;
use crate::attention::{AttentionError, Direction, Growth, Heads, Layers, TokenMask, key_view};
use crate::document::brush;
use crate::label::Mask;
use crate::models::geometry::View;
use std::sync::Arc;

/// A stroke of the attention tool.
pub(in crate::app) struct Probe {
    /// Where it went, in photo pixels.
    path: Vec<[f32; 2]>,
    /// Whether it grows along the attention, instead of asking.
    grows: bool,
    /// What it has grown to, once it lies on a token.
    growing: Option<Growing>,
}

/// A stroke that grows.
struct Growing {
    along: Along,
    growth: Growth,
    /// So many places of the stroke have been added.
    added: usize,
}

/// What a stroke grows along: if any of this changes, it grows anew.
#[derive(Clone)]
struct Along {
    layers: Layers,
    layer: usize,
    heads: Heads,
    reach: f32,
}

impl PartialEq for Along {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.layers.records, &other.layers.records)
            && (self.layer, &self.heads, self.reach) == (other.layer, &other.heads, other.reach)
    }
}

impl Along {
    /// What a stroke has grown to that goes along `path`, in photo pixels; with
    /// the part of the photo under its grid. `None` if it began on no token.
    fn grow(
        self,
        known: Option<Growing>,
        path: &[[f32; 2]],
    ) -> Result<Option<(Growing, TokenMask, View)>, AttentionError> {
        let record = self.layers.records.get(self.layer);
        let Some((record, grid)) = record.and_then(|of| Some((of, of.query_tokens.grid?))) else {
            return Ok(None);
        };
        let of = |at: &[f32; 2]| {
            let [x, y] = at.map(f64::from);
            self.layers.view.token_from_image(grid, x, y)
        };
        let mut growing = match known.filter(|known| known.along == self) {
            Some(known) => known,
            None => {
                let Some(start) = path.iter().find_map(of) else {
                    return Ok(None);
                };
                Growing {
                    growth: Growth::new(record, &self.heads, start, self.reach)?,
                    along: self.clone(),
                    added: 0,
                }
            }
        };
        let mut tokens: Vec<_> = path.iter().skip(growing.added).filter_map(of).collect();
        tokens.dedup();
        growing.growth.add(&tokens)?;
        growing.added = path.len();
        let (grown, view) = (growing.growth.tokens(), key_view(record, self.layers.view));
        Ok(Some((growing, grown, view)))
    }
}

impl App {
    /// Put the attention tool down at a place of the photo. Beside the photo, it
    /// does nothing.
    pub fn probe_begin(&mut self, at: [f32; 2]) {
        if !self.is_on_photo(at) {
            return;
        }
        self.inspector.grown = None;
        let grows = self.inspector.grows;
        if grows {
            self.drop_offer();
        }
        self.inspector.probe = Some(Probe {
            path: vec![at],
            grows,
            growing: None,
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

    /// Esc: a comparison ends first, then what was pinned goes. Whether there was
    /// anything.
    pub(in crate::app) fn step_back(&mut self) -> bool {
        let compared = self.inspector.compared.take().is_some();
        if compared {
            self.inspect();
        }
        compared || self.clear_probes()
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
        let Some(along) = self.along() else { return };
        let Some(probe) = &mut self.inspector.probe else {
            return;
        };
        match along.grow(probe.growing.take(), &probe.path) {
            Ok(None) => return,
            Ok(Some((growing, tokens, view))) => {
                probe.growing = Some(growing);
                self.inspector.grown = Some((tokens, view));
            }
            Err(error) => {
                self.inspector.probe = None;
                self.notices
                    .say(crate::app::Severity::Warning, error.to_string());
            }
        }
        self.inspector.direction = Direction::From;
    }

    /// What a stroke grows along: the attention heads that are chosen of the
    /// encoder.
    fn along(&self) -> Option<Along> {
        let inspector = &self.inspector;
        let layers = inspector.inspection()?.layers.clone();
        let (layer, heads) = inspector.of_encoder()?;
        let heads = match heads {
            [] => (0..layers.records.get(layer)?.attention_heads).collect(),
            some => some.to_vec(),
        };
        Some(Along {
            heads: Heads::Set(heads, inspector.fusion),
            reach: self.settings.attention.reach,
            layer,
            layers,
        })
    }

    fn offer_grown(&mut self) {
        let Some((tokens, view)) = self.inspector.grown.clone() else {
            return;
        };
        self.refine(&tokens, view);
    }

    /// Bring a set of tokens to the photo's pixels, and offer that.
    pub(super) fn refine(&mut self, tokens: &TokenMask, view: View) {
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
