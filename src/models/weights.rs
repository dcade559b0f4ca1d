//! Reading tensors out of safetensors bytes, suspiciously.
//!
//! The header is checked as a whole before anything is allocated (offsets
//! inside the file, contiguous, not overlapping, lengths that fit the shapes);
//! then each tensor is asked for by name and shape, and its values must be
//! finite. Every error names the tensor.

use super::ModelError;
use crate::nn::{FoldedConv, LayerNorm, Linear};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

/// The largest file that is read whole; bigger ones are no checkpoint of ours.
const MAX_FILE: u64 = 8 << 30;
/// Epsilon of the batch norms that are folded into convolutions (PyTorch's
/// default).
const BATCH_NORM_EPS: f64 = 1e-5;

/// The tensors of one checkpoint.
pub struct Weights {
    bytes: Cow<'static, [u8]>,
    entries: HashMap<String, Entry>,
    file: String,
}

/// Where a tensor lies.
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    range: Range<usize>,
}

impl Weights {
    /// Check the header of `bytes`. `file` says in errors where they are from.
    ///
    /// # Errors
    /// [`ModelError::NotSafetensors`].
    pub fn parse(bytes: impl Into<Cow<'static, [u8]>>, file: &str) -> Result<Self, ModelError> {
        let bytes = bytes.into();
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| {
            let why = first_line(&error.to_string());
            ModelError::NotSafetensors {
                file: file.to_owned(),
                why,
            }
        })?;
        let base = bytes.as_ptr().addr();
        let entries = tensors
            .iter()
            .map(|(name, view)| {
                let start = view.data().as_ptr().addr() - base;
                let entry = Entry {
                    dtype: view.dtype(),
                    shape: view.shape().to_vec(),
                    range: start..start + view.data().len(),
                };
                (name.to_owned(), entry)
            })
            .collect();
        Ok(Self {
            bytes,
            entries,
            file: file.to_owned(),
        })
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The shape of a tensor, if there is one of this name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    /// Number of values of all tensors: the model's parameters.
    pub fn parameters(&self) -> usize {
        let values = |entry: &Entry| entry.shape.iter().product::<usize>();
        self.entries.values().map(values).sum()
    }

