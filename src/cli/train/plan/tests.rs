use super::*;

#[test]
fn sets_are_called_after_their_folders() {
    let all = ["/a/leaves/train", "/a/nuclei/train", "/b/nuclei", "/c"].map(PathBuf::from);
    let names: Vec<String> = all.iter().map(|folder| name(folder, &all)).collect();
    assert_eq!(names, ["leaves", "a/nuclei", "b/nuclei", "c"]);
    let nested = ["/train", "/train/train"].map(PathBuf::from);
    let names: Vec<String> = nested.iter().map(|folder| name(folder, &nested)).collect();
    assert_ne!(names[0], names[1]);
}

#[test]
fn few_photos_take_few_steps_and_what_was_said_stays() {
    let completed = |text: &str, kind: Kind, photos: usize| {
        let mut config = Config::from_text(text, Path::new("x")).unwrap();
        let said = serde_json::from_str(text).unwrap();
        complete(&mut config, &said, kind, (photos, false));
        config
    };
    let few = completed("{}", Kind::TinyVit, 5);
    assert_eq!((few.steps, few.batch, few.long_edge), (300, 4, FRAME));
    assert_eq!((few.warmup, few.validate_every), (15, 25));
    assert!(few.ema < 0.95 && !few.boundary);
    let many = completed("{}", Kind::TinyVit, 200);
    assert_eq!(many.steps, 1500);
    let plain = completed("{}", Kind::PlainVit, 200);
    assert_eq!((plain.steps, plain.crop), (1500, 256));
    let said = completed(
        r#"{"steps": 7, "ema": 0.5, "init": null}"#,
        Kind::PlainVit,
        9,
    );
    assert_eq!((said.steps, said.ema, said.init), (7, 0.5, None));
    assert_eq!((said.warmup, said.validate_every), (1, 1));
}

#[test]
fn weights_to_begin_with_are_models_folders_or_files() {
    let folder = tempfile::tempdir().unwrap();
    let of = |word: &OsStr| init_of(word);
    assert!(matches!(of(OsStr::new("none")), Ok(None)));
    let built_in = of(OsStr::new(registry::TINY_DEEPLAB)).unwrap();
    assert_eq!(built_in, Some(PathBuf::from(registry::TINY_DEEPLAB)));
    assert!(of(folder.path().as_os_str()).is_err());
    std::fs::write(folder.path().join("model.safetensors"), "").unwrap();
    let found = of(folder.path().as_os_str()).unwrap().unwrap();
    assert!(found.ends_with("model.safetensors"));
    assert!(of(OsStr::new("/nowhere")).is_err());
}
