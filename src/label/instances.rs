//! From scores to objects that stand apart, though they touch.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::SegmentId;

/// How scores become objects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InstanceOptions {
    /// A pixel belongs to an object if its inside score exceeds this.
    pub inside: f32,
    /// A pixel belongs to the core of an object if its inside score less its
    /// border score exceeds this.
    pub core: f32,
    /// Cores of fewer pixels are noise.
    pub smallest_core: usize,
    /// Objects of fewer pixels are noise.
    pub smallest: usize,
}

impl Default for InstanceOptions {
    fn default() -> Self {
        Self {
            inside: 0.5,
            core: 0.5,
            smallest_core: 4,
            smallest: 12,
        }
    }
}

/// Objects of a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instances {
    /// The object of each pixel, row by row: 1 and up without gaps, by their
    /// first pixels; 0 for none.
    pub ids: Vec<SegmentId>,
    /// How many objects there are.
    pub count: usize,
}

/// Why there are no objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstancesError {
    /// The scores are for different pixels.
    #[error(
        "there are {inside} scores for the inside, {border} for the border, and rows of {width}"
    )]
    Size {
        /// Scores for the inside.
        inside: usize,
        /// Scores for the border.
        border: usize,
        /// Length of the rows.
        width: usize,
    },
    /// More objects than an instance map can tell apart.
    #[error("the scores make {0} objects, more than the 65535 that an instance map can hold")]
    TooMany(usize),
}

/// Tell objects apart by two scores 0..=1 for each pixel, rows of `width`: that
/// it is `inside` of an object, and that it lies on the `border` between two of
/// them or around one.
///
/// The cores, where the inside score outweighs the border score, grow together
/// until they fill everything inside: best pixels first, so that they meet on
/// the ridge of the border score (the watershed of Meyer 1991, by flooding).
/// Cores and growth spread across edges only, not across corners. What is inside
/// without a core is an object of its own. Small ones are dropped. Scores that
/// are no numbers count as not inside.
///
/// # Errors
/// [`InstancesError`].
pub fn instances(
    inside: &[f32],
    border: &[f32],
    width: usize,
    options: &InstanceOptions,
) -> Result<Instances, InstancesError> {
    let whole_rows = inside.is_empty() || width > 0 && inside.len().is_multiple_of(width);
    if inside.len() != border.len() || !whole_rows {
        return Err(InstancesError::Size {
            inside: inside.len(),
            border: border.len(),
            width,
        });
    }
    let scores: Vec<f32> = inside.iter().zip(border).map(|(i, b)| i - b).collect();
    let is_inside = |at: usize| inside[at] > options.inside;
    let is_core = |at: usize| is_inside(at) && scores[at] > options.core;
    let mut areas = Areas::new(inside.len(), width);
    areas.add(is_core, options.smallest_core);
    areas.grow(is_inside, &scores);
    areas.add(is_inside, 0);
    areas.numbered(options.smallest)
}

/// No object.
const NONE: u32 = 0;
/// An area that was too small.
const DROPPED: u32 = u32::MAX;

/// Areas of pixels, numbered from 1 on.
struct Areas {
    width: usize,
    ids: Vec<u32>,
    count: u32,
}

/// A pixel that an area may grow onto: the best first, then the oldest.
struct Step {
    score: f32,
    age: Reverse<u64>,
    at: usize,
    id: u32,
}

impl Ord for Step {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = self.score.total_cmp(&other.score);
        by_score.then_with(|| self.age.cmp(&other.age))
    }
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Step {}

impl Areas {
    fn new(pixels: usize, width: usize) -> Self {
        Self {
            width,
            ids: vec![NONE; pixels],
            count: 0,
        }
    }

    /// The pixels that share an edge with this one.
    fn neighbours(&self, at: usize) -> impl Iterator<Item = usize> + use<> {
        let (width, pixels) = (self.width, self.ids.len());
        let x = at % width;
        let sides = [
            (at >= width).then(|| at - width),
            (x > 0).then(|| at - 1),
            (x + 1 < width).then(|| at + 1),
            (at + width < pixels).then(|| at + width),
        ];
        sides.into_iter().flatten()
    }

    /// Each connected area of free pixels that `wanted` accepts becomes one,
    /// unless it has fewer than `smallest` pixels.
    fn add(&mut self, wanted: impl Fn(usize) -> bool, smallest: usize) {
        let mut area = Vec::new();
        for first in 0..self.ids.len() {
            if self.ids[first] != NONE || !wanted(first) {
                continue;
            }
            let id = self.count + 1;
            self.ids[first] = id;
            area.clear();
            area.push(first);
            let mut next = 0;
            while let Some(&at) = area.get(next) {
                next += 1;
                for beside in self.neighbours(at) {
                    if self.ids[beside] == NONE && wanted(beside) {
                        self.ids[beside] = id;
                        area.push(beside);
                    }
                }
            }
            if area.len() < smallest {
                area.iter().for_each(|at| self.ids[*at] = DROPPED);
            } else {
                self.count = id;
            }
        }
        for id in self.ids.iter_mut().filter(|id| **id == DROPPED) {
            *id = NONE;
        }
    }

    /// Let all areas grow over the free pixels that `wanted` accepts, the
    /// highest score first.
    fn grow(&mut self, wanted: impl Fn(usize) -> bool, scores: &[f32]) {
        let mut queue = BinaryHeap::new();
        let mut age = 0;
        let mut offer = |areas: &Self, queue: &mut BinaryHeap<Step>, from: usize| {
            for at in areas.neighbours(from) {
                if areas.ids[at] == NONE && wanted(at) {
                    age += 1;
                    queue.push(Step {
                        score: scores[at],
                        age: Reverse(age),
                        at,
                        id: areas.ids[from],
                    });
                }
            }
        };
        for at in 0..self.ids.len() {
            if self.ids[at] != NONE {
                offer(self, &mut queue, at);
            }
        }
        while let Some(step) = queue.pop() {
            if self.ids[step.at] == NONE {
                self.ids[step.at] = step.id;
                offer(self, &mut queue, step.at);
            }
        }
    }

    /// The areas of at least `smallest` pixels, numbered anew by their first
    /// pixels.
    fn numbered(self, smallest: usize) -> Result<Instances, InstancesError> {
        let mut sizes = vec![0; self.count as usize + 1];
        self.ids.iter().for_each(|id| sizes[*id as usize] += 1);
        let mut numbers = vec![0; sizes.len()];
        let mut count = 0;
        let mut number = |id: u32| {
            let id = id as usize;
            if id > 0 && sizes[id] >= smallest && numbers[id] == 0 {
                count += 1;
                numbers[id] = count;
            }
            // Too many are refused below.
            numbers[id] as SegmentId
        };
        let ids = self.ids.iter().map(|id| number(*id)).collect();
        if count > usize::from(SegmentId::MAX) {
            return Err(InstancesError::TooMany(count));
        }
        Ok(Instances { ids, count })
    }
}

#[cfg(test)]
mod tests;
