//! Tests of photos; those of what is refused are in a file of their own.

mod refused;

use std::ffi::OsString;
use std::fs;
use std::io::Cursor;
use std::path::PathBuf;

use image::{ImageEncoder, ImageFormat};
use proptest::prelude::*;

use super::*;

const RED: [u8; 3] = [200, 10, 20];
const GREEN: [u8; 3] = [30, 180, 40];

fn read(name: &str, data: &[u8]) -> Result<Photo, PhotoError> {
    decode_bytes(name, data, &Limits::default())
}

fn noise(width: u32, height: u32) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..width * height * 3).map(|_| next()).collect()
}

fn encoded(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_raw(width, height, noise(width, height)).unwrap();
    let mut out = Cursor::new(Vec::new());
    let picture = image::DynamicImage::ImageRgb8(picture);
    let picture = match format {
        ImageFormat::Gif => image::DynamicImage::ImageRgba8(picture.to_rgba8()),
        _ => picture,
    };
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn png(
    color: png::ColorType,
    depth: png::BitDepth,
    width: u32,
    height: u32,
    data: &[u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette([[0, 0, 0], RED, GREEN].concat());
        encoder.set_trns(vec![255, 0]);
    }
    encoder
        .write_header()
        .unwrap()
        .write_image_data(data)
        .unwrap();
    out
}

fn near(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 6)
}

/// A TIFF header and one IFD saying only "orientation"; what EXIF is made of.
fn exif(orientation: u8) -> Vec<u8> {
    let mut out = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    out.push(orientation);
    out.extend([0; 6]);
    out
}

#[test]
fn lossless_formats_keep_every_pixel() {
    for format in [
        ImageFormat::Png,
        ImageFormat::Bmp,
        ImageFormat::WebP,
        ImageFormat::Tiff,
        ImageFormat::Pnm,
    ] {
        let photo = read("a", &encoded(format, 33, 17)).unwrap();
        assert_eq!((photo.width(), photo.height()), (33, 17), "{format:?}");
        assert_eq!(photo.rgb(), noise(33, 17), "{format:?}");
        assert_eq!(photo.window(), None);
        assert_eq!(photo.source().bits, 8);
    }
}

#[test]
fn jpeg_and_gif_are_close() {
    let flat = [RED, RED, GREEN, GREEN].concat().repeat(16);
    let picture = image::RgbImage::from_raw(4, 16, flat).unwrap();
    for format in [ImageFormat::Jpeg, ImageFormat::Gif] {
        let mut out = Cursor::new(Vec::new());
        image::imageops::resize(&picture, 32, 32, image::imageops::FilterType::Nearest)
            .write_to(&mut out, format)
            .unwrap();
        let photo = read("a", &out.into_inner()).unwrap();
        assert!(near(photo.rgb_at(3, 3).unwrap(), RED), "{format:?}");
        assert!(near(photo.rgb_at(28, 28).unwrap(), GREEN), "{format:?}");
    }
}

#[test]
fn grey_palette_and_alpha_become_what_convert_rgb_makes() {
    use png::{BitDepth::Eight, BitDepth::One, ColorType};
    let grey = read("g", &png(ColorType::Grayscale, Eight, 2, 1, &[7, 250])).unwrap();
    assert_eq!(grey.rgb(), [7, 7, 7, 250, 250, 250]);
    assert_eq!(grey.source().channels, 1);
    let bits = read("b", &png(ColorType::Grayscale, One, 2, 1, &[0b0100_0000])).unwrap();
    assert_eq!(bits.rgb(), [0, 0, 0, 255, 255, 255]);
    // a transparent palette entry keeps its colour, as with PIL
    let indexed = read("p", &png(ColorType::Indexed, Eight, 3, 1, &[1, 2, 0])).unwrap();
    assert_eq!(indexed.rgb(), [RED, GREEN, [0; 3]].concat());
    let la = read(
        "l",
        &png(ColorType::GrayscaleAlpha, Eight, 2, 1, &[9, 0, 8, 255]),
    )
    .unwrap();
    assert_eq!(la.rgb(), [9, 9, 9, 8, 8, 8]);
    let rgba = read("r", &png(ColorType::Rgba, Eight, 1, 1, &[1, 2, 3, 0])).unwrap();
    assert_eq!(rgba.rgb(), [1, 2, 3]);
}

