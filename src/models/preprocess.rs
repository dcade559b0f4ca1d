//! From a photo to a network's input, as the checkpoint's own preprocessing
//! does it: resize (as Pillow, bit for bit), crop, rescale, normalise, pad.
//!
//! Reference: the PIL image processors of Hugging Face transformers 5.24.

mod frame;
mod processor;
mod read;

use super::ModelError;
use super::geometry::View;
use crate::label::Rect;
use crate::photo::resample::{Filter, resize};
use candle_core::{Device, Tensor};
use frame::Frame;
use std::borrow::Cow;

/// The most pixels of a network's input.
const MAX_INPUT: usize = 1 << 24;

/// How a photo is resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Not at all.
    None,
    /// To this size, whatever its aspect.
    Exact {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// So that the shorter side has so many pixels; the longer one is truncated
    /// to whole pixels.
    ShortestEdge(usize),
    /// So that the longer side has so many pixels, both rounded half up.
    LongestEdge(usize),
}

/// How a photo is fitted into the network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// The checkpoint's own steps, a centre crop included.
    #[default]
    Trained,
    /// The whole photo, squashed to the trained input size.
    Squash,
    /// The whole photo with its aspect kept, padded at the right and bottom
    /// with zeros (after normalising: with the mean colour).
    Pad,
}

/// What is done to a photo before a network sees it, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessor {
    /// The new size.
    pub resize: Resize,
    /// How pixels are weighted in resizing.
    pub filter: Filter,
    /// Width and height of what is cut out of the middle; black is added where
    /// the picture is smaller.
    pub crop: Option<(usize, usize)>,
    /// What bytes are multiplied by.
    pub rescale: Option<f64>,
    /// Mean and standard deviation per channel (red, green, blue), in units of
    /// the rescaled values.
    pub normalize: Option<([f32; 3], [f32; 3])>,
    /// Whether the network wants blue first.
    pub bgr: bool,
    /// Width and height that are filled up with zeros at the right and bottom.
    pub pad: Option<(usize, usize)>,
    /// What the input's sides are filled up to multiples of, in the same way.
    pub divisor: usize,
}

/// A network's input.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// (rows, columns, 3).
    pub pixels: Tensor,
    /// What it covers of the photo.
    pub view: View,
}

impl Preprocessor {
    /// Make the input of the interleaved `rgb` pixels of a photo of `size`
    /// (width, height); of another `input` size than the trained one, if given.
    ///
    /// # Errors
    /// If the pixels do not fit the size, or the photo or `input` is of a shape
    /// that would take gigabytes.
    pub fn prepare(
        &self,
        rgb: &[u8],
        size: (usize, usize),
        fit: Fit,
        input: Option<(usize, usize)>,
    ) -> Result<Prepared, ModelError> {
        check_pixels(rgb, size)?;
        let steps = match input {
            Some(input) => Cow::Owned(self.for_input(input)?),
            None => Cow::Borrowed(self),
        };
        let frame = steps.frame(size, fit)?;
        let picture = if frame.picture == size {
            Cow::Borrowed(rgb)
        } else {
            Cow::Owned(resize(rgb, size, 3, frame.picture, self.filter))
        };
        Ok(Prepared {
            pixels: self.pixels(&picture, &frame)?,
            view: frame.view(size),
        })
    }

    /// Width and height of the input that a photo of that size gets with
    /// [`Fit::Trained`].
    pub fn input_size(&self, photo: (usize, usize)) -> (usize, usize) {
        match self.frame(photo, Fit::Trained) {
            Ok(frame) => frame.input,
            Err(_) => self.trained_size(photo),
        }
    }

