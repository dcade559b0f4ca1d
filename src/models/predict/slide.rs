//! Dense models on photos that are larger than their input: overlapping tiles
//! at the photo's own resolution. Scores are blended where tiles overlap, with
//! weights that fall towards a tile's edge, where a network sees least around.
//!
//! Blending happens on the network's own coarse grid, with tiles laid on whole
//! steps of it, and band by band from the top: so memory is a band of scores,
//! not a photo of them.

use super::{Framing, Options, Picture, Semantic, dense, segment as segment_once};
use crate::label::Rect;
use crate::models::class_map::{ClassMap, certainty, means};
use crate::models::geometry::View;
use crate::models::{LoadedModel, ModelError};
use crate::nn::{Values, Watch};
use crate::task::Task;
use candle_core::{Device, Tensor};
use rayon::prelude::*;

/// The part of a tile that is new; the rest overlaps with the one before.
const ADVANCE: f64 = 2.0 / 3.0;
/// Tiles are cut to whole multiples of this, so that every network's strides
/// divide them.
const ALIGNMENT: usize = 32;

pub(super) fn segment(
    model: &LoadedModel,
    picture: Picture<'_>,
    options: &Options,
    task: Task<'_>,
) -> Result<Semantic, ModelError> {
    let (width, height) = picture.size();
    let tile = options
        .input
        .unwrap_or_else(|| model.preprocessor.input_size((width, height)));
    let tile = (aligned(tile.0), aligned(tile.1));
    if width <= tile.0 && height <= tile.1 {
        // Within one tile: nothing to slide over.
        let options = Options {
            framing: Framing::Pad,
            ..options.clone()
        };
        return segment_once(model, picture, &options, task);
    }
    let watch = Watch {
        ablation: options.ablation.clone(),
        ..Watch::default()
    };
    Sliding::new(model, picture, (tile, watch), task)?.run()
}

fn aligned(side: usize) -> usize {
    (side / ALIGNMENT * ALIGNMENT).max(ALIGNMENT)
}

/// Where tiles begin along an axis: the first at 0, the last so that it reaches
/// the end, all on multiples of `step`.
fn starts(side: usize, tile: usize, step: usize) -> Vec<usize> {
    let last = side.saturating_sub(tile).next_multiple_of(step);
    let most = ((tile as f64 * ADVANCE) as usize / step * step).max(step);
    let count = last.div_ceil(most);
    let mut starts: Vec<usize> = (0..=count)
        .map(|i| (last * i).checked_div(count).unwrap_or(0) / step * step)
        .collect();
    starts.dedup();
    starts
}

/// The weight of each of `count` places along a tile: falls to its edges.
fn tent(count: usize) -> Vec<f32> {
    (0..count)
        .map(|i| (i.min(count - 1 - i) as f32 + 0.5) / count as f32)
        .collect()
}

struct Sliding<'a> {
    model: &'a LoadedModel,
    picture: Picture<'a>,
    tile: (usize, usize),
    watch: Watch,
    /// Pixels per step of the network's grid.
    step: usize,
    columns: Vec<usize>,
    rows: Vec<usize>,
    task: Task<'a>,
    first: Option<Tensor>,
}

/// Scores of the photo's rows from `top` on, not yet divided by `weights`.
struct Band {
    /// First grid row.
    top: usize,
    /// Grid rows held.
    rows: usize,
    /// Grid columns.
    columns: usize,
    classes: usize,
    sums: Vec<f32>,
    weights: Vec<f32>,
}

