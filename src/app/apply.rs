//! Carrying out commands.

use super::command::{Command, Dialog, Then};
use super::notices::Severity;
use super::{ActivityKind, App, Request, Tool, ViewRequest};
use crate::document::{self as edit, ClassRemoval, Document, EditError, Edited};
use crate::label::{ClassId, Rect, SegmentId};
use crate::worker::JobKind;

impl App {
    /// Carry out a command. One that can do nothing now does nothing.
    pub fn apply(&mut self, command: Command) {
        if let Some(why) = command.blocked(self) {
            if command == Command::Save && self.open.is_some() {
                self.notices
                    .say(Severity::Warning, format!("Not saved: {why}"));
            }
            return;
        }
        match command {
            Command::AskForPhoto => self.requests.push(Request::PickPhoto),
            Command::AskForFolder => self.requests.push(Request::PickFolder),
            Command::Open(path) => self.leave_then(Then::Open(path)),
            Command::OpenSample => self.open_sample(),
            Command::NextPhoto => self.open_neighbour(1),
            Command::PreviousPhoto => self.open_neighbour(-1),
            Command::Save => self.save(),
            Command::AskForExport => self.dialog = Some(Dialog::Export),
            Command::Export(kind, path) => self.export(kind, path),
            Command::AskForAttentionExport => self.dialog = Some(Dialog::ExportAttention),
            Command::ExportAttention(kind, path) => self.export_attention(kind, path),
            Command::Quit => self.leave_then(Then::Quit),
            Command::Unsaved(answer) => self.answer_unsaved(answer),

            Command::Undo => self.undo(),
            Command::Redo => self.redo(),

            Command::Take(Tool::Attention) if self.tool != Tool::Attention => {
                self.toggle_inspector();
            }
            Command::Take(tool) => {
                self.stroke_end();
                self.tool = tool;
            }
            Command::ToggleInspector => self.toggle_inspector(),
            Command::CloseInspector => {
                self.inspector.shown = false;
                if self.tool == Tool::Attention {
                    self.tool = Tool::default();
                }
            }
            Command::Attention(command) => self.attention(command),
            Command::PickClass(class) => self.pick_class(class),
            Command::ResizeBrush(steps) => self.resize_brush(steps),

            Command::Accept => self.accept_offer(),
            Command::AcceptOne(index) => self.accept_one(index),
            Command::Drop => self.drop_or_deselect(),
            Command::NextCandidate => self.turn_candidate(1),
            Command::PreviousCandidate => self.turn_candidate(-1),
            Command::SegmentEverything => self.segment_everything(),
            Command::Predict => self.predict(),
            Command::AcceptLabel(label) => self.accept_label(label),
            Command::AskForModel => self.requests.push(Request::PickModel),
            Command::ChooseModel(name) => self.choose_model(name),
            Command::AdoptLabels => self.adopt_labels(),
            Command::StopModel => self.stop_model(),
            Command::Cancel(job) => self.worker.cancel(job),

            Command::Select(ids) => self.select(ids),
            Command::ToggleSelected(id) => self.toggle_selected(id),
            Command::DeleteSelected => self.delete_selected(),
            Command::MergeSelected => self.merge_selected(),
            Command::SetLocked(id, locked) => {
                let name = if locked { "Lock" } else { "Unlock" };
                self.edit(name, |document| edit::set_locked(document, &[id], locked));
            }
            Command::SetHidden(id, hidden) => {
                let name = if hidden { "Hide" } else { "Show" };
                self.edit(name, |document| edit::set_hidden(document, &[id], hidden));
            }
            Command::SetClass(id, class) => {
                self.edit("Change class", |document| {
                    edit::set_segment_class(document, &[id], class)
                });
            }

            Command::AddClass(name) => self.add_class(&name),
            Command::RenameClass(id, name) => {
                self.edit("Rename class", |document| {
                    edit::rename_class(document, id, &name)
                });
            }
            Command::RecolorClass(id, color) => {
                self.edit("Recolour class", |document| {
                    edit::recolor_class(document, id, color)
                });
            }
            Command::DeleteClass(id) => self.delete_class(id),
            Command::RemoveClass(id, removal) => self.remove_class(id, removal),

            Command::Fit => self.view(ViewRequest::Fit),
            Command::ActualSize => self.view(ViewRequest::ActualSize),
            Command::ZoomIn => self.view(ViewRequest::Zoom(1.5)),
            Command::ZoomOut => self.view(ViewRequest::Zoom(1.0 / 1.5)),
            Command::ZoomToSegment => self.zoom_to_segment(),

            Command::SetWindow(lo, hi) => self.set_window(lo, hi),
            Command::SetTheme(theme) => self.settings.theme = theme,
            Command::TogglePanel => self.settings.panel_open ^= true,
            Command::ToggleFilmstrip => self.settings.filmstrip_open ^= true,
            Command::ShowFirstSteps => self.first_steps = true,
            Command::Show(dialog) => self.dialog = Some(dialog),
            Command::CloseDialog => self.dialog = None,
        }
    }

    fn view(&mut self, request: ViewRequest) {
        self.requests.push(Request::View(request));
    }

    // ---- history

