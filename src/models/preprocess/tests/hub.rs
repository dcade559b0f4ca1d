//! Preprocessor configurations as the Hub has them.

use super::*;

const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
const HALF: ([f32; 3], [f32; 3]) = ([0.5; 3], [0.5; 3]);

fn exact(width: usize, height: usize) -> Resize {
    Resize::Exact { width, height }
}

#[test]
fn google_vit_base_patch16_224() {
    let steps = read(
        "vit",
        r#"{
          "do_normalize": true, "do_rescale": true, "do_resize": true,
          "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "ViTFeatureExtractor",
          "image_std": [0.5, 0.5, 0.5], "resample": 2, "rescale_factor": 0.00392156862745098,
          "size": {"height": 224, "width": 224}
        }"#,
    );
    let steps = steps.unwrap();
    assert_eq!(steps.resize, exact(224, 224));
    assert_eq!(
        (steps.filter, steps.normalize),
        (Filter::Bilinear, Some(HALF))
    );
    assert_eq!((steps.crop, steps.pad, steps.bgr), (None, None, false));
}

#[test]
fn facebook_deit_base_distilled_patch16_224() {
    let steps = read(
        "deit",
        r#"{
          "crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true,
          "feature_extractor_type": "DeiTFeatureExtractor",
          "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
          "resample": 3, "size": 256
        }"#,
    );
    let steps = steps.unwrap();
    assert_eq!(
        (steps.resize, steps.crop),
        (exact(256, 256), Some((224, 224)))
    );
    assert_eq!(
        (steps.filter, steps.normalize),
        (Filter::Bicubic, Some(IMAGENET))
    );
    assert_eq!(steps.rescale, Some(1.0 / 255.0));
}

#[test]
fn facebook_dino_vits8() {
    let steps = read(
        "vit",
        r#"{
          "do_normalize": true, "do_resize": true, "feature_extractor_type": "ViTFeatureExtractor",
          "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
          "resample": 2, "size": 224
        }"#,
    );
    let steps = steps.unwrap();
    assert_eq!((steps.resize, steps.crop), (exact(224, 224), None));
    assert_eq!(steps.normalize, Some(IMAGENET));
}

#[test]
fn facebook_dinov2_small_and_with_registers() {
    let json = r#"{
      "crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_convert_rgb": true,
      "do_normalize": true, "do_rescale": true, "do_resize": true,
      "image_mean": [0.485, 0.456, 0.406], "image_processor_type": "BitImageProcessor",
      "image_std": [0.229, 0.224, 0.225], "resample": 3, "rescale_factor": 0.00392156862745098,
      "size": {"shortest_edge": 256}
    }"#;
    for family in ["dinov2", "dinov2_with_registers"] {
        let steps = read(family, json).unwrap();
        assert_eq!(steps.resize, Resize::ShortestEdge(256));
        assert_eq!(
            (steps.crop, steps.filter),
            (Some((224, 224)), Filter::Bicubic)
        );
        assert_eq!(steps.normalize, Some(IMAGENET));
    }
}

#[test]
fn apple_deeplabv3_mobilevit_small() {
    let steps = read(
        "mobilevit",
        r#"{
          "crop_size": 512, "do_center_crop": true, "do_flip_channel_order": true, "do_resize": true,
          "feature_extractor_type": "MobileViTFeatureExtractor", "resample": 2, "size": 544
        }"#,
    );
    let steps = steps.unwrap();
    assert_eq!(steps.resize, Resize::ShortestEdge(544));
    assert_eq!((steps.crop, steps.bgr), (Some((512, 512)), true));
    assert_eq!((steps.normalize, steps.rescale), (None, Some(1.0 / 255.0)));
}

