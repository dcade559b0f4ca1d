//! What the pointer does on the canvas. Raw events are followed one by one, so
//! that a stroke has every place the pointer was at, and a click that begins and
//! ends within one frame is a click.

use egui::{Event, Key, Modifiers, PointerButton, Pos2, Rect, Response, Vec2};

use super::marks;
use super::view::View;
use crate::app::{App, AttentionCommand, Command, Tool};

/// Pointer travel in points that makes a click a drag.
const DRAG: f32 = 5.0;

/// What a pressed button is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Drag {
    /// Nothing.
    #[default]
    None,
    /// The photo moves with the pointer.
    Pan,
    /// A stroke of brush or eraser.
    Paint,
    /// A point, or a box if it goes on (screen places).
    Prompt {
        from: Pos2,
        to: Pos2,
        positive: bool,
    },
    /// An existing point is moved.
    Point { index: usize, moved: bool },
    /// A selection.
    Select,
    /// The attention tool (where it was put down).
    Probe { from: Pos2 },
}

/// The pointer's business on the canvas.
#[derive(Default)]
pub struct Pointer {
    drag: Drag,
    /// The button that the drag began with: others do nothing meanwhile.
    held: Option<PointerButton>,
    last: Pos2,
    /// Where a stroke went in this frame.
    path: Vec<[f32; 2]>,
    /// A popup was open at the end of the last frame: the click that closes it is
    /// meant for nothing else.
    popup: bool,
    /// The wheel sizes the brush until it comes to rest, also after Ctrl is let go:
    /// egui spreads a notch over several frames.
    sizing: bool,
}

/// What a frame's events act on.
struct Hands<'a> {
    canvas: Rect,
    space: bool,
    view: &'a mut View,
    app: &'a mut App,
    out: &'a mut Vec<Command>,
}

impl Pointer {
    /// What a pressed button is doing.
    pub fn drag(&self) -> Drag {
        self.drag
    }

    /// Let go of everything, as when another photo comes.
    pub fn let_go(&mut self) {
        self.drag = Drag::None;
        self.held = None;
        self.path.clear();
    }

    /// Follow this frame's events.
    pub fn follow(
        &mut self,
        response: &Response,
        view: &mut View,
        app: &mut App,
        out: &mut Vec<Command>,
    ) {
        let over = response.contains_pointer();
        let popup = egui::Popup::is_any_open(&response.ctx);
        let closes_popup = self.popup || popup;
        self.popup = popup;
        let (events, space) = response
            .ctx
            .input(|input| (input.events.clone(), input.key_down(Key::Space)));
        let mut hands = Hands {
            canvas: response.rect,
            space,
            view,
            app,
            out,
        };
        for event in events {
            match event {
                Event::PointerButton {
                    pos,
                    button,
                    pressed: true,
                    modifiers,
                } if over && !closes_popup && self.held.is_none() => {
                    self.last = pos;
                    self.press(pos, button, modifiers, &mut hands);
                    self.held = (self.drag != Drag::None).then_some(button);
                }
                Event::PointerButton {
                    pos,
                    button,
                    pressed: false,
                    modifiers,
                } if self.held == Some(button) => {
                    self.moved(pos, &mut hands);
                    self.release(pos, modifiers, &mut hands);
                    self.held = None;
                }
                Event::PointerMoved(pos) => self.moved(pos, &mut hands),
                Event::WindowFocused(false) => {
                    self.flush(hands.app);
                    hands.app.stroke_end();
                    hands.app.probe_end(false);
                    self.let_go();
                }
                _ => {}
            }
        }
        self.flush(hands.app);
        if over {
            self.wheel(response, view, app, out);
        }
    }

    /// Wheel and pinch zoom; with Ctrl they size the brush.
    fn wheel(&mut self, response: &Response, view: &mut View, app: &App, out: &mut Vec<Command>) {
        let (scroll, pinch, modifiers, pointer) = response.ctx.input(|input| {
            (
                input.smooth_scroll_delta().y,
                input.zoom_delta(),
                input.modifiers,
                input.pointer.hover_pos(),
            )
        });
        let Some(pointer) = pointer else { return };
        let turning = scroll != 0.0 || pinch != 1.0;
        self.sizing = turning && app.tool.paints() && (self.sizing || modifiers.command);
        let factor = (scroll / 260.0).exp() * pinch;
        if self.sizing {
            out.push(Command::ResizeBrush(factor.ln() * 8.0));
        } else if factor != 1.0 {
            view.zoom_about(response.rect, pointer, factor);
        }
    }

    /// Paint what the stroke did in this frame, as one edit.
    fn flush(&mut self, app: &mut App) {
        if !self.path.is_empty() {
            match self.drag {
                Drag::Probe { .. } => app.probe_to(&self.path),
                _ => app.stroke_to(&self.path),
            }
            self.path.clear();
        }
    }

