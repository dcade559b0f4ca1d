//! Class maps that come from a model: bytes whose meaning the model's own
//! classes give, 255 for pixels that it has not looked at.

use super::raster::{Effort, Kind, encode};
use super::{StoreError, overlay};
use crate::label::IGNORE;
use crate::photo::Photo;

/// One byte per pixel, and what the bytes look like.
#[derive(Clone, Copy, Debug)]
pub struct IndexedPicture<'a> {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// `width * height` bytes, row by row.
    pub ids: &'a [u8],
    /// The colour of each byte: red, green, blue.
    pub colors: &'a [[u8; 3]; 256],
}

impl IndexedPicture<'_> {
    /// As an 8-bit indexed PNG: `numpy.array(PIL.Image.open(f))` gives the bytes.
    ///
    /// # Errors
    /// If there are not as many bytes as pixels.
    pub fn png(&self) -> Result<Vec<u8>, StoreError> {
        let palette = self.colors.as_flattened();
        encode(
            &Kind::Indexed(palette),
            Effort::Fast,
            self.size,
            self.ids,
            "the class map",
        )
    }

    /// A photo of this size with the classes drawn over it, as an RGB PNG.
    /// `opacity` (0..=1) is that of the tint; outlines have the colour itself.
    ///
    /// # Errors
    /// If the photo has another size.
    pub fn over(&self, photo: &Photo, opacity: f32) -> Result<Vec<u8>, StoreError> {
        overlay::check_size(photo, self.size)?;
        let color = |id: u8| (id != IGNORE).then_some(self.colors[usize::from(id)]);
        overlay::drawn(photo, self.ids, color, opacity)
    }
}

/// An RGB picture as PNG: `width * height * 3` bytes, row by row.
///
/// # Errors
/// If there are not as many bytes.
pub fn picture_png(size: (u32, u32), rgb: &[u8]) -> Result<Vec<u8>, StoreError> {
    encode(&Kind::Rgb8, Effort::Balanced, size, rgb, "the picture")
}
