use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn folder_with(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
    }
    folder
}

fn names(entries: &[PhotoEntry]) -> Vec<String> {
    let name = |entry: &PhotoEntry| {
        entry
            .path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    entries.iter().map(name).collect()
}

#[test]
fn photos_are_listed_in_natural_order_without_what_is_hidden() {
    let folder = folder_with(&[
        "img10.png",
        "img2.png",
        "IMG3.jpg",
        ".hidden.png",
        "notes.txt",
        "sub/img1.png",
        "a.tiff",
    ]);
    let found = scan(folder.path()).unwrap();
    assert_eq!(
        names(&found),
        ["a.tiff", "img2.png", "IMG3.jpg", "img10.png"]
    );
    assert!(
        found
            .iter()
            .all(|entry| entry.status == PhotoStatus::Unlabelled)
    );
}

#[test]
fn status_comes_from_records_and_from_class_maps_of_others() {
    let folder = folder_with(&[
        "a.png",
        "b.png",
        "c.png",
        "d.png",
        "d.jpg",
        "instances/a.json",
        "labels/b.png",
        "labels/d.jpg.png",
        "labels/d.png",
    ]);
    let found = scan(folder.path()).unwrap();
    let labelled: Vec<String> = names(&found)
        .into_iter()
        .zip(&found)
        .filter(|(_, entry)| entry.status == PhotoStatus::Labelled)
        .map(|(name, _)| name)
        .collect();
    // labels/d.png could be either photo's
    assert_eq!(labelled, ["a.png", "b.png", "d.jpg"]);
}

#[test]
fn folders_that_cannot_be_listed_are_errors() {
    let folder = folder_with(&["a.png"]);
    let missing = scan(&folder.path().join("none"));
    assert!(matches!(missing, Err(DatasetError::Missing { .. })));
    let file = scan(&folder.path().join("a.png"));
    assert!(matches!(file, Err(DatasetError::NotAFolder { .. })));
    assert!(
        scan(tempfile::tempdir().unwrap().path())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn names_are_stems_unless_shared() {
    let folder = folder_with(&["a.png", "b.png", "B.JPG", "b.txt"]);
    let of = |name: &str| LabelPaths::for_photo(&folder.path().join(name)).unwrap();
    assert_eq!(of("a.png").labels, folder.path().join("labels/a.png"));
    assert_eq!(of("a.png").record, folder.path().join("instances/a.json"));
    assert_eq!(
        of("a.png").journal,
        folder.path().join(".patchlens/journal/a.journal")
    );
    assert_eq!(of("b.png").labels, folder.path().join("labels/b.png.png"));
    assert_eq!(
        of("B.JPG").instances,
        folder.path().join("instances/B.JPG.png")
    );
    assert!(LabelPaths::for_photo(Path::new("/")).is_err());
    assert_eq!(
        LabelPaths::for_photo(Path::new("x.png")).unwrap().folder,
        Path::new(".")
    );
}

#[test]
fn saved_labels_keep_their_name_when_a_namesake_comes_or_goes() {
    let folder = folder_with(&["a.png", "instances/none"]);
    let photo = folder.path().join("a.png");
    let record = LabelPaths::for_photo(&photo).unwrap().record;
    fs::write(&record, br#"{"photo":"a.png"}"#).unwrap();
    fs::write(folder.path().join("a.jpg"), b"x").unwrap();
    assert_eq!(LabelPaths::for_photo(&photo).unwrap().record, record);
    let newcomer = LabelPaths::for_photo(&folder.path().join("a.jpg")).unwrap();
    assert_eq!(newcomer.record, folder.path().join("instances/a.jpg.json"));
    assert_eq!(newcomer.other_owner(), None);

    fs::write(&newcomer.record, br#"{"photo":"a.jpg"}"#).unwrap();
    fs::remove_file(&photo).unwrap();
    fs::remove_file(&record).unwrap();
    let alone = LabelPaths::for_photo(&folder.path().join("a.jpg")).unwrap();
    assert_eq!(alone.record, newcomer.record);
}

#[test]
fn a_record_of_another_photo_is_noticed() {
    let folder = folder_with(&["a.png", "other.png", "instances/none"]);
    let paths = LabelPaths::for_photo(&folder.path().join("a.png")).unwrap();
    fs::write(&paths.record, br#"{"photo":"other.png"}"#).unwrap();
    assert_eq!(paths.other_owner(), Some(folder.path().join("other.png")));
    // a photo that was renamed takes its labels along
    fs::remove_file(folder.path().join("other.png")).unwrap();
    assert_eq!(paths.other_owner(), None);
}

#[cfg(unix)]
#[test]
fn names_that_are_not_unicode_survive() {
    use std::os::unix::ffi::OsStringExt;
    let folder = tempfile::tempdir().unwrap();
    let photo = folder
        .path()
        .join(OsString::from_vec(b"caf\xe9.png".to_vec()));
    fs::write(&photo, b"x").unwrap();
    assert_eq!(scan(folder.path()).unwrap()[0].path, photo);
    let labels = LabelPaths::for_photo(&photo).unwrap().labels;
    let expected = OsString::from_vec(b"caf\xe9.png".to_vec());
    assert_eq!(labels.file_name(), Some(expected.as_os_str()));
    assert_eq!(
        labels.parent().unwrap().file_name(),
        Some(OsStr::new("labels"))
    );
}

#[test]
fn numbers_are_compared_by_value() {
    let sorted = [
        "a",
        "a1",
        "a02",
        "a2",
        "A2b",
        "a10",
        "a100000000000000000000000",
        "b",
        "ä",
    ];
    for pair in sorted.windows(2) {
        assert_eq!(natural_order(pair[0], pair[1]), Ordering::Less, "{pair:?}");
    }
}

proptest! {
    #[test]
    fn the_order_is_total(a in "[aA01 é]{0,6}", b in "[aA01 é]{0,6}", c in "[aA01 é]{0,6}") {
        prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
        prop_assert_eq!(natural_order(&a, &b) == Ordering::Equal, a == b);
        if natural_order(&a, &b).is_lt() && natural_order(&b, &c).is_lt() {
            prop_assert!(natural_order(&a, &c).is_lt());
        }
    }
}
