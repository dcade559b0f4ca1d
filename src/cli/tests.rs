use std::ffi::OsStr;
use std::path::Path;

use super::args::{Action, parse};
use super::*;
use crate::document::{Document, accept};
use crate::formats::{SaveOptions, save};
use crate::label::{Mask, Rect};
use crate::models::{Prompt, PromptPoint};
use crate::photo::Limits;
use crate::worker::fake::FakeEngine;

fn parsed(words: &[&str]) -> Result<Action, UsageError> {
    let words = std::iter::once("patchlens").chain(words.iter().copied());
    parse(words.map(OsString::from)).map(|invocation| invocation.action)
}

fn complaint(words: &[&str]) -> String {
    parsed(words)
        .map(|action| panic!("{words:?} was understood as {action:?}"))
        .unwrap_or_else(|error: UsageError| {
            let error = error.to_string();
            assert!(!error.contains('\n'), "{error}");
            error
        })
}

#[test]
fn without_a_subcommand_the_window_opens() {
    assert!(matches!(parsed(&[]), Ok(Action::Window { path: None })));
    let path_of = |words: &[&str]| match parsed(words) {
        Ok(Action::Window { path: Some(path) }) => path,
        other => panic!("{other:?}"),
    };
    assert_eq!(path_of(&["a.jpg"]), Path::new("a.jpg"));
    assert_eq!(path_of(&["./segment"]), Path::new("./segment"));
    assert!(complaint(&["a.jpg", "b.jpg"]).contains("one photo or folder"));
    assert!(complaint(&["teach", "a.jpg"]).contains("teach is not a subcommand"));
}

#[test]
fn a_whole_segment_command() {
    let words = [
        "--threads",
        "3",
        "segment",
        "--point=-0.5,2",
        "a.jpg",
        "-p",
        "1.5,2,0",
        "--box",
        "9,8,1,2",
        "-om.png",
        "--json",
        "--model",
        "dir",
        "--max-megapixels",
        "900",
    ];
    let invocation = parse(
        std::iter::once("patchlens")
            .chain(words)
            .map(OsString::from),
    )
    .unwrap();
    assert_eq!(invocation.threads, Some(3));
    let Action::Segment(args) = invocation.action else {
        panic!("{:?}", invocation.action)
    };
    let point = |x, y, positive| PromptPoint { x, y, positive };
    assert_eq!(
        args.prompt.points,
        [point(-0.5, 2.0, true), point(1.5, 2.0, false)]
    );
    assert_eq!(args.prompt.bbox, Some([1.0, 2.0, 9.0, 8.0]));
    assert_eq!(
        (args.image.as_path(), args.output.as_path()),
        (Path::new("a.jpg"), Path::new("m.png"))
    );
    assert_eq!(
        (args.model.as_os_str(), args.json),
        (OsStr::new("dir"), true)
    );
    assert_eq!(args.limits, Limits::megapixels(900));
}

#[test]
fn bad_segment_commands_say_what_is_wrong_and_where_the_help_is() {
    let good = ["segment", "a.jpg", "--point", "1,2", "-o", "m.png"];
    assert!(parsed(&good).is_ok());
    for (words, expected) in [
        (
            vec!["segment", "--point", "1,2", "-o", "m.png"],
            "name the photo",
        ),
        (vec!["segment", "a.jpg", "--point", "1,2"], "-o"),
        (
            vec!["segment", "a.jpg", "-o", "m.png"],
            "--point X,Y or --box",
        ),
        (
            vec!["segment", "a.jpg", "b.jpg", "--point", "1,2", "-o", "m.png"],
            "b.jpg",
        ),
        (vec!["segment", "a.jpg", "--frobnicate"], "--frobnicate"),
        (vec!["segment", "a.jpg", "-x"], "-x"),
        (vec!["segment", "a.jpg", "--point"], "--point"),
    ] {
        let error = complaint(&words);
        assert!(error.contains(expected), "{words:?}: {error}");
        assert!(error.ends_with("see `patchlens segment --help`"), "{error}");
    }
    for point in [
        "", "1", "1,", "1,2,3", "1,2,0,0", "a,b", "nan,1", "1,inf", "1;2",
    ] {
        let error = complaint(&["segment", "a.jpg", "--point", point, "-o", "m.png"]);
        assert!(error.contains("--point is X,Y"), "{point}: {error}");
    }
    for bbox in ["1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,3,nan"] {
        let error = complaint(&["segment", "a.jpg", "--box", bbox, "-o", "m.png"]);
        assert!(error.contains("--box is X0,Y0,X1,Y1"), "{bbox}: {error}");
    }
    let flat = complaint(&["segment", "a.jpg", "--box", "5,5,5,9", "-o", "m.png"]);
    assert!(flat.contains("no area"), "{flat}");
}

