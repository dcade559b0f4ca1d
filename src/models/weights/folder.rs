//! Finding a snapshot's weights: one file or the shards that an index lists.

use super::source::Source;
use super::{Entries, Entry, ModelError, Weights, header, torch};
use crate::models::checkpoint::read_small;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Whole files and indices, in the order in which the reference implementation
/// looks for them.
const NAMES: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];
/// What files of other names end with.
const ENDINGS: [&[&str]; 2] = [&["safetensors"], &["pt", "pth", "bin"]];
/// Files of that kind which a training run leaves beside its weights.
const NO_WEIGHTS: [&str; 4] = ["training_args", "optimizer", "scheduler", "rng_state"];

/// The largest index that is read, in bytes.
const MAX_INDEX: u64 = 16 << 20;
/// The most files that a checkpoint may be split into; they are kept open.
const MAX_SHARDS: usize = 256;

impl Weights<'_> {
    /// The weights in a snapshot's folder: safetensors or a PyTorch checkpoint,
    /// whole or sharded. Only headers are read now.
    ///
    /// # Errors
    /// If there are none, or a file is missing, damaged or hostile.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let path = find(folder)?;
        if path.extension().is_some_and(|ending| ending == "json") {
            return sharded(folder, &path);
        }
        let source = Source::open(&path)?;
        let (entries, file) = (entries(&path, &source)?, source.name().to_owned());
        Ok(Self::of(vec![source], entries, file))
    }
}

/// The tensors of one file, by its ending.
fn entries(path: &Path, source: &Source) -> Result<Entries, ModelError> {
    if path
        .extension()
        .is_some_and(|ending| ending == "safetensors")
    {
        return header::entries(source);
    }
    torch::entries(source)
}

/// The file to read first.
fn find(folder: &Path) -> Result<PathBuf, ModelError> {
    let present = NAMES
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.exists());
    if let Some(path) = present {
        return Ok(path);
    }
    let none = |why: String| ModelError::NoWeights {
        folder: folder.to_owned(),
        why,
    };
    let listed = folder.read_dir().map_err(|error| ModelError::Read {
        path: folder.to_owned(),
        why: error.to_string(),
    })?;
    let mut names: Vec<String> = listed
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !NO_WEIGHTS.iter().any(|other| name.starts_with(other)))
        .collect();
    names.sort_unstable();
    for endings in ENDINGS {
        let matches = |name: &&String| {
            let ending = Path::new(name)
                .extension()
                .and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| endings.contains(&ending))
        };
        let found: Vec<&String> = names.iter().filter(matches).collect();
        match found.as_slice() {
            [] => {}
            [name] => return Ok(folder.join(name)),
            [first, second, ..] => {
                let why = format!(
                    "has several files of weights ({first}, {second}); rename the right one to {}",
                    NAMES[0]
                );
                return Err(none(why));
            }
        }
    }
    Err(none(format!(
        "has no weights: expected {} or {}",
        NAMES[0], NAMES[2]
    )))
}

#[derive(Deserialize)]
struct Index {
    /// Tensor to file. Sorted, so that errors do not depend on chance.
    weight_map: BTreeMap<String, String>,
}

fn sharded<'t>(folder: &Path, path: &Path) -> Result<Weights<'t>, ModelError> {
    let file = path.display().to_string();
    let unusable = |why: String| ModelError::Index {
        file: file.clone(),
        why,
    };
    let bytes = read_small(path, MAX_INDEX)?;
    let index: Index =
        serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
    let mut shards: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (tensor, shard) in &index.weight_map {
        shards.entry(shard).or_default().push(tensor);
    }
    if shards.len() > MAX_SHARDS {
        return Err(unusable(format!("it lists {} files", shards.len())));
    }
    let mut weights = Weights::of(Vec::new(), HashMap::new(), file.clone());
    for (shard, tensors) in shards {
        if !is_plain_name(shard) {
            return Err(unusable(format!(
                "{shard:?} is not the name of a file beside it"
            )));
        }
        let path = folder.join(shard);
        let source = Source::open(&path)?;
        let mut held = entries(&path, &source)?;
        for tensor in tensors {
            let Some(entry) = held.remove(tensor) else {
                return Err(unusable(format!(
                    "{shard} does not hold {tensor}, which it lists there"
                )));
            };
            let source = weights.sources.len();
            weights
                .entries
                .insert(tensor.to_owned(), Entry { source, ..entry });
        }
        weights.sources.push(source);
    }
    Ok(weights)
}

/// Whether a name stays in its folder, on every system.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0'])
}
