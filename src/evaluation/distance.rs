//! The exact Euclidean distance transform.

use rayon::prelude::*;

/// No site anywhere.
const FAR: u32 = u32::MAX;

/// For each pixel of a map that is `width` pixels wide, the squared distance
/// between its centre and that of the nearest site, row by row; `u32::MAX`
/// where there is no site at all, and for distances beyond.
///
/// Exact and in linear time: Felzenszwalb and Huttenlocher 2012, "Distance
/// Transforms of Sampled Functions". Columns first, by counting; then, along
/// each row, the lower envelope of the parabolas that the columns give.
///
/// # Panics
/// If the sites do not fill rows of `width`.
pub fn squared_distances(sites: &[bool], width: usize) -> Vec<u32> {
    if sites.is_empty() {
        return Vec::new();
    }
    assert!(width > 0 && sites.len().is_multiple_of(width), "whole rows");
    let heights = along_columns(sites, width);
    let mut distances = vec![FAR; sites.len()];
    distances
        .par_chunks_exact_mut(width)
        .zip(heights.par_chunks_exact(width))
        .for_each_init(Vec::new, |envelope, (out, heights)| {
            along_row(heights, envelope, out);
        });
    distances
}

/// The distance to the nearest site of the same column.
fn along_columns(sites: &[bool], width: usize) -> Vec<u32> {
    let start = |site: &bool| if *site { 0 } else { FAR };
    let mut heights: Vec<u32> = sites.iter().map(start).collect();
    let rows = heights.len() / width;
    let mut step = |from: usize, to: usize| {
        let (low, high) = (from.min(to), from.max(to));
        let (head, tail) = heights.split_at_mut(high * width);
        let (low, high) = (&mut head[low * width..][..width], &mut tail[..width]);
        let (from, to) = if from < to { (low, high) } else { (high, low) };
        for (to, from) in to.iter_mut().zip(from) {
            *to = (*to).min(from.saturating_add(1));
        }
    };
    (1..rows).for_each(|row| step(row - 1, row));
    (1..rows).rev().for_each(|row| step(row, row - 1));
    heights
}

/// A parabola of the lower envelope: its column, and where it becomes the lowest.
type Piece = (usize, f64);

fn along_row(heights: &[u32], envelope: &mut Vec<Piece>, out: &mut [u32]) {
    envelope.clear();
    // Whole numbers below 2^53, so that only the quotient is rounded; it then
    // stays on its side of every pixel, since it is far coarser than that.
    let apex = |column: usize| f64::from(heights[column]).powi(2) + (column as f64).powi(2);
    for column in (0..heights.len()).filter(|column| heights[*column] != FAR) {
        let start = loop {
            let Some((lowest, from)) = envelope.last().copied() else {
                break f64::NEG_INFINITY;
            };
            let start = (apex(column) - apex(lowest)) / (2 * (column - lowest)) as f64;
            if start > from {
                break start;
            }
            envelope.pop();
        };
        envelope.push((column, start));
    }
    let mut pieces = envelope.iter().copied().peekable();
    let Some(mut piece) = pieces.next() else {
        return;
    };
    for (x, out) in out.iter_mut().enumerate() {
        while let Some(next) = pieces.next_if(|next| next.1 < x as f64) {
            piece = next;
        }
        let (across, down) = (x.abs_diff(piece.0) as u64, u64::from(heights[piece.0]));
        *out = u32::try_from(across * across + down * down).unwrap_or(FAR);
    }
}

#[cfg(test)]
mod tests;
