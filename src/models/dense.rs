//! What MobileViT and SegFormer have in common: a pyramid of maps with a head
//! on it.

use super::checkpoint::{Config, Labels};
use super::{ModelError, Weights};
use crate::nn::kernels::Activation;
use crate::nn::{BatchNorm, FoldedConv, Values, mean_row};
use candle_core::Tensor;

/// Epsilon of all batch norms (PyTorch's default).
const BATCH_NORM_EPS: f64 = 1e-5;

/// What is on top of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadKind {
    /// Classes of each place.
    Dense,
    /// Classes of the whole picture.
    Classes,
    /// Nothing.
    None,
}

impl HeadKind {
    /// From the class that a configuration names, or else from the tensors:
    /// those of the dense head begin with `dense`, those of the other with
    /// `classifier`.
    pub fn of(config: &Config, weights: &Weights, dense: &str) -> Self {
        let architectures = config.get("architectures");
        match architectures.and_then(|list| list.get(0)?.as_str()) {
            Some(class) if class.contains("SemanticSegmentation") => Self::Dense,
            Some(class) if class.contains("ImageClassification") => Self::Classes,
            Some(class) if class.ends_with("Model") => Self::None,
            _ if weights.has(dense) => Self::Dense,
            _ if weights.has("classifier.weight") => Self::Classes,
            _ => Self::None,
        }
    }
}

/// How many classes a head has: as the configuration says, or if that does not
/// count them, as many as the tensor `name` has rows.
pub(super) fn classes(config: &Config, weights: &Weights, name: &str) -> Result<usize, ModelError> {
    let rows = weights.shape(name).and_then(|shape| shape.first().copied());
    match Labels::of(config)?.classes.len() {
        0 => Ok(rows.unwrap_or(0).max(1)),
        count => Ok(count),
    }
}

/// The activation that a configuration calls `name`.
pub(super) fn activation(config: &Config, name: &str) -> Result<Activation, ModelError> {
    Activation::named(name)
        .ok_or_else(|| config.bad(format!("hidden_act {name:?} is not supported")))
}

/// `NAME.{weight, bias, running_mean, running_var}` of a batch norm folded
/// into `conv`.
pub(super) fn normalised(
    weights: &Weights,
    name: &str,
    conv: FoldedConv,
) -> Result<FoldedConv, ModelError> {
    let get = |part| weights.get(&format!("{name}.{part}"), &[conv.outputs]);
    let norm = BatchNorm {
        weight: get("weight")?,
        bias: get("bias")?,
        mean: get("running_mean")?,
        variance: get("running_var")?,
        eps: BATCH_NORM_EPS,
    };
    Ok(conv.normalised(&norm))
}

/// `prefix` if the tensors' names have it before `probe`, else nothing: it is
/// left out where an encoder was saved by itself.
pub(super) fn prefix<'a>(weights: &Weights, prefix: &'a str, probe: &str) -> &'a str {
    match weights.has(probe) {
        true => "",
        false => prefix,
    }
}

/// (rows, columns) of a picture of three channels.
pub(super) fn picture_size(pixels: &Tensor) -> Result<(usize, usize), ModelError> {
    match pixels.dims() {
        [rows, columns, 3] => Ok((*rows, *columns)),
        other => Err(ModelError::Compute(format!(
            "expected a picture (rows, columns, 3), got {other:?}"
        ))),
    }
}

/// The mean of the pixels of a map (rows, columns, channels).
pub(super) fn mean(map: &Tensor) -> Result<Vec<f32>, ModelError> {
    let (_, _, channels) = map.dims3()?;
    Ok(mean_row(&Values::of(map)?, channels))
}
