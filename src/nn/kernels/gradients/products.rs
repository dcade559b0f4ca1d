//! Gradients of matrix products.

use super::{ROWS, sum_in_order};
use crate::nn::kernels::{PackedView, Scratch, add_assign, gemm_turned};
use rayon::prelude::*;
use std::ops::Range;

/// Columns transposed at once: a cache line.
const LINE: usize = 16;
/// Rows that are multiplied at once: as deep as the kernel goes in a pass.
const DEPTH: usize = 384;
/// Most columns of a task.
const COLUMNS: usize = 128;
/// Groups that the rows are cut into where there are few tasks.
const GROUPS: usize = 4;

/// The transpose of `x` (rows, `columns`), with rows `pitch` apart.
///
/// # Panics
/// If the pitch is less than the rows.
pub fn transpose(x: &[f32], columns: usize, pitch: usize) -> Vec<f32> {
    let rows = x.len() / columns;
    assert!(pitch >= rows && pitch > 0, "pitch of a transposed matrix");
    let mut out = vec![0.0; columns * pitch];
    out.par_chunks_mut(LINE * pitch)
        .enumerate()
        .for_each(|(line, out)| {
            let from = line * LINE;
            let count = out.len() / pitch;
            for (row, x) in x.chunks_exact(columns).enumerate() {
                for (column, value) in x[from..from + count].iter().enumerate() {
                    out[column * pitch + row] = *value;
                }
            }
        });
    out
}

/// Sum of the rows of `x` (rows, `columns`).
pub fn column_sums(x: &[f32], columns: usize) -> Vec<f32> {
    let parts = x
        .par_chunks(ROWS * columns)
        .map(|rows| {
            rows.chunks_exact(columns)
                .fold(vec![0.0; columns], |mut sum, row| {
                    add_assign(&mut sum, row);
                    sum
                })
        })
        .collect();
    sum_in_order(parts, columns)
}

/// The right side of a product, some rows and columns at a time.
pub trait Columns: Sync {
    /// Packs them.
    fn pack<'a>(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        buffers: &'a mut (Vec<f32>, Scratch),
    ) -> PackedView<'a>;
}

/// A matrix whose rows have so many values.
impl Columns for (&[f32], usize) {
    fn pack<'a>(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        (_, scratch): &'a mut (Vec<f32>, Scratch),
    ) -> PackedView<'a> {
        let from = &self.0[rows.start * self.1 + columns.start..];
        scratch.pack(from, self.1, rows.len(), columns.len())
    }
}

/// `gradientᵀ · x`, (outputs, inputs): the gradient of a layer's weights.
/// `gradient` is (rows, outputs) and `x` (rows, inputs).
///
/// # Panics
/// If there are no rows.
pub fn weight_gradient(
    gradient: &[f32],
    (outputs, inputs): (usize, usize),
    x: &impl Columns,
) -> Vec<f32> {
    let rows = gradient.len() / outputs;
    let width = inputs.div_ceil(2).next_multiple_of(2 * LINE).min(COLUMNS);
    let parts = inputs.div_ceil(width);
    let group = match parts {
        ..GROUPS => rows.div_ceil(GROUPS).next_multiple_of(DEPTH),
        _ => rows,
    };
    let found: Vec<Vec<f32>> = (0..parts * rows.div_ceil(group))
        .into_par_iter()
        .map(|task| {
            let from = task % parts * width;
            let columns = from..inputs.min(from + width);
            let from = task / parts * group;
            let rows = from..rows.min(from + group);
            part_gradient(gradient, outputs, (rows, columns), x)
        })
        .collect();
    let mut out = vec![0.0; outputs * inputs];
    for (task, part) in found.iter().enumerate() {
        let (n, from) = (part.len() / outputs, task % parts * width);
        for (out, part) in out.chunks_exact_mut(inputs).zip(part.chunks_exact(n)) {
            add_assign(&mut out[from..from + n], part);
        }
    }
    out
}

/// What some rows contribute to some columns of a [`weight_gradient`].
fn part_gradient(
    gradient: &[f32],
    outputs: usize,
    (rows, columns): (Range<usize>, Range<usize>),
    x: &impl Columns,
) -> Vec<f32> {
    let n = columns.len();
    let mut buffers = Default::default();
    let mut out = vec![0.0; outputs * n];
    for from in rows.clone().step_by(DEPTH) {
        let depth = from..rows.end.min(from + DEPTH);
        let left = &gradient[from * outputs..depth.end * outputs];
        let right = x.pack(depth, columns.clone(), &mut buffers);
        gemm_turned(left, outputs, outputs, right, &mut out, n);
    }
    out
}
