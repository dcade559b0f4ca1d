//! Reading label maps: the numbers that a PNG holds.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use png::{BitDepth, ColorType, Decoder, Transformations};

use super::TrainError;

/// More than any label map takes.
const MOST_BYTES: usize = 1 << 30;

/// Rows and columns of a PNG, from its header.
pub(super) fn size(path: &Path) -> Result<[usize; 2], TrainError> {
    let mut decoder = decoder(path)?;
    let info = decoder.read_header_info();
    let info = info.map_err(|error| damage(path, &error))?;
    Ok([info.height as usize, info.width as usize])
}

/// One number per pixel of an 8-bit indexed or grey PNG.
pub(super) fn bytes(path: &Path, size: [usize; 2]) -> Result<Vec<u8>, TrainError> {
    let (kind, bytes) = numbers(path, size)?;
    match kind {
        (ColorType::Indexed | ColorType::Grayscale, BitDepth::Eight) => Ok(bytes),
        (ColorType::Indexed | ColorType::Grayscale, depth) if depth != BitDepth::Sixteen => {
            Ok(unpacked(&bytes, depth as usize, size[1]))
        }
        _ => Err(TrainError::data(
            path,
            "class maps are 8-bit indexed or grey PNGs",
        )),
    }
}

/// One number per pixel of a 16-bit (or 8-bit) grey PNG.
pub(super) fn words(path: &Path, size: [usize; 2]) -> Result<Vec<u16>, TrainError> {
    let (kind, bytes) = numbers(path, size)?;
    match kind {
        (ColorType::Grayscale, BitDepth::Sixteen) => {
            let pairs = bytes.as_chunks::<2>().0;
            Ok(pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
        }
        (ColorType::Indexed | ColorType::Grayscale, BitDepth::Eight) => {
            Ok(bytes.into_iter().map(u16::from).collect())
        }
        _ => Err(TrainError::data(path, "segment maps are 16-bit grey PNGs")),
    }
}

fn decoder(path: &Path) -> Result<Decoder<BufReader<File>>, TrainError> {
    let file = File::open(path).map_err(|error| TrainError::data(path, error.to_string()))?;
    let limits = png::Limits { bytes: MOST_BYTES };
    let mut decoder = Decoder::new_with_limits(BufReader::new(file), limits);
    decoder.set_transformations(Transformations::IDENTITY);
    Ok(decoder)
}

fn numbers(path: &Path, size: [usize; 2]) -> Result<((ColorType, BitDepth), Vec<u8>), TrainError> {
    let mut reader = decoder(path)?;
    let info = reader.read_header_info();
    let info = info.map_err(|error| damage(path, &error))?;
    let found = [info.height as usize, info.width as usize];
    if found != size {
        let why = format!(
            "it is {} × {} pixels, but its photo is {} × {}",
            found[1], found[0], size[1], size[0]
        );
        return Err(TrainError::data(path, why));
    }
    let mut reader = reader.read_info().map_err(|error| damage(path, &error))?;
    let length = reader.output_buffer_size().filter(|&n| n <= MOST_BYTES);
    let length = length.ok_or_else(|| TrainError::data(path, "it is too large"))?;
    let mut bytes = vec![0; length];
    let frame = reader.next_frame(&mut bytes);
    let frame = frame.map_err(|error| damage(path, &error))?;
    bytes.truncate(frame.buffer_size());
    Ok(((frame.color_type, frame.bit_depth), bytes))
}

/// Numbers of 1, 2 or 4 bits, of which rows begin at whole bytes, as bytes.
fn unpacked(bytes: &[u8], bits: usize, width: usize) -> Vec<u8> {
    let per_byte = 8 / bits;
    let most = (1u8 << bits) - 1;
    let rows = bytes.chunks_exact(width.div_ceil(per_byte));
    rows.flat_map(|row| {
        (0..width).map(move |x| row[x / per_byte] >> (8 - bits * (x % per_byte + 1)) & most)
    })
    .collect()
}

fn damage(path: &Path, error: &png::DecodingError) -> TrainError {
    TrainError::data(path, format!("it is no intact PNG file ({error})"))
}

/// Everything a reader gives, as text for a small JSON file.
pub(super) fn small_text(path: &Path) -> Result<String, TrainError> {
    let refused = |error: std::io::Error| TrainError::data(path, error.to_string());
    let file = File::open(path).map_err(refused)?;
    let mut text = String::new();
    file.take(16 << 20)
        .read_to_string(&mut text)
        .map_err(refused)?;
    Ok(text)
}
