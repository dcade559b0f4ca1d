//! Which models there are and how to load one: by the name of an embedded one
//! or from a checkpoint folder.

mod embedded;

pub use embedded::{
    MOBILE_SAM, PLAIN_DEEPLAB, TINY_DEEPLAB, embedded, embedded_weights, is_embedded_name,
};

use super::checkpoint::{Checkpoint, Labels};
use super::deeplab::VitDeepLab;
use super::preprocess::Preprocessor;
use super::vision::{OutputKind, VisionModel};
use super::{Family, ModelError, PromptableModel, Weights};
use super::{deeplab, mobile_sam, mobilevit, sam, segformer, vit};
use crate::task::Task;
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
    /// The classes of a photo.
    Classes,
    /// A class for each pixel.
    ClassMap,
    /// Its attention can be looked at.
    Attention,
}

impl Capability {
    /// One word for lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Everything => "everything",
            Self::Classes => "classify",
            Self::ClassMap => "predict",
            Self::Attention => "attention",
        }
    }

    /// What a model with it does, for sentences: "it can …".
    pub fn verb(self) -> &'static str {
        match self {
            Self::Prompts => "take points or boxes",
            Self::Everything => "segment everything",
            Self::Classes => "classify photos",
            Self::ClassMap => "give each pixel a class",
            Self::Attention => "show its attention",
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
    /// Number of parameters; 0 where it is not known before loading.
    pub parameters: usize,
    /// Licence of the weights, as an SPDX expression where it is known.
    pub licence: Cow<'static, str>,
    /// What it can be asked for.
    pub capabilities: Cow<'static, [Capability]>,
    /// The classes that it knows; empty for models without classes.
    pub labels: Arc<Labels>,
    /// Whether it is part of the program.
    pub embedded: bool,
    /// Whether its own preprocessing may cut off the edges of photos.
    pub crops: bool,
}

impl ModelInfo {
    /// Whether it can be asked for this.
    pub fn can(&self, what: Capability) -> bool {
        self.capabilities.contains(&what)
    }
}

/// A model in memory, ready to be asked.
pub struct LoadedModel {
    /// Which one it is.
    pub info: ModelInfo,
    /// How a photo becomes its input.
    pub preprocessor: Preprocessor,
    network: Network,
}

enum Network {
    Promptable(Arc<PromptableModel>),
    Vision(Box<dyn VisionModel>),
}

impl LoadedModel {
    /// The promptable model.
    ///
    /// # Errors
    /// [`ModelError::Incapable`] if it takes no prompts.
    pub fn promptable(&self) -> Result<&PromptableModel, ModelError> {
        match &self.network {
            Network::Promptable(model) => Ok(model),
            Network::Vision(_) => Err(self.lacks(Capability::Prompts)),
        }
    }

    /// The network, if it is one that is not prompted.
    ///
    /// # Errors
    /// [`ModelError::Incapable`] if it takes prompts only.
    pub fn vision(&self) -> Result<&dyn VisionModel, ModelError> {
        match &self.network {
            Network::Vision(model) => Ok(&**model),
            Network::Promptable(_) => Err(self.lacks(Capability::ClassMap)),
        }
    }

    /// Whether this model stands on the encodings of `other`, so that a photo
    /// need not be encoded for both.
    pub fn stands_on(&self, other: &Self) -> bool {
        match (&self.network, &other.network) {
            (Network::Vision(model), Network::Promptable(encoder)) => {
                let own = model.on_encodings().and_then(VitDeepLab::encoder);
                own.is_some_and(|own| Arc::ptr_eq(own, encoder))
            }
            _ => false,
        }
    }

    /// That the model can be asked for `what`.
    ///
    /// # Errors
    /// [`ModelError::Incapable`] if not.
    pub fn needs(&self, what: Capability) -> Result<(), ModelError> {
        if self.info.can(what) {
            Ok(())
        } else {
            Err(self.lacks(what))
        }
    }

