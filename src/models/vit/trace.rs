//! From the gradient of a class's score back through the encoder.

use super::VisionTransformer;
use crate::models::{ModelError, Traceable};
use crate::nn::{Ablation, LayerGradient};
use crate::task::Task;
use candle_core::Tensor;

impl Traceable for VisionTransformer {
    fn trace(
        &self,
        pixels: &Tensor,
        ablation: &Ablation,
        gradient: &[f32],
        visit: &mut dyn FnMut(&LayerGradient) -> Result<(), ModelError>,
        task: Task<'_>,
    ) -> Result<(), ModelError> {
        let (tokens, layout) = self.embed(pixels)?;
        let gradient = self.head.gradient(gradient, layout, self.config.width)?;
        let given = (&tokens, layout, ablation);
        self.encoder.trace(given, &gradient, visit, task)
    }
}