#[test]
fn numbers_are_checked() {
    for count in ["0", "-1", "x", "1.5", "4000000000", "1025"] {
        assert!(
            complaint(&["--threads", count]).contains("--threads"),
            "{count}"
        );
        assert!(
            complaint(&["pipe", "--threads", count]).contains("--threads"),
            "{count}"
        );
    }
    assert!(complaint(&["pipe", "--max-megapixels", "0"]).contains("--max-megapixels"));
    assert!(parsed(&["pipe", "--max-megapixels", "4000000000"]).is_ok());
}

#[test]
fn export_kinds_and_classes_fit_together() {
    let kind = |words: &[&str]| match parsed(&[&["export", "a.jpg", "-o", "d"], words].concat()) {
        Ok(Action::Export(args)) => args.kind,
        other => panic!("{other:?}"),
    };
    let binary = export::Kind::Binary {
        class: "cat".to_owned(),
    };
    assert_eq!(kind(&[]), export::Kind::Classes);
    assert_eq!(kind(&["--kind", "instances"]), export::Kind::Instances);
    assert_eq!(kind(&["--kind", "overlay"]), export::Kind::Overlay);
    assert_eq!(kind(&["--kind", "binary", "--class", "cat"]), binary);
    assert_eq!(kind(&["--class", "cat"]), binary);
    let wrong = |words: &[&str]| complaint(&[&["export", "a.jpg", "-o", "d"], words].concat());
    assert!(wrong(&["--kind", "binary"]).contains("--class"));
    assert!(wrong(&["--kind", "classes", "--class", "cat"]).contains("--class"));
    assert!(wrong(&["--kind", "voc"]).contains("\"voc\""));
    assert!(complaint(&["export", "-o", "d"]).contains("name the photos"));
    assert!(complaint(&["export", "a.jpg"]).contains("-o"));
}

#[test]
fn help_is_found_everywhere() {
    for words in [
        &["--help"][..],
        &["-h"],
        &["segment", "-h"],
        &["classify", "-h"],
        &["predict", "-h"],
        &["attention", "-h"],
        &["dump", "-h"],
        &["pipe", "--help"],
        &["models", "-h"],
        &["export", "--help"],
        &["eval", "-h"],
        &["eval", "semantic", "-h"],
        &["eval", "instances", "--truth", "a", "--help"],
        &["eval", "clicks", "--help"],
        &["segment", "a.jpg", "--help"],
    ] {
        let Ok(Action::Help(text)) = parsed(words) else {
            panic!("{words:?}")
        };
        assert!(
            text.contains("Usage:") && text.contains("Example"),
            "{words:?}"
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= 90),
            "{words:?}"
        );
    }
    assert!(matches!(parsed(&["-V"]), Ok(Action::Version)));
}

/// A folder with a photo of 40 × 30 pixels.
pub(super) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    image::RgbImage::from_pixel(40, 30, image::Rgb([9, 9, 9]))
        .save(&path)
        .unwrap();
    (folder, path)
}

