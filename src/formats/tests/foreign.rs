use png::{BitDepth, ColorType};

use super::*;
use crate::label::voc_color;

const SIZE: (u32, u32) = (4, 3);
/// Two areas of class 1, one of which touches the other only at a corner, and
/// two areas of ignore.
const IDS: [u8; 12] = [1, 0, 1, 255, 0, 1, 0, 0, 255, 0, 0, 1];

fn with_labels(png: &[u8]) -> Place {
    let place = Place::new();
    place.write("labels/a.png", png);
    place
}

fn open_at(place: &Place, options: OpenOptions) -> Opened {
    open_with(&place.photo, 4, 3, &Classes::default(), options).unwrap()
}

fn class_ids(document: &Document) -> Vec<u8> {
    let at = |i: u32| document.class_at(i % 4, i / 4);
    (0..12).map(at).collect()
}

#[test]
fn connected_areas_become_segments() {
    for color in [ColorType::Indexed, ColorType::Grayscale] {
        let place = with_labels(&make_png(color, BitDepth::Eight, SIZE, &IDS));
        let document = loaded(open_at(&place, OpenOptions::default()));
        assert_eq!(class_ids(&document), IDS);
        // (0,0), (2,0) and (1,1) touch at corners; (3,2) is alone; ignore is one
        assert_eq!(document.segments().len(), 3);
        let ids = document.labels();
        assert_eq!(ids.get(0, 0), ids.get(2, 0));
        assert_ne!(ids.get(0, 0), ids.get(3, 2));
        assert_eq!(ids.get(3, 0), ids.get(0, 2));
        // it was opened, so it may be saved
        place.save(&document).unwrap();
        assert_same(&loaded(place.open(&document)), &document);
    }
}

#[test]
fn or_each_class_becomes_one_segment() {
    let place = with_labels(&make_png(ColorType::Indexed, BitDepth::Eight, SIZE, &IDS));
    let options = OpenOptions {
        import: LabelImport::OnePerClass,
        add_classes: false,
    };
    let document = loaded(open_at(&place, options));
    assert_eq!(class_ids(&document), IDS);
    assert_eq!(document.segments().len(), 2);
}

#[test]
fn other_ways_to_store_ids_are_read() {
    let words: Vec<u8> = IDS.iter().flat_map(|&id| [0, id]).collect();
    let place = with_labels(&make_png(
        ColorType::Grayscale,
        BitDepth::Sixteen,
        SIZE,
        &words,
    ));
    assert_eq!(
        class_ids(&loaded(open_at(&place, OpenOptions::default()))),
        IDS
    );

    let bits = [0b1010_0000, 0b0100_0000, 0b0001_0000];
    for color in [ColorType::Indexed, ColorType::Grayscale] {
        let place = with_labels(&make_png(color, BitDepth::One, SIZE, &bits));
        let expected = [1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        assert_eq!(
            class_ids(&loaded(open_at(&place, OpenOptions::default()))),
            expected
        );
    }

    let voc: Vec<u8> = IDS.iter().flat_map(|&id| voc_color(id)).collect();
    let place = with_labels(&make_png(ColorType::Rgb, BitDepth::Eight, SIZE, &voc));
    assert_eq!(
        class_ids(&loaded(open_at(&place, OpenOptions::default()))),
        IDS
    );

    let object = Classes::default().color(1);
    let ours = |id: u8| if id == 1 { object } else { voc_color(id) };
    let ours: Vec<u8> = IDS
        .iter()
        .flat_map(|&id| ours(id).into_iter().chain([9]))
        .collect();
    let place = with_labels(&make_png(ColorType::Rgba, BitDepth::Eight, SIZE, &ours));
    assert_eq!(
        class_ids(&loaded(open_at(&place, OpenOptions::default()))),
        IDS
    );
}

#[test]
fn unknown_ids_open_read_only_and_stay_unless_the_user_adds_them() {
    let mut ids = IDS;
    ids[1] = 40;
    ids[4] = 41;
    let place = with_labels(&make_png(ColorType::Indexed, BitDepth::Eight, SIZE, &ids));
    let before = place.content();
    let (document, why) = read_only(open_at(&place, OpenOptions::default()));
    assert!(why.contains("the numbers 40 and 41"), "{why}");
    assert_eq!(class_ids(&document), ids);
    assert!(matches!(
        place.save(&document),
        Err(StoreError::NotOpened { .. })
    ));
    assert_eq!(place.content(), before);

    let options = OpenOptions {
        add_classes: true,
        ..OpenOptions::default()
    };
    let document = loaded(open_at(&place, options));
    assert_eq!(document.classes().name(40), "class 40");
    place.save(&document).unwrap();
    assert_same(&loaded(place.open(&document)), &document);
}

#[test]
fn maps_that_do_not_fit_open_read_only() {
    let eight = |size, data: &[u8]| make_png(ColorType::Indexed, BitDepth::Eight, size, data);
    // a header and nothing else: refused without allocating 3.6 GB
    let mut huge = Vec::new();
    let header = png::Encoder::new(&mut huge, 60000, 60000).write_header();
    drop(header.unwrap());
    let words: Vec<u8> = [0, 1].repeat(11).into_iter().chain([2, 0]).collect();
    let mut cut = eight(SIZE, &IDS);
    cut.truncate(cut.len() - 30);
    let cases = [
        (
            eight((5, 3), &[0; 15]),
            "5 × 3 pixels, but the photo is 4 × 3;",
        ),
        (
            eight((3, 4), &[0; 12]),
            "before the photo was turned upright",
        ),
        (b"no png".to_vec(), "no intact PNG file"),
        (Vec::new(), "no intact PNG file"),
        (huge, "60000 × 60000 pixels, but"),
        (cut, "no intact PNG file"),
        (
            make_png(ColorType::Grayscale, BitDepth::Sixteen, SIZE, &words),
            "the number 512",
        ),
        (
            make_png(ColorType::Rgb, BitDepth::Eight, SIZE, &[7; 36]),
            "its colour (7, 7, 7)",
        ),
    ];
    for (png, expected) in cases {
        let place = with_labels(&png);
        let before = place.content();
        let (document, why) = read_only(open_at(&place, OpenOptions::default()));
        assert!(
            why.contains(expected) && why.contains("labels/a.png"),
            "{why}"
        );
        assert_eq!((document.width(), document.height()), (4, 3));
        assert!(document.segments().is_empty());
        assert!(place.save(&small()).is_err());
        assert_eq!(place.content(), before);
    }
}

#[test]
fn a_segment_map_without_record_opens_read_only() {
    let place = with_labels(&make_png(ColorType::Indexed, BitDepth::Eight, SIZE, &IDS));
    place.write("instances/a.png", b"anything");
    let (document, why) = read_only(open_at(&place, OpenOptions::default()));
    assert!(why.contains("instances/a.json"), "{why}");
    assert_eq!(class_ids(&document), IDS);
}

#[test]
fn very_many_areas_become_one_segment_per_class() {
    let ids: Vec<u8> = (0..600 * 600)
        .map(|i| u8::from(i % 2 == 0 && i / 600 % 2 == 0))
        .collect();
    let png = make_png(ColorType::Grayscale, BitDepth::Eight, (600, 600), &ids);
    let place = with_labels(&png);
    let opened = open(&place.photo, 600, 600, &Classes::default()).unwrap();
    assert_eq!(loaded(opened).segments().len(), 1);
}
