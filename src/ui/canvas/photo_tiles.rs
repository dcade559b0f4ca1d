//! The photo on the GPU: tiles of its pyramid, uploaded as they come into view,
//! so that photos larger than a texture may be and slow uploads never stop a frame.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{
    Color32, ColorImage, Context, Painter, Pos2, Rect, TextureHandle, TextureId, TextureOptions,
    Vec2,
};

use super::scene::{Scene, square};
use super::view::View;
use crate::photo::{Level, Photo};
use crate::ui::theme;

/// Side of a tile in pixels of its level, without the apron.
const SIDE: u32 = 512;
/// Pixels of the neighbours around each tile, so that filtering shows no seams.
const APRON: u32 = 1;
/// Tiles uploaded per frame; the rest follows in the next frames.
const UPLOADS_PER_FRAME: usize = 6;
/// Tiles kept, about 1 MiB each.
const KEPT: usize = 240;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    level: usize,
    tx: u32,
    ty: u32,
    crisp: bool,
}

struct Tile {
    texture: TextureHandle,
    used: u64,
}

/// The uploaded tiles of one photo.
#[derive(Default)]
pub struct PhotoTiles {
    photo: Option<Arc<Photo>>,
    tiles: HashMap<Key, Tile>,
    frame: u64,
    /// The coarsest level.
    small: Option<TextureHandle>,
}

impl PhotoTiles {
    /// The whole photo as one small texture, for the mini-map.
    pub fn small(&mut self, ctx: &Context) -> Option<TextureId> {
        if self.small.is_none() {
            let level = self.photo.as_ref()?.levels().last()?;
            let size = [level.width as usize, level.height as usize];
            let image = ColorImage::from_rgb(size, &level.rgb);
            self.small = Some(ctx.load_texture("small photo", image, TextureOptions::LINEAR));
        }
        self.small.as_ref().map(|texture| texture.id())
    }

    /// Paint the visible part of `photo`.
    pub fn paint(&mut self, painter: &Painter, canvas: Rect, view: &View, photo: &Arc<Photo>) {
        if !self
            .photo
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, photo))
        {
            self.tiles.clear();
            self.small = None;
            self.photo = Some(photo.clone());
        }
        self.frame += 1;
        let scene = Scene {
            painter,
            canvas,
            view,
        };
        let levels = photo.levels().len();
        let wanted = level_for(view.scale(), levels);
        let crisp = wanted == 0 && view.scale() >= theme::canvas::CRISP_FROM;
        // The coarsest level is one tile or a few: it is there before anything else,
        // and under whatever is still to come.
        let all_there = keys(&scene, photo, wanted, crisp).all(|key| self.tiles.contains_key(&key));
        if !all_there {
            self.paint_level(
                &scene,
                photo,
                keys(&scene, photo, levels - 1, false),
                usize::MAX,
            );
        }
        let wanted = keys(&scene, photo, wanted, crisp);
        if !self.paint_level(&scene, photo, wanted, UPLOADS_PER_FRAME) {
            painter.ctx().request_repaint();
        }
        self.evict();
    }

    /// Returns whether every one of the tiles was painted; at most `budget` are
    /// uploaded.
    fn paint_level(
        &mut self,
        scene: &Scene<'_>,
        photo: &Photo,
        keys: impl Iterator<Item = Key>,
        mut budget: usize,
    ) -> bool {
        let mut complete = true;
        for key in keys {
            let Some(level) = photo.level(key.level) else {
                continue;
            };
            if !self.tiles.contains_key(&key) {
                if budget == 0 {
                    complete = false;
                    continue;
                }
                budget -= 1;
                let texture = upload(scene.painter.ctx(), level, key);
                let used = self.frame;
                self.tiles.insert(key, Tile { texture, used });
            }
            if let Some(tile) = self.tiles.get_mut(&key) {
                tile.used = self.frame;
                let size = tile.texture.size_vec2();
                let (rect, uv) = placed(key, [photo.width(), photo.height()], size);
                let rect = scene.screen_rect(rect);
                let painter = scene.painter;
                painter.image(tile.texture.id(), rect, uv, Color32::WHITE);
            }
        }
        complete
    }

    fn evict(&mut self) {
        if self.tiles.len() > KEPT {
            let frame = self.frame;
            self.tiles.retain(|_, tile| tile.used + 2 > frame);
        }
    }
}

