use super::*;
use crate::ui::canvas::view;

const GRID: Grid = Grid {
    rows: 4,
    columns: 6,
};

/// What is painted, of a photo of 60×40 pixels at (70, 80) on screen, where a
/// token is `token` points large.
fn painted(token: f32, photo: (u32, u32), paint: impl Fn(&TokenLayer<'_>)) -> Vec<Shape> {
    let ctx = egui::Context::default();
    let canvas = Rect::from_min_size(Pos2::ZERO, Vec2::splat(400.0));
    let view = view::View {
        zoom: token / 10.0,
        center: Pos2::new(1300.0, 1200.0) / token,
        ..view::View::default()
    };
    let input = egui::RawInput {
        screen_rect: Some(canvas),
        ..egui::RawInput::default()
    };
    let output = ctx.run_ui(input, |ui| {
        let painter = ui.painter_at(canvas);
        paint(&TokenLayer {
            scene: Scene {
                painter: &painter,
                canvas,
                view: &view,
            },
            photo,
            covers: View::whole((60, 40)),
            grid: GRID,
        });
    });
    let shapes = output.shapes.iter().map(|shape| shape.shape.clone());
    let shapes = shapes.filter(|shape| *shape != Shape::Noop).collect();
    output.drop_without_applying_deltas();
    shapes
}

fn at(row: usize, column: usize) -> Pos2 {
    Pos2::new(70.0 + 10.0 * column as f32, 80.0 + 10.0 * row as f32)
}

/// Closed lines of that colour, as corners.
fn outlines(shapes: &[Shape], color: Color32) -> Vec<Vec<Pos2>> {
    let wanted = egui::epaint::ColorMode::Solid(color);
    let lines = shapes.iter().filter_map(|shape| match shape {
        Shape::Path(path) if path.stroke.color == wanted => Some(path.points.clone()),
        _ => None,
    });
    lines.collect()
}

fn window(top: usize, left: usize, bottom: usize, right: usize) -> TokenRect {
    TokenRect {
        top,
        left,
        bottom,
        right,
    }
}

#[test]
fn grid_lines_show_when_tokens_are_large() {
    let lines = |token| painted(token, (60, 40), |layer| layer.grid_lines()).len();
    assert_eq!(lines(10.0), 7 + 5);
    assert_eq!(lines(7.9), 0);
}

#[test]
fn tokens_side_by_side_share_an_outline() {
    let paint = |layer: &TokenLayer<'_>| layer.marks(&[(1, 1), (1, 2), (3, 5), (9, 9), (0, 6)]);
    let shapes = painted(10.0, (60, 40), paint);
    let found = outlines(&shapes, look::PAPER);
    assert_eq!(found.len(), 2, "{found:?}");
    let bounds = |line: &[Pos2]| Rect::from_points(line);
    assert_eq!(bounds(&found[0]), Rect::from_min_max(at(1, 1), at(2, 3)));
    assert_eq!(bounds(&found[1]), Rect::from_min_max(at(3, 5), at(4, 6)));
    assert_eq!(found[0].len(), 4);
    // Each lies on ink.
    assert_eq!(shapes.len(), 4);
}

#[test]
fn a_set_of_another_grid_is_not_drawn() {
    let count = |set: &[bool]| painted(10.0, (60, 40), |layer| layer.contour(set)).len();
    assert_eq!(count(&[true; 24]), 2);
    assert_eq!(count(&[false; 24]), 0);
    assert_eq!(count(&[true; 23]), 0);
    assert_eq!(count(&[]), 0);
}

fn veils(shapes: &[Shape]) -> Vec<Rect> {
    let meshes = shapes.iter().filter_map(|shape| match shape {
        Shape::Mesh(mesh) => Some(mesh.vertices.chunks(4)),
        _ => None,
    });
    let quads = meshes.flatten();
    quads
        .map(|quad| Rect::from_points(&[quad[0].pos, quad[3].pos]))
        .collect()
}

fn texts(shapes: &[Shape]) -> Vec<&str> {
    let texts = shapes.iter().filter_map(|shape| match shape {
        Shape::Text(text) => Some(text.galley.text()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn what_a_window_does_not_hold_is_veiled() {
    let shapes = painted(10.0, (60, 40), |layer: &TokenLayer<'_>| {
        layer.windows(&[window(0, 0, 4, 4)])
    });
    let hidden = |row| Rect::from_min_max(at(row, 4), at(row + 1, 6));
    assert_eq!(veils(&shapes), [hidden(0), hidden(1), hidden(2), hidden(3)]);
    assert_eq!(texts(&shapes), ["attention window"]);
}

#[test]
fn windows_side_by_side_draw_their_common_edge_once() {
    let solid = theme::with_alpha(look::INK, 0.7);
    let lines = |windows: &[TokenRect]| {
        let shapes = painted(10.0, (60, 40), |layer| layer.windows(windows));
        let under = shapes.iter().filter(|shape| {
            matches!(shape, Shape::LineSegment { stroke, .. } if stroke.color == solid)
                || matches!(shape, Shape::Path(path)
                    if path.stroke.color == egui::epaint::ColorMode::Solid(solid))
        });
        (under.count(), texts(&shapes).join(" "))
    };
    let one = window(0, 0, 2, 2);
    assert_eq!(lines(&[one]), (4, "attention window".to_owned()));
    let beside = [one, window(0, 2, 2, 4)];
    assert_eq!(lines(&beside), (7, "attention windows".to_owned()));
    assert_eq!(lines(&[one, window(2, 4, 4, 6)]).0, 8);
}

#[test]
fn a_query_that_sees_everything_has_no_window() {
    let everything = [window(0, 0, 4, 6)];
    for windows in [&everything[..], &[]] {
        let shapes = painted(10.0, (60, 40), |layer| layer.windows(windows));
        assert!(shapes.is_empty());
    }
}
