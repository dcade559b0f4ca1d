//! The labels over the photo. Label tiles are turned into textures (fill, and the
//! contour while photo pixels are small) and, when pixels are large, into line
//! segments between them. Label tiles are copy-on-write, so a tile's pointer
//! says whether its picture is still true: a stroke redraws only what it touches.

mod edges;
mod fill;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _};
use std::sync::Arc;

use egui::{Color32, ColorImage, Mesh, Painter, Pos2, Rect, TextureHandle, TextureOptions, Vec2};

use super::photo_tiles::level_for;
use super::scene::{Scene, square};
use super::view::View;
use crate::label::{self, LabelMap, SegmentId, TILE, Tile};
use crate::ui::theme;
use edges::Edge;

/// Pictures kept; beyond that, those not seen lately go.
const KEPT: usize = 400;

/// How segments look: colours by segment id, and the selection.
pub struct LabelStyle {
    /// Fill and contour colour by segment id; transparent where there is none.
    pub colors: Vec<[Color32; 2]>,
    /// Whether a segment is selected, by segment id.
    pub selected: Vec<bool>,
    /// Changes when anything here does.
    pub fingerprint: u64,
    /// Whether contours are drawn.
    pub contours: bool,
}

impl LabelStyle {
    fn colors(&self, id: SegmentId) -> [Color32; 2] {
        let known = self.colors.get(usize::from(id));
        known.copied().unwrap_or([Color32::TRANSPARENT; 2])
    }

    fn fill(&self, id: SegmentId) -> Color32 {
        self.colors(id)[0]
    }

    fn edge(&self, id: SegmentId) -> Color32 {
        self.colors(id)[1]
    }

    fn is_selected(&self, id: SegmentId) -> bool {
        self.selected.get(usize::from(id)).is_some_and(|&is| is)
    }
}

/// A square of `TILE` × `TILE` pixels of a level: pixel `x` of level `n` stands
/// for the map's columns `x << n .. (x + 1) << n`.
/// Just over a half: the level is rounded towards the coarse side, but for 100 %.
const CONTOUR_LEVEL: f32 = 0.500_001;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    level: usize,
    tx: u32,
    ty: u32,
    /// Whether contours are part of the picture.
    contours: bool,
}

/// What a picture was made from.
struct Origin {
    /// The tiles that were looked at. Holding them also keeps their addresses
    /// from being used for others.
    tiles: Vec<Arc<Tile>>,
    /// The style that was last looked at.
    style: u64,
    /// Stands for all that the picture depends on, which is less than all tiles
    /// and the whole style.
    content: u64,
}

impl Origin {
    /// What is not as it was in a picture's `known` origin, of the tiles in `area`
    /// or of the style. `content` is computed only if something is.
    fn change(
        known: Option<&Origin>,
        labels: &LabelMap,
        area: label::Rect,
        style: u64,
        content: impl FnOnce() -> u64,
    ) -> Option<Change> {
        let same = |origin: &Origin| {
            let mut pairs = origin.tiles.iter().zip(tiles(labels, area));
            origin.style == style
                && origin.tiles.len() as u64 == area.area()
                && pairs.all(|(a, b)| Arc::ptr_eq(a, b))
        };
        if known.is_some_and(same) {
            return None;
        }
        let origin = Origin {
            tiles: tiles(labels, area).cloned().collect(),
            style,
            content: content(),
        };
        let redraw = known.is_none_or(|known| known.content != origin.content);
        Some(Change { origin, redraw })
    }
}

/// A new origin, and whether it makes a difference.
struct Change {
    origin: Origin,
    redraw: bool,
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

/// Pictures of the visible labels.
#[derive(Default)]
pub struct Overlay {
    pictures: HashMap<Key, Picture>,
    outlines: HashMap<(u32, u32), Outline>,
    frame: u64,
}

impl Overlay {
    /// Paint the visible labels; the photo has `levels` levels.
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
        let scene = Scene {
            painter,
            canvas,
            view,
        };
        // Twice as coarse as the photo, so that a contour of one pixel is at least one
        // on screen, and about as wide as the lines of larger scales.
        let level = level_for(view.scale() * CONTOUR_LEVEL, levels);
        let lines = view.scale() >= 1.0;
        let size = [labels.width(), labels.height()];
        for (tx, ty) in scene.squares(TILE << level, size) {
            let key = Key {
                level,
                tx,
                ty,
                contours: style.contours && !lines,
            };
            self.paint_fill(&scene, labels, style, key);
        }
        if lines && style.contours {
            self.paint_edges(&scene, labels, style);
        }
        let frame = self.frame;
        if self.pictures.len() > KEPT {
            self.pictures.retain(|_, picture| picture.used + 2 > frame);
        }
        if self.outlines.len() > KEPT {
            self.outlines.retain(|_, outline| outline.used + 2 > frame);
        }
    }

