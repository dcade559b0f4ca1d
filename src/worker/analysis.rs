//! Questions about recorded attention that take longer than a frame.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use super::engine::Engine;
use super::inspection::Inspection;
use super::message::Stage;
use super::steps::{JobError, Steps};
use super::what_if::{Outcome, WhatIf};
use crate::attention::{
    self, AllMaps, AttentionError, Guide, HeadStatistics, Heatmap, Layers, Place, Prototype,
    Reverse, RolloutOptions, Row, key_view, rollout_row, statistics_on_photo,
};
use crate::label::Mask;
use crate::models::Prompt;
use crate::models::geometry::View;
use crate::photo::{Limits, Photo};
use crate::task::Task;

/// What is asked.
#[derive(Clone, Debug)]
pub enum Analysis {
    /// Where many tokens look, through all attention heads.
    Rows(Place),
    /// Who looks at many tokens, in prepared layers.
    Columns(Place, Arc<[Reverse]>),
    /// What is needed to see who looks at a token while the pointer moves.
    Reverse,
    /// Numbers that say what kind of an attention head each is.
    Statistics,
    /// Attention through all layers.
    Rollout(Place, RolloutOptions),
    /// What the score of a class rests on.
    Relevance {
        /// The class, by the model's number; what the model is most sure of if
        /// none is named.
        class: Option<usize>,
        /// The part of the photo whose class it is, of models that give classes
        /// to pixels.
        part: Option<Mask>,
    },
    /// What the prompt decoder looks at for a prompt.
    Prompt(Prompt),
    /// A set of tokens as pixels, along the edges of the photo.
    Refine {
        /// 0 to 1 on the token grid.
        soft: Heatmap,
        /// The part of the photo under it.
        view: View,
    },
    /// Where the photo is like a part of it, or like what was found on another.
    Similar(Likeness),
    /// Where another photo is like that: how much there is, without its pixels.
    SimilarIn {
        /// The photo.
        path: PathBuf,
        /// What decoding it may use.
        limits: Limits,
        /// What to look for.
        prototype: Arc<Prototype>,
        /// From which similarity on it counts.
        least: f32,
    },
    /// The prediction without some attention heads.
    WhatIf(WhatIf),
    /// The same, for ranking all attention heads one by one.
    Rank(WhatIf),
}

/// What to be like.
#[derive(Clone, Debug, PartialEq)]
pub enum Likeness {
    /// A part of the photo; strictness 0..=1 is how far from the suggested
    /// similarity towards being the same.
    Part {
        /// Its pixels.
        mask: Mask,
        /// See above.
        strictness: f32,
    },
    /// What was found before.
    Known {
        /// What its tokens have in common.
        prototype: Arc<Prototype>,
        /// From which similarity on it counts.
        least: f32,
    },
}

/// The kinds of [`Analysis`]; of each the latest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnalysisKind {
    /// [`Analysis::Rows`] and [`Analysis::Columns`].
    Rows,
    /// [`Analysis::Prompt`].
    Prompt,
    /// [`Analysis::Rollout`].
    Rollout,
    /// [`Analysis::Relevance`].
    Relevance,
    /// [`Analysis::Reverse`].
    Reverse,
    /// [`Analysis::Statistics`].
    Statistics,
    /// [`Analysis::Refine`].
    Refine,
    /// [`Analysis::Similar`].
    Similar,
    /// [`Analysis::SimilarIn`].
    SimilarIn,
    /// [`Analysis::WhatIf`].
    WhatIf,
    /// [`Analysis::Rank`].
    Rank,
}

impl AnalysisKind {
    /// All of them; what is waited for with the pointer in the air comes first.
    pub const ALL: [Self; 11] = [
        Self::Rows,
        Self::Prompt,
        Self::Refine,
        Self::Similar,
        Self::Rollout,
        Self::Relevance,
        Self::WhatIf,
        Self::Reverse,
        Self::Statistics,
        Self::Rank,
        Self::SimilarIn,
    ];
}

