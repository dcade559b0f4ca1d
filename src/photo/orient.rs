//! The eight EXIF orientations: turning stored pixels into upright ones.

use rayon::prelude::*;

/// Side of the square blocks in which a quarter turn walks the picture, so
/// that both the rows read and the rows written stay in the cache.
const BLOCK: usize = 64;

/// The EXIF orientation (1..=8) in a raw EXIF chunk; 1 where there is none.
pub(super) fn from_exif(chunk: &[u8]) -> u8 {
    // some WebP and PNG writers keep JPEG's prefix
    let chunk = chunk.strip_prefix(b"Exif\0\0").unwrap_or(chunk);
    image::metadata::Orientation::from_exif_chunk(chunk).map_or(1, |found| found.to_exif())
}

/// Apply an EXIF orientation to interleaved pixels of `C` samples.
///
/// `data` holds `width * height * C` samples; returned are the upright pixels
/// with their width and height. Values outside 2..=8 change nothing.
pub(super) fn upright<T: Copy + Default + Send + Sync, const C: usize>(
    mut data: Vec<T>,
    width: u32,
    height: u32,
    orientation: u8,
) -> (Vec<T>, u32, u32) {
    let (w, h) = (width as usize, height as usize);
    let row = w * C;
    match orientation {
        2 => data.par_chunks_exact_mut(row).for_each(mirror::<T, C>),
        3 => mirror::<T, C>(&mut data),
        4 => flip_rows(&mut data, row),
        5 => return (turned::<T, C>(&data, w, h, |x, y| (y, x)), height, width),
        6 => {
            let turn = |x, y| (y, h - 1 - x);
            return (turned::<T, C>(&data, w, h, turn), height, width);
        }
        7 => {
            let turn = |x, y| (w - 1 - y, h - 1 - x);
            return (turned::<T, C>(&data, w, h, turn), height, width);
        }
        8 => {
            let turn = |x, y| (w - 1 - y, x);
            return (turned::<T, C>(&data, w, h, turn), height, width);
        }
        _ => {}
    }
    (data, width, height)
}

fn mirror<T: Copy, const C: usize>(row: &mut [T]) {
    row.as_chunks_mut::<C>().0.reverse();
}

fn flip_rows<T: Copy + Send>(data: &mut [T], row: usize) {
    let rows = data.len() / row;
    let (top, bottom) = data.split_at_mut(rows / 2 * row);
    let bottom = &mut bottom[(rows % 2) * row..];
    top.par_chunks_exact_mut(row)
        .zip(bottom.par_chunks_exact_mut(row).rev())
        .for_each(|(a, b)| a.swap_with_slice(b));
}

/// A picture of `h × w` whose pixel (x, y) is the source's pixel `source(x, y)`.
fn turned<T: Copy + Default + Send + Sync, const C: usize>(
    data: &[T],
    w: usize,
    h: usize,
    source: impl Fn(usize, usize) -> (usize, usize) + Sync,
) -> Vec<T> {
    let pixels = data.as_chunks::<C>().0;
    let mut out = vec![T::default(); data.len()];
    out.par_chunks_mut(h * C * BLOCK)
        .enumerate()
        .for_each(|(band, rows)| {
            let rows = rows.as_chunks_mut::<C>().0;
            for left in (0..h).step_by(BLOCK) {
                for (i, row) in rows.chunks_exact_mut(h).enumerate() {
                    let right = (left + BLOCK).min(h);
                    for (x, pixel) in (left..right).zip(&mut row[left..right]) {
                        let (sx, sy) = source(x, band * BLOCK + i);
                        *pixel = pixels[sy * w + sx];
                    }
                }
            }
        });
    out
}
