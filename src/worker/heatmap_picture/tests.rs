use super::*;
use crate::attention::{ColorMap, Interpolation, ValueRange};
use crate::label::Rect;
use crate::nn::capture::Grid;

/// Grey of 100, 8 × 4 pixels.
fn photo() -> Photo {
    Photo::from_rgb(8, 4, vec![100; 8 * 4 * 3], "p").unwrap()
}

/// A row of two tokens, 0 and 1, over the left six pixels.
fn heatmap() -> HeatmapPicture {
    let grid = Grid {
        rows: 1,
        columns: 2,
    };
    HeatmapPicture {
        map: Heatmap {
            grid,
            values: vec![0.0, 1.0],
        },
        view: View::whole((6, 4)),
        style: Style {
            colors: ColorMap::Grey,
            interpolation: Interpolation::Nearest,
            range: ValueRange::Full,
            fades: false,
        },
        opacity: Some(1.0),
        windows: Vec::new(),
        marks: Vec::new(),
    }
}

/// The red channel of the first line.
fn first_line(picture: &Picture) -> Vec<u8> {
    let line = picture.rgb.chunks_exact(3 * picture.width).next().unwrap();
    line.chunks_exact(3).map(|pixel| pixel[0]).collect()
}

#[test]
fn it_has_the_photos_size_and_leaves_what_was_not_seen() {
    let drawn = heatmap().draw(&photo()).unwrap();
    assert_eq!((drawn.width, drawn.height), (8, 4));
    assert_eq!(first_line(&drawn), [0, 0, 0, 255, 255, 255, 100, 100]);
    let alone = HeatmapPicture {
        opacity: None,
        style: Style {
            fades: true,
            ..heatmap().style
        },
        ..heatmap()
    };
    let drawn = alone.draw(&photo()).unwrap();
    assert_eq!(first_line(&drawn), [0, 0, 0, 255, 255, 255, 0, 0]);
}

#[test]
fn what_tokens_cannot_see_has_no_colour() {
    let window = TokenRect {
        top: 0,
        left: 1,
        bottom: 1,
        right: 2,
    };
    let cut = HeatmapPicture {
        windows: vec![window],
        ..heatmap()
    };
    let drawn = cut.draw(&photo()).unwrap();
    assert_eq!(first_line(&drawn), [100, 100, 100, 255, 255, 255, 100, 100]);
}

#[test]
fn marks_are_outlined() {
    let marked = HeatmapPicture {
        marks: vec![Mask::from_rect(Rect::new(0, 0, 3, 4))],
        ..heatmap()
    };
    let drawn = marked.draw(&photo()).unwrap();
    assert_ne!(drawn, heatmap().draw(&photo()).unwrap());
    assert_eq!(first_line(&drawn)[7], 100, "far from the mark");
}

#[test]
fn pictures_are_put_beside_each_other() {
    let one = Picture::filled(2, 1, [7; 3]).unwrap();
    let two = Picture::filled(3, 1, [9; 3]).unwrap();
    let all = beside(&[one, two]).unwrap();
    assert_eq!((all.width, all.height), (6, 1));
    assert_eq!(first_line(&all), [7, 7, 255, 9, 9, 9]);
}

#[test]
fn files_hold_one_picture_or_two() {
    let size = |pictures: &[HeatmapPicture]| {
        let png = heatmaps_png(pictures, &photo()).unwrap();
        let picture = image::load_from_memory(&png).unwrap();
        (picture.width(), picture.height())
    };
    assert_eq!(size(&[heatmap()]), (8, 4));
    assert_eq!(size(&[heatmap(), heatmap()]), (17, 4));
    assert!(heatmaps_png(&[], &photo()).is_err(), "nothing to draw");
}
