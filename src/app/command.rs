//! Everything that the user can ask for, by mouse, key, menu or palette. The
//! window only makes commands; [`App::apply`](super::App::apply) carries them out.

use std::ffi::OsString;
use std::path::PathBuf;

use super::App;
use super::inspector::{AttentionCommand, AttentionExport};
use super::settings::ThemeChoice;
use super::tool::Tool;
use crate::document::ClassRemoval;
use crate::formats::ExportKind;
use crate::label::{ClassId, SegmentId};
use crate::models::ModelInfo;
use crate::worker::JobId;

/// One request of the user.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Ask for a photo with the desktop's file dialog.
    AskForPhoto,
    /// Ask for a folder with the desktop's file dialog.
    AskForFolder,
    /// Open this photo or folder.
    Open(PathBuf),
    /// Open the sample photo.
    OpenSample,
    /// The photo after this one in the folder.
    NextPhoto,
    /// The photo before this one in the folder.
    PreviousPhoto,
    /// Write the labels beside the photo.
    Save,
    /// Choose what to export.
    AskForExport,
    /// Export to this file.
    Export(ExportKind, PathBuf),
    /// Choose what to export of the attention.
    AskForAttentionExport,
    /// Export what the attention inspector shows to this file.
    ExportAttention(AttentionExport, PathBuf),
    /// Leave the program.
    Quit,
    /// Answer to "there is unsaved work".
    Unsaved(UnsavedAnswer),

    /// Take the last step back.
    Undo,
    /// Take the last step forward again.
    Redo,

    /// Take a tool.
    Take(Tool),
    /// Show the attention inspector and take its tool, or put both away.
    ToggleInspector,
    /// Put the attention inspector away.
    CloseInspector,
    /// Something about attention.
    Attention(AttentionCommand),
    /// Make a class current, and label the selected segments with it.
    PickClass(ClassId),
    /// Change the brush by so many steps.
    ResizeBrush(f32),

    /// Keep what the model offers.
    Accept,
    /// Keep one mask of those offered for the whole photo.
    AcceptOne(usize),
    /// Drop what the model offers, or else the selection.
    Drop,
    /// Show the next candidate mask.
    NextCandidate,
    /// Show the previous candidate mask.
    PreviousCandidate,
    /// Offer masks for the whole photo.
    SegmentEverything,
    /// Ask the chosen model about the whole photo.
    Predict,
    /// Keep all areas on offer of a class.
    AcceptLabel(usize),
    /// Ask for a checkpoint folder with the desktop's file dialog.
    AskForModel,
    /// Load this model and choose it.
    ChooseModel(OsString),
    /// Make the model's labels classes of the document.
    AdoptLabels,
    /// Stop what the model is doing.
    StopModel,
    /// Stop this job.
    Cancel(JobId),

    /// Select exactly these segments.
    Select(Vec<SegmentId>),
    /// Select this segment too, or no longer.
    ToggleSelected(SegmentId),
    /// Delete the selected segments.
    DeleteSelected,
    /// Make the selected segments one.
    MergeSelected,
    /// Lock or unlock a segment.
    SetLocked(SegmentId, bool),
    /// Hide or show a segment.
    SetHidden(SegmentId, bool),
    /// Give a segment another class.
    SetClass(SegmentId, ClassId),

    /// Add a class of this name.
    AddClass(String),
    /// Give a class another name.
    RenameClass(ClassId, String),
    /// Give a class another colour.
    RecolorClass(ClassId, [u8; 3]),
    /// Delete a class; asks if segments use it.
    DeleteClass(ClassId),
    /// Delete a class, and do this with its segments.
    RemoveClass(ClassId, ClassRemoval),

    /// Show the whole photo.
    Fit,
    /// One photo pixel per screen pixel.
    ActualSize,
    /// Closer.
    ZoomIn,
    /// Farther.
    ZoomOut,
    /// Show the selected segment, or the offered mask, as large as it fits.
    ZoomToSegment,

    /// Show another range of a 16-bit or float photo's samples.
    SetWindow(f32, f32),
    /// Dark or light.
    SetTheme(ThemeChoice),
    /// Fold the panels at the right, or unfold them.
    TogglePanel,
    /// Fold the strip of photos, or unfold it.
    ToggleFilmstrip,
    /// Bring the first-steps line back.
    ShowFirstSteps,
    /// Show a dialog.
    Show(Dialog),
    /// Close the dialog that is shown.
    CloseDialog,
}

