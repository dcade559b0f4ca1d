use super::*;

#[test]
fn cut_files_are_refused_wherever_they_end() {
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Tiff,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Gif,
        ImageFormat::Pnm,
    ] {
        let data = encoded(format, 40, 30);
        assert!(read("a", &data).is_ok(), "{format:?}");
        for percent in 1..100 {
            let end = data.len() * percent / 100;
            let error = read("a", &data[..end]).expect_err(&format!("{format:?} {percent} %"));
            let text = error.to_string();
            assert!(text.starts_with("a ") && !text.contains('\n'), "{text}");
            if percent > 50 && format != ImageFormat::Gif && format != ImageFormat::WebP {
                let told = matches!(error, PhotoError::Truncated { .. });
                assert!(told, "{format:?} {percent} %: {text}");
            }
        }
    }
}

#[test]
fn damaged_bytes_never_panic() {
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Tiff,
        ImageFormat::Gif,
    ] {
        let data = encoded(format, 16, 16);
        for i in 0..data.len().min(400) {
            let mut broken = data.clone();
            broken[i] ^= 0xff;
            // either way is fine, so long as it returns
            let _ = read("a", &broken);
        }
    }
}

/// A PNG that says how large it is and ends soon after.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut data = png(png::ColorType::Rgb, png::BitDepth::Eight, 1, 1, &[1, 2, 3]);
    data[16..20].copy_from_slice(&width.to_be_bytes());
    data[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate_crc(&data[12..29]);
    data[29..33].swap_with_slice(&mut crc);
    data
}

/// CRC-32 as PNG has it, bit by bit.
fn flate_crc(data: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for &byte in data {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    (!crc).to_be_bytes()
}

#[test]
fn a_huge_header_is_refused_by_size_and_tells_the_remedy() {
    let data = png_header(60000, 60000);
    let text = read("huge.png", &data).unwrap_err().to_string();
    assert!(
        text.contains("60000 × 60000 pixels (3600 megapixels)"),
        "{text}"
    );
    assert!(text.contains("--max-megapixels 3600"), "{text}");
    // raised: then its content is looked at, and ends early
    let raised = decode_bytes("huge.png", &data, &Limits::megapixels(3600));
    assert!(
        matches!(raised, Err(PhotoError::Truncated { .. })),
        "{raised:?}"
    );
    let lying = read("lying.png", &png_header(16000, 16000));
    assert!(
        matches!(lying, Err(PhotoError::Truncated { .. })),
        "{lying:?}"
    );
    assert!(read("none.png", &png_header(0, 5)).is_err());
    let small = Limits {
        max_pixels: 100,
        ..Limits::default()
    };
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::Tiff,
        ImageFormat::WebP,
        ImageFormat::Gif,
    ] {
        let error = decode_bytes("a", &encoded(format, 11, 10), &small).unwrap_err();
        assert!(
            matches!(error, PhotoError::TooManyPixels { .. }),
            "{format:?}: {error}"
        );
    }
}

#[test]
fn what_is_no_photo_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let open = |name: &str| decode(&at(name), &Limits::default()).unwrap_err();
    assert!(matches!(open("none.png"), PhotoError::Missing { .. }));
    assert!(matches!(open(""), PhotoError::Directory { .. }));
    let files: [(&str, &[u8], &str); 9] = [
        ("empty.png", b"", "is empty"),
        (
            "text.png",
            b"<!DOCTYPE html><p>Not found \xc3\xa4",
            "holds text",
        ),
        (
            "noise.png",
            b"\x01\x02\x03\x04\x05",
            "is not a picture that",
        ),
        ("a.heic", b"\0\0\0\x18ftypheic\0\0", "a HEIC picture"),
        ("a.avif", b"\0\0\0\x18ftypavif\0\0", "an AVIF picture"),
        ("a.psd", b"8BPS\0\x01", "a Photoshop document"),
        ("a.svg", b"<?xml version='1.0'?><svg/>", "an SVG drawing"),
        ("a.nef", b"MM\0*\0\0\0\x08", "a camera raw file"),
        ("a.cr2", b"II*\0\x10\0\0\0CR\x02\0", "a camera raw file"),
    ];
    for (name, content, expected) in files {
        fs::write(at(name), content).unwrap();
        let text = open(name).to_string();
        assert!(text.contains(expected) && text.contains(name), "{text}");
    }
    let below_a_file = at("text.png").join("a.png");
    let error = decode(&below_a_file, &Limits::default()).unwrap_err();
    assert!(matches!(error, PhotoError::Missing { .. }), "{error}");
}
