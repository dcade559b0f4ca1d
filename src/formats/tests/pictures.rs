use png::{BitDepth, ColorType};

use super::*;
use crate::label::voc_color;
use crate::photo::{Limits, Photo, decode};

#[test]
fn class_maps_hold_ids_and_all_256_colours() {
    let document = small();
    let expected = [0, 2, 2, 0, 255, 255, 2, 0, 255, 9, 9, 9];
    for palette in [Palette::Classes, Palette::Voc] {
        let png = class_map_png(&document, palette).unwrap();
        let (color, depth, ids, colors) = plain_png(&png);
        assert_eq!((color, depth), (ColorType::Indexed, BitDepth::Eight));
        assert_eq!(ids, expected);
        let colors = colors.unwrap();
        assert_eq!(colors.len(), 768);
        assert_eq!(colors[765..], voc_color(255));
        let two = if palette == Palette::Voc {
            voc_color(2)
        } else {
            [2, 100, 200]
        };
        assert_eq!(colors[6..9], two);
    }
}

#[test]
fn instance_maps_hold_segment_ids() {
    let (color, depth, bytes, _) = plain_png(&instance_map_png(&small()).unwrap());
    assert_eq!((color, depth), (ColorType::Grayscale, BitDepth::Sixteen));
    let ids: Vec<u16> = bytes
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    assert_eq!(ids, small().labels().to_vec());
}

#[test]
fn maps_larger_than_a_tile_keep_their_places() {
    let (width, height) = (600, 300);
    let ids: Vec<u16> = (0..width * height)
        .map(|i| u16::from(i % width > 256 && i / width > 255))
        .collect();
    let document = document(width, &ids, |_| 2);
    let (_, _, map, _) = plain_png(&class_map_png(&document, Palette::Voc).unwrap());
    let expected: Vec<u8> = ids.iter().map(|&id| id as u8 * 2).collect();
    assert_eq!(map, expected);
}

#[test]
fn binary_masks_show_one_class() {
    let mask = |class| plain_png(&binary_mask_png(&small(), class).unwrap()).2;
    assert_eq!(mask(9), [0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255]);
    assert_eq!(mask(0), [255, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 0]);
    assert_eq!(mask(255), [0, 0, 0, 0, 255, 255, 0, 0, 255, 0, 0, 0]);
    assert_eq!(mask(1), [0; 12]);
    assert!(matches!(
        binary_mask_png(&small(), 77),
        Err(StoreError::NoClass { id: 77 })
    ));
}

#[test]
fn overlays_tint_segments_and_draw_their_edges() {
    let mut ids = vec![0; 25];
    for (x, y) in (1..4).flat_map(|x| (1..4).map(move |y| (x, y))) {
        ids[y * 5 + x] = 1;
    }
    let document = document(5, &ids, |_| 2);
    let photo = Photo::from_rgb(5, 5, vec![100; 75], "a").unwrap();
    let (color, _, rgb, _) = plain_png(&overlay_png(&photo, &document, 0.5).unwrap());
    assert_eq!(color, ColorType::Rgb);
    let at = |x: usize, y: usize| &rgb[(y * 5 + x) * 3..][..3];
    assert_eq!(at(0, 0), [100, 100, 100]);
    assert_eq!(at(1, 1), [2, 100, 200]);
    assert_eq!(at(2, 2), [51, 100, 150]);
    let other = Photo::from_rgb(5, 4, vec![0; 60], "a").unwrap();
    assert!(matches!(
        overlay_png(&other, &document, 0.5),
        Err(StoreError::SizeMismatch { .. })
    ));
}

#[test]
fn hidden_segments_are_not_in_the_overlay() {
    let document = document(2, &[5, 5], |_| 2);
    let photo = Photo::from_rgb(2, 1, vec![9; 6], "a").unwrap();
    assert_eq!(
        plain_png(&overlay_png(&photo, &document, 1.0).unwrap()).2,
        [9; 6]
    );
}

#[test]
fn exports_go_where_the_user_says_and_never_over_the_photo() {
    let place = Place::new();
    let path = place.at("photo.png");
    fs::write(
        &path,
        make_png(ColorType::Grayscale, BitDepth::Eight, (4, 3), &[5; 12]),
    )
    .unwrap();
    let photo = decode(&path, &Limits::default()).unwrap();
    let document = small();
    let to = |kind, name: &str| {
        let request = ExportRequest {
            kind,
            path: place.at(name),
        };
        export(&photo, &document, &request)
    };
    assert_eq!(to(ExportKind::ClassMap, "x").unwrap(), [place.at("x.png")]);
    assert_eq!(
        to(ExportKind::InstanceMap, "y.PNG").unwrap(),
        [place.at("y.PNG")]
    );
    assert_eq!(
        to(ExportKind::Binary(9), "x.png").unwrap(),
        [place.at("x.png")]
    );
    assert_eq!(
        to(ExportKind::Overlay, "z.png").unwrap(),
        [place.at("z.png")]
    );
    let (_, _, mask, _) = plain_png(&fs::read(place.at("x.png")).unwrap());
    assert_eq!(mask[9], 255);
    let wrong = to(ExportKind::Overlay, "z.jpg");
    assert!(matches!(wrong, Err(StoreError::OtherFormat { .. })));
    let before = place.content();
    let over = to(ExportKind::Overlay, "photo.png");
    assert!(matches!(over, Err(StoreError::OverPhoto { .. })));
    assert!(to(ExportKind::Binary(77), "z.png").is_err());
    assert!(matches!(
        to(ExportKind::ClassMap, "no/such/z.png"),
        Err(StoreError::NoFolder { .. })
    ));
    assert_eq!(place.content(), before);
}

