//! The folder of a training.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::cli::Failure;
use crate::cli::output::{check_folder, create_folder};
use crate::train::Config;

/// What a training puts into its folder.
const OWN: [&str; 6] = [
    "encodings",
    "config.json",
    "checkpoint.safetensors",
    "best.safetensors",
    "log.jsonl",
    "model",
];

/// Create the folder of a training, or see that what is there is one.
///
/// # Errors
/// If it holds something else, which could be overwritten.
pub fn prepare(folder: &Path, config: &Config) -> Result<(), Failure> {
    check_folder(folder)?;
    let shown = folder.display();
    let real = folder.canonicalize().ok();
    let holds_photos = |place: &Path| real.as_deref() == Some(place);
    let places = config
        .sets
        .iter()
        .flat_map(|set| [Some(&set.train), set.dev.as_ref()]);
    if places.flatten().any(|place| holds_photos(place)) {
        return Err(Failure::Sentence(format!(
            "{shown} holds the photos: name another folder to train into"
        )));
    }
    if let Some(other) = foreign(folder)? {
        return Err(Failure::Sentence(format!(
            "{shown} holds {other}, which is not of a training: name a new folder, or an empty one"
        )));
    }
    create_folder(folder)
}

/// Something in the folder that no training has put there.
fn foreign(folder: &Path) -> Result<Option<String>, Failure> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let failed = |error: std::io::Error| {
        Failure::Sentence(format!("{} cannot be listed: {error}", folder.display()))
    };
    let listed = fs::read_dir(folder).map_err(failed)?;
    let names: Vec<OsString> = listed
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    let is_foreign = |name: &&OsString| {
        let hidden = name.as_encoded_bytes().starts_with(b".");
        !hidden && !OWN.iter().any(|own| *name == own)
    };
    if let Some(name) = names.iter().find(is_foreign) {
        return Ok(Some(name.to_string_lossy().into_owned()));
    }
    // the configuration of a model has the same name
    let config = folder.join("config.json");
    let is_own = !config.exists() || Config::load(&config).is_ok();
    Ok((!is_own).then(|| "a config.json".to_owned()))
}
