//! A trained network as a checkpoint folder: what `--model` takes.

use super::{Config, TrainError};
use crate::models::deeplab::{BackboneConfig, DeepLabConfig};
use half::f16;
use half::slice::HalfFloatSliceExt;
use safetensors::tensor::Dtype;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A trained network, described.
#[derive(Clone, Debug)]
pub struct Snapshot<'a> {
    /// Its sizes.
    pub network: &'a DeepLabConfig,
    /// What it was trained on.
    pub config: &'a Config,
    /// Classes of the merged space whose pixels form objects.
    pub objects: Vec<usize>,
}

/// A tensor: its name, shape and values.
pub type Named<'a> = (&'a str, &'a [usize], &'a [f32]);

impl Snapshot<'_> {
    /// The files of the folder: both configurations, and the weights in half
    /// precision.
    ///
    /// # Errors
    /// If a weight is too large for half precision.
    pub fn files<'w>(
        &self,
        folder: &Path,
        weights: impl Iterator<Item = Named<'w>>,
    ) -> Result<Vec<(PathBuf, Vec<u8>)>, TrainError> {
        let text = |value: Value| {
            let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
            text.push('\n');
            text.into_bytes()
        };
        let weights_file = folder.join("model.safetensors");
        let weights = halved(weights, &weights_file)?;
        Ok(vec![
            (folder.join("config.json"), text(self.model_config())),
            (
                folder.join("preprocessor_config.json"),
                text(self.preprocessor()),
            ),
            (weights_file, weights),
        ])
    }

    fn model_config(&self) -> Value {
        let classes = self.config.classes.iter();
        let names: BTreeMap<String, &str> = classes
            .enumerate()
            .map(|(id, class)| (id.to_string(), class.name.as_str()))
            .collect();
        let colors: Vec<[u8; 3]> = self
            .config
            .classes
            .iter()
            .map(|class| class.color)
            .collect();
        let mut config = json!({
            "architectures": ["VitDeepLabV3PlusForSemanticSegmentation"],
            "model_type": "vit_deeplabv3plus",
            "network": self.network,
            "id2label": names,
            "palette": colors,
            "object_classes": self.objects,
        });
        if matches!(self.network.backbone, BackboneConfig::TinyVit(_)) {
            config["encoder"] = "mobile-sam".into();
        }
        config
    }

    fn preprocessor(&self) -> Value {
        // Inputs are filled up to whole places of the map that scores lie on
        // (TinyViT) or of the token grid, as in training.
        let divisor = match self.network.backbone {
            BackboneConfig::PlainVit(_) => 16,
            BackboneConfig::TinyVit(_) => 4,
        };
        json!({
            "image_processor_type": "VitDeepLabV3PlusImageProcessor",
            "do_resize": true,
            "size": { "longest_edge": self.config.long_edge },
            "resample": 2,
            "do_rescale": true,
            "rescale_factor": 1.0 / 255.0,
            "do_normalize": true,
            "image_mean": super::pictures::MEAN,
            "image_std": super::pictures::DEVIATION,
            "size_divisor": divisor,
        })
    }
}

/// A safetensors file in half precision.
fn halved<'w>(
    weights: impl Iterator<Item = Named<'w>>,
    file: &Path,
) -> Result<Vec<u8>, TrainError> {
    let wrong = |why: String| TrainError::Weights {
        file: file.display().to_string(),
        why,
    };
    let mut tensors = Vec::new();
    for (name, shape, values) in weights {
        let mut half = vec![f16::ZERO; values.len()];
        half.convert_from_f32_slice(values);
        if !half.iter().all(|value| value.is_finite()) {
            return Err(wrong(format!(
                "{name} has values too large for half precision"
            )));
        }
        tensors.push((
            name,
            Half {
                shape,
                values: half,
            },
        ));
    }
    safetensors::serialize(tensors, None).map_err(|error| wrong(error.to_string()))
}

/// A tensor in half precision, as safetensors takes it.
struct Half<'a> {
    shape: &'a [usize],
    values: Vec<f16>,
}

impl safetensors::View for Half<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F16
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = self.values.reinterpret_cast().iter();
        Cow::Owned(values.flat_map(|v| v.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        2 * self.values.len()
    }
}
