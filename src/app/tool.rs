//! The tools of the rail.

/// Smallest brush: its footprint is exactly one pixel.
pub const MIN_RADIUS: f32 = 0.5;
/// Largest brush, in photo pixels.
pub const MAX_RADIUS: f32 = 1000.0;

/// What the primary button does on the canvas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tool {
    /// Select segments.
    Select,
    /// Prompt the model with points, or with a box by dragging.
    #[default]
    Points,
    /// Prompt the model with a box.
    Box,
    /// Paint into the selected segment, or a new one.
    Brush,
    /// Take pixels away.
    Eraser,
    /// Look at the model's attention.
    Attention,
}

impl Tool {
    /// Every tool, in the order of the rail.
    pub const ALL: [Self; 6] = [
        Self::Select,
        Self::Points,
        Self::Box,
        Self::Brush,
        Self::Eraser,
        Self::Attention,
    ];

    /// The name on screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "Select",
            Self::Points => "Points",
            Self::Box => "Box",
            Self::Brush => "Brush",
            Self::Eraser => "Eraser",
            Self::Attention => "Attention",
        }
    }

    /// One line on how to use it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Select => "Click a segment to select it, Shift adds",
            Self::Points => "Click an object, right click takes away, drag a box",
            Self::Box => "Drag a box around an object",
            Self::Brush => "Paint, Shift draws a straight line",
            Self::Eraser => "Erase, Shift draws a straight line",
            Self::Attention => "Click pins a token, drag asks for all under it",
        }
    }

    /// Whether strokes of this tool change pixels directly.
    pub fn paints(self) -> bool {
        matches!(self, Self::Brush | Self::Eraser)
    }

    /// Whether this tool prompts the model.
    pub fn prompts(self) -> bool {
        matches!(self, Self::Points | Self::Box)
    }
}

/// The next brush radius up or down: a tenth, but at least half a pixel, so that
/// small brushes change pixel by pixel and large ones at an even pace.
pub fn step_radius(radius: f32, steps: f32) -> f32 {
    let step = (radius * 0.1).max(0.5);
    let next = radius + step * steps;
    // Whole pixels of diameter: the footprint is then symmetric and predictable.
    ((next * 2.0).round() / 2.0).clamp(MIN_RADIUS, MAX_RADIUS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brush_sizes_step_evenly_and_stay_in_range() {
        assert_eq!(step_radius(0.5, -1.0), MIN_RADIUS);
        assert_eq!(step_radius(0.5, 1.0), 1.0);
        assert_eq!(step_radius(100.0, 1.0), 110.0);
        assert_eq!(step_radius(1000.0, 1.0), MAX_RADIUS);
    }
}