    /// A part of a photo at its own resolution: nothing but normalised, with
    /// zeros where `area` reaches beyond the photo. (rows, columns, 3).
    ///
    /// # Errors
    /// If the pixels do not fit the size, or `area` is empty or huge.
    pub fn tile(&self, rgb: &[u8], size: (usize, usize), area: Rect) -> Result<Tensor, ModelError> {
        check_pixels(rgb, size)?;
        let seen = area.intersect(Rect::of_size(size.0 as u32, size.1 as u32));
        let input = (area.width() as usize, area.height() as usize);
        check_input(input)?;
        let frame = Frame {
            picture: size,
            origin: (i64::from(area.x0), i64::from(area.y0)),
            window: (seen.width() as usize, seen.height() as usize),
            input,
        };
        self.pixels(rgb, &frame)
    }

    fn pixels(&self, picture: &[u8], frame: &Frame) -> Result<Tensor, ModelError> {
        let values = frame.paint(picture, &self.tables(), self.bgr);
        let (columns, rows) = frame.input;
        Ok(Tensor::from_vec(values, (rows, columns, 3), &Device::Cpu)?)
    }

    /// What becomes of each byte in each channel. Rounded where the reference
    /// rounds: products to f32, then everything in f32.
    fn tables(&self) -> [[f32; 256]; 3] {
        std::array::from_fn(|channel| {
            std::array::from_fn(|byte| {
                let value = match self.rescale {
                    Some(factor) => (byte as f64 * factor) as f32,
                    None => byte as f32,
                };
                match self.normalize {
                    Some((mean, std)) => (value - mean[channel]) / std[channel],
                    None => value,
                }
            })
        })
    }

    /// Width and height of the input where the photo's aspect does not matter.
    fn trained_size(&self, photo: (usize, usize)) -> (usize, usize) {
        let resized = match self.resize {
            Resize::None => photo,
            Resize::Exact { width, height } => (width, height),
            Resize::ShortestEdge(side) | Resize::LongestEdge(side) => (side, side),
        };
        self.crop.or(self.pad).unwrap_or(resized)
    }

    /// The same steps for another input size: what is cut off and what is
    /// padded stays in proportion.
    fn for_input(&self, input: (usize, usize)) -> Result<Self, ModelError> {
        check_input(input)?;
        let (width, height) = input;
        let exact = Resize::Exact { width, height };
        let mut steps = self.clone();
        let Some(crop) = self.crop else {
            steps.pad = self.pad.map(|_| input);
            steps.resize = match self.resize {
                Resize::LongestEdge(_) => Resize::LongestEdge(width.min(height)),
                _ => exact,
            };
            return Ok(steps);
        };
        let grown = |side: usize, (to, from): (usize, usize)| {
            ((side as f64 * to as f64 / from as f64).round() as usize).max(1)
        };
        let (across, down) = ((width, crop.0), (height, crop.1));
        let most = if width * crop.1 > height * crop.0 {
            across
        } else {
            down
        };
        steps.crop = Some(input);
        steps.pad = None;
        steps.resize = match self.resize {
            Resize::None => Resize::None,
            Resize::Exact { width, height } => Resize::Exact {
                width: grown(width, across),
                height: grown(height, down),
            },
            Resize::ShortestEdge(side) => Resize::ShortestEdge(grown(side, most)),
            Resize::LongestEdge(side) => Resize::LongestEdge(grown(side, most)),
        };
        Ok(steps)
    }
}

fn check_pixels(rgb: &[u8], (width, height): (usize, usize)) -> Result<(), ModelError> {
    let expected = width as u64 * height as u64 * 3;
    if expected == 0 || rgb.len() as u64 != expected {
        return Err(ModelError::PhotoSize {
            width: width as u32,
            height: height as u32,
            expected,
            found: rgb.len(),
        });
    }
    Ok(())
}

fn check_input((width, height): (usize, usize)) -> Result<(), ModelError> {
    let area = width.checked_mul(height);
    if !area.is_some_and(|area| (1..=MAX_INPUT).contains(&area)) {
        return Err(ModelError::Option {
            name: "the input size",
            value: format!("{width}×{height}"),
            expected: "something from 1×1 to 4096×4096 pixels",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
