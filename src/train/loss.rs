//! What training makes small.
//!
//! Per pixel: softmax cross-entropy and soft Dice over the classes that the
//! photo's set annotates, and binary cross-entropy for the rims of objects. Per
//! photo: binary cross-entropy for which classes are in it. Value and gradient
//! are computed together from the logits, in one pass that keeps the
//! probabilities and one that turns them into the gradient, instead of a chain of
//! tensors as large as the photo. Sums are taken per band of rows and added in
//! order, so that the result does not depend on threads.

mod dense;
mod presence;

use candle_core::Tensor;

use super::{LossShares, Target, TrainError};
use crate::models::deeplab::Scores;
use crate::nn::grad;

/// How the loss is put together.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// How much each part counts.
    pub shares: LossShares,
    /// How much each class counts in the cross-entropy of pixels.
    pub class_weights: Vec<f32>,
}

/// The parts of a loss, without their shares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parts {
    /// All parts with their shares.
    pub total: f64,
    /// Mean over the labelled pixels.
    pub cross_entropy: f64,
    /// One minus the soft Dice, mean over the classes that are there.
    pub dice: f64,
    /// Mean over the pixels whose rim is known.
    pub boundary: f64,
    /// Mean over the classes and photos of which it is known.
    pub presence: f64,
}

/// The parts, and the gradient with respect to the logits.
pub struct Graded {
    /// The values.
    pub parts: Parts,
    /// As many as logits.
    pub gradient: Vec<f32>,
}

/// Weights that let rare classes count more: inverse square roots of their
/// frequencies, 1 for the median one, within 0.5..=4. `sets` gives for each set
/// its share of the samples and its pixels per class. Classes that were never
/// seen have weight 1.
pub fn class_weights(sets: &[(f32, Vec<u64>)], classes: usize) -> Vec<f32> {
    let mut share = vec![0.0f64; classes];
    for (weight, pixels) in sets {
        let total: u64 = pixels.iter().sum();
        for (share, pixels) in share.iter_mut().zip(pixels) {
            *share += f64::from(*weight) * *pixels as f64 / total.max(1) as f64;
        }
    }
    let mut seen: Vec<f64> = share.iter().copied().filter(|s| *s > 0.0).collect();
    seen.sort_by(f64::total_cmp);
    let Some(median) = seen.get(seen.len() / 2).copied() else {
        return vec![1.0; classes];
    };
    let weight = |share: f64| match share > 0.0 {
        true => (median / share).sqrt().clamp(0.5, 4.0) as f32,
        false => 1.0,
    };
    share.into_iter().map(weight).collect()
}

/// The loss of a batch as a tensor without dimensions that can be
/// differentiated, and its parts. Maps of another size than the targets are
/// resized to them.
///
/// # Errors
/// If shapes do not fit, or the arithmetic fails.
pub fn of(
    scores: &Scores,
    targets: &[Target],
    measure: &Measure,
) -> Result<(Tensor, Parts), TrainError> {
    let (batch, rows, columns, channels) = scores.dense.dims4()?;
    let mismatch = |what: &str| TrainError::Model(crate::models::ModelError::Compute(what.into()));
    let first = targets.first().filter(|_| targets.len() == batch);
    let first = first.ok_or_else(|| mismatch("there are not as many targets as inputs"))?;
    let size = (first.rows, first.columns);
    let classes = measure.class_weights.len();
    let fits = |t: &Target| {
        (t.rows, t.columns) == size
            && t.labels.len() == size.0 * size.1
            && t.annotated.len() == classes
            && t.boundary
                .as_ref()
                .is_none_or(|b| b.len() == t.labels.len())
    };
    if !targets.iter().all(fits) || channels < classes || channels > classes + 1 {
        return Err(mismatch("the targets do not fit the network's scores"));
    }
    let full = if (rows, columns) == size {
        scores.dense.clone()
    } else {
        grad::resize(&scores.dense, size)?
    };
    let logits = values(&full)?;
    let dense = dense::graded(&logits, channels, targets, measure);
    let mut parts = dense.parts;
    let gradient = Tensor::from_vec(dense.gradient, full.shape(), full.device())?;
    let mut loss = grad::with_gradient(&full, parts.total as f32, gradient)?;
    if let Some(logits) = &scores.presence {
        if logits.dims2()? != (batch, classes) {
            return Err(mismatch("the presence scores do not fit the classes"));
        }
        let graded = presence::graded(&values(logits)?, targets, measure.shares.presence);
        parts.presence = graded.parts.presence;
        parts.total += graded.parts.total;
        let gradient = Tensor::from_vec(graded.gradient, logits.shape(), logits.device())?;
        let value = graded.parts.total as f32;
        loss = (loss + grad::with_gradient(logits, value, gradient)?)?;
    }
    Ok((loss, parts))
}

fn values(tensor: &Tensor) -> Result<Vec<f32>, TrainError> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// log(1 + eˣ) without overflow.
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests;
