//! Small pictures of photos for lists.

use super::Photo;
use super::resample::{Filter, resize};

/// A small picture whose longer side is `side` pixels (at least 1), with its
/// width, height and `width * height * 3` bytes of RGB. A photo that is smaller
/// already is returned in its own size.
pub fn thumbnail(photo: &Photo, side: u32) -> (u32, u32, Vec<u8>) {
    let side = side.max(1);
    let longest = photo.width().max(photo.height());
    if longest <= side {
        return (photo.width(), photo.height(), photo.rgb().to_vec());
    }
    // the smallest level that is large enough costs the least
    let source = photo
        .levels()
        .iter()
        .rfind(|level| level.width.max(level.height) >= side)
        .unwrap_or(&photo.levels()[0]);
    let scaled = |length: u32| {
        let exact = f64::from(length) * f64::from(side) / f64::from(longest);
        (exact.round() as u32).max(1)
    };
    let (width, height) = (scaled(photo.width()), scaled(photo.height()));
    let from = (source.width as usize, source.height as usize);
    let to = (width as usize, height as usize);
    let rgb = resize(&source.rgb, from, 3, to, Filter::Box);
    (width, height, rgb)
}
