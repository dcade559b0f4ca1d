//! The models that are part of the program, laid out under `weights/` as any
//! checkpoint.

use super::{LoadedModel, ModelInfo, Network, build, info_of};
use crate::models::checkpoint::Checkpoint;
use crate::models::{ModelError, PromptableModel, Weights};
use crate::task::Task;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Name of the embedded MobileSAM, which prompts go to where no other model is
/// chosen.
pub const MOBILE_SAM: &str = "mobile-sam";
/// Name of the DeepLabV3+ on MobileSAM's encoder: the better one.
pub const TINY_DEEPLAB: &str = "tinyvit-deeplabv3plus";
/// Name of the DeepLabV3+ on a plain ViT: the smaller one, whose attention is
/// global.
pub const PLAIN_DEEPLAB: &str = "vit-deeplabv3plus";

/// A checkpoint inside the program.
pub(super) struct Embedded {
    name: &'static str,
    title: &'static str,
    /// Those of the weights, as an SPDX expression.
    licence: &'static str,
    parameters: usize,
    config: &'static str,
    preprocessor: &'static str,
    weights: &'static [u8],
    /// In memory as long as somebody uses it: whoever loads it again, or
    /// stands on its encodings, shares it.
    loaded: Mutex<Weak<LoadedModel>>,
}

#[cfg(feature = "embedded-weights")]
macro_rules! embedded {
    ($name:ident, $folder:literal, $title:literal, $licence:literal, $parameters:literal) => {
        Embedded {
            name: $name,
            title: $title,
            licence: $licence,
            parameters: $parameters,
            config: include_str!(concat!("../../../weights/", $folder, "/config.json")),
            preprocessor: include_str!(concat!(
                "../../../weights/",
                $folder,
                "/preprocessor_config.json"
            )),
            weights: include_bytes!(concat!("../../../weights/", $folder, "/model.safetensors")),
            loaded: Mutex::new(Weak::new()),
        }
    };
}

#[cfg(feature = "embedded-weights")]
static MODELS: [Embedded; 3] = [
    embedded!(
        MOBILE_SAM,
        "mobile-sam",
        "MobileSAM",
        "Apache-2.0",
        9_803_780
    ),
    embedded!(
        TINY_DEEPLAB,
        "tinyvit-deeplabv3plus",
        "TinyViT-DeepLabV3+",
        "MIT OR Apache-2.0",
        392_009
    ),
    embedded!(
        PLAIN_DEEPLAB,
        "vit-deeplabv3plus",
        "ViT-DeepLabV3+",
        "MIT OR Apache-2.0",
        4_773_513
    ),
];
#[cfg(not(feature = "embedded-weights"))]
static MODELS: [Embedded; 0] = [];

/// The models that are part of this build; empty without the feature
/// `embedded-weights`.
pub fn embedded() -> Vec<ModelInfo> {
    // A model whose files were damaged when the program was built would be
    // missing; a test loads them all.
    let infos = MODELS.iter().map(Embedded::describe);
    infos.filter_map(Result::ok).collect()
}

/// Whether `name` is that of an embedded model, which wins over a folder of
/// the same name (`./NAME` means the folder).
pub fn is_embedded_name(name: &OsStr) -> bool {
    [MOBILE_SAM, TINY_DEEPLAB, PLAIN_DEEPLAB]
        .iter()
        .any(|known| name == *known)
}

/// The weights of the embedded model `name`, as a safetensors file holds them.
pub fn embedded_weights(name: &OsStr) -> Option<&'static [u8]> {
    let model = MODELS.iter().find(|model| name == model.name);
    model.map(|model| model.weights)
}

/// The embedded model of that name.
///
/// # Errors
/// [`ModelError::NotEmbedded`] if it was left out of this build.
pub(super) fn named(name: &OsStr) -> Option<Result<&'static Embedded, ModelError>> {
    is_embedded_name(name).then(|| {
        let model = MODELS.iter().find(|model| name == model.name);
        model.ok_or(ModelError::NotEmbedded)
    })
}

/// The model that networks of [`crate::models::Family::VitDeepLab`] stand on.
pub(super) fn encoder() -> Result<Arc<PromptableModel>, ModelError> {
    let model = named(MOBILE_SAM.as_ref()).ok_or(ModelError::NotEmbedded)??;
    match &crate::task::detached(|task| model.load(task))?.network {
        Network::Promptable(model) => Ok(model.clone()),
        Network::Vision(_) => Err(ModelError::NotEmbedded),
    }
}

impl Embedded {
    pub(super) fn describe(&self) -> Result<ModelInfo, ModelError> {
        let mut info = info_of(&self.checkpoint()?);
        self.name(&mut info);
        Ok(info)
    }

    fn checkpoint(&self) -> Result<Checkpoint, ModelError> {
        Checkpoint::parse(self.name, self.config, self.preprocessor)
    }

    fn name(&self, info: &mut ModelInfo) {
        info.name = Cow::Borrowed(self.name);
        info.title = Cow::Borrowed(self.title);
        info.licence = Cow::Borrowed(self.licence);
        info.parameters = self.parameters;
        info.embedded = true;
    }

    pub(super) fn load(&self, task: Task<'_>) -> Result<Arc<LoadedModel>, ModelError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = loaded.upgrade() {
            return Ok(model);
        }
        let weights = Weights::parse(self.weights, self.name)?.watched(task);
        let mut model = build(self.checkpoint()?, &weights)?;
        self.name(&mut model.info);
        let model = Arc::new(model);
        *loaded = Arc::downgrade(&model);
        Ok(model)
    }
}
