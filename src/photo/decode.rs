//! From a path or bytes to a [`Photo`]: find out what it is, check it against
//! the limits, decode it, turn it upright, build its pyramid.

use std::fs;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use super::window::Samples;
use super::{
    Limits, Photo, PhotoError, PhotoFormat, SourceInfo, general, orient, pyramid, sniff, tiffs,
};
use sniff::Sniffed;

/// What a decoder hands back: pixels as stored, not yet upright.
pub(super) struct Raw {
    pub width: u32,
    pub height: u32,
    pub pixels: Pixels,
    /// Bits of one sample in the file.
    pub bits: u8,
    /// Samples per pixel in the file without alpha: 1 or 3.
    pub channels: u8,
    /// EXIF orientation, 1..=8.
    pub orientation: u8,
    pub more_pages: bool,
}

/// Pixels as stored.
pub(super) enum Pixels {
    /// 8-bit RGB.
    Rgb8(Vec<u8>),
    /// Samples that are shown through a window.
    Deep(Samples),
}

/// Read a photo file.
///
/// The file's first bytes tell its format. `limits` are checked against the
/// header before pixels are allocated.
pub fn decode(path: &Path, limits: &Limits) -> Result<Photo, PhotoError> {
    let data = read(path, limits)?;
    let mut photo = decode_named(path, &data, limits)?;
    photo.path = Some(path.to_owned());
    Ok(photo)
}

/// Decode a photo from the bytes of its file; `name` is for messages, and its
/// extension tells camera raw files from TIFF.
pub fn decode_bytes(name: &str, data: &[u8], limits: &Limits) -> Result<Photo, PhotoError> {
    decode_named(Path::new(name), data, limits)
}

fn decode_named(path: &Path, data: &[u8], limits: &Limits) -> Result<Photo, PhotoError> {
    let file = path.display().to_string();
    if data.is_empty() {
        return Err(PhotoError::Empty { file });
    }
    let format = match sniff::sniff(data, path) {
        Sniffed::Photo(format) => format,
        Sniffed::Foreign(format, remedy) => {
            return Err(PhotoError::UnsupportedFormat {
                file,
                format,
                remedy,
            });
        }
        Sniffed::Text => return Err(PhotoError::Text { file }),
        Sniffed::Unknown => return Err(PhotoError::Unknown { file }),
    };
    // Decoders are other people's code fed with anybody's files: one that
    // panics has met a damaged file, which is no reason to end the program.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        PhotoFormat::Tiff => tiffs::decode(&file, data, limits),
        _ => general::decode(&file, format, data, limits),
    }));
    let raw = decoded
        .unwrap_or_else(|_| Err(PhotoError::damaged(&file, "its content makes no sense")))?;
    let name = path.file_name().unwrap_or(path.as_os_str());
    Ok(finish(raw, format, name.to_string_lossy().into_owned()))
}

fn finish(raw: Raw, format: PhotoFormat, name: String) -> Photo {
    let mut source = SourceInfo {
        format,
        channels: raw.channels,
        bits: raw.bits,
        float: false,
        exif_orientation: raw.orientation,
        more_pages: raw.more_pages,
    };
    let (w, h, turn) = (raw.width, raw.height, raw.orientation);
    let (rgb, width, height, samples, window) = match raw.pixels {
        Pixels::Rgb8(rgb) => {
            let (rgb, width, height) = orient::upright::<u8, 3>(rgb, w, h, turn);
            (rgb, width, height, None, None)
        }
        Pixels::Deep(samples) => {
            let (samples, width, height) = upright(samples, w, h, turn);
            source.channels = samples.channels();
            source.float = matches!(samples, Samples::GreyFloat(_) | Samples::RgbFloat(_));
            let window = samples.default_window();
            let rgb = samples.render(window);
            (rgb, width, height, Some(Arc::new(samples)), Some(window))
        }
    };
    Photo {
        path: None,
        name,
        levels: pyramid::build(width, height, rgb).into(),
        source,
        samples,
        window,
    }
}

fn upright(samples: Samples, w: u32, h: u32, turn: u8) -> (Samples, u32, u32) {
    match samples {
        Samples::Grey16(v) => {
            let (v, w, h) = orient::upright::<u16, 1>(v, w, h, turn);
            (Samples::Grey16(v), w, h)
        }
        Samples::Rgb16(v) => {
            let (v, w, h) = orient::upright::<u16, 3>(v, w, h, turn);
            (Samples::Rgb16(v), w, h)
        }
        Samples::GreyFloat(v) => {
            let (v, w, h) = orient::upright::<f32, 1>(v, w, h, turn);
            (Samples::GreyFloat(v), w, h)
        }
        Samples::RgbFloat(v) => {
            let (v, w, h) = orient::upright::<f32, 3>(v, w, h, turn);
            (Samples::RgbFloat(v), w, h)
        }
    }
}

/// The whole file, refusing what is no file and what is above the byte limit.
fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, PhotoError> {
    let file = path.display().to_string();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            PhotoError::Missing { file: file.clone() }
        }
        _ => PhotoError::Unreadable {
            file: file.clone(),
            why: error.to_string(),
        },
    };
    let about = fs::metadata(path).map_err(failed)?;
    if about.is_dir() {
        return Err(PhotoError::Directory { file });
    }
    if !about.is_file() {
        return Err(PhotoError::NotAFile { file });
    }
    if about.len() > limits.max_bytes {
        return Err(PhotoError::too_many_bytes(&file, about.len()));
    }
    let mut data = Vec::new();
    data.try_reserve_exact(about.len() as usize + 1)
        .map_err(|_| PhotoError::too_many_bytes(&file, about.len()))?;
    // the file may grow while it is read
    fs::File::open(path)
        .and_then(|opened| opened.take(limits.max_bytes).read_to_end(&mut data))
        .map_err(failed)?;
    Ok(data)
}

/// Check a header's size: neither side zero, and within the limits, for
/// samples of `bytes_per_pixel`.
pub(super) fn check_size(
    file: &str,
    width: u32,
    height: u32,
    bytes_per_pixel: u64,
    limits: &Limits,
) -> Result<(), PhotoError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(PhotoError::damaged(file, "it says that it has no pixels"));
    }
    if pixels > limits.max_pixels {
        return Err(PhotoError::too_many_pixels(file, width, height, limits));
    }
    let bytes = pixels.saturating_mul(bytes_per_pixel);
    if bytes > limits.max_bytes {
        return Err(PhotoError::too_many_bytes(file, bytes));
    }
    Ok(())
}

/// `count` zeros, or an error where there is no memory for them.
///
/// The zeros come from the operating system and cost memory only when they are
/// written to: a short file with a large header does not fill the memory.
pub(super) fn zeros<T: Clone + Default>(file: &str, count: usize) -> Result<Vec<T>, PhotoError> {
    let mut probe = Vec::<T>::new();
    probe
        .try_reserve_exact(count)
        .map_err(|_| PhotoError::too_many_bytes(file, (count * size_of::<T>()) as u64))?;
    drop(probe);
    Ok(vec![T::default(); count])
}
