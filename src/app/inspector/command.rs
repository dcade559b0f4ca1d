//! What can be asked of the inspector by button, key or palette.

use std::path::PathBuf;

use super::state::{Asking, Subject};
use crate::app::App;

/// One request about attention.
#[derive(Clone, Debug, PartialEq)]
pub enum AttentionCommand {
    /// Show this attention head of this layer.
    Choose(usize, usize),
    /// Show this one too, fused with the others of its layer, or no longer.
    ChooseToo(usize, usize),
    /// Show the same attention heads of another layer, as far as it has them.
    ChooseSameOf(usize),
    /// Show all attention heads of a layer, fused.
    ChooseLayer(usize),
    /// Compare what is shown with this attention head.
    Compare(usize, usize),
    /// Switch this attention head off, or on again, to see what it does.
    ToggleOff(usize, usize),
    /// Switch all attention heads of a layer off, or on again.
    ToggleLayerOff(usize),
    /// Switch all on again.
    AllOn,
    /// Find out which attention heads matter most for the prediction.
    Rank,
    /// Stop that.
    StopRanking,
    /// Compare no longer.
    CompareNothing,
    /// Look from these tokens.
    AskFrom(Asking),
    /// Unpin everything, and forget the stroke.
    ClearProbes,
    /// Offer the part of the photo that holds most of the attention.
    Propose,
    /// Ask the prompt decoder for what most of the attention is on.
    Prompt,
    /// Let strokes grow along the attention, or ask again.
    ToggleBrush,
    /// Offer what is like the selected segments on this photo.
    MoreLikeThis,
    /// Look for more on the other photos of the folder.
    SearchFolder,
    /// Stop that.
    StopSearch,
    /// Open a photo where something was found, and offer that.
    ShowHit(PathBuf),
}

impl App {
    pub(in crate::app) fn attention(&mut self, command: AttentionCommand) {
        use AttentionCommand as C;
        // Whoever does something may have what was refused asked once more.
        self.inspector.unanswered.clear();
        match command {
            C::Choose(layer, head) => self.choose_heads(layer, vec![head]),
            C::ChooseToo(layer, head) => self.choose_too(layer, head),
            C::ChooseSameOf(layer) => self.choose_same_of(layer),
            C::ChooseLayer(layer) => self.choose_heads(layer, Vec::new()),
            C::Compare(layer, head) => {
                self.inspector.subject = Subject::Heads;
                let same = self.inspector.compared == Some((layer, head));
                self.inspector.compared = (!same).then_some((layer, head));
            }
            C::ToggleOff(layer, head) => self.toggle_off((layer, head)),
            C::ToggleLayerOff(layer) => self.toggle_layer_off(layer),
            C::AllOn => self.all_on(),
            C::Rank => self.rank(),
            C::StopRanking => self.stop_ranking(),
            C::CompareNothing => self.inspector.compared = None,
            C::AskFrom(asking) => self.inspector.ask_from(asking),
            C::ClearProbes => drop(self.clear_probes()),
            C::Propose => self.propose_attention(),
            C::Prompt => self.prompt_with_attention(),
            C::ToggleBrush => {
                if !self.inspector.shown || self.tool != crate::app::Tool::Attention {
                    self.inspector.shown = false;
                    self.toggle_inspector();
                    self.inspector.grows = true;
                } else {
                    self.inspector.grows ^= true;
                }
            }
            C::MoreLikeThis => self.more_like_this(),
            C::SearchFolder => self.search_folder(),
            C::StopSearch => self.stop_search(),
            C::ShowHit(path) => self.show_hit(path),
        }
        self.inspect();
    }

    fn choose_heads(&mut self, layer: usize, heads: Vec<usize>) {
        self.inspector.subject = Subject::Heads;
        self.inspector.layer = layer;
        self.inspector.heads = heads;
    }

    /// Layers may have fewer attention heads than others.
    fn choose_same_of(&mut self, layer: usize) {
        let layers = self.inspector.layers();
        let record = layers.and_then(|layers| layers.records.get(layer));
        let Some(count) = record.map(|record| record.attention_heads) else {
            return;
        };
        self.inspector.layer = layer;
        self.inspector.heads.retain(|head| *head < count);
    }

    /// A set of attention heads is of one layer: others have other grids.
    fn choose_too(&mut self, layer: usize, head: usize) {
        let inspector = &mut self.inspector;
        if inspector.layer != layer || inspector.subject != Subject::Heads {
            return self.choose_heads(layer, vec![head]);
        }
        match inspector.heads.iter().position(|known| *known == head) {
            Some(at) => {
                inspector.heads.remove(at);
            }
            None => {
                inspector.heads.push(head);
                inspector.heads.sort_unstable();
            }
        }
    }
}

impl AttentionCommand {
    /// Why this can do nothing now, in words for a tooltip.
    pub(in crate::app) fn blocked(&self, app: &App) -> Option<&'static str> {
        let shown = app.inspector.shown && app.inspector.inspection().is_some();
        match self {
            Self::Propose | Self::Prompt => (!(shown && app.has_attention_to_keep()))
                .then_some("Show the attention of a token first (A)"),
            Self::MoreLikeThis if !shown => Some("Open the attention inspector first (A)"),
            Self::MoreLikeThis => {
                (!app.has_part()).then_some("Select a segment or have a mask on offer first")
            }
            Self::SearchFolder if app.inspector.similar.is_none() => {
                Some("Find more like a segment on this photo first")
            }
            Self::SearchFolder => app.folder.is_none().then_some("Open a folder to search it"),
            Self::Rank if !shown => Some("Open the attention inspector first (A)"),
            Self::Rank => app.no_prediction(),
            Self::AllOn => {
                (app.inspector.experiment.is_nothing()).then_some("All attention heads are on")
            }
            Self::ToggleOff(layer, head) if !app.is_off((*layer, *head)) => app.no_prediction(),
            Self::ToggleLayerOff(_) => app.no_prediction(),
            Self::ToggleBrush => app.open.is_none().then_some("Open a photo first"),
            _ => None,
        }
    }
}