#[test]
fn what_to_evaluate_fits_together() {
    let fine = |words: &[&str]| {
        let words = [&["eval"], words].concat();
        assert!(matches!(parsed(&words), Ok(Action::Eval(_))), "{words:?}");
    };
    fine(&["semantic", "--truth", "t", "--pred", "p"]);
    fine(&["semantic", "--truth", "t", "--model", "m", "--images", "i"]);
    fine(&[
        "semantic", "--truth", "t", "--pred", "p", "--map", "a=b", "-o", "o",
    ]);
    fine(&["instances", "--truth", "t", "--pred", "p", "--json"]);
    fine(&[
        "clicks",
        "--images",
        "i",
        "--masks",
        "m",
        "--max-clicks",
        "5",
    ]);
    for (words, told) in [
        (&[][..], "semantic, instances or clicks"),
        (&["panoptic"], "\"panoptic\""),
        (&["--json"], "--json"),
        (&["semantic", "--truth", "t"], "--pred"),
        (&["semantic", "--pred", "p"], "--truth"),
        (&["semantic", "--truth", "t", "--model", "m"], "--images"),
        (
            &["semantic", "--truth", "t", "--pred", "p", "--model", "m"],
            "not from both",
        ),
        (
            &["semantic", "--truth", "t", "--pred", "p", "--images", "i"],
            "go with --model",
        ),
        (
            &["semantic", "--truth", "t", "--pred", "p", "--map", "a"],
            "FROM=TO",
        ),
        (&["instances", "--truth", "t"], "--pred"),
        (
            &["instances", "--truth", "t", "--pred", "p", "--model", "m"],
            "--model",
        ),
        (&["clicks", "--masks", "m"], "--images"),
        (&["clicks", "--images", "i"], "--masks"),
        (
            &[
                "clicks",
                "--images",
                "i",
                "--masks",
                "m",
                "--max-clicks",
                "0",
            ],
            "--max-clicks",
        ),
        (
            &[
                "clicks",
                "--images",
                "i",
                "--masks",
                "m",
                "--max-clicks",
                "257",
            ],
            "at most 256",
        ),
        (&["clicks", "extra"], "extra"),
    ] {
        let found = complaint(&[&["eval"], words].concat());
        assert!(found.contains(told), "{words:?}: {found}");
        assert!(found.contains("patchlens eval --help"), "{found}");
    }
}

fn segment_args(image: &Path, output: PathBuf, prompt: Prompt) -> segment::Args {
    let (image, model, limits) = (image.to_owned(), "mobile-sam".into(), Limits::default());
    segment::Args {
        image,
        prompt,
        output,
        model,
        limits,
        json: false,
    }
}

