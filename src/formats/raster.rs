//! PNG files of plain numbers: encoding, and decoding with the header checked
//! before anything is allocated.

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use png::{BitDepth, ColorType, DeflateCompression, Filter};

use super::StoreError;

/// What the pixels of a PNG to be written are.
pub(super) enum Kind<'a> {
    /// One byte each, an index of these 256 colours (`768` bytes).
    Indexed(&'a [u8]),
    /// One byte each.
    Grey8,
    /// Two bytes each, big-endian.
    Grey16,
    /// Three bytes each.
    Rgb8,
}

/// How strongly to compress.
pub(super) enum Effort {
    /// For maps of large even areas: as fast as the memory, and small for them.
    Fast,
    /// For pictures.
    Balanced,
}

/// A PNG of `width` × `height` pixels; `for_file` names the file in errors.
pub(super) fn encode(
    kind: &Kind<'_>,
    effort: Effort,
    (width, height): (u32, u32),
    pixels: &[u8],
    for_file: &str,
) -> Result<Vec<u8>, StoreError> {
    let encoded = || {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, width, height);
        encoder.set_depth(BitDepth::Eight);
        match kind {
            Kind::Indexed(palette) => {
                encoder.set_color(ColorType::Indexed);
                encoder.set_palette(Cow::Borrowed(*palette));
            }
            Kind::Grey8 => encoder.set_color(ColorType::Grayscale),
            Kind::Grey16 => {
                encoder.set_color(ColorType::Grayscale);
                encoder.set_depth(BitDepth::Sixteen);
            }
            Kind::Rgb8 => encoder.set_color(ColorType::Rgb),
        }
        match effort {
            Effort::Fast => {
                // rows of a map mostly repeat the row above: almost all zeros
                encoder.set_filter(Filter::Up);
                encoder.set_deflate_compression(DeflateCompression::FdeflateUltraFast);
            }
            Effort::Balanced => encoder.set_compression(png::Compression::Fast),
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(pixels)?;
        writer.finish()?;
        Ok(out)
    };
    encoded().map_err(|error: png::EncodingError| StoreError::Encode {
        file: for_file.to_owned(),
        why: error.to_string(),
    })
}

/// A decoded PNG: the numbers that the file holds, not colours made of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raster {
    /// Indices of a palette, or grey values of up to 8 bits.
    Bytes(Vec<u8>),
    /// Grey values of 16 bits.
    Words(Vec<u16>),
    /// Colours, alpha dropped.
    Colors(Vec<[u8; 3]>),
}

fn decoder(data: &[u8]) -> png::Decoder<Cursor<&[u8]>> {
    let limits = png::Limits { bytes: 64 << 20 };
    png::Decoder::new_with_limits(Cursor::new(data), limits)
}

/// Width and height of a PNG, from its header.
pub(super) fn size(data: &[u8], path: &Path) -> Result<(u32, u32), String> {
    let mut decoder = decoder(data);
    let info = decoder.read_header_info();
    let info = info.map_err(|error| damage(path, &error))?;
    Ok((info.width, info.height))
}

/// Decode a PNG that must have this size.
///
/// The reason for refusing it is worded to follow "… cannot be used: ".
pub(super) fn decode(data: &[u8], size: (u32, u32), path: &Path) -> Result<Raster, String> {
    let mut decoder = decoder(data);
    let info = decoder
        .read_header_info()
        .map_err(|error| damage(path, &error))?;
    check_size((info.width, info.height), size, path)?;
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|error| damage(path, &error))?;
    let length = reader
        .output_buffer_size()
        .ok_or_else(|| format!("{} is too large", path.display()))?;
    let mut bytes = vec![0; length];
    let frame = reader
        .next_frame(&mut bytes)
        .map_err(|error| damage(path, &error))?;
    bytes.truncate(frame.buffer_size());
    let width = size.0 as usize;
    let words = |bytes: &[u8]| -> Vec<u16> {
        let pairs = bytes.as_chunks::<2>().0;
        pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect()
    };
    // samples per pixel, and how many of those bytes apart
    let colors = |step: usize, byte: usize| -> Vec<[u8; 3]> {
        let pixels = bytes.chunks_exact(step * byte);
        pixels.map(|p| [p[0], p[byte], p[2 * byte]]).collect()
    };
    Ok(match (frame.color_type, frame.bit_depth) {
        (ColorType::Rgb, BitDepth::Sixteen) => Raster::Colors(colors(3, 2)),
        (ColorType::Rgb, _) => Raster::Colors(colors(3, 1)),
        (ColorType::Rgba, BitDepth::Sixteen) => Raster::Colors(colors(4, 2)),
        (ColorType::Rgba, _) => Raster::Colors(colors(4, 1)),
        (ColorType::GrayscaleAlpha, BitDepth::Sixteen) => {
            Raster::Words(words(&bytes).into_iter().step_by(2).collect())
        }
        (ColorType::GrayscaleAlpha, _) => Raster::Bytes(bytes.into_iter().step_by(2).collect()),
        (_, BitDepth::Sixteen) => Raster::Words(words(&bytes)),
        (_, BitDepth::Eight) => Raster::Bytes(bytes),
        (_, depth) => Raster::Bytes(unpacked(&bytes, depth as usize, width)),
    })
}

/// Numbers of 1, 2 or 4 bits, of which rows begin at whole bytes, as bytes.
fn unpacked(bytes: &[u8], bits: usize, width: usize) -> Vec<u8> {
    let per_byte = 8 / bits;
    let most = (1u8 << bits) - 1;
    bytes
        .chunks_exact(width.div_ceil(per_byte))
        .flat_map(|row| {
            (0..width).map(move |x| row[x / per_byte] >> (8 - bits * (x % per_byte + 1)) & most)
        })
        .collect()
}

fn check_size(found: (u32, u32), wanted: (u32, u32), path: &Path) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    let turned = found == (wanted.1, wanted.0);
    let hint = if turned {
        " (perhaps it was made before the photo was turned upright)"
    } else {
        ""
    };
    Err(format!(
        "{} is {} × {} pixels, but the photo is {} × {}{hint}",
        path.display(),
        found.0,
        found.1,
        wanted.0,
        wanted.1
    ))
}

fn damage(path: &Path, error: &png::DecodingError) -> String {
    let why = error.to_string();
    format!(
        "{} is no intact PNG file ({})",
        path.display(),
        why.trim_end_matches('.')
    )
}
