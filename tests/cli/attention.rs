//! `patchlens attention` against the reference's attention matrices.

use std::path::Path;

use serde_json::{Value, json};

use super::tensors::{Tensor, npy, tensors};
use super::{Bench, complaint, fixture, patchlens, sample, succeeded};

/// The numbers that `attention` gives for a family's picture.
pub fn numbers(family: &str, options: &[&str]) -> Tensor {
    let bench = Bench::new();
    let (file, folder) = (bench.path("row.npy"), fixture(family));
    let mut command = patchlens(["attention"]);
    command
        .arg(folder.join("image.png"))
        .arg("--model")
        .arg(&folder)
        .args(options);
    succeeded(command.arg("--npy").arg(&file));
    npy(&file)
}

/// Attention layer `layer` as the reference has it, (groups…, heads, queries, keys).
pub fn matrix(family: &str, layer: usize) -> Tensor {
    let file = fixture(family).join("expected.safetensors");
    tensors(&file)
        .remove(&format!("attentions.{layer}"))
        .unwrap()
}

/// Column `index` of a matrix.
fn column(matrix: &Tensor, index: usize) -> Tensor {
    let values = matrix
        .values
        .chunks_exact(matrix.shape[1])
        .map(|row| row[index]);
    Tensor {
        shape: vec![matrix.shape[0]],
        values: values.collect(),
    }
}

/// The last `rows` × `columns` numbers, those of the token grid.
fn on_grid(row: &Tensor, rows: usize, columns: usize) -> Tensor {
    let start = row.values.len() - rows * columns;
    Tensor {
        shape: vec![rows, columns],
        values: row.values[start..].to_vec(),
    }
}

/// The middle of the token at (row, column) of a photo of that size, as `X,Y`.
pub fn middle(size: (f64, f64), grid: (usize, usize), (row, column): (usize, usize)) -> String {
    let x = (column as f64 + 0.5) / grid.1 as f64 * size.0;
    format!("{x},{}", (row as f64 + 0.5) / grid.0 as f64 * size.1)
}

pub fn size(family: &str) -> (f64, f64) {
    let (width, height) = image::image_dimensions(fixture(family).join("image.png")).unwrap();
    (f64::from(width), f64::from(height))
}

#[test]
fn rows_and_columns_of_one_sequence_are_the_references() {
    let (family, grid) = ("dino", (6, 6));
    let heads = matrix(family, 1).at(0);
    let class = numbers(family, &["--layer", "1", "--attention-head", "4"]);
    class.check(
        &on_grid(&heads.at(4).at(0), 6, 6),
        false,
        "the class token's row",
    );

    let place = middle(size(family), grid, (2, 5));
    let asked = ["--layer", "1", "--attention-head", "4", "--query", &place];
    let token = 1 + 2 * grid.1 + 5;
    let row = on_grid(&heads.at(4).at(token), 6, 6);
    numbers(family, &asked).check(&row, false, "a token's row");
    let reverse = numbers(family, &[&asked[..], &["--reverse"]].concat());
    reverse.check(
        &on_grid(&column(&heads.at(4), token), 6, 6),
        false,
        "a token's column",
    );

    let mut mean = vec![0.0; 36];
    let mut most = vec![0f32; 36];
    for head in 0..heads.shape[0] {
        let row = on_grid(&heads.at(head).at(token), 6, 6);
        for (i, value) in row.values.iter().enumerate() {
            mean[i] += value / heads.shape[0] as f32;
            most[i] = most[i].max(*value);
        }
    }
    for (name, values) in [("mean", mean), ("max", most)] {
        let fused = numbers(
            family,
            &["--layer", "1", "--attention-head", name, "--query", &place],
        );
        let shape = vec![6, 6];
        fused.check(&Tensor { shape, values }, false, name);
    }
    let all = numbers(family, &["--layer", "1", "--grid", "--query", &place]);
    assert_eq!(all.shape, [heads.shape[0], 6, 6]);
    all.at(4).check(&row, false, "the sheet's attention head 4");
}

