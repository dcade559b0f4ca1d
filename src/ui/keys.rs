//! The keys, in one table: it drives the keyboard, the tooltips, the menus, the
//! palette and the F1 sheet, so that none of them can lie.

use std::sync::LazyLock;

use egui::{Context, Key, KeyboardShortcut, Modifiers};

use crate::app::{App, AttentionCommand, Command, Dialog, PathPurpose, ThemeChoice, Tool};

/// A command that has a name and mostly a key.
pub struct Action {
    /// Heading on the F1 sheet.
    pub group: &'static str,
    /// Name in menus and palette.
    pub name: &'static str,
    /// The key, where there is one.
    pub key: Option<KeyboardShortcut>,
    /// A second key that does the same.
    pub other: Option<KeyboardShortcut>,
    /// What it does.
    pub command: Command,
}

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;
const SHIFT: Modifiers = Modifiers::SHIFT;

const fn key(modifiers: Modifiers, key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(modifiers, key))
}

/// Every named command.
pub fn actions() -> &'static [Action] {
    static ACTIONS: LazyLock<Vec<Action>> = LazyLock::new(all_actions);
    &ACTIONS
}

#[rustfmt::skip] // a table: one line each
fn all_actions() -> Vec<Action> {
    let mut actions = Vec::new();
    let mut group = "";
    let mut add = |heading: &'static str, name, key, other, command| {
        if !heading.is_empty() {
            group = heading;
        }
        actions.push(Action {
            group,
            name,
            key,
            other,
            command,
        });
    };
    add("File", "Open photo…", key(CTRL, Key::O), None, Command::AskForPhoto);
    add("", "Open folder…", key(CTRL.plus(SHIFT), Key::O), None, Command::AskForFolder);
    add("", "Open a typed path…", key(CTRL, Key::L), None, Command::Show(Dialog::Path(PathPurpose::Photo, String::new())));
    add("", "Open the sample photo", None, None, Command::OpenSample);
    add("", "Save labels", key(CTRL, Key::S), None, Command::Save);
    add("", "Export…", key(CTRL, Key::E), None, Command::AskForExport);
    add("", "Next photo", key(NONE, Key::ArrowRight), None, Command::NextPhoto);
    add("", "Previous photo", key(NONE, Key::ArrowLeft), None, Command::PreviousPhoto);
    add("", "Settings", key(CTRL, Key::Comma), None, Command::Show(Dialog::Settings));
    add("", "Quit", key(CTRL, Key::Q), None, Command::Quit);

    add("Edit", "Undo", key(CTRL, Key::Z), None, Command::Undo);
    add("", "Redo", key(CTRL.plus(SHIFT), Key::Z), key(CTRL, Key::Y), Command::Redo);
    add("", "Delete selected", key(NONE, Key::Delete), key(NONE, Key::Backspace), Command::DeleteSelected);
    add("", "Merge selected", key(CTRL, Key::M), None, Command::MergeSelected);

    for tool in Tool::ALL {
        let letter = match tool {
            Tool::Select => Key::V,
            Tool::Points => Key::P,
            Tool::Box => Key::R,
            Tool::Brush => Key::B,
            Tool::Eraser => Key::E,
            Tool::Attention => continue,
        };
        let heading = if tool == Tool::Select { "Tools" } else { "" };
        add(heading, tool.name(), key(NONE, letter), None, Command::Take(tool));
    }
    add("", "Attention inspector", key(NONE, Key::A), None, Command::ToggleInspector);
    add("", "Attention brush", key(SHIFT, Key::B), None, Command::Attention(AttentionCommand::ToggleBrush));
    add("", "Attention as proposal", key(SHIFT, Key::A), None, Command::Attention(AttentionCommand::Propose));
    add("", "Attention as prompt", key(SHIFT, Key::P), None, Command::Attention(AttentionCommand::Prompt));
    add("", "Export attention…", None, None, Command::AskForAttentionExport);
    add("", "More like this", key(NONE, Key::M), None, Command::Attention(AttentionCommand::MoreLikeThis));
    add("", "More like this in the folder", None, None, Command::Attention(AttentionCommand::SearchFolder));
    add("", "Which attention heads matter most", None, None, Command::Attention(AttentionCommand::Rank));
    add("", "Switch all attention heads on", None, None, Command::Attention(AttentionCommand::AllOn));
    add("", "Unpin all tokens", None, None, Command::Attention(AttentionCommand::ClearProbes));
    add("", "Smaller brush", key(NONE, Key::OpenBracket), None, Command::ResizeBrush(-1.0));
    add("", "Larger brush", key(NONE, Key::CloseBracket), None, Command::ResizeBrush(1.0));

    add("Model", "Accept proposal", key(NONE, Key::Enter), None, Command::Accept);
    add("", "Drop proposal, deselect", key(NONE, Key::Escape), None, Command::Drop);
    add("", "Next mask", key(NONE, Key::Tab), None, Command::NextCandidate);
    add("", "Previous mask", key(SHIFT, Key::Tab), None, Command::PreviousCandidate);
    add("", "Predict classes", key(CTRL, Key::P), None, Command::Predict);
    add("", "Segment everything", key(CTRL.plus(SHIFT), Key::E), None, Command::SegmentEverything);
    add("", "Open model folder…", key(CTRL.plus(SHIFT), Key::M), None, Command::AskForModel);
    add("", "Model card", None, None, Command::Show(Dialog::ModelCard));
    add("", "Use the model's classes", None, None, Command::AdoptLabels);
    add("", "Stop the model", key(CTRL, Key::Period), None, Command::StopModel);

    add("View", "Fit photo", key(NONE, Key::Num0), None, Command::Fit);
    add("", "Actual size", key(SHIFT, Key::Num0), None, Command::ActualSize);
    add("", "Zoom in", key(NONE, Key::Plus), key(NONE, Key::Equals), Command::ZoomIn);
    add("", "Zoom out", key(NONE, Key::Minus), None, Command::ZoomOut);
    add("", "Zoom to segment", key(NONE, Key::Z), None, Command::ZoomToSegment);
    add("", "Panels", key(CTRL, Key::B), None, Command::TogglePanel);
    add("", "Photo strip", key(CTRL.plus(SHIFT), Key::B), None, Command::ToggleFilmstrip);

    add("", "Dark theme", None, None, Command::SetTheme(ThemeChoice::Dark));
    add("", "Light theme", None, None, Command::SetTheme(ThemeChoice::Light));
    add("", "Theme as the desktop", None, None, Command::SetTheme(ThemeChoice::System));

    add("Help", "All keys", key(NONE, Key::F1), None, Command::Show(Dialog::Keys));
    add("", "Find a command", key(CTRL, Key::K), None, Command::Show(Dialog::Palette(String::new())));
    add("", "Messages", None, None, Command::Show(Dialog::Messages));
    add("", "First steps", None, None, Command::ShowFirstSteps);
    add("", "About PatchLens", None, None, Command::Show(Dialog::About));
    actions
}

