//! Building blocks of Vision Transformers, channels-last.
//!
//! A module owns its weights (packed for the kernels at construction) and maps
//! candle tensors: maps are `(height, width, channels)`, token sequences
//! `(tokens, channels)`, both contiguous f32 in main memory. Inside, the work
//! is done on slices by [`kernels`], several steps at a time while the data is
//! in the cache. Modules know nothing of checkpoints: `models` reads tensors,
//! checks their shapes and hands them over.
//!
//! Attention modules can record their queries and keys: see [`capture`]. Each of
//! their attention heads can be switched off: see [`Ablation`]. A [`Watch`] says
//! what is wanted of a forward pass.

mod ablation;
mod all_mlp_head;
mod aspp;
mod attend;
pub mod capture;
mod conv;
mod conv2d;
mod cross_attention;
mod filtered_mlp;
pub mod grad;
mod hypernetwork;
mod interpolate;
mod inverted_residual;
pub mod kernels;
mod layer_gradient;
mod linear;
mod mix_ffn;
mod mlp;
mod mobilevit_block;
mod norm;
mod patch_embedding;
mod pooling;
mod position;
mod position_encoding;
mod relative_attention;
mod rows;
mod self_attention;
mod spatial_reduction_attention;
mod swiglu;
mod transformer;
mod two_way;
mod values;
mod watch;
mod window;

#[cfg(test)]
pub(crate) mod testing;

pub use ablation::{Ablation, LayerAblation};
pub use all_mlp_head::{AllMlpHead, StageLinear};
pub use aspp::Aspp;
pub use capture::Capture;
pub use conv::{Bottleneck, Conv3x3, ConvStem, Depthwise, FoldedConv};
pub use conv2d::{BatchNorm, Conv2d, Reach};
pub use cross_attention::{CrossAttention, ImageSide, TokenSide};
pub use filtered_mlp::ChannelFilter;
pub use hypernetwork::MaskHead;
pub use interpolate::{Interpolation, resize_map};
pub use inverted_residual::InvertedResidual;
pub use layer_gradient::{HeadGradient, LayerGradient};
pub use linear::{Linear, Mlp};
pub use mix_ffn::MixFfn;
pub use mlp::MlpBlock;
pub use mobilevit_block::{MobileVitBlock, Patches, PhaseLayer, Phases};
pub use norm::LayerNorm;
pub use patch_embedding::PatchEmbedding;
pub use pooling::Pooling;
pub use position::RandomFourier;
pub use position_encoding::PositionEncoding;
pub use relative_attention::{RelativeAttention, RelativePositions};
pub use rows::{mean_row, row_lengths};
pub use self_attention::{MultiHeadSelfAttention, RecordAs};
pub use spatial_reduction_attention::SpatialReductionAttention;
pub use swiglu::SwiGlu;
pub use transformer::{FeedForward, TransformerBlock, TransformerEncoder};
pub use two_way::{ImageProjections, TwoWayBlock, TwoWayTransformer};
pub use values::{Values, map_size};
pub use watch::{Probe, Watch};
pub use window::WindowAttention;
