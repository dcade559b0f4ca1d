//! Where and how something is painted: the canvas, the view and what follows
//! from both for squares of the photo and for outlines.

use egui::{Painter, Pos2, Rect, Shape, Stroke};

use super::view::View;

/// Points around the canvas within which outlines are still drawn, so that the
/// ends of lines that leave it cannot be seen.
const BEYOND: f32 = 8.0;
/// Corners of outlines that are closer than this on screen, in points, are one.
const CLOSE: f32 = 0.7;

/// What painting on the canvas needs to know.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// Paints on the canvas.
    pub painter: &'a Painter,
    /// Where the canvas is, in points.
    pub canvas: Rect,
    /// Which part of the photo it shows.
    pub view: &'a View,
}

impl Scene<'_> {
    /// Where a place in the photo is on screen.
    pub fn screen(&self, at: Pos2) -> Pos2 {
        self.view.screen_from_image(self.canvas, at)
    }

    /// The screen rectangle of a rectangle of the photo.
    pub fn screen_rect(&self, image: Rect) -> Rect {
        self.view.screen_rect(self.canvas, image)
    }

    /// Columns and rows of the squares of `side` photo pixels that are on
    /// screen, for a photo of `size`.
    pub fn squares(&self, side: u32, size: [u32; 2]) -> impl Iterator<Item = (u32, u32)> + use<> {
        let visible = self.view.visible(self.canvas);
        let range = |min: f32, max: f32, count: u32| {
            let first = min.floor().max(0.0) as u32 / side;
            let last = (max.ceil().max(0.0) as u32).min(count).div_ceil(side);
            first..last
        };
        let xs = range(visible.min.x, visible.max.x, size[0]);
        range(visible.min.y, visible.max.y, size[1])
            .flat_map(move |ty| xs.clone().map(move |tx| (tx, ty)))
    }

    /// The part of a straight line, in photo pixels, that can be seen.
    pub fn stretch(&self, from: Pos2, to: Pos2) -> Option<Run> {
        let (from, to) = (self.screen(from), self.screen(to));
        let (begin, end) = clipped(from, to, self.canvas.expand(BEYOND))?;
        Some(Run {
            points: vec![from.lerp(to, begin), from.lerp(to, end)],
            start: f64::from(begin * from.distance(to)),
        })
    }

    /// The parts of a closed outline, in photo pixels, that can be seen.
    pub fn runs(&self, outline: impl Iterator<Item = Pos2> + Clone) -> Vec<Run> {
        let clip = self.canvas.expand(BEYOND);
        let mut runs: Vec<Run> = Vec::new();
        let mut length = 0.0;
        let mut open = false;
        let Some(first) = outline.clone().next() else {
            return runs;
        };
        let first = self.screen(first);
        let mut from = first;
        let corners = outline.skip(1).map(|at| self.screen(at));
        let ways = corners.map(|at| (at, CLOSE)).chain([(first, 0.0)]);
        for (to, close) in ways {
            let step = from.distance(to);
            if step <= close {
                continue;
            }
            let part = clipped(from, to, clip);
            if let Some((begin, end)) = part {
                let connected = open && begin == 0.0;
                if !connected {
                    runs.push(Run {
                        points: vec![from.lerp(to, begin)],
                        start: length + f64::from(begin * step),
                    });
                }
                if let Some(run) = runs.last_mut() {
                    // Exactly the corner, so that whole outlines are known as such.
                    run.points
                        .push(if end == 1.0 { to } else { from.lerp(to, end) });
                }
            }
            open = part.is_some_and(|(_, end)| end == 1.0);
            length += f64::from(step);
            from = to;
        }
        runs
    }
}

/// The pixels of square `(tx, ty)` of `side` pixels in a photo of `size`.
pub fn square(tx: u32, ty: u32, side: u32, size: [u32; 2]) -> Rect {
    let end = |at: u32, count: u32| (at * side + side).min(count) as f32;
    Rect::from_min_max(
        Pos2::new((tx * side) as f32, (ty * side) as f32),
        Pos2::new(end(tx, size[0]), end(ty, size[1])),
    )
}

/// Which part of the way, as shares of it, is in `clip`.
fn clipped(from: Pos2, to: Pos2, clip: Rect) -> Option<(f32, f32)> {
    let way = to - from;
    let (mut begin, mut end) = (0f32, 1f32);
    for (start, way, min, max) in [
        (from.x, way.x, clip.min.x, clip.max.x),
        (from.y, way.y, clip.min.y, clip.max.y),
    ] {
        if way == 0.0 {
            if start < min || start > max {
                return None;
            }
            continue;
        }
        let (a, b) = ((min - start) / way, (max - start) / way);
        begin = begin.max(a.min(b));
        end = end.min(a.max(b));
    }
    (begin < end).then_some((begin, end))
}

/// A part of an outline that can be seen, in screen points.
#[derive(Clone, Debug)]
pub struct Run {
    points: Vec<Pos2>,
    /// Length of the outline before it.
    start: f64,
}

/// A pattern of dashes, in points.
#[derive(Clone, Copy, Debug)]
pub struct Dashes {
    /// Length of a dash.
    pub dash: f32,
    /// Length of a dash and the gap after it.
    pub period: f32,
    /// How far the pattern has moved along the outline, 0..`period`.
    pub moved: f32,
}

impl Run {
    /// The run as a line; a closed one if nothing of the outline is missing.
    pub fn line(&self, stroke: Stroke) -> Shape {
        match self.points.as_slice() {
            [first, between @ .., last] if first == last && between.len() > 1 => {
                Shape::closed_line(self.points[1..].to_vec(), stroke)
            }
            points => Shape::line(points.to_vec(), stroke),
        }
    }

    /// The run as dashes. They lie along the outline, wherever the run begins,
    /// so that they do not jump when the view moves.
    pub fn dashes(&self, pattern: Dashes, stroke: Stroke) -> Vec<Shape> {
        let period = f64::from(pattern.period);
        let place = (self.start - f64::from(pattern.moved)).rem_euclid(period) as f32;
        let gap = pattern.period - pattern.dash;
        let mut on = place < pattern.dash;
        let mut left = if on { pattern.dash } else { pattern.period } - place;
        let mut shapes = Vec::new();
        let mut dash: Vec<Pos2> = Vec::new();
        if on {
            dash.extend(self.points.first());
        }
        for &[from, to] in self.points.array_windows() {
            let length = from.distance(to);
            let mut gone = 0.0;
            while gone + left <= length {
                gone += left;
                dash.push(from.lerp(to, gone / length));
                if on {
                    shapes.push(Shape::line(std::mem::take(&mut dash), stroke));
                }
                on = !on;
                left = if on { pattern.dash } else { gap };
            }
            left -= length - gone;
            if on {
                dash.push(to);
            }
        }
        if dash.len() > 1 {
            shapes.push(Shape::line(dash, stroke));
        }
        shapes
    }
}

#[cfg(test)]
mod tests;
