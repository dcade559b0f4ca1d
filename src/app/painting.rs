//! Strokes of brush and eraser. Every pointer move changes the document at once;
//! the whole stroke is one undo step, made when the button comes up.

use super::App;
use super::notices::Severity;
use super::tool::{Tool, step_radius};
use crate::document::{EditError, Edited, Target, brush, erase, paint};
use crate::label::{Mask, SegmentId};

/// A stroke under way.
pub(super) struct Stroke {
    tool: Tool,
    /// What the brush paints into; the first dab of a new segment decides.
    target: Target,
    last: [f32; 2],
    /// The one segment that the eraser may touch, if it may not touch all.
    only: Option<SegmentId>,
    /// A refused dab is reported once per stroke.
    refused: bool,
}

impl App {
    /// Put the brush or eraser down at `at` (photo pixels). With `straight`, a
    /// line is drawn from where the last stroke ended.
    pub fn stroke_begin(&mut self, at: [f32; 2], straight: bool) {
        self.stroke_end();
        self.give_way();
        let tool = self.tool;
        let class = self.current_class;
        let selected_only = tool == Tool::Eraser && self.settings.erase_selected_only;
        let Some(open) = self.open.as_mut().filter(|_| tool.paints()) else {
            return;
        };
        if selected_only && open.selection.len() != 1 {
            self.notices.say(
                Severity::Info,
                "Select the segment to erase from, or switch \"Selected segment only\" off",
            );
            return;
        }
        let target = match open.selection[..] {
            [only] => Target::Segment(only),
            _ => Target::New(class),
        };
        let from = if straight {
            open.stroke_end.unwrap_or(at)
        } else {
            at
        };
        open.history.begin_gesture();
        open.stroke = Some(Stroke {
            tool,
            target,
            last: from,
            only: open.selection.first().copied().filter(|_| selected_only),
            refused: false,
        });
        self.stroke_to(&[at]);
    }

    /// Move the brush or eraser through `places` (photo pixels): all that the
    /// pointer did within a frame, as one edit.
    pub fn stroke_to(&mut self, places: &[[f32; 2]]) {
        let radius = self.settings.brush_radius;
        let Some(open) = &mut self.open else { return };
        let Some(stroke) = &open.stroke else { return };
        let bounds = (open.photo.width(), open.photo.height());
        let mut last = stroke.last;
        let mut mask = Mask::empty();
        for &at in places {
            mask = mask.union(&brush::capsule(last, at, radius, bounds));
            last = at;
        }
        let result = self.dab(&mask);
        let Some(open) = &mut self.open else { return };
        let Some(stroke) = &mut open.stroke else {
            return;
        };
        stroke.last = last;
        match result {
            Ok(Some(edited)) => {
                if let (Tool::Brush, Some(segment)) = (stroke.tool, edited.segment) {
                    // What was begun as a new segment goes on as this one.
                    stroke.target = Target::Segment(segment);
                    open.selection = vec![segment];
                }
                open.history.replace(edited.document);
            }
            Ok(None) => {}
            Err(error) if !stroke.refused => {
                stroke.refused = true;
                self.notices.say(Severity::Warning, error.to_string());
            }
            Err(_) => {}
        }
    }

    fn dab(&self, mask: &Mask) -> Result<Option<Edited>, EditError> {
        let Some(open) = &self.open else {
            return Ok(None);
        };
        let Some(stroke) = &open.stroke else {
            return Ok(None);
        };
        if mask.is_empty() {
            return Ok(None);
        }
        let document = open.history.current();
        let edited = match stroke.tool {
            Tool::Eraser => {
                let only = stroke.only;
                if only.is_some_and(|id| document.segment(id).is_none()) {
                    // Erased to the last pixel: its neighbours are none of its business.
                    return Ok(None);
                }
                erase(document, mask, only)?
            }
            _ => paint(document, mask, stroke.target)?,
        };
        Ok(Some(edited))
    }

    /// Lift the brush or eraser: the stroke becomes one undo step.
    pub fn stroke_end(&mut self) {
        let Some(open) = &mut self.open else { return };
        let Some(stroke) = open.stroke.take() else {
            return;
        };
        open.stroke_end = Some(stroke.last);
        let name = if stroke.tool == Tool::Eraser {
            "Erase"
        } else {
            "Brush"
        };
        if open.history.commit_gesture(name) {
            self.document_changed();
        }
    }

    /// Give the stroke up, as if it had never begun.
    pub fn stroke_cancel(&mut self) {
        let Some(open) = &mut self.open else { return };
        if open.stroke.take().is_some() {
            open.history.cancel_gesture();
            open.prune_selection();
        }
    }

    pub(super) fn resize_brush(&mut self, steps: f32) {
        self.settings.brush_radius = step_radius(self.settings.brush_radius, steps);
    }
}
