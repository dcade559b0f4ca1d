use proptest::prelude::*;
use serde_json::json as value;

use super::*;
use crate::formats::atomic;

#[test]
fn a_saved_document_opens_as_it_was() {
    let place = Place::new();
    let document = small();
    assert!(matches!(place.open(&document), Opened::Fresh(_)));
    let report = place.save(&document).unwrap();
    assert_eq!(report.labels, place.at("labels/a.png"));
    assert_eq!(report.notes, [""; 0]);
    assert_same(&loaded(place.open(&document)), &document);
    let files: Vec<PathBuf> = place.content().into_iter().map(|(path, _)| path).collect();
    let expected = [
        "a.jpg",
        "instances/a.json",
        "instances/a.png",
        "labels/a.png",
        "patchlens.json",
    ];
    // nothing temporary and no journal is left
    assert_eq!(files, expected.map(|name| place.at(name)));
    let record = json(&report.record);
    assert_eq!(record["photo"], "a.jpg");
    assert_eq!(
        record["segments"][0],
        value!({"id": 1, "class": 2, "locked": false, "hidden": false})
    );
    assert_eq!(record["labels_sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn one_can_go_on_saving() {
    let place = Place::new();
    place.save(&small()).unwrap();
    place.save(&smaller_change()).unwrap();
    place.save(&small()).unwrap();
    assert_same(&loaded(place.open(&small())), &small());
}

#[test]
fn an_empty_document_is_saved_as_background() {
    let place = Place::new();
    let empty = Document::new(5, 1, Classes::default());
    place.save(&empty).unwrap();
    assert_same(&loaded(place.open(&empty)), &empty);
}

#[cfg(unix)]
#[test]
fn new_files_have_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let report = place.save(&small()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&report.labels), mode(&place.photo));
    assert_eq!(mode(&report.record), mode(&place.photo));
}

#[test]
fn labels_of_others_are_not_overwritten_unopened() {
    let place = Place::new();
    place.write("labels/a.png", b"something");
    let before = place.content();
    let error = place.save(&small()).unwrap_err();
    assert!(matches!(error, StoreError::NotOpened { .. }), "{error}");
    assert_eq!(place.content(), before);
    let force = SaveOptions {
        force: true,
        ..SaveOptions::default()
    };
    save(&place.photo, &small(), &force).unwrap();
    assert_same(&loaded(place.open(&small())), &small());
}

#[test]
fn files_that_changed_since_opening_are_not_overwritten() {
    for name in ["labels/a.png", "instances/a.png", "instances/a.json"] {
        let place = Place::new();
        place.save(&small()).unwrap();
        loaded(place.open(&small()));
        place.write(name, b"another program was here");
        let before = place.content();
        let error = place.save(&smaller_change()).unwrap_err();
        assert!(
            matches!(error, StoreError::ChangedOnDisk { .. }),
            "{name}: {error}"
        );
        assert_eq!(place.content(), before);
        // as the message advises
        fs::remove_file(place.at(name)).unwrap();
        place.save(&smaller_change()).unwrap();
        assert_same(&loaded(place.open(&small())), &smaller_change());
    }
}

#[test]
fn files_that_appeared_since_opening_are_not_overwritten() {
    let place = Place::new();
    assert!(matches!(place.open(&small()), Opened::Fresh(_)));
    place.write("labels/a.png", b"another program was here");
    assert!(matches!(
        place.save(&small()),
        Err(StoreError::ChangedOnDisk { .. })
    ));
}

#[test]
fn files_of_different_saves_open_read_only_and_stay() {
    for name in ["labels/a.png", "instances/a.png"] {
        for missing in [false, true] {
            let place = Place::new();
            place.save(&small()).unwrap();
            if missing {
                fs::remove_file(place.at(name)).unwrap();
            } else {
                place.write(name, b"torn");
            }
            let before = place.content();
            let (_, why) = read_only(place.open(&small()));
            assert!(why.contains(name) && why.contains("read-only"), "{why}");
            if !missing {
                assert!(place.save(&smaller_change()).is_err());
            }
            assert_eq!(place.content(), before);
        }
    }
}

