//! A trained network as a model: from its checkpoint to the scores of a photo.

use super::{BackboneConfig, DeepLabConfig, Network, Pass};
use crate::models::promptable::FeatureMap;
use crate::models::{
    Boundary, Config, Dense, ModelError, Output, OutputKind, PromptableModel, Run, Traceable,
    VisionModel, Weights,
};
use crate::nn::capture::QueryKey;
use crate::nn::{Probe, Watch};
use crate::task::Task;
use candle_core::Tensor;
use std::sync::Arc;

/// Share of the frozen encoder in the work.
const ENCODING: f32 = 0.85;

/// DeepLabV3+ on a Vision Transformer, trained. Immutable; share it by `Arc`.
pub struct VitDeepLab {
    pub(super) network: Box<dyn Network>,
    pub(super) config: DeepLabConfig,
    /// What makes the maps that the network stands on, if it needs one.
    encoder: Option<Arc<PromptableModel>>,
    /// Classes whose pixels form objects, of which the boundary is known.
    objects: Arc<[usize]>,
    parameters: usize,
}

impl VitDeepLab {
    /// From a checkpoint's tensors and the `network` of its `config.json`.
    /// `encoder` gives MobileSAM for a network that stands on it.
    ///
    /// # Errors
    /// If the configuration makes no sense, or tensors are missing or do not
    /// fit it.
    pub fn load(
        weights: &Weights,
        config: &Config,
        encoder: impl FnOnce() -> Result<Arc<PromptableModel>, ModelError>,
    ) -> Result<Self, ModelError> {
        let sizes = DeepLabConfig::of(config)?;
        Ok(Self {
            network: sizes.build(weights)?,
            encoder: match sizes.backbone {
                BackboneConfig::PlainVit(_) => None,
                BackboneConfig::TinyVit(_) => Some(encoder()?),
            },
            config: sizes,
            objects: objects(config)?,
            parameters: weights.parameters(),
        })
    }

    /// The model whose encodings [`VitDeepLab::run_on`] takes; `None` if the
    /// network looks at pictures itself.
    pub fn encoder(&self) -> Option<&Arc<PromptableModel>> {
        self.encoder.as_ref()
    }

    /// As [`VisionModel::run`], from the maps of an encoding.
    ///
    /// # Errors
    /// If they are not those of the encoder; [`ModelError::Cancelled`].
    pub fn run_on(&self, maps: &[FeatureMap], task: Task<'_>) -> Result<Run, ModelError> {
        let inputs = maps.iter().map(FeatureMap::tensor);
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        self.ask(&inputs, &Watch::default(), task)
    }

    fn ask(&self, inputs: &[Tensor], watch: &Watch, task: Task<'_>) -> Result<Run, ModelError> {
        let mut records: Vec<QueryKey> = Vec::new();
        let mut pass = Pass {
            probe: Probe::new(watch, &mut records),
            taps: None,
            task: Some(task),
        };
        let scores = self.network.observe(inputs, &mut pass)?;
        let classes = self.config.classes;
        let dense = scores.dense.squeeze(0)?;
        let boundary = match self.config.boundary {
            true => Some(Boundary {
                scores: dense.narrow(2, classes, 1)?.squeeze(2)?.contiguous()?,
                classes: self.objects.clone(),
            }),
            false => None,
        };
        let presence = scores.presence.map(|scores| scores.squeeze(0)?.to_vec1());
        Ok(Run {
            output: Output::Dense(Dense {
                logits: dense.narrow(2, 0, classes)?.contiguous()?,
                boundary,
                presence: presence.transpose()?,
            }),
            hidden: None,
            records,
        })
    }
}

/// `object_classes`: those whose boundaries the network was taught.
fn objects(config: &Config) -> Result<Arc<[usize]>, ModelError> {
    let Some(list) = config.get("object_classes") else {
        return Ok(Arc::default());
    };
    let ids: Result<Vec<usize>, _> = serde_json::from_value(list.clone());
    let ids = ids.map_err(|_| config.bad("object_classes must be a list of class numbers"))?;
    Ok(ids.into())
}

impl VisionModel for VitDeepLab {
    fn run(&self, pixels: &Tensor, watch: &Watch, task: Task<'_>) -> Result<Run, ModelError> {
        let (height, width, _) = pixels.dims3()?;
        let least = self.stride();
        if height < least || width < least {
            return Err(ModelError::TooSmall {
                width,
                height,
                least,
            });
        }
        let Some(encoder) = &self.encoder else {
            return self.ask(&[pixels.unsqueeze(0)?], watch, task);
        };
        let report = |fraction: f32| task.progress(fraction * ENCODING);
        let (maps, records) = encoder.feature_maps(pixels, watch, task.reporting_to(&report))?;
        let report = |fraction: f32| task.progress(ENCODING + fraction * (1.0 - ENCODING));
        let run = self.run_on(&maps, task.reporting_to(&report))?;
        Ok(Run { records, ..run })
    }

    fn kind(&self) -> OutputKind {
        OutputKind::Dense
    }

    fn stride(&self) -> usize {
        16
    }

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn on_encodings(&self) -> Option<&VitDeepLab> {
        self.encoder.is_some().then_some(self)
    }

    fn traceable(&self) -> Option<&dyn Traceable> {
        self.encoder.is_none().then_some(self as &dyn Traceable)
    }
}
