//! Building blocks of Vision Transformers, channels-last.
//!
//! A module owns its weights (packed for the kernels at construction) and maps
//! candle tensors: maps are `(height, width, channels)`, token sequences
//! `(tokens, channels)`, both contiguous f32 in main memory. Inside, the work
//! is done on slices by [`kernels`], several steps at a time while the data is
//! in the cache. Modules know nothing of checkpoints: `models` reads tensors,
//! checks their shapes and hands them over.
//!
//! Attention modules can record their queries and keys: see [`capture`].

pub mod capture;
mod conv;
mod cross_attention;
mod hypernetwork;
pub mod kernels;
mod linear;
mod mlp;
mod norm;
mod position;
mod two_way;
mod values;
mod window;

#[cfg(test)]
pub(crate) mod testing;

pub use capture::Capture;
pub use conv::{Bottleneck, Conv3x3, ConvStem, Depthwise, FoldedConv};
pub use cross_attention::{CrossAttention, ImageSide, TokenSide};
pub use hypernetwork::MaskHead;
pub use linear::{Linear, Mlp};
pub use mlp::MlpBlock;
pub use norm::LayerNorm;
pub use position::RandomFourier;
pub use two_way::{ImageProjections, TwoWayBlock, TwoWayTransformer};
pub use values::{Values, map_size};
pub use window::WindowAttention;