#[test]
fn rollout_follows_the_matrices() {
    let layers: Vec<Tensor> = (0..3).map(|layer| matrix("dino", layer).at(0)).collect();
    let n = layers[0].shape[1];
    // The class token's row of the product, from the last layer to the first.
    let mut row = vec![0.0; n];
    row[0] = 1.0f64;
    for heads in layers.iter().rev() {
        let count = heads.shape[0];
        let mut next = vec![0.0; n];
        for (i, share) in row.iter().enumerate() {
            for (j, next) in next.iter_mut().enumerate() {
                let mean = (0..count)
                    .map(|head| f64::from(heads.values[(head * n + i) * n + j]))
                    .sum::<f64>()
                    / count as f64;
                let mixed = (mean + f64::from(u8::from(i == j))) / 2.0;
                *next += share * mixed;
            }
        }
        row = next;
    }
    let row = Tensor {
        shape: vec![n],
        values: row.iter().map(|v| *v as f32).collect(),
    };
    numbers("dino", &["--rollout"]).check(&on_grid(&row, 6, 6), false, "rollout");
    let first = numbers("dino", &["--rollout", "--layer", "0"]);
    assert_ne!(first, numbers("dino", &["--rollout", "--start-layer", "1"]));
}

#[test]
fn registers_are_no_part_of_the_grid() {
    let wanted = matrix("dinov2_with_registers", 2).at(0).at(1).at(0);
    let got = numbers(
        "dinov2_with_registers",
        &["--attention-head", "1", "--query", "cls"],
    );
    assert_eq!(wanted.shape, [1 + 4 + got.shape[0] * got.shape[1]]);
    let grid = on_grid(&wanted, got.shape[0], got.shape[1]);
    got.check(&grid, false, "the class token's row");
}

#[test]
fn windows_look_no_further_than_themselves() {
    let (family, side) = ("sam", 3);
    let record = matrix(family, 0);
    let (grid, heads) = ((8, 8), 3);
    // The photo is resized to 128 × 97 pixels of the frame of 128 × 128.
    let (width, height) = size(family);
    let place = middle((width, height * 128.0 / 97.0), grid, (4, 3));
    let got = numbers(
        family,
        &["--layer", "0", "--attention-head", "2", "--query", &place],
    );
    let window = (4 / side) * 3 + 3 / side;
    let row = record.at(window * heads + 2).at(4 % side * side + 3 % side);
    let mut values = vec![0.0; 64];
    for (place, weight) in row.values.iter().enumerate() {
        let (y, x) = (
            4 / side * side + place / side,
            3 / side * side + place % side,
        );
        if y < 8 && x < 8 {
            values[y * 8 + x] = *weight;
        }
    }
    let shape = vec![8, 8];
    got.check(&Tensor { shape, values }, false, "a window's row");
}

#[test]
fn reduced_keys_have_a_grid_of_their_own() {
    let family = "segformer";
    let wanted = matrix(family, 0).at(0).at(0);
    let got = numbers(
        family,
        &["--layer", "0", "--attention-head", "0", "--query", "0,0"],
    );
    assert_eq!(wanted.shape[1], got.shape[0] * got.shape[1]);
    got.check(
        &on_grid(&wanted.at(0), got.shape[0], got.shape[1]),
        false,
        "the first row",
    );
}

