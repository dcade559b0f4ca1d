use super::*;
use egui::{Context, Id, LayerId, Order, Vec2};

const DASHES: Dashes = Dashes {
    dash: 5.0,
    period: 10.0,
    moved: 0.0,
};

fn canvas() -> Rect {
    Rect::from_min_size(Pos2::ZERO, Vec2::splat(100.0))
}

fn runs(view: &View, outline: &[Pos2]) -> Vec<Run> {
    let layer = LayerId::new(Order::Background, Id::unique("test"));
    let painter = Context::default().layer_painter(layer);
    let scene = Scene {
        painter: &painter,
        canvas: canvas(),
        view,
    };
    scene.runs(outline.iter().copied())
}

/// A view that shows photo pixel `at` at the top left, a point per pixel.
fn view(at: Pos2) -> View {
    View {
        center: at + Vec2::splat(50.0),
        ..View::default()
    }
}

fn square_outline(side: f32) -> Vec<Pos2> {
    [[0.0, 0.0], [side, 0.0], [side, side], [0.0, side]]
        .map(Pos2::from)
        .to_vec()
}

/// The x of both ends of every dash on the screen's row `y`.
fn dashes_on(y: f32, runs: &[Run]) -> Vec<(f32, f32)> {
    let stroke = Stroke::new(1.0, egui::Color32::WHITE);
    let mut ends = Vec::new();
    for shape in runs.iter().flat_map(|run| run.dashes(DASHES, stroke)) {
        let rect = shape.visual_bounding_rect();
        if (rect.center().y - y).abs() < 0.01 {
            ends.push((rect.min.x + 0.5, rect.max.x - 0.5));
        }
    }
    ends
}

#[test]
fn an_outline_in_sight_is_one_closed_line() {
    let runs = runs(&view(Pos2::ZERO), &square_outline(50.0));
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].points.len(), 5);
    let Shape::Path(path) = runs[0].line(Stroke::NONE) else {
        panic!("not a path");
    };
    assert!(path.closed);
    assert_eq!(path.points.len(), 4);
}

#[test]
fn what_is_off_screen_is_cut_off() {
    // Only the upper side is in sight, from 1000 to 1100.
    let runs = runs(&view(Pos2::new(1000.0, -50.0)), &square_outline(20_000.0));
    assert_eq!(runs.len(), 1);
    assert_eq!(
        runs[0].points,
        [Pos2::new(-8.0, 50.0), Pos2::new(108.0, 50.0)]
    );
    assert!((runs[0].start - 992.0).abs() < 0.01);
    let dashes = runs[0].dashes(DASHES, Stroke::NONE);
    assert!((11..=13).contains(&dashes.len()), "{}", dashes.len());
}

#[test]
fn an_outline_around_the_canvas_is_not_drawn() {
    let middle = view(Pos2::new(500.0, 500.0));
    assert!(runs(&middle, &square_outline(1000.0)).is_empty());
    assert!(runs(&middle, &[]).is_empty());
}

#[test]
fn dashes_stay_where_they_are_in_the_photo_when_the_view_moves() {
    for left in [0.0, 3.0, 7.0, 12.0, 996.0] {
        let runs = runs(&view(Pos2::new(left, -50.0)), &square_outline(20_000.0));
        let inside = dashes_on(50.0, &runs);
        let whole: Vec<_> = inside
            .iter()
            .filter(|(a, b)| *a > 0.0 && *b < 100.0)
            .collect();
        assert!(whole.len() >= 8, "{inside:?}");
        for (a, b) in whole {
            let place = (a + left) % 10.0;
            assert!(!(0.01..=9.99).contains(&place), "{left}: {a}");
            assert!((b - a - 5.0).abs() < 0.01, "{left}: {a} {b}");
        }
    }
}

#[test]
fn dashes_bend_around_corners_and_cover_half_of_the_outline() {
    let runs = runs(&view(Pos2::ZERO), &square_outline(52.0));
    let mut length = 0.0;
    let dashes = runs[0].dashes(DASHES, Stroke::NONE);
    for shape in &dashes {
        let Shape::Path(path) = shape else { continue };
        length += path
            .points
            .array_windows()
            .map(|[a, b]| a.distance(*b))
            .sum::<f32>();
    }
    // 4 × 52 points: 20 whole periods, and the whole dash of the last one.
    assert!((length - 105.0).abs() < 0.01, "{length}");
    let bent = |shape: &&Shape| matches!(shape, Shape::Path(path) if path.points.len() > 2);
    assert!(dashes.iter().any(|shape| bent(&shape)));
}

#[test]
fn corners_that_cannot_be_told_apart_are_one() {
    // A staircase of 4000 corners, 0.05 points apart, along 141 points.
    let mut stairs: Vec<Pos2> = (0..2000)
        .flat_map(|i| {
            let i = i as f32;
            [Pos2::new(i, i), Pos2::new(i + 1.0, i)]
        })
        .collect();
    stairs.push(Pos2::new(0.0, 2000.0));
    let small = View {
        zoom: 0.05,
        center: Pos2::new(1000.0, 1000.0),
        ..View::default()
    };
    let runs = runs(&small, &stairs);
    assert_eq!(runs.len(), 1);
    assert!(runs[0].points.len() < 210, "{}", runs[0].points.len());
    assert_eq!(runs[0].points.first(), runs[0].points.last());
}

#[test]
fn squares_end_with_the_photo() {
    let last = square(1, 0, 512, [700, 300]);
    assert_eq!(
        last,
        Rect::from_min_max(Pos2::new(512.0, 0.0), Pos2::new(700.0, 300.0))
    );
}
