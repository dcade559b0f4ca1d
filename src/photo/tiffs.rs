//! TIFF: the first page, in all the sample types that microscopes and
//! satellites write.

use std::io::{self, Cursor};

use tiff::decoder::{BufferLayoutPreference, Decoder, DecodingResult};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::decode::{Pixels, Raw, check_size};
use super::general::{regroup, spread};
use super::window::Samples;
use super::{Limits, PhotoError};

/// Decode the first page of a TIFF file.
pub(super) fn decode(file: &str, data: &[u8], limits: &Limits) -> Result<Raw, PhotoError> {
    let Some(indexed) = Indexed::find(data) else {
        return decode_page(file, data, limits, false);
    };
    // the decoder refuses palettes: let it read the indices as grey values
    let mut raw = decode_page(file, &indexed.as_grey, limits, true)?;
    let Pixels::Rgb8(indices) = raw.pixels else {
        return Err(unsupported(file, "a palette of more than 256 colours"));
    };
    raw.pixels = Pixels::Rgb8(regroup::<u8, 3>(&indices, |[i, ..]| {
        let colour = indexed.palette.get(usize::from(i));
        colour.copied().unwrap_or_default()
    }));
    raw.channels = 3;
    Ok(raw)
}

fn decode_page(file: &str, data: &[u8], limits: &Limits, indices: bool) -> Result<Raw, PhotoError> {
    let failed = |error| explain(file, error);
    let decoder = Decoder::new(Cursor::new(data)).map_err(failed)?;
    let mut decoder = decoder.with_limits(decoder_limits(limits));
    let (width, height) = decoder.dimensions().map_err(failed)?;
    let color = decoder.colortype().map_err(failed)?;
    let stored = u64::from(color.bit_depth().div_ceil(8)) * u64::from(color.num_samples());
    check_size(file, width, height, stored.max(1), limits)?;
    let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation);
    let mut samples = DecodingResult::U8(Vec::new());
    let layout = decoder.read_image_to_buffer(&mut samples).map_err(failed)?;
    let pixels = match samples {
        DecodingResult::U8(v) => {
            let v = unpacked(v, color.bit_depth(), width, indices);
            shown(v, color, &layout).map(Shown::into_rgb8)
        }
        DecodingResult::U16(v) => shown(v, color, &layout).map(|shown| match shown {
            Shown::Grey(v) => Pixels::Deep(Samples::Grey16(v)),
            Shown::Rgb(v) => Pixels::Deep(Samples::Rgb16(v)),
        }),
        other => shown(as_floats(other), color, &layout).map(|shown| match shown {
            Shown::Grey(v) => Pixels::Deep(Samples::GreyFloat(v)),
            Shown::Rgb(v) => Pixels::Deep(Samples::RgbFloat(v)),
        }),
    };
    let pixels = pixels.ok_or_else(|| unsupported(file, format!("colour type {color:?}")))?;
    Ok(Raw {
        width,
        height,
        pixels,
        bits: color.bit_depth(),
        channels: if color.num_samples() < 3 { 1 } else { 3 },
        orientation: orientation
            .ok()
            .flatten()
            .filter(|o| (1..=8).contains(o))
            .unwrap_or(1),
        more_pages: decoder.more_images(),
    })
}

fn decoder_limits(limits: &Limits) -> tiff::decoder::Limits {
    let mut out = tiff::decoder::Limits::default();
    let bytes = usize::try_from(limits.max_bytes).unwrap_or(usize::MAX);
    out.decoding_buffer_size = bytes;
    out.intermediate_buffer_size = bytes;
    // offsets of eight million strips
    out.ifd_value_size = 64 << 20;
    out
}

/// Samples of 1, 2 or 4 bits, of which rows begin at whole bytes, to bytes of
/// the full range; indices of a palette keep their values.
fn unpacked(data: Vec<u8>, bits: u8, width: u32, indices: bool) -> Vec<u8> {
    if !matches!(bits, 1 | 2 | 4) {
        return data;
    }
    let (width, per_byte) = (width as usize, usize::from(8 / bits));
    let most = (1u8 << bits) - 1;
    let factor = if indices { 1 } else { 255 / most };
    data.chunks_exact(width.div_ceil(per_byte))
        .flat_map(|row| {
            (0..width).map(move |x| {
                let shift = 8 - usize::from(bits) * (x % per_byte + 1);
                (row[x / per_byte] >> shift & most) * factor
            })
        })
        .collect()
}