#[test]
fn nvidia_segformer_b0() {
    let steps = read(
        "segformer",
        r#"{
          "do_normalize": true, "do_resize": true, "feature_extractor_type": "SegformerFeatureExtractor",
          "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
          "reduce_labels": true, "resample": 2, "size": 512
        }"#,
    );
    let steps = steps.unwrap();
    assert_eq!((steps.resize, steps.crop), (exact(512, 512), None));
    assert_eq!(
        (steps.filter, steps.normalize),
        (Filter::Bilinear, Some(IMAGENET))
    );
}

#[test]
fn facebook_sam_vit_base_and_slimsam() {
    let steps = read(
        "sam",
        r#"{
          "do_convert_rgb": true, "do_normalize": true, "do_pad": true, "do_rescale": true,
          "do_resize": true, "image_mean": [0.485, 0.456, 0.406],
          "image_processor_type": "SamImageProcessor", "image_std": [0.229, 0.224, 0.225],
          "pad_size": {"height": 1024, "width": 1024}, "processor_class": "SamProcessor",
          "resample": 2, "rescale_factor": 0.00392156862745098, "size": {"longest_edge": 1024}
        }"#,
    );
    let steps = steps.unwrap();
    assert_eq!(steps.resize, Resize::LongestEdge(1024));
    assert_eq!((steps.crop, steps.pad), (None, Some((1024, 1024))));
    assert_eq!(steps.normalize, Some(IMAGENET));
}

#[test]
fn a_snapshot_without_preprocessing_gets_the_familys() {
    let folder = tempfile::tempdir().unwrap();
    let read = |family, json: &str| {
        let config = Config::parse_text(json, "config.json").unwrap();
        Preprocessor::read(folder.path(), family, &config).unwrap()
    };
    let vit = read(Family::Vit, r#"{"image_size": 384}"#);
    assert_eq!((vit.resize, vit.normalize), (exact(384, 384), Some(HALF)));
    let deit = read(Family::Deit, r#"{"image_size": 224}"#);
    assert_eq!(
        (deit.resize, deit.crop),
        (exact(256, 256), Some((224, 224)))
    );
    let dinov2 = read(Family::Dinov2, r#"{"image_size": 518}"#);
    assert_eq!(dinov2.resize, Resize::ShortestEdge(592));
    assert_eq!(
        (dinov2.crop, dinov2.normalize),
        (Some((518, 518)), Some(IMAGENET))
    );
    let mobilevit = read(Family::MobileVit, r#"{"image_size": 512}"#);
    assert_eq!(mobilevit.resize, Resize::ShortestEdge(544));
    assert!(mobilevit.bgr && mobilevit.normalize.is_none());
    // SegFormer's `image_size` is that of pretraining.
    let segformer = read(Family::SegFormer, r#"{"image_size": 224}"#);
    assert_eq!(segformer.resize, exact(512, 512));
    let sam = read(Family::Sam, r#"{"vision_config": {"image_size": 96}}"#);
    assert_eq!(
        (sam.resize, sam.pad),
        (Resize::LongestEdge(96), Some((96, 96)))
    );
    assert_eq!(read(Family::Sam, "{}").pad, Some((1024, 1024)));
    // On a scale of bytes, as the original has it.
    let mobile = read(Family::MobileSam, "{}");
    let white = mobile
        .prepare(&[255; 3], (1, 1), Fit::Trained, None)
        .unwrap();
    let first = values(&white.pixels)[0];
    assert!((first - (255.0 - 123.675) / 58.395).abs() < 1e-6);
}

#[test]
fn the_newest_layout_has_it_inside_the_processors_file() {
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{"image_processor": {"image_processor_type": "SamImageProcessorFast",
        "size": {"longest_edge": 64}, "pad_size": {"height": 64, "width": 64}}}"#;
    std::fs::write(folder.path().join("processor_config.json"), json).unwrap();
    let config = Config::parse_text("{}", "config.json").unwrap();
    let steps = Preprocessor::read(folder.path(), Family::Sam, &config).unwrap();
    assert_eq!(
        (steps.resize, steps.pad),
        (Resize::LongestEdge(64), Some((64, 64)))
    );
}