#[test]
fn a_record_that_does_not_fit_opens_read_only() {
    let place = Place::new();
    let report = place.save(&small()).unwrap();
    let good = json(&report.record);
    let edited = |key: &str, new: serde_json::Value| {
        let mut record = good.clone();
        record[key] = new;
        record.to_string()
    };
    let broken = [
        ("not json".to_owned(), "cannot be understood"),
        (edited("version", value!(99)), "later PatchLens"),
        (edited("width", value!(5)), "5 × 3"),
        (edited("labels_sha256", value!("00")), "labels/a.png"),
        (
            edited("segments", value!([])),
            "segment 1, which is not in the list",
        ),
        (
            edited(
                "segments",
                value!([{"id": 1, "class": 77}, {"id": 7, "class": 1},
            {"id": 300, "class": 1}]),
            ),
            "class 77",
        ),
    ];
    for (text, expected) in broken {
        place.write("instances/a.json", text.as_bytes());
        let (document, why) = read_only(place.open(&small()));
        assert!(why.contains(expected), "{expected}: {why}");
        assert_eq!(document.width(), 4);
        assert!(matches!(
            place.save(&small()),
            Err(StoreError::NotOpened { .. })
        ));
    }
    // what can be shown is shown
    let (document, _) = read_only(place.open(&small()));
    assert_eq!(document.classes().name(77), "class 77");
    assert_eq!(document.segments().len(), 3);
}

#[test]
fn a_photo_of_another_size_finds_its_labels_read_only() {
    let place = Place::new();
    place.save(&small()).unwrap();
    let (document, why) = read_only(open(&place.photo, 3, 4, &Classes::default()).unwrap());
    assert_eq!((document.width(), document.height()), (3, 4));
    assert!(why.contains("4 × 3"), "{why}");
}

#[test]
fn labels_of_another_photo_with_the_name_are_left_alone() {
    let place = Place::new();
    place.save(&small()).unwrap();
    place.write("b.jpg", b"x");
    let mut record = json(&place.at("instances/a.json"));
    record["photo"] = value!("b.jpg");
    place.write("instances/a.json", record.to_string().as_bytes());
    let (_, why) = read_only(place.open(&small()));
    assert!(why.contains("b.jpg"), "{why}");
}

#[test]
fn a_damaged_folder_file_stops_saving_and_stays() {
    let place = Place::new();
    place.write("patchlens.json", b"{\"classes\": [");
    let before = place.content();
    let (_, why) = read_only(place.open(&small()));
    assert!(why.contains("patchlens.json"), "{why}");
    let error = place.save(&small()).unwrap_err();
    assert!(matches!(error, StoreError::FolderFile { .. }), "{error}");
    assert_eq!(place.content(), before);
    place.write("patchlens.json", br#"{"version": 2, "classes": []}"#);
    assert!(matches!(
        place.save(&small()),
        Err(StoreError::FolderFile { .. })
    ));
}

#[test]
fn what_others_put_into_the_json_files_is_kept() {
    let place = Place::new();
    place.write(
        "patchlens.json",
        br#"{"version":1,"classes":[],"theme":{"a":[1]}}"#,
    );
    place.save(&small()).unwrap();
    let folder = json(&place.at("patchlens.json"));
    assert_eq!(folder["theme"], value!({"a": [1]}));
    assert_eq!(folder["classes"].as_array().unwrap().len(), 4);
    let mut record = json(&place.at("instances/a.json"));
    record["reviewed"] = value!(true);
    record["by"] = value!("me");
    place.write("instances/a.json", record.to_string().as_bytes());
    loaded(place.open(&small()));
    place.save(&smaller_change()).unwrap();
    let record = json(&place.at("instances/a.json"));
    assert_eq!(
        (&record["reviewed"], &record["by"]),
        (&value!(true), &value!("me"))
    );
}

/// A document without segments but with these classes.
fn only_classes(names: &[(ClassId, &str)]) -> Document {
    Document::new(4, 3, classes(names))
}

#[test]
fn photos_that_save_in_turn_keep_each_others_classes() {
    let place = Place::new();
    let other = place.at("b.jpg");
    place.save(&only_classes(&[(1, "cat")])).unwrap();
    // both are open; the other one gets a class and is saved first
    let start = only_classes(&[(1, "cat")]);
    loaded(place.open(&start));
    open(&other, 4, 3, &Classes::default()).unwrap();
    let options = SaveOptions::default();
    save(
        &other,
        &only_classes(&[(1, "kitten"), (2, "dog")]),
        &options,
    )
    .unwrap();
    place
        .save(&only_classes(&[(1, "cat"), (3, "bird")]))
        .unwrap();
    let merged = folder_classes(place.folder.path()).unwrap().unwrap();
    let names: Vec<&str> = merged.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["background", "kitten", "dog", "bird"]);
    // and again, with what this photo still has
    place
        .save(&only_classes(&[(1, "cat"), (3, "bird")]))
        .unwrap();
    assert_eq!(folder_classes(place.folder.path()).unwrap(), Some(merged));
}

