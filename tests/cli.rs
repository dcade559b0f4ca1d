//! The command line as its users meet it: the real program, with good and bad
//! input, and without a display.

#[path = "cli/attention.rs"]
mod attention;
#[path = "cli/attention_files.rs"]
mod attention_files;
#[path = "cli/classify.rs"]
mod classify;
#[path = "cli/dump.rs"]
mod dump;
#[path = "cli/eval.rs"]
mod eval;
#[path = "cli/models.rs"]
mod models;
#[path = "cli/pipe.rs"]
mod pipe;
#[path = "cli/predict.rs"]
mod predict;
#[path = "train/shapes.rs"]
mod shapes;
#[path = "cli/tensors.rs"]
mod tensors;
#[path = "cli/train.rs"]
mod train;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use patchlens::document::{Document, accept};
use patchlens::formats::{SaveOptions, save};
use patchlens::label::{Classes, CocoRle, Mask, Rect};
use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_patchlens");

/// The program with these arguments and no display to fall back on.
fn patchlens<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(args)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY");
    command
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("assets/samples")
        .join(name)
}

/// A tiny checkpoint with a picture and what the reference makes of it.
fn fixture(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(family)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

/// What a run prints that succeeds without a word on standard error.
fn succeeded(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = text(&output.stderr);
    assert_eq!((output.status.code(), &*told), (Some(0), ""), "{command:?}");
    text(&output.stdout)
}

/// The one sentence that a run with exit code `code` leaves on standard error.
fn complaint(output: &Output, code: i32) -> String {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert_eq!(text(&output.stdout), "", "{told}");
    assert!(
        told.starts_with("patchlens: ") && told.ends_with('\n'),
        "{told:?}"
    );
    assert_eq!(told.lines().count(), 1, "{told:?}");
    told
}

/// A folder to work in, and the mask that nothing may be left of in it.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.folder.path().join(name.as_ref())
    }

    fn file(&self, name: impl AsRef<OsStr>, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A grey photo.
    fn photo(&self, name: impl AsRef<OsStr>, width: u32, height: u32) -> PathBuf {
        let path = self.path(name);
        let pixels = image::RgbImage::from_pixel(width, height, image::Rgb([90, 90, 90]));
        pixels
            .save_with_format(&path, image::ImageFormat::Png)
            .unwrap();
        path
    }

    /// `segment` of this photo at 1,1, which must fail and leave nothing behind.
    fn refused(&self, photo: &Path) -> String {
        self.segment_refused(photo, ["--point", "1,1"], 1)
    }

    fn segment_refused<const N: usize>(&self, photo: &Path, args: [&str; N], code: i32) -> String {
        let before = self.names();
        let mut command = patchlens([OsStr::new("segment"), photo.as_os_str()]);
        let output = command
            .args(args)
            .arg("-o")
            .arg(self.path("mask.png"))
            .output()
            .unwrap();
        assert_eq!(self.names(), before, "something was left behind");
        complaint(&output, code)
    }

    fn names(&self) -> Vec<std::ffi::OsString> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }
}

// ---- words

#[test]
fn help_and_version_are_printed() {
    let version = patchlens(["--version"]).output().unwrap();
    assert_eq!(
        text(&version.stdout),
        format!("patchlens {}\n", env!("CARGO_PKG_VERSION"))
    );
    for args in [
        &["--help"][..],
        &["segment", "--help"],
        &["classify", "--help"],
        &["predict", "--help"],
        &["attention", "--help"],
        &["dump", "--help"],
        &["models", "--help"],
        &["pipe", "-h"],
        &["export", "-h"],
        &["eval", "--help"],
    ] {
        let help = patchlens(args).output().unwrap();
        assert_eq!(help.status.code(), Some(0));
        let help = text(&help.stdout);
        assert!(
            help.contains("Usage: patchlens") && help.contains("Example"),
            "{help}"
        );
    }
}

