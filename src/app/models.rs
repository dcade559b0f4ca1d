//! Choosing a model, asking one that is not prompted, and taking what it
//! found into the document.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::notices::Severity;
use super::open_document::{Offered, OfferedLabel};
use super::{ActivityKind, App};
use crate::document::{Classified, Document, EditError, Edited, accept_all, adopt_classes};
use crate::label::{BACKGROUND, ClassId, Mask};
use crate::models::predict::Options;
use crate::models::{Capability, ModelInfo, registry};
use crate::worker::{ClassArea, DocumentId, Found, JobKind, Predicted};

/// The model that is asked about whole photos.
pub(super) struct Predictor {
    /// What the worker loads: an embedded name or a folder.
    name: OsString,
    info: ModelInfo,
}

impl Predictor {
    /// The one that is part of the program, for whoever has chosen none.
    pub fn built_in() -> Option<Self> {
        let info = registry::describe(registry::TINY_DEEPLAB).ok()?;
        let name = registry::TINY_DEEPLAB.into();
        Some(Self { name, info })
    }
}

impl App {
    /// The name of the model in the chooser: an embedded name or a folder.
    pub fn chosen_model(&self) -> &OsStr {
        &self.chosen
    }

    /// Have a model loaded; it is chosen once that has worked.
    pub(super) fn choose_model(&mut self, name: OsString) {
        // Only the latest choice counts.
        for activity in &self.activities {
            if matches!(&activity.kind, ActivityKind::LoadModel(other) if *other != name) {
                self.worker.cancel(activity.job);
            }
        }
        let kind = JobKind::LoadModel { name: name.clone() };
        self.start(DocumentId(0), kind, ActivityKind::LoadModel(name));
    }

    pub(super) fn model_loaded(&mut self, name: OsString, info: ModelInfo) {
        if !info.embedded {
            self.settings.remember_model(Path::new(&name));
        }
        let other = self.chosen != name;
        if other {
            // What another model offered would pass for this one's.
            self.drop_offer();
        }
        if info.can(Capability::Prompts) {
            let before = self.prompter.replace(name.clone());
            if before.is_some_and(|before| before != name) {
                if let Some(open) = &mut self.open {
                    open.encoded = false;
                }
                self.encode();
            }
        }
        if info.can(Capability::ClassMap) || info.can(Capability::Classes) {
            let (name, info) = (name.clone(), info.clone());
            self.predictor = Some(Predictor { name, info });
        }
        self.chosen = name;
        self.model = Some(info);
    }

    /// The model that Predict asks.
    pub fn predictor(&self) -> Option<&ModelInfo> {
        self.predictor.as_ref().map(|predictor| &predictor.info)
    }

    /// Ask about the whole photo.
    pub(super) fn predict(&mut self) {
        self.drop_offer();
        self.ask_predictor(ActivityKind::Predict);
    }

    /// At a first start, show what else there is: the sample photo's classes,
    /// unless something has already been begun with it.
    pub(super) fn greet(&mut self, document: DocumentId) {
        let first = self.greets.take_if(|greets| *greets == document).is_some();
        let idle = self.open.as_ref().is_some_and(|open| {
            let labelled = !open.document().segments().is_empty();
            !(labelled || open.is_painting() || open.prompting.is_under_way())
        });
        let dense = self
            .predictor()
            .is_some_and(|info| info.can(Capability::ClassMap));
        if first && idle && dense {
            self.ask_predictor(ActivityKind::PredictUnasked);
        }
    }

    fn ask_predictor(&mut self, activity: ActivityKind) {
        let (Some(open), Some(predictor)) = (&self.open, &self.predictor) else {
            return;
        };
        let kind = JobKind::Predict {
            photo: open.photo.clone(),
            model: predictor.name.clone(),
            options: Options {
                framing: self.settings.framing.of(&predictor.info),
                ..Options::default()
            },
            revision: open.document().revision(),
        };
        let (document, unasked) = (open.id, activity == ActivityKind::PredictUnasked);
        let job = self.start(document, kind, activity);
        if let Some(open) = &mut self.open {
            open.prompting.waiting_for_everything = Some(job);
            open.prompting.unasked = unasked;
        }
    }

    pub(super) fn predicted(&mut self, predicted: Predicted) {
        self.everything_serial = self.next_serial();
        let Some(open) = &mut self.open else { return };
        open.prompting.waiting_for_everything = None;
        match predicted.found {
            Found::Photo(likely) => open.prompting.likely = likely,
            Found::Pixels(areas) => {
                let (labels, offered) = offer(open.history.current(), areas);
                let unasked = open.prompting.unasked;
                if offered.is_empty() {
                    if unasked {
                        return;
                    }
                    let title = predicted.model.title;
                    let text = format!("{title} sees nothing but background in this photo");
                    return self.notices.say(Severity::Info, text);
                }
                open.prompting.labels = labels;
                open.prompting.predictor = predicted.model.title.into_owned();
                open.prompting.everything = Some(offered);
                if !unasked {
                    let text =
                        "Click an area to accept it, or a class at the right; Enter accepts all";
                    self.notices.say(Severity::Info, text);
                }
            }
        }
    }

    /// Keep all areas of a label.
    pub(super) fn accept_label(&mut self, label: usize) {
        self.accept_offered("Accept class", |_, offered| offered.label == Some(label));
    }

