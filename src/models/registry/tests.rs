//! Finding and refusing models.

use super::*;
use crate::task::detached;
use std::fs;

fn load(name: impl AsRef<OsStr>) -> Result<Arc<LoadedModel>, ModelError> {
    detached(|task| super::load(name, task))
}

#[test]
#[cfg(feature = "embedded-weights")]
fn the_embedded_models_load_and_are_described_truly() {
    let all = embedded();
    let names: Vec<&str> = all.iter().map(|info| info.name.as_ref()).collect();
    assert_eq!(names, [MOBILE_SAM, TINY_DEEPLAB, PLAIN_DEEPLAB]);
    for info in &all {
        let loaded = load(&*info.name).unwrap();
        assert_eq!(info.capabilities, loaded.info.capabilities);
        assert_eq!(info.labels, loaded.info.labels);
        let parameters = match loaded.promptable() {
            Ok(model) => model.parameters(),
            Err(_) => loaded.vision().unwrap().parameters(),
        };
        assert_eq!(parameters, info.parameters, "{}", info.name);
        assert!(is_embedded_name(info.name.as_ref().as_ref()));
    }
}

#[test]
#[cfg(feature = "embedded-weights")]
fn a_head_stands_on_the_encodings_of_the_model_in_memory() {
    let (encoder, head) = (load(MOBILE_SAM).unwrap(), load(TINY_DEEPLAB).unwrap());
    assert!(head.stands_on(&encoder) && !encoder.stands_on(&head));
    assert!(!load(PLAIN_DEEPLAB).unwrap().stands_on(&encoder));
    assert!(Arc::ptr_eq(&encoder, &load(MOBILE_SAM).unwrap()));
}

#[test]
fn unknown_names_are_told_what_there_is() {
    let error = load("no-such-model").unwrap_err().to_string();
    assert!(error.contains("no-such-model"), "{error}");
    #[cfg(feature = "embedded-weights")]
    assert!(error.contains(MOBILE_SAM), "{error}");
}

#[test]
fn folders_are_recognised_by_their_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    assert!(matches!(
        load(folder.path()),
        Err(ModelError::NoSnapshot { .. })
    ));
    write("config.json", b"{");
    assert!(matches!(
        load(folder.path()),
        Err(ModelError::Config { .. })
    ));
    write("config.json", br#"{"model_type": "bert"}"#);
    let error = load(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("bert") && error.contains("segformer"),
        "{error}"
    );
    write("config.json", br#"{"model_type": "mobile_sam"}"#);
    assert!(load(folder.path()).is_err());
    write("model.safetensors", &[0; 100]);
    assert!(matches!(
        load(folder.path()),
        Err(ModelError::NotSafetensors { .. })
    ));
}

#[test]
fn the_shipped_folder_is_a_checkpoint_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/mobile-sam");
    let loaded = load(&folder).unwrap();
    assert_eq!(loaded.info.family, Family::MobileSam);
    assert!(!loaded.info.embedded && loaded.promptable().is_ok());
    assert_eq!(loaded.info.title, "mobile-sam");
    let described = describe(&folder).unwrap();
    assert_eq!(described.capabilities, loaded.info.capabilities);
}

#[test]
fn loading_reports_progress_and_stops_when_asked() {
    use crate::task::Cancel;
    use std::sync::Mutex;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vit");
    let cancel = Cancel::new();
    let seen = Mutex::new(Vec::new());
    let report = |fraction| seen.lock().unwrap().push(fraction);
    super::load(&folder, Task::new(&cancel, &report)).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.len() > 3 && seen.is_sorted() && seen[seen.len() - 1] > 0.9);
    let report = |_: f32| cancel.cancel();
    let stopped = super::load(&folder, Task::new(&cancel, &report));
    assert!(matches!(stopped, Err(ModelError::Cancelled)));
}
