use super::*;
use crate::nn::capture::Grid;

fn map(rows: usize, columns: usize, values: &[f32]) -> Heatmap {
    let values = values.to_vec();
    let grid = Grid { rows, columns };
    Heatmap { grid, values }
}

fn grey(interpolation: Interpolation, range: ValueRange) -> Style {
    Style {
        colors: ColorMap::Grey,
        interpolation,
        range,
        fades: false,
    }
}

#[test]
fn low_values_let_the_photo_through_if_they_fade() {
    let map = map(1, 2, &[0.0, 1.0]);
    let style = Style {
        fades: true,
        ..grey(Interpolation::Nearest, UNIT)
    };
    let photo = [100; 6];
    let over = |opacity| {
        let view = View::whole((2, 1));
        reds(&overlay(&photo, (2, 1), &map, view, &style, opacity).unwrap())
    };
    // 0 covers 12 %, 1 covers all: 100 * 0.88 under black, 255 over it.
    assert_eq!(over(1.0), [88, 255]);
    assert_eq!(over(0.5), [94, 178]);
    assert_eq!(reds(&render(&map, (2, 1), &style).unwrap()), [0, 255]);
    assert_eq!((fade(0.0), fade(1.0)), (0.12, 1.0));
    assert!(fade(0.25) > 0.5, "the lower half rises fast");
}

const UNIT: ValueRange = ValueRange::Fixed {
    low: 0.0,
    high: 1.0,
};

/// The red channel.
fn reds(picture: &Picture) -> Vec<u8> {
    picture.rgb.chunks_exact(3).map(|pixel| pixel[0]).collect()
}

#[test]
fn nearest_shows_tokens() {
    let map = map(1, 2, &[0.0, 1.0]);
    let picture = render(&map, (5, 2), &grey(Interpolation::Nearest, UNIT)).unwrap();
    assert_eq!((picture.width, picture.height), (5, 2));
    // The middle pixel's centre is the border, which belongs to the right token.
    assert_eq!(reds(&picture), [0, 0, 255, 255, 255, 0, 0, 255, 255, 255]);
}

#[test]
fn bilinear_interpolates_values_between_centres() {
    let map = map(2, 2, &[0.0, 1.0, 0.0, 0.5]);
    let picture = render(&map, (4, 4), &grey(Interpolation::Bilinear, UNIT)).unwrap();
    // Columns at 0, 1/4, 3/4 and 1 of the way; so are rows.
    let value = |x: usize, y: usize| [0.0, 0.25, 0.75, 1.0][x] * [1.0, 0.875, 0.625, 0.5][y];
    for (index, got) in reds(&picture).into_iter().enumerate() {
        let want = (value(index % 4, index / 4) * 256.0f32).min(255.0) as u8;
        assert_eq!(got, want, "pixel {index}");
    }
}

#[test]
fn colours_come_from_the_map() {
    let style = Style::default();
    let picture = render(&map(1, 2, &[3.0, 7.0]), (2, 1), &style).unwrap();
    let (low, high) = (ColorMap::Viridis.step(0), ColorMap::Viridis.step(255));
    assert_eq!(picture.rgb, [low, high].concat());
    // All the same: the lowest colour, not a division by zero.
    let picture = render(&map(1, 2, &[5.0, 5.0]), (2, 1), &style).unwrap();
    assert_eq!(picture.rgb, [low, low].concat());
}

#[test]
fn ranges_are_those_of_numpy() {
    let (a, b) = (map(1, 4, &[3.0, 1.0, 2.0, 5.0]), map(1, 1, &[11.0]));
    assert_eq!(ValueRange::Full.of(&[&a]), (1.0, 5.0));
    assert_eq!(ValueRange::Full.of(&[&a, &b]), (1.0, 11.0));
    assert_eq!(ValueRange::Full.of(&[]), (0.0, 0.0));
    assert_eq!(UNIT.of(&[&a]), (0.0, 1.0));
    let percentiles = |low, high| ValueRange::Percentiles { low, high };
    // numpy.percentile([1, 2, 3, 5], [10, 90]) is [1.3, 4.4].
    let (low, high) = percentiles(10.0, 90.0).of(&[&a]);
    assert!((low - 1.3).abs() < 1e-6 && (high - 4.4).abs() < 1e-6);
    assert_eq!(percentiles(0.0, 100.0).of(&[&a]), (1.0, 5.0));
    assert_eq!(percentiles(-5.0, 900.0).of(&[&a]), (1.0, 5.0));
    assert_eq!(percentiles(1.0, 99.0).of(&[]), (0.0, 0.0));
}

#[test]
fn values_beyond_the_range_are_clipped() {
    let range = ValueRange::Fixed {
        low: 1.0,
        high: 2.0,
    };
    let style = grey(Interpolation::Nearest, range);
    let picture = render(&map(1, 3, &[0.0, 1.5, 9.0]), (3, 1), &style).unwrap();
    assert_eq!(reds(&picture), [0, 128, 255]);
}

#[test]
fn the_photo_stays_outside_of_the_view() {
    let photo = vec![100u8; 6 * 3];
    let view = View {
        left: 1.0,
        top: 0.0,
        right: 5.0,
        bottom: 1.0,
    };
    let style = grey(Interpolation::Nearest, UNIT);
    let map = map(1, 2, &[0.0, 1.0]);
    let over = |opacity| reds(&overlay(&photo, (6, 1), &map, view, &style, opacity).unwrap());
    assert_eq!(over(1.0), [100, 0, 0, 255, 255, 100]);
    assert_eq!(over(0.0), [100; 6]);
    assert_eq!(over(0.4), [100, 60, 60, 162, 162, 100]);
    let padded = View {
        left: -2.0,
        right: 10.0,
        ..view
    };
    let wide = overlay(&photo, (6, 1), &map, padded, &style, 1.0).unwrap();
    assert_eq!(reds(&wide), [0, 0, 0, 0, 255, 255]);
    let error = overlay(&photo, (5, 1), &map, view, &style, 1.0).unwrap_err();
    assert!(error.to_string().contains("needs 15 bytes of RGB, got 18"));
}

#[test]
fn huge_pictures_are_refused() {
    let one = map(1, 1, &[0.5]);
    let error = render(&one, (1 << 20, 1 << 20), &Style::default()).unwrap_err();
    assert!(matches!(error, AttentionError::TooLarge { .. }));
    let nothing = map(0, 0, &[]);
    assert_eq!(
        reds(&render(&nothing, (1, 1), &Style::default()).unwrap()),
        [0]
    );
    assert!(
        render(&one, (0, 7), &Style::default())
            .unwrap()
            .rgb
            .is_empty()
    );
}