    fn press(&mut self, pos: Pos2, button: PointerButton, modifiers: Modifiers, hands: &mut Hands) {
        let Some(open) = &hands.app.open else { return };
        let at = hands.view.image_from_screen(hands.canvas, pos);
        let hit = marks::hit(&open.prompting.points, hands.canvas, hands.view, pos);
        let picking = open.prompting.is_picking();
        let prompt = |positive| Drag::Prompt {
            from: pos,
            to: pos,
            positive,
        };
        self.drag = match (button, hands.app.tool) {
            (PointerButton::Middle, _) => Drag::Pan,
            (PointerButton::Primary, _) if hands.space => Drag::Pan,
            (PointerButton::Primary, Tool::Brush | Tool::Eraser) => {
                hands.app.stroke_begin([at.x, at.y], modifiers.shift);
                Drag::Paint
            }
            (PointerButton::Primary, Tool::Attention) if !picking => {
                hands.app.probe_begin([at.x, at.y]);
                Drag::Probe { from: pos }
            }
            (PointerButton::Secondary, Tool::Attention) => {
                hands
                    .out
                    .push(Command::Attention(AttentionCommand::ClearProbes));
                Drag::None
            }
            (PointerButton::Primary, _) if picking => Drag::Select,
            (PointerButton::Primary, Tool::Select) => Drag::Select,
            (PointerButton::Primary, Tool::Points | Tool::Box) => match hit {
                Some(index) => Drag::Point {
                    index,
                    moved: false,
                },
                None => prompt(!modifiers.alt),
            },
            (PointerButton::Secondary, Tool::Points | Tool::Box) if !picking => match hit {
                Some(index) => {
                    hands.app.remove_point(index);
                    Drag::None
                }
                None => prompt(false),
            },
            _ => Drag::None,
        };
    }

    fn moved(&mut self, pos: Pos2, hands: &mut Hands) {
        let delta = pos - self.last;
        self.last = pos;
        if delta == Vec2::ZERO {
            return;
        }
        let at = hands.view.image_from_screen(hands.canvas, pos);
        match &mut self.drag {
            Drag::None | Drag::Select => {}
            Drag::Pan => hands.view.pan(delta),
            Drag::Paint => self.path.push([at.x, at.y]),
            Drag::Probe { from } if from.distance(pos) > DRAG || !self.path.is_empty() => {
                self.path.push([at.x, at.y]);
            }
            Drag::Probe { .. } => {}
            Drag::Prompt { to, .. } => *to = pos,
            Drag::Point { index, moved } => {
                *moved = true;
                if let Some(at) = inside(hands.app, at) {
                    hands.app.move_point(*index, at.x, at.y);
                }
            }
        }
    }

    fn release(&mut self, pos: Pos2, modifiers: Modifiers, hands: &mut Hands) {
        let at = hands.view.image_from_screen(hands.canvas, pos);
        self.flush(hands.app);
        match std::mem::take(&mut self.drag) {
            Drag::Paint => hands.app.stroke_end(),
            Drag::Probe { from } => hands.app.probe_end(from.distance(pos) <= DRAG),
            Drag::Prompt { from, to, positive } => {
                let begun = hands.view.image_from_screen(hands.canvas, from);
                if from.distance(to) > DRAG && positive {
                    set_box(hands.app, begun, at);
                } else if let Some(at) = inside(hands.app, begun) {
                    hands.app.add_point(at.x, at.y, positive);
                }
            }
            // A click on a point asks again, where the last answer was a failure.
            Drag::Point { moved, .. } if moved || !is_answered(hands.app) => hands.app.ask_model(),
            Drag::Select => select(hands.app, at, modifiers, hands.out),
            Drag::Point { .. } | Drag::Pan | Drag::None => {}
        }
    }
}

fn is_answered(app: &App) -> bool {
    app.open
        .as_ref()
        .is_some_and(|open| open.prompting.offer.is_some() || open.prompting.is_waiting())
}

/// The place, if it is in the photo.
fn inside(app: &App, at: Pos2) -> Option<Pos2> {
    let open = app.open.as_ref()?;
    let (width, height) = (open.photo.width() as f32, open.photo.height() as f32);
    (at.x >= 0.0 && at.y >= 0.0 && at.x < width && at.y < height).then_some(at)
}

/// Prompt with the part of the box that is in the photo.
fn set_box(app: &mut App, a: Pos2, b: Pos2) {
    let Some(open) = &app.open else { return };
    let size = Vec2::new(open.photo.width() as f32, open.photo.height() as f32).to_pos2();
    let (a, b) = (a.clamp(Pos2::ZERO, size), b.clamp(Pos2::ZERO, size));
    if (a.x - b.x).abs() >= 1.0 && (a.y - b.y).abs() >= 1.0 {
        app.set_box([a.x, a.y], [b.x, b.y]);
    }
}

fn select(app: &App, at: Pos2, modifiers: Modifiers, out: &mut Vec<Command>) {
    let Some(open) = &app.open else { return };
    let Some(at) = inside(app, at) else {
        out.push(Command::Select(Vec::new()));
        return;
    };
    let (x, y) = (at.x as u32, at.y as u32);
    if let Some(masks) = &open.prompting.everything {
        if let Some(index) = masks.iter().position(|offered| offered.mask.contains(x, y)) {
            out.push(Command::AcceptOne(index));
        }
        return;
    }
    let segment = open
        .document()
        .segment_at(x, y)
        .filter(|segment| !segment.hidden);
    out.push(match (segment, modifiers.shift) {
        (Some(segment), true) => Command::ToggleSelected(segment.id),
        (Some(segment), false) => Command::Select(vec![segment.id]),
        (None, true) => return,
        (None, false) => Command::Select(Vec::new()),
    });
}
