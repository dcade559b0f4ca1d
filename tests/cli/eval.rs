//! `patchlens eval` on small folders whose figures are known.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Bench, complaint, fixture, patchlens, succeeded};

/// An 8-bit map from rows of digits; `.` is 255.
fn map(path: &Path, rows: &[&str]) {
    let value = |c: u8| if c == b'.' { 255 } else { c - b'0' };
    let values: Vec<u8> = rows.iter().flat_map(|row| row.bytes().map(value)).collect();
    grey(path, rows[0].len(), values);
}

fn grey(path: &Path, width: usize, values: Vec<u8>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let height = (values.len() / width) as u32;
    let picture = image::GrayImage::from_vec(width as u32, height, values).unwrap();
    picture.save(path).unwrap();
}

/// A 16-bit map of one row.
fn words(path: &Path, values: &[u16]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let picture: image::ImageBuffer<image::Luma<u16>, _> =
        image::ImageBuffer::from_vec(values.len() as u32, 1, values.to_vec()).unwrap();
    picture.save(path).unwrap();
}

/// Two class maps and predictions: see `figures_are_those_computed_by_hand`.
fn class_maps() -> Bench {
    let bench = Bench::new();
    map(&bench.path("truth/a.png"), &["0001", "0001", "0..1"]);
    map(&bench.path("pred/a.png"), &["0011", "0001", "0121"]);
    map(&bench.path("truth/b.png"), &["22", "22"]);
    map(&bench.path("pred/b.png"), &["22", "2."]);
    map(&bench.path("pred/unasked.png"), &["9"]);
    bench
}

/// The folders of maps, and further arguments.
fn eval(bench: &Bench, kind: &str, args: &[&str]) -> assert_cmd::Command {
    let mut command = patchlens(["eval", kind, "--truth"]);
    command
        .arg(bench.path("truth"))
        .arg("--pred")
        .arg(bench.path("pred"));
    command.args(args);
    command
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn close(found: &Value, wanted: f64) {
    let found = found.as_f64().unwrap_or(f64::NAN);
    assert!((found - wanted).abs() < 1e-6, "{found} is not {wanted}");
}

#[test]
fn figures_are_those_computed_by_hand() {
    let bench = class_maps();
    let report: Value =
        serde_json::from_str(&succeeded(&mut eval(&bench, "semantic", &["--json"]))).unwrap();
    assert_eq!(report["photos"], json!(2));
    assert_eq!(
        (&report["pixels"], &report["ignored"]),
        (&json!(14), &json!(2))
    );
    // Of 7 background pixels one is taken for class 1; of 4 in class 2, one for none.
    let classes = report["classes"].as_array().unwrap();
    let ious = [6.0 / 7.0, 3.0 / 4.0, 3.0 / 4.0];
    assert_eq!(classes.len(), 3);
    for (class, iou) in classes.iter().zip(ious) {
        close(&class["iou"], iou);
    }
    close(&report["mean_iou"], ious.iter().sum::<f64>() / 3.0);
    close(&report["pixel_accuracy"], 12.0 / 14.0);
    close(&classes[1]["precision"], 3.0 / 4.0);
    close(&classes[1]["recall"], 1.0);
    close(&classes[2]["precision"], 1.0);
    close(&classes[2]["recall"], 3.0 / 4.0);
    assert_eq!(classes[2]["name"], json!("class 2"));
    let confusion = &report["confusion"];
    assert_eq!(confusion["ids"], json!([0, 1, 2]));
    assert_eq!(
        confusion["counts"],
        json!([[6, 1, 0], [0, 3, 0], [0, 0, 3]])
    );
    assert_eq!(confusion["missed"], json!([0, 0, 1]));
    assert_eq!(report["others"][0]["pixels"], json!(1));
    // Outlines match exactly or not at all here: class 0 has (2,0) and (2,1) in
    // the truth, (1,0) and (2,1) in the prediction, class 1 column 3 without its
    // last pixel, which touches ignored ones only, against (2,0) and (3,1); class
    // 2 has an outline in the prediction only.
    close(&classes[0]["boundary_f"], 0.5);
    close(&classes[1]["boundary_f"], 0.5);
    close(&classes[2]["boundary_f"], 0.0);
}

#[test]
fn a_report_can_be_read_and_written() {
    let bench = class_maps();
    std::fs::write(
        bench.path("names.json"),
        r#"{"classes": [{"id": 1, "name": "leaf"}, {"id": 2, "name": "symptom"}]}"#,
    )
    .unwrap();
    let names = bench.path("names.json");
    let out = bench.path("out");
    let mut command = eval(
        &bench,
        "semantic",
        &["--classes", names.to_str().unwrap(), "-o"],
    );
    let told = succeeded(command.arg(&out));
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines[0].starts_with("class ") && lines[0].contains("boundary F"),
        "{told}"
    );
    assert!(lines[1].starts_with("background  0.857"), "{told}");
    assert!(lines[2].starts_with("leaf        0.750"), "{told}");
    assert!(lines[4].starts_with("mean        0.786"), "{told}");
    assert!(
        told.contains("2 photos, pixel accuracy 0.857, 2 pixels ignored."),
        "{told}"
    );
    assert!(
        told.contains("no class of the truth: no class 7.14 %"),
        "{told}"
    );
    assert!(
        told.contains("Wrote ") && told.contains("confusion.png"),
        "{told}"
    );
    let report = json_of(&out.join("eval.json"));
    assert_eq!(report["classes"][2]["name"], json!("symptom"));
    let chart = image::open(out.join("confusion.png")).unwrap();
    assert!(chart.width() >= 300 && chart.height() >= 200);

    // Again into the same folder, now as JSON, which is what the file holds.
    let mut again = eval(&bench, "semantic", &["--json", "-o"]);
    let printed = succeeded(again.arg(&out));
    assert_eq!(
        printed.as_bytes(),
        std::fs::read(out.join("eval.json")).unwrap()
    );
}