    /// Make segments of those masks on offer that are `wanted`, as one edit.
    /// Only unlabelled pixels are taken. The others stay on offer.
    pub(super) fn accept_offered(
        &mut self,
        name: &'static str,
        wanted: impl Fn(usize, &Offered) -> bool,
    ) -> bool {
        self.stroke_end();
        let serial = self.next_serial();
        let (current, apart) = (self.current_class, self.settings.separate_areas);
        let Some(open) = &mut self.open else {
            return false;
        };
        let Some(everything) = open.prompting.everything.take() else {
            return false;
        };
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for (index, offered) in everything.into_iter().enumerate() {
            let pile = if wanted(index, &offered) {
                &mut taken
            } else {
                &mut left
            };
            pile.push(offered);
        }
        let kept = Taking {
            labels: &open.prompting.labels,
            current,
            apart,
        };
        let result = kept.accept(open.history.current(), &taken);
        let accepted = self.finish_edit(result.map(|edited| (name, edited)));
        if let Some(open) = &mut self.open {
            if !accepted {
                left.extend(taken);
            }
            if left.is_empty() {
                open.prompting.labels.clear();
            } else {
                open.prompting.everything = Some(left);
            }
        }
        self.everything_serial = serial;
        if accepted {
            self.settings.first_steps_done = true;
            self.first_steps = false;
        }
        accepted
    }

    /// Make the model's labels classes of the document.
    pub(super) fn adopt_labels(&mut self) {
        let Some(info) = &self.model else { return };
        let labels = info.labels.clone();
        let names: Vec<_> = labels
            .classes
            .iter()
            .map(|label| (label.name.as_str(), None))
            .collect();
        self.stroke_end();
        let Some(open) = &self.open else { return };
        let result = adopt_classes(open.document(), &names);
        self.finish_edit(result.map(|(edited, _)| ("Adopt classes", edited)));
    }

    /// Open a folder as what it is: a checkpoint, or photos.
    pub(super) fn is_model_folder(path: &Path) -> bool {
        path.is_dir() && path.join("config.json").is_file()
    }

    /// Folders of models chosen before, without those that are gone.
    pub fn recent_models(&self) -> impl Iterator<Item = &PathBuf> {
        self.settings.recent_models.iter()
    }
}

/// The areas of a prediction as masks on offer, background left out, and
/// their labels in the colours that their segments would get.
fn offer(document: &Document, areas: Vec<ClassArea>) -> (Vec<OfferedLabel>, Vec<Offered>) {
    let names: Vec<_> = areas
        .iter()
        .map(|area| (area.name.as_str(), None))
        .collect();
    // What cannot be adopted is said when it is accepted; here it is a colour.
    let adopted = adopt_classes(document, &names).ok();
    let color = |at: usize| {
        let (edited, ids) = adopted.as_ref()?;
        (ids[at] != BACKGROUND).then(|| edited.document.classes().color(ids[at]))
    };
    let (mut labels, mut offered) = (Vec::new(), Vec::new());
    for (at, area) in areas.iter().enumerate() {
        let background = area.name.trim().eq_ignore_ascii_case("background");
        if background || (adopted.is_some() && color(at).is_none()) {
            continue;
        }
        let label = labels.len();
        labels.push(OfferedLabel {
            name: area.name.clone(),
            color: color(at).unwrap_or([128; 3]),
            score: area.score,
            pixels: area.regions.iter().map(Mask::area).sum(),
        });
        offered.extend(area.regions.iter().map(|mask| Offered {
            mask: mask.clone(),
            score: area.score,
            number: label,
            label: Some(label),
        }));
    }
    (labels, offered)
}

/// How masks on offer become segments.
struct Taking<'a> {
    labels: &'a [OfferedLabel],
    /// The class of masks that have no label.
    current: ClassId,
    /// Whether each area of a label becomes a segment of its own.
    apart: bool,
}

impl Taking<'_> {
    fn accept(&self, document: &Document, taken: &[Offered]) -> Result<Edited, EditError> {
        let mut used: Vec<usize> = taken.iter().filter_map(|offered| offered.label).collect();
        used.sort_unstable();
        used.dedup();
        // With the colours that they are shown in, whatever the order of accepting.
        let labels = used.iter().filter_map(|at| self.labels.get(*at));
        let names: Vec<_> = labels
            .map(|label| (label.name.as_str(), Some(label.color)))
            .collect();
        let (adopted, ids) = if names.is_empty() {
            (None, Vec::new())
        } else {
            let (edited, ids) = adopt_classes(document, &names)?;
            (Some(edited.document), ids)
        };
        let class = |at: usize| {
            let place = used.binary_search(&at).unwrap_or_default();
            ids.get(place).copied().unwrap_or(self.current)
        };
        let one = |offered: &Offered| Classified {
            mask: offered.mask.clone(),
            class: offered.label.map_or(self.current, class),
            score: Some(offered.score),
        };
        let masks: Vec<Classified> = if self.apart {
            taken.iter().map(one).collect()
        } else {
            let bare = taken.iter().filter(|offered| offered.label.is_none());
            let whole = used.iter().filter_map(|label| whole(taken, *label));
            bare.map(one)
                .chain(whole.map(|offered| one(&offered)))
                .collect()
        };
        accept_all(adopted.as_ref().unwrap_or(document), &masks)
    }
}

/// All areas of a label as one mask.
fn whole(taken: &[Offered], label: usize) -> Option<Offered> {
    let mut areas = taken.iter().filter(|offered| offered.label == Some(label));
    let first = areas.next()?;
    let spans = first.mask.spans().iter();
    let rest = areas.flat_map(|offered| offered.mask.spans());
    Some(Offered {
        mask: Mask::from_spans(spans.chain(rest).copied().collect()),
        score: first.score,
        number: first.number,
        label: first.label,
    })
}
