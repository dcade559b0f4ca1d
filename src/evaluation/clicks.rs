//! How many clicks an object takes: a robot that clicks where a mask is wrong.
//!
//! The protocol is that of f-BRS (Sofiiuk et al. 2020) and RITM (Sofiiuk et al.
//! 2022, `isegm/inference/clicker.py`): each click goes to the middle of the
//! largest error, which is where the distance transform of what is missing, or
//! of what is too much, has its maximum; the first one, with no mask yet, to
//! that of the object. No pixel is clicked twice, and neither the photo's outside
//! nor ignored pixels are error. Objects are scored by the clicks that an
//! intersection over union takes (NoC), capped where it is not reached.

use rayon::join;

use super::confusion::mean;
use super::distance::squared_distances;
use crate::label::Mask;

/// A click of the robot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Click {
    /// Column.
    pub x: u32,
    /// Row.
    pub y: u32,
    /// Whether the pixel belongs to the object.
    pub positive: bool,
}

/// The object to be clicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClickTarget {
    width: u32,
    height: u32,
    values: Vec<u8>,
}

/// Why a map is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Another value than the three.
    #[error(
        "it holds the value {0}, but only 0 (background), 255 (object) and 128 (ignored) have a meaning"
    )]
    Value(u16),
    /// Nothing to click.
    #[error("no pixel of it is 255, so there is no object to click")]
    NoObject,
    /// Another number of values than pixels.
    #[error("it has {found} values for {width} × {height} pixels")]
    Size {
        /// How many values there are.
        found: usize,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
}

impl ClickTarget {
    /// The value of the object's pixels.
    pub const OBJECT: u8 = 255;
    /// The value of pixels that count neither as object nor as background.
    pub const IGNORED: u8 = 128;
    /// The value of all others.
    pub const BACKGROUND: u8 = 0;

    /// A target from `width * height` numbers, row by row.
    ///
    /// # Errors
    /// If there is no object, or a number has no meaning.
    pub fn new<T: Copy + Into<u16>>(
        width: u32,
        height: u32,
        values: &[T],
    ) -> Result<Self, TargetError> {
        if values.len() as u64 != u64::from(width) * u64::from(height) {
            return Err(TargetError::Size {
                found: values.len(),
                width,
                height,
            });
        }
        let known = [Self::OBJECT, Self::IGNORED, Self::BACKGROUND];
        let meaning = |value: &T| {
            let number: u16 = (*value).into();
            let byte = u8::try_from(number)
                .ok()
                .filter(|byte| known.contains(byte));
            byte.ok_or(TargetError::Value(number))
        };
        let values: Vec<u8> = values.iter().map(meaning).collect::<Result<_, _>>()?;
        if !values.contains(&Self::OBJECT) {
            return Err(TargetError::NoObject);
        }
        Ok(Self {
            width,
            height,
            values,
        })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Intersection over union of the object and `mask`, ignored pixels apart.
    pub fn iou(&self, mask: &Mask) -> f64 {
        let (mut both, mut outside) = (0u64, 0u64);
        for span in mask.spans().iter().filter(|span| span.y < self.height) {
            let row = span.y as usize * self.width as usize;
            let columns = span.x0.min(self.width) as usize..span.x1.min(self.width) as usize;
            for value in &self.values[row + columns.start..row + columns.end] {
                both += u64::from(*value == Self::OBJECT);
                outside += u64::from(*value == Self::BACKGROUND);
            }
        }
        let object = self.values.iter().filter(|value| **value == Self::OBJECT);
        both as f64 / (object.count() as u64 + outside) as f64
    }

    /// Where `mask` lacks object, and where it has background; both padded with
    /// a pixel on each side, (height + 2, width + 2).
    fn errors(&self, mask: &Mask) -> [Vec<bool>; 2] {
        let (width, height) = (self.width as usize, self.height as usize);
        let padded = width + 2;
        let mut inside = vec![false; padded * (height + 2)];
        for span in mask.spans().iter().filter(|span| span.y < self.height) {
            let row = (span.y as usize + 1) * padded + 1;
            let columns = span.x0.min(self.width) as usize..span.x1.min(self.width) as usize;
            inside[row + columns.start..row + columns.end].fill(true);
        }
        let mut missing = vec![false; inside.len()];
        let mut excess = vec![false; inside.len()];
        for (y, values) in self.values.chunks_exact(width).enumerate() {
            let row = (y + 1) * padded + 1;
            for (at, value) in (row..).zip(values) {
                missing[at] = *value == Self::OBJECT && !inside[at];
                excess[at] = *value == Self::BACKGROUND && inside[at];
            }
        }
        [missing, excess]
    }
}

/// Where the robot clicks next, looking at `mask`; with no mask yet, that is
/// [`Mask::empty`]. `None` if all that is wrong has been clicked.
pub fn next_click(target: &ClickTarget, mask: &Mask, clicked: &[Click]) -> Option<Click> {
    let [missing, excess] = target.errors(mask);
    let find = |error: &[bool]| deepest(error, target.width as usize + 2, clicked);
    let (missing, excess) = join(|| find(&missing), || find(&excess));
    let depth = |found: &Option<(u32, (u32, u32))>| found.map_or(0, |(depth, _)| depth);
    // Equal errors give a negative click, as in RITM.
    let positive = depth(&missing) > depth(&excess);
    let (_, (x, y)) = if positive { missing } else { excess }?;
    Some(Click { x, y, positive })
}

/// The pixel deepest inside of a padded error, first in reading order, that has
/// not been clicked: its squared depth and place without the padding.
fn deepest(error: &[bool], width: usize, clicked: &[Click]) -> Option<(u32, (u32, u32))> {
    let sites: Vec<bool> = error.iter().map(|inside| !inside).collect();
    let mut depths = squared_distances(&sites, width);
    for click in clicked {
        depths[(click.y as usize + 1) * width + click.x as usize + 1] = 0;
    }
    let mut best = (0, 0);
    for (at, depth) in depths.iter().enumerate() {
        if *depth > best.0 {
            best = (*depth, at);
        }
    }
    let (depth, at) = best;
    // The padding is no error, so the deepest pixel lies inside of it.
    (depth > 0).then(|| (depth, ((at % width - 1) as u32, (at / width - 1) as u32)))
}

/// When the robot stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClickOptions {
    /// The most clicks on an object.
    pub max_clicks: usize,
    /// The intersection over union at which it is content.
    pub target: f64,
    /// How often it clicks at least, so that means over objects after so many
    /// clicks are means of what was computed.
    pub at_least: usize,
}

