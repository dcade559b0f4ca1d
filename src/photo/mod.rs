//! Photos: decoded images, upright, immutable and shared by `Arc`.
//!
//! Decoding checks the size that a file's header claims before anything is
//! allocated, applies the EXIF orientation once, and keeps the original
//! samples of 16-bit and floating-point files beside the 8-bit picture that is
//! shown and given to models, so that the display window can be moved without
//! reading the file again. A pyramid of halved levels is built at decoding.
//!
//! Colour: alpha is dropped and colour profiles are ignored, as
//! `PIL.Image.open(f).convert("RGB")` does, because that is what training code
//! sees.

mod decode;
mod error;
mod general;
mod orient;
mod pyramid;
pub mod resample;
mod sniff;
mod thumbnail;
mod tiffs;
mod window;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use decode::{decode, decode_bytes};
pub use error::PhotoError;
pub use sniff::{EXTENSIONS, PhotoFormat, is_photo_path};
pub use thumbnail::thumbnail;
pub use window::DisplayWindow;
use window::Samples;

/// What a decoder may use at most. Headers are checked against it before
/// anything is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pixels that a photo may have (width × height).
    pub max_pixels: u64,
    /// Bytes that a photo file, and the samples decoded from it, may have.
    pub max_bytes: u64,
}

impl Limits {
    /// Limits for photos of up to `n` million pixels; the byte limit grows
    /// along (twelve bytes a pixel: three 32-bit samples) but never falls below
    /// the default one.
    pub fn megapixels(n: u32) -> Self {
        let max_pixels = u64::from(n) * 1_000_000;
        let max_bytes = Self::default().max_bytes.max(max_pixels * 16);
        Self {
            max_pixels,
            max_bytes,
        }
    }
}

impl Default for Limits {
    /// 256 million pixels and 4 GiB.
    fn default() -> Self {
        Self {
            max_pixels: 256_000_000,
            max_bytes: 4 << 30,
        }
    }
}

/// One level of a photo's pyramid: 8-bit RGB, row by row, without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Level {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

impl std::fmt::Debug for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Level({}×{})", self.width, self.height)
    }
}

/// What the file held, before it was turned into 8-bit RGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceInfo {
    /// The file format, told by its content.
    pub format: PhotoFormat,
    /// Samples per pixel that were read: 1 (grey) or 3 (RGB); alpha is not counted.
    pub channels: u8,
    /// Bits of one sample as read: 8, 16, 32 or 64.
    pub bits: u8,
    /// Whether samples are floating-point numbers.
    pub float: bool,
    /// The EXIF orientation that was applied, 1..=8; 1 where there was none.
    pub exif_orientation: u8,
    /// Whether the file holds further pages, which are not shown (TIFF).
    pub more_pages: bool,
}

/// One pixel's original samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// A greyscale file.
    Grey(f32),
    /// A colour file.
    Rgb([f32; 3]),
}

/// A decoded image, upright and immutable. A clone costs pointers.
#[derive(Clone, Debug)]
pub struct Photo {
    path: Option<PathBuf>,
    name: String,
    // never empty: level 0 is the photo itself
    levels: Arc<[Level]>,
    source: SourceInfo,
    samples: Option<Arc<Samples>>,
    window: Option<DisplayWindow>,
}

impl Photo {
    /// A photo from 8-bit RGB: `rgb` holds `width * height * 3` bytes.
    pub fn from_rgb(
        width: u32,
        height: u32,
        rgb: Vec<u8>,
        name: impl Into<String>,
    ) -> Result<Self, PhotoError> {
        let name = name.into();
        let expected = u64::from(width) * u64::from(height) * 3;
        if expected == 0 || rgb.len() as u64 != expected {
            return Err(PhotoError::Damaged {
                file: name,
                why: format!(
                    "{} bytes of pixels do not make {width} × {height} pixels of RGB",
                    rgb.len()
                ),
            });
        }
        let source = SourceInfo {
            format: PhotoFormat::Memory,
            channels: 3,
            bits: 8,
            float: false,
            exif_orientation: 1,
            more_pages: false,
        };
        Ok(Self {
            path: None,
            name,
            levels: pyramid::build(width, height, rgb).into(),
            source,
            samples: None,
            window: None,
        })
    }

    /// Width in pixels, after the orientation was applied.
    pub fn width(&self) -> u32 {
        self.levels[0].width
    }

    /// Height in pixels, after the orientation was applied.
    pub fn height(&self) -> u32 {
        self.levels[0].height
    }

    /// The photo as 8-bit RGB, `width * height * 3` bytes, as shown and as
    /// given to models (16-bit and float files: through the display window).
    pub fn rgb(&self) -> &[u8] {
        &self.levels[0].rgb
    }

    /// The file that the photo was read from.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The file name, for showing; not for opening files, since names that are
    /// not Unicode lose characters here.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// What the file held.
    pub fn source(&self) -> &SourceInfo {
        &self.source
    }

    /// The display window of a 16-bit or float photo; `None` for 8-bit ones.
    pub fn window(&self) -> Option<DisplayWindow> {
        self.window
    }

    /// The photo shown with another display window: samples up to `lo` become
    /// black, from `hi` on white. An 8-bit photo is returned as it is. The
    /// pyramid is computed anew, so this is work for another thread.
    pub fn with_window(&self, lo: f32, hi: f32) -> Photo {
        let (Some(samples), Some(old)) = (&self.samples, self.window) else {
            return self.clone();
        };
        let window = old.moved(lo, hi);
        let rgb = samples.render(window);
        Photo {
            levels: pyramid::build(self.width(), self.height(), rgb).into(),
            window: Some(window),
            ..self.clone()
        }
    }

    /// Level `n` of the pyramid: 0 is the photo, each next one half the size
    /// (rounded up), so that pixel `x` of level `n` covers the photo's columns
    /// `x << n .. (x + 1) << n`. The last level has no side above 256.
    pub fn level(&self, n: usize) -> Option<&Level> {
        self.levels.get(n)
    }

    /// All levels of the pyramid, the photo itself first.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The colour of a pixel as shown; `None` outside the photo.
    pub fn rgb_at(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        let i = self.index(x, y)? * 3;
        let rgb = self.rgb();
        Some([rgb[i], rgb[i + 1], rgb[i + 2]])
    }

    /// The original samples of a pixel: what the file says there, before the
    /// display window. `None` outside the photo and for 8-bit photos.
    pub fn sample_at(&self, x: u32, y: u32) -> Option<Sample> {
        let i = self.index(x, y)?;
        Some(self.samples.as_ref()?.at(i))
    }

    /// Bytes of memory that this photo holds, shared parts included.
    pub fn bytes(&self) -> usize {
        let levels: usize = self.levels.iter().map(|level| level.rgb.len()).sum();
        levels + self.samples.as_ref().map_or(0, |samples| samples.bytes())
    }

    fn index(&self, x: u32, y: u32) -> Option<usize> {
        let inside = x < self.width() && y < self.height();
        inside.then(|| y as usize * self.width() as usize + x as usize)
    }
}
