//! The icons in use: code points of the Phosphor icon font (MIT), which is in
//! `assets/fonts`.

pub const ATTENTION: &str = "\u{E74E}";
pub const BELL: &str = "\u{E0CE}";
pub const BOX: &str = "\u{E69A}";
pub const BRUSH: &str = "\u{E6F0}";
pub const CARET_DOWN: &str = "\u{E136}";
pub const CARET_LEFT: &str = "\u{E138}";
pub const CARET_RIGHT: &str = "\u{E13A}";
pub const CHECK: &str = "\u{E184}";
pub const CLOSE: &str = "\u{E4F6}";
pub const CURSOR: &str = "\u{E1DC}";
pub const ERASER: &str = "\u{E21E}";
pub const ERROR: &str = "\u{E4F8}";
pub const EVERYTHING: &str = "\u{E746}";
pub const EXPORT: &str = "\u{EAF0}";
pub const EYE: &str = "\u{E220}";
pub const EYE_OFF: &str = "\u{E224}";
pub const FIT: &str = "\u{E1D0}";
pub const FOLDER: &str = "\u{E256}";
pub const IMAGE: &str = "\u{E2CA}";
pub const INFO: &str = "\u{E2CE}";
pub const KEYBOARD: &str = "\u{E2D8}";
pub const LOCK: &str = "\u{E308}";
pub const MENU: &str = "\u{E2F0}";
pub const MERGE: &str = "\u{E87E}";
pub const PANEL: &str = "\u{EC24}";
pub const PLUS: &str = "\u{E3D4}";
pub const POINTS: &str = "\u{E1D6}";
pub const REDO: &str = "\u{E08C}";
pub const SAVE: &str = "\u{E248}";
pub const SEARCH: &str = "\u{E30C}";
pub const SPARKLE: &str = "\u{E6A2}";
pub const TRASH: &str = "\u{E4A6}";
pub const UNDO: &str = "\u{E08A}";
pub const UNLOCK: &str = "\u{E30A}";
pub const WARNING: &str = "\u{E4E0}";