#[test]
fn bad_usage_is_exit_code_2() {
    for args in [
        &["--frobnicate"][..],
        &["a.jpg", "b.jpg"],
        &["segment"],
        &["segment", "a.jpg", "--point", "1,1"],
        &["segment", "a.jpg", "-o", "m.png"],
        &["segment", "a.jpg", "--point", "1;1", "-o", "m.png"],
        &["segment", "a.jpg", "--point", "1,1,2", "-o", "m.png"],
        &["segment", "a.jpg", "--box", "1,1,1,9", "-o", "m.png"],
        &[
            "segment",
            "a.jpg",
            "--point",
            "1,1",
            "-o",
            "m.png",
            "--threads",
            "0",
        ],
        &[
            "segment",
            "a.jpg",
            "--point",
            "1,1",
            "-o",
            "m.png",
            "--max-megapixels",
            "0",
        ],
        &["pipe", "extra"],
        &["models", "--yaml"],
        &["export", "-o", "d"],
        &["export", "a.jpg", "-o", "d", "--kind", "binary"],
    ] {
        let told = complaint(&patchlens(args).output().unwrap(), 2);
        assert!(told.contains("--help`"), "{args:?}: {told}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_said() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = std::process::Command::new(PROGRAM);
    let output = command
        .args(["models", "--json"])
        .stdout(full)
        .output()
        .unwrap();
    assert!(complaint(&output, 1).contains("standard output cannot be written"));
}

// ---- segment

#[test]
fn a_click_on_the_cup_gives_the_cup() {
    let bench = Bench::new();
    let mask = bench.path("cup.png");
    let output = patchlens(["--threads", "2", "segment"])
        .arg(sample("coffee.png"))
        .args([
            "--point",
            "300,150",
            "--box",
            "150,30,500,330",
            "--json",
            "-o",
        ])
        .arg(&mask)
        .output()
        .unwrap();
    assert_eq!(text(&output.stderr), "");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["size"], json!([400, 600]));
    assert!(
        report["score"].as_f64().unwrap() > 0.7,
        "{}",
        report["score"]
    );
    for time in ["load_ms", "encode_ms", "decode_ms"] {
        assert!(report[time].as_f64().unwrap() >= 0.0, "{time}");
    }

    let png = image::open(&mask).unwrap();
    assert_eq!(png.color(), image::ColorType::L8);
    let png = png.to_luma8();
    assert_eq!(
        (png.width(), png.height(), png.get_pixel(300, 150).0),
        (600, 400, [255])
    );
    let inside = |x: u32, y: u32| png.get_pixel(x, y).0 == [255];
    let area = png.pixels().filter(|pixel| pixel.0 == [255]).count();
    assert_eq!(report["area"], json!(area));
    assert!((20_000..120_000).contains(&area), "{area}");
    assert!(png.pixels().all(|pixel| pixel.0 == [0] || pixel.0 == [255]));

    let rle: CocoRle = serde_json::from_value(report["mask"].clone()).unwrap();
    let same = Mask::from_fn(Rect::of_size(600, 400), inside);
    assert_eq!(
        rle,
        CocoRle::encode(&same, 600, 400),
        "the PNG and the JSON agree"
    );
    let bounds = same.bounds();
    let bbox = [bounds.x0, bounds.y0, bounds.width(), bounds.height()];
    assert_eq!(report["bbox"], json!(bbox));
    assert_eq!(bench.names(), ["cup.png"]);
}

#[test]
fn files_that_are_no_photo_are_refused_by_name() {
    let bench = Bench::new();
    let png = std::fs::read(sample("camera.png")).unwrap();
    let jpeg = std::fs::read(sample("rocket.jpg")).unwrap();
    let tiff = bench.path("whole.tif");
    image::open(sample("camera.png"))
        .unwrap()
        .save(&tiff)
        .unwrap();
    let tiff = std::fs::read(tiff).unwrap();
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    for (name, content) in [
        ("empty.png", Vec::new()),
        ("half.png", half(&png)),
        ("half.jpg", half(&jpeg)),
        ("half.tif", half(&tiff)),
        ("text.png", b"Dear photo,\nthis is a letter.\n".to_vec()),
    ] {
        let told = bench.refused(&bench.file(name, &content));
        assert!(told.contains(name), "{name}: {told}");
    }
    let told = bench.refused(&bench.path("missing.png"));
    assert!(
        told.contains("missing.png") && told.contains("does not exist"),
        "{told}"
    );
    std::fs::create_dir(bench.path("folder.png")).unwrap();
    let told = bench.refused(&bench.path("folder.png"));
    assert!(told.contains("folder.png is a folder"), "{told}");
}

/// A PNG file that says it has this many pixels and ends after saying so.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    drop(encoder.write_header().unwrap());
    bytes
}

#[test]
fn a_huge_header_is_refused_with_the_way_to_raise_the_limit() {
    let bench = Bench::new();
    let huge = bench.file("huge.png", &png_header(60_000, 60_000));
    let told = bench.refused(&huge);
    assert!(
        told.contains("60000 × 60000") && told.contains("--max-megapixels"),
        "{told}"
    );

    let photo = bench.photo("photo.png", 1200, 1000);
    let args = ["--point", "1,1", "--max-megapixels", "1"];
    let told = bench.segment_refused(&photo, args, 1);
    assert!(told.contains("1200 × 1000"), "{told}");
}

#[test]
fn prompts_that_miss_the_photo_are_refused() {
    let bench = Bench::new();
    let photo = bench.photo("photo.png", 40, 30);
    for point in ["40,10", "10,30", "-1,10", "1e30,1"] {
        let told = bench.segment_refused(&photo, ["--point", point], 1);
        assert!(
            told.contains("outside the photo") && told.contains("40 × 30"),
            "{told}"
        );
    }
    let told = bench.segment_refused(&photo, ["--box", "50,5,60,9"], 1);
    assert!(told.contains("outside the photo"), "{told}");
    let told = bench.segment_refused(&photo, ["--box", "5,5,9,5"], 2);
    assert!(told.contains("no area"), "{told}");
}

