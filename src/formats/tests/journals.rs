use super::*;

/// As a save that is interrupted after `files` of its files were renamed.
fn interrupted_save(place: &Place, document: &Document, files: usize) {
    let scratch = Place::new();
    scratch.save(document).unwrap();
    save_journal(&place.photo, document).unwrap();
    for name in ["labels/a.png", "instances/a.png", "instances/a.json"]
        .iter()
        .take(files)
    {
        place.write(name, &fs::read(scratch.at(name)).unwrap());
    }
}

#[test]
fn unsaved_edits_come_back_until_they_are_dropped_or_saved() {
    let place = Place::new();
    assert!(load_journal(&place.photo).unwrap().is_none());
    drop_journal(&place.photo).unwrap();
    save_journal(&place.photo, &small()).unwrap();
    assert_same(&load_journal(&place.photo).unwrap().unwrap(), &small());
    save_journal(&place.photo, &smaller_change()).unwrap();
    assert_same(
        &load_journal(&place.photo).unwrap().unwrap(),
        &smaller_change(),
    );
    drop_journal(&place.photo).unwrap();
    assert!(load_journal(&place.photo).unwrap().is_none());
    save_journal(&place.photo, &small()).unwrap();
    place.save(&small()).unwrap();
    assert!(load_journal(&place.photo).unwrap().is_none());
    assert!(!place.at(".patchlens/journal/a.journal").exists());
}

#[test]
fn a_damaged_journal_is_reported_and_stays() {
    let place = Place::new();
    save_journal(&place.photo, &small()).unwrap();
    let path = place.at(".patchlens/journal/a.journal");
    let good = fs::read(&path).unwrap();
    for i in 0..good.len() {
        let mut broken = good.clone();
        broken[i] ^= 0x20;
        fs::write(&path, &broken).unwrap();
        let error = load_journal(&place.photo).unwrap_err();
        assert!(matches!(error, StoreError::Journal { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), broken);
    }
    for end in 0..good.len() {
        fs::write(&path, &good[..end]).unwrap();
        assert!(load_journal(&place.photo).is_err());
    }
    // it does not stand in the way of the labels
    assert!(matches!(place.open(&small()), Opened::Fresh(_)));
    place.save(&small()).unwrap();
}

#[test]
fn an_interrupted_save_is_repaired_from_the_journal() {
    for files in 1..=3 {
        let place = Place::new();
        place.save(&small()).unwrap();
        interrupted_save(&place, &smaller_change(), files);
        assert_same(&loaded(place.open(&small())), &smaller_change());
        place.save(&smaller_change()).unwrap();
        assert_same(&loaded(place.open(&small())), &smaller_change());
    }
}

#[test]
fn an_interrupted_first_save_is_repaired_too() {
    for files in 1..=3 {
        let place = Place::new();
        // a finished save wrote the folder's classes before its labels
        let settings = Place::new();
        settings.save(&small()).unwrap();
        place.write(
            "patchlens.json",
            &fs::read(settings.at("patchlens.json")).unwrap(),
        );
        interrupted_save(&place, &small(), files);
        assert_same(&loaded(place.open(&small())), &small());
        place.save(&small()).unwrap();
    }
}

#[test]
fn the_journal_does_not_overrule_another_program() {
    let place = Place::new();
    place.save(&small()).unwrap();
    save_journal(&place.photo, &smaller_change()).unwrap();
    let size = (4, 3);
    let foreign = make_png(
        png::ColorType::Indexed,
        png::BitDepth::Eight,
        size,
        &[1; 12],
    );
    place.write("labels/a.png", &foreign);
    let before = place.content();
    read_only(place.open(&small()));
    assert!(place.save(&smaller_change()).is_err());
    assert_eq!(place.content(), before);
}

#[test]
fn a_journal_of_another_size_repairs_nothing() {
    let place = Place::new();
    place.save(&small()).unwrap();
    save_journal(&place.photo, &Document::new(3, 4, Classes::default())).unwrap();
    assert_same(&loaded(place.open(&small())), &small());
    place.write("labels/a.png", b"torn");
    read_only(place.open(&small()));
}
