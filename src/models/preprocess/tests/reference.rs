//! What the PIL image processors of transformers 5.24 with Pillow 13.0 make of
//! pictures that anybody can compute.

/// Family, `preprocessor_config.json`, and for each picture its size, the size
/// of the input and the hash of its values.
pub type Case = (&'static str, &'static str, &'static [Picture]);
pub type Picture = ((usize, usize), (usize, usize), u64);

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    ("vit", r#"{"image_processor_type": "ViTImageProcessor", "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 2, "rescale_factor": 0.00392156862745098, "size": {"height": 24, "width": 24}}"#, &[
        ((37, 21), (24, 24), 0x9248c95a96e718bd),
        ((24, 24), (24, 24), 0xc81e70739c07ba40),
        ((9, 50), (24, 24), 0x2534f9a9751174eb),
    ]),
    ("vit", r#"{"size": 32}"#, &[
        ((41, 23), (32, 32), 0xe051c9dfe1a8b669),
    ]),
    ("vit", r#"{"do_resize": false, "do_normalize": false}"#, &[
        ((7, 5), (7, 5), 0x3360fd0e3e35d97c),
    ]),
    ("vit", r#"{"do_rescale": false, "size": {"height": 20, "width": 30}, "resample": 1}"#, &[
        ((41, 23), (30, 20), 0xf5e911b98ba8c743),
    ]),
    ("vit", r#"{"size": [18, 26], "resample": 0, "image_mean": 0.25, "image_std": [0.3, 0.2, 0.1]}"#, &[
        ((33, 44), (26, 18), 0x6b6ab88d8885d741),
    ]),
    ("vit", r#"{"feature_extractor_type": "ViTFeatureExtractor", "resample": 4, "size": 16, "rescale_factor": 0.01, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}"#, &[
        ((33, 44), (16, 16), 0x7ac1df16e70d9958),
    ]),
    ("vit", r#"{"size": 16, "do_center_crop": true, "crop_size": {"height": 20, "width": 10}}"#, &[
        ((33, 44), (10, 20), 0xecaf7b4d1ce3d98c),
    ]),
    ("deit", r#"{"crop_size": 24, "do_center_crop": true, "do_normalize": true, "do_resize": true, "feature_extractor_type": "DeiTFeatureExtractor", "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": 28}"#, &[
        ((50, 31), (24, 24), 0x5d1cab92ba1aba29),
        ((20, 60), (24, 24), 0x6a31d1f4facc5a02),
    ]),
    ("deit", r#"{"crop_size": 40, "size": 28}"#, &[
        ((50, 31), (40, 40), 0x887537a01033f06a),
    ]),
    ("deit", r#"{"do_center_crop": false, "size": 28}"#, &[
        ((50, 31), (28, 28), 0xf4ac4ef5bcdf43ea),
    ]),
    ("dinov2", r#"{"crop_size": {"height": 28, "width": 28}, "do_center_crop": true, "do_convert_rgb": true, "do_normalize": true, "do_rescale": true, "do_resize": true, "image_processor_type": "BitImageProcessor", "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 32}}"#, &[
        ((61, 40), (28, 28), 0x4dbc3ecf91f5c5ee),
        ((40, 61), (28, 28), 0x1044565e5d3f1d1f),
        ((33, 32), (28, 28), 0xaf4c0cbf1aa5e767),
        ((101, 17), (28, 28), 0x990952299480fa0e),
        ((29, 29), (28, 28), 0x550e50e4661aea00),
    ]),
    ("dinov2", r#"{"crop_size": {"height": 27, "width": 41}, "size": {"shortest_edge": 32}}"#, &[
        ((61, 40), (41, 27), 0x7da58e65a0803cb2),
        ((40, 61), (41, 27), 0x21a387da268e3c81),
        ((32, 32), (41, 27), 0x1cc4286ae14ab8a5),
    ]),
    ("dinov2", r#"{"size": 30, "do_center_crop": false}"#, &[
        ((45, 60), (30, 40), 0x8ef5b476fa8c453d),
    ]),
    ("dinov2_with_registers", r#"{"image_processor_type": "BitImageProcessorFast", "size": {"shortest_edge": 19}, "crop_size": 17, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}"#, &[
        ((45, 60), (17, 17), 0x992ca63e0f4713cc),
    ]),
    ("mobilevit", r#"{"crop_size": 24, "do_center_crop": true, "do_flip_channel_order": true, "do_resize": true, "feature_extractor_type": "MobileViTFeatureExtractor", "resample": 2, "size": 27}"#, &[
        ((50, 31), (24, 24), 0x0a0ef2ecb39a9a8d),
        ((31, 50), (24, 24), 0xeb16345394dd76a2),
    ]),
    ("mobilevit", r#"{"crop_size": 35, "size": 27, "do_normalize": true}"#, &[
        ((50, 31), (35, 35), 0x00c493123343b7d3),
        ((31, 30), (35, 35), 0x8a69e4dd843de44a),
    ]),
    ("mobilevit", r#"{"do_flip_channel_order": false, "size": {"height": 30, "width": 33}, "crop_size": 30}"#, &[
        ((50, 31), (30, 30), 0xfbaf977e77e5308b),
    ]),
    ("segformer", r#"{"do_normalize": true, "do_reduce_labels": true, "do_rescale": true, "do_resize": true, "image_processor_type": "SegformerImageProcessor", "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 2, "rescale_factor": 0.00392156862745098, "size": {"height": 32, "width": 48}}"#, &[
        ((61, 40), (48, 32), 0xa66875f249f783f6),
        ((20, 17), (48, 32), 0xfe33a7fa78112435),
    ]),
    ("segformer", r#"{"feature_extractor_type": "SegformerFeatureExtractor", "reduce_labels": true, "size": 32, "do_center_crop": true, "crop_size": 20}"#, &[
        ((61, 40), (32, 32), 0xcc5caa5966bba1d3),
    ]),
    ("sam", r#"{"do_convert_rgb": true, "do_normalize": true, "do_pad": true, "do_rescale": true, "do_resize": true, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "image_processor_type": "SamImageProcessor", "mask_pad_size": {"height": 16, "width": 16}, "mask_size": {"longest_edge": 16}, "pad_size": {"height": 48, "width": 48}, "processor_class": "SamProcessor", "resample": 2, "rescale_factor": 0.00392156862745098, "size": {"longest_edge": 48}}"#, &[
        ((61, 40), (48, 48), 0xef4f4b8ae4d5bca8),
        ((40, 61), (48, 48), 0xdcbc9ed2407b8e53),
        ((11, 30), (48, 48), 0x28f7fc253d0f9f25),
        ((48, 48), (48, 48), 0xd55ad0974fbba84e),
    ]),
    ("sam", r#"{"size": {"longest_edge": 31}, "pad_size": {"height": 40, "width": 33}}"#, &[
        ((61, 40), (33, 40), 0xf30c4ba4a771fe4c),
        ((17, 33), (33, 40), 0x83a043f541687e87),
    ]),
    ("sam", r#"{"size": {"longest_edge": 31}, "do_pad": false}"#, &[
        ((61, 40), (31, 20), 0x1cf2b3eaf64b01ec),
    ]),
];