#[test]
fn one_number_cannot_become_two_classes() {
    let place = Place::new();
    place.open(&small());
    place.write(
        "patchlens.json",
        br#"{"version":1,"classes":[{"id":1,"name":"tree","color":[1,2,3]}]}"#,
    );
    let before = place.content();
    let error = place.save(&only_classes(&[(1, "cat")])).unwrap_err();
    assert!(error.to_string().contains("\"tree\""), "{error}");
    assert_eq!(place.content(), before);
}

#[test]
fn a_deleted_class_stays_while_other_photos_use_it() {
    let place = Place::new();
    place.save(&small()).unwrap();
    loaded(place.open(&small()));
    let other = place.at("b.jpg");
    let options = SaveOptions::default();
    loaded_or_fresh(open(&other, 4, 3, &Classes::default()).unwrap());
    let report = save(&other, &only_classes(&[(1, "one")]), &options).unwrap();
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    let left = folder_classes(place.folder.path()).unwrap().unwrap();
    assert_eq!(left.name(9), "nine");
    // "one" is used by nobody
    loaded(place.open(&small()));
    let report = place
        .save(&only_classes(&[(2, "two"), (9, "nine")]))
        .unwrap();
    assert_eq!(report.notes, [""; 0]);
    let left = folder_classes(place.folder.path()).unwrap().unwrap();
    assert!(left.get(1).is_none() && left.get(2).is_some());
}

fn loaded_or_fresh(opened: Opened) -> Document {
    match opened {
        Opened::Fresh(document) | Opened::Loaded(document) => document,
        Opened::ReadOnly { why, .. } => panic!("{why}"),
    }
}

#[test]
fn a_folder_that_cannot_be_written_says_so_and_nothing_is_half_done() {
    for blocked in ["labels", "instances", ".patchlens"] {
        let place = Place::new();
        place.write(blocked, b"a file where a folder should be");
        let before = place.content();
        let error = place.save(&small()).unwrap_err();
        assert!(matches!(error, StoreError::Write { .. }), "{error}");
        assert!(error.to_string().contains("try again"), "{error}");
        let now = place.content();
        let kept = now
            .iter()
            .filter(|(path, _)| !path.starts_with(place.at(".patchlens")));
        let before = before
            .iter()
            .filter(|(path, _)| !path.starts_with(place.at(".patchlens")));
        assert!(kept.eq(before), "{blocked}");
    }
}