#[test]
fn predicted_classes_can_be_renamed_and_strange_ones_are_wrong() {
    let bench = class_maps();
    std::fs::write(bench.path("names.json"), r#"[{"id": 2, "name": "leaf"}]"#).unwrap();
    let names = bench.path("names.json");
    let named = ["--json", "--classes", names.to_str().unwrap()];
    let told = complaint(&eval(&bench, "semantic", &named).output().unwrap(), 1);
    assert!(
        told.contains("a.png holds the class 1") && told.contains("truth"),
        "{told}"
    );

    map(&bench.path("truth/a.png"), &["0002", "0002", "0..2"]);
    let run = |further: &[&str]| {
        let mut command = eval(&bench, "semantic", &[&named, further].concat());
        serde_json::from_str::<Value>(&succeeded(&mut command)).unwrap()
    };
    let strange = run(&[]);
    assert_eq!(strange["confusion"]["ids"], json!([0, 2]));
    assert_eq!(strange["confusion"]["missed"], json!([1, 4]));
    assert_eq!(
        strange["others"][0],
        json!({"id": 1, "name": "class 1", "pixels": 4})
    );
    let renamed = run(&["--map", "1=leaf"]);
    assert_eq!(renamed["confusion"]["counts"], json!([[6, 1], [0, 6]]));
    let mut wrong = eval(&bench, "semantic", &["--map", "1=cat"]);
    assert!(complaint(&wrong.output().unwrap(), 1).contains("\"cat\""));
}

#[test]
fn sizes_that_differ_are_refused_with_both_names() {
    let bench = class_maps();
    map(&bench.path("pred/b.png"), &["222", "222"]);
    let told = complaint(&eval(&bench, "semantic", &[]).output().unwrap(), 1);
    let both = told.contains("truth/b.png is 2 × 2") && told.contains("pred/b.png is 3 × 2");
    assert!(both, "{told}");
    words(&bench.path("truth/a.png"), &[1, 2]);
    words(&bench.path("pred/a.png"), &[1, 2, 3]);
    let told = complaint(&eval(&bench, "instances", &[]).output().unwrap(), 1);
    let both = told.contains("truth/a.png is 2 × 1") && told.contains("pred/a.png is 3 × 1");
    assert!(both, "{told}");
}

#[test]
fn missing_maps_are_named_and_counted() {
    let bench = class_maps();
    map(&bench.path("truth/c.png"), &["0"]);
    map(&bench.path("truth/d.png"), &["0"]);
    for kind in ["semantic", "instances"] {
        let told = complaint(&eval(&bench, kind, &[]).output().unwrap(), 1);
        assert!(told.contains("truth/c.png: 2 of 4 are missing"), "{told}");
    }
    std::fs::remove_dir_all(bench.path("pred")).unwrap();
    let told = complaint(&eval(&bench, "semantic", &[]).output().unwrap(), 1);
    assert!(
        told.contains("no folder") && told.contains("pred"),
        "{told}"
    );
    for entry in std::fs::read_dir(bench.path("truth")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let told = complaint(&eval(&bench, "semantic", &[]).output().unwrap(), 1);
    assert!(told.contains("no label PNGs in"), "{told}");
    std::fs::remove_dir(bench.path("truth")).unwrap();
    let told = complaint(&eval(&bench, "semantic", &[]).output().unwrap(), 1);
    assert!(told.contains("truth cannot be listed"), "{told}");
}

#[test]
fn results_do_not_go_among_the_labels() {
    let bench = class_maps();
    for folder in ["truth", "pred"] {
        let mut command = eval(&bench, "semantic", &["-o"]);
        let told = complaint(&command.arg(bench.path(folder)).output().unwrap(), 1);
        assert!(told.contains("choose another folder"), "{told}");
    }
    let mut command = eval(&bench, "semantic", &["-o"]);
    let told = complaint(&command.arg(bench.path("no/where")).output().unwrap(), 1);
    assert!(told.contains("no folder"), "{told}");
}

#[test]
fn a_model_is_shown_the_photos_and_its_classes_are_matched_by_name() {
    let (bench, folder) = (Bench::new(), fixture("segformer"));
    let photos = bench.path("photos");
    std::fs::create_dir(&photos).unwrap();
    std::fs::copy(folder.join("image.png"), photos.join("image.png")).unwrap();
    let mut command = patchlens(["predict"]);
    command.arg(&photos).arg("-m").arg(&folder).arg("-o");
    succeeded(command.arg(bench.path("pred")));
    std::fs::rename(bench.path("pred"), photos.join("labels")).unwrap();

    let run = |further: &[&str]| {
        let mut command = patchlens(["eval", "semantic", "--json", "--truth"]);
        command
            .arg(&photos)
            .arg("-m")
            .arg(&folder)
            .arg("--images")
            .arg(&photos);
        command.args(further);
        command
    };
    let report: Value = serde_json::from_str(&succeeded(&mut run(&[]))).unwrap();
    close(&report["mean_iou"], 1.0);
    close(&report["pixel_accuracy"], 1.0);
    let first = &report["classes"][0];
    let id = first["id"].as_u64().unwrap();
    let config = json_of(&folder.join("config.json"));
    assert_eq!(first["name"], config["id2label"][id.to_string()]);

    // The same names with other numbers: nothing agrees by number any more.
    let names = config["id2label"].as_object().unwrap();
    let listed = names
        .iter()
        .map(|(id, name)| json!({"id": (id.parse::<u8>().unwrap() + 1) % 6, "name": name}));
    let file = bench.path("classes.json");
    std::fs::write(&file, json!(listed.collect::<Vec<_>>()).to_string()).unwrap();
    let classes = ["--classes", file.to_str().unwrap()];
    let turned: Value = serde_json::from_str(&succeeded(&mut run(&classes))).unwrap();
    close(&turned["pixel_accuracy"], 0.0);

    let missing = bench.photo("photos/other.png", 4, 4);
    map(&photos.join("labels/third.png"), &["0"]);
    let told = complaint(&run(&[]).output().unwrap(), 1);
    assert!(told.contains("third.png: 1 of 2 are missing"), "{told}");
    std::fs::remove_file(missing).unwrap();
    std::fs::remove_file(photos.join("labels/third.png")).unwrap();
    let mut command = patchlens(["eval", "semantic", "--truth"]);
    command
        .arg(&photos)
        .args(["-m", "mobile-sam", "--images"])
        .arg(&photos);
    assert!(complaint(&command.output().unwrap(), 1).contains("cannot"));
}

#[test]
fn instances_are_matched_one_by_one() {
    let bench = Bench::new();
    words(
        &bench.path("truth/instances/a.png"),
        &[1, 1, 1, 1, 0, 900, 900, 0],
    );
    words(&bench.path("pred/a.png"), &[7, 7, 7, 0, 0, 5, 5, 0]);
    words(&bench.path("truth/instances/b.png"), &[0, 0]);
    words(&bench.path("pred/b.png"), &[0, 1]);
    let out = bench.path("out");
    let mut command = eval(&bench, "instances", &["-o"]);
    let told = succeeded(command.arg(&out));
    // On a: IoU 3/4 and 1, so five thresholds find both, five one of three; on b 0.
    let wanted = (5.0 + 5.0 / 3.0) / 10.0 / 2.0;
    let report = json_of(&out.join("eval.json"));
    close(&report["average_precision"], wanted);
    assert_eq!(report["objects"], json!([2, 3]));
    assert_eq!(
        report["thresholds"][0],
        json!({"iou": 0.5, "precision": 0.5, "found": 2})
    );
    assert_eq!(report["scores"][0]["name"], json!("a"));
    assert!(
        told.contains("0.333") && told.contains("2 photos, 2 objects, 3 predicted."),
        "{told}"
    );
    let picture = image::RgbImage::new(2, 1);
    picture.save(bench.path("pred/b.png")).unwrap();
    let told = complaint(&eval(&bench, "instances", &[]).output().unwrap(), 1);
    assert!(
        told.contains("pred/b.png") && told.contains("colour picture"),
        "{told}"
    );
}

/// A photo with masks of two objects, one of them too small to be found well.
fn objects() -> (Bench, PathBuf) {
    let (bench, folder) = (Bench::new(), fixture("sam_slim"));
    std::fs::create_dir(bench.path("images")).unwrap();
    std::fs::copy(folder.join("image.png"), bench.path("images/cat__x.png")).unwrap();
    let square = |x0: usize, side: usize| -> Vec<u8> {
        let inside = |at: usize| {
            (x0..x0 + side).contains(&(at % 90)) && (20..20 + side).contains(&(at / 90))
        };
        (0..90 * 67)
            .map(|at| if inside(at) { 255 } else { 0 })
            .collect()
    };
    grey(&bench.path("masks/cat__x__0.png"), 90, square(20, 30));
    let mut half = square(70, 3);
    half[..90 * 10].fill(128);
    grey(&bench.path("masks/cat__x__1.png"), 90, half);
    (bench, folder)
}

fn clicks(bench: &Bench, args: &[&str]) -> assert_cmd::Command {
    let mut command = patchlens(["eval", "clicks", "--images"]);
    command
        .arg(bench.path("images"))
        .arg("--masks")
        .arg(bench.path("masks"));
    command.arg("--model").arg(fixture("sam_slim")).args(args);
    command
}

#[test]
fn a_robot_clicks_every_object() {
    let (bench, _) = objects();
    let out = bench.path("out");
    for points_only in [&[][..], &["--no-prior"]] {
        let mut command = clicks(&bench, &["--json", "--max-clicks", "6", "-o"]);
        let printed = succeeded(command.arg(&out).args(points_only));
        let report: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(report, json_of(&out.join("eval.json")));
        assert_eq!(
            (&report["photos"], &report["objects"]),
            (&json!(1), &json!(2))
        );
        assert_eq!(report["prior"], json!(points_only.is_empty()));
        let traces = report["traces"].as_array().unwrap();
        // In the middle of the square, of two equal ones the first.
        assert_eq!(traces[0]["clicks"][0], json!([34, 34, 1]));
        assert_eq!(traces[1]["clicks"][0], json!([71, 21, 1]));
        for trace in traces {
            let ious = trace["ious"].as_array().unwrap();
            assert!((1..=6).contains(&ious.len()));
            assert!(
                ious.iter()
                    .all(|iou| (0.0..=1.0).contains(&iou.as_f64().unwrap()))
            );
        }
        let after: Vec<u64> = report["mean_iou"]
            .as_array()
            .unwrap()
            .iter()
            .map(|after| after["clicks"].as_u64().unwrap())
            .collect();
        assert_eq!(after, [1, 2, 3, 5]);
        let noc = report["noc"].as_array().unwrap();
        assert_eq!(
            (&noc[0]["iou"], &noc[1]["iou"]),
            (&json!(0.85), &json!(0.9))
        );
        assert!(noc.iter().all(|noc| noc["clicks"].as_f64().unwrap() <= 6.0));
    }
    let told = succeeded(&mut clicks(&bench, &["--max-clicks", "2"]));
    assert!(
        told.contains("to IoU") && told.contains("2 objects on 1 photo"),
        "{told}"
    );
    assert!(
        !told.contains("\n3 "),
        "no means beyond the last click: {told}"
    );
}

#[test]
fn masks_that_make_no_sense_are_refused() {
    let (bench, _) = objects();
    let refused = |name: &str, width: usize, value: u8| {
        let path = bench.path("masks").join(name);
        grey(&path, width, vec![value; width * 67]);
        let told = complaint(&clicks(&bench, &[]).output().unwrap(), 1);
        std::fs::remove_file(path).unwrap();
        told
    };
    let told = refused("cat__x.png", 90, 255);
    assert!(
        told.contains("cat__x.png is not named NAME__K.png"),
        "{told}"
    );
    let told = refused("dog__1.png", 90, 255);
    assert!(told.contains("dog__1.png: 1 of 3 are missing"), "{told}");
    let told = refused("cat__x__2.png", 91, 255);
    assert!(
        told.contains("91 × 67") && told.contains("90 × 67"),
        "{told}"
    );
    let told = refused("cat__x__2.png", 90, 1);
    assert!(
        told.contains("cat__x__2.png is no mask") && told.contains("the value 1"),
        "{told}"
    );
    let told = refused("cat__x__2.png", 90, 128);
    assert!(told.contains("no object"), "{told}");
    let mut dense = patchlens(["eval", "clicks", "--images"]);
    dense
        .arg(bench.path("images"))
        .arg("--masks")
        .arg(bench.path("masks"));
    let told = complaint(
        &dense.arg("-m").arg(fixture("segformer")).output().unwrap(),
        1,
    );
    assert!(told.contains("segformer cannot take points"), "{told}");
}
