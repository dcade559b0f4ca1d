//! The maps inside a hierarchical encoder, kept for decode heads that need
//! finer features than the embedding.

use crate::models::ModelError;
use crate::nn::Values;
use candle_core::{Device, Tensor};
use half::f16;
use half::slice::HalfFloatSliceExt;

/// A feature map of an encoder's stage over the part of the frame that the
/// photo covers, in half precision: it is kept for as long as the encoding.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureMap {
    /// Side of a place in pixels of the frame.
    pub stride: usize,
    /// Rows, columns and channels.
    pub size: [usize; 3],
    values: Box<[f16]>,
}

impl FeatureMap {
    /// The part of `map`, (rows, columns, channels) over a frame of `frame`
    /// pixels, that a photo of `covered` (width, height) pixels at its upper
    /// left touches.
    pub(super) fn of(
        map: &Tensor,
        frame: usize,
        covered: (usize, usize),
    ) -> Result<Self, ModelError> {
        let (all_rows, all_columns, channels) = map.dims3()?;
        let stride = (frame / all_rows.max(1)).max(1);
        let rows = covered.1.div_ceil(stride).clamp(1, all_rows);
        let columns = covered.0.div_ceil(stride).clamp(1, all_columns);
        let values = Values::of(map)?;
        let mut kept = vec![f16::ZERO; rows * columns * channels];
        let lines = values.chunks_exact(all_columns * channels);
        for (line, kept) in lines.zip(kept.chunks_exact_mut(columns * channels)) {
            kept.convert_from_f32_slice(&line[..columns * channels]);
        }
        Ok(Self {
            stride,
            size: [rows, columns, channels],
            values: kept.into(),
        })
    }

    /// From its values, for maps that were kept in a file.
    ///
    /// # Errors
    /// If they are not as many as the size says.
    pub fn new(stride: usize, size: [usize; 3], values: Box<[f16]>) -> Result<Self, ModelError> {
        if size.iter().product::<usize>() != values.len() || values.is_empty() {
            let found = values.len();
            return Err(ModelError::Compute(format!(
                "a feature map of {size:?} has {found} values"
            )));
        }
        Ok(Self {
            stride,
            size,
            values,
        })
    }

    /// (rows, columns, channels), row-major.
    pub fn values(&self) -> &[f16] {
        &self.values
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        2 * self.values.len()
    }

    /// (1, rows, columns, channels) as f32.
    ///
    /// # Errors
    /// None are expected: the values fit the size.
    pub fn tensor(&self) -> Result<Tensor, ModelError> {
        let [rows, columns, channels] = self.size;
        let mut values = vec![0.0; self.values.len()];
        self.values.convert_to_f32_slice(&mut values);
        let shape = (1, rows, columns, channels);
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_covered_part_is_kept() {
        let map = Tensor::arange(0f32, 32.0, &Device::Cpu).unwrap();
        let map = map.reshape((4, 4, 2)).unwrap();
        // 16 pixels to a side: a place is 4 pixels, and 9 × 5 pixels touch 3 × 2.
        let kept = FeatureMap::of(&map, 16, (9, 5)).unwrap();
        assert_eq!((kept.stride, kept.size), (4, [2, 3, 2]));
        let values = kept.tensor().unwrap().flatten_all().unwrap();
        let want: Vec<f32> = (0..6).chain(8..14).map(|v| v as f32).collect();
        assert_eq!(values.to_vec1::<f32>().unwrap(), want);
        assert_eq!(kept.bytes(), 24);
        let again = FeatureMap::new(4, kept.size, kept.values().into()).unwrap();
        assert_eq!(again, kept);
        assert!(FeatureMap::new(4, [9, 9, 9], kept.values().into()).is_err());
    }
}
