use super::*;
use egui::{Context, Id, LayerId, Order};

use crate::label::{MapEditor, Mask};

const FILL: Color32 = Color32::from_rgb(50, 0, 0);
const EDGE: Color32 = Color32::from_rgb(200, 0, 0);

fn map() -> LabelMap {
    // A 3×2 block of segment 7 at (1, 1) in a 6×4 map.
    let mut ids = vec![0u16; 24];
    for y in 1..3 {
        for x in 1..4 {
            ids[y * 6 + x] = 7;
        }
    }
    LabelMap::from_ids(6, 4, &ids)
}

/// All segments up to `last` look the same.
fn style(last: SegmentId) -> LabelStyle {
    LabelStyle {
        colors: vec![[FILL, EDGE]; usize::from(last) + 1],
        selected: vec![false; usize::from(last) + 1],
        fingerprint: u64::from(last),
        contours: true,
    }
}

fn key(contours: bool) -> Key {
    Key {
        level: 0,
        tx: 0,
        ty: 0,
        contours,
    }
}

/// Blots of many segments, some across the borders of tiles.
fn blots(width: u32, height: u32) -> LabelMap {
    let ids: Vec<SegmentId> = (0..width * height)
        .map(|at| {
            let (x, y) = (at % width / 37, at / width / 41);
            let id = (x * 7919 + y * 104_729) % 11;
            if id < 4 { 0 } else { id as SegmentId }
        })
        .collect();
    LabelMap::from_ids(width, height, &ids)
}

#[test]
fn a_block_has_four_edges() {
    let edges = edges::edges(&map(), 0, 0);
    let mut pieces: Vec<_> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
    pieces.sort_unstable();
    assert_eq!(
        pieces,
        [
            ([1, 1], [1, 3]),
            ([1, 1], [4, 1]),
            ([1, 3], [4, 3]),
            ([4, 1], [4, 3])
        ]
    );
}

#[test]
fn edges_lie_between_all_pixels_that_differ_and_nowhere_else() {
    let labels = blots(600, 530);
    let mut drawn = std::collections::BTreeMap::new();
    for ty in 0..labels.tiles_down() {
        for tx in 0..labels.tiles_across() {
            for edge in edges::edges(&labels, tx, ty) {
                let upright = edge.from[0] == edge.to[0];
                let along = usize::from(upright);
                for at in edge.from[along]..edge.to[along] {
                    let mut place = edge.from;
                    place[along] = at;
                    let before = drawn.insert((place, upright), edge.ids);
                    assert_eq!(before, None, "twice at {place:?}");
                }
            }
        }
    }
    let mut wanted = std::collections::BTreeMap::new();
    for y in 0..labels.height() {
        for x in 0..labels.width() {
            let id = labels.get(x, y);
            if x > 0 && labels.get(x - 1, y) != id {
                wanted.insert(([x, y], true), [labels.get(x - 1, y), id]);
            }
            if y > 0 && labels.get(x, y - 1) != id {
                wanted.insert(([x, y], false), [labels.get(x, y - 1), id]);
            }
        }
    }
    assert!(wanted.len() > 10_000);
    assert!(drawn == wanted);
}

#[test]
fn fill_and_contour_are_where_the_segment_is() {
    let image = fill::draw(&map(), &style(7), key(true)).unwrap();
    assert_eq!(image.size, [6, 4]);
    assert_eq!(image.pixels[0], Color32::TRANSPARENT);
    assert_eq!(image.pixels[6 + 1], EDGE);
    let plain = fill::draw(&map(), &style(7), key(false)).unwrap();
    assert_eq!(plain.pixels[6 + 1], FILL);
}

#[test]
fn pictures_of_all_levels_sample_the_middle_of_their_pixels() {
    let labels = blots(1500, 1100);
    let place = |at: u32, level: usize, count: u32| {
        let middle = (i64::from(at) << level) + (1i64 << level) / 2;
        middle.min(i64::from(count) - 1) as u32
    };
    for level in 0..3 {
        let side = TILE << level;
        for (tx, ty) in [(0, 0), ((1500 - 1) / side, (1100 - 1) / side)] {
            for contours in [false, true] {
                let key = Key {
                    level,
                    tx,
                    ty,
                    contours,
                };
                let image = fill::draw(&labels, &style(10), key).unwrap();
                let at = |x: i64, y: i64| {
                    let x = (i64::from(tx * TILE) + x).max(0) as u32;
                    let y = (i64::from(ty * TILE) + y).max(0) as u32;
                    labels.get(place(x, level, 1500), place(y, level, 1100))
                };
                for y in 0..image.height() as i64 {
                    for x in 0..image.width() as i64 {
                        let id = at(x, y);
                        let around = [at(x - 1, y), at(x + 1, y), at(x, y - 1), at(x, y + 1)];
                        let wanted = match id {
                            0 => Color32::TRANSPARENT,
                            _ if contours && around.iter().any(|&other| other != id) => EDGE,
                            _ => FILL,
                        };
                        let pixel = image.pixels[y as usize * image.width() + x as usize];
                        assert_eq!(pixel, wanted, "{level} {tx} {ty} {contours} {x} {y}");
                    }
                }
            }
        }
    }
}

/// A window that counts the pictures and outlines that are made.
struct Window {
    overlay: Overlay,
    painter: Painter,
    view: View,
}

