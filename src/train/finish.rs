//! From a training to a model: a folder that `--model` takes.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::SafeTensors;

use super::card::{Card, DataSource};
use super::{Run, Snapshot, TrainError, Validation, curves};
use crate::formats::{picture_png, write_files};
use crate::models::Weights;
use crate::task::Task;

/// A model that was made of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Its folder.
    pub folder: PathBuf,
    /// Bytes of its weights.
    pub bytes: usize,
    /// How well it does, with its weights as they were written, on all photos
    /// to validate on; `None` if there are none.
    pub validation: Option<Validation>,
}

/// A parameter: its name, shape and values.
type Owned = (String, Vec<usize>, Vec<f32>);

/// Write the model of a training into its folder `model`: the averaged weights
/// of the best validation, or of now where there was none, with a model card,
/// the curves and the log.
///
/// # Errors
/// If a file cannot be read or written, or `task` is cancelled.
pub fn finish(
    run: &Run,
    snapshot: &Snapshot<'_>,
    sources: &[DataSource],
    task: Task<'_>,
) -> Result<Finished, TrainError> {
    let folder = run.folder().join("model");
    let weights = weights(run)?;
    let named = weights.iter();
    let named = named.map(|(name, shape, values)| (name.as_str(), &shape[..], &values[..]));
    let mut files = snapshot.files(&folder, named)?;
    let bytes = files
        .iter()
        .find(|(path, _)| path.ends_with("model.safetensors"));
    let bytes = bytes.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
    let length = bytes.len();
    let written = Weights::parse(bytes, "model.safetensors")?;
    let network = snapshot.network.build(&written)?;
    let validation = run.scores_of(network.as_ref(), task)?;
    let log = fs::read(run.folder().join("log.jsonl")).unwrap_or_default();
    let card = Card {
        snapshot,
        sources,
        position: run.position(),
        parameters: run.parameters(),
        bytes: length,
        validation: validation.as_ref(),
    };
    let curves = curves::chart(&String::from_utf8_lossy(&log));
    let size = (curves.width() as u32, curves.height() as u32);
    files.extend([
        (folder.join("README.md"), card.text().into_bytes()),
        (folder.join("curves.png"), picture_png(size, curves.rgb())?),
        (folder.join("log.jsonl"), log),
    ]);
    fs::create_dir_all(&folder).map_err(|error| TrainError::data(&folder, error.to_string()))?;
    write_files(&files)?;
    Ok(Finished {
        folder,
        bytes: length,
        validation,
    })
}

/// The weights of the best validation, or the averaged ones of now.
fn weights(run: &Run) -> Result<Vec<Owned>, TrainError> {
    let best = run.folder().join("best.safetensors");
    if run.position().best.is_some() && best.is_file() {
        return read(&best);
    }
    let owned = |(name, shape, values): (&str, &[usize], &[f32])| {
        (name.to_owned(), shape.to_vec(), values.to_vec())
    };
    Ok(run.weights().map(owned).collect())
}

/// All tensors of a file in single precision.
fn read(path: &Path) -> Result<Vec<Owned>, TrainError> {
    let failed = |why: String| TrainError::data(path, why);
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| failed(error.to_string()))?;
    let mut tensors = file.tensors();
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    let owned = tensors.into_iter().map(|(name, tensor)| {
        let numbers = tensor.data().as_chunks::<4>().0.iter();
        let values = numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect();
        (name, tensor.shape().to_vec(), values)
    });
    Ok(owned.collect())
}