#[test]
fn a_save_that_failed_between_its_files_can_be_tried_again() {
    let place = Place::new();
    place.save(&small()).unwrap();
    // nothing can be renamed over a folder with something in it
    fs::remove_file(place.at("instances/a.json")).unwrap();
    place.write("instances/a.json/x", b"in the way");
    let error = save(
        &place.photo,
        &smaller_change(),
        &SaveOptions {
            force: true,
            ..Default::default()
        },
    );
    assert!(matches!(error, Err(StoreError::Write { .. })), "{error:?}");
    fs::remove_dir_all(place.at("instances/a.json")).unwrap();
    place.save(&smaller_change()).unwrap();
    assert_same(&loaded(place.open(&small())), &smaller_change());
}

#[test]
fn a_disk_that_fills_up_leaves_the_old_file() {
    let place = Place::new();
    let target = place.at("labels/a.png");
    place.write("labels/a.png", b"old");
    let result = atomic::stage_with(&target, |file| {
        file.write_all(b"half of the n")?;
        Err(std::io::ErrorKind::StorageFull.into())
    });
    let text = result.err().unwrap().to_string();
    assert!(text.contains("the disk is full"), "{text}");
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(fs::read_dir(place.at("labels")).unwrap().count(), 1);
    // staged and not committed, as when a later file of the save fails
    drop(atomic::stage(&target, b"new").unwrap());
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(fs::read_dir(place.at("labels")).unwrap().count(), 1);
    atomic::write(&target, b"new").unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"new");
}

#[test]
fn refusals_by_the_system_say_what_to_do() {
    use std::io::ErrorKind::*;
    for (kind, expected) in [
        (StorageFull, "free some space"),
        (ReadOnlyFilesystem, "the folder is read-only"),
        (PermissionDenied, "the folder is read-only"),
        (NotFound, "the folder is gone"),
        (Other, "check the disk"),
    ] {
        let text = StoreError::write(Path::new("x/labels/a.png"), &kind.into()).to_string();
        assert!(
            text.contains(expected) && text.contains("x/labels/a.png"),
            "{text}"
        );
        // there may be no window: the command line says the same
        assert!(!text.contains("open"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_not_unicode_are_saved_and_opened() {
    use std::os::unix::ffi::OsStringExt;
    let folder = tempfile::tempdir().unwrap();
    let name = |bytes: &[u8]| std::ffi::OsString::from_vec(bytes.to_vec());
    let photo = folder.path().join(name(b"caf\xe9.jpg"));
    fs::write(&photo, b"x").unwrap();
    let report = save(&photo, &small(), &SaveOptions::default()).unwrap();
    assert_eq!(
        report.labels,
        folder.path().join("labels").join(name(b"caf\xe9.png"))
    );
    assert_same(
        &loaded(open(&photo, 4, 3, &Classes::default()).unwrap()),
        &small(),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_document_survives(
        width in 1u32..300,
        height in 1u32..40,
        palette in proptest::collection::vec(any::<u16>(), 1..6),
        picks in proptest::collection::vec((0usize..6, 1usize..400), 1..200),
        voc_palette: bool,
    ) {
        let runs = picks.iter().cycle().flat_map(|&(pick, length)| {
            std::iter::repeat_n(palette[pick % palette.len()], length)
        });
        let ids: Vec<u16> = runs.take((width * height) as usize).collect();
        let class = |id: u16| [1, 2, 9, 255][usize::from(id) % 4];
        let document = document(width, &ids, class);
        let place = Place::new();
        save(&place.photo, &document, &SaveOptions { voc_palette, force: false }).unwrap();
        assert_same(&loaded(place.open(&document)), &document);
        let (_, _, map, _) = plain_png(&fs::read(place.at("labels/a.png")).unwrap());
        let expected: Vec<u8> = ids.iter().map(|&id| if id == 0 { 0 } else { class(id) }).collect();
        prop_assert_eq!(map, expected);
        save_journal(&place.photo, &document).unwrap();
        // it says what is saved already
        prop_assert!(load_journal(&place.photo).unwrap().is_none());
    }
}