#[test]
fn cmyk_jpeg_has_its_colours() {
    let photo = read("c", include_bytes!("../../tests/fixtures/photos/cmyk.jpg")).unwrap();
    let expected = [[255, 0, 0], [0, 255, 0], [0, 0, 0], [255, 255, 255]];
    for (i, expected) in expected.into_iter().enumerate() {
        let got = photo.rgb_at(8 + 16 * i as u32, 8).unwrap();
        assert!(near(got, expected), "patch {i}: {got:?}");
    }
}

#[test]
fn files_written_by_pillow_open() {
    let tif = read(
        "t",
        include_bytes!("../../tests/fixtures/photos/palette.tif"),
    )
    .unwrap();
    let gif = read(
        "g",
        include_bytes!("../../tests/fixtures/photos/palette.gif"),
    )
    .unwrap();
    let bmp = read(
        "b",
        include_bytes!("../../tests/fixtures/photos/palette.bmp"),
    )
    .unwrap();
    for photo in [tif, gif, bmp] {
        assert_eq!((photo.width(), photo.height()), (6, 4));
        assert_eq!(photo.rgb_at(0, 0), Some(RED), "{:?}", photo.source());
        assert_eq!(photo.rgb_at(5, 3), Some(GREEN), "{:?}", photo.source());
    }
    let bits = read(
        "b",
        include_bytes!("../../tests/fixtures/photos/bilevel.tif"),
    )
    .unwrap();
    assert_eq!(bits.rgb_at(2, 0), Some([0; 3]));
    assert_eq!(bits.rgb_at(3, 0), Some([255; 3]));
    let jpeg = read(
        "j",
        include_bytes!("../../tests/fixtures/photos/ycbcr-jpeg.tif"),
    )
    .unwrap();
    assert!(near(jpeg.rgb_at(4, 8).unwrap(), [220, 30, 40]));
    assert!(near(jpeg.rgb_at(28, 8).unwrap(), [20, 60, 210]));
    // stored upside down, said so by an EXIF chunk with JPEG's prefix
    let webp = read(
        "w",
        include_bytes!("../../tests/fixtures/photos/lossy.webp"),
    )
    .unwrap();
    assert_eq!(webp.source().exif_orientation, 3);
    assert!(near(webp.rgb_at(4, 8).unwrap(), [20, 60, 210]));
}

#[test]
fn every_exif_orientation_is_applied_once() {
    // stored: red top left, green top right, blue bottom left, white bottom right
    let corners = [RED, GREEN, [20, 30, 220], [250, 250, 250]];
    let mut rgb = Vec::new();
    for y in 0..32 {
        for x in 0..64 {
            rgb.extend(corners[usize::from(y >= 16) * 2 + usize::from(x >= 32)]);
        }
    }
    let mut plain = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut plain, 95)
        .write_image(&rgb, 64, 32, image::ExtendedColorType::Rgb8)
        .unwrap();
    // EXIF 2.3, 4.6.4: which stored corner is shown top left, top right, bottom left
    let shown = [
        [0, 1, 2],
        [1, 0, 3],
        [3, 2, 1],
        [2, 3, 0],
        [0, 2, 1],
        [2, 0, 3],
        [3, 1, 2],
        [1, 3, 0],
    ];
    for orientation in 1..=8u8 {
        let chunk = exif(orientation);
        let mut data = plain[..2].to_vec();
        data.extend([0xff, 0xe1]);
        data.extend((chunk.len() as u16 + 8).to_be_bytes());
        data.extend(b"Exif\0\0");
        data.extend(&chunk);
        data.extend(&plain[2..]);
        let photo = read("a.jpg", &data).unwrap();
        let (w, h) = if orientation < 5 { (64, 32) } else { (32, 64) };
        assert_eq!((photo.width(), photo.height()), (w, h));
        assert_eq!(photo.source().exif_orientation, orientation);
        let at = [(2, 2), (w - 3, 2), (2, h - 3)];
        for (corner, (x, y)) in shown[usize::from(orientation) - 1].into_iter().zip(at) {
            let got = photo.rgb_at(x, y).unwrap();
            assert!(
                near(got, corners[corner]),
                "{orientation} at {x},{y}: {got:?}"
            );
        }
    }
}

