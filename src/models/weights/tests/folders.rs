//! Folders of weights: whole, sharded, and what hostile ones try.

use super::*;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn index(entries: &str) -> Vec<u8> {
    format!(r#"{{"metadata": {{"total_size": 1}}, "weight_map": {{{entries}}}}}"#).into_bytes()
}

fn refused(folder: &Path) -> String {
    let started = Instant::now();
    let error = Weights::open(folder).err().unwrap().to_string();
    assert!(started.elapsed() < Duration::from_secs(1), "{error}");
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn a_file_is_read_tensor_by_tensor() {
    let bytes = checkpoint(&[("a", &[2], &[1.0, 2.0]), ("b", &[1, 3], &[3.0, 4.0, 5.0])]);
    let folder = folder(&[("model.safetensors", &bytes)]);
    let weights = Weights::open(folder.path()).unwrap();
    let mut names: Vec<&str> = weights.names().collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(weights.get("b", &[1, 3]).unwrap(), [3.0, 4.0, 5.0]);
    assert_eq!(weights.get("a", &[2]).unwrap(), [1.0, 2.0]);
    let error = weights.get("c", &[2]).unwrap_err().to_string();
    assert!(
        error.contains("model.safetensors has no tensor c"),
        "{error}"
    );
    // What is cut off meanwhile is an error, not a panic.
    let file = File::options()
        .write(true)
        .open(folder.path().join("model.safetensors"));
    file.unwrap().set_len(10).unwrap();
    assert!(matches!(
        weights.get("b", &[1, 3]),
        Err(ModelError::Read { .. })
    ));
}

#[test]
fn shards_are_put_together() {
    let one = checkpoint(&[("a", &[1], &[1.0]), ("unlisted", &[1], &[9.0])]);
    let two = checkpoint(&[("b", &[2], &[2.0, 3.0])]);
    let list = index(r#""a": "m-1.safetensors", "b": "m-2.safetensors""#);
    let files: &[(&str, &[u8])] = &[
        ("m-1.safetensors", &one),
        ("m-2.safetensors", &two),
        ("model.safetensors.index.json", &list),
    ];
    let weights = Weights::open(folder(files).path()).unwrap();
    assert_eq!(weights.get("a", &[1]).unwrap(), [1.0]);
    assert_eq!(weights.get("b", &[2]).unwrap(), [2.0, 3.0]);
    assert_eq!((weights.has("unlisted"), weights.parameters()), (false, 3));
    let error = weights.get("b", &[3]).unwrap_err().to_string();
    assert!(
        error.contains("m-2.safetensors has shape [2], expected [3]"),
        "{error}"
    );
}

#[test]
fn an_index_that_lies_is_refused() {
    let shard = checkpoint(&[("a", &[1], &[1.0])]);
    let with = |list: Vec<u8>| {
        let files: &[(&str, &[u8])] = &[
            ("m.safetensors", &shard),
            ("model.safetensors.index.json", &list),
        ];
        refused(folder(files).path())
    };
    for name in [
        "../m.safetensors",
        "/etc/passwd",
        "x/m.safetensors",
        "..",
        "",
        "C:m",
        "..\\\\m",
    ] {
        let error = with(index(&format!(r#""a": "{name}""#)));
        assert!(
            error.contains("is not the name of a file beside it"),
            "{error}"
        );
    }
    let error = with(index(r#""a": "m-2.safetensors""#));
    assert!(
        error.contains("cannot read") && error.contains("m-2.safetensors"),
        "{error}"
    );
    let error = with(index(r#""b": "m.safetensors""#));
    assert!(error.contains("m.safetensors does not hold b"), "{error}");
    for list in [
        "[]",
        "{}",
        "",
        r#"{"weight_map": {"a": 3}}"#,
        r#"{"weight_map": []}"#,
    ] {
        let error = with(list.as_bytes().to_vec());
        assert!(error.contains("not a usable index"), "{error}");
    }
    let many: Vec<String> = (0..300)
        .map(|i| format!(r#""{i}": "m-{i}.safetensors""#))
        .collect();
    assert!(with(index(&many.join(","))).contains("lists 300 files"));
}

#[test]
fn files_of_other_names_are_found_if_there_is_one() {
    let bytes = checkpoint(&[("a", &[1], &[1.0])]);
    let one = folder(&[("vit.safetensors", &bytes), ("README.md", b"")]);
    assert!(Weights::open(one.path()).unwrap().has("a"));
    let two = folder(&[("a.safetensors", &bytes), ("b.safetensors", &bytes)]);
    let error = refused(two.path());
    assert!(error.contains("(a.safetensors, b.safetensors)"), "{error}");
    let none = folder(&[("training_args.bin", b"x"), ("optimizer.pt", b"x")]);
    let error = refused(none.path());
    assert!(
        error.contains("has no weights: expected model.safetensors"),
        "{error}"
    );
    assert!(refused(Path::new("no/such/folder")).contains("cannot read"));
}

#[test]
fn sparse_terabytes_are_not_read() {
    let folder = folder(&[("model.safetensors", b"")]);
    let path = folder.path().join("model.safetensors");
    assert!(refused(folder.path()).contains("it has 0 bytes only"));
    let mut file = File::create(&path).unwrap();
    if file.set_len(1 << 40).is_err() {
        return; // A file system without holes.
    }
    refused(folder.path());
    file.write_all(&(1u64 << 39).to_le_bytes()).unwrap();
    let error = refused(folder.path());
    assert!(error.contains("its header has"), "{error}");
    // A tensor of a terabyte that is really there is refused by its shape.
    const HEADER: usize = 96;
    let header = format!(
        r#"{{"a":{{"dtype":"U8","shape":[{0}],"data_offsets":[0,{0}]}}}}"#,
        (1u64 << 40) - 8 - HEADER as u64
    );
    let mut file = File::create(&path).unwrap();
    file.write_all(&(HEADER as u64).to_le_bytes()).unwrap();
    file.write_all(format!("{header:HEADER$}").as_bytes())
        .unwrap();
    file.set_len(1 << 40).unwrap();
    let weights = Weights::open(folder.path()).unwrap();
    assert!(matches!(
        weights.get("a", &[3]),
        Err(ModelError::Shape { .. })
    ));
}

#[test]
fn a_folder_in_place_of_a_file_is_refused() {
    let folder = folder(&[]);
    fs::create_dir(folder.path().join("model.safetensors")).unwrap();
    assert!(refused(folder.path()).contains("it is not a file"));
}

#[test]
fn roots_of_names_are_found() {
    let bytes = checkpoint(&[("vit.embeddings.cls", &[1], &[1.0]), ("head", &[1], &[1.0])]);
    let weights = Weights::parse(bytes, "w").unwrap();
    assert_eq!(weights.rooted(&["", "vit."], "embeddings.cls"), "vit.");
    assert_eq!(weights.rooted(&["", "vit."], "head"), "");
    assert_eq!(weights.rooted(&["vit.", ""], "neither"), "vit.");
    assert_eq!(weights.rooted(&[], "neither"), "");
}