impl Analysis {
    /// Its kind.
    pub fn kind(&self) -> AnalysisKind {
        match self {
            Self::Rows(_) | Self::Columns(..) => AnalysisKind::Rows,
            Self::Reverse => AnalysisKind::Reverse,
            Self::Relevance { .. } => AnalysisKind::Relevance,
            Self::Statistics => AnalysisKind::Statistics,
            Self::Rollout(..) => AnalysisKind::Rollout,
            Self::Prompt(_) => AnalysisKind::Prompt,
            Self::Refine { .. } => AnalysisKind::Refine,
            Self::Similar(_) => AnalysisKind::Similar,
            Self::SimilarIn { .. } => AnalysisKind::SimilarIn,
            Self::WhatIf(_) => AnalysisKind::WhatIf,
            Self::Rank(_) => AnalysisKind::Rank,
        }
    }
}

/// What came out.
#[derive(Clone, Debug)]
pub enum Analysed {
    /// Of [`Analysis::Rows`] and [`Analysis::Columns`], by layer.
    Rows(AllMaps),
    /// Of [`Analysis::Reverse`], by layer.
    Reverse(Arc<[Reverse]>),
    /// Of [`Analysis::Statistics`], by layer and attention head; distances in
    /// pixels of the photo.
    Statistics(Vec<Vec<HeadStatistics>>),
    /// One row for all layers together.
    Whole(Whole),
    /// Of [`Analysis::Relevance`].
    Explained(Explained),
    /// Of [`Analysis::Prompt`].
    Prompt(PromptAttention),
    /// Of [`Analysis::Refine`].
    Refined(Mask),
    /// Of [`Analysis::Similar`].
    Similar(Similar),
    /// Of [`Analysis::SimilarIn`].
    Elsewhere(Elsewhere),
    /// Of [`Analysis::WhatIf`] and [`Analysis::Rank`].
    Outcome(Outcome),
}

/// Where a photo is like something.
#[derive(Clone, Debug)]
pub struct Similar {
    /// What the tokens that it is like have in common.
    pub prototype: Arc<Prototype>,
    /// From which similarity on a token counts.
    pub least: f32,
    /// How like it each token is, -1 to 1.
    pub map: Heatmap,
    /// The part of the photo under the map.
    pub view: View,
    /// Those areas as tokens, while they are not yet refined.
    pub(super) areas: Vec<attention::Candidate>,
    /// Areas that are like it, the best first, with their mean similarity.
    pub found: Vec<(Mask, f32)>,
}

/// How much of another photo is like something.
#[derive(Clone, Debug, PartialEq)]
pub struct Elsewhere {
    /// The similarity of the best area; `None` if no token counts.
    pub score: Option<f32>,
    /// How many areas there are.
    pub areas: usize,
}

/// A row that all layers have a part in.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The row.
    pub row: Row,
    /// The part of the photo under its grid.
    pub view: View,
}

/// What the score of a class rests on.
#[derive(Clone, Debug)]
pub struct Explained {
    /// How much each token counts.
    pub row: Row,
    /// The part of the photo under the row's grid.
    pub view: View,
    /// The class, by the model's number.
    pub class: usize,
    /// Its name.
    pub name: String,
}

/// The attention between a prompt and the photo.
#[derive(Clone, Debug)]
pub struct PromptAttention {
    /// The prompt decoder's layers that look at the photo or from it.
    pub layers: Layers,
    /// What the decoder's tokens are, in order.
    pub tokens: Vec<String>,
    /// The token of the mask that is shown first.
    pub mask_token: usize,
}

/// Answer what the records alone tell.
pub(super) fn of_records(
    Question {
        photo,
        inspection,
        analysis,
    }: Question<'_>,
    task: Task<'_>,
) -> Option<Result<Analysed, AttentionError>> {
    let layers = &inspection.layers;
    Some(match analysis {
        Analysis::Rows(place) => layers.all_look(place, task).map(Analysed::Rows),
        Analysis::Columns(place, prepared) => layers
            .all_looked_at(prepared, place, task)
            .map(Analysed::Rows),
        Analysis::Reverse => prepared(layers, task),
        Analysis::Statistics => measured(layers, photo, task),
        Analysis::Rollout(place, options) => rolled(layers, place, options, task),
        Analysis::Prompt(_)
        | Analysis::Relevance { .. }
        | Analysis::Refine { .. }
        | Analysis::Similar(_)
        | Analysis::SimilarIn { .. }
        | Analysis::WhatIf(_)
        | Analysis::Rank(_) => return None,
    })
}

fn prepared(layers: &Layers, task: Task<'_>) -> Result<Analysed, AttentionError> {
    let all: Result<_, AttentionError> = each(layers, task, Reverse::new);
    Ok(Analysed::Reverse(all?.into()))
}

