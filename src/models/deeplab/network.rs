//! The network: a backbone, the pyramid, the decoder, and what says which
//! classes a photo shows.

use super::aspp::Aspp;
use super::decoder::Decoder;
use super::layers::Linear;
use super::trace::Tap;
use crate::models::ModelError;
use crate::nn::Probe;
use crate::task::Task;
use candle_core::Tensor;

/// What a network makes of a batch of photos.
#[derive(Clone, Debug)]
pub struct Scores {
    /// (photos, rows, columns, outputs): scores of the classes before the
    /// softmax, then of the boundary before the sigmoid, if the network has
    /// one; coarser than the photos.
    pub dense: Tensor,
    /// (photos, classes): whether a photo shows a class, before the sigmoid.
    pub presence: Option<Tensor>,
}

/// What goes along with a forward pass.
#[derive(Default)]
pub struct Pass<'a> {
    /// Takes queries and keys, layer by layer, of one photo, and says which
    /// attention heads are off.
    pub probe: Probe<'a>,
    /// Takes what gradients are to be read off at, block by block, if they are
    /// wanted.
    pub(super) taps: Option<&'a mut Vec<Tap>>,
    /// To be polled and reported to.
    pub task: Option<Task<'a>>,
}

impl Pass<'_> {
    /// Step `done` of `total` begins.
    pub(super) fn step(&self, done: usize, total: usize) -> Result<(), ModelError> {
        if let Some(task) = self.task {
            task.progress(done as f32 / total as f32);
            task.check()?;
        }
        Ok(())
    }
}

/// A network that can be trained.
pub trait Network: Send + Sync {
    /// What it makes of its inputs, all (photos, rows, columns, channels).
    ///
    /// # Errors
    /// If the inputs are not those of this network; [`ModelError::Cancelled`].
    fn observe(&self, inputs: &[Tensor], pass: &mut Pass<'_>) -> Result<Scores, ModelError>;

    /// As [`Network::observe`], unobserved.
    ///
    /// # Errors
    /// If the inputs are not those of this network.
    fn forward(&self, inputs: &[Tensor]) -> Result<Scores, ModelError> {
        self.observe(inputs, &mut Pass::default())
    }
}

/// Maps of a backbone.
pub(super) struct Features {
    /// (photos, rows, columns, width) at stride 16.
    pub deep: Tensor,
    /// Finer ones for the decoder, coarsest first.
    pub fine: Vec<Tensor>,
}

/// What a DeepLabV3+ stands on.
pub(super) trait Backbone: Send + Sync {
    fn forward(&self, inputs: &[Tensor], pass: &mut Pass<'_>) -> Result<Features, ModelError>;

    /// Channels of the deep map.
    fn width(&self) -> usize;
}

/// DeepLabV3+ (Chen et al. 2018, arXiv 1802.02611) on a Vision Transformer,
/// with layer norms instead of batch norms: what it makes of a photo does not
/// depend on the others of its batch.
pub(super) struct DeepLabV3Plus<B> {
    pub backbone: B,
    pub aspp: Aspp,
    pub decoder: Decoder,
    /// Multi-label classifier on the mean of the deep map.
    pub presence: Option<Linear>,
}

impl<B: Backbone> Network for DeepLabV3Plus<B> {
    fn observe(&self, inputs: &[Tensor], pass: &mut Pass<'_>) -> Result<Scores, ModelError> {
        let features = self.backbone.forward(inputs, pass)?;
        let pooled = |head: &Linear| head.forward(&features.deep.mean((1, 2))?);
        let presence = self.presence.as_ref().map(pooled).transpose()?;
        pass.step(1, 3)?;
        let pyramid = self.aspp.forward(&features.deep)?;
        pass.step(2, 3)?;
        let dense = self.decoder.forward(pyramid, &features.fine)?;
        pass.step(1, 1)?;
        Ok(Scores { dense, presence })
    }
}
