//! Where things end up: sizes and places, and painting by them.

use super::{Fit, Preprocessor, Resize, check_input};
use crate::models::ModelError;
use crate::models::geometry::View;
use rayon::prelude::*;

/// The most pixels of a resized photo, of which a crop may show little.
const MAX_RESIZED: usize = 1 << 26;

/// How a resized photo lies in the network's input. Sizes are (width, height).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The photo after resizing.
    pub picture: (usize, usize),
    /// Where in it the input begins; negative where black comes first.
    pub origin: (i64, i64),
    /// The part of the input, from its upper left corner, that shows the
    /// picture and black around it. The rest is zeros.
    pub window: (usize, usize),
    /// The input.
    pub input: (usize, usize),
}

impl Preprocessor {
    /// How a photo of that size is laid out.
    pub(super) fn frame(&self, photo: (usize, usize), fit: Fit) -> Result<Frame, ModelError> {
        match fit {
            Fit::Trained => self.trained(photo),
            Fit::Squash => Frame::whole(self.trained_size(photo), self.trained_size(photo)),
            Fit::Pad => {
                let input = self.trained_size(photo);
                let scale = (input.0 as f64 / photo.0 as f64).min(input.1 as f64 / photo.1 as f64);
                let fitted = |side: usize, most: usize| {
                    ((side as f64 * scale).round() as usize).clamp(1, most)
                };
                Frame::whole((fitted(photo.0, input.0), fitted(photo.1, input.1)), input)
            }
        }
    }

    fn trained(&self, photo: (usize, usize)) -> Result<Frame, ModelError> {
        let picture = resized(self.resize, photo)?;
        let window = self.crop.unwrap_or(picture);
        let centred = |picture: usize, window: usize| {
            // Rounded down, towards the left and top, for both signs.
            (picture as i64 - window as i64).div_euclid(2)
        };
        let pad = self.pad.unwrap_or(window);
        let filled = |window: usize, pad: usize| window.max(pad).next_multiple_of(self.divisor);
        let frame = Frame {
            picture,
            origin: (centred(picture.0, window.0), centred(picture.1, window.1)),
            window,
            input: (filled(window.0, pad.0), filled(window.1, pad.1)),
        };
        check_input(frame.input)?;
        Ok(frame)
    }
}

/// The photo's size after resizing.
fn resized(resize: Resize, (width, height): (usize, usize)) -> Result<(usize, usize), ModelError> {
    let size = match resize {
        Resize::None => (width, height),
        Resize::Exact { width, height } => (width, height),
        Resize::ShortestEdge(short) => {
            // The reference multiplies first, then divides in floating point.
            let long =
                |long: usize, other: usize| (short as f64 * long as f64 / other as f64) as usize;
            if width <= height {
                (short, long(height, width))
            } else {
                (long(width, height), short)
            }
        }
        Resize::LongestEdge(long) => {
            let scale = long as f64 / width.max(height) as f64;
            let fitted = |side: usize| ((side as f64 * scale + 0.5) as usize).max(1);
            (fitted(width), fitted(height))
        }
    };
    if size.0.saturating_mul(size.1) > MAX_RESIZED && resize != Resize::None {
        return Err(ModelError::TooThin {
            width,
            height,
            resized_width: size.0,
            resized_height: size.1,
        });
    }
    Ok(size)
}

impl Frame {
    /// All of a resized photo at the upper left of the input.
    fn whole(picture: (usize, usize), input: (usize, usize)) -> Result<Self, ModelError> {
        check_input(input)?;
        Ok(Self {
            picture,
            origin: (0, 0),
            window: picture,
            input,
        })
    }

    /// What the input covers of a photo of that size.
    pub(super) fn view(&self, photo: (usize, usize)) -> View {
        let across = photo.0 as f64 / self.picture.0 as f64;
        let down = photo.1 as f64 / self.picture.1 as f64;
        let (left, top) = (self.origin.0 as f64, self.origin.1 as f64);
        View {
            left: left * across,
            top: top * down,
            right: (left + self.input.0 as f64) * across,
            bottom: (top + self.input.1 as f64) * down,
        }
    }

    /// The input, channels last: `tables` say what each byte of the resized
    /// photo becomes, per channel.
    pub(super) fn paint(&self, picture: &[u8], tables: &[[f32; 256]; 3], bgr: bool) -> Vec<f32> {
        let pitch = self.input.0 * 3;
        let mut out = vec![0.0; self.input.1 * pitch];
        let rows = out.par_chunks_mut(pitch).take(self.window.1).enumerate();
        rows.for_each(|(y, out)| {
            let (out, _) = out[..self.window.0 * 3].as_chunks_mut::<3>();
            let black = [0; 3];
            let row = self.row(picture, y);
            for (x, out) in out.iter_mut().enumerate() {
                let at = usize::try_from(x as i64 + self.origin.0).ok();
                let pixel = at.and_then(|at| row.get(at)).unwrap_or(&black);
                for (channel, byte) in pixel.iter().enumerate() {
                    let place = if bgr { 2 - channel } else { channel };
                    out[place] = tables[channel][usize::from(*byte)];
                }
            }
        });
        out
    }

    /// The row of the resized photo that row `y` of the input shows; empty
    /// outside of it.
    fn row<'a>(&self, picture: &'a [u8], y: usize) -> &'a [[u8; 3]] {
        let at = usize::try_from(y as i64 + self.origin.1).ok();
        let pitch = self.picture.0 * 3;
        let row = at.and_then(|at| picture.get(at * pitch..(at + 1) * pitch));
        row.unwrap_or_default().as_chunks().0
    }
}
