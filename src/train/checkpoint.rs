//! Where a training stands, in one file: from it, a run goes on bit for bit as
//! if it had not been interrupted.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::optimizer::{AdamW, Parameter};
use super::{Config, TrainError};
use crate::formats::write_files;

/// How far a training is. Everything random follows from the seed and the step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Steps done.
    pub step: usize,
    /// Steps that changed the weights.
    pub updates: u64,
    /// Bytes of the log.
    pub log: u64,
    /// Seconds of training, over all runs.
    pub seconds: f64,
    /// Steps without a finite gradient.
    pub skipped: usize,
    /// How many of them were the last ones.
    pub skipped_in_a_row: usize,
    /// The best mean IoU of a validation, and after which step.
    pub best: Option<(f64, usize)>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    config: Config,
    /// Photos of each set.
    photos: Vec<usize>,
    position: Position,
}

/// The name of the head among the metadata of the file.
const HEAD: &str = "training";

type Values = fn(&Parameter) -> &Vec<f32>;
/// What is kept of each parameter, by the first part of its name.
const KINDS: [(&str, Values); 4] = [
    ("weights", |p| &p.weights),
    ("average", |p| &p.average),
    ("first", |p| &p.first),
    ("second", |p| &p.second),
];

/// Write a checkpoint, replacing an older one when it is whole. `photos` gives
/// the number of photos of each set.
///
/// # Errors
/// If it cannot be written.
pub fn save(
    path: &Path,
    config: &Config,
    photos: &[usize],
    position: &Position,
    optimizer: &AdamW,
) -> Result<(), TrainError> {
    let head = Head {
        config: config.clone(),
        photos: photos.to_vec(),
        position: position.clone(),
    };
    let text = serde_json::to_string(&head).map_err(|error| wrong(path, error.to_string()))?;
    let mut tensors = Vec::new();
    for (kind, values) in KINDS {
        for parameter in &optimizer.parameters {
            let view = view(&parameter.shape, values(parameter));
            let view = view.map_err(|why| wrong(path, why))?;
            tensors.push((format!("{kind}/{}", parameter.name), view));
        }
    }
    write(path, tensors, (HEAD, text))
}

/// Write the averaged weights alone, under the names of the network.
///
/// # Errors
/// If they cannot be written.
pub fn save_average(path: &Path, optimizer: &AdamW, about: String) -> Result<(), TrainError> {
    let mut tensors = Vec::new();
    for parameter in &optimizer.parameters {
        let view = view(&parameter.shape, &parameter.average);
        let view = view.map_err(|why| wrong(path, why))?;
        tensors.push((parameter.name.clone(), view));
    }
    write(path, tensors, ("about", about))
}

fn view<'a>(shape: &[usize], values: &'a [f32]) -> Result<TensorView<'a>, String> {
    let bytes = bytemuck::cast_slice(values);
    TensorView::new(Dtype::F32, shape.to_vec(), bytes).map_err(|error| error.to_string())
}

fn write(
    path: &Path,
    tensors: Vec<(String, TensorView<'_>)>,
    (key, text): (&str, String),
) -> Result<(), TrainError> {
    let metadata = HashMap::from([(key.to_owned(), text)]);
    let bytes = safetensors::serialize(tensors, Some(metadata));
    let bytes = bytes.map_err(|error| wrong(path, error.to_string()))?;
    Ok(write_files(&[(path.to_owned(), bytes)])?)
}

/// Read a checkpoint into an optimizer of the same network: where the training
/// stands, and the configuration that it was begun with. `None` where there is
/// none.
///
/// # Errors
/// If it is damaged, or of another network or training; nothing is changed then.
pub fn load(
    path: &Path,
    config: &Config,
    photos: &[usize],
    optimizer: &mut AdamW,
) -> Result<Option<(Position, Config)>, TrainError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(path, error.to_string())),
    };
    let damaged = |why: String| wrong(path, format!("it is damaged ({why})"));
    let (_, metadata) =
        SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
    let head = metadata.metadata().as_ref().and_then(|all| all.get(HEAD));
    let head = head.ok_or_else(|| wrong(path, "it is no checkpoint of a training"))?;
    let head: Head = serde_json::from_str(head).map_err(|error| damaged(error.to_string()))?;
    // other photos may be why the configuration is another, too
    if head.photos != photos {
        let why = format!(
            "the sets have {photos:?} photos and had {:?}; put those back, or train into another \
             folder",
            head.photos
        );
        return Err(wrong(path, why));
    }
    if let Some(difference) = config.difference(&head.config) {
        let why = format!("{difference}; put that back, or train into another folder");
        return Err(wrong(path, why));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
    if file.len() != optimizer.parameters.len() * KINDS.len() {
        return Err(wrong(path, "it is of another network"));
    }
    let mut read = Vec::with_capacity(file.len());
    for parameter in &optimizer.parameters {
        for (kind, _) in KINDS {
            let name = format!("{kind}/{}", parameter.name);
            read.push(values(&file, &name, &parameter.shape).map_err(|why| wrong(path, why))?);
        }
    }
    let mut read = read.into_iter();
    for parameter in &mut optimizer.parameters {
        let places = [
            &mut parameter.weights,
            &mut parameter.average,
            &mut parameter.first,
            &mut parameter.second,
        ];
        places
            .into_iter()
            .zip(&mut read)
            .for_each(|(place, values)| *place = values);
    }
    optimizer.updates = head.position.updates;
    Ok(Some((head.position, head.config)))
}

fn values(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let tensor = file.tensor(name);
    let tensor = tensor.map_err(|_| format!("it lacks {name}: it is of another network"))?;
    if tensor.shape() != shape || tensor.dtype() != Dtype::F32 {
        return Err(format!(
            "{name} has another shape: it is of another network"
        ));
    }
    let numbers = tensor.data().as_chunks::<4>().0.iter();
    let values: Vec<f32> = numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect();
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(values),
        false => Err(format!("{name} holds values that are not finite numbers")),
    }
}

fn wrong(path: &Path, why: impl Into<String>) -> TrainError {
    TrainError::Checkpoint {
        file: path.display().to_string(),
        why: why.into(),
    }
}
