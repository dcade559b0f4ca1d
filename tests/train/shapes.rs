//! Photos of circles and squares on noise, with their labels.

use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage};

pub const CIRCLE: u8 = 1;
pub const SQUARE: u8 = 2;
/// Side of a photo.
const SIDE: u32 = 64;

/// Numbers that look random and are the same everywhere (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, count: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % u64::from(count)) as u32
    }
}

/// Write `count` photos `0.png`, `1.png`, ... into `folder`, with `labels/` and
/// `classes.json`. Each shows a circle and a square, bright on dark.
pub fn labelled_shapes(folder: &Path, count: u64, seed: u64) {
    std::fs::create_dir_all(folder.join("labels")).unwrap();
    let classes = r#"{"licence": "CC0-1.0", "source": "drawn for a test", "classes": [
        {"id": 0, "name": "background", "color": [0, 0, 0]},
        {"id": 1, "name": "circle", "color": [255, 0, 0]},
        {"id": 2, "name": "square", "color": [0, 0, 255]}]}"#;
    std::fs::write(folder.join("classes.json"), classes).unwrap();
    for number in 0..count {
        let mut random = Numbers(seed << 32 | number);
        let mut labels = GrayImage::new(SIDE, SIDE);
        // one in the left half, one in the right, in any order
        let is_circle_left = random.below(2) == 0;
        for (left, is_circle) in [(0, is_circle_left), (SIDE / 2, !is_circle_left)] {
            let radius = 9 + random.below(6);
            let x = left + radius + 1 + random.below(SIDE / 2 - 2 * radius);
            let y = radius + 1 + random.below(SIDE - 2 * radius - 2);
            draw(&mut labels, (x, y), radius, is_circle);
        }
        let photo = RgbImage::from_fn(SIDE, SIDE, |x, y| {
            let level = match labels.get_pixel(x, y).0[0] {
                0 => 40,
                _ => 150,
            };
            Rgb([0; 3].map(|_: u8| level + random.below(60) as u8))
        });
        photo.save(folder.join(format!("{number}.png"))).unwrap();
        labels
            .save(folder.join("labels").join(format!("{number}.png")))
            .unwrap();
    }
}

fn draw(labels: &mut GrayImage, (x, y): (u32, u32), radius: u32, is_circle: bool) {
    for (column, row, pixel) in labels.enumerate_pixels_mut() {
        let (across, down) = (column.abs_diff(x), row.abs_diff(y));
        let is_inside = match is_circle {
            true => across * across + down * down <= radius * radius,
            false => across.max(down) <= radius * 9 / 10,
        };
        if is_inside {
            *pixel = Luma([if is_circle { CIRCLE } else { SQUARE }]);
        }
    }
}
