//! Small pictures of photos for lists.

use super::Photo;

/// A small picture whose longer side is `side` pixels (at least 1), with its
/// width, height and `width * height * 3` bytes of RGB. A photo that is smaller
/// already is returned in its own size.
pub fn thumbnail(photo: &Photo, side: u32) -> (u32, u32, Vec<u8>) {
    let side = side.max(1);
    let longest = photo.width().max(photo.height());
    let levels = photo.levels();
    let source = levels
        .iter()
        .rfind(|level| level.width.max(level.height) >= side)
        .unwrap_or(&levels[0]);
    if longest <= side {
        return (photo.width(), photo.height(), photo.rgb().to_vec());
    }
    let scaled = |length: u32| {
        let exact = f64::from(length) * f64::from(side) / f64::from(longest);
        (exact.round() as u32).max(1)
    };
    let (width, height) = (scaled(photo.width()), scaled(photo.height()));
    let across = weights(source.width, width);
    let down = weights(source.height, height);
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for rows in &down {
        for columns in &across {
            let mut sum = [0.0f32; 3];
            for &(y, wy) in rows {
                for &(x, wx) in columns {
                    let i = (y * source.width as usize + x) * 3;
                    for (sum, &v) in sum.iter_mut().zip(&source.rgb[i..i + 3]) {
                        *sum += f32::from(v) * wx * wy;
                    }
                }
            }
            rgb.extend(sum.map(|v| (v + 0.5) as u8));
        }
    }
    (width, height, rgb)
}

/// For each of `to` pixels, which of `from` pixels it covers and how much of
/// it each makes up.
fn weights(from: u32, to: u32) -> Vec<Vec<(usize, f32)>> {
    let scale = f64::from(from) / f64::from(to);
    (0..to)
        .map(|i| {
            let (start, end) = (f64::from(i) * scale, f64::from(i + 1) * scale);
            let last = (end.ceil() as usize).min(from as usize);
            (start as usize..last)
                .map(|j| {
                    let part = end.min((j + 1) as f64) - start.max(j as f64);
                    (j, (part / scale) as f32)
                })
                .collect()
        })
        .collect()
}