/// The coarsest level whose pixels are not larger than a screen pixel.
pub fn level_for(scale: f32, levels: usize) -> usize {
    let level = (1.0 / scale.max(f32::MIN_POSITIVE)).log2().floor().max(0.0) as usize;
    level.min(levels.saturating_sub(1))
}

/// The tiles of a level that are on screen.
fn keys(
    scene: &Scene<'_>,
    photo: &Photo,
    level: usize,
    crisp: bool,
) -> impl Iterator<Item = Key> + use<> {
    let size = [photo.width(), photo.height()];
    scene.squares(SIDE << level, size).map(move |(tx, ty)| Key {
        level,
        tx,
        ty,
        crisp,
    })
}

/// The tile's pixel range in its level, without the apron.
fn tile_range(level: &Level, key: Key) -> [u32; 4] {
    let (x0, y0) = (key.tx * SIDE, key.ty * SIDE);
    [
        x0,
        y0,
        (x0 + SIDE).min(level.width),
        (y0 + SIDE).min(level.height),
    ]
}

fn upload(ctx: &Context, level: &Level, key: Key) -> TextureHandle {
    let rgb = &level.rgb;
    let [x0, y0, x1, y1] = tile_range(level, key);
    let (width, height) = (x1 - x0 + 2 * APRON, y1 - y0 + 2 * APRON);
    let mut pixels = Vec::with_capacity((width * height) as usize);
    for row in 0..height {
        let y = (y0 + row).saturating_sub(APRON).min(level.height - 1) as usize;
        let line = &rgb[y * level.width as usize * 3..][..level.width as usize * 3];
        let pixel = |x: u32| {
            let at = x as usize * 3;
            theme::class_color([line[at], line[at + 1], line[at + 2]])
        };
        pixels.push(pixel(x0.saturating_sub(APRON)));
        pixels.extend(
            line[x0 as usize * 3..x1 as usize * 3]
                .chunks_exact(3)
                .map(|rgb| theme::class_color([rgb[0], rgb[1], rgb[2]])),
        );
        pixels.push(pixel(x1.min(level.width - 1)));
    }
    let image = ColorImage::new([width as usize, height as usize], pixels);
    let options = if key.crisp {
        TextureOptions::NEAREST
    } else {
        TextureOptions::LINEAR
    };
    ctx.load_texture("photo tile", image, options)
}

/// Where in a photo of size `photo` a tile lies, and which part of its texture of
/// size `texture` belongs there: pixel `x` of level `n` covers the columns
/// `x << n .. (x + 1) << n`, so the last one may reach beyond the photo.
fn placed(key: Key, photo: [u32; 2], texture: Vec2) -> (Rect, Rect) {
    let rect = square(key.tx, key.ty, SIDE << key.level, photo);
    let pixels = rect.size() / (1u32 << key.level) as f32;
    let apron = Pos2::new(APRON as f32, APRON as f32);
    let part = Rect::from_min_size(apron, pixels);
    let share = |at: Pos2| (at.to_vec2() / texture).to_pos2();
    (rect, Rect::from_min_max(share(part.min), share(part.max)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_never_coarser_than_the_screen() {
        assert_eq!(level_for(4.0, 5), 0);
        assert_eq!(level_for(1.0, 5), 0);
        assert_eq!(level_for(0.5, 5), 1);
        assert_eq!(level_for(0.3, 5), 1);
        assert_eq!(level_for(0.01, 5), 4);
    }

    #[test]
    fn pixels_of_a_level_lie_over_the_pixels_they_are_made_of() {
        // 1001 pixels wide: level 1 has 501 columns, level 2 has 251.
        for (level, tx, columns) in [(0, 1, 489.0), (1, 0, 501.0), (2, 0, 251.0)] {
            let key = Key {
                level,
                tx,
                ty: 0,
                crisp: false,
            };
            let apron = 2.0 * APRON as f32;
            let texture = Vec2::new(columns + apron, 100.0);
            let (rect, uv) = placed(key, [1001, 300], texture);
            assert_eq!(rect.max.x, 1001.0);
            // A column of the texture is as wide as the pixels it stands for.
            let column = rect.width() / (uv.width() * texture.x);
            assert!((column - (1u32 << level) as f32).abs() < 1e-3, "{column}");
            assert!((uv.min.x * texture.x - APRON as f32).abs() < 1e-3);
            // Nothing of the apron is shown.
            assert!(uv.max.x * texture.x <= columns + APRON as f32 + 1e-3);
        }
    }
}