fn sentence(outcome: Result<(), Failure>) -> String {
    match outcome {
        Err(Failure::Sentence(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

#[test]
fn segment_writes_the_best_mask() {
    let (folder, photo) = folder();
    let (mut engine, _) = FakeEngine::new();
    let output = folder.path().join("mask.png");
    let args = segment_args(&photo, output.clone(), Prompt::point(20.0, 15.0));
    segment::run_with(&mut engine, &args).unwrap();
    let mask = image::open(&output).unwrap();
    assert_eq!(mask.color(), image::ColorType::L8);
    let mask = mask.to_luma8();
    assert_eq!((mask.width(), mask.height()), (40, 30));
    assert_eq!(
        (mask.get_pixel(20, 15).0, mask.get_pixel(0, 0).0),
        ([255], [0])
    );
    assert!(mask.pixels().all(|pixel| [0, 255].contains(&pixel.0[0])));
}

#[test]
fn a_prompt_that_gives_nothing_writes_an_empty_mask() {
    let (folder, photo) = folder();
    let (mut engine, _) = FakeEngine::new();
    let output = folder.path().join("mask.png");
    let points = vec![PromptPoint {
        x: 1.0,
        y: 1.0,
        positive: false,
    }];
    let args = segment_args(
        &photo,
        output.clone(),
        Prompt {
            points,
            ..Prompt::default()
        },
    );
    segment::run_with(&mut engine, &args).unwrap();
    assert!(
        image::open(&output)
            .unwrap()
            .to_luma8()
            .pixels()
            .all(|pixel| pixel.0 == [0])
    );
}

#[test]
fn segment_leaves_nothing_behind_when_it_fails() {
    let (folder, photo) = folder();
    let (mut engine, control) = FakeEngine::new();
    let output = folder.path().join("mask.png");
    let outside = segment_args(&photo, output.clone(), Prompt::point(40.0, 15.0));
    let told = sentence(segment::run_with(&mut engine, &outside));
    assert!(told.contains("40,15") && told.contains("40 × 30"), "{told}");
    assert!(
        control.stages().is_empty(),
        "found before the model was loaded"
    );

    control.fail_next("the model is ill");
    let args = segment_args(&photo, output.clone(), Prompt::point(4.0, 5.0));
    assert_eq!(
        sentence(segment::run_with(&mut engine, &args)),
        "the model is ill"
    );

    let over = segment_args(&photo, photo.clone(), Prompt::point(4.0, 5.0));
    assert!(sentence(segment::run_with(&mut engine, &over)).contains("photo itself"));
    let nowhere = folder.path().join("missing/mask.png");
    let nowhere = segment_args(&photo, nowhere, Prompt::point(4.0, 5.0));
    assert!(sentence(segment::run_with(&mut engine, &nowhere)).contains("no folder"));
    let onto = segment_args(&photo, folder.path().to_owned(), Prompt::point(4.0, 5.0));
    assert!(sentence(segment::run_with(&mut engine, &onto)).contains("is a folder"));
    let names = std::fs::read_dir(folder.path()).unwrap();
    assert_eq!(
        names
            .map(|entry| entry.unwrap().file_name())
            .collect::<Vec<_>>(),
        ["a.png"]
    );
}

fn export_args(images: &[&Path], kind: export::Kind, folder: &Path) -> export::Args {
    let images = images.iter().map(|image| (*image).to_owned()).collect();
    export::Args {
        images,
        kind,
        folder: folder.to_owned(),
        limits: Limits::default(),
    }
}

#[test]
fn export_goes_on_after_a_photo_that_fails() {
    let (folder, photo) = folder();
    let document = Document::new(40, 30, Default::default());
    let document = accept(
        &document,
        &Mask::from_rect(Rect::new(2, 3, 10, 12)),
        1,
        None,
    )
    .unwrap();
    save(&photo, &document.document, &SaveOptions::default()).unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let missing = folder.path().join("missing.png");
    let unlabelled = folder.path().join("b.png");
    std::fs::copy(&photo, &unlabelled).unwrap();

    let class = "object".to_owned();
    let images = [missing.as_path(), &unlabelled, &photo];
    let args = export_args(&images, export::Kind::Binary { class }, &out);
    assert!(matches!(export::run(&args), Err(Failure::Told)));
    let mask = image::open(out.join("a.png")).unwrap().to_luma8();
    assert_eq!(
        (mask.get_pixel(2, 3).0, mask.get_pixel(1, 3).0),
        ([255], [0])
    );
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);

    for kind in [
        export::Kind::Classes,
        export::Kind::Instances,
        export::Kind::Overlay,
    ] {
        export::run(&export_args(&[&photo], kind, &out)).unwrap();
    }
    let class = "no-such-class".to_owned();
    let args = export_args(&[&photo], export::Kind::Binary { class }, &out);
    assert!(matches!(export::run(&args), Err(Failure::Told)));
}

#[test]
fn export_overwrites_neither_photos_nor_saved_labels() {
    let (folder, photo) = folder();
    let document = Document::new(40, 30, Default::default());
    save(&photo, &document, &SaveOptions::default()).unwrap();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let before = [read("a.png"), read("labels/a.png"), read("instances/a.png")];
    for target in [
        folder.path().to_owned(),
        folder.path().join("labels"),
        folder.path().join("instances"),
    ] {
        let args = export_args(&[&photo], export::Kind::Overlay, &target);
        assert!(
            matches!(export::run(&args), Err(Failure::Told)),
            "{target:?}"
        );
    }
    assert_eq!(
        before,
        [read("a.png"), read("labels/a.png"), read("instances/a.png")]
    );
    let nowhere = export_args(
        &[&photo],
        export::Kind::Overlay,
        &folder.path().join("nowhere"),
    );
    assert!(sentence(export::run(&nowhere)).contains("no folder"));
}
