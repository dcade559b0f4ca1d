use super::*;
use crate::attention::testing::grid;
use crate::attention::{ColorMap, Interpolation, ValueRange};

fn map(rows: usize, columns: usize, values: &[f32]) -> Heatmap {
    Heatmap {
        grid: grid(rows, columns),
        values: values.to_vec(),
    }
}

/// Tiles of 2 × 1 pixels.
fn sheet() -> Sheet {
    Sheet {
        columns: 2,
        gap: 1,
        background: [9; 3],
        shared: true,
        ..Sheet::square(
            0,
            (2, 1),
            Style {
                colors: ColorMap::Grey,
                interpolation: Interpolation::Nearest,
                range: ValueRange::Full,
                fades: false,
            },
        )
    }
}

/// The red channel.
fn reds(picture: &Picture) -> Vec<u8> {
    picture.rgb.chunks_exact(3).map(|pixel| pixel[0]).collect()
}

#[test]
fn a_sheet_lays_its_maps_out() {
    let maps = [map(1, 1, &[0.0]), map(1, 1, &[4.0]), map(1, 2, &[2.0, 4.0])];
    let maps: Vec<&Heatmap> = maps.iter().collect();
    let sheet = sheet();
    let picture = sheet.draw(&maps).unwrap();
    assert_eq!((picture.width, picture.height), (7, 5));
    assert_eq!((sheet.size(3), sheet.place(2)), ((7, 5), (1, 3)));
    let want = [
        [9, 9, 9, 9, 9, 9, 9],
        [9, 0, 0, 9, 255, 255, 9],
        [9, 9, 9, 9, 9, 9, 9],
        [9, 128, 255, 9, 9, 9, 9],
        [9, 9, 9, 9, 9, 9, 9],
    ];
    assert_eq!(reds(&picture), want.concat());
    let own = Sheet {
        shared: false,
        ..sheet
    };
    let row = &reds(&own.draw(&maps).unwrap())[21..28];
    assert_eq!(row, [9, 0, 255, 9, 9, 9, 9]);
    let empty = sheet.draw(&[]).unwrap();
    assert_eq!((empty.width, empty.height), (1, 1));
}

#[test]
fn layers_may_have_different_grids_and_attention_heads() {
    let (fine, coarse) = (map(1, 2, &[0.0, 1.0]), map(1, 1, &[1.0]));
    let cell = |map, caption: &str| Cell {
        map,
        caption: caption.to_owned(),
    };
    let lines = [
        Line {
            caption: "layer 0".to_owned(),
            cells: vec![cell(&fine, "0")],
        },
        Line {
            caption: "layer 1".to_owned(),
            cells: vec![cell(&coarse, "0"), cell(&fine, "1")],
        },
    ];
    let sheet = Sheet {
        text: 2,
        side: 3,
        ..sheet()
    };
    let picture = sheet.draw_lines(&lines).unwrap();
    let want = [
        [9; 10],
        [9; 10],
        [9; 10],
        [9, 9, 9, 9, 0, 255, 9, 9, 9, 9],
        [9; 10],
        [9; 10],
        [9; 10],
        [9, 9, 9, 9, 255, 255, 9, 0, 255, 9],
        [9; 10],
    ];
    assert_eq!((picture.width, picture.height), (10, 9));
    assert_eq!(reds(&picture), want.concat());
    let captions = sheet.captions(&lines);
    let written: Vec<_> = captions
        .iter()
        .map(|caption| (&*caption.text, caption.x, caption.y))
        .collect();
    assert_eq!(
        written,
        [
            ("layer 0", 1.0, 3.5),
            ("0", 4.0, 2.0),
            ("layer 1", 1.0, 7.5),
            ("0", 4.0, 6.0),
            ("1", 7.0, 6.0),
        ]
    );
}

#[test]
fn a_square_sheet_is_about_square() {
    let columns = |count| Sheet::square(count, (64, 64), Style::default()).columns;
    assert_eq!([0, 1, 6, 12, 16].map(columns), [1, 1, 3, 4, 4]);
}

#[test]
fn huge_sheets_are_refused() {
    let one = map(1, 1, &[0.5]);
    let sheet = Sheet::square(9, (usize::MAX / 2, 3), Style::default());
    assert!(sheet.draw(&[&one; 9]).is_err());
}
