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

/// [`small`] with other classes.
fn with_classes(change: impl FnOnce(&mut Classes)) -> Document {
    let document = small();
    let mut classes = Classes::clone(document.classes());
    change(&mut classes);
    let records = record::records(&record::entries(&document));
    Document::from_parts(document.labels().clone(), records, classes).unwrap()
}

#[test]
fn edits_of_the_classes_alone_are_unsaved_edits() {
    let edits: [fn(&mut Classes); 4] = [
        |classes| assert!(classes.add("four").is_ok()),
        |classes| classes.rename(9, "neun").unwrap(),
        |classes| classes.recolor(2, [1, 2, 3]).unwrap(),
        |classes| assert!(classes.remove(1).is_ok()),
    ];
    for edit in edits {
        let place = Place::new();
        place.save(&small()).unwrap();
        let edited = with_classes(edit);
        save_journal(&place.photo, &edited).unwrap();
        // as after a crash
        place.open(&small());
        assert_same(&load_journal(&place.photo).unwrap().unwrap(), &edited);
        place.save(&edited).unwrap();
        assert!(load_journal(&place.photo).unwrap().is_none());
    }
}

#[test]
fn a_journal_that_outlived_its_save_is_no_unsaved_work() {
    let place = Place::new();
    save_journal(&place.photo, &small()).unwrap();
    let journal = place.at(".patchlens/journal/a.journal");
    let kept = fs::read(&journal).unwrap();
    place.save(&small()).unwrap();
    fs::write(&journal, kept).unwrap();
    assert!(load_journal(&place.photo).unwrap().is_none());
    // a class that another photo added since changes nothing about it
    let other = place.at("b.jpg");
    let more = with_classes(|classes| assert!(classes.add("four").is_ok()));
    save(&other, &more, &SaveOptions::default()).unwrap();
    assert!(load_journal(&place.photo).unwrap().is_none());
}

#[test]
fn recovered_edits_have_the_classes_that_others_added_or_renamed() {
    let place = Place::new();
    place.save(&small()).unwrap();
    save_journal(&place.photo, &smaller_change()).unwrap();
    let other = place.at("b.jpg");
    open(&other, 4, 3, &Classes::default()).unwrap();
    let theirs = with_classes(|classes| {
        classes.rename(9, "neun").unwrap();
        classes.add("four").unwrap();
    });
    save(&other, &theirs, &SaveOptions::default()).unwrap();
    place.open(&small());
    let recovered = load_journal(&place.photo).unwrap().unwrap();
    assert_eq!(
        recovered.labels().to_vec(),
        smaller_change().labels().to_vec()
    );
    assert_eq!(recovered.segments(), smaller_change().segments());
    assert_eq!(recovered.classes(), theirs.classes());
    place.save(&recovered).unwrap();
    let folder = folder_classes(place.folder.path()).unwrap().unwrap();
    assert_eq!(folder, **theirs.classes());
}

/// The three files of a save of a document, by another machine.
fn renewed_by_others(place: &Place, document: &Document) {
    let scratch = Place::new();
    scratch.save(document).unwrap();
    for name in ["labels/a.png", "instances/a.png", "instances/a.json"] {
        place.write(name, &fs::read(scratch.at(name)).unwrap());
    }
}

fn third() -> Document {
    document(4, &[1; 12], |_| 2)
}

/// The edits of `place` are left aside, and come back as the message says.
#[track_caller]
fn assert_stale(place: &Place) -> PathBuf {
    let journal = place.at(".patchlens/journal/a.journal");
    let kept = fs::read(&journal).unwrap();
    let error = load_journal(&place.photo).unwrap_err();
    let StoreError::StaleJournal { file, .. } = &error else {
        panic!("{error}");
    };
    let text = error.to_string();
    assert!(text.contains("a.jpg") && !text.contains('\n'), "{text}");
    let aside = PathBuf::from(file);
    assert_eq!(fs::read(&aside).unwrap(), kept);
    assert!(file.contains("a.stale-") && !journal.exists(), "{file}");
    assert!(load_journal(&place.photo).unwrap().is_none());
    aside
}

#[test]
fn edits_of_labels_that_were_renewed_meanwhile_are_left_aside() {
    let place = Place::new();
    place.save(&small()).unwrap();
    let old = ["labels/a.png", "instances/a.png", "instances/a.json"]
        .map(|name| (name, fs::read(place.at(name)).unwrap()));
    save_journal(&place.photo, &smaller_change()).unwrap();
    renewed_by_others(&place, &third());
    assert_same(&loaded(place.open(&small())), &third());
    let aside = assert_stale(&place);
    // another one does not take its place
    place.open(&small());
    save_journal(&place.photo, &small()).unwrap();
    renewed_by_others(&place, &smaller_change());
    assert_ne!(assert_stale(&place), aside);
    // the way back
    fs::rename(&aside, place.at(".patchlens/journal/a.journal")).unwrap();
    for (name, data) in old {
        place.write(name, &data);
    }
    assert_same(
        &load_journal(&place.photo).unwrap().unwrap(),
        &smaller_change(),
    );
}

#[test]
fn edits_of_a_photo_without_labels_are_left_aside_where_labels_came() {
    let place = Place::new();
    place.open(&small());
    save_journal(&place.photo, &small()).unwrap();
    let size = (4, 3);
    let map = make_png(
        png::ColorType::Indexed,
        png::BitDepth::Eight,
        size,
        &[1; 12],
    );
    place.write("labels/a.png", &map);
    place.open(&small());
    assert_stale(&place);
}

#[test]
fn edits_are_left_aside_where_a_class_got_two_names() {
    let place = Place::new();
    place.save(&small()).unwrap();
    let ours = with_classes(|classes| classes.rename(9, "neun").unwrap());
    save_journal(&place.photo, &ours).unwrap();
    let other = place.at("b.jpg");
    open(&other, 4, 3, &Classes::default()).unwrap();
    let theirs = with_classes(|classes| classes.rename(9, "neuf").unwrap());
    save(&other, &theirs, &SaveOptions::default()).unwrap();
    assert_stale(&place);
}

#[test]
fn edits_are_made_on_what_was_saved_last() {
    let place = Place::new();
    place.save(&small()).unwrap();
    place.save(&third()).unwrap();
    save_journal(&place.photo, &smaller_change()).unwrap();
    place.open(&small());
    let recovered = load_journal(&place.photo).unwrap().unwrap();
    assert_same(&recovered, &smaller_change());
    // and what the recovered ones become, on what was there when they came back
    save_journal(&place.photo, &small()).unwrap();
    assert_same(&load_journal(&place.photo).unwrap().unwrap(), &small());
}

#[test]
fn an_interrupted_save_leaves_no_stale_edits() {
    for files in 0..=3 {
        let place = Place::new();
        place.save(&small()).unwrap();
        interrupted_save(&place, &smaller_change(), files);
        place.open(&small());
        let recovered = load_journal(&place.photo).unwrap();
        match files {
            3 => assert!(recovered.is_none()),
            _ => assert_same(&recovered.unwrap(), &smaller_change()),
        }
    }
}

#[test]
fn a_stale_journal_repairs_nothing() {
    let place = Place::new();
    place.save(&small()).unwrap();
    save_journal(&place.photo, &smaller_change()).unwrap();
    renewed_by_others(&place, &third());
    fs::remove_file(place.at("labels/a.png")).unwrap();
    let (shown, why) = read_only(place.open(&small()));
    assert_eq!(shown.labels().to_vec(), third().labels().to_vec(), "{why}");
}
