//! The photo on the GPU: tiles of its pyramid, uploaded as they come into view,
//! so that photos larger than a texture may be and slow uploads never stop a frame.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{
    Color32, ColorImage, Context, Painter, Pos2, Rect, TextureHandle, TextureOptions, Vec2,
};

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
}

impl PhotoTiles {
    /// Paint the visible part of `photo`.
    pub fn paint(&mut self, painter: &Painter, canvas: Rect, view: &View, photo: &Arc<Photo>) {
        if !self
            .photo
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, photo))
        {
            self.tiles.clear();
            self.photo = Some(photo.clone());
        }
        self.frame += 1;
        let levels = photo.levels().len();
        let wanted = level_for(view.scale(), levels);
        let crisp = wanted == 0 && view.scale() >= theme::canvas::CRISP_FROM;
        let mut budget = UPLOADS_PER_FRAME;
        // The coarsest level is one tile or a few: it is there before anything else,
        // and under whatever is still to come.
        let base = levels - 1;
        let all_there = self.all_loaded(canvas, view, photo, wanted, crisp);
        if !all_there {
            self.paint_level(
                painter,
                canvas,
                view,
                photo,
                base,
                false,
                &mut usize::MAX.clone(),
            );
        }
        let complete = self.paint_level(painter, canvas, view, photo, wanted, crisp, &mut budget);
        if !complete {
            painter.ctx().request_repaint();
        }
        self.evict();
    }

    fn all_loaded(
        &self,
        canvas: Rect,
        view: &View,
        photo: &Photo,
        level: usize,
        crisp: bool,
    ) -> bool {
        visible_tiles(canvas, view, photo, level).all(|(tx, ty)| {
            self.tiles.contains_key(&Key {
                level,
                tx,
                ty,
                crisp,
            })
        })
    }

    /// Returns whether every visible tile of the level was painted.
    #[allow(clippy::too_many_arguments)]
    fn paint_level(
        &mut self,
        painter: &Painter,
        canvas: Rect,
        view: &View,
        photo: &Photo,
        level: usize,
        crisp: bool,
        budget: &mut usize,
    ) -> bool {
        let Some(pixels) = photo.level(level) else {
            return true;
        };
        let mut complete = true;
        for (tx, ty) in visible_tiles(canvas, view, photo, level) {
            let key = Key {
                level,
                tx,
                ty,
                crisp,
            };
            if !self.tiles.contains_key(&key) {
                if *budget == 0 {
                    complete = false;
                    continue;
                }
                *budget -= 1;
                let texture = upload(painter.ctx(), pixels, key);
                self.tiles.insert(
                    key,
                    Tile {
                        texture,
                        used: self.frame,
                    },
                );
            }
            if let Some(tile) = self.tiles.get_mut(&key) {
                tile.used = self.frame;
                paint_tile(painter, canvas, view, photo, pixels, key, &tile.texture);
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

/// How many photo pixels a pixel of the level spans; levels of odd sizes are
/// not exact halves.
fn span(photo: &Photo, level: &Level) -> Vec2 {
    Vec2::new(
        photo.width() as f32 / level.width as f32,
        photo.height() as f32 / level.height as f32,
    )
}

fn visible_tiles(
    canvas: Rect,
    view: &View,
    photo: &Photo,
    level: usize,
) -> impl Iterator<Item = (u32, u32)> + use<> {
    let (mut xs, mut ys) = (0..0, 0..0);
    if let Some(pixels) = photo.level(level) {
        let visible = view.visible(canvas);
        let span = span(photo, pixels);
        let range = |min: f32, max: f32, span: f32, count: u32| {
            let first = (min / span).floor().max(0.0) as u32 / SIDE;
            let last = ((max / span).ceil().max(0.0) as u32)
                .min(count)
                .div_ceil(SIDE);
            first..last
        };
        xs = range(visible.min.x, visible.max.x, span.x, pixels.width);
        ys = range(visible.min.y, visible.max.y, span.y, pixels.height);
    }
    ys.flat_map(move |ty| xs.clone().map(move |tx| (tx, ty)))
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

fn paint_tile(
    painter: &Painter,
    canvas: Rect,
    view: &View,
    photo: &Photo,
    level: &Level,
    key: Key,
    texture: &TextureHandle,
) {
    let [x0, y0, x1, y1] = tile_range(level, key);
    let span = span(photo, level);
    let corner = |x: u32, y: u32| Pos2::new(x as f32 * span.x, y as f32 * span.y);
    let rect = view.screen_rect(canvas, Rect::from_min_max(corner(x0, y0), corner(x1, y1)));
    let size = texture.size_vec2();
    let apron = APRON as f32;
    let uv = Rect::from_min_max(
        Pos2::new(apron / size.x, apron / size.y),
        Pos2::new(1.0 - apron / size.x, 1.0 - apron / size.y),
    );
    painter.image(texture.id(), rect, uv, Color32::WHITE);
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
}