    /// The error that says that it cannot do this, and what it can.
    pub(super) fn lacks(&self, what: Capability) -> ModelError {
        let can: Vec<&str> = self.info.capabilities.iter().map(|c| c.verb()).collect();
        ModelError::Incapable {
            title: self.info.title.to_string(),
            what: what.verb(),
            can: can.join(", "),
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

const PROMPTABLE: &[Capability] = &[
    Capability::Prompts,
    Capability::Everything,
    Capability::Attention,
];

/// Load an embedded model by name, or a checkpoint from its folder. Reports
/// how much of the weights has been read, and stops when asked to.
///
/// # Errors
/// If there is no such model, or it cannot be used; [`ModelError::Cancelled`].
pub fn load(
    name_or_folder: impl AsRef<OsStr>,
    task: Task<'_>,
) -> Result<Arc<LoadedModel>, ModelError> {
    let name = name_or_folder.as_ref();
    if let Some(model) = embedded::named(name) {
        return model?.load(task);
    }
    load_folder(existing(name)?, task).map(Arc::new)
}

/// Describe a model without loading it.
///
/// # Errors
/// If there is no such model, or its configuration cannot be used.
pub fn describe(name_or_folder: impl AsRef<OsStr>) -> Result<ModelInfo, ModelError> {
    let name = name_or_folder.as_ref();
    if let Some(model) = embedded::named(name) {
        return model?.describe();
    }
    let folder = existing(name)?;
    Ok(info_of(&Checkpoint::read(folder)?))
}

fn existing(name: &OsStr) -> Result<&Path, ModelError> {
    let folder = Path::new(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    let known: Vec<_> = embedded().into_iter().map(|info| info.name).collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    Err(ModelError::UnknownModel {
        name: name.to_string_lossy().into(),
        known,
    })
}

fn load_folder(folder: &Path, task: Task<'_>) -> Result<LoadedModel, ModelError> {
    let checkpoint = Checkpoint::read(folder)?;
    let weights = checkpoint.weights()?.watched(task);
    task.check()?;
    build(checkpoint, &weights)
}

/// The model of a checkpoint.
fn build(checkpoint: Checkpoint, weights: &Weights) -> Result<LoadedModel, ModelError> {
    let (config, family) = (&checkpoint.config, checkpoint.family);
    let network = match family {
        Family::MobileSam => Network::Promptable(Arc::new(mobile_sam::load(weights, &checkpoint)?)),
        Family::Sam => Network::Promptable(Arc::new(sam::load(weights, &checkpoint)?)),
        Family::Vit | Family::Deit | Family::Dinov2 | Family::Dinov2WithRegisters => {
            Network::Vision(Box::new(vit::VisionTransformer::load(
                weights, config, family,
            )?))
        }
        Family::MobileVit => {
            Network::Vision(Box::new(mobilevit::MobileVit::load(weights, config)?))
        }
        Family::SegFormer => {
            Network::Vision(Box::new(segformer::SegFormer::load(weights, config)?))
        }
        Family::VitDeepLab => Network::Vision(Box::new(deeplab::VitDeepLab::load(
            weights,
            config,
            embedded::encoder,
        )?)),
    };
    let mut info = info_of(&checkpoint);
    info.parameters = weights.parameters();
    // The network knows best: a configuration may not name its class.
    info.capabilities = Cow::Borrowed(match &network {
        Network::Promptable(_) => PROMPTABLE,
        Network::Vision(model) => answers(model.kind()),
    });
    Ok(LoadedModel {
        info,
        preprocessor: checkpoint.preprocessor,
        network,
    })
}

/// What a checkpoint says about itself.
fn info_of(checkpoint: &Checkpoint) -> ModelInfo {
    ModelInfo {
        name: checkpoint.folder.to_string_lossy().into_owned().into(),
        title: checkpoint.title.clone().into(),
        family: checkpoint.family,
        parameters: 0,
        licence: match &checkpoint.licence {
            Some(licence) => licence.clone().into(),
            None => "licence not stated".into(),
        },
        capabilities: Cow::Borrowed(capabilities(checkpoint)),
        labels: Arc::new(checkpoint.labels.clone()),
        embedded: false,
        crops: checkpoint.preprocessor.crop.is_some(),
    }
}

/// What a model can be asked for, by its class in the reference
/// implementation.
fn capabilities(checkpoint: &Checkpoint) -> &'static [Capability] {
    let class = checkpoint.config.get("architectures");
    let class = class
        .and_then(|list| list.get(0)?.as_str())
        .unwrap_or_default();
    match checkpoint.family {
        Family::MobileSam | Family::Sam => PROMPTABLE,
        _ if class.contains("ForImageClassification") => answers(OutputKind::Classes),
        _ if class.contains("ForSemanticSegmentation") => answers(OutputKind::Dense),
        _ => answers(OutputKind::Features),
    }
}

fn answers(kind: OutputKind) -> &'static [Capability] {
    match kind {
        OutputKind::Classes => &[Capability::Classes, Capability::Attention],
        OutputKind::Dense => &[Capability::ClassMap, Capability::Attention],
        OutputKind::Features => &[Capability::Attention],
    }
}

#[cfg(test)]
mod tests;