fn measured(layers: &Layers, photo: &Photo, task: Task<'_>) -> Result<Analysed, AttentionError> {
    let size = (photo.width(), photo.height());
    let all = each(layers, task, |record, task| {
        statistics_on_photo(record, layers.view, size, task)
    });
    Ok(Analysed::Statistics(all?))
}

/// Do something with each layer, telling how far it is.
fn each<T>(
    layers: &Layers,
    task: Task<'_>,
    work: impl Fn(&crate::nn::capture::QueryKey, Task<'_>) -> Result<T, AttentionError>,
) -> Result<Vec<T>, AttentionError> {
    let count = layers.records.len();
    let one = |(done, record): (usize, _)| {
        task.progress(done as f32 / count as f32);
        work(record, task.reporting_to(&|_| {}))
    };
    layers.records.iter().enumerate().map(one).collect()
}

fn rolled(
    layers: &Layers,
    place: &Place,
    options: &RolloutOptions,
    task: Task<'_>,
) -> Result<Analysed, AttentionError> {
    let last = layers.records.last().ok_or(AttentionError::NoLayers)?;
    let query = layers.query(last, place, crate::attention::Direction::From)?;
    let row = rollout_row(&layers.records, &query, options, task)?;
    let view = key_view(last, layers.view);
    Ok(Analysed::Whole(Whole { row, view }))
}

/// The photo whose edges masks follow, kept as long as it is open.
#[derive(Default)]
pub(super) struct Guides(Option<(Weak<Photo>, Arc<Guide>)>);

impl Guides {
    /// The guide of a photo.
    pub fn of(&mut self, photo: &Arc<Photo>, task: Task<'_>) -> Result<Arc<Guide>, AttentionError> {
        if let Some((known, guide)) = &self.0
            && std::ptr::eq(known.as_ptr(), Arc::as_ptr(photo))
        {
            return Ok(guide.clone());
        }
        let size = (photo.width() as usize, photo.height() as usize);
        let guide = Arc::new(Guide::new(photo.rgb(), size, task)?);
        self.0 = Some((Arc::downgrade(photo), guide.clone()));
        Ok(guide)
    }
}

/// A question about recorded attention.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub photo: &'a Arc<Photo>,
    pub inspection: &'a Inspection,
    pub analysis: &'a Analysis,
}

/// Answer it; `engine` is asked for what the records do not tell.
pub(super) fn answer(
    engine: &mut dyn Engine,
    guides: &mut Guides,
    question: Question<'_>,
    steps: &Steps<'_>,
) -> Result<Analysed, JobError> {
    let Question {
        photo,
        inspection,
        analysis,
    } = question;
    if let Analysis::Refine { soft, view } = analysis {
        return steps.run(Stage::Analysing, |task| {
            let guide = guides.of(photo, task)?;
            Ok::<_, AttentionError>(Analysed::Refined(guide.refine(soft, *view, task)?))
        });
    }
    let told = steps.run(Stage::Analysing, |task| {
        of_records(question, task).transpose()
    })?;
    match told {
        Some(analysed) => Ok(analysed),
        None => {
            let found = engine.analyse(photo, inspection, analysis, steps)?;
            refined(guides, photo, found, steps)
        }
    }
}

/// Areas that are like something end where the photo's edges are.
fn refined(
    guides: &mut Guides,
    photo: &Arc<Photo>,
    found: Analysed,
    steps: &Steps<'_>,
) -> Result<Analysed, JobError> {
    let Analysed::Similar(mut similar) = found else {
        return Ok(found);
    };
    steps.run(Stage::Analysing, |task| {
        let guide = guides.of(photo, task)?;
        let refiner = guide.refiner(similar.map.grid, similar.view);
        let count = similar.areas.len();
        for (at, area) in similar.areas.drain(..).enumerate() {
            task.progress(at as f32 / count as f32);
            let mask = refiner.refine(&area.tokens.heatmap(), task)?;
            similar.found.push((mask, area.score));
        }
        similar.found.retain(|(mask, _)| !mask.is_empty());
        Ok::<_, AttentionError>(Analysed::Similar(similar))
    })
}

impl From<AttentionError> for JobError {
    fn from(error: AttentionError) -> Self {
        match error {
            AttentionError::Cancelled => Self::Cancelled,
            error => Self::Failed(error.to_string()),
        }
    }
}
