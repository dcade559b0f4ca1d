use std::time::Duration;

use serde_json::{Value, json};

use super::super::fake::FakeEngine;
use super::super::fake::attention::{ATTENTION_HEADS, GRID, LAYERS, layers};
use super::super::{DocumentId, EventKind, JobKind, SheetLayer, Stage, Worker};
use super::*;
use crate::attention::{Heads, Place, Style, attentions, row};
use crate::photo::{self, Limits};
use crate::task::detached;

/// A 120 × 80 photo in a folder.
fn photo() -> (tempfile::TempDir, Arc<Photo>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leaf.png");
    image::RgbImage::new(120, 80).save(&path).unwrap();
    let photo = photo::decode(&path, &Limits::default()).unwrap();
    (folder, Arc::new(photo))
}

fn place() -> Place {
    Place::Points(vec![[65.0, 35.0]])
}

/// The rows of the fake models' last layer.
fn rows(photo: &Photo) -> AttentionFile {
    let layers = layers(photo).unwrap();
    AttentionFile::Rows(layers.looks(&layers.records[1], &place()).unwrap().maps)
}

fn bytes(file: &AttentionFile, photo: &Photo) -> Vec<u8> {
    detached(|task| file.bytes(photo, task)).unwrap()
}

/// The shape in the header of an NPY, and the numbers after it.
fn read_npy(bytes: &[u8]) -> (String, Vec<f32>) {
    let length = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let header = String::from_utf8(bytes[10..10 + length].to_vec()).unwrap();
    let shape = header.split(['(', ')']).nth(1).unwrap().to_owned();
    let numbers = bytes[10 + length..].chunks_exact(4);
    let number = |four: &[u8]| f32::from_le_bytes(four.try_into().unwrap());
    (shape, numbers.map(number).collect())
}

#[test]
fn rows_are_those_of_each_attention_head() {
    let (_folder, photo) = photo();
    let (shape, values) = read_npy(&bytes(&rows(&photo), &photo));
    assert_eq!(shape, "3, 8, 12");
    let layers = layers(&photo).unwrap();
    let record = &layers.records[1];
    let query = Query::at(record, layers.view, 65.0, 35.0).unwrap();
    for (head, values) in values.chunks_exact(GRID.len()).enumerate() {
        let row = row(record, &Heads::One(head), &query).unwrap();
        assert_eq!(values, row.grid.unwrap().values, "{head}");
    }
}

#[test]
fn values_have_the_shape_of_the_token_grid() {
    let (_folder, photo) = photo();
    let layers = layers(&photo).unwrap();
    let maps = layers.looks(&layers.records[0], &place()).unwrap().maps;
    let (shape, values) = read_npy(&bytes(&AttentionFile::Values(maps[2].clone()), &photo));
    assert_eq!((&*shape, values), ("8, 12", maps[2].values.clone()));
}

