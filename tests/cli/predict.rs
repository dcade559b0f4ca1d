//! `patchlens predict` on the tiny dense models of the fixtures.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::tensors::{npy, tensors};
use super::{Bench, complaint, fixture, patchlens, succeeded, text};

/// The numbers in an indexed PNG, and its palette.
fn indices(path: &Path) -> (Vec<u8>, Vec<u8>) {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    assert_eq!(reader.info().color_type, png::ColorType::Indexed);
    assert_eq!(reader.info().bit_depth, png::BitDepth::Eight);
    let palette = reader.info().palette.as_ref().unwrap().to_vec();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut bytes).unwrap();
    (bytes, palette)
}

fn predict(photos: &[PathBuf], family: &str, out: &Path, further: &[&str]) -> String {
    let mut command = patchlens(["predict", "--json"]);
    command.args(photos).arg("--model").arg(fixture(family));
    succeeded(command.args(further).arg("-o").arg(out))
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// That the classes of a legend are what the PNG holds.
fn check_legend(legend: &Value, ids: &[u8], palette: &[u8]) {
    let mut counted = 0;
    for class in legend["classes"].as_array().unwrap() {
        let id = class["id"].as_u64().unwrap() as usize;
        let pixels = ids
            .iter()
            .filter(|found| usize::from(**found) == id)
            .count();
        assert_eq!(class["pixels"], json!(pixels), "{class}");
        assert_eq!(
            class["color"],
            json!(palette[3 * id..3 * id + 3]),
            "{class}"
        );
        counted += pixels;
    }
    let unseen = ids.iter().filter(|id| **id == 255).count();
    assert_eq!(legend["unseen"], json!(unseen));
    assert_eq!(counted + unseen, ids.len());
}

#[test]
fn a_class_map_is_the_references_with_its_legend() {
    let (bench, folder) = (Bench::new(), fixture("segformer"));
    let (out, photo) = (bench.path("out"), folder.join("image.png"));
    let options = ["--overlay", "--npy"];
    let printed = predict(std::slice::from_ref(&photo), "segformer", &out, &options);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let expected = tensors(&folder.join("expected.safetensors"));
    let (ids, palette) = indices(&out.join("image.png"));
    let wanted = &expected["labels"];
    let same = ids
        .iter()
        .zip(&wanted.values)
        .filter(|(a, b)| f32::from(**a) == **b)
        .count();
    assert!(same * 1000 >= ids.len() * 999, "{same} of {}", ids.len());

    let legend = json_of(&out.join("image.json"));
    check_legend(&legend, &ids, &palette);
    assert_eq!(legend["size"], json!(wanted.shape));
    assert_eq!(legend["fit"], json!("trained"));
    assert_eq!(legend["classes"], printed["classes"]);
    assert_eq!(printed["labels"], json!(out.join("image.png")));
    let names = json_of(&folder.join("config.json"))["id2label"].clone();
    for class in legend["classes"].as_array().unwrap() {
        assert_eq!(class["name"], names[class["id"].to_string()]);
    }
    npy(&out.join("image.npy")).check(&expected["logits"], false, "logits");

    let (shown, photo) = (
        image::open(out.join("image.overlay.png")),
        image::open(photo),
    );
    let (shown, photo) = (shown.unwrap().to_rgb8(), photo.unwrap().to_rgb8());
    assert_eq!(shown.dimensions(), photo.dimensions());
    assert_ne!(shown, photo);
    let mut files: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(
        files,
        ["image.json", "image.npy", "image.overlay.png", "image.png"]
    );
}

#[test]
fn what_a_crop_leaves_out_is_255_and_other_fits_see_everything() {
    let (bench, folder) = (Bench::new(), fixture("mobilevit_deeplabv3"));
    let photo = [folder.join("image.png")];
    let mut maps = Vec::new();
    for (fit, whole) in [
        ("trained", false),
        ("squash", true),
        ("pad", true),
        ("slide", true),
    ] {
        let out = bench.path(fit);
        predict(&photo, "mobilevit_deeplabv3", &out, &["--fit", fit]);
        let (ids, palette) = indices(&out.join("image.png"));
        let legend = json_of(&out.join("image.json"));
        check_legend(&legend, &ids, &palette);
        assert_eq!(ids.contains(&255), !whole, "{fit}");
        assert_eq!(legend["fit"], json!(fit));
        maps.push(ids);
    }
    // The crop's middle is what the network saw, so it is labelled, edges are not.
    let width = image::open(&photo[0]).unwrap().width() as usize;
    let middle = maps[0].len() / 2 / width * width + width / 2;
    assert_ne!(maps[0][middle], 255);
    assert_ne!(maps[1], maps[2]);
}

/// A folder of three photos and one file that is none.
fn photos(bench: &Bench) -> PathBuf {
    let folder = bench.path("photos");
    std::fs::create_dir(&folder).unwrap();
    for (name, width) in [
        ("photos/a.png", 40),
        ("photos/b10.png", 50),
        ("photos/b9.png", 60),
    ] {
        bench.photo(name, width, 30);
    }
    std::fs::write(folder.join("b5.png"), b"no photo").unwrap();
    folder
}

#[test]
fn folders_are_done_photo_by_photo_and_failures_named() {
    let bench = Bench::new();
    let (folder, out) = (photos(&bench), bench.path("out"));
    let mut command = patchlens(["predict"]);
    command
        .arg(&folder)
        .arg("--model")
        .arg(fixture("segformer"));
    let output = command.arg("-o").arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (printed, told) = (text(&output.stdout), text(&output.stderr));
    assert!(
        told.contains("b5.png") && told.lines().count() == 1,
        "{told}"
    );
    let at = |name: &str| {
        printed
            .find(name)
            .unwrap_or_else(|| panic!("{name}: {printed}"))
    };
    assert!(
        at("a.png") < at("b9.png") && at("b9.png") < at("b10.png"),
        "{printed}"
    );
    assert!(!out.join("b5.png").exists() && out.join("b9.json").exists());
    assert_eq!(image::open(out.join("b9.png")).unwrap().width(), 60);
}

#[test]
fn shards_share_the_photos_out() {
    let bench = Bench::new();
    let folder = photos(&bench);
    std::fs::remove_file(folder.join("b5.png")).unwrap();
    let out = bench.path("out");
    let mut found = Vec::new();
    for shard in ["1/2", "2/2"] {
        let printed = predict(
            std::slice::from_ref(&folder),
            "segformer",
            &out,
            &["--shard", shard],
        );
        found.push(printed.lines().count());
    }
    found.sort();
    assert_eq!(found, [1, 2]);
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 6);
}