#[test]
fn an_unknown_model_is_refused() {
    let bench = Bench::new();
    let photo = bench.photo("photo.png", 40, 30);
    let args = ["--point", "1,1", "--model", "no-such-model"];
    let told = bench.segment_refused(&photo, args, 1);
    assert!(
        told.contains("no-such-model") && told.contains("mobile-sam"),
        "{told}"
    );
    let output = patchlens(["pipe", "--model", "no-such-model"])
        .output()
        .unwrap();
    assert!(complaint(&output, 1).contains("no-such-model"));
    let dense = fixture("segformer");
    let args = ["--point", "1,1", "--model", dense.to_str().unwrap()];
    let told = bench.segment_refused(&photo, args, 1);
    assert!(told.contains("segformer cannot take points"), "{told}");
}

fn segment_to(photo: &Path, mask: &Path) -> Output {
    let mut command = patchlens([OsStr::new("segment"), photo.as_os_str()]);
    command
        .args(["--point", "1,1", "-o"])
        .arg(mask)
        .output()
        .unwrap()
}

#[test]
fn places_that_cannot_be_written_are_refused() {
    let bench = Bench::new();
    let photo = bench.photo("photo.png", 40, 30);
    let told = complaint(&segment_to(&photo, &bench.path("nowhere").join("m.png")), 1);
    assert!(
        told.contains("no folder") && told.contains("nowhere"),
        "{told}"
    );
    let told = complaint(&segment_to(&photo, &photo.join("m.png")), 1);
    assert!(told.contains("no folder"), "{told}");
    let told = complaint(&segment_to(&photo, &bench.path("")), 1);
    assert!(told.contains("is a folder"), "{told}");
    let before = std::fs::read(&photo).unwrap();
    let told = complaint(&segment_to(&photo, &photo), 1);
    assert!(told.contains("photo itself"), "{told}");
    assert_eq!(std::fs::read(&photo).unwrap(), before);
    assert_eq!(bench.names(), ["photo.png"]);
}

/// The kernel's own folder takes no files, not even from the superuser, whom
/// permissions do not stop.
#[cfg(target_os = "linux")]
#[test]
fn a_read_only_folder_is_refused() {
    let bench = Bench::new();
    let photo = bench.photo("photo.png", 40, 30);
    let told = complaint(&segment_to(&photo, Path::new("/proc/mask.png")), 1);
    assert!(told.contains("mask.png cannot be written"), "{told}");
}

#[cfg(unix)]
#[test]
fn names_that_are_not_unicode_are_good_names() {
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    let photo = bench.photo(OsStr::from_bytes(b"caf\xe9.png"), 40, 30);
    let mask = bench.path(OsStr::from_bytes(b"m\xff.png"));
    let output = segment_to(&photo, &mask);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(mask.is_file());
    let told = bench.refused(&bench.path(OsStr::from_bytes(b"no\xff.png")));
    assert!(told.contains("does not exist"), "{told}");
}

// ---- export

#[test]
fn saved_labels_are_exported_and_failures_named() {
    let bench = Bench::new();
    let photo = bench.photo("photo.png", 40, 30);
    let mut classes = Classes::only_background();
    let cat = classes.add("cat").unwrap();
    let mask = Mask::from_rect(Rect::new(2, 3, 10, 12));
    let document = accept(&Document::new(40, 30, classes), &mask, cat, None)
        .unwrap()
        .document;
    save(&photo, &document, &SaveOptions::default()).unwrap();
    std::fs::create_dir(bench.path("out")).unwrap();

    let run = |args: &[&str]| {
        let mut command = patchlens(["export"]);
        command
            .arg(bench.path("missing.png"))
            .arg(&photo)
            .args(args);
        command.arg("-o").arg(bench.path("out")).output().unwrap()
    };
    let pixel = |x, y| {
        let png = image::open(bench.path("out").join("photo.png")).unwrap();
        png.to_luma16().get_pixel(x, y).0[0]
    };
    let output = run(&["--class", "cat"]);
    assert_eq!(
        output.status.code(),
        Some(1),
        "one of two photos is missing"
    );
    let told = text(&output.stderr);
    assert!(
        told.contains("missing.png") && told.lines().count() == 1,
        "{told}"
    );
    assert!(text(&output.stdout).contains("photo.png"));
    assert_eq!((pixel(2, 3), pixel(1, 3)), (u16::MAX, 0));

    for kind in ["classes", "instances", "overlay"] {
        assert_eq!(run(&["--kind", kind]).status.code(), Some(1), "{kind}");
        assert_ne!(pixel(2, 3), pixel(1, 3), "{kind}");
    }
    let told = complaint(
        &patchlens([OsStr::new("export"), photo.as_os_str()])
            .arg("-o")
            .arg(bench.path("nowhere"))
            .output()
            .unwrap(),
        1,
    );
    assert!(told.contains("no folder"), "{told}");
}
