//! An engine without a model, for tests of everything that sits on the worker:
//! instant, deterministic, and under the test's control.

mod answers;
pub mod attention;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::analysis::{Analysed, Analysis};
use super::cache::{EncodingCache, Memory};
use super::engine::{Engine, Observed, Wanted};
use super::inspection::Inspection;
use super::message::{ClassArea, Found, Likely, Proposal, Stage};
use super::steps::{JobError, Steps};
use crate::document::dab;
use crate::label::{Mask, Rect, voc_color};
use crate::models::{
    Capability, ClassLabel, EverythingOptions, Family, Labels, LowResMask, ModelInfo, Prompt,
    predict, registry,
};
use crate::photo::Photo;
use crate::task::Task;

/// Disc radii of the four masks that a point gives, as parts of the photo's
/// shorter side, with their scores; the second one is the best.
const CANDIDATES: [(f32, f32); 4] = [(0.05, 0.70), (0.10, 0.95), (0.20, 0.80), (0.40, 0.60)];
const BEST: usize = 1;

/// How often a held stage looks whether it was cancelled.
const HELD_POLL: Duration = Duration::from_millis(2);

/// Gives discs around positive points less discs around negative ones, boxes for
/// boxes, and four quarters for everything.
pub struct FakeEngine {
    control: FakeControl,
    loaded: bool,
    encoded: EncodingCache<()>,
}

/// The test's hand on a [`FakeEngine`]. Clones share it.
#[derive(Clone, Default)]
pub struct FakeControl(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: HashSet<Stage>,
    /// Stages that wait at their gate right now.
    waiting: HashSet<Stage>,
    next: Option<Mishap>,
    stages: Vec<Stage>,
    prompts: Vec<Prompt>,
    predictions: Vec<(OsString, predict::Options)>,
    inspections: Vec<(OsString, predict::Options)>,
    analyses: Vec<Analysis>,
}

enum Mishap {
    Fail(String),
    Panic(String),
}

impl FakeEngine {
    /// An engine and the hand on it.
    pub fn new() -> (Self, FakeControl) {
        let control = FakeControl::default();
        let engine = Self {
            control: control.clone(),
            loaded: false,
            encoded: EncodingCache::new(1 << 20),
        };
        (engine, control)
    }

    fn load(&mut self, steps: &Steps<'_>) -> Result<(), JobError> {
        if !self.loaded {
            steps.run(Stage::LoadingModel, |task| {
                self.control.pass(Stage::LoadingModel, task)
            })?;
            self.loaded = true;
        }
        Ok(())
    }
}

impl FakeControl {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, jobs wait at the start of `stage` until [`FakeControl::release`]
    /// or until they are cancelled.
    pub fn hold(&self, stage: Stage) {
        self.lock().held.insert(stage);
    }

    /// Let jobs through at `stage`.
    pub fn release(&self, stage: Stage) {
        self.lock().held.remove(&stage);
        self.0.changed.notify_all();
    }

    /// Wait until a job waits at `stage`; `false` if none did within `limit`.
    pub fn wait_until_held(&self, stage: Stage, limit: Duration) -> bool {
        let absent = |state: &mut State| !state.waiting.contains(&stage);
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.lock(), limit, absent);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// The next stage fails with this sentence.
    pub fn fail_next(&self, sentence: &str) {
        self.lock().next = Some(Mishap::Fail(sentence.to_owned()));
    }

    /// The next stage panics with this message.
    pub fn panic_next(&self, message: &str) {
        self.lock().next = Some(Mishap::Panic(message.to_owned()));
    }

    /// The stages that have begun so far.
    pub fn stages(&self) -> Vec<Stage> {
        self.lock().stages.clone()
    }

    /// The prompts that have been answered so far.
    pub fn prompts(&self) -> Vec<Prompt> {
        self.lock().prompts.clone()
    }

    /// The models asked about whole photos so far, and how.
    pub fn predictions(&self) -> Vec<(OsString, predict::Options)> {
        self.lock().predictions.clone()
    }

    /// The models whose attention was asked for so far, and how.
    pub fn inspections(&self) -> Vec<(OsString, predict::Options)> {
        self.lock().inspections.clone()
    }

    /// The questions about attention so far that its records do not answer by
    /// themselves.
    pub fn analyses(&self) -> Vec<Analysis> {
        self.lock().analyses.clone()
    }