/// Gestures that have no command, for the F1 sheet.
pub const GESTURES: [(&str, &str); 12] = [
    (
        "1 … 9",
        "Current class; with Select, the class of the selected segments",
    ),
    ("Wheel, pinch", "Zoom about the pointer"),
    ("Space+drag, middle drag", "Move the photo"),
    ("Hold H", "Hide the labels"),
    ("Hold Shift+H", "Labels alone, without the photo"),
    (
        "Click, right click",
        "Points: the object, not the object (Alt+click too)",
    ),
    ("Drag", "Points, Box: a box around the object"),
    ("Drag a point", "Move it"),
    ("Right click a point", "Delete it"),
    (
        "Shift+click",
        "Brush, Eraser: a straight line; Select: add to the selection",
    ),
    ("Ctrl+wheel", "Brush, Eraser: size"),
    (
        "Double click",
        "Class or segment in a panel: rename, zoom to",
    ),
];

/// The shortcut's text for tooltips and menus.
pub fn text(ctx: &Context, shortcut: &KeyboardShortcut) -> String {
    ctx.format_shortcut(shortcut)
}

/// The key of `command` as text, if it has one.
pub fn text_of(ctx: &Context, command: &Command) -> Option<String> {
    actions()
        .iter()
        .find(|action| action.command == *command)
        .and_then(|action| action.key.map(|key| text(ctx, &key)))
}

/// Who the keys go to, besides the commands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Typing {
    /// Text is being typed, or was until this frame: Esc and Enter end typing
    /// before anybody else sees them.
    pub text: bool,
    /// A control other than the canvas has the keyboard.
    pub elsewhere: bool,
    /// A menu or another popup is open.
    pub popup: bool,
}

impl Typing {
    /// Whether a command may have this key.
    fn leaves(self, key: &KeyboardShortcut) -> bool {
        let edits_text = matches!(key.logical_key, Key::Z | Key::Y | Key::Backspace);
        let navigates = matches!(
            key.logical_key,
            Key::Enter | Key::Tab | Key::ArrowLeft | Key::ArrowRight
        );
        let control = key.modifiers.command;
        !((self.text && (!control || edits_text))
            || (self.popup && !control)
            || (self.elsewhere && navigates))
    }
}

/// Turn this frame's keys into commands.
pub fn pressed(ctx: &Context, app: &App, typing: Typing) -> Vec<Command> {
    let in_dialog = app.dialog.is_some();
    let mut commands = Vec::new();
    for action in longest_first() {
        // A dialog keeps its keys to itself, but for those that lead elsewhere.
        if in_dialog && !matches!(action.command, Command::Show(_) | Command::Quit) {
            continue;
        }
        for key in [action.key, action.other].into_iter().flatten() {
            if typing.leaves(&key) && ctx.input_mut(|input| input.consume_shortcut(&key)) {
                commands.push(action.command.clone());
            }
        }
    }
    if !typing.text && !typing.popup && !in_dialog {
        commands.extend(class_keys(ctx));
    }
    commands
}

/// egui matches a shortcut's modifiers loosely: try those with more of them first.
fn longest_first() -> Vec<&'static Action> {
    let count = |action: &&Action| {
        action.key.map_or(0, |key| {
            usize::from(key.modifiers.command) + usize::from(key.modifiers.shift)
        })
    };
    let mut actions: Vec<_> = actions().iter().collect();
    actions.sort_by_key(|action| std::cmp::Reverse(count(action)));
    actions
}

fn class_keys(ctx: &Context) -> Vec<Command> {
    const DIGITS: [Key; 9] = [
        Key::Num1,
        Key::Num2,
        Key::Num3,
        Key::Num4,
        Key::Num5,
        Key::Num6,
        Key::Num7,
        Key::Num8,
        Key::Num9,
    ];
    DIGITS
        .iter()
        .zip(1u8..)
        .filter(|(key, _)| ctx.input_mut(|input| input.consume_key(Modifiers::NONE, **key)))
        .map(|(_, digit)| Command::PickClass(digit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_does_two_things() {
        let mut seen = std::collections::HashMap::new();
        for action in actions() {
            for key in [action.key, action.other].into_iter().flatten() {
                let before = seen.insert(format!("{key:?}"), action.name);
                assert_eq!(before, None, "{key:?} is also {}", action.name);
            }
        }
    }

    #[test]
    fn every_action_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> =
            actions().iter().map(|action| action.name).collect();
        assert_eq!(names.len(), actions().len());
    }
}