/// Integers of other sizes as floats: exact up to 24 bits, close enough to be
/// shown above.
fn as_floats(samples: DecodingResult) -> Vec<f32> {
    match samples {
        DecodingResult::F32(v) => v,
        DecodingResult::F16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::F64(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::I8(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::I16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::I32(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::I64(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::U8(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::U16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::U32(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::U64(v) => v.into_iter().map(|v| v as f32).collect(),
    }
}

/// Pixels as they are shown: alpha and further bands are gone.
enum Shown<T> {
    Grey(Vec<T>),
    Rgb(Vec<T>),
}

impl Shown<u8> {
    fn into_rgb8(self) -> Pixels {
        Pixels::Rgb8(match self {
            Shown::Grey(v) => spread::<u8, 1>(&v),
            Shown::Rgb(v) => v,
        })
    }
}

/// What the samples of `color` look like; `None` for colours not known here.
///
/// Of files with many bands (satellites), the first three are shown.
fn shown<T: Channel>(
    data: Vec<T>,
    color: ColorType,
    layout: &BufferLayoutPreference,
) -> Option<Shown<T>> {
    let bands = usize::from(color.num_samples());
    let data = interleaved(data, bands, layout);
    Some(match color {
        ColorType::Gray(_) => Shown::Grey(data),
        ColorType::RGB(_) => Shown::Rgb(data),
        ColorType::GrayA(_) => Shown::Grey(data.into_iter().step_by(2).collect()),
        ColorType::RGBA(_) => Shown::Rgb(regroup::<T, 4>(&data, |[r, g, b, _]| [r, g, b])),
        ColorType::CMYK(_) => Shown::Rgb(regroup::<T, 4>(&data, T::rgb_from_cmyk)),
        ColorType::YCbCr(8) => Shown::Rgb(regroup::<T, 3>(&data, T::rgb_from_ycbcr)),
        ColorType::Multiband { .. } if bands < 3 => {
            Shown::Grey(data.into_iter().step_by(bands).collect())
        }
        ColorType::Multiband { .. } => {
            let first = data.chunks_exact(bands).flat_map(|p| [p[0], p[1], p[2]]);
            Shown::Rgb(first.collect())
        }
        _ => return None,
    })
}

/// Planes one after the other to pixels of `bands` samples.
fn interleaved<T: Channel>(data: Vec<T>, bands: usize, layout: &BufferLayoutPreference) -> Vec<T> {
    if layout.planes < 2 {
        return data;
    }
    let plane = layout.len / size_of::<T>();
    let planes: Vec<&[T]> = data.chunks_exact(plane).take(bands).collect();
    (0..plane)
        .flat_map(|i| planes.iter().map(move |plane| plane[i]))
        .collect()
}

/// A sample type that colours can be computed in.
trait Channel: Copy + Default + Send + Sync {
    /// As PIL converts CMYK without a colour profile.
    fn rgb_from_cmyk(cmyk: [Self; 4]) -> [Self; 3];
    /// JPEG's YCbCr (ITU T.871); only 8-bit files have it.
    fn rgb_from_ycbcr(ycbcr: [Self; 3]) -> [Self; 3];
}

impl Channel for u8 {
    fn rgb_from_cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
        let light = |v: u8| ((255 - u16::from(v)) * (255 - u16::from(k)) + 127) / 255;
        [c, m, y].map(|v| light(v) as u8)
    }

    fn rgb_from_ycbcr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
        let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
        [
            y + 1.402 * cr,
            y - 0.344_136 * cb - 0.714_136 * cr,
            y + 1.772 * cb,
        ]
        .map(|v| (v + 0.5) as u8)
    }
}

impl Channel for u16 {
    fn rgb_from_cmyk([c, m, y, k]: [u16; 4]) -> [u16; 3] {
        let light = |v: u16| ((65535 - u64::from(v)) * (65535 - u64::from(k)) + 32767) / 65535;
        [c, m, y].map(|v| light(v) as u16)
    }

    fn rgb_from_ycbcr(ycbcr: [u16; 3]) -> [u16; 3] {
        ycbcr
    }
}

impl Channel for f32 {
    fn rgb_from_cmyk([c, m, y, k]: [f32; 4]) -> [f32; 3] {
        [c, m, y].map(|v| (1.0 - v) * (1.0 - k))
    }

    fn rgb_from_ycbcr(ycbcr: [f32; 3]) -> [f32; 3] {
        ycbcr
    }
}

/// A TIFF file of palette indices, prepared for a decoder that knows no palettes.
struct Indexed {
    /// The file with its photometric interpretation changed to greyscale.
    as_grey: Vec<u8>,
    palette: Vec<[u8; 3]>,
}

impl Indexed {
    /// The palette of the first page, if `data` is a (classic, not big) TIFF
    /// file that has one. Tags as in TIFF 6.0, sections 2 and 5.
    fn find(data: &[u8]) -> Option<Self> {
        const PHOTOMETRIC: u16 = 262;
        const COLOR_MAP: u16 = 320;
        let file = Ints {
            data,
            big_endian: data.starts_with(b"MM"),
        };
        (file.short(2)? == 42).then_some(())?;
        let start = file.long(4)?;
        let mut photometric = None;
        let mut map = None;
        for i in 0..usize::from(file.short(start)?) {
            let entry = start + 2 + i * 12;
            match file.short(entry)? {
                PHOTOMETRIC if file.short(entry + 8)? == 3 => photometric = Some(entry + 8),
                COLOR_MAP => map = Some((file.long(entry + 4)? / 3, file.long(entry + 8)?)),
                _ => {}
            }
        }
        let (photometric, (colors, at)) = (photometric?, map?);
        let color = |i| Some([0, 1, 2].map(|c| file.short(at + (c * colors + i) * 2)));
        let wide: Vec<[u16; 3]> = (0..colors.min(256))
            .map_while(color)
            .map(|[r, g, b]| Some([r?, g?, b?]))
            .collect::<Option<_>>()?;
        // some writers store 8-bit values in the 16-bit entries
        let narrow = wide.iter().flatten().all(|&v| v < 256);
        let palette = wide
            .iter()
            .map(|rgb| rgb.map(|v| if narrow { v } else { v >> 8 } as u8));
        let mut as_grey = data.to_vec();
        as_grey[photometric..photometric + 2].copy_from_slice(&file.bytes(1));
        Some(Self {
            palette: palette.collect(),
            as_grey,
        })
    }
}

/// Integers at places of a file.
struct Ints<'a> {
    data: &'a [u8],
    big_endian: bool,
}

impl Ints<'_> {
    fn short(&self, at: usize) -> Option<u16> {
        let bytes = [*self.data.get(at)?, *self.data.get(at + 1)?];
        Some(match self.big_endian {
            true => u16::from_be_bytes(bytes),
            false => u16::from_le_bytes(bytes),
        })
    }

    fn long(&self, at: usize) -> Option<usize> {
        let (a, b) = (
            usize::from(self.short(at)?),
            usize::from(self.short(at + 2)?),
        );
        Some(match self.big_endian {
            true => a << 16 | b,
            false => b << 16 | a,
        })
    }

    fn bytes(&self, value: u16) -> [u8; 2] {
        match self.big_endian {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        }
    }
}

fn unsupported(file: &str, why: impl Into<String>) -> PhotoError {
    PhotoError::UnsupportedFeature {
        file: file.to_owned(),
        why: why.into(),
    }
}

fn explain(file: &str, error: TiffError) -> PhotoError {
    match error {
        TiffError::IoError(io) if io.kind() == io::ErrorKind::UnexpectedEof => {
            PhotoError::truncated(file)
        }
        TiffError::UnsupportedError(error) => unsupported(file, error.to_string()),
        TiffError::LimitsExceeded | TiffError::IntSizeError => {
            unsupported(file, "its parts are larger than the limits allow")
        }
        other => PhotoError::damaged(file, other),
    }
}
