//! DeepLabV3+'s decoder: from the pyramid up to fine maps.

use super::layers::{Linear, Point, Separable};
use super::source::Part;
use crate::models::ModelError;
use crate::nn::grad;
use candle_core::Tensor;

/// A fine map joins: it is narrowed to `narrowed` channels, what came from
/// below is narrowed to `below`, enlarged and set beside it, and `convs`
/// separable convolutions make `to` channels of both.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepPlan {
    pub fine: usize,
    pub narrowed: usize,
    pub below: usize,
    pub to: usize,
    pub convs: usize,
}

/// The low-level feature fusion (Chen et al. 2018, arXiv 1802.02611, figure
/// 2), once for each fine map, and the classifier.
pub(super) struct Decoder {
    steps: Vec<Step>,
    classifier: Linear,
}

struct Step {
    fine: Point,
    below: Point,
    convs: Vec<Separable>,
}

impl Decoder {
    /// From `from` channels of the pyramid to `outputs` scores.
    pub fn new(
        part: &Part<'_>,
        from: usize,
        plans: &[StepPlan],
        outputs: usize,
    ) -> Result<Self, ModelError> {
        let mut width = from;
        let mut steps = Vec::new();
        for (i, plan) in plans.iter().enumerate() {
            steps.push(Step::new(
                &part.part(format_args!("steps.{i}")),
                width,
                plan,
            )?);
            width = plan.to;
        }
        Ok(Self {
            steps,
            classifier: Linear::new(&part.part("classifier"), width, outputs)?,
        })
    }

    /// Scores (photos, rows, columns, outputs) at the places of the last of
    /// the fine maps, which come coarsest first.
    pub fn forward(&self, pyramid: Tensor, fine: &[Tensor]) -> Result<Tensor, ModelError> {
        let mut x = pyramid;
        for (step, fine) in self.steps.iter().zip(fine) {
            x = step.forward(&x, fine)?;
        }
        self.classifier.forward(&x)
    }
}

impl Step {
    fn new(part: &Part<'_>, from: usize, plan: &StepPlan) -> Result<Self, ModelError> {
        let conv = |i| {
            let inputs = match i {
                0 => plan.narrowed + plan.below,
                _ => plan.to,
            };
            Separable::new(&part.part(format_args!("convs.{i}")), inputs, plan.to)
        };
        Ok(Self {
            fine: Point::new(&part.part("fine"), plan.fine, plan.narrowed)?,
            below: Point::new(&part.part("below"), from, plan.below)?,
            convs: (0..plan.convs).map(conv).collect::<Result<_, _>>()?,
        })
    }

    fn forward(&self, below: &Tensor, fine: &Tensor) -> Result<Tensor, ModelError> {
        let (_, rows, columns, _) = fine.dims4()?;
        let below = grad::resize(&self.below.forward(below)?, (rows, columns))?;
        let mut x = Tensor::cat(&[below, self.fine.forward(fine)?], 3)?;
        for conv in &self.convs {
            x = conv.forward(&x, 1)?;
        }
        Ok(x)
    }
}