    /// The values of a tensor, as f32.
    ///
    /// # Errors
    /// If it is missing, has another shape, holds other than floating point
    /// numbers or values that are not finite.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let entry = self
            .entries
            .get(name)
            .ok_or_else(|| ModelError::MissingTensor {
                file: self.file.clone(),
                tensor: name.to_owned(),
                expected: shape.to_vec(),
            })?;
        if entry.shape != shape {
            return Err(ModelError::Shape {
                file: self.file.clone(),
                tensor: name.to_owned(),
                expected: shape.to_vec(),
                found: entry.shape.clone(),
            });
        }
        let data = &self.bytes[entry.range.clone()];
        let values = match entry.dtype {
            Dtype::F32 => words(data, f32::from_le_bytes),
            Dtype::F16 => widen(&words(data, f16::from_le_bytes)),
            Dtype::BF16 => widen(&words(data, bf16::from_le_bytes)),
            other => {
                return Err(ModelError::NumberType {
                    file: self.file.clone(),
                    tensor: name.to_owned(),
                    found: format!("{other:?}"),
                });
            }
        };
        // Not `all`, which stops early and so cannot be vectorised.
        if !values.iter().fold(true, |finite, v| finite & v.is_finite()) {
            let (file, tensor) = (self.file.clone(), name.to_owned());
            return Err(ModelError::NotFinite { file, tensor });
        }
        Ok(values)
    }

    /// `NAME.weight` (outputs, inputs) and `NAME.bias` (outputs).
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn linear(&self, name: &str, outputs: usize, inputs: usize) -> Result<Linear, ModelError> {
        self.linears(&[name], outputs, inputs, true)
    }

    /// Several linear layers of the same input side by side, such as the
    /// separate `query`, `key` and `value` of Hugging Face's attention:
    /// (inputs) to (names · outputs). Without biases unless `biased`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn linears(
        &self,
        names: &[&str],
        outputs: usize,
        inputs: usize,
        biased: bool,
    ) -> Result<Linear, ModelError> {
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for name in names {
            weight.extend(self.get(&format!("{name}.weight"), &[outputs, inputs])?);
            if biased {
                bias.extend(self.get(&format!("{name}.bias"), &[outputs])?);
            }
        }
        let outputs = names.len() * outputs;
        Ok(Linear::new(
            &weight,
            biased.then_some(bias.as_slice()),
            outputs,
            inputs,
        ))
    }

    /// `NAME.weight` and `NAME.bias` of a layer norm (channels).
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn norm(&self, name: &str, channels: usize, eps: f32) -> Result<LayerNorm, ModelError> {
        let weight = self.get(&format!("{name}.weight"), &[channels])?;
        Ok(LayerNorm::new(
            weight,
            self.get(&format!("{name}.bias"), &[channels])?,
            eps,
        ))
    }

    /// `NAME.weight` (outputs, inputs, side, side), with `NAME.bias` if
    /// `biased`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn conv(
        &self,
        name: &str,
        (outputs, inputs, side): (usize, usize, usize),
        biased: bool,
    ) -> Result<FoldedConv, ModelError> {
        let weight = self.get(&format!("{name}.weight"), &[outputs, inputs, side, side])?;
        let bias = biased
            .then(|| self.get(&format!("{name}.bias"), &[outputs]))
            .transpose()?;
        Ok(FoldedConv {
            weight,
            bias,
            outputs,
            inputs,
        })
    }

    /// A transposed convolution: `NAME.weight` (inputs, outputs, side, side)
    /// and `NAME.bias`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn conv_transposed(
        &self,
        name: &str,
        (inputs, outputs, side): (usize, usize, usize),
    ) -> Result<FoldedConv, ModelError> {
        let weight = self.get(&format!("{name}.weight"), &[inputs, outputs, side, side])?;
        let bias = Some(self.get(&format!("{name}.bias"), &[outputs])?);
        Ok(FoldedConv {
            weight,
            bias,
            outputs,
            inputs,
        })
    }

    /// A convolution followed by batch normalisation: folded already
    /// (`NAME.c.weight`, `NAME.c.bias`), or as trained (`NAME.c.weight`,
    /// `NAME.bn.*`), which is folded here.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn conv_bn(
        &self,
        name: &str,
        shape: (usize, usize, usize),
    ) -> Result<FoldedConv, ModelError> {
        let part = format!("{name}.c");
        if !self.has(&format!("{name}.bn.weight")) {
            return self.conv(&part, shape, true);
        }
        let mut conv = self.conv(&part, shape, false)?;
        let channel = |part| self.get(&format!("{name}.bn.{part}"), &[shape.0]);
        let (scale, shift) = (channel("weight")?, channel("bias")?);
        let (mean, variance) = (channel("running_mean")?, channel("running_var")?);
        let mut bias = Vec::with_capacity(shape.0);
        let filters = conv.weight.chunks_exact_mut(shape.1 * shape.2 * shape.2);
        for (i, filter) in filters.enumerate() {
            let factor = f64::from(scale[i]) / (f64::from(variance[i]) + BATCH_NORM_EPS).sqrt();
            for weight in filter {
                *weight = (f64::from(*weight) * factor) as f32;
            }
            bias.push((f64::from(shift[i]) - f64::from(mean[i]) * factor) as f32);
        }
        conv.bias = Some(bias);
        Ok(conv)
    }
}

fn words<const N: usize, T>(bytes: &[u8], from: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (words, _) = bytes.as_chunks::<N>();
    words.iter().map(|word| from(*word)).collect()
}

fn widen<T>(narrow: &[T]) -> Vec<f32>
where
    [T]: HalfFloatSliceExt,
{
    let mut wide = vec![0.0; narrow.len()];
    narrow.convert_to_f32_slice(&mut wide);
    wide
}

/// The bytes of a safetensors file, after a look at its length and header, so
/// that a file of zeros or of another kind is not read to its end.
///
/// # Errors
/// [`ModelError::Read`] or [`ModelError::NotSafetensors`].
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, ModelError> {
    let failed = |error: std::io::Error| ModelError::Read {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let unusable = |why: String| ModelError::NotSafetensors {
        file: path.display().to_string(),
        why,
    };
    let mut file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(ModelError::Read {
            path: path.to_owned(),
            why: "it is not a file".into(),
        });
    }
    let mut length = [0; 8];
    if file.read_exact(&mut length).is_err() {
        return Err(unusable(format!("it has {} bytes only", meta.len())));
    }
    let header = u64::from_le_bytes(length);
    if header > meta.len().saturating_sub(8) {
        return Err(unusable(format!(
            "its header claims {header} bytes, the file has {}",
            meta.len()
        )));
    }
    if meta.len() > MAX_FILE {
        return Err(unusable(format!(
            "it is larger than {} GiB",
            MAX_FILE >> 30
        )));
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    bytes.extend_from_slice(&length);
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
