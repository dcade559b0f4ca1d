//! Tests of the formats; what they share is here.

mod foreign;
mod journals;
mod pictures;
mod store;

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::document::Document;
use crate::label::{Class, ClassId, Classes, LabelMap, SegmentId};

/// A folder with one photo, whose content nobody here reads.
struct Place {
    folder: tempfile::TempDir,
    photo: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let photo = folder.path().join("a.jpg");
        fs::write(&photo, b"not read").unwrap();
        Self { folder, photo }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, data: &[u8]) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    }

    fn open(&self, document: &Document) -> Opened {
        let (width, height) = (document.width(), document.height());
        open(&self.photo, width, height, &Classes::default()).unwrap()
    }

    fn save(&self, document: &Document) -> Result<SaveReport, StoreError> {
        save(&self.photo, document, &SaveOptions::default())
    }

    /// Every file below the folder with its content, sorted.
    fn content(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    files.push((entry.path(), fs::read(entry.path()).unwrap()));
                }
            }
        }
        files.sort();
        files
    }
}

fn classes(names: &[(ClassId, &str)]) -> Classes {
    let class = |&(id, name): &(ClassId, &str)| Class {
        id,
        name: name.into(),
        color: [id, 100, 200],
    };
    Classes::from_list(names.iter().map(class).collect()).unwrap()
}

/// A document of these segment ids, whose class is given per id.
fn document(width: u32, ids: &[SegmentId], class: impl Fn(SegmentId) -> ClassId) -> Document {
    let map = LabelMap::from_ids(width, ids.len() as u32 / width, ids);
    let mut used: Vec<SegmentId> = ids.iter().copied().filter(|&id| id != 0).collect();
    used.sort_unstable();
    used.dedup();
    let records = used
        .into_iter()
        .map(|id| {
            let score = (id % 2 == 0).then_some(f32::from(id) / 65536.0);
            (id, class(id), id % 3 == 0, id % 5 == 0, score)
        })
        .collect();
    Document::from_parts(
        map,
        records,
        classes(&[(1, "one"), (2, "two"), (9, "nine")]),
    )
    .unwrap()
}

/// 4 × 3 pixels with three segments, one of them ignored.
fn small() -> Document {
    let ids = [0, 1, 1, 0, 300, 300, 1, 0, 300, 7, 7, 7];
    document(4, &ids, |id| match id {
        1 => 2,
        300 => 255,
        _ => 9,
    })
}

/// [`small`] with its first pixel labelled as well.
fn smaller_change() -> Document {
    let ids = [7, 1, 1, 0, 300, 300, 1, 0, 300, 7, 7, 7];
    document(4, &ids, |id| if id == 7 { 9 } else { 2 })
}

fn assert_same(a: &Document, b: &Document) {
    assert_eq!(a.labels().to_vec(), b.labels().to_vec());
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    assert_eq!(a.segments(), b.segments());
    assert_eq!(a.classes(), b.classes());
}

#[track_caller]
fn loaded(opened: Opened) -> Document {
    match opened {
        Opened::Loaded(document) => document,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn read_only(opened: Opened) -> (Document, String) {
    match opened {
        Opened::ReadOnly { document, why } => {
            assert!(!why.contains('\n'), "{why}");
            (document, why)
        }
        other => panic!("{other:?}"),
    }
}

/// Decode a PNG without the code under test: colour type, bit depth, bytes.
fn plain_png(data: &[u8]) -> (png::ColorType, png::BitDepth, Vec<u8>, Option<Vec<u8>>) {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(data));
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().unwrap();
    let mut out = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut out).unwrap();
    let palette = reader
        .info()
        .palette
        .as_ref()
        .map(|palette| palette.to_vec());
    (info.color_type, info.bit_depth, out, palette)
}

/// A PNG made without the code under test.
fn make_png(
    color: png::ColorType,
    depth: png::BitDepth,
    (width, height): (u32, u32),
    data: &[u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(vec![0; 768]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    out
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
