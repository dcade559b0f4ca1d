//! From attention to labels: a mask on offer, or a prompt for the prompt
//! decoder.

use super::show::{Picture, Unit};
use crate::app::App;
use crate::app::notices::Severity;
use crate::app::open_document::{Candidate, Offer};
use crate::attention::{Heatmap, TokenMask};
use crate::label::Mask;
use crate::models::PromptPoint;
use crate::models::geometry::View;
use crate::worker::AnalysisKind;

/// Areas with less than this share of the attention that the whole set holds
/// become no point of a prompt.
const LEAST_SHARE: f32 = 0.15;
/// Most points that attention makes of itself.
const MOST_POINTS: usize = 3;

impl App {
    /// The picture whose attention becomes labels, with the tokens that hold
    /// most of it.
    fn held(&self) -> Option<(&Picture, &TokenMask)> {
        let picture = self.inspector.pictures().first()?;
        let held = picture.held.as_ref().filter(|held| !held.is_empty())?;
        Some((picture, held))
    }

    /// Whether there is attention to make labels of.
    pub fn has_attention_to_keep(&self) -> bool {
        self.held().is_some()
    }

    /// Offer the part of the photo that holds most of the attention.
    pub(in crate::app) fn propose_attention(&mut self) {
        let Some((picture, held)) = self.held() else {
            return;
        };
        let (tokens, view) = (held.clone(), picture.view);
        self.drop_offer();
        self.refine(&tokens, view);
    }

    /// Ask the prompt decoder for what most of the attention is on: a box
    /// around it and points where it is strongest.
    pub(in crate::app) fn prompt_with_attention(&mut self) {
        let Some((picture, held)) = self.held() else {
            return;
        };
        let (points, bbox) = prompt_of(&picture.map, held, picture.view);
        let Some(open) = &self.open else { return };
        let size = [open.photo.width() as f32, open.photo.height() as f32];
        let bbox = [
            bbox[0].clamp(0.0, size[0]),
            bbox[1].clamp(0.0, size[1]),
            bbox[2].clamp(0.0, size[0]),
            bbox[3].clamp(0.0, size[1]),
        ];
        if bbox[0] >= bbox[2] || bbox[1] >= bbox[3] {
            return;
        }
        let inside = |[x, y]: &[f32; 2]| *x >= 0.0 && *y >= 0.0 && *x < size[0] && *y < size[1];
        let points = points
            .iter()
            .filter(|at| inside(at))
            .map(|[x, y]| PromptPoint {
                x: *x,
                y: *y,
                positive: true,
            });
        let points = points.collect();
        self.drop_offer();
        if let Some(open) = &mut self.open {
            open.prompting.points = points;
            open.prompting.bbox = Some(bbox);
        }
        self.ask_model();
    }

    /// Masks that are being made of attention are not wanted any more.
    pub(in crate::app) fn forget_made_of_attention(&mut self) {
        let made = |kind| matches!(kind, AnalysisKind::Refine | AnalysisKind::Similar);
        let pending = &mut self.inspector.pending;
        for (_, job, _) in pending.extract_if(.., |(kind, ..)| made(*kind)) {
            self.worker.cancel(job);
        }
    }

    /// Offer a mask that was made from attention.
    /// What has been drawn since it was asked for stays.
    pub(super) fn offer_refined(&mut self, mask: Mask) {
        self.inspector.grown = None;
        if mask.is_empty() {
            let text = "The attention is outside of the photo: there is nothing to offer";
            return self.notices.say(Severity::Info, text);
        }
        let serial = self.next_serial();
        let Some(open) = &mut self.open else { return };
        open.prompting.asked_from = self.inspector.asked_from.take();
        open.prompting.offer = Some(Offer {
            candidates: vec![Candidate {
                mask,
                score: None,
                low_res: None,
            }],
            chosen: 0,
            serial,
        });
    }
}

/// Where attention is strongest in each of the larger areas of `held`, and the
/// box around all of them, in photo pixels.
fn prompt_of(map: &Heatmap, held: &TokenMask, view: View) -> (Vec<[f32; 2]>, [f32; 4]) {
    let value = |(row, column): &(usize, usize)| map.at(*row, *column).unwrap_or(0.0);
    let place = |(row, column): (usize, usize)| view.image_from_token(map.grid, row, column);
    let sum = |tokens: &[(usize, usize)]| tokens.iter().map(value).sum::<f32>();
    let mut areas: Vec<_> = held.components().iter().map(TokenMask::tokens).collect();
    areas.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
    let least = LEAST_SHARE * areas.iter().map(|area| sum(area)).sum::<f32>();
    let larger = areas.iter().enumerate();
    let larger: Vec<_> = larger
        .filter(|(at, area)| *at == 0 || sum(area) >= least)
        .map(|(_, area)| area)
        .take(MOST_POINTS)
        .collect();
    let peak = |area: &&Vec<(usize, usize)>| {
        let strongest = area.iter().max_by(|a, b| value(a).total_cmp(&value(b)));
        strongest.map(|token| {
            let (x, y) = place(*token).centre();
            [x as f32, y as f32]
        })
    };
    let points = larger.iter().filter_map(peak).collect();
    let mut bbox = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    for token in larger.into_iter().flatten() {
        let View {
            left,
            top,
            right,
            bottom,
        } = place(*token);
        bbox = [
            bbox[0].min(left as f32),
            bbox[1].min(top as f32),
            bbox[2].max(right as f32),
            bbox[3].max(bottom as f32),
        ];
    }
    (points, bbox)
}

/// Whether labels can be made of values of this kind: shares of attention.
pub(super) fn makes_labels(unit: Unit) -> bool {
    matches!(unit, Unit::Attention | Unit::Rollout | Unit::Relevance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::capture::Grid;

    const GRID: Grid = Grid {
        rows: 3,
        columns: 4,
    };

    #[test]
    fn the_strongest_areas_become_points_in_a_box() {
        let mut map = Heatmap::zeros(GRID);
        map.values[0] = 0.1;
        map.values[1] = 0.3;
        map.values[11] = 0.2;
        let held = TokenMask::from_tokens(GRID, &[(0, 0), (0, 1), (2, 3)]);
        let (points, bbox) = prompt_of(&map, &held, View::whole((40, 30)));
        assert_eq!(points, [[15.0, 5.0], [35.0, 25.0]]);
        assert_eq!(bbox, [0.0, 0.0, 40.0, 30.0]);
        map.values[11] = 0.01;
        let (points, bbox) = prompt_of(&map, &held, View::whole((40, 30)));
        assert_eq!(points, [[15.0, 5.0]], "too little for a point");
        assert_eq!(bbox, [0.0, 0.0, 20.0, 10.0]);
    }
}