impl<'a> Sliding<'a> {
    fn new(
        model: &'a LoadedModel,
        picture: Picture<'a>,
        (tile, watch): ((usize, usize), Watch),
        task: Task<'a>,
    ) -> Result<Self, ModelError> {
        let mut sliding = Self {
            model,
            picture,
            tile,
            watch,
            step: 1,
            columns: Vec::new(),
            rows: Vec::new(),
            task,
            first: None,
        };
        // The first tile tells how coarse the scores are.
        let first = sliding.scores(0, 0)?;
        let (rows, columns, _) = first.dims3()?;
        if rows == 0 || !tile.1.is_multiple_of(rows) || tile.0 != columns * (tile.1 / rows) {
            return Err(ModelError::Option {
                name: "fit",
                value: Framing::Slide.name().to_owned(),
                expected: "trained, squash or pad for a model whose scores do not divide its input",
            });
        }
        sliding.step = tile.1 / rows;
        let (width, height) = picture.size();
        sliding.columns = starts(width, tile.0, sliding.step);
        sliding.rows = starts(height, tile.1, sliding.step);
        sliding.first = Some(first);
        Ok(sliding)
    }

    /// The network's scores of the tile at (x, y).
    fn scores(&self, x: usize, y: usize) -> Result<Tensor, ModelError> {
        self.task.check()?;
        let area = Rect::new(
            x as u32,
            y as u32,
            (x + self.tile.0) as u32,
            (y + self.tile.1) as u32,
        );
        let pixels = self
            .model
            .preprocessor
            .tile(self.picture.rgb, self.picture.size(), area)?;
        let quiet = |_: f32| {};
        let run = self
            .model
            .vision()?
            .run(&pixels, &self.watch, self.task.reporting_to(&quiet))?;
        Ok(dense(self.model, &run)?.logits.clone())
    }

    fn run(mut self) -> Result<Semantic, ModelError> {
        let (width, height) = self.picture.size();
        let mut map = ClassMap::unseen(width, height);
        let first = self.first.take();
        let classes = first.as_ref().map_or(Ok(1), |first| first.dim(2))?;
        let tile_rows = self.tile.1 / self.step;
        let columns = (self.columns.last().unwrap_or(&0) + self.tile.0) / self.step;
        let mut band = Band::new(columns, classes);
        let mut sure = (vec![0.0; classes], vec![0; classes]);
        let mut first = first;
        for (i, top) in self.rows.iter().enumerate() {
            band.extend((top / self.step) + tile_rows);
            for (j, left) in self.columns.iter().enumerate() {
                let scores = match first.take() {
                    Some(scores) => scores,
                    None => self.scores(*left, *top)?,
                };
                band.add(&scores, top / self.step, left / self.step)?;
                let done = (i * self.columns.len() + j + 1) as f32;
                self.task
                    .progress(done / (self.rows.len() * self.columns.len()) as f32);
            }
            let end = self.rows.get(i + 1).map(|next| next / self.step);
            self.finish(&mut band, end, &mut map, &mut sure)?;
        }
        Ok(Semantic {
            map,
            confidence: means(&sure.0, &sure.1),
            observation: None,
            objects: None,
        })
    }

    /// Paint what no further tile will change: grid rows before `end`, or all.
    fn finish(
        &self,
        band: &mut Band,
        end: Option<usize>,
        map: &mut ClassMap,
        sure: &mut (Vec<f64>, Vec<u64>),
    ) -> Result<(), ModelError> {
        let last = end.is_none();
        let end = end.unwrap_or(band.top + band.rows);
        let logits = band.blended(end - band.top)?;
        let step = self.step as f64;
        let view = View {
            left: 0.0,
            top: band.top as f64 * step,
            right: band.columns as f64 * step,
            bottom: end as f64 * step,
        };
        // Rows beyond the middle of the outermost places need what follows.
        let half = self.step / 2;
        let from = if band.top == 0 {
            0
        } else {
            band.top * self.step + half
        };
        let to = if last {
            map.height
        } else {
            end * self.step - half
        };
        let quiet = |_: f32| {};
        map.paint(&logits, &view, from..to, self.task.reporting_to(&quiet))??;
        // The row that stays for interpolating counts with the next band.
        let counted = if last {
            end - band.top
        } else {
            end - band.top - 1
        };
        let (sums, counts) = certainty(&logits.narrow(0, 0, counted)?)?;
        sure.0
            .iter_mut()
            .zip(sums)
            .for_each(|(all, sum)| *all += sum);
        sure.1
            .iter_mut()
            .zip(counts)
            .for_each(|(all, count)| *all += count);
        if !last {
            band.drop_before(end - 1);
        }
        Ok(())
    }
}

