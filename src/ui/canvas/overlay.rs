//! The labels over the photo. Label tiles are turned into textures (fill, and the
//! contour while photo pixels are small) and, when pixels are large, into line
//! segments between them. Label tiles are copy-on-write, so a tile's pointer
//! says whether its picture is still true: a stroke redraws only what it touches.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{Color32, ColorImage, Mesh, Painter, Pos2, Rect, TextureHandle, TextureOptions, Vec2};

use super::photo_tiles::level_for;
use super::view::View;
use crate::label::{LabelMap, SegmentId, TILE, Tile};
use crate::ui::theme;

/// Pictures kept; beyond that, those not seen lately go.
const KEPT: usize = 400;

/// How segments look: colours by segment id, and the selection.
pub struct LabelStyle {
    /// Fill and contour colour by segment id; transparent where there is none.
    pub colors: Vec<[Color32; 2]>,
    /// Selected segments.
    pub selected: Vec<SegmentId>,
    /// Changes when anything here does.
    pub fingerprint: u64,
    /// Whether contours are drawn.
    pub contours: bool,
}

impl LabelStyle {
    fn fill(&self, id: SegmentId) -> Color32 {
        self.colors
            .get(usize::from(id))
            .map_or(Color32::TRANSPARENT, |colors| colors[0])
    }

