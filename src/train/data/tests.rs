use super::*;
use crate::train::testing::{self, Folder};

#[test]
fn a_set_gives_parts_and_whole_photos_in_the_merged_space() {
    let folder = Folder::new();
    folder.photo("a.png", 40, 24);
    folder.labels("a", 40, 24, |x, _| if x < 8 { 2 } else { 0 });
    folder.photo("b.png", 40, 24);
    let config = testing::config(&folder);
    let set = &config.sets[0];
    let pictures = Pictures::open(folder.path(), set, &config, &mut 10_000_000).unwrap();
    assert_eq!((pictures.photos(), pictures.without_labels()), (1, 1));
    assert_eq!(pictures.own(), [true, true, false]);
    assert_eq!(pictures.pixels(), [40 * 24 - 8 * 24, 8 * 24, 0]);
    let whole = pictures.whole(0).unwrap();
    assert_eq!((whole.target.rows, whole.target.columns), (24, 40));
    assert_eq!(whole.target.labels[..9], [1, 1, 1, 1, 1, 1, 1, 1, 0]);
    // 32 × 19 of 32 × 32
    assert_eq!(whole.inputs[0].size, [32, 32, 3]);
    assert_eq!(pictures.covers(0), [19.0 / 32.0, 1.0]);
    let part = pictures.training(0, &mut Random::new(1, "x", 0)).unwrap();
    assert_eq!(part.inputs[0].size, [32, 32, 3]);
    assert!(part.target.labels.iter().all(|l| [0, 1, 254].contains(l)));
}

#[test]
fn what_does_not_fit_into_memory_is_read_again_and_is_the_same() {
    let folder = Folder::new();
    folder.photo("a.png", 40, 24);
    folder.labels("a", 40, 24, |x, _| if x < 8 { 2 } else { 0 });
    let config = testing::config(&folder);
    let example = |mut budget| {
        let opened = Pictures::open(folder.path(), &config.sets[0], &config, &mut budget);
        opened.unwrap().training(0, &mut Random::new(1, "x", 0))
    };
    assert_eq!(example(0).unwrap(), example(1 << 20).unwrap());
}

#[test]
fn an_exclusive_set_annotates_everything() {
    let folder = Folder::new();
    folder.photo("a.png", 16, 16);
    folder.labels("a", 16, 16, |_, _| 0);
    let mut config = testing::config(&folder);
    let annotated = |config: &Config| {
        let opened = Pictures::open(folder.path(), &config.sets[0], config, &mut 0);
        opened.unwrap().whole(0).unwrap().target.annotated
    };
    assert_eq!(*annotated(&config), [true, true, false]);
    config.sets[0].exclusive = true;
    assert_eq!(*annotated(&config), [true, true, true]);
}

#[test]
fn unusable_files_are_named() {
    let refused = |prepare: &dyn Fn(&Folder)| {
        let folder = Folder::new();
        folder.photo("a.png", 16, 12);
        prepare(&folder);
        let config = testing::config(&folder);
        let opened = Pictures::open(folder.path(), &config.sets[0], &config, &mut 0);
        opened.err().unwrap().to_string()
    };
    let said = refused(&|_| {});
    assert!(said.contains("no photo with a class map"), "{said}");
    let said = refused(&|folder| folder.labels("a", 12, 16, |_, _| 0));
    assert!(said.contains("labels/a.png"), "{said}");
    assert!(said.contains("12 × 16"), "{said}");
    let said = refused(&|folder| folder.labels("a", 16, 12, |_, _| 9));
    assert!(said.contains("the class 9"), "{said}");
    let said = refused(&|folder| {
        folder.labels("a", 16, 12, |_, _| 0);
        folder.classes(r#"[{"id": 1, "name": "tree", "color": [0, 0, 0]}]"#);
    });
    assert!(said.contains("\"tree\""), "{said}");
}