    fn paint_fill(&mut self, scene: &Scene<'_>, labels: &LabelMap, style: &LabelStyle, key: Key) {
        let known = self.pictures.get(&key).map(|picture| &picture.origin);
        let area = fill::area(labels, key);
        let content = || fill::content(labels, style, key);
        let change = Origin::change(known, labels, area, style.fingerprint, content);
        if let Some(Change { origin, redraw }) = change {
            let before = self.pictures.remove(&key).and_then(|known| known.texture);
            let texture = if redraw {
                fill::draw(labels, style, key).map(|image| put(scene, before, image, key.level))
            } else {
                before
            };
            let picture = Picture {
                origin,
                texture,
                used: self.frame,
            };
            self.pictures.insert(key, picture);
        }
        let Some(picture) = self.pictures.get_mut(&key) else {
            return;
        };
        picture.used = self.frame;
        if let Some(texture) = &picture.texture {
            let size = [labels.width(), labels.height()];
            let rect = square(key.tx, key.ty, TILE << key.level, size);
            // The last pixels of a level may reach beyond the photo.
            let [width, height] = fill::size(labels, key);
            let whole = Vec2::new(width as f32, height as f32) * (1u32 << key.level) as f32;
            let uv = Rect::from_min_size(Pos2::ZERO, rect.size() / whole);
            let on_screen = scene.screen_rect(rect);
            scene
                .painter
                .image(texture.id(), on_screen, uv, Color32::WHITE);
        }
    }

    fn paint_edges(&mut self, scene: &Scene<'_>, labels: &LabelMap, style: &LabelStyle) {
        let mut mesh = Mesh::default();
        for (tx, ty) in scene.squares(TILE, [labels.width(), labels.height()]) {
            let known = self.outlines.get(&(tx, ty)).map(|outline| &outline.origin);
            let area = edges::area(labels, tx, ty);
            let content = || edges::content(labels, tx, ty);
            // Lines get their colours as they are painted.
            if let Some(change) = Origin::change(known, labels, area, 0, content) {
                let before = self.outlines.remove(&(tx, ty)).map(|known| known.edges);
                let edges = match before {
                    Some(edges) if !change.redraw => edges,
                    _ => edges::edges(labels, tx, ty),
                };
                let outline = Outline {
                    origin: change.origin,
                    edges,
                    used: self.frame,
                };
                self.outlines.insert((tx, ty), outline);
            }
            if let Some(outline) = self.outlines.get_mut(&(tx, ty)) {
                outline.used = self.frame;
                for edge in &outline.edges {
                    add_edge(&mut mesh, scene, style, edge);
                }
            }
        }
        if !mesh.is_empty() {
            scene.painter.add(mesh);
        }
    }
}

/// The tiles of `area`, in tiles, row by row.
fn tiles(labels: &LabelMap, area: label::Rect) -> impl Iterator<Item = &Arc<Tile>> {
    let row = move |ty| (area.x0..area.x1).map(move |tx| labels.tile(tx, ty));
    (area.y0..area.y1).flat_map(row)
}

/// The ids at every column of every row, row by row.
fn sample(labels: &LabelMap, columns: &[u32], rows: &[u32]) -> Vec<SegmentId> {
    let by_tile: Vec<&[u32]> = columns.chunk_by(|a, b| a / TILE == b / TILE).collect();
    let mut ids = Vec::with_capacity(columns.len() * rows.len());
    for &y in rows {
        for columns in &by_tile {
            let tile = labels.tile(columns[0] / TILE, y / TILE);
            match tile.row(y % TILE) {
                None => ids.resize(ids.len() + columns.len(), tile.get(0, 0)),
                Some(row) => ids.extend(columns.iter().map(|x| row[(x % TILE) as usize])),
            }
        }
    }
    ids
}

/// A hasher that has seen which tiles there are in `area`.
fn hash_of_tiles(labels: &LabelMap, area: label::Rect) -> DefaultHasher {
    let mut hasher = DefaultHasher::new();
    for tile in tiles(labels, area) {
        Arc::as_ptr(tile).hash(&mut hasher);
    }
    hasher
}

fn put(
    scene: &Scene<'_>,
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
        None => {
            let ctx = scene.painter.ctx();
            ctx.load_texture("label tile", image, options)
        }
    }
}

fn add_edge(mesh: &mut Mesh, scene: &Scene<'_>, style: &LabelStyle, edge: &Edge) {
    let [a, b] = edge.ids;
    let chosen = edge.ids.into_iter().find(|&id| style.is_selected(id));
    let owner = chosen.unwrap_or(if a == 0 { b } else { a });
    let color = style.edge(owner);
    if color == Color32::TRANSPARENT {
        return;
    }
    let width = match chosen {
        Some(_) => theme::canvas::CONTOUR_SELECTED,
        None => theme::canvas::CONTOUR,
    };
    let pos = |[x, y]: [u32; 2]| scene.screen(Pos2::new(x as f32, y as f32));
    let rect = Rect::from_two_pos(pos(edge.from), pos(edge.to)).expand2(Vec2::splat(width / 2.0));
    if rect.intersects(scene.canvas) {
        mesh.add_colored_rect(rect, color);
    }
}

#[cfg(test)]
mod tests;
