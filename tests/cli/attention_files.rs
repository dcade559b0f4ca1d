//! `patchlens attention`: masks, matrices, sheets and reports.

use serde_json::{Value, json};

use super::attention::{matrix, middle, numbers, size};
use super::tensors::npy;
use super::{Bench, fixture, patchlens, succeeded};

/// What `attention --json` prints of a family's picture, with a file.
fn reported(bench: &Bench, family: &str, options: &[&str]) -> Value {
    let folder = fixture(family);
    let mut command = patchlens(["attention", "--json"]);
    command
        .current_dir(bench.folder.path())
        .arg(folder.join("image.png"))
        .arg("-m")
        .arg(&folder)
        .args(options);
    serde_json::from_str(&succeeded(&mut command)).unwrap()
}

#[test]
fn the_tokens_asked_for_are_marked() {
    let bench = Bench::new();
    let place = middle(size("dino"), (6, 6), (2, 4));
    let draw = |options: &[&str]| {
        let options = [
            &["--query", &*place, "--opacity", "0", "-o", "x.png"],
            options,
        ]
        .concat();
        reported(&bench, "dino", &options);
        image::open(bench.path("x.png")).unwrap().to_rgb8()
    };
    let photo = image::open(fixture("dino").join("image.png"))
        .unwrap()
        .to_rgb8();
    assert_eq!(draw(&["--no-mark"]), photo);
    let marked = draw(&[]);
    let (width, height) = size("dino");
    for (x, y, pixel) in marked.enumerate_pixels() {
        let at = |v: u32, side: f64, token: f64| (f64::from(v) + 0.5) / side * 6.0 - token;
        let (x_in, y_in) = (at(x, width, 4.0), at(y, height, 2.0));
        let far = |v: f64| !(-0.5..1.5).contains(&v);
        if far(x_in) || far(y_in) {
            assert_eq!(pixel, photo.get_pixel(x, y), "({x}, {y})");
        }
    }
    let white = marked.pixels().filter(|p| p.0 == [255; 3]).count();
    assert!(white as f64 > 2.0 * (width + height) / 6.0, "{white}");
    // A reversed question marks the token that is looked at.
    assert_eq!(draw(&["--reverse"]), marked);
}

#[test]
fn a_share_of_the_attention_becomes_a_mask() {
    let bench = Bench::new();
    let mask = |options: &[&str]| {
        let options = [&["--mask", "mask.png"], options].concat();
        let report = reported(&bench, "dino", &options);
        let mask = image::open(bench.path("mask.png")).unwrap().to_luma8();
        assert!(mask.pixels().all(|pixel| [0, 255].contains(&pixel[0])));
        let area = mask.pixels().filter(|pixel| pixel[0] == 255).count();
        assert_eq!(report["mass"]["area"], json!(area));
        (mask, report)
    };
    let row = numbers("dino", &[]);
    let mut sorted = row.values.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (mut held, total) = (0.0, sorted.iter().sum::<f32>());
    let count = |value: &&f32| {
        let more = held < 0.5 * total;
        held += **value;
        more
    };
    let count = sorted.iter().take_while(count).count();
    let (exact, report) = mask(&["--mass", "0.5", "--blocky"]);
    assert_eq!(report["mass"]["share"], 0.5);
    assert_eq!(report["mass"]["tokens"], json!(count));
    let (width, height) = exact.dimensions();
    assert_eq!((f64::from(width), f64::from(height)), size("dino"));
    for (index, value) in row.values.iter().enumerate() {
        let inside = *value >= sorted[count - 1];
        let x = ((index % 6) as f64 + 0.5) / 6.0 * f64::from(width);
        let y = ((index / 6) as f64 + 0.5) / 6.0 * f64::from(height);
        let pixel = exact.get_pixel(x as u32, y as u32)[0];
        assert_eq!(pixel == 255, inside, "token {index}");
    }
    let (refined, _) = mask(&["--mass", "0.5"]);
    assert_ne!(refined, exact);
    let (usual, report) = mask(&[]);
    assert_eq!(report["mass"]["share"], 0.6);
    assert_eq!(usual, mask(&["--mass", "0.6"]).0);
    let (nothing, _) = mask(&["--mass", "0"]);
    assert!(nothing.pixels().all(|pixel| pixel[0] == 0));
}