/// A photo of 4 × 3 pixels in a file.
fn photo_at(path: &Path) -> Photo {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let png = make_png(ColorType::Grayscale, BitDepth::Eight, (4, 3), &[5; 12]);
    fs::write(path, png).unwrap();
    decode(path, &Limits::default()).unwrap()
}

#[test]
fn exports_never_replace_labels_or_labelled_photos() {
    for saved in [false, true] {
        let place = Place::new();
        let photo = photo_at(&place.at("photo.png"));
        photo_at(&place.at("other.png"));
        photo_at(&place.at("plain.png"));
        fs::create_dir(place.at("out")).unwrap();
        if saved {
            let path = photo.path().unwrap();
            save(path, &small(), &SaveOptions::default()).unwrap();
            save_journal(path, &smaller_change()).unwrap();
        }
        save_journal(&place.at("other.png"), &small()).unwrap();
        let before = place.content();
        let to = |name: &str| {
            let request = ExportRequest {
                kind: ExportKind::ClassMap,
                path: place.at(name),
            };
            export(&photo, &small(), &request)
        };
        for name in [
            "labels/photo.png",
            "labels/new",
            "instances/photo.png",
            "out/../instances/photo.png",
            ".patchlens/x.png",
            ".patchlens/journal/x.png",
            "labels/deeper/x.png",
        ] {
            let refused = to(name);
            assert!(
                matches!(refused, Err(StoreError::OverLabels { .. })),
                "{name}: {refused:?}"
            );
        }
        let over = to("other.png");
        assert!(
            matches!(over, Err(StoreError::OverOtherPhoto { .. })),
            "{over:?}"
        );
        assert!(matches!(
            to("out/../photo.png"),
            Err(StoreError::OverPhoto { .. })
        ));
        assert_eq!(place.content(), before);
        // an earlier export may be replaced
        to("plain.png").unwrap();
        to("out/photo.png").unwrap();
        to("out/photo.png").unwrap();
    }
}

#[test]
fn several_photos_are_protected_together() {
    let place = Place::new();
    let photos = ["one/a.png", "two/b.png"].map(|name| place.at(name));
    for photo in &photos {
        photo_at(photo);
    }
    let protected = Protected::of(photos.iter().map(PathBuf::as_path));
    for name in ["one/labels/x.png", "two/instances/x.png", "two/b.png"] {
        assert!(protected.check(&place.at(name)).is_err(), "{name}");
    }
    for name in ["one/b.png", "labels/x.png", "two/my labels/x.png"] {
        assert!(protected.check(&place.at(name)).is_ok(), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn links_do_not_get_around_the_protection() {
    let place = Place::new();
    let photo = place.at("real/a.png");
    photo_at(&photo);
    fs::create_dir(place.at("real/labels")).unwrap();
    std::os::unix::fs::symlink(place.at("real"), place.at("link")).unwrap();
    std::os::unix::fs::symlink(place.at("real/labels"), place.at("maps")).unwrap();
    for opened in [&photo, &place.at("link/a.png")] {
        let protected = Protected::of([opened.as_path()]);
        for name in ["link/a.png", "link/labels/a.png", "maps/a.png"] {
            assert!(protected.check(&place.at(name)).is_err(), "{name}");
        }
    }
}

#[test]
fn exports_are_offered_a_folder_of_their_own_which_is_made() {
    let place = Place::new();
    let photo = photo_at(&place.at("photo.png"));
    let before = crate::dataset::scan(place.folder.path()).unwrap().len();
    let path = ExportKind::Overlay.proposed_path(photo.path().unwrap(), small().classes());
    assert_eq!(path, place.at("exports/photo_overlay.png"));
    for _ in 0..2 {
        let request = ExportRequest {
            kind: ExportKind::Overlay,
            path: path.clone(),
        };
        assert_eq!(
            export(&photo, &small(), &request).unwrap(),
            [path.as_path()]
        );
    }
    let after = crate::dataset::scan(place.folder.path()).unwrap().len();
    assert_eq!(after, before, "an export is no photo of the folder");
    for slip in ["exprots/x.png", "exports/deeper/x.png"] {
        let request = ExportRequest {
            kind: ExportKind::Overlay,
            path: place.at(slip),
        };
        let refused = export(&photo, &small(), &request);
        assert!(matches!(refused, Err(StoreError::NoFolder { .. })));
        assert!(!request.path.parent().unwrap().exists());
    }
}

#[test]
fn exports_have_names_to_offer() {
    let name = |kind: ExportKind| {
        let name = kind.file_name(Path::new("dir/street.jpg"), &classes(&[(1, "big cat/dog")]));
        name.into_string().unwrap()
    };
    assert_eq!(name(ExportKind::ClassMap), "street_labels.png");
    assert_eq!(name(ExportKind::InstanceMap), "street_instances.png");
    assert_eq!(name(ExportKind::Overlay), "street_overlay.png");
    assert_eq!(name(ExportKind::Binary(1)), "street_big-cat-dog.png");
}
