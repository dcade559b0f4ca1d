use super::*;
use crate::models::deeplab::{DeepLabConfig, PlainVitConfig};
use crate::train::{ClassScore, SetScore, testing};

fn card(sources: &[DataSource], validation: Option<&Validation>) -> String {
    let config = testing::small();
    let network = DeepLabConfig {
        backbone: BackboneConfig::PlainVit(PlainVitConfig::default()),
        classes: config.classes.len(),
        boundary: true,
    };
    let snapshot = Snapshot {
        network: &network,
        config: &config,
        objects: vec![1],
    };
    let position = Position {
        step: 12,
        seconds: 100.0 * 60.0,
        best: Some((0.75, 8)),
        ..Position::default()
    };
    let card = Card {
        snapshot: &snapshot,
        sources,
        position: &position,
        parameters: 4_940_123,
        bytes: 999,
        validation,
    };
    card.text()
}

#[test]
fn a_card_tells_data_figures_and_limits() {
    let source = DataSource {
        name: "leaves".to_owned(),
        photos: 9,
        dev: 1,
        held_out: true,
        licence: Some("MIT".to_owned()),
        source: Some("a|b".to_owned()),
        attribution: Some("Somebody, 2020".to_owned()),
    };
    let class = |id, name: &str, iou| ClassScore {
        id,
        name: name.to_owned(),
        iou,
    };
    let validation = Validation {
        sets: vec![SetScore {
            name: "leaves".to_owned(),
            photos: 1,
            classes: vec![class(0, "background", Some(0.9)), class(1, "blob", None)],
            mean_iou: 0.9,
            accuracy: 0.95,
        }],
        mean_iou: 0.9,
    };
    let text = card(&[source], Some(&validation));
    for said in [
        "# ViT-DeepLabV3+: leaves",
        "| Classes | background, blob, other |",
        "| Objects told apart | blob |",
        "| Parameters | 4,940,123 |",
        "| leaves | 9 | 1 | MIT | a/b |",
        "leaves: Somebody, 2020",
        "hash of the name",
        "| background | 0.900 |",
        "| blob | - |",
        "12 of 12; the weights are the averaged ones after step 8",
        "| Time | 1.7 h |",
        "Trained on 9 photos, which is little",
        "Figures from 1 photo are",
    ] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
}

#[test]
fn a_card_without_figures_says_so() {
    let text = card(&[DataSource::default()], None);
    assert!(text.contains("no photos to validate on"), "{text}");
    assert!(text.contains("not stated"), "{text}");
}

#[test]
fn numbers_are_for_people() {
    assert_eq!(grouped(7), "7");
    assert_eq!(grouped(1000), "1,000");
    assert_eq!([1, 2].map(counted), ["1 photo", "2 photos"]);
    assert_eq!(grouped(12_345_678), "12,345,678");
    assert_eq!(duration(61.0), "61 s");
    assert_eq!(duration(600.0), "10 min");
}
