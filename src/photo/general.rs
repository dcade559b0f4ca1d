//! All formats but TIFF, by the `image` crate's decoders.

use std::error::Error;
use std::io::{self, Cursor};

use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader};
use rayon::prelude::*;

use super::decode::{Pixels, Raw, check_size, zeros};
use super::window::Samples;
use super::{Limits, PhotoError, PhotoFormat, orient};

/// Decode `data`, which begins as `format` does.
pub(super) fn decode(
    file: &str,
    format: PhotoFormat,
    data: &[u8],
    limits: &Limits,
) -> Result<Raw, PhotoError> {
    if let (PhotoFormat::Png, Some((width, height))) = (format, png_size(data)) {
        // before the decoder sees it: it allocates rows while reading the header
        check_size(file, width, height, 1, limits)?;
    }
    if format == PhotoFormat::Jpeg && !jpeg_is_complete(data) {
        return Err(PhotoError::truncated(file));
    }
    let failed = |error| explain(file, error);
    let mut reader = ImageReader::with_format(Cursor::new(data), image_format(format));
    let mut image_limits = image::Limits::default();
    image_limits.max_alloc = Some(limits.max_bytes);
    reader.limits(image_limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let kind = decoder.color_type();
    check_size(
        file,
        width,
        height,
        u64::from(kind.bytes_per_pixel()),
        limits,
    )?;
    // EXIF that cannot be read is no reason to refuse the picture
    let exif = decoder.exif_metadata().ok().flatten();
    let orientation = exif.map_or(1, |chunk| orient::from_exif(&chunk));
    let samples = decoder.total_bytes() as usize / bytes_per_sample(kind);
    let pixels = if bytes_per_sample(kind) == 2 {
        let mut deep: Vec<u16> = zeros(file, samples)?;
        let bytes = bytemuck::cast_slice_mut(&mut deep);
        decoder.read_image(bytes).map_err(failed)?;
        Pixels::Deep(without_alpha_16(deep, kind))
    } else {
        let mut rgb: Vec<u8> = zeros(file, samples)?;
        decoder.read_image(&mut rgb).map_err(failed)?;
        Pixels::Rgb8(without_alpha_8(rgb, kind))
    };
    Ok(Raw {
        width,
        height,
        pixels,
        bits: 8 * bytes_per_sample(kind) as u8,
        channels: if kind.has_color() { 3 } else { 1 },
        orientation,
        more_pages: false,
    })
}

fn image_format(format: PhotoFormat) -> ImageFormat {
    match format {
        PhotoFormat::Jpeg => ImageFormat::Jpeg,
        PhotoFormat::WebP => ImageFormat::WebP,
        PhotoFormat::Bmp => ImageFormat::Bmp,
        PhotoFormat::Gif => ImageFormat::Gif,
        PhotoFormat::Pnm => ImageFormat::Pnm,
        PhotoFormat::Tiff => ImageFormat::Tiff,
        PhotoFormat::Png | PhotoFormat::Memory => ImageFormat::Png,
    }
}

fn bytes_per_sample(kind: ColorType) -> usize {
    usize::from(kind.bytes_per_pixel() / kind.channel_count())
}

fn without_alpha_8(data: Vec<u8>, kind: ColorType) -> Vec<u8> {
    match kind.channel_count() {
        1 => spread::<u8, 1>(&data),
        2 => spread::<u8, 2>(&data),
        3 => data,
        _ => first_three(&data),
    }
}

fn without_alpha_16(data: Vec<u16>, kind: ColorType) -> Samples {
    match kind.channel_count() {
        1 => Samples::Grey16(data),
        2 => Samples::Grey16(data.into_iter().step_by(2).collect()),
        3 => Samples::Rgb16(data),
        _ => Samples::Rgb16(first_three(&data)),
    }
}

/// Grey (with `C - 1` further samples, which are dropped) to RGB.
pub(super) fn spread<T: Copy + Default + Send + Sync, const C: usize>(data: &[T]) -> Vec<T> {
    regroup::<T, C>(data, |pixel| [pixel[0]; 3])
}

/// RGBA to RGB.
fn first_three<T: Copy + Default + Send + Sync>(data: &[T]) -> Vec<T> {
    regroup::<T, 4>(data, |[r, g, b, _]| [r, g, b])
}

/// Pixels of `C` samples to pixels of three.
pub(super) fn regroup<T: Copy + Default + Send + Sync, const C: usize>(
    data: &[T],
    pixel: impl Fn([T; C]) -> [T; 3] + Sync,
) -> Vec<T> {
    const PIXELS: usize = 1 << 16;
    let mut out = vec![T::default(); data.len() / C * 3];
    out.par_chunks_mut(PIXELS * 3)
        .zip(data.par_chunks(PIXELS * C))
        .for_each(|(out, data)| {
            let (out, data) = (out.as_chunks_mut::<3>().0, data.as_chunks::<C>().0);
            for (out, data) in out.iter_mut().zip(data) {
                *out = pixel(*data);
            }
        });
    out
}

fn png_size(data: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| {
        let bytes = data.get(at..at + 4)?;
        Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    (data.get(12..16) == Some(b"IHDR")).then_some(())?;
    Some((number(16)?, number(20)?))
}

/// Whether a JPEG reaches its end marker. The decoder fills what is missing
/// with grey and says nothing, which would make labels for pixels that nobody saw.
///
/// Walks the markers (ITU T.81, B.1.1), since thumbnails inside the file have
/// end markers of their own.
fn jpeg_is_complete(data: &[u8]) -> bool {
    let mut at = 2;
    loop {
        let Some(found) = data
            .get(at..)
            .and_then(|rest| rest.iter().position(|&b| b == 0xff))
        else {
            return false;
        };
        at += found + 1;
        match data.get(at) {
            None => return false,
            Some(0xd9) => return true,
            // fill byte: the next 0xff is the marker's
            Some(0xff) => {}
            // a stuffed zero, restart markers and TEM stand alone
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 1,
            Some(_) => {
                let Some(&[high, low]) = data.get(at + 1..at + 3) else {
                    return false;
                };
                at += 1 + usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
}

/// A decoder's error in the user's words.
fn explain(file: &str, error: ImageError) -> PhotoError {
    if ends_early(&error) {
        return PhotoError::truncated(file);
    }
    match error {
        ImageError::Unsupported(error) => PhotoError::UnsupportedFeature {
            file: file.to_owned(),
            why: error.to_string(),
        },
        ImageError::Limits(_) => PhotoError::UnsupportedFeature {
            file: file.to_owned(),
            why: "its parts are larger than the limits allow".to_owned(),
        },
        other => PhotoError::damaged(file, other),
    }
}

/// What decoders say where data ended, besides the error kind made for it.
const ENDS: [&str; 6] = [
    "unexpected eof",
    "unexpected end",
    "end of file",
    "no more data",
    "enough data for image",
    "failed to fill whole buffer",
];

/// Whether an error comes from data that ended; decoders wrap that differently.
fn ends_early(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        let text = error.to_string().to_ascii_lowercase();
        if ENDS.iter().any(|phrase| text.contains(phrase)) {
            return true;
        }
        next = error.source();
    }
    false
}
