//! Tensors of a checkpoint, by name and shape, read suspiciously.
//!
//! A file's header is checked as a whole before anything is allocated (offsets
//! inside the file, contiguous, not overlapping, lengths that fit the shapes).
//! Tensors are then read one by one when they are asked for by name and shape,
//! so that memory holds a model once, not its file too; their values must be
//! finite. Every error names the file and the tensor.

mod folder;
mod header;
mod pickle;
mod source;
mod torch;
mod zip;

use super::ModelError;
use crate::nn::{FoldedConv, LayerNorm, Linear};
use crate::task::Task;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::Dtype;
use source::Source;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Epsilon of the batch norms that are folded into convolutions (PyTorch's
/// default).
const BATCH_NORM_EPS: f64 = 1e-5;

/// The tensors of one checkpoint.
pub struct Weights<'t> {
    /// What the tensors lie in: one, or several for a sharded checkpoint.
    sources: Vec<Source>,
    entries: Entries,
    /// What errors say about missing tensors.
    file: String,
    /// Who waits for them.
    task: Option<Task<'t>>,
    /// Bytes read so far.
    read: AtomicU64,
}

/// Where tensors lie, by their names.
type Entries = HashMap<String, Entry>;

/// Where a tensor lies.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    /// Which of the sources.
    source: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    /// First byte.
    start: u64,
    /// Bytes from the first value to the last, inside the source.
    length: usize,
    /// Distances in values between neighbours along each axis, where the
    /// tensor is not simply row-major (PyTorch's views).
    strides: Option<Vec<usize>>,
}

impl<'t> Weights<'t> {
    /// Check the header of the safetensors file that `bytes` are. `file` says
    /// in errors where they are from.
    ///
    /// # Errors
    /// [`ModelError::NotSafetensors`].
    pub fn parse(bytes: impl Into<Cow<'static, [u8]>>, file: &str) -> Result<Self, ModelError> {
        let source = Source::memory(bytes.into(), file);
        let entries = header::entries(&source)?;
        Ok(Self::of(vec![source], entries, file.to_owned()))
    }

    fn of(sources: Vec<Source>, entries: Entries, file: String) -> Self {
        Self {
            sources,
            entries,
            file,
            task: None,
            read: AtomicU64::new(0),
        }
    }

    /// The same, telling `task` what share of all values has been read, and
    /// stopping with [`ModelError::Cancelled`] when it is cancelled.
    pub fn watched(self, task: Task<'t>) -> Self {
        Self {
            task: Some(task),
            ..self
        }
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The names of all tensors, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// What the names of this checkpoint begin with: the first of `roots` for
    /// which there is a tensor ROOT + `name`, or else the first of all. The
    /// encoder of a classifier is called `vit.…`, one by itself has no root.
    pub fn rooted<'a>(&self, roots: &[&'a str], name: &str) -> &'a str {
        let mut present = roots
            .iter()
            .filter(|root| self.has(&format!("{root}{name}")));
        present
            .next()
            .or(roots.first())
            .copied()
            .unwrap_or_default()
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
    /// If it is missing, has another shape, cannot be read, holds other than
    /// floating point numbers or values that are not finite.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let entry = self
            .entries
            .get(name)
            .ok_or_else(|| ModelError::MissingTensor {
                file: self.file.clone(),
                tensor: name.to_owned(),
                expected: shape.to_vec(),
            })?;
        let source = &self.sources[entry.source];
        let (file, tensor) = (source.name().to_owned(), name.to_owned());
        if entry.shape != shape {
            return Err(ModelError::Shape {
                file,
                tensor,
                expected: shape.to_vec(),
                found: entry.shape.clone(),
            });
        }
        let convert = match entry.dtype {
            Dtype::F32 => |data: &[u8]| words(data, f32::from_le_bytes),
            Dtype::F16 => |data: &[u8]| widen(&words(data, f16::from_le_bytes)),
            Dtype::BF16 => |data: &[u8]| widen(&words(data, bf16::from_le_bytes)),
            other => {
                let found = format!("{other:?}");
                return Err(ModelError::NumberType {
                    file,
                    tensor,
                    found,
                });
            }
        };
        if let Some(task) = &self.task {
            task.check()?;
        }
        let mut values = convert(&source.read(entry.start, entry.length)?);
        self.note(entry.length);
        if let Some(strides) = &entry.strides {
            values = gather(&values, shape, strides);
        }
        // Not `all`, which stops early and so cannot be vectorised.
        if !values.iter().fold(true, |finite, v| finite & v.is_finite()) {
            return Err(ModelError::NotFinite { file, tensor });
        }
        Ok(values)
    }

    /// Tell how much has been read.
    fn note(&self, bytes: usize) {
        let read = self.read.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if let Some(task) = &self.task {
            let lengths = self.entries.values().map(|entry| entry.length as u64);
            task.progress(read as f32 / lengths.sum::<u64>().max(1) as f32);
        }
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

/// Row-major values of a tensor whose neighbours along each axis are `strides`
/// values apart.
fn gather(values: &[f32], shape: &[usize], strides: &[usize]) -> Vec<f32> {
    let mut places = vec![0];
    for (count, stride) in shape.iter().zip(strides) {
        let along = |place: usize| (0..*count).map(move |i| place + i * stride);
        places = places.into_iter().flat_map(along).collect();
    }
    places.into_iter().map(|place| values[place]).collect()
}

#[cfg(test)]
mod tests;