    fn undo(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.is_painting()) {
            self.stroke_cancel();
        } else if !(self.tool.prompts() && self.undo_prompt())
            && let Some(open) = &mut self.open
            && open.history.undo().is_some()
        {
            self.document_changed();
        }
    }

    fn redo(&mut self) {
        if let Some(open) = &mut self.open
            && open.history.redo().is_some()
        {
            self.document_changed();
        }
    }

    /// Make one edit one undo step; what cannot be done is said.
    fn edit(
        &mut self,
        name: &'static str,
        edit: impl FnOnce(&Document) -> Result<Edited, EditError>,
    ) -> bool {
        self.stroke_end();
        let Some(open) = &self.open else { return false };
        let result = edit(open.document()).map(|edited| (name, edited));
        self.finish_edit(result)
    }

    pub(super) fn finish_edit(
        &mut self,
        result: Result<(&'static str, Edited), EditError>,
    ) -> bool {
        match result {
            Ok((name, edited)) => {
                if let Some(open) = &mut self.open {
                    open.history.apply(name, edited.document);
                }
                self.document_changed();
                true
            }
            Err(error) => {
                self.notices.say(Severity::Warning, error.to_string());
                false
            }
        }
    }

    // ---- segments

    fn select(&mut self, ids: Vec<SegmentId>) {
        if let Some(open) = &mut self.open {
            open.selection = ids;
            open.prune_selection();
        }
    }

    fn toggle_selected(&mut self, id: SegmentId) {
        if let Some(open) = &mut self.open {
            match open.selection.iter().position(|&selected| selected == id) {
                Some(at) => {
                    open.selection.remove(at);
                }
                None => open.selection.push(id),
            }
            open.prune_selection();
        }
    }

    fn selection(&self) -> Vec<SegmentId> {
        self.open
            .as_ref()
            .map(|open| open.selection.clone())
            .unwrap_or_default()
    }

    fn delete_selected(&mut self) {
        let ids = self.selection();
        if !ids.is_empty() {
            self.edit("Delete segment", |document| {
                edit::delete_segments(document, &ids)
            });
        } else {
            self.undo_prompt();
        }
    }

    fn merge_selected(&mut self) {
        let ids = self.selection();
        if self.edit("Merge segments", |document| {
            edit::merge_segments(document, &ids)
        }) {
            self.select(vec![ids[0]]);
        }
    }

    /// Esc: first what is offered goes away, then the selection.
    fn drop_or_deselect(&mut self) {
        let Some(open) = &mut self.open else { return };
        if open.is_painting() {
            self.stroke_cancel();
        } else if open.prompting.is_under_way() {
            self.drop_offer();
        } else if !(self.tool == Tool::Attention && self.step_back())
            && let Some(open) = &mut self.open
        {
            open.selection.clear();
        }
    }

    fn zoom_to_segment(&mut self) {
        let Some(open) = &self.open else { return };
        let offered = open
            .prompting
            .offer
            .as_ref()
            .map(|offer| offer.chosen().mask.bounds());
        let selected = open
            .selection
            .iter()
            .filter_map(|&id| open.document().segment(id))
            .map(|segment| segment.bounds)
            .reduce(Rect::union);
        if let Some(bounds) = selected.or(offered).filter(|bounds| !bounds.is_empty()) {
            self.view(ViewRequest::Show(bounds));
        }
    }

    // ---- classes

    /// With segments selected in hand, a class labels them; it is the current one
    /// from then on, and the next stroke begins a new segment of it.
    fn pick_class(&mut self, class: ClassId) {
        let Some(open) = &self.open else { return };
        if class != crate::label::IGNORE && open.document().classes().get(class).is_none() {
            return;
        }
        let ids = self.selection();
        if self.tool == super::Tool::Select && !ids.is_empty() {
            self.edit("Change class", |document| {
                edit::set_segment_class(document, &ids, class)
            });
        } else {
            self.select(Vec::new());
        }
        if class != crate::label::BACKGROUND {
            self.current_class = class;
        }
    }

    fn add_class(&mut self, name: &str) {
        self.stroke_end();
        let Some(open) = &self.open else { return };
        match edit::add_class(open.document(), name) {
            Ok((edited, id)) => {
                if self.finish_edit(Ok(("Add class", edited))) {
                    self.current_class = id;
                    self.select(Vec::new());
                }
            }
            Err(error) => self.notices.say(Severity::Warning, error.to_string()),
        }
    }

    fn delete_class(&mut self, id: ClassId) {
        let Some(open) = &self.open else { return };
        if open
            .document()
            .segments()
            .iter()
            .any(|segment| segment.class == id)
        {
            self.dialog = Some(Dialog::DeleteClass(id));
        } else {
            self.remove_class(id, ClassRemoval::DeleteSegments);
        }
    }

    fn remove_class(&mut self, id: ClassId, removal: ClassRemoval) {
        self.dialog = None;
        self.edit("Delete class", |document| {
            edit::delete_class(document, id, removal)
        });
    }

    // ---- work

    fn stop_model(&mut self) {
        for activity in self
            .activities
            .iter()
            .filter(|activity| activity.kind.is_inference())
        {
            self.worker.cancel(activity.job);
        }
    }

    fn set_window(&mut self, lo: f32, hi: f32) {
        let Some(open) = &self.open else { return };
        let kind = JobKind::Rewindow {
            photo: open.photo.clone(),
            lo,
            hi,
        };
        let document = open.id;
        self.start(document, kind, ActivityKind::Rewindow);
    }
}