#[test]
fn png_and_tiff_orientations_are_applied() {
    let mut data = Vec::new();
    let mut info = png::Info::with_size(2, 1);
    info.color_type = png::ColorType::Grayscale;
    info.bit_depth = png::BitDepth::Sixteen;
    info.exif_metadata = Some(exif(6).into());
    let encoder = png::Encoder::with_info(&mut data, info).unwrap();
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&[0, 1, 0, 2])
        .unwrap();
    let photo = read("a.png", &data).unwrap();
    assert_eq!((photo.width(), photo.height()), (1, 2));
    assert_eq!(photo.sample_at(0, 1), Some(Sample::Grey(2.0)));

    let tiff = tiff(2, 1, |mut image| {
        image
            .encoder()
            .write_tag(::tiff::tags::Tag::Orientation, 8u16)
            .unwrap();
        image.write_data(&[1.0f32, 2.0]).unwrap();
    });
    let photo = read("a.tif", &tiff).unwrap();
    assert_eq!((photo.width(), photo.height()), (1, 2));
    assert_eq!(photo.sample_at(0, 0), Some(Sample::Grey(2.0)));
}

type FloatImage<'a> = ::tiff::encoder::ImageEncoder<
    'a,
    &'a mut Cursor<Vec<u8>>,
    ::tiff::encoder::colortype::Gray32Float,
    ::tiff::encoder::TiffKindStandard,
>;

