//! The models of the parity fixtures, and checkpoints without some of their
//! attention heads.

use super::{LoadedModel, registry};
use crate::task::detached;
use safetensors::SafeTensors;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of a parity fixture.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// The model of a parity fixture.
pub fn model(name: &str) -> Arc<LoadedModel> {
    detached(|task| registry::load(folder(name), task)).unwrap()
}

/// As [`model`], with other tensors.
pub fn with_tensors(name: &str, tensors: &[u8]) -> Arc<LoadedModel> {
    let to = tempfile::tempdir().unwrap();
    for file in ["config.json", "preprocessor_config.json"] {
        std::fs::copy(folder(name).join(file), to.path().join(file)).unwrap();
    }
    std::fs::write(to.path().join("model.safetensors"), tensors).unwrap();
    detached(|task| registry::load(to.path(), task)).unwrap()
}

/// A checkpoint whose output projection behind the attention layer `layer` takes
/// nothing from an attention head: its columns are zero.
pub fn without_head(bytes: &[u8], layer: &str, head: usize, head_dim: usize) -> Vec<u8> {
    let columns = head * head_dim..(head + 1) * head_dim;
    silenced(bytes, &projection(layer), columns)
}

/// The output projection of the attention layer that records as `layer`.
fn projection(layer: &str) -> String {
    let whole = |root: &str| format!("{root}.attention.output.dense.weight");
    if let Some(root) = layer.strip_suffix(".attention.attention") {
        whole(root)
    } else if let Some(root) = layer.strip_suffix(".attention.self") {
        whole(root)
    } else if layer.ends_with(".attn") {
        format!("{layer}.proj.weight")
    } else if layer.contains("_attn_") {
        format!("{layer}.out_proj.weight")
    } else {
        format!("{layer}.project.weight")
    }
}

/// The same with zeros in some columns of the tensor `name` (outputs, inputs).
fn silenced(bytes: &[u8], name: &str, columns: Range<usize>) -> Vec<u8> {
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    let (data, inputs) = (tensor.data(), tensor.shape()[1]);
    let size = data.len() / (tensor.shape()[0] * inputs);
    let start = data.as_ptr() as usize - bytes.as_ptr() as usize;
    let mut out = bytes.to_vec();
    for row in out[start..start + data.len()].chunks_exact_mut(inputs * size) {
        row[columns.start * size..columns.end * size].fill(0);
    }
    out
}