#[test]
fn matrices_are_whole() {
    let (_folder, photo) = photo();
    let layers = layers(&photo).unwrap();
    let all = attentions(&layers.records[0]).unwrap();
    let file = |layer| AttentionFile::Matrices {
        layers: layers.clone(),
        layer,
    };
    let (shape, values) = read_npy(&bytes(&file(0), &photo));
    assert_eq!(shape, "1, 3, 97, 97");
    assert_eq!(values, all.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    let none = detached(|task| file(LAYERS).bytes(&photo, task));
    assert!(none.is_err(), "there is no such layer");
}

#[test]
fn sheets_show_a_layer_or_all() {
    let (_folder, photo) = photo();
    let layers = layers(&photo).unwrap();
    let layer = |index: usize| SheetLayer {
        index,
        maps: layers.looks(&layers.records[index], &place()).unwrap().maps,
        view: layers.view,
    };
    let size = |layers: Vec<SheetLayer>| {
        let sheet = ContactSheet {
            layers,
            style: Style::default(),
            shared: true,
        };
        let png = bytes(&AttentionFile::Sheet(sheet), &photo);
        let picture = image::load_from_memory(&png).unwrap();
        (picture.width(), picture.height())
    };
    // Three maps of 240 × 160 in two columns, 8 apart, with captions of 20.
    assert_eq!(size(vec![layer(1)]), (2 * 248 + 8, 2 * 188 + 8));
    // A line for each layer: 104 × 69, 3 apart, with captions of 15 above and
    // the layer's name beside.
    let (width, height) = size(vec![layer(0), layer(1)]);
    assert_eq!(height, LAYERS as u32 * 87 + 3);
    assert!(width > ATTENTION_HEADS as u32 * 107 + 3);
    let nothing = ContactSheet {
        layers: Vec::new(),
        style: Style::default(),
        shared: false,
    };
    let nothing = detached(|task| AttentionFile::Sheet(nothing).bytes(&photo, task));
    assert!(nothing.is_err());
}

fn shown(photo: &Photo, statistics: Option<Vec<HeadStatistics>>) -> ShownRow {
    let layers = layers(photo).unwrap();
    let maps = layers.looks(&layers.records[1], &place()).unwrap();
    ShownRow {
        shown: "Layer 1, attention head 2".to_owned(),
        model: "some/folder".to_owned(),
        title: "A model".to_owned(),
        layer: 1,
        kind: "row",
        heads: "2".to_owned(),
        query: Some(maps.query.clone()),
        map: maps.maps[2].clone(),
        view: maps.view,
        prefix: maps.prefix[2].clone(),
        statistics,
        compared: None,
        layers,
    }
}

fn read_json(shown: ShownRow, photo: &Photo) -> Value {
    let file = AttentionFile::Report(Box::new(shown));
    serde_json::from_slice(&bytes(&file, photo)).unwrap()
}

#[test]
fn the_description_says_what_is_shown() {
    let (_folder, photo) = photo();
    let one = shown(&photo, None);
    let compared = ShownRow {
        shown: "Layer 1, attention head 0".to_owned(),
        heads: "0".to_owned(),
        ..one.clone()
    };
    let json = read_json(
        ShownRow {
            compared: Some(Box::new(compared)),
            ..one.clone()
        },
        &photo,
    );
    let path = photo.path().unwrap().to_string_lossy().into_owned();
    assert_eq!(json["image"], path);
    assert_eq!(json["shown"], "Layer 1, attention head 2");
    assert_eq!(
        (&json["model"], &json["title"]),
        (&json!("some/folder"), &json!("A model"))
    );
    assert_eq!(
        (&json["layer"], &json["layers"]),
        (&json!(1), &json!(LAYERS))
    );
    assert_eq!(json["layer_name"], "fake.1");
    assert_eq!(
        (&json["kind"], &json["attention_head"]),
        (&json!("row"), &json!("2"))
    );
    assert_eq!(json["query"]["tokens"], json!([[3, 6]]));
    assert_eq!(json["grid"], json!([8, 12]));
    assert_eq!(json["compared"]["attention_head"], "0");
    assert_eq!(json["compared"]["shown"], "Layer 1, attention head 0");
    assert!(read_json(one, &photo).get("compared").is_none());
}

#[test]
fn statistics_that_are_not_known_are_computed() {
    let (_folder, photo) = photo();
    let layers = layers(&photo).unwrap();
    let size = (photo.width(), photo.height());
    let known = detached(|task| statistics_on_photo(&layers.records[1], layers.view, size, task));
    let computed = read_json(shown(&photo, None), &photo);
    let given = read_json(shown(&photo, Some(known.unwrap())), &photo);
    assert_eq!(computed, given);
    assert_eq!(
        computed["statistics"].as_array().unwrap().len(),
        ATTENTION_HEADS
    );
    // The first attention head looks less far than the last.
    let far = |head: usize| {
        computed["statistics"][head]["mean_distance"]
            .as_f64()
            .unwrap()
    };
    assert!(far(0) < far(2));
}

#[test]
fn files_get_their_extension_and_never_replace_the_photo() {
    let (folder, photo) = photo();
    let write = |file: &AttentionFile, name: &str| {
        let path = folder.path().join(name);
        detached(|task| file.write(&photo, &path, task))
    };
    let written = write(&rows(&photo), "exports/rows").unwrap();
    assert_eq!(written, folder.path().join("exports/rows.npy"));
    assert!(written.is_file());
    let before = std::fs::read(folder.path().join("leaf.png")).unwrap();
    let picture = AttentionFile::Heatmaps(Vec::new());
    for (file, name, says) in [
        (&rows(&photo), "rows.png", "does not end in .npy"),
        (&picture, "leaf.png", "is the photo itself"),
        (&rows(&photo), "exprots/rows.npy", "exprots"),
    ] {
        let error = write(file, name).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let after = std::fs::read(folder.path().join("leaf.png")).unwrap();
    assert_eq!(before, after);
}

#[test]
fn an_export_waits_for_no_model_and_is_finished_when_the_worker_is_dropped() {
    let (folder, photo) = photo();
    let (engine, control) = FakeEngine::new();
    control.hold(Stage::Encoding);
    let (woken, wakes) = crossbeam_channel::unbounded();
    let wake = Arc::new(move || {
        let _ = woken.send(());
    });
    let worker = Worker::spawn(Box::new(engine), wake);
    let export = |name: &str| JobKind::ExportAttention {
        photo: photo.clone(),
        file: Box::new(rows(&photo)),
        path: folder.path().join(name),
    };
    let encode = JobKind::Encode {
        photo: photo.clone(),
    };
    worker.send(DocumentId(1), encode);
    let first = worker.send(DocumentId(1), export("first.npy")).id;
    let paths = loop {
        wakes.recv_timeout(Duration::from_secs(20)).unwrap();
        let event = worker.try_recv().unwrap();
        if let (true, EventKind::Exported { paths }) = (event.id == first, event.kind) {
            break paths;
        }
    };
    assert_eq!(paths, [folder.path().join("first.npy")]);
    worker.send(DocumentId(1), export("second.npy"));
    drop(worker);
    assert!(folder.path().join("second.npy").is_file());
}