fn tiff(width: u32, height: u32, write: impl FnOnce(FloatImage<'_>)) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let mut encoder = ::tiff::encoder::TiffEncoder::new(&mut out).unwrap();
    write(encoder.new_image(width, height).unwrap());
    out.into_inner()
}

#[test]
fn sixteen_bits_keep_their_samples_behind_a_window() {
    let wide: Vec<u8> = (0..1000u32)
        .flat_map(|i| ((i * 65) as u16).to_be_bytes())
        .collect();
    let depth = png::BitDepth::Sixteen;
    let photo = read("a", &png(png::ColorType::Grayscale, depth, 1000, 1, &wide)).unwrap();
    // well used: as the 8-bit copy would be
    let window = photo.window().unwrap();
    assert_eq!((window.lo, window.hi), (0.0, 65535.0));
    assert_eq!((window.min, window.max), (0.0, 999.0 * 65.0));
    assert_eq!(photo.rgb_at(500, 0), Some([126; 3]));

    let dark: Vec<u8> = (0..1000u16).flat_map(|i| (i + 100).to_be_bytes()).collect();
    let photo = read("a", &png(png::ColorType::Grayscale, depth, 1000, 1, &dark)).unwrap();
    let window = photo.window().unwrap();
    assert_eq!((window.lo, window.hi), (101.0, 1098.0));
    assert_eq!(photo.rgb_at(999, 0), Some([255; 3]));
    assert_eq!(photo.sample_at(999, 0), Some(Sample::Grey(1099.0)));

    let moved = photo.with_window(600.0, 100.0);
    assert_eq!(moved.rgb_at(250, 0), Some([128; 3]));
    assert_eq!(moved.window().unwrap().lo, 100.0);
    assert_eq!(moved.sample_at(999, 0), photo.sample_at(999, 0));
    assert_eq!(moved.levels().len(), photo.levels().len());
    assert_ne!(moved.level(1), photo.level(1));
    let nonsense = photo.with_window(f32::NAN, f32::INFINITY).window();
    assert_eq!(nonsense, photo.window());
    let narrow = photo.with_window(5.0, 5.0).window().unwrap();
    assert!(narrow.hi > narrow.lo);
}

#[test]
fn floats_may_hold_nan_and_infinity() {
    let mut values: Vec<f32> = (0..100).map(|i| i as f32 * 10.0).collect();
    values[3] = f32::NAN;
    values[4] = f32::INFINITY;
    values[5] = f32::NEG_INFINITY;
    let data = tiff(10, 10, |image| image.write_data(&values).unwrap());
    let photo = read("a.tif", &data).unwrap();
    let window = photo.window().unwrap();
    assert_eq!((window.min, window.max), (0.0, 990.0));
    assert_eq!((window.lo, window.hi), (0.0, 990.0));
    assert!(photo.source().float);
    assert_eq!(photo.rgb_at(3, 0), Some([0; 3]));
    assert_eq!(photo.rgb_at(4, 0), Some([255; 3]));
    assert_eq!(photo.rgb_at(5, 0), Some([0; 3]));
    assert_eq!(photo.rgb_at(9, 9), Some([255; 3]));

    let unit: Vec<f32> = (0..100).map(|i| 0.2 + i as f32 / 200.0).collect();
    let data = tiff(10, 10, |image| image.write_data(&unit).unwrap());
    let window = read("a.tif", &data).unwrap().window().unwrap();
    assert_eq!((window.lo, window.hi), (0.0, 1.0));

    let nothing = tiff(10, 10, |image| image.write_data(&[f32::NAN; 100]).unwrap());
    assert_eq!(read("a.tif", &nothing).unwrap().rgb_at(0, 0), Some([0; 3]));
}

#[cfg(unix)]
#[test]
fn names_that_are_not_unicode_open() {
    use std::os::unix::ffi::OsStringExt;
    let folder = tempfile::tempdir().unwrap();
    let name = OsString::from_vec(b"caf\xe9.png".to_vec());
    let path: PathBuf = folder.path().join(&name);
    fs::write(&path, encoded(ImageFormat::Png, 3, 2)).unwrap();
    assert!(is_photo_path(&path));
    let photo = decode(&path, &Limits::default()).unwrap();
    assert_eq!(photo.path(), Some(path.as_path()));
    assert_eq!(photo.name(), "caf\u{fffd}.png");
}

#[test]
fn photos_are_told_by_extension() {
    for name in ["a.png", "b.JPG", "c.TiFF", "d.pam"] {
        assert!(is_photo_path(Path::new(name)), "{name}");
    }
    for name in ["a.txt", "png", ".png", "a.png.part"] {
        assert!(!is_photo_path(Path::new(name)), "{name}");
    }
}

#[test]
fn thin_photos_have_pyramids_and_thumbnails() {
    for (w, h) in [(1, 1), (1, 5000), (5000, 1), (257, 256)] {
        let photo = read("a", &encoded(ImageFormat::Png, w, h)).unwrap();
        let last = photo.levels().last().unwrap();
        assert!(last.width.max(last.height) <= 256);
        for pair in photo.levels().windows(2) {
            assert_eq!(pair[1].width, pair[0].width.div_ceil(2));
            assert_eq!(pair[1].height, pair[0].height.div_ceil(2));
            assert_eq!(pair[1].rgb.len() as u32, pair[1].width * pair[1].height * 3);
        }
        let (tw, th, rgb) = thumbnail(&photo, 96);
        assert_eq!(tw.max(th), 96.min(w.max(h)));
        assert_eq!(rgb.len() as u32, tw * th * 3);
    }
}

#[test]
fn thumbnails_average_what_they_cover() {
    let mut rgb = vec![0; 300 * 3];
    rgb[150 * 3..].fill(200);
    let photo = Photo::from_rgb(300, 1, rgb, "a").unwrap();
    let (w, h, small) = thumbnail(&photo, 3);
    assert_eq!((w, h), (3, 1));
    assert_eq!(small, [0, 0, 0, 100, 100, 100, 200, 200, 200]);
    assert!(Photo::from_rgb(2, 2, vec![0; 11], "a").is_err());
    assert!(Photo::from_rgb(0, 2, vec![], "a").is_err());
}

proptest! {
    #[test]
    fn half_size_pixels_are_rounded_means(w in 1u32..600, h in 257u32..300) {
        let photo = Photo::from_rgb(w, h, noise(w, h), "a").unwrap();
        let half = photo.level(1).unwrap();
        for (x, y) in [(0, 0), (half.width - 1, half.height - 1), (half.width / 2, half.height - 1)] {
            let mut sum = [0u32; 3];
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let (sx, sy) = ((2 * x + dx).min(w - 1), (2 * y + dy).min(h - 1));
                for (sum, v) in sum.iter_mut().zip(photo.rgb_at(sx, sy).unwrap()) {
                    *sum += u32::from(v);
                }
            }
            let i = ((y * half.width + x) * 3) as usize;
            prop_assert_eq!(half.rgb[i..i + 3].to_vec(), sum.map(|s| ((s + 2) / 4) as u8).to_vec());
        }
    }

    #[test]
    fn orientations_move_pixels_as_their_definition_says(
        w in 1u32..150, h in 1u32..150, orientation in 0u8..10,
    ) {
        let source: Vec<u16> = (0..w * h).map(|i| i as u16).collect();
        let (out, ow, oh) = orient::upright::<u16, 1>(source, w, h, orientation);
        prop_assert_eq!((ow, oh), if (5..=8).contains(&orientation) { (h, w) } else { (w, h) });
        for y in 0..oh {
            for x in 0..ow {
                let (sx, sy) = match orientation {
                    2 => (w - 1 - x, y),
                    3 => (w - 1 - x, h - 1 - y),
                    4 => (x, h - 1 - y),
                    5 => (y, x),
                    6 => (y, h - 1 - x),
                    7 => (w - 1 - y, h - 1 - x),
                    8 => (w - 1 - y, x),
                    _ => (x, y),
                };
                prop_assert_eq!(u32::from(out[(y * ow + x) as usize]), sy * w + sx);
            }
        }
    }
}
