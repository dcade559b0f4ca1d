//! Finding and refusing models.

use super::*;
use std::fs;

#[test]
#[cfg(feature = "embedded-weights")]
fn the_embedded_model_loads_and_is_described_truly() {
    let loaded = load(MOBILE_SAM).unwrap();
    assert_eq!(embedded(), std::slice::from_ref(&loaded.info));
    assert_eq!(
        loaded.mobile_sam().unwrap().parameters(),
        loaded.info.parameters
    );
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
    assert!(matches!(load(folder.path()), Err(ModelError::Read { .. })));
    write("config.json", b"{");
    assert!(matches!(
        load(folder.path()),
        Err(ModelError::Config { .. })
    ));
    write("config.json", br#"{"model_type": "bert"}"#);
    let error = load(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("bert") && error.contains("mobile_sam"),
        "{error}"
    );
    write("config.json", br#"{"model_type": "mobile_sam"}"#);
    assert!(matches!(load(folder.path()), Err(ModelError::Read { .. })));
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
    assert!(!loaded.info.embedded && loaded.mobile_sam().is_some());
    assert_eq!(loaded.info.title, "mobile-sam");
}
