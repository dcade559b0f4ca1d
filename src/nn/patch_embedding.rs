//! From a picture to a sequence of patches.

use super::Linear;
use super::capture::Grid;
use super::values::{Values, map_size};
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// Cuts a picture into patches and projects each to a token ("An Image is Worth
/// 16x16 Words", equation 1). Checkpoints hold it as a convolution whose stride
/// is its size; as patches do not overlap, that is one linear map per patch.
#[derive(Clone, Debug)]
pub struct PatchEmbedding {
    /// From (patch rows, patch columns, channels) to a token.
    projection: Linear,
    /// Rows and columns of a patch, in pixels.
    patch: (usize, usize),
    channels: usize,
}

impl PatchEmbedding {
    /// From a convolution's `weight` (width, channels, rows, columns) and `bias`
    /// (width), where `patch` is (rows, columns).
    ///
    /// # Panics
    /// If a length does not fit or is 0.
    pub fn new(weight: &[f32], bias: &[f32], patch: (usize, usize), channels: usize) -> Self {
        let (pixels, width) = (patch.0 * patch.1, bias.len());
        assert!(pixels * channels > 0 && weight.len() == width * pixels * channels);
        // Channels last, as the pixels are.
        let mut rows = Vec::with_capacity(weight.len());
        for filter in weight.chunks_exact(channels * pixels) {
            for pixel in 0..pixels {
                rows.extend(filter.iter().skip(pixel).step_by(pixels));
            }
        }
        Self {
            projection: Linear::new(&rows, Some(bias), width, pixels * channels),
            patch,
            channels,
        }
    }

    /// Rows and columns of a patch, in pixels.
    pub fn patch(&self) -> (usize, usize) {
        self.patch
    }

    /// Width of a token.
    pub fn width(&self) -> usize {
        self.projection.outputs()
    }

    /// `pixels` (rows, columns, channels) to (tokens, width) and the grid that
    /// the tokens form. What is left at the right and bottom beyond whole
    /// patches is not looked at, as in the reference implementations.
    ///
    /// # Errors
    /// If the channels differ, the picture holds no patch, or the tensor is not
    /// plain f32.
    pub fn forward(&self, pixels: &Tensor) -> Result<(Tensor, Grid)> {
        let (height, width) = map_size(pixels, self.channels)?;
        let (rows, columns) = self.patch;
        let grid = Grid {
            rows: height / rows,
            columns: width / columns,
        };
        if grid.is_empty() {
            bail!("{width}×{height} pixels hold no patch of {columns}×{rows}");
        }
        let patches = self.patches(&Values::of(pixels)?, width, grid);
        let shape = (grid.len(), rows * columns * self.channels);
        let patches = Tensor::from_vec(patches, shape, pixels.device())?;
        Ok((self.projection.forward(&patches)?, grid))
    }

    /// The pixels of each patch side by side: (tokens, patch rows · patch
    /// columns · channels).
    fn patches(&self, pixels: &[f32], width: usize, grid: Grid) -> Vec<f32> {
        let (rows, columns) = self.patch;
        let (line, pitch) = (columns * self.channels, width * self.channels);
        let mut out = vec![0.0; grid.len() * rows * line];
        out.par_chunks_mut(grid.columns * rows * line)
            .zip(pixels.par_chunks(rows * pitch))
            .for_each(|(out, band)| {
                for (x, patch) in out.chunks_exact_mut(rows * line).enumerate() {
                    for (to, from) in patch.chunks_exact_mut(line).zip(band.chunks(pitch)) {
                        to.copy_from_slice(&from[x * line..][..line]);
                    }
                }
            });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};
    use candle_core::Device;

    #[test]
    fn it_is_the_convolution_with_stride() {
        let (channels, width, patch) = (3, 5, (2, 3));
        // One row and two columns more than whole patches.
        let (rows, columns) = (7, 11);
        let weight = noise(width * channels * 6, 1);
        let bias = noise(width, 2);
        let pixels = noise(rows * columns * channels, 3);
        let tensor = Tensor::from_slice(&pixels, (rows, columns, channels), &Device::Cpu).unwrap();
        let embedding = PatchEmbedding::new(&weight, &bias, patch, channels);
        let (tokens, grid) = embedding.forward(&tensor).unwrap();
        assert_eq!((grid.rows, grid.columns), (3, 3));
        let mut want = Vec::new();
        for (y, x) in (0..3).flat_map(|y| (0..3).map(move |x| (y, x))) {
            for o in 0..width {
                let mut sum = bias[o];
                for (c, i, j) in (0..channels)
                    .flat_map(|c| (0..2).flat_map(move |i| (0..3).map(move |j| (c, i, j))))
                {
                    sum += weight[((o * channels + c) * 2 + i) * 3 + j]
                        * pixels[((2 * y + i) * columns + 3 * x + j) * channels + c];
                }
                want.push(sum);
            }
        }
        let got = tokens.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        close(&got, &want, 1e-5);
    }

    #[test]
    fn pictures_without_a_patch_are_refused() {
        let embedding = PatchEmbedding::new(&[0.0; 4], &[0.0], (2, 2), 1);
        let thin = Tensor::zeros((1, 9, 1), candle_core::DType::F32, &Device::Cpu).unwrap();
        let error = embedding.forward(&thin).unwrap_err().to_string();
        assert!(error.contains("9×1 pixels"), "{error}");
        let coloured = Tensor::zeros((4, 4, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(embedding.forward(&coloured).is_err());
    }
}