    /// Go through the gate of a stage: note it, meet the mishap that was ordered,
    /// wait while it is held.
    fn pass(&self, stage: Stage, task: Task<'_>) -> Result<(), JobError> {
        let mut state = self.lock();
        state.stages.push(stage);
        state.waiting.insert(stage);
        self.0.changed.notify_all();
        while state.held.contains(&stage) && !task.cancel().is_cancelled() {
            let waited = self.0.changed.wait_timeout(state, HELD_POLL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waiting.remove(&stage);
        let mishap = state.next.take();
        drop(state);
        match mishap {
            Some(Mishap::Fail(sentence)) => return Err(JobError::Failed(sentence)),
            // What this engine is for: tests of how panics are caught.
            Some(Mishap::Panic(message)) => std::panic::panic_any(message),
            None => {}
        }
        task.progress(1.0);
        Ok(task.check()?)
    }
}

impl Engine for FakeEngine {
    fn load_model(&mut self, name: &OsStr, steps: &Steps<'_>) -> Result<ModelInfo, JobError> {
        let info = known(name)?;
        if info.can(Capability::Prompts) {
            self.load(steps)?;
        } else {
            steps.run(Stage::LoadingModel, |task| {
                self.control.pass(Stage::LoadingModel, task)
            })?;
        }
        Ok(info)
    }

    fn encode(&mut self, photo: &Arc<Photo>, steps: &Steps<'_>) -> Result<bool, JobError> {
        self.load(steps)?;
        if self.encoded.get(photo, "").is_some() {
            return Ok(true);
        }
        steps.run(Stage::Encoding, |task| {
            self.control.pass(Stage::Encoding, task)
        })?;
        self.encoded.insert(photo, "", 1, ());
        Ok(false)
    }

    fn prompt(
        &mut self,
        photo: &Arc<Photo>,
        prompt: &Prompt,
        wanted: Wanted,
        steps: &Steps<'_>,
    ) -> Result<(Vec<Proposal>, usize), JobError> {
        self.encode(photo, steps)?;
        steps.run(Stage::Decoding, |task| {
            self.control.pass(Stage::Decoding, task)
        })?;
        self.control.lock().prompts.push(prompt.clone());
        let low_res = LowResMask::new(vec![0.0], 1)?;
        let proposal = |&(part, score): &(f32, f32)| Proposal {
            mask: fake_mask(photo, prompt, part),
            score,
            low_res: low_res.clone(),
        };
        let all: Vec<Proposal> = CANDIDATES.iter().map(proposal).collect();
        Ok(match wanted {
            Wanted::All => (all, BEST),
            Wanted::Best => (all.into_iter().skip(BEST).take(1).collect(), 0),
        })
    }

    fn everything(
        &mut self,
        photo: &Arc<Photo>,
        _options: &EverythingOptions,
        steps: &Steps<'_>,
    ) -> Result<Vec<(Mask, f32)>, JobError> {
        self.encode(photo, steps)?;
        steps.run(Stage::Everything, |task| {
            self.control.pass(Stage::Everything, task)
        })?;
        let (w, h) = (photo.width(), photo.height());
        let quarters = [
            Rect::new(0, 0, w / 2, h / 2),
            Rect::new(w / 2, 0, w, h / 2),
            Rect::new(0, h / 2, w / 2, h),
            Rect::new(w / 2, h / 2, w, h),
        ];
        let scored = quarters.into_iter().zip([0.9, 0.8, 0.7, 0.6]);
        let found = scored.map(|(rect, score)| (Mask::from_rect(rect), score));
        Ok(found.filter(|(mask, _)| !mask.is_empty()).collect())
    }

    fn predict(
        &mut self,
        photo: &Arc<Photo>,
        model: &OsStr,
        options: &predict::Options,
        steps: &Steps<'_>,
    ) -> Result<(ModelInfo, Found), JobError> {
        let info = known(model)?;
        let asked = (model.to_owned(), options.clone());
        self.control.lock().predictions.push(asked);
        steps.run(Stage::Predicting, |task| {
            self.control.pass(Stage::Predicting, task)
        })?;
        let found = if info.can(Capability::Classes) {
            Found::Photo(fake_likely(1.0))
        } else {
            Found::Pixels(fake_areas(photo, 1.0))
        };
        Ok((info, found))
    }

    fn observe(
        &mut self,
        _photo: &Arc<Photo>,
        _model: &OsStr,
        _options: &predict::Options,
        _steps: &Steps<'_>,
    ) -> Result<Observed, JobError> {
        Err(JobError::Failed("there is no attention to see".to_owned()))
    }

    fn inspect(
        &mut self,
        photo: &Arc<Photo>,
        model: &OsStr,
        options: &predict::Options,
        steps: &Steps<'_>,
    ) -> Result<Inspection, JobError> {
        let info = known(model)?;
        let asked = (model.to_owned(), options.clone());
        self.control.lock().inspections.push(asked);
        steps.run(Stage::Encoding, |task| {
            self.control.pass(Stage::Encoding, task)
        })?;
        Ok(Inspection {
            name: model.to_owned(),
            options: options.clone(),
            model: info,
            layers: attention::layers(photo)?,
        })
    }

    fn analyse(
        &mut self,
        photo: &Arc<Photo>,
        inspection: &Inspection,
        analysis: &Analysis,
        steps: &Steps<'_>,
    ) -> Result<Analysed, JobError> {
        self.control.lock().analyses.push(analysis.clone());
        steps.run(Stage::Analysing, |task| {
            self.control.pass(Stage::Analysing, task)?;
            answers::answer(photo, inspection, analysis)
        })
    }

    fn memory(&self) -> Memory {
        self.encoded.memory()
    }

    fn reset(&mut self) {
        self.loaded = false;
        self.encoded.clear();
    }
}

/// Name of the fake dense model: a cat in two places, a cup, and background.
pub const DENSE: &str = "fake-dense";
/// Name of the fake classifier, which crops photos.
pub const CLASSIFIER: &str = "fake-classifier";

/// An embedded model or one of the fake ones.
fn known(name: &OsStr) -> Result<ModelInfo, JobError> {
    let names = ["background", "cat", "cup"].into_iter().enumerate();
    let labels: Vec<ClassLabel> = names
        .map(|(id, name)| ClassLabel {
            id,
            name: name.to_owned(),
            color: voc_color(id as u8),
        })
        .collect();
    let fake = |name: &'static str, what: &'static [Capability]| ModelInfo {
        name: name.into(),
        title: name.into(),
        family: Family::SegFormer,
        parameters: 1000,
        licence: "CC0-1.0".into(),
        capabilities: what.into(),
        labels: Arc::new(Labels {
            classes: labels.clone(),
        }),
        embedded: false,
        crops: what == [Capability::Classes],
    };
    let all = [
        fake(DENSE, &[Capability::ClassMap]),
        fake(CLASSIFIER, &[Capability::Classes]),
    ];
    let mut all = registry::embedded().into_iter().chain(all);
    all.find(|info| *info.name == *name)
        .ok_or_else(|| JobError::Failed(format!("there is no model {name:?}")))
}

/// A photo of a cat, as far as this share of the evidence is `kept`.
fn fake_likely(kept: f32) -> Vec<Likely> {
    let likely = [("tabby", 0.8 * kept), ("egyptian cat", 0.15)];
    likely
        .map(|(name, probability)| Likely {
            name: name.to_owned(),
            probability,
        })
        .into()
}

/// The left third with a hole of background in the middle is two cats, the
/// right third a cup; of that, `kept` is the share 0..=1 that is found.
fn fake_areas(photo: &Photo, kept: f32) -> Vec<ClassArea> {
    let (w, h) = (photo.width(), photo.height());
    let cats = [
        Rect::new(0, 0, w / 3, h / 3),
        Rect::new(0, h - h / 3, w / 3, h),
    ];
    let cats = Mask::from_rect(cats[0]).union(&Mask::from_rect(cats[1]));
    let wide = (kept * (w / 3) as f32) as u32;
    let cup = Mask::from_rect(Rect::new(w - wide, 0, w, h));
    let rest = Mask::from_rect(Rect::of_size(w, h)).subtract(&cats.union(&cup));
    [
        ("background", rest, 0.9),
        ("cat", cats, 0.8 * kept),
        ("cup", cup, 0.7 * kept),
    ]
    .map(|(name, mask, score)| ClassArea {
        name: name.to_owned(),
        regions: mask.components(),
        score,
    })
    .into()
}

/// The mask of a prompt with discs of `part` of the photo's shorter side.
fn fake_mask(photo: &Photo, prompt: &Prompt, part: f32) -> Mask {
    let bounds = (photo.width(), photo.height());
    let radius = (part * bounds.0.min(bounds.1) as f32).max(0.5);
    let discs = |positive: bool| {
        let points = prompt
            .points
            .iter()
            .filter(move |point| point.positive == positive);
        let discs = points.map(|point| dab([point.x, point.y], radius, bounds));
        discs.fold(Mask::empty(), |all, disc| all.union(&disc))
    };
    // `as` saturates, and the clip keeps what is inside the photo.
    let boxed = prompt.bbox.map_or(Mask::empty(), |[x0, y0, x1, y1]| {
        Mask::from_rect(Rect::new(x0 as u32, y0 as u32, x1 as u32, y1 as u32))
    });
    let boxed = boxed.clip(Rect::of_size(bounds.0, bounds.1));
    boxed.union(&discs(true)).subtract(&discs(false))
}