    fn edge(&self, id: SegmentId) -> Color32 {
        self.colors
            .get(usize::from(id))
            .map_or(Color32::TRANSPARENT, |colors| colors[1])
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    level: usize,
    tx: u32,
    ty: u32,
}

/// What a picture was made from. Holding the tiles also keeps their addresses
/// from being used for others.
struct Origin {
    tiles: Vec<Arc<Tile>>,
    fingerprint: u64,
}

impl Origin {
    fn is(&self, tiles: &[Arc<Tile>], fingerprint: u64) -> bool {
        self.fingerprint == fingerprint
            && self.tiles.len() == tiles.len()
            && self.tiles.iter().zip(tiles).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

struct Picture {
    origin: Origin,
    /// None where nothing is labelled.
    texture: Option<TextureHandle>,
    used: u64,
}

struct Outline {
    origin: Origin,
    edges: Vec<Edge>,
    used: u64,
}

/// A straight piece of the border between two segments, in photo pixels.
struct Edge {
    from: [u32; 2],
    to: [u32; 2],
    ids: [SegmentId; 2],
}

/// Pictures of the visible labels.
#[derive(Default)]
pub struct Overlay {
    pictures: HashMap<Key, Picture>,
    outlines: HashMap<(u32, u32), Outline>,
    frame: u64,
}

impl Overlay {
    /// Paint the visible labels.
    pub fn paint(
        &mut self,
        painter: &Painter,
        canvas: Rect,
        view: &View,
        labels: &LabelMap,
        style: &LabelStyle,
        levels: usize,
    ) {
        self.frame += 1;
        let level = level_for(view.scale(), levels);
        let lines = view.scale() >= 1.0;
        self.paint_fills(painter, canvas, view, labels, style, level, lines);
        if lines && style.contours {
            self.paint_edges(painter, canvas, view, labels, style);
        }
        let frame = self.frame;
        if self.pictures.len() > KEPT {
            self.pictures.retain(|_, picture| picture.used + 2 > frame);
        }
        if self.outlines.len() > KEPT {
            self.outlines.retain(|_, outline| outline.used + 2 > frame);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn paint_fills(
        &mut self,
        painter: &Painter,
        canvas: Rect,
        view: &View,
        labels: &LabelMap,
        style: &LabelStyle,
        level: usize,
        lines: bool,
    ) {
        let side = TILE << level;
        // Contours that are lines are not part of the picture.
        let fingerprint = style.fingerprint ^ u64::from(lines);
        for (tx, ty) in visible(canvas, view, labels, side) {
            let key = Key { level, tx, ty };
            let tiles = tiles_around(labels, tx * side, ty * side, side);
            let known = self.pictures.get_mut(&key);
            let frame = self.frame;
            let fresh = known.is_some_and(|picture| {
                picture.used = frame;
                picture.origin.is(&tiles, fingerprint)
            });
            if !fresh {
                let before = self
                    .pictures
                    .remove(&key)
                    .and_then(|picture| picture.texture);
                let texture = if tiles.iter().all(|tile| tile.uniform() == Some(0)) {
                    None
                } else {
                    let image = draw(labels, style, key, !lines);
                    Some(put(painter, before, image, level))
                };
                let origin = Origin { tiles, fingerprint };
                self.pictures.insert(
                    key,
                    Picture {
                        origin,
                        texture,
                        used: frame,
                    },
                );
            }
            if let Some(texture) = self.pictures.get(&key).and_then(|p| p.texture.as_ref()) {
                let min = Pos2::new((tx * side) as f32, (ty * side) as f32);
                let size = texture.size_vec2() * (1u32 << level) as f32;
                let rect = view.screen_rect(canvas, Rect::from_min_size(min, size));
                let uv = Rect::from_min_max(Pos2::ZERO, Pos2::new(1.0, 1.0));
                painter.image(texture.id(), rect, uv, Color32::WHITE);
            }
        }
    }

    fn paint_edges(
        &mut self,
        painter: &Painter,
        canvas: Rect,
        view: &View,
        labels: &LabelMap,
        style: &LabelStyle,
    ) {
        let mut mesh = Mesh::default();
        for (tx, ty) in visible(canvas, view, labels, TILE) {
            let tiles = tiles_around(labels, tx * TILE, ty * TILE, TILE);
            let frame = self.frame;
            let fresh = self.outlines.get_mut(&(tx, ty)).is_some_and(|outline| {
                outline.used = frame;
                outline.origin.is(&tiles, 0)
            });
            if !fresh {
                let edges = edges(labels, tx, ty);
                let origin = Origin {
                    tiles,
                    fingerprint: 0,
                };
                self.outlines.insert(
                    (tx, ty),
                    Outline {
                        origin,
                        edges,
                        used: frame,
                    },
                );
            }
            if let Some(outline) = self.outlines.get(&(tx, ty)) {
                for edge in &outline.edges {
                    add_edge(&mut mesh, canvas, view, style, edge);
                }
            }
        }
        if !mesh.is_empty() {
            painter.add(mesh);
        }
    }
}

/// Places of the `side`-sized tiles that are on screen.
fn visible(
    canvas: Rect,
    view: &View,
    labels: &LabelMap,
    side: u32,
) -> impl Iterator<Item = (u32, u32)> + use<> {
    let visible = view.visible(canvas);
    let range = |min: f32, max: f32, count: u32| {
        let first = min.floor().max(0.0) as u32 / side;
        let last = (max.ceil().max(0.0) as u32).min(count).div_ceil(side);
        first..last
    };
    let xs = range(visible.min.x, visible.max.x, labels.width());
    range(visible.min.y, visible.max.y, labels.height())
        .flat_map(move |ty| xs.clone().map(move |tx| (tx, ty)))
}

/// The label tiles under a square of the map, with those that border it: contours
/// depend on the neighbours.
fn tiles_around(labels: &LabelMap, x: u32, y: u32, side: u32) -> Vec<Arc<Tile>> {
    let first = |at: u32| at.saturating_sub(1) / TILE;
    let last = |at: u32, count: u32| ((at + side) / TILE).min(count - 1);
    let mut tiles = Vec::new();
    for ty in first(y)..=last(y, labels.tiles_down()) {
        for tx in first(x)..=last(x, labels.tiles_across()) {
            tiles.push(labels.tile(tx, ty).clone());
        }
    }
    tiles
}

/// The segment ids of a tile of the level and of the pixels around it, sampled.
struct Sampled {
    ids: Vec<SegmentId>,
    stride: usize,
}

impl Sampled {
    fn new(labels: &LabelMap, key: Key, width: u32, height: u32) -> Self {
        let stride = width as usize + 2;
        let mut ids = Vec::with_capacity(stride * (height as usize + 2));
        let half = (1i64 << key.level) / 2;
        let place = |tile: u32, at: i64| ((i64::from(tile * TILE) + at) << key.level) + half;
        for y in -1..=i64::from(height) {
            let row = place(key.ty, y).clamp(0, i64::from(labels.height()) - 1) as u32;
            for x in -1..=i64::from(width) {
                let column = place(key.tx, x).clamp(0, i64::from(labels.width()) - 1) as u32;
                ids.push(labels.get(column, row));
            }
        }
        Self { ids, stride }
    }

    /// The id at `x, y` of the tile, and whether it lies on a border.
    fn at(&self, x: usize, y: usize) -> (SegmentId, bool) {
        let at = (y + 1) * self.stride + x + 1;
        let id = self.ids[at];
        let around = [
            self.ids[at - 1],
            self.ids[at + 1],
            self.ids[at - self.stride],
            self.ids[at + self.stride],
        ];
        (id, around.iter().any(|&other| other != id))
    }
}

fn draw(labels: &LabelMap, style: &LabelStyle, key: Key, contours: bool) -> ColorImage {
    let left = |count: u32, tile: u32| {
        let pixels = count.div_ceil(1 << key.level);
        (pixels - tile * TILE).min(TILE)
    };
    let (width, height) = (left(labels.width(), key.tx), left(labels.height(), key.ty));
    let sampled = Sampled::new(labels, key, width, height);
    let mut pixels = Vec::with_capacity((width * height) as usize);
    for y in 0..height as usize {
        for x in 0..width as usize {
            let (id, border) = sampled.at(x, y);
            pixels.push(if id == 0 {
                Color32::TRANSPARENT
            } else if border && contours && style.contours {
                style.edge(id)
            } else {
                style.fill(id)
            });
        }
    }
    ColorImage::new([width as usize, height as usize], pixels)
}

fn put(
    painter: &Painter,
    before: Option<TextureHandle>,
    image: ColorImage,
    level: usize,
) -> TextureHandle {
    let options = if level == 0 {
        TextureOptions::NEAREST
    } else {
        TextureOptions::LINEAR
    };
    match before {
        // The same texture again, so that a stroke allocates nothing on the GPU.
        Some(mut texture) => {
            texture.set(image, options);
            texture
        }
        None => painter.ctx().load_texture("label tile", image, options),
    }
}

/// Borders inside tile `tx, ty` and at its right and lower side.
fn edges(labels: &LabelMap, tx: u32, ty: u32) -> Vec<Edge> {
    let rect = labels.tile_rect(tx, ty);
    let mut edges = Vec::new();
    if rect.is_empty() {
        return edges;
    }
    // Horizontal pieces below each row, then vertical ones right of each column.
    for y in rect.y0..rect.y1.min(labels.height() - 1) {
        runs(
            rect.x0..rect.x1,
            |x| [labels.get(x, y), labels.get(x, y + 1)],
            |range, ids| {
                edges.push(Edge {
                    from: [range.start, y + 1],
                    to: [range.end, y + 1],
                    ids,
                });
            },
        );
    }
    for x in rect.x0..rect.x1.min(labels.width() - 1) {
        runs(
            rect.y0..rect.y1,
            |y| [labels.get(x, y), labels.get(x + 1, y)],
            |range, ids| {
                edges.push(Edge {
                    from: [x + 1, range.start],
                    to: [x + 1, range.end],
                    ids,
                });
            },
        );
    }
    edges
}

/// Report each longest run of equal pairs whose two sides differ.
fn runs(
    range: std::ops::Range<u32>,
    pair: impl Fn(u32) -> [SegmentId; 2],
    mut report: impl FnMut(std::ops::Range<u32>, [SegmentId; 2]),
) {
    let mut start = range.start;
    let mut current = None;
    for at in range.start..=range.end {
        let next = (at < range.end).then(|| pair(at));
        if next != current {
            if let Some(ids) = current.filter(|[a, b]| a != b) {
                report(start..at, ids);
            }
            start = at;
            current = next;
        }
    }
}

fn add_edge(mesh: &mut Mesh, canvas: Rect, view: &View, style: &LabelStyle, edge: &Edge) {
    let [a, b] = edge.ids;
    let chosen = edge
        .ids
        .iter()
        .copied()
        .find(|id| style.selected.contains(id));
    let owner = chosen.unwrap_or(if a == 0 { b } else { a });
    let color = style.edge(owner);
    if color == Color32::TRANSPARENT {
        return;
    }
    let width = match chosen {
        Some(_) => theme::canvas::CONTOUR_SELECTED,
        None => theme::canvas::CONTOUR,
    };
    let pos = |[x, y]: [u32; 2]| view.screen_from_image(canvas, Pos2::new(x as f32, y as f32));
    let rect = Rect::from_two_pos(pos(edge.from), pos(edge.to)).expand2(Vec2::splat(width / 2.0));
    if rect.intersects(canvas) {
        mesh.add_colored_rect(rect, color);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_block_has_four_edges() {
        let edges = edges(&map(), 0, 0);
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
    fn fill_and_contour_are_where_the_segment_is() {
        let fill = Color32::from_gray(50);
        let edge = Color32::from_gray(200);
        let mut colors = vec![[Color32::TRANSPARENT; 2]; 8];
        colors[7] = [fill, edge];
        let style = LabelStyle {
            colors,
            selected: vec![],
            fingerprint: 0,
            contours: true,
        };
        let key = Key {
            level: 0,
            tx: 0,
            ty: 0,
        };
        let image = draw(&map(), &style, key, true);
        assert_eq!(image.size, [6, 4]);
        assert_eq!(image.pixels[0], Color32::TRANSPARENT);
        assert_eq!(image.pixels[6 + 1], edge);
        let plain = draw(&map(), &style, key, false);
        assert_eq!(plain.pixels[6 + 1], fill);
    }
}
