use super::*;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

fn harness(bar: ColorBar<'static>) -> Harness<'static> {
    Harness::builder()
        .with_size(Vec2::new(400.0, 300.0))
        .build_ui(move |ui| {
            let room = ui.max_rect();
            let painter = ui.painter().clone();
            bar.show(ui, &painter, room);
        })
}

fn bar(range: (f32, f32), marker: Option<f32>) -> ColorBar<'static> {
    ColorBar {
        colors: ColorMap::Viridis,
        range,
        unit: "share of attention",
        marker,
    }
}

#[test]
fn it_says_what_it_shows_and_stands_at_the_lower_right() {
    let harness = harness(bar((0.0, 0.0125), Some(0.003)));
    let name = "Colour bar: 0 to 0.0125, share of attention";
    let plate = harness.get_by_label(name).rect();
    assert!(plate.right() > 380.0 && plate.bottom() > 280.0, "{plate}");
    assert!(plate.left() > 100.0, "{plate}");
}

#[test]
fn no_range_makes_it_panic() {
    for range in [
        (0.0, 0.0),
        (1.0, 0.0),
        (f32::NAN, 1.0),
        (f32::NEG_INFINITY, f32::INFINITY),
        (f32::MIN, f32::MAX),
    ] {
        for marker in [None, Some(f32::NAN), Some(f32::INFINITY), Some(0.5)] {
            harness(bar(range, marker)).run();
        }
    }
}

#[test]
fn places_are_shares_of_the_range() {
    let bar = bar((-1.0, 3.0), None);
    let cases = [(-1.0, 0.0), (0.0, 0.25), (3.0, 1.0), (9.0, 1.0)];
    for (value, share) in cases {
        assert_eq!(bar.place(value), Some(share));
    }
    assert_eq!(bar.place(f64::NAN), None);
}
