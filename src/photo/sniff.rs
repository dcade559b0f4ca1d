//! What a file is, told by its first bytes, and by its name only where the
//! bytes cannot tell (camera raw files are TIFF inside).

use std::ffi::OsStr;
use std::path::Path;

/// The picture formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PhotoFormat {
    /// Portable Network Graphics.
    Png,
    /// JPEG, baseline and progressive.
    Jpeg,
    /// WebP, lossy and lossless; the first frame of an animation.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// GIF, the first frame.
    Gif,
    /// TIFF, the first page; 8, 16 and 32-bit integers and floats.
    Tiff,
    /// PBM, PGM, PPM and PAM.
    Pnm,
    /// Not from a file.
    Memory,
}

impl PhotoFormat {
    /// The name to show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
            Self::Gif => "GIF",
            Self::Tiff => "TIFF",
            Self::Pnm => "PNM",
            Self::Memory => "memory",
        }
    }
}

/// What the first bytes of a file say.
pub(super) enum Sniffed {
    /// A format that is read.
    Photo(PhotoFormat),
    /// A format that is known by name only, and what to do about it.
    Foreign(&'static str, &'static str),
    /// Text of some kind.
    Text,
    /// Nothing known.
    Unknown,
}

/// The extensions of photos that can be opened, in lower case.
pub const EXTENSIONS: [&str; 15] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "gif", "tif", "tiff", "pnm", "pbm", "pgm",
    "ppm", "pam",
];

/// Whether a file's extension is one of a photo that can be opened.
pub fn is_photo_path(path: &Path) -> bool {
    extension(path).is_some_and(|ext| EXTENSIONS.contains(&ext.as_str()))
}

fn extension(path: &Path) -> Option<String> {
    path.extension()
        .and_then(OsStr::to_str)
        .map(str::to_ascii_lowercase)
}

const CONVERT: &str = "convert it to PNG or JPEG first";
const DEVELOP: &str = "develop it to a 16-bit TIFF or a JPEG with a raw converter first";
const RASTERISE: &str = "export it as PNG first";

/// Tell what `data` (a whole file, or its beginning) is; `name` breaks ties.
pub(super) fn sniff(data: &[u8], name: &Path) -> Sniffed {
    if let Some(format) = photo_format(data) {
        if format == PhotoFormat::Tiff && is_raw(data, name) {
            return Sniffed::Foreign("a camera raw file", DEVELOP);
        }
        return Sniffed::Photo(format);
    }
    if let Some((format, remedy)) = foreign(data) {
        return Sniffed::Foreign(format, remedy);
    }
    let head = &data[..data.len().min(4096)];
    if is_text(head) {
        if contains(head, b"<svg") {
            return Sniffed::Foreign("an SVG drawing", RASTERISE);
        }
        return Sniffed::Text;
    }
    Sniffed::Unknown
}

fn photo_format(data: &[u8]) -> Option<PhotoFormat> {
    let starts = |magic: &[u8]| data.starts_with(magic);
    Some(if starts(b"\x89PNG\r\n\x1a\n") {
        PhotoFormat::Png
    } else if starts(b"\xff\xd8\xff") {
        PhotoFormat::Jpeg
    } else if starts(b"RIFF") && data.get(8..12) == Some(b"WEBP") {
        PhotoFormat::WebP
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        PhotoFormat::Gif
    } else if starts(b"II*\0") || starts(b"MM\0*") || starts(b"II+\0") || starts(b"MM\0+") {
        PhotoFormat::Tiff
    } else if starts(b"BM") && is_bmp_header(data.get(14..18)) {
        PhotoFormat::Bmp
    } else if is_pnm(data) {
        PhotoFormat::Pnm
    } else {
        return None;
    })
}

/// The size of the header that follows a BMP's file header has few values; the
/// letters "BM" alone begin many a text.
fn is_bmp_header(size: Option<&[u8]>) -> bool {
    matches!(
        size,
        Some([12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])
    )
}

fn is_pnm(data: &[u8]) -> bool {
    matches!(data, [b'P', b'1'..=b'7', space, ..] if space.is_ascii_whitespace())
}

fn is_raw(data: &[u8], name: &Path) -> bool {
    const RAW: [&str; 11] = [
        "dng", "nef", "nrw", "arw", "sr2", "cr2", "pef", "srw", "3fr", "iiq", "erf",
    ];
    data.get(8..10) == Some(b"CR") || extension(name).is_some_and(|ext| RAW.contains(&ext.as_str()))
}

fn foreign(data: &[u8]) -> Option<(&'static str, &'static str)> {
    if data.get(4..8) == Some(b"ftyp") {
        return Some(match data.get(8..12).unwrap_or_default() {
            b"avif" | b"avis" => ("an AVIF picture", CONVERT),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1" => {
                ("a HEIC picture", CONVERT)
            }
            b"crx " => ("a camera raw file", DEVELOP),
            _ => ("a video", "save single frames as PNG or JPEG first"),
        });
    }
    if data.get(128..132) == Some(b"DICM") {
        return Some(("a DICOM file", "export it as 16-bit PNG or TIFF first"));
    }
    const MAGIC: [(&[u8], &str, &str); 19] = [
        (b"8BPS", "a Photoshop document", RASTERISE),
        (b"gimp xcf", "a GIMP document", RASTERISE),
        (b"FUJIFILMCCD-RAW", "a camera raw file", DEVELOP),
        (b"IIRO", "a camera raw file", DEVELOP),
        (b"IIRS", "a camera raw file", DEVELOP),
        (b"IIU\0", "a camera raw file", DEVELOP),
        (b"\xff\x0a", "a JPEG XL picture", CONVERT),
        (b"\0\0\0\x0cJXL ", "a JPEG XL picture", CONVERT),
        (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", CONVERT),
        (b"\xff\x4f\xff\x51", "a JPEG 2000 picture", CONVERT),
        (b"%PDF", "a PDF document", "export the page as PNG first"),
        (b"%!PS", "a PostScript document", RASTERISE),
        (
            b"v/1\x01",
            "an OpenEXR picture",
            "convert it to float TIFF first",
        ),
        (
            b"#?RADIANCE",
            "a Radiance HDR picture",
            "convert it to float TIFF first",
        ),
        (b"qoif", "a QOI picture", CONVERT),
        (b"DDS ", "a DDS texture", CONVERT),
        (b"\0\0\x01\0", "an icon file", CONVERT),
        (b"\x1f\x8b", "a gzip archive", "unpack it first"),
        (b"PK\x03\x04", "a zip archive", "unpack it first"),
    ];
    MAGIC
        .iter()
        .find(|(magic, ..)| data.starts_with(magic))
        .map(|&(_, format, remedy)| (format, remedy))
}

fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // a character may be cut in half at the end of `head`
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && !text.chars().any(|c| c.is_control() && !c.is_whitespace())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|part| part == needle)
}