#[test]
fn photos_with_the_same_name_do_not_overwrite_each_other() {
    let bench = Bench::new();
    for folder in ["c", "d"] {
        std::fs::create_dir(bench.path(folder)).unwrap();
    }
    let (one, two) = (
        bench.photo("c/a.png", 40, 30),
        bench.photo("d/a.png", 50, 30),
    );
    let other = bench.path("d/A.bmp");
    image::RgbImage::new(60, 30).save(&other).unwrap();
    let out = bench.path("out");
    predict(
        &[one.clone(), other.clone(), one.clone()],
        "segformer",
        &out,
        &[],
    );
    let width = |name: &str| image::open(out.join(name)).unwrap().width();
    assert_eq!((width("a.png.png"), width("A.bmp.png")), (40, 60));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 4);

    let mut command = patchlens(["predict"]);
    command
        .args([&one, &two])
        .arg("--model")
        .arg(fixture("segformer"));
    let output = command.arg("-o").arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("d/a.png would overwrite"), "{told}");
    assert_eq!(width("a.png.png"), 40);
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    bench.photo("photo.png", 40, 30);
    let refused = |args: &[&str], code: i32| {
        let mut command = patchlens(["predict"]);
        command.current_dir(bench.folder.path()).args(args);
        let told = complaint(&command.output().unwrap(), code);
        assert_eq!(bench.names(), ["photo.png"], "{args:?}");
        told
    };
    let (vit, dense) = (fixture("vit"), fixture("segformer"));
    let (vit, dense) = (vit.to_str().unwrap(), dense.to_str().unwrap());
    for args in [
        &["--model", dense, "-o", "out"][..],
        &["photo.png", "-o", "out"],
        &["photo.png", "--model", dense],
        &["photo.png", "--model", dense, "-o", "out", "--shard", "3/2"],
        &["photo.png", "--model", dense, "-o", "out", "--shard", "1"],
        &[
            "photo.png",
            "--model",
            dense,
            "-o",
            "out",
            "--fit",
            "slide",
            "--npy",
        ],
        &["photo.png", "--model", dense, "-o", "out", "--layer", "1"],
    ] {
        assert!(
            refused(args, 2).contains("see `patchlens predict --help`"),
            "{args:?}"
        );
    }
    for (args, expected) in [
        (
            &["photo.png", "--model", vit, "-o", "out"][..],
            "cannot give each pixel a class",
        ),
        (
            &["photo.png", "--model", "mobile-sam", "-o", "out"],
            "cannot give each pixel",
        ),
        (
            &["photo.png", "--model", dense, "-o", "photo.png"],
            "is a file",
        ),
        (
            &["photo.png", "--model", dense, "-o", "no/out"],
            "could be created",
        ),
        (&["photo.png", "--model", dense, "-o", "."], "photo itself"),
        (
            &["photo.png", "--model", "nothing", "-o", "out"],
            "no model",
        ),
        (
            &["missing.png", "--model", dense, "-o", "out"],
            "missing.png",
        ),
    ] {
        let told = refused(args, 1);
        assert!(told.contains(expected), "{args:?}: {told}");
    }
    std::fs::create_dir(bench.path("empty")).unwrap();
    let mut command = patchlens(["predict", "-o", "out", "--model", dense]);
    command.current_dir(bench.folder.path()).arg("empty");
    assert!(complaint(&command.output().unwrap(), 1).contains("no photos"));
}