#[test]
fn whole_matrices_are_the_references() {
    let bench = Bench::new();
    for (family, layer) in [("dino", 1), ("segformer", 0), ("sam", 0)] {
        let number = layer.to_string();
        let mut options = vec!["--matrix", "all.npy", "--layer", &*number];
        if family != "dino" {
            options.extend(["--query", "1,1"]);
        }
        let report = reported(&bench, family, &options);
        assert_eq!(report["matrix"], "all.npy");
        npy(&bench.path("all.npy")).check(&matrix(family, layer), false, family);
    }
}

#[test]
fn the_report_says_what_was_asked_and_how_the_attention_heads_behave() {
    let bench = Bench::new();
    let place = middle(size("dino"), (6, 6), (1, 3));
    let options = ["--statistics", "--query", &place, "--attention-head", "max"];
    let report = reported(&bench, "dino", &options);
    assert_eq!(report["attention_heads"], 6);
    assert_eq!(report["attention_head"], "max");
    assert_eq!(report["kind"], "row");
    assert_eq!(report["query"]["tokens"], json!([[1, 3]]));
    let heads = report["statistics"].as_array().unwrap();
    assert_eq!(heads.len(), 6);
    let matrix = matrix("dino", 2).at(0);
    let n = matrix.shape[1];
    for (index, head) in heads.iter().enumerate() {
        assert_eq!(head["attention_head"], json!(index));
        let rows = matrix.at(index);
        let entropy: f32 = rows.values.iter().map(|w| -w * w.ln()).sum::<f32>() / n as f32;
        let class: f32 = rows.values.iter().step_by(n).sum::<f32>() / n as f32;
        let near = |key: &str, wanted: f32| {
            let value = head[key].as_f64().unwrap() as f32;
            assert!(
                (value - wanted).abs() < 1e-3,
                "{key}: {value}, not {wanted}"
            );
        };
        near("entropy", entropy);
        near("prefix_mass", class);
        near("padding_mass", 0.0);
        assert!(head["mean_distance"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn all_layers_fit_on_one_sheet() {
    let bench = Bench::new();
    for (family, query) in [("dino", None), ("segformer", Some("20,20"))] {
        let mut options = vec!["--grid", "--all-layers", "-o", "sheet.png"];
        options.extend(query.iter().flat_map(|query| ["--query", query]));
        let report = reported(&bench, family, &options);
        let layers = report["all_layers"].as_array().unwrap();
        assert_eq!(layers.len(), layers[0]["layers"].as_u64().unwrap() as usize);
        assert!(
            layers
                .iter()
                .enumerate()
                .all(|(i, layer)| layer["layer"] == i)
        );
        assert!(layers.iter().all(|layer| layer["attention_head"] == "all"));
        let most = layers
            .iter()
            .map(|layer| layer["attention_heads"].as_u64().unwrap());
        let (columns, rows) = (most.max().unwrap() as u32, layers.len() as u32);
        let sheet = image::open(bench.path("sheet.png")).unwrap().to_rgb8();
        let (width, height) = sheet.dimensions();
        assert!(
            width > columns * 80 && width < columns * 120 + 100,
            "{width}"
        );
        assert!(height > rows * 80 && height < rows * 140, "{height}");
        // The captions are written in the margin.
        assert!((0..height).any(|y| sheet.get_pixel(9, y)[0] < 128));
    }
}

#[test]
fn what_a_windowed_layer_cannot_see_is_left_out() {
    let bench = Bench::new();
    let file = bench.path("x.png");
    let shown = |options: &[&str]| {
        let all = [
            &["-o", "x.png", "--alone", "--no-mark", "--layer", "0"],
            options,
        ]
        .concat();
        reported(&bench, "sam", &all);
        let picture = image::open(&file).unwrap().to_rgb8();
        let blank = picture.pixels().filter(|pixel| pixel.0 == [0; 3]).count();
        1.0 - blank as f64 / picture.pixels().len() as f64
    };
    for options in [&["--query", "9,9"][..], &["--query", "9,9", "--reverse"]] {
        let share = shown(options);
        assert!(share > 0.0 && share < 0.5, "{options:?}: {share}");
    }
}
