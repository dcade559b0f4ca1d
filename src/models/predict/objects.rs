//! Objects of one class that touch, told apart by where a model sees them end.

use crate::label::{InstanceOptions, Mask, SegmentId, Span, instances};
use crate::models::class_map::{ClassMask, Samples};
use crate::models::geometry::View;
use crate::models::vision::Dense;
use crate::models::{ClassMap, ModelError};
use crate::nn::Values;
use std::collections::BTreeMap;

/// The longer side of the grid on which objects are told apart, in pixels: as
/// fine as any photo that the networks were trained on.
const FINEST: usize = 1024;

/// What a model says of the objects of some classes, on a grid over the photo.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    /// Rows and columns of the grid.
    rows: usize,
    columns: usize,
    /// For each class of objects, the probability of each place to be of it.
    inside: BTreeMap<usize, Vec<f32>>,
    /// The probability of each place that an object ends there.
    border: Vec<f32>,
}

impl Objects {
    /// From the scores of a model that tells where objects end, for a photo of
    /// (width, height) pixels of which they cover `view`.
    pub fn of(
        dense: &Dense,
        view: &View,
        (width, height): (usize, usize),
    ) -> Result<Option<Self>, ModelError> {
        let Some(boundary) = &dense.boundary else {
            return Ok(None);
        };
        let (rows, columns, classes) = dense.logits.dims3()?;
        let shrunk = (FINEST as f64 / width.max(height) as f64).min(1.0);
        let side = |side: usize| ((side as f64 * shrunk).round() as usize).max(1);
        let (across, down) = (side(width), side(height));
        let (x, y) = (across as f64 / width as f64, down as f64 / height as f64);
        let grid = Grid {
            rows: Samples::new(view.top * y, view.bottom * y, rows),
            columns: Samples::new(view.left * x, view.right * x, columns),
            size: (down, across),
            pitch: columns,
        };
        let logits = Values::of(&dense.logits)?;
        let probability = |class: usize| {
            let places = logits.chunks_exact(classes);
            let scores: Vec<f32> = places.map(|scores| softmax_of(scores, class)).collect();
            (class, grid.sampled(&scores))
        };
        let border = Values::of(&boundary.scores)?;
        let border: Vec<f32> = border
            .iter()
            .map(|score| 1.0 / (1.0 + (-score).exp()))
            .collect();
        let known = boundary.classes.iter().filter(|class| **class < classes);
        Ok(Some(Self {
            rows: down,
            columns: across,
            inside: known.map(|class| probability(*class)).collect(),
            border: grid.sampled(&border),
        }))
    }

    /// The objects among the pixels of a class; `None` if its pixels form no
    /// objects. Specks are left out.
    pub fn split(&self, found: &ClassMask, map: &ClassMap) -> Option<Vec<Mask>> {
        let inside = self.inside.get(&found.id)?;
        let place = |x: u32, y: u32| {
            let row = (y as usize * self.rows / map.height).min(self.rows - 1);
            let column = (x as usize * self.columns / map.width).min(self.columns - 1);
            row * self.columns + column
        };
        let mut scores = vec![0.0; inside.len()];
        for span in found.mask.spans() {
            for x in span.x0..span.x1 {
                let at = place(x, span.y);
                scores[at] = inside[at];
            }
        }
        let options = InstanceOptions {
            // The mask says what is inside.
            inside: 0.0,
            ..InstanceOptions::default()
        };
        let objects = instances(&scores, &self.border, self.columns, &options).ok()?;
        let mut spans: Vec<Vec<Span>> = vec![Vec::new(); objects.count];
        for span in found.mask.spans() {
            let id = |x: u32| objects.ids[place(x, span.y)];
            let mut x0 = span.x0;
            while x0 < span.x1 {
                let own: SegmentId = id(x0);
                let x1 = (x0..span.x1).find(|x| id(*x) != own).unwrap_or(span.x1);
                if let Some(spans) = usize::from(own)
                    .checked_sub(1)
                    .and_then(|i| spans.get_mut(i))
                {
                    spans.push(Span { y: span.y, x0, x1 });
                }
                x0 = x1;
            }
        }
        Some(spans.into_iter().map(Mask::from_sorted_spans).collect())
    }
}

/// The probability of a class.
fn softmax_of(scores: &[f32], class: usize) -> f32 {
    let total: f32 = scores
        .iter()
        .map(|score| (score - scores[class]).exp())
        .sum();
    1.0 / total
}

/// A grid over scores that are coarser.
struct Grid {
    rows: Samples,
    columns: Samples,
    /// Rows and columns.
    size: (usize, usize),
    /// Columns of the scores.
    pitch: usize,
}

impl Grid {
    /// Scores, interpolated; 0 where there are none.
    fn sampled(&self, scores: &[f32]) -> Vec<f32> {
        let (rows, columns) = self.size;
        let mut out = vec![0.0; rows * columns];
        let seen = self.columns.pixels(columns);
        for row in self.rows.pixels(rows) {
            let (upper, lower, down) = self.rows.at(row);
            let at = |row: usize, column: usize| scores[row * self.pitch + column];
            for column in seen.clone() {
                let (left, right, across) = self.columns.at(column);
                let mix = |row| (1.0 - across) * at(row, left) + across * at(row, right);
                out[row * columns + column] = (1.0 - down) * mix(upper) + down * mix(lower);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::vision::Boundary;
    use candle_core::{Device, Tensor};

    /// Two blobs of class 1 that touch in the middle column, where they end.
    #[test]
    fn touching_objects_come_apart_where_they_end() {
        let (rows, columns) = (8, 17);
        let is_rim = |x: usize| x == 8;
        let logits: Vec<f32> = (0..rows * columns).flat_map(|_| [-4.0, 4.0]).collect();
        let border = (0..rows * columns).map(|i| if is_rim(i % columns) { 6.0 } else { -6.0 });
        let border: Vec<f32> = border.collect();
        let device = &Device::Cpu;
        let dense = Dense {
            logits: Tensor::from_vec(logits, (rows, columns, 2), device).unwrap(),
            boundary: Some(Boundary {
                scores: Tensor::from_vec(border, (rows, columns), device).unwrap(),
                classes: [1].into(),
            }),
            presence: None,
        };
        let size = (columns * 3, rows * 3);
        let map = ClassMap {
            width: size.0,
            height: size.1,
            ids: vec![1; size.0 * size.1],
        };
        let found = &map.masks()[0];
        let objects = Objects::of(&dense, &View::whole(size), size)
            .unwrap()
            .unwrap();
        let parts = objects.split(found, &map).unwrap();
        assert_eq!(parts.len(), 2);
        let area: u64 = parts.iter().map(Mask::area).sum();
        assert_eq!(
            area,
            found.mask.area(),
            "every pixel belongs to one of them"
        );
        assert!(parts[0].intersect(&parts[1]).is_empty());
        assert!(parts.iter().all(|part| part.area() > area / 3));
        let background = ClassMask {
            id: 0,
            mask: found.mask.clone(),
        };
        assert!(objects.split(&background, &map).is_none());
        let plain = Dense::from(dense.logits);
        assert!(
            Objects::of(&plain, &View::whole(size), size)
                .unwrap()
                .is_none()
        );
    }
}
