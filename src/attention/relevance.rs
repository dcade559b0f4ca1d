//! What the score of a class rests on: rollout with attention weights that are
//! weighted by their gradient (Chefer, Gur & Wolf, "Transformer Interpretability
//! Beyond Attention Visualization", CVPR 2021, and "Generic Attention-model
//! Explainability", ICCV 2021, the rule for self-attention).
//!
//! Per layer, Ā = mean over attention heads of (∇A ⊙ A)⁺, where ∇A is the
//! gradient of the score at the attention weights A. The residual connection
//! passes a token on unchanged, so the relevance is the product
//! (I + Ā_last) ⋯ (I + Ā_first), and of it the row of the query: the class token
//! of a classifier, the mean of a region's tokens of a model that gives classes
//! to pixels.
//!
//! Gradients come from the last layer to the first, and a row that is multiplied
//! from the left needs them in that order. So no matrix is ever held whole: some
//! rows of A and ∇A exist at a time, whatever the number of tokens.

use super::query::tokens_under;
use super::row::BLOCK;
use super::{AttentionError, Row};
use crate::label::Mask;
use crate::models::predict::Observation;
use crate::models::{Dense, LoadedModel, Output};
use crate::nn::LayerGradient;
use crate::nn::capture::{Grid, Tokens};
use crate::task::Task;
use candle_core::bail;
use rayon::prelude::*;

/// Whose score is explained.
#[derive(Clone, Debug)]
pub enum Target {
    /// A class, by the model's own number: the score (logit) of a classifier; of
    /// a model that gives classes to pixels the sum of the scores where this
    /// class wins.
    Class(usize),
    /// The sum of the scores of a class over a region, whether it wins there or
    /// not.
    Region {
        /// The class, by the model's own number.
        class: usize,
        /// The region, in pixels of the photo.
        mask: Mask,
    },
}

impl Target {
    /// The class.
    pub fn class(&self) -> usize {
        match self {
            Self::Class(class) | Self::Region { class, .. } => *class,
        }
    }
}

/// What the score of a class rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Relevance {
    /// How much each token counts: the row of the query. It contains the query
    /// itself, which the identities pass on; see [`Relevance::gathered`].
    pub row: Row,
    /// The class that it explains, by the model's own number.
    pub class: usize,
    layout: Tokens,
    values: Vec<f32>,
    query: Vec<f32>,
}

impl Relevance {
    /// What the query gathered through attention: the row without what the
    /// identities pass on, nowhere negative.
    pub fn gathered(&self) -> Row {
        let pairs = self.values.iter().zip(&self.query);
        let rest: Vec<f32> = pairs
            .map(|(value, query)| (value - query).max(0.0))
            .collect();
        Row::of(self.layout, &rest)
    }
}

/// What the score of a class rests on, for the model that made `observation`:
/// runs it again on the same pixels, with the same attention heads off, and
/// follows the gradient back through all layers. Takes three to four times as long as a
/// forward pass.
///
/// # Errors
/// If the model tells no classes, there is no such class, it wins nowhere or the
/// region lies outside of what the model saw, a region is asked of a classifier,
/// or the layers do not share one sequence of tokens (SegFormer, MobileViT, models
/// with windows); [`AttentionError::Cancelled`].
pub fn relevance(
    model: &LoadedModel,
    observation: &Observation,
    target: &Target,
    task: Task<'_>,
) -> Result<Relevance, AttentionError> {
    let title = || model.info.title.to_string();
    let score = match &observation.run.output {
        Output::Features => return Err(AttentionError::NoClasses { title: title() }),
        Output::Classes { logits, .. } => of_photo(model, logits.len(), target)?,
        Output::Dense(dense) => of_places(model, dense, observation, target)?,
    };
    let network = model.vision()?.traceable();
    let network = network.ok_or_else(|| AttentionError::NotTraceable { title: title() })?;
    let mut rows = Rows {
        query: score.query,
        found: None,
    };
    let (pixels, ablation) = (&observation.pixels, &observation.ablation);
    let mut visit = |layer: &LayerGradient| Ok(rows.visit(layer)?);
    network.trace(pixels, ablation, &score.gradient, &mut visit, task)?;
    rows.finish(target.class())
}

/// A score, and which tokens ask.
struct Score {
    /// Its gradient with respect to the logits.
    gradient: Vec<f32>,
    query: Asking,
}

/// The tokens that ask.
enum Asking {
    /// The class token.
    Class,
    /// Those under places of a coarse map (grid, whether each is meant), by how
    /// many.
    Places(Grid, Vec<bool>),
}

/// That there is such a class among `count`.
fn check(model: &LoadedModel, class: usize, count: usize) -> Result<(), AttentionError> {
    if class < count {
        return Ok(());
    }
    let title = model.info.title.to_string();
    Err(AttentionError::NoClass {
        title,
        class,
        count,
    })
}

/// The score of a classifier of `count` classes.
fn of_photo(model: &LoadedModel, count: usize, target: &Target) -> Result<Score, AttentionError> {
    let Target::Class(class) = target else {
        let title = model.info.title.to_string();
        return Err(AttentionError::NoRegions { title });
    };
    check(model, *class, count)?;
    let mut gradient = vec![0.0; count];
    gradient[*class] = 1.0;
    Ok(Score {
        gradient,
        query: Asking::Class,
    })
}

