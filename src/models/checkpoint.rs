//! A checkpoint folder: what a Hugging Face snapshot says about itself.
//!
//! Only the small files are read here; the tensors wait until
//! [`Checkpoint::weights`] is asked for, and then come one by one.

mod config;
mod labels;
mod licence;
mod small_file;

pub use config::Config;
pub(super) use config::brief;
pub use labels::{ClassLabel, Labels};
pub(super) use small_file::{read_head, read_small};

use super::family::Family;
use super::preprocess::Preprocessor;
use super::{ModelError, Weights};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The description of a model in a folder.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The folder.
    pub folder: PathBuf,
    /// `config.json`.
    pub config: Config,
    /// The architecture.
    pub family: Family,
    /// What the classes mean; empty for models without classes.
    pub labels: Labels,
    /// How a photo becomes the network's input.
    pub preprocessor: Preprocessor,
    /// Licence of the weights, as an SPDX expression where it is a known one;
    /// `None` if the folder does not say.
    pub licence: Option<String>,
    /// What to call it: the repository's name, or the folder's.
    pub title: String,
}

impl Checkpoint {
    /// Read a snapshot's `config.json`, `preprocessor_config.json` and licence.
    ///
    /// # Errors
    /// If the folder is no snapshot, its family is not supported, or a file is
    /// damaged or not what it should be.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        if !folder.is_dir() || !path.exists() {
            return Err(ModelError::NoSnapshot {
                folder: folder.to_owned(),
            });
        }
        let config = Config::read(&path)?;
        let family = family(&config, folder)?;
        Ok(Self {
            labels: Labels::of(&config)?,
            preprocessor: Preprocessor::read(folder, family, &config)?,
            licence: licence::of(folder),
            title: title(folder),
            folder: folder.to_owned(),
            config,
            family,
        })
    }

    /// The checkpoint called `name` with these two small files, of weights
    /// that are kept elsewhere.
    ///
    /// # Errors
    /// If its family is not supported, or a file is not what it should be.
    pub fn parse(name: &str, config: &str, preprocessor: &str) -> Result<Self, ModelError> {
        let folder = PathBuf::from(name);
        let config = Config::parse_text(config, &format!("{name}/config.json"))?;
        let family = family(&config, &folder)?;
        let file = format!("{name}/preprocessor_config.json");
        let preprocessor = Config::parse_text(preprocessor, &file)?;
        Ok(Self {
            labels: Labels::of(&config)?,
            preprocessor: Preprocessor::from_config(&preprocessor, family)?,
            licence: None,
            title: name.to_owned(),
            folder,
            config,
            family,
        })
    }

    /// The tensors.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn weights<'t>(&self) -> Result<Weights<'t>, ModelError> {
        Weights::open(&self.folder)
    }
}

/// The licence that a folder states, in the front matter of its README.md or by
/// the text of its LICENSE; an SPDX expression where it is a known one.
pub fn licence_of(folder: &Path) -> Option<String> {
    licence::of(folder)
}

fn family(config: &Config, folder: &Path) -> Result<Family, ModelError> {
    Family::of(config).map_err(|found| ModelError::UnknownFamily {
        folder: folder.to_owned(),
        found,
        known: Family::supported(),
    })
}

/// A folder's name; in the cache of the Hub's client, where the folder is named
/// after a commit, the repository's (`models--OWNER--NAME/snapshots/COMMIT`).
fn title(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = |path: &Path| {
        path.file_name()
            .map(OsStr::to_string_lossy)
            .map(String::from)
    };
    let snapshots = folder
        .parent()
        .filter(|parent| parent.ends_with("snapshots"));
    let repository = snapshots.and_then(Path::parent).and_then(name);
    let cached =
        repository.and_then(|name| Some(name.strip_prefix("models--")?.replace("--", "/")));
    cached
        .or_else(|| name(&folder))
        .unwrap_or_else(|| folder.display().to_string())
}

#[cfg(test)]
mod tests;