#[test]
fn pictures_have_the_photos_size_and_the_chosen_look() {
    let (bench, folder) = (Bench::new(), fixture("dino"));
    let draw = |name: &str, options: &[&str]| {
        let mut command = patchlens(["attention", "--json"]);
        command
            .arg(folder.join("image.png"))
            .arg("-m")
            .arg(&folder)
            .args(options);
        let report = succeeded(command.arg("-o").arg(bench.path(name)));
        let report: Value = serde_json::from_str(&report).unwrap();
        (image::open(bench.path(name)).unwrap().to_rgb8(), report)
    };
    let photo = image::open(folder.join("image.png")).unwrap().to_rgb8();
    let (over, report) = draw("over.png", &[]);
    assert_eq!(over.dimensions(), photo.dimensions());
    assert_eq!(
        (&report["layer"], &report["layers"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(report["grid"], json!([6, 6]));
    assert_eq!(
        report["view"],
        json!([0.0, 0.0, photo.width() as f64, photo.height() as f64])
    );
    let (through, _) = draw("through.png", &["--opacity", "0"]);
    assert_eq!(through, photo);
    let (grey, _) = draw("grey.png", &["--alone", "--color", "grey", "--nearest"]);
    assert!(
        grey.pixels()
            .all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2])
    );
    assert!(grey.pixels().any(|p| p[0] == 255) && grey.pixels().any(|p| p[0] == 0));
    assert_eq!(grey.get_pixel(0, 0), grey.get_pixel(3, 3), "one token");
    let (sheet, _) = draw("sheet.png", &["--grid"]);
    assert!(sheet.width() > 3 * 200 && sheet.height() > sheet.width() / 3);
}

#[test]
fn the_built_in_model_shows_its_windows() {
    let bench = Bench::new();
    let (heat, row) = (bench.path("heat.png"), bench.path("row.npy"));
    let mut command = patchlens(["attention", "--query", "200,120", "--layer", "3"]);
    command
        .arg(sample("chelsea.png"))
        .arg("-o")
        .arg(&heat)
        .arg("--npy")
        .arg(&row);
    let told = succeeded(&mut command);
    assert!(
        told.contains("image_encoder.layers.2.blocks.1.attn"),
        "{told}"
    );
    let row = npy(&row);
    assert_eq!(row.shape, [64, 64]);
    let seen = row.values.iter().filter(|value| **value > 0.0).count();
    assert_eq!(seen, 14 * 14, "one window");
    assert!((row.values.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    assert_eq!(image::image_dimensions(&heat).unwrap(), (451, 300));
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    bench.photo("photo.png", 90, 30);
    let refused = |args: &[&str], code: i32| {
        let mut command = patchlens(["attention", "photo.png"]);
        command.current_dir(bench.folder.path()).args(args);
        let told = complaint(&command.output().unwrap(), code);
        assert_eq!(bench.names(), ["photo.png"], "{args:?}");
        told
    };
    let path = |family: &str| fixture(family).to_str().unwrap().to_owned();
    let (dino, sam, dense, deit) = (path("dino"), path("sam"), path("segformer"), path("deit"));
    for args in [
        &[][..],
        &["-o", "x.png", "other.png"],
        &["-o", "x.png", "--npy", "x.png"],
        &["-o", "x.png", "--layer", "-1"],
        &["-o", "x.png", "--attention-head", "best"],
        &["-o", "x.png", "--query", "1"],
        &["-o", "x.png", "--fit", "slide"],
        &["-o", "x.png", "--fusion", "max"],
        &["-o", "x.png", "--rollout", "--fusion", "median"],
        &["-o", "x.png", "--rollout", "--discard", "1"],
        &["-o", "x.png", "--rollout", "--grid"],
        &[
            "-o",
            "x.png",
            "--rollout",
            "--layer",
            "1",
            "--start-layer",
            "2",
        ],
        &["-o", "x.png", "--grid", "--attention-head", "1"],
        &["-o", "x.png", "--grid", "--alone"],
        &["-o", "x.png", "--color", "jet"],
        &["-o", "x.png", "--opacity", "2"],
        &["--npy", "x.npy", "--nearest"],
        &["-o", "x.png", "--head", "1"],
        &["-o", "x.png", "--all-layers"],
        &["-o", "x.png", "--grid", "--all-layers", "--layer", "1"],
        &["--npy", "x.npy", "--grid", "--all-layers"],
        &["--matrix", "x.npy", "--grid", "--all-layers"],
        &["--matrix", "x.npy", "--rollout"],
        &["-o", "x.png", "--grid", "--mass", "0.5"],
        &["--mask", "x.png", "--grid"],
        &["-o", "x.png", "--grid", "--no-mark"],
        &["--npy", "x.npy", "--mass", "0.5"],
        &["--npy", "x.npy", "--no-mark"],
        &["-o", "x.png", "--mass", "1.5"],
        &["-o", "x.png", "--blocky"],
        &["-o", "x.png", "--statistics"],
        &["-o", "x.png", "--mask", "x.png"],
        &["--json"],
    ] {
        assert!(
            refused(args, 2).contains("see `patchlens attention --help`"),
            "{args:?}"
        );
    }
    for (args, expected) in [
        (
            &["--model", &*dino, "--layer", "3"][..],
            "has 3 attention layers",
        ),
        (
            &["--model", &*dino, "--attention-head", "6"],
            "6 attention heads",
        ),
        (&["--model", &*dino, "--query", "90,3"], "outside the photo"),
        (
            &["--model", &*dino, "--rollout", "--start-layer", "7"],
            "start layer",
        ),
        (&["--model", &*sam], "no class token"),
        (&["--model", &*sam, "--query", "cls"], "no class token"),
        (
            &["--model", &*sam, "--query", "1,1", "--size", "64"],
            "leave out",
        ),
        (
            &["--model", &*sam, "--query", "1,1", "--rollout"],
            "rollout needs",
        ),
        (&["--model", &*sam, "--rollout"], "rollout needs"),
        (&["--model", &*dense, "--rollout"], "rollout needs"),
        (&["--model", &*dense], "no class token"),
        (&["--model", &*deit, "--size", "2"], "small"),
        (&["--model", "nothing"], "no model"),
    ] {
        let told = refused(&[args, &["-o", "x.png", "--npy", "x.npy"]].concat(), 1);
        assert!(told.contains(expected), "{args:?}: {told}");
    }
    for output in ["photo.png", "no/x.png", "."] {
        refused(&["--model", &dino, "-o", output], 1);
    }
    assert!(Path::new(&dino).is_dir());
}