impl Window {
    fn new(scale: f32) -> Self {
        let layer = LayerId::new(Order::Background, Id::unique("test"));
        Self {
            overlay: Overlay::default(),
            painter: Context::default().layer_painter(layer),
            view: View {
                zoom: scale,
                center: Pos2::new(384.0, 384.0),
                ..View::default()
            },
        }
    }

    /// The number of pictures that painting makes or makes anew.
    fn paint(&mut self, labels: &LabelMap, style: &LabelStyle) -> usize {
        let manager = self.painter.ctx().tex_manager();
        manager.write().take_delta().clear();
        let canvas = Rect::from_min_size(Pos2::ZERO, Vec2::splat(2000.0));
        let (painter, view) = (&self.painter, &self.view);
        self.overlay.paint(painter, canvas, view, labels, style, 2);
        let mut delta = manager.write().take_delta();
        let made = delta.set.len();
        delta.clear();
        made
    }
}

fn painted(labels: &LabelMap, rect: label::Rect, id: SegmentId) -> LabelMap {
    let mut editor = MapEditor::new(labels);
    editor.apply(&Mask::from_rect(rect), |_| id);
    editor.finish().map
}

/// 3×3 tiles, each with a segment of its own in its middle.
fn nine() -> LabelMap {
    (0..9).fold(LabelMap::new(768, 768), |labels, at| {
        let (x, y) = (at % 3 * TILE + 100, at / 3 * TILE + 100);
        let rect = label::Rect::new(x, y, x + 50, y + 50);
        painted(&labels, rect, at as SegmentId + 1)
    })
}

#[test]
fn a_dab_redraws_the_tile_it_is_in() {
    let middle = label::Rect::new(300, 300, 310, 310);
    // Below 100 % a picture covers four tiles.
    for (scale, pictures) in [(0.9, 4), (1.0, 9)] {
        let mut window = Window::new(scale);
        let labels = nine();
        assert_eq!(window.paint(&labels, &style(9)), pictures, "{scale}");
        assert_eq!(window.paint(&labels, &style(9)), 0, "{scale}");
        let labels = painted(&labels, middle, 5);
        assert_eq!(window.paint(&labels, &style(9)), 1, "{scale}");
    }
}

#[test]
fn a_dab_beside_another_tile_redraws_that_only_where_contours_are_in_the_picture() {
    // In the last column of the tile in the middle, but not in its corner.
    let side = label::Rect::new(500, 300, 512, 310);
    for (scale, redrawn) in [(0.9, 2), (1.0, 1)] {
        let mut window = Window::new(scale);
        let labels = nine();
        window.paint(&labels, &style(9));
        let labels = painted(&labels, side, 5);
        assert_eq!(window.paint(&labels, &style(9)), redrawn, "{scale}");
    }
}

#[test]
fn the_first_dab_of_a_new_segment_redraws_the_tile_it_is_in() {
    let mut window = Window::new(1.0);
    let labels = nine();
    window.paint(&labels, &style(9));
    let labels = painted(&labels, label::Rect::new(300, 300, 310, 310), 10);
    assert_eq!(window.paint(&labels, &style(10)), 1);
}

#[test]
fn another_colour_redraws_the_tiles_with_the_segment() {
    let mut window = Window::new(1.0);
    let labels = painted(&nine(), label::Rect::new(500, 300, 520, 310), 5);
    window.paint(&labels, &style(9));
    let mut other = style(9);
    other.colors[5] = [EDGE, FILL];
    other.fingerprint = 99;
    // It reaches into the tile on the right.
    assert_eq!(window.paint(&labels, &other), 2);
    assert_eq!(window.paint(&labels, &style(9)), 2);
}

#[test]
fn zooming_over_100_percent_and_back_redraws_nothing() {
    let mut window = Window::new(0.9);
    let labels = nine();
    assert_eq!(window.paint(&labels, &style(9)), 4);
    window.view.zoom = 1.0;
    assert_eq!(window.paint(&labels, &style(9)), 9);
    window.view.zoom = 0.9;
    assert_eq!(window.paint(&labels, &style(9)), 0);
}

#[test]
fn outlines_depend_on_their_tile_and_on_what_is_right_of_it_and_below_it() {
    let before = nine();
    let content = |labels: &LabelMap| edges::content(labels, 1, 1);
    let changed = |x: u32, y: u32| {
        let rect = label::Rect::new(x, y, x + 1, y + 1);
        content(&painted(&before, rect, 9)) != content(&before)
    };
    assert!(changed(400, 400));
    assert!(changed(512, 400), "right of it");
    assert!(changed(400, 512), "below it");
    assert!(!changed(513, 400));
    assert!(!changed(400, 513));
    assert!(!changed(255, 400), "left of it");
    assert!(!changed(400, 255), "above it");
}

#[test]
fn one_pixel_is_enough_for_a_tile_of_one_segment() {
    let labels = painted(&LabelMap::new(300, 300), label::Rect::of_size(300, 300), 3);
    for contours in [false, true] {
        let image = fill::draw(&labels, &style(3), key(contours)).unwrap();
        assert_eq!((image.size, image.pixels), ([1, 1], vec![FILL]));
    }
    assert!(fill::draw(&LabelMap::new(300, 300), &style(3), key(true)).is_none());
    // A neighbour makes a contour of it.
    let labels = painted(&labels, label::Rect::new(256, 0, 300, 300), 2);
    let image = fill::draw(&labels, &style(3), key(true)).unwrap();
    assert_eq!(image.size, [256, 256]);
    assert_eq!(image.pixels[254..256], [FILL, EDGE]);
}
