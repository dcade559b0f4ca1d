//! What an image encoder made of a photo.

use super::{FeatureMap, LowResMask, upsample};
use crate::label::Mask;
use crate::models::{ModelError, View};
use crate::nn::ImageProjections;
use crate::nn::capture::{Grid, QueryKey};
use candle_core::Tensor;
use std::sync::Arc;

/// What the encoder made of a photo. Clones share it.
#[derive(Clone)]
pub struct Encoding(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) resized: (usize, usize),
    pub(super) frame: usize,
    /// (rows, columns, channels).
    pub(super) embedding: Tensor,
    /// Projections for the decoder's first block without a mask prompt: the
    /// same for all such prompts.
    pub(super) projected: ImageProjections,
    pub(super) records: Vec<QueryKey>,
    /// Maps of the encoder's stages, finest first.
    pub(super) levels: Vec<FeatureMap>,
}

impl Encoding {
    /// Width of the photo in pixels.
    pub fn width(&self) -> u32 {
        self.0.width
    }

    /// Height of the photo in pixels.
    pub fn height(&self) -> u32 {
        self.0.height
    }

    /// The feature map, (rows, columns, channels).
    pub fn embedding(&self) -> &Tensor {
        &self.0.embedding
    }

    /// The token grid of the feature map. Photos cover its upper left part:
    /// see [`Encoding::covered`].
    pub fn grid(&self) -> Grid {
        let dims = self.0.embedding.dims();
        Grid {
            rows: dims[0],
            columns: dims[1],
        }
    }

    /// Width and height of the part of the model's square frame that the photo
    /// covers, as fractions 0..1; the rest is padding.
    pub fn covered(&self) -> (f32, f32) {
        let frame = self.0.frame as f32;
        (
            self.0.resized.0 as f32 / frame,
            self.0.resized.1 as f32 / frame,
        )
    }

    /// The part of the photo under the model's square frame, which the token
    /// grids cover: beyond the photo at the right or below.
    pub fn frame_view(&self) -> View {
        let (across, down) = self.covered();
        View {
            left: 0.0,
            top: 0.0,
            right: f64::from(self.width()) / f64::from(across),
            bottom: f64::from(self.height()) / f64::from(down),
        }
    }

    /// Width and height of the photo inside the model's frame, in pixels.
    pub fn resized(&self) -> (usize, usize) {
        self.0.resized
    }

    /// Queries and keys of the encoder, layer by layer; empty if they were not
    /// asked for.
    pub fn records(&self) -> &[QueryKey] {
        &self.0.records
    }

    /// The features that a decode head needs, over the part of the frame that
    /// the photo covers: the maps of a hierarchical encoder's stages, finest
    /// first, then the embedding.
    ///
    /// # Errors
    /// None are expected: the embedding is a map.
    pub fn feature_maps(&self) -> Result<Vec<FeatureMap>, ModelError> {
        let inner = &*self.0;
        let embedding = FeatureMap::of(&inner.embedding, inner.frame, inner.resized)?;
        let mut maps = inner.levels.clone();
        maps.push(embedding);
        Ok(maps)
    }

    /// The part of the photo that the finest of [`Encoding::feature_maps`]
    /// covers; its last row and column may reach beyond the photo.
    pub fn view(&self) -> View {
        let inner = &*self.0;
        let stride = inner.levels.first().map_or(1, |map| map.stride);
        let covered = |side: usize, photo: u32| {
            side.next_multiple_of(stride) as f64 / side as f64 * f64::from(photo)
        };
        View {
            left: 0.0,
            top: 0.0,
            right: covered(inner.resized.0, inner.width),
            bottom: covered(inner.resized.1, inner.height),
        }
    }

    /// Bytes of memory that this encoding holds.
    pub fn bytes(&self) -> usize {
        let inner = &*self.0;
        let records: usize = inner.records.iter().map(QueryKey::bytes).sum();
        let levels: usize = inner.levels.iter().map(FeatureMap::bytes).sum();
        4 * inner.embedding.elem_count() + inner.projected.bytes() + records + levels
    }

    /// Logits as a mask of the photo's pixels: bilinear to the model's frame,
    /// cropped, bilinear to the photo, positive.
    pub fn upsample(&self, low_res: &LowResMask) -> Mask {
        let photo = (self.0.width as usize, self.0.height as usize);
        upsample::mask(low_res, self.0.frame, self.0.resized, photo)
    }
}

impl std::fmt::Debug for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoding")
            .field("width", &self.width())
            .field("height", &self.height())
            .field("bytes", &self.bytes())
            .finish()
    }
}
