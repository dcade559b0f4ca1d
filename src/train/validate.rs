//! How well a network tells the classes of photos that it was not trained on.

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Examples, TrainError, TrainingSet};
use crate::evaluation::Confusion;
use crate::models::ModelError;
use crate::models::deeplab::Network;
use crate::task::Task;

/// One class of a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Its id in the merged space.
    pub id: usize,
    /// Its name there.
    pub name: String,
    /// Intersection over union over all pixels; `None` where it did not occur.
    pub iou: Option<f64>,
}

/// One set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetScore {
    /// Its name.
    pub name: String,
    /// Photos that were looked at.
    pub photos: usize,
    /// Its own classes. What was taken for a class of another set counts as
    /// wrong.
    pub classes: Vec<ClassScore>,
    /// Mean over them, the background included.
    pub mean_iou: f64,
    /// Share of the pixels that were told right.
    pub accuracy: f64,
}

/// All sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Those that have photos to validate on.
    pub sets: Vec<SetScore>,
    /// Mean of their means.
    pub mean_iou: f64,
}

/// Look at up to `photos` photos of each set (all, if `None`), spread evenly.
pub(super) fn validate(
    network: &dyn Network,
    sets: &[TrainingSet],
    names: &[&str],
    photos: Option<usize>,
    task: Task<'_>,
) -> Result<Validation, TrainError> {
    let with_photos: Vec<(&TrainingSet, &dyn Examples)> = sets
        .iter()
        .filter_map(|set| Some((set, set.dev.as_deref()?)))
        .filter(|(_, dev)| dev.photos() > 0)
        .collect();
    let total = with_photos.len();
    let mut scores = Vec::with_capacity(total);
    for (at, (set, dev)) in with_photos.into_iter().enumerate() {
        let report = |part: f32| task.progress((at as f32 + part) / total as f32);
        let task = task.reporting_to(&report);
        scores.push(set_score(network, set, dev, names, photos, task)?);
    }
    let sum: f64 = scores.iter().map(|score| score.mean_iou).sum();
    Ok(Validation {
        mean_iou: sum / scores.len().max(1) as f64,
        sets: scores,
    })
}

fn set_score(
    network: &dyn Network,
    set: &TrainingSet,
    dev: &dyn Examples,
    names: &[&str],
    photos: Option<usize>,
    task: Task<'_>,
) -> Result<SetScore, TrainError> {
    let all = dev.photos();
    let count = photos.unwrap_or(all).min(all);
    let mut counts = Confusion::new(names.len());
    for at in 0..count {
        task.check()?;
        task.progress(at as f32 / count as f32);
        let photo = at * all / count;
        let predicted = predicted(network, dev, photo, names.len())?;
        counts.add(&predicted.0, &predicted.1);
    }
    let own = (0..names.len()).filter(|class| set.own[*class]);
    let classes: Vec<ClassScore> = own
        .map(|id| ClassScore {
            id,
            name: names[id].to_owned(),
            iou: counts.iou(id),
        })
        .collect();
    let found: Vec<f64> = classes.iter().filter_map(|class| class.iou).collect();
    Ok(SetScore {
        name: set.name.clone(),
        photos: count,
        mean_iou: found.iter().sum::<f64>() / found.len().max(1) as f64,
        accuracy: counts.pixel_accuracy().unwrap_or(0.0),
        classes,
    })
}

/// The true and the predicted classes of a photo's pixels.
fn predicted(
    network: &dyn Network,
    dev: &dyn Examples,
    photo: usize,
    classes: usize,
) -> Result<(Vec<u8>, Vec<u8>), TrainError> {
    let example = dev.whole(photo)?;
    let tensor = |map: super::Map| {
        let [rows, columns, channels] = map.size;
        Tensor::from_vec(map.values, (1, rows, columns, channels), &Device::Cpu)
    };
    let inputs = example.inputs.into_iter().map(tensor);
    let scores = network.forward(&inputs.collect::<Result<Vec<_>, _>>()?)?;
    let (_, rows, columns, channels) = scores.dense.dims4()?;
    if channels < classes {
        return Err(ModelError::Compute("the network has too few classes".to_owned()).into());
    }
    let dense: Vec<f32> = scores.dense.flatten_all()?.to_vec1()?;
    let size = [example.target.rows, example.target.columns];
    let from = [rows, columns, channels];
    let map = class_map(&dense, from, classes, dev.covers(photo), size);
    Ok((example.target.labels, map))
}

/// The class with the highest score of each of `size` (rows, columns) pixels:
/// `scores` of (rows, columns, channels) are interpolated bilinearly between
/// pixel centres. The photo `covers` these shares of the rows and columns; only
/// the first `classes` channels count.
pub fn class_map(
    scores: &[f32],
    from: [usize; 3],
    classes: usize,
    covers: [f32; 2],
    size: [usize; 2],
) -> Vec<u8> {
    let [rows, columns, channels] = from;
    let row_places = places(rows, covers[0], size[0]);
    let column_places = places(columns, covers[1], size[1]);
    let mut out = vec![0; size[0] * size[1]];
    let pitch = columns * channels;
    let lines = out.par_chunks_mut(size[1]).zip(row_places);
    lines.for_each_init(
        || (vec![0.0; pitch], vec![0.0; classes]),
        |(line, best), (out, (above, below, part))| {
            let (above, below) = (&scores[above * pitch..], &scores[below * pitch..]);
            for (value, (a, b)) in line.iter_mut().zip(above.iter().zip(below)) {
                *value = a + part * (b - a);
            }
            for (out, (left, right, part)) in out.iter_mut().zip(&column_places) {
                let (left, right) = (&line[left * channels..], &line[right * channels..]);
                for (value, (a, b)) in best.iter_mut().zip(left.iter().zip(right)) {
                    *value = a + part * (b - a);
                }
                *out = highest(best);
            }
        },
    );
    out
}

/// For each of `count` pixels the two samples that it lies between, and how far
/// it is on the way from the first to the second.
fn places(samples: usize, covers: f32, count: usize) -> Vec<(usize, usize, f32)> {
    let scale = samples as f64 * f64::from(covers) / count as f64;
    let last = samples - 1;
    let place = |pixel: usize| {
        let at = ((pixel as f64 + 0.5) * scale - 0.5).clamp(0.0, last as f64);
        let first = at as usize;
        (first, last.min(first + 1), (at - first as f64) as f32)
    };
    (0..count).map(place).collect()
}

fn highest(scores: &[f32]) -> u8 {
    let mut best = 0;
    for (at, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = at;
        }
    }
    best as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_map_follows_the_scores_between_their_centres() {
        // class 1 wins in the right half; the last channel is no class
        let scores = [1.0, -1.0, 9.0, -1.0, 1.0, 9.0];
        let map = class_map(&scores, [1, 2, 3], 2, [1.0, 1.0], [2, 4]);
        assert_eq!(map, [0, 0, 1, 1, 0, 0, 1, 1]);
    }

    #[test]
    fn padding_is_not_part_of_the_photo() {
        let scores = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0];
        let map = class_map(&scores, [1, 4, 2], 2, [1.0, 0.5], [1, 4]);
        assert_eq!(map, [0; 4]);
        let map = class_map(&scores, [1, 4, 2], 2, [1.0, 1.0], [1, 4]);
        assert_eq!(map, [0, 0, 1, 1]);
    }
}
