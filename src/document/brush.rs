//! The pixels of brush strokes: pure geometry.
//!
//! The footprint of a brush does not depend on where between two pixels the
//! pointer is, so that the ring that the cursor shows is exactly what a click
//! paints: the centre [snaps](snap) to the middle of a pixel for odd diameters
//! and to a corner for even ones. A pixel is in if its middle is within the
//! radius of the snapped centre.

use crate::label::{Mask, Span, contours};

/// The smallest radius, which paints one pixel.
pub const SMALLEST_RADIUS: f32 = 0.5;

/// The largest radius, in pixels.
pub const LARGEST_RADIUS: f32 = 8192.0;

/// The centre that a brush of `radius` at `center` really has, in pixels of the
/// photo.
pub fn snap(center: [f32; 2], radius: f32) -> [f32; 2] {
    let even = (2.0 * usable(radius)).round() % 2.0 == 0.0;
    center.map(|at| if even { at.round() } else { at.floor() + 0.5 })
}

/// The pixels that one touch of a round brush covers: `center` and `radius` in
/// pixels of the photo, `bounds` its width and height. Radius 0.5 (or less) is
/// exactly the pixel under `center`.
pub fn dab(center: [f32; 2], radius: f32, bounds: (u32, u32)) -> Mask {
    capsule(center, center, radius, bounds)
}

/// The pixels that a round brush covers on the straight way between two
/// places, both snapped; includes the dabs at both ends.
pub fn capsule(from: [f32; 2], to: [f32; 2], radius: f32, bounds: (u32, u32)) -> Mask {
    let sweep = Sweep::new(snap(from, radius), snap(to, radius), usable(radius));
    if !sweep.is_finite() {
        return Mask::empty();
    }
    let (y0, y1) = sweep.rows(bounds.1);
    let row = |y| sweep.row(y, bounds.0);
    Mask::from_sorted_spans((y0..y1).filter_map(row).collect())
}

/// The outline of the footprint of a brush of `radius` as a closed polyline of
/// corners `[x, y]` in pixels, relative to the [snapped](snap) centre. The last
/// corner connects back to the first.
pub fn ring(radius: f32) -> Vec<[f32; 2]> {
    let reach = usable(radius).ceil() + 2.0;
    let center = snap([reach, reach], radius);
    let side = 2 * reach as u32 + 2;
    let footprint = dab(center, radius, (side, side));
    // A disc has one outline.
    let outline = contours(&footprint).into_iter().next().unwrap_or_default();
    let relative = |[x, y]: [u32; 2]| [x as f32 - center[0], y as f32 - center[1]];
    outline.into_iter().map(relative).collect()
}

fn usable(radius: f32) -> f32 {
    if radius.is_nan() {
        return SMALLEST_RADIUS;
    }
    radius.clamp(SMALLEST_RADIUS, LARGEST_RADIUS)
}

/// A disc moved along a straight line. In f64, where all that is computed from
/// snapped places is exact or nearly so.
struct Sweep {
    from: [f64; 2],
    /// From there to the other end.
    way: [f64; 2],
    radius: f64,
}

impl Sweep {
    fn new(from: [f32; 2], to: [f32; 2], radius: f32) -> Self {
        let (from, to) = (from.map(f64::from), to.map(f64::from));
        Self {
            from,
            way: [to[0] - from[0], to[1] - from[1]],
            radius: f64::from(radius),
        }
    }

    fn is_finite(&self) -> bool {
        self.from
            .iter()
            .chain(&self.way)
            .all(|value| value.is_finite())
    }

    /// The rows that may have pixels, below `height`.
    fn rows(&self, height: u32) -> (u32, u32) {
        let ends = [self.from[1], self.from[1] + self.way[1]];
        let top = ends[0].min(ends[1]) - self.radius - 1.0;
        let bottom = ends[0].max(ends[1]) + self.radius + 1.0;
        // `as` clamps to 0 and u32::MAX.
        ((top as u32).min(height), (bottom as u32).min(height))
    }

    /// The pixels of row `y`, left of `width`.
    fn row(&self, y: u32, width: u32) -> Option<Span> {
        let (left, right) = self.reach(f64::from(y) + 0.5)?;
        // One pixel more at either side, then the exact test decides.
        let mut x0 = ((left - 1.5).max(0.0) as u32).min(width);
        let mut x1 = ((right + 1.5).max(0.0) as u32).min(width);
        while x0 < x1 && !self.covers(x0, y) {
            x0 += 1;
        }
        while x0 < x1 && !self.covers(x1 - 1, y) {
            x1 -= 1;
        }
        (x0 < x1).then(|| Span::new(y, x0, x1))
    }

    /// Where the swept disc begins and ends on the horizontal line `y`. It is
    /// convex, so that is one interval: the hull of where the two discs at the
    /// ends and the band between them do.
    fn reach(&self, y: f64) -> Option<(f64, f64)> {
        let mut reach: Option<(f64, f64)> = None;
        let mut add = |left: f64, right: f64| {
            let (l, r) = reach.unwrap_or((left, right));
            reach = Some((l.min(left), r.max(right)));
        };
        for part in [0.0, 1.0] {
            let dy = y - (self.from[1] + part * self.way[1]);
            let x = self.from[0] + part * self.way[0];
            let slack = 1e-6 * (1.0 + self.radius);
            if dy.abs() <= self.radius + slack {
                let half = (self.radius * self.radius - dy * dy).max(0.0).sqrt();
                add(x - half, x + half);
            }
        }
        let [wx, wy] = self.way;
        let length = wx.hypot(wy);
        if length > 0.0 {
            // The corners of the band, and where its sides cross the line.
            let (nx, ny) = (-wy / length * self.radius, wx / length * self.radius);
            for side in [-1.0, 1.0] {
                let (x, top) = (self.from[0] + side * nx, self.from[1] + side * ny);
                if wy != 0.0 {
                    let part = (y - top) / wy;
                    if (0.0..=1.0).contains(&part) {
                        add(x + part * wx, x + part * wx);
                    }
                }
            }
        }
        reach
    }

    /// Whether the middle of pixel `(x, y)` is within the radius of the way.
    fn covers(&self, x: u32, y: u32) -> bool {
        let px = f64::from(x) + 0.5 - self.from[0];
        let py = f64::from(y) + 0.5 - self.from[1];
        let [wx, wy] = self.way;
        let length = wx * wx + wy * wy;
        let part = if length > 0.0 {
            ((px * wx + py * wy) / length).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let (dx, dy) = (px - part * wx, py - part * wy);
        // The slack lets rounding along the way never cut a pixel off that a
        // dab at its end covers.
        dx * dx + dy * dy <= self.radius * self.radius * (1.0 + 1e-9)
    }
}

#[cfg(test)]
mod tests;
