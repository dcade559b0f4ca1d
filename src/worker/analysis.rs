//! Questions about recorded attention that take longer than a frame.

use std::sync::Arc;

use super::engine::Engine;
use super::inspection::Inspection;
use super::message::Stage;
use super::steps::{JobError, Steps};
use crate::attention::{
    AttentionError, HeadStatistics, LayerMaps, Layers, Place, Reverse, RolloutOptions, Row,
    key_view, rollout_row, statistics,
};
use crate::models::Prompt;
use crate::models::geometry::View;
use crate::photo::Photo;
use crate::task::Task;

/// What is asked.
#[derive(Clone, Debug)]
pub enum Analysis {
    /// Where many tokens look, through all attention heads.
    Rows(Place),
    /// What is needed to see who looks at a token while the pointer moves.
    Reverse,
    /// Numbers that say what kind of an attention head each is.
    Statistics,
    /// Attention through all layers.
    Rollout(Place, RolloutOptions),
    /// What the prompt decoder looks at for a prompt.
    Prompt(Prompt),
}

/// The kinds of [`Analysis`]; of each the latest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnalysisKind {
    /// [`Analysis::Rows`].
    Rows,
    /// [`Analysis::Prompt`].
    Prompt,
    /// [`Analysis::Rollout`].
    Rollout,
    /// [`Analysis::Reverse`].
    Reverse,
    /// [`Analysis::Statistics`].
    Statistics,
}

impl AnalysisKind {
    /// All of them; what is waited for with the pointer in the air comes first.
    pub const ALL: [Self; 5] = [
        Self::Rows,
        Self::Prompt,
        Self::Rollout,
        Self::Reverse,
        Self::Statistics,
    ];
}

impl Analysis {
    /// Its kind.
    pub fn kind(&self) -> AnalysisKind {
        match self {
            Self::Rows(_) => AnalysisKind::Rows,
            Self::Reverse => AnalysisKind::Reverse,
            Self::Statistics => AnalysisKind::Statistics,
            Self::Rollout(..) => AnalysisKind::Rollout,
            Self::Prompt(_) => AnalysisKind::Prompt,
        }
    }
}

/// What came out.
#[derive(Clone, Debug)]
pub enum Analysed {
    /// Of [`Analysis::Rows`], by layer.
    Rows(Vec<Result<LayerMaps, AttentionError>>),
    /// Of [`Analysis::Reverse`], by layer.
    Reverse(Arc<[Reverse]>),
    /// Of [`Analysis::Statistics`], by layer and attention head; distances in
    /// pixels of the photo.
    Statistics(Vec<Vec<HeadStatistics>>),
    /// One row for all layers together.
    Whole(Whole),
    /// Of [`Analysis::Prompt`].
    Prompt(PromptAttention),
}

/// A row that all layers have a part in.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The row.
    pub row: Row,
    /// The part of the photo under its grid.
    pub view: View,
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
    inspection: &Inspection,
    analysis: &Analysis,
    task: Task<'_>,
) -> Option<Result<Analysed, AttentionError>> {
    let layers = &inspection.layers;
    Some(match analysis {
        Analysis::Rows(place) => Ok(Analysed::Rows(layers.all_look(place))),
        Analysis::Reverse => prepared(layers, task),
        Analysis::Statistics => measured(layers, task),
        Analysis::Rollout(place, options) => rolled(layers, place, options, task),
        Analysis::Prompt(_) => return None,
    })
}

fn prepared(layers: &Layers, task: Task<'_>) -> Result<Analysed, AttentionError> {
    let all: Result<_, AttentionError> = each(layers, task, Reverse::new);
    Ok(Analysed::Reverse(all?.into()))
}

fn measured(layers: &Layers, task: Task<'_>) -> Result<Analysed, AttentionError> {
    let all = each(layers, task, |record, task| {
        let side = |tokens: usize, extent: f64| extent / tokens.max(1) as f64;
        let grid = record.query_tokens.grid;
        let pixels = grid.map_or((1.0, 1.0), |grid| {
            let view = layers.view;
            (
                side(grid.columns, view.width()),
                side(grid.rows, view.height()),
            )
        });
        statistics(record, pixels, task)
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

/// Answer a question about recorded attention; `engine` is asked for what the
/// records do not tell.
pub(super) fn answer(
    engine: &mut dyn Engine,
    photo: &Arc<Photo>,
    inspection: &Inspection,
    analysis: &Analysis,
    steps: &Steps<'_>,
) -> Result<Analysed, JobError> {
    let told = steps.run(Stage::Analysing, |task| {
        of_records(inspection, analysis, task).transpose()
    })?;
    match told {
        Some(analysed) => Ok(analysed),
        None => engine.analyse(photo, inspection, analysis, steps),
    }
}

impl From<AttentionError> for JobError {
    fn from(error: AttentionError) -> Self {
        match error {
            AttentionError::Cancelled => Self::Cancelled,
            error => Self::Failed(error.to_string()),
        }
    }
}
