//! Configurations as the Hub has them, and others.

use super::*;

fn family(json: &str) -> Result<Family, String> {
    Family::of(&Config::parse_text(json, "config.json").unwrap())
}

#[test]
fn every_family_is_known_by_its_model_type() {
    for expected in Family::ALL {
        let json = format!(r#"{{"model_type": "{}"}}"#, expected.model_type());
        assert_eq!(family(&json), Ok(expected));
        assert!(!expected.title().is_empty());
    }
}

#[test]
fn without_a_model_type_the_architecture_decides() {
    for (class, expected) in [
        ("SamModel", Family::Sam),
        ("ViTModel", Family::Vit),
        ("ViTForImageClassification", Family::Vit),
        ("DeiTForImageClassificationWithTeacher", Family::Deit),
        ("Dinov2Model", Family::Dinov2),
        ("Dinov2WithRegistersModel", Family::Dinov2WithRegisters),
        ("MobileViTForSemanticSegmentation", Family::MobileVit),
        ("SegformerForSemanticSegmentation", Family::SegFormer),
    ] {
        let json = format!(r#"{{"model_type": "", "architectures": ["{class}"]}}"#);
        assert_eq!(family(&json), Ok(expected), "{class}");
        let json = format!(r#"{{"architectures": ["{class}"]}}"#);
        assert_eq!(family(&json), Ok(expected), "{class}");
    }
}

#[test]
fn relatives_that_are_not_supported_are_named() {
    for class in [
        "ViTMAEModel",
        "ViTMSNModel",
        "Sam2Model",
        "MobileViTV2Model",
        "BertModel",
    ] {
        let json = format!(r#"{{"architectures": ["{class}"]}}"#);
        assert_eq!(family(&json), Err(class.to_owned()));
    }
    assert_eq!(
        family(r#"{"model_type": "vit_mae"}"#),
        Err("vit_mae".to_owned())
    );
    assert_eq!(family("{}"), Err("unnamed".to_owned()));
    assert_eq!(family(r#"{"architectures": 3}"#), Err("unnamed".to_owned()));
}

#[test]
fn dense_families_need_their_decode_head() {
    for (model_type, class) in [
        ("segformer", "SegformerForImageClassification"),
        ("segformer", "SegformerModel"),
        ("mobilevit", "MobileViTForImageClassification"),
        ("sam", "SamVisionModel"),
    ] {
        let json = format!(r#"{{"model_type": "{model_type}", "architectures": ["{class}"]}}"#);
        assert_eq!(family(&json), Err(class.to_owned()));
    }
    // An encoder is of use by itself.
    let json = r#"{"model_type": "vit", "architectures": ["ViTForMaskedImageModeling"]}"#;
    assert_eq!(family(json), Ok(Family::Vit));
}

#[test]
fn what_is_supported_can_be_listed() {
    let list = Family::supported();
    assert!(list.contains("vit,"), "{list}");
    assert!(
        list.contains("segformer (SegformerForSemanticSegmentation)"),
        "{list}"
    );
}