/// What to do with unsaved work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsavedAnswer {
    /// Save it, then go on.
    Save,
    /// Throw it away and go on.
    Discard,
    /// Stay.
    Stay,
}

/// What goes on after unsaved work has been dealt with.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// Open this photo or folder.
    Open(PathBuf),
    /// Leave the program.
    Quit,
}

/// The dialogs; at most one is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialog {
    /// There is unsaved work.
    Unsaved(Then),
    /// A path, typed: where the desktop has no file dialog.
    Path(PathPurpose, String),
    /// What to export.
    Export,
    /// The same, with what the attention inspector shows chosen.
    ExportAttention,
    /// A class that segments use is to be deleted.
    DeleteClass(ClassId),
    /// All keys.
    Keys,
    /// Every command by name.
    Palette(String),
    /// Everything that has been said.
    Messages,
    /// What the chosen model is.
    ModelCard,
    /// Settings.
    Settings,
    /// What the program is, and whose work is in it.
    About,
}

/// What a typed path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathPurpose {
    /// A photo to open.
    Photo,
    /// A folder to open.
    Folder,
    /// A file to export to.
    Export,
    /// A checkpoint folder.
    Model,
}

impl Command {
    /// Why this command can do nothing now, in words for a tooltip.
    pub fn blocked(&self, app: &App) -> Option<&'static str> {
        let open = app.open.as_ref();
        let needs_photo = open.is_none().then_some("Open a photo first");
        match self {
            Self::NextPhoto | Self::PreviousPhoto => app
                .folder
                .is_none()
                .then_some("Open a folder to go through its photos"),
            Self::Save => needs_photo.or_else(|| {
                let open = open?;
                open.read_only
                    .is_some()
                    .then_some("These labels were opened read-only; use Export instead")
            }),
            Self::Undo => (!open
                .is_some_and(|open| open.history.can_undo() || !open.prompting.is_empty()))
            .then_some("Nothing to undo"),
            Self::Redo => {
                (!open.is_some_and(|open| open.history.can_redo())).then_some("Nothing to redo")
            }
            Self::Accept | Self::NextCandidate | Self::PreviousCandidate => (!open
                .is_some_and(|open| open.prompting.has_offer()))
            .then_some("Click an object first: there is no proposal"),
            Self::DeleteSelected | Self::ZoomToSegment => {
                let nothing = open
                    .is_none_or(|open| open.selection.is_empty() && !open.prompting.has_offer());
                nothing.then_some("Select a segment first")
            }
            Self::MergeSelected => open
                .is_none_or(|open| open.selection.len() < 2)
                .then_some("Select two segments or more: Shift+click adds"),
            Self::StopModel => (!app.is_model_busy()).then_some("Nothing is running"),
            Self::Predict => needs_photo.or_else(|| {
                let none = "Choose a model that knows classes first";
                app.predictor().is_none().then_some(none)
            }),
            Self::AcceptLabel(label) => open
                .is_none_or(|open| open.prompting.offered_of(*label) == 0)
                .then_some("Nothing of this class is on offer"),
            Self::AdoptLabels => needs_photo.or_else(|| {
                let none = |info: &ModelInfo| info.labels.classes.is_empty();
                app.model
                    .as_ref()
                    .is_none_or(none)
                    .then_some("The model has no classes")
            }),
            Self::AskForExport
            | Self::SegmentEverything
            | Self::Fit
            | Self::ActualSize
            | Self::ZoomIn
            | Self::ZoomOut => needs_photo,
            Self::Attention(command) => command.blocked(app),
            Self::AskForAttentionExport => AttentionExport::Overlay.blocked(app),
            Self::ExportAttention(kind, _) => kind.blocked(app),
            Self::ToggleInspector => needs_photo,
            _ => None,
        }
    }
}
