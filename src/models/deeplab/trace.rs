//! From the gradient of scores back through the blocks of a plain network.

use super::VitDeepLab;
use super::network::Pass;
use crate::models::{ModelError, Traceable};
use crate::nn::capture::Tokens;
use crate::nn::{Ablation, LayerGradient, Probe, Values, Watch, grad};
use crate::task::Task;
use candle_core::{Device, Tensor, Var};

/// Share of the way back in the work: about two forward passes.
const BACK: f32 = 0.65;

/// Where a gradient is to be read off: the outputs of a block's attention heads.
pub(super) struct Tap {
    pub layout: Tokens,
    pub attention_heads: usize,
    /// (1, tokens, 3 · width).
    pub qkv: Tensor,
    /// Zeros that were added to the outputs, (1, tokens, width): their gradient is
    /// that of the outputs.
    pub zeros: Var,
}

impl Traceable for VitDeepLab {
    fn trace(
        &self,
        pixels: &Tensor,
        ablation: &Ablation,
        gradient: &[f32],
        visit: &mut dyn FnMut(&LayerGradient) -> Result<(), ModelError>,
        task: Task<'_>,
    ) -> Result<(), ModelError> {
        let (mut taps, mut records) = (Vec::new(), Vec::new());
        let watch = Watch {
            ablation: ablation.clone(),
            ..Watch::default()
        };
        let report = |fraction: f32| task.progress(fraction * (1.0 - BACK));
        let mut pass = Pass {
            probe: Probe::new(&watch, &mut records),
            taps: Some(&mut taps),
            task: Some(task.reporting_to(&report)),
        };
        let scores = self.network.observe(&[pixels.unsqueeze(0)?], &mut pass)?;
        let gradient = self.of_outputs(&scores.dense, gradient)?;
        let found = grad::with_gradient(&scores.dense, 0.0, gradient)?.backward()?;
        for tap in taps.iter().rev() {
            task.check()?;
            let missing = || ModelError::Compute("a layer has no gradient".to_owned());
            let outputs = found.get(&tap.zeros).ok_or_else(missing)?.contiguous()?;
            let (qkv, outputs) = (
                Values::of(&tap.qkv)?.to_vec(),
                Values::of(&outputs)?.to_vec(),
            );
            let heads = tap.attention_heads;
            visit(&LayerGradient::new(tap.layout, heads, qkv, outputs)?)?;
        }
        task.progress(1.0);
        Ok(())
    }
}

impl VitDeepLab {
    /// The gradient of all outputs `dense` (1, rows, columns, outputs) from that
    /// of the logits (rows, columns, classes): no other output matters.
    fn of_outputs(&self, dense: &Tensor, gradient: &[f32]) -> Result<Tensor, ModelError> {
        let (_, rows, columns, outputs) = dense.dims4()?;
        let classes = self.config.classes;
        let gradient = Tensor::from_slice(gradient, (1, rows, columns, classes), &Device::Cpu)?;
        Ok(gradient
            .pad_with_zeros(3, 0, outputs - classes)?
            .contiguous()?)
    }
}