impl Band {
    fn new(columns: usize, classes: usize) -> Self {
        Self {
            top: 0,
            rows: 0,
            columns,
            classes,
            sums: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// Make room for the grid rows before `end`.
    fn extend(&mut self, end: usize) {
        self.rows = self.rows.max(end - self.top);
        self.sums
            .resize(self.rows * self.columns * self.classes, 0.0);
        self.weights.resize(self.rows * self.columns, 0.0);
    }

    fn drop_before(&mut self, row: usize) {
        let gone = row - self.top;
        self.sums.drain(..gone * self.columns * self.classes);
        self.weights.drain(..gone * self.columns);
        self.top = row;
        self.rows -= gone;
    }

    /// Add a tile's scores, (rows, columns, classes), at a grid place.
    fn add(&mut self, scores: &Tensor, top: usize, left: usize) -> Result<(), ModelError> {
        let (rows, columns, classes) = scores.dims3()?;
        let values = Values::of(scores)?;
        let (down, across) = (tent(rows), tent(columns));
        let pitch = self.columns * self.classes;
        let start = (top - self.top) * pitch;
        let bands = self.sums[start..].par_chunks_mut(pitch);
        bands
            .zip(values.par_chunks(columns * classes))
            .zip(&down)
            .for_each(|((sums, values), down)| {
                let sums = sums[left * classes..].chunks_exact_mut(classes);
                for ((sums, values), across) in sums.zip(values.chunks_exact(classes)).zip(&across)
                {
                    let weight = down * across;
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum += weight * value;
                    }
                }
            });
        for (y, down) in down.iter().enumerate() {
            let at = (top - self.top + y) * self.columns + left;
            for (weight, across) in self.weights[at..].iter_mut().zip(&across) {
                *weight += down * across;
            }
        }
        Ok(())
    }

    /// The first `rows` rows, each place divided by its weight.
    fn blended(&self, rows: usize) -> Result<Tensor, ModelError> {
        let count = rows * self.columns;
        let mut values = self.sums[..count * self.classes].to_vec();
        values
            .par_chunks_mut(self.classes)
            .zip(&self.weights[..count])
            .for_each(|(values, weight)| values.iter_mut().for_each(|v| *v /= weight));
        let shape = (rows, self.columns, self.classes);
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_an_axis_on_whole_steps_and_overlap() {
        let axes = [
            (100, 64, 4),
            (1000, 512, 16),
            (64, 64, 4),
            (513, 512, 16),
            (9, 64, 4),
        ];
        for (side, tile, step) in axes {
            let starts = starts(side, tile, step);
            assert_eq!(starts[0], 0);
            assert!(starts.last().unwrap() + tile >= side);
            assert!(starts.iter().all(|s| s % step == 0));
            for pair in starts.windows(2) {
                assert!(pair[1] > pair[0] && pair[1] - pair[0] < tile, "{starts:?}");
            }
        }
    }

    #[test]
    fn equal_scores_stay_what_they_are_whatever_the_overlap() {
        let mut band = Band::new(6, 2);
        let scores = Tensor::from_vec([3.0f32, -1.0].repeat(16), (4, 4, 2), &Device::Cpu).unwrap();
        band.extend(4);
        for left in [0, 2] {
            band.add(&scores, 0, left).unwrap();
        }
        let blended = band.blended(4).unwrap();
        let values = blended.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for pair in values.chunks_exact(2) {
            assert!((pair[0] - 3.0).abs() < 1e-6 && (pair[1] + 1.0).abs() < 1e-6);
        }
        band.drop_before(3);
        assert_eq!((band.top, band.rows), (3, 1));
    }
}