/// The score of a model that gives classes to pixels.
fn of_places(
    model: &LoadedModel,
    dense: &Dense,
    observation: &Observation,
    target: &Target,
) -> Result<Score, AttentionError> {
    let (rows, columns, classes) = dense.logits.dims3()?;
    let grid = Grid { rows, columns };
    let class = target.class();
    check(model, class, classes)?;
    let meant: Vec<bool> = match target {
        Target::Class(_) => dense
            .winners()?
            .iter()
            .map(|winner| *winner == class)
            .collect(),
        Target::Region { mask, .. } => {
            let mut meant = vec![false; grid.len()];
            for (row, column) in tokens_under(mask, observation.view, grid) {
                meant[row * columns + column] = true;
            }
            meant
        }
    };
    if !meant.contains(&true) {
        return Err(match target {
            Target::Region { .. } => AttentionError::NoTokens,
            Target::Class(_) => AttentionError::ClassNowhere {
                name: model.info.labels.name(class),
            },
        });
    }
    let mut gradient = vec![0.0; grid.len() * classes];
    for (scores, meant) in gradient.chunks_exact_mut(classes).zip(&meant) {
        scores[class] = f32::from(*meant);
    }
    Ok(Score {
        gradient,
        query: Asking::Places(grid, meant),
    })
}

impl Asking {
    /// What each token's row counts for: a share per token, 1 together.
    fn shares(&self, layout: Tokens) -> candle_core::Result<Vec<f32>> {
        let mut shares = vec![0.0; layout.len()];
        match self {
            Self::Class if layout.prefix > 0 => shares[0] = 1.0,
            Self::Class => bail!("there is no class token"),
            Self::Places(places, meant) => {
                let Some(tokens) = layout.grid else {
                    bail!("its tokens have no place on the photo");
                };
                for (at, _) in meant.iter().enumerate().filter(|(_, meant)| **meant) {
                    let row = at / places.columns * tokens.rows / places.rows;
                    let column = at % places.columns * tokens.columns / places.columns;
                    shares[layout.prefix + row * tokens.columns + column] += 1.0;
                }
                let share = 1.0 / shares.iter().sum::<f32>();
                shares.iter_mut().for_each(|value| *value *= share);
            }
        }
        Ok(shares)
    }
}

/// The query's row of the product, as far as it has come.
struct Rows {
    query: Asking,
    found: Option<Found>,
}

struct Found {
    layout: Tokens,
    query: Vec<f32>,
    row: Vec<f32>,
}

impl Rows {
    /// Multiply by the layer's I + Ā from the right.
    fn visit(&mut self, layer: &LayerGradient) -> candle_core::Result<()> {
        let layout = layer.layout();
        let found = match &mut self.found {
            Some(found) if found.layout == layout => found,
            Some(_) => bail!("its tokens change from layer to layer"),
            none => {
                let query = self.query.shares(layout)?;
                none.insert(Found {
                    layout,
                    row: query.clone(),
                    query,
                })
            }
        };
        let heads = (0..layer.attention_heads()).into_par_iter();
        let parts = heads.map(|head| passed_on(layer, head, &found.row));
        let parts: Vec<Vec<f32>> = parts.collect::<candle_core::Result<_>>()?;
        let share = 1.0 / parts.len() as f32;
        for part in parts {
            let pairs = found.row.iter_mut().zip(part);
            pairs.for_each(|(sum, value)| *sum += share * value);
        }
        Ok(())
    }

    fn finish(self, class: usize) -> Result<Relevance, AttentionError> {
        let Found { layout, query, row } = self.found.ok_or(AttentionError::NoLayers)?;
        if !row.iter().all(|value| value.is_finite()) {
            let why = "relevance grows beyond all numbers".to_owned();
            return Err(AttentionError::Compute(why));
        }
        Ok(Relevance {
            row: Row::of(layout, &row),
            class,
            layout,
            values: row,
            query,
        })
    }
}

/// `row` times (∇A ⊙ A)⁺ of an attention head.
fn passed_on(layer: &LayerGradient, head: usize, row: &[f32]) -> candle_core::Result<Vec<f32>> {
    let (head, n) = (layer.head(head)?, row.len());
    let mut out = vec![0.0; n];
    let (mut weights, mut gradients) = (vec![0.0; BLOCK * n], vec![0.0; BLOCK * n]);
    for (block, shares) in row.chunks(BLOCK).enumerate() {
        // A class token asks alone until it has gathered something.
        if shares.iter().all(|share| *share == 0.0) {
            continue;
        }
        let some = shares.len() * n;
        let (weights, gradients) = (&mut weights[..some], &mut gradients[..some]);
        head.rows(block * BLOCK, weights, gradients);
        let rows = weights.chunks_exact(n).zip(gradients.chunks_exact(n));
        for ((weights, gradients), share) in rows.zip(shares) {
            for ((out, weight), gradient) in out.iter_mut().zip(weights).zip(gradients) {
                *out += share * (weight * gradient).max(0.0);
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
