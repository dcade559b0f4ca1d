//! A label map as plain rows of something, tile by tile and in parallel.

use rayon::prelude::*;

use crate::label::{LabelMap, SegmentId, TILE};

/// One value per pixel, row by row, from each pixel's segment id.
///
/// Uniform tiles cost one look-up and a fill.
pub(super) fn rendered<T: Copy + Default + Send + Sync>(
    labels: &LabelMap,
    value: impl Fn(SegmentId) -> T + Sync,
) -> Vec<T> {
    let width = labels.width() as usize;
    let mut out = vec![T::default(); width * labels.height() as usize];
    out.par_chunks_mut((width * TILE as usize).max(1))
        .enumerate()
        .for_each(|(ty, band)| {
            // rows of tiles are fewer than rows of pixels, which are u32
            let ty = ty as u32;
            for tx in 0..labels.tiles_across() {
                let tile = labels.tile(tx, ty);
                let from = (tx * TILE) as usize;
                let columns = from..from + tile.width() as usize;
                for (row, y) in band.chunks_exact_mut(width).zip(0..) {
                    let row = &mut row[columns.clone()];
                    match (tile.uniform(), tile.row(y)) {
                        (Some(id), _) => row.fill(value(id)),
                        (None, Some(ids)) => {
                            for (out, &id) in row.iter_mut().zip(ids) {
                                *out = value(id);
                            }
                        }
                        // a tile is uniform or has rows
                        (None, None) => {}
                    }
                }
            }
        });
    out
}
