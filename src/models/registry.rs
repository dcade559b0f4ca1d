//! Which models there are and how to load one: by the name of an embedded one
//! or from a checkpoint folder.

use super::{MobileSam, ModelError};
use candle_core::Device;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

/// What a model can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Masks for points, boxes and earlier masks.
    Prompts,
    /// Masks of everything on a photo.
    Everything,
    /// Its attention can be looked at.
    Attention,
}

impl Capability {
    /// One word for lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Everything => "everything",
            Self::Attention => "attention",
        }
    }
}

/// Architectures that this program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// TinyViT with SAM's prompt encoder and mask decoder.
    MobileSam,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::MobileSam];

    /// Its `model_type` in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::MobileSam => "mobile_sam",
        }
    }

    fn capabilities(self) -> &'static [Capability] {
        match self {
            Self::MobileSam => &[
                Capability::Prompts,
                Capability::Everything,
                Capability::Attention,
            ],
        }
    }
}

/// A model, described.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelInfo {
    /// What `--model` takes: an embedded name or a folder.
    pub name: Cow<'static, str>,
    /// What people call it.
    pub title: Cow<'static, str>,
    /// Its architecture.
    pub family: Family,
    /// Number of parameters.
    pub parameters: usize,
    /// Licence of the weights, as an SPDX expression where it is known.
    pub licence: Cow<'static, str>,
    /// What it can be asked for.
    pub capabilities: &'static [Capability],
    /// Whether it is part of the program.
    pub embedded: bool,
}

/// A model in memory, ready to be asked.
pub struct LoadedModel {
    /// Which one it is.
    pub info: ModelInfo,
    model: Model,
}

enum Model {
    MobileSam(Box<MobileSam>),
}

impl LoadedModel {
    /// The promptable model, if it is one.
    pub fn mobile_sam(&self) -> Option<&MobileSam> {
        match &self.model {
            Model::MobileSam(model) => Some(model),
        }
    }
}

impl std::fmt::Debug for LoadedModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadedModel")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

/// Name of the embedded MobileSAM, the default model.
pub const MOBILE_SAM: &str = "mobile-sam";

#[cfg(feature = "embedded-weights")]
static MOBILE_SAM_WEIGHTS: &[u8] = include_bytes!("../../weights/mobile-sam/model.safetensors");

static EMBEDDED: &[ModelInfo] = &[ModelInfo {
    name: Cow::Borrowed(MOBILE_SAM),
    title: Cow::Borrowed("MobileSAM"),
    family: Family::MobileSam,
    parameters: 9_803_780,
    licence: Cow::Borrowed("Apache-2.0"),
    capabilities: &[
        Capability::Prompts,
        Capability::Everything,
        Capability::Attention,
    ],
    embedded: true,
}];

/// The models that are part of this build; empty without the feature
/// `embedded-weights`.
pub fn embedded() -> &'static [ModelInfo] {
    if cfg!(feature = "embedded-weights") {
        EMBEDDED
    } else {
        &[]
    }
}

/// Load an embedded model by name, or a checkpoint from its folder. An
/// embedded name wins over a folder of the same name (`./NAME` means the
/// folder).
///
/// # Errors
/// If there is no such model, or it cannot be used.
pub fn load(name_or_folder: impl AsRef<OsStr>) -> Result<Arc<LoadedModel>, ModelError> {
    let name = name_or_folder.as_ref();
    if let Some(info) = EMBEDDED.iter().find(|info| OsStr::new(&*info.name) == name) {
        return load_embedded(info);
    }
    let folder = Path::new(name);
    if !folder.is_dir() {
        let known: Vec<&str> = embedded().iter().map(|info| &*info.name).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Err(ModelError::UnknownModel {
            name: name.to_string_lossy().into(),
            known,
        });
    }
    load_folder(folder)
}

#[cfg(feature = "embedded-weights")]
fn load_embedded(info: &ModelInfo) -> Result<Arc<LoadedModel>, ModelError> {
    let model = MobileSam::from_safetensors(MOBILE_SAM_WEIGHTS, &Device::Cpu)?;
    Ok(Arc::new(LoadedModel {
        info: info.clone(),
        model: Model::MobileSam(Box::new(model)),
    }))
}

#[cfg(not(feature = "embedded-weights"))]
fn load_embedded(_: &ModelInfo) -> Result<Arc<LoadedModel>, ModelError> {
    Err(ModelError::NotEmbedded)
}

fn load_folder(folder: &Path) -> Result<Arc<LoadedModel>, ModelError> {
    let family = family_of(folder)?;
    let Family::MobileSam = family;
    let model = MobileSam::from_folder(folder, &Device::Cpu)?;
    let title = folder
        .file_name()
        .unwrap_or(folder.as_os_str())
        .to_string_lossy()
        .into_owned();
    let info = ModelInfo {
        name: folder.to_string_lossy().into_owned().into(),
        title: title.into(),
        family,
        parameters: model.parameters(),
        licence: "see its model card".into(),
        capabilities: family.capabilities(),
        embedded: false,
    };
    Ok(Arc::new(LoadedModel {
        info,
        model: Model::MobileSam(Box::new(model)),
    }))
}

/// The family that a folder's `config.json` names.
fn family_of(folder: &Path) -> Result<Family, ModelError> {
    #[derive(serde::Deserialize)]
    struct Kind {
        #[serde(default)]
        model_type: String,
    }
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(|error| ModelError::Read {
        path: path.clone(),
        why: error.to_string(),
    })?;
    let kind: Kind = serde_json::from_str(&text).map_err(|error| ModelError::Config {
        file: path.display().to_string(),
        why: error.to_string(),
    })?;
    let known = Family::ALL.map(Family::model_type);
    Family::ALL
        .into_iter()
        .find(|f| f.model_type() == kind.model_type)
        .ok_or_else(|| ModelError::UnknownFamily {
            folder: folder.to_owned(),
            found: kind.model_type,
            known: known.join(", "),
        })
}

#[cfg(test)]
mod tests;