impl Default for ClickOptions {
    /// 20 clicks, 0.9, at least 5.
    fn default() -> Self {
        Self {
            max_clicks: 20,
            target: 0.9,
            at_least: 5,
        }
    }
}

/// What the robot did on one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClickTrace {
    /// Its clicks.
    pub clicks: Vec<Click>,
    /// The intersection over union after each.
    pub ious: Vec<f64>,
}

impl ClickTrace {
    /// The clicks until the intersection over union was at least `iou`; `None`
    /// if it never was.
    pub fn clicks_to(&self, iou: f64) -> Option<usize> {
        let first = self.ious.iter().position(|reached| *reached >= iou);
        first.map(|index| index + 1)
    }

    /// The intersection over union after `clicks` of them; the last one where
    /// the robot stopped before.
    pub fn iou_after(&self, clicks: usize) -> f64 {
        let seen = &self.ious[..clicks.min(self.ious.len())];
        seen.last().copied().unwrap_or(0.0)
    }
}

/// Click an object until it is right. `segment` gives the mask for all clicks
/// so far.
///
/// # Errors
/// Those of `segment`.
pub fn click_through<E>(
    target: &ClickTarget,
    options: &ClickOptions,
    mut segment: impl FnMut(&[Click]) -> Result<Mask, E>,
) -> Result<ClickTrace, E> {
    let mut trace = ClickTrace::default();
    let mut mask = Mask::empty();
    while trace.clicks.len() < options.max_clicks {
        let Some(click) = next_click(target, &mask, &trace.clicks) else {
            break;
        };
        trace.clicks.push(click);
        mask = segment(&trace.clicks)?;
        let iou = target.iou(&mask);
        trace.ious.push(iou);
        if iou >= options.target && trace.clicks.len() >= options.at_least {
            break;
        }
    }
    Ok(trace)
}

/// The mean number of clicks to an intersection over union, `cap` where it was
/// not reached with so many, and the number of those objects. `None` of nothing.
pub fn number_of_clicks(traces: &[ClickTrace], iou: f64, cap: usize) -> Option<(f64, usize)> {
    let needed = |trace: &ClickTrace| trace.clicks_to(iou).filter(|clicks| *clicks <= cap);
    let failed = traces.iter().filter(|trace| needed(trace).is_none());
    let clicks = traces
        .iter()
        .map(|trace| needed(trace).unwrap_or(cap) as f64);
    mean(clicks).map(|clicks| (clicks, failed.count()))
}

/// The mean intersection over union after so many clicks. `None` of nothing.
pub fn mean_iou_after(traces: &[ClickTrace], clicks: usize) -> Option<f64> {
    mean(traces.iter().map(|trace| trace.iou_after(clicks)))
}

#[cfg(test)]
mod tests;
