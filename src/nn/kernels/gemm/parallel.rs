//! Products on every core.
//!
//! The result is cut into blocks of rows and columns, a task each. A block's
//! part of the weights stays in a core's cache while its rows pass by, and
//! tasks are ordered so that a thread goes through all rows before it takes
//! other weights: large weights are read from memory once, not once per block
//! of rows.

use super::super::Activation;
use super::tile::{Left, MOST_ROWS, NR, Width};
use super::{Packed, PackedView, product};
use rayon::prelude::*;

/// Most rows of a task.
const ROWS: usize = 8 * MOST_ROWS;
/// Bytes of weights of a task.
const WEIGHTS: usize = 256 << 10;
/// Fewest panels of a task: its rows are read once for all of them.
const PANELS: usize = 4;

/// A linear layer on every core: `out = act(x · w + bias)`, `x` (m, k) and
/// `out` (m, n), both without gaps.
///
/// # Panics
/// If a slice's length does not fit.
pub fn linear(x: &[f32], w: &Packed, out: &mut [f32], act: Activation) {
    blocks(x, w.view(), out, act, false);
}

/// A linear layer at the end of a residual branch: `out += x · w + bias`, as
/// [`linear`].
///
/// # Panics
/// If a slice's length does not fit.
pub fn linear_add(x: &[f32], w: &Packed, out: &mut [f32]) {
    blocks(x, w.view(), out, Activation::None, true);
}

fn blocks(x: &[f32], w: PackedView<'_>, out: &mut [f32], act: Activation, accumulate: bool) {
    let (k, n) = (w.k, w.n);
    assert!(
        k > 0 && n > 0 && x.len().is_multiple_of(k),
        "input of a linear layer"
    );
    let m = x.len() / k;
    assert_eq!(out.len(), m * n, "output of a linear layer");
    let cut = Cut::of(m, k, n);
    let shared = Shared(out.as_mut_ptr());
    let width = Width::of_processor();
    (0..cut.tasks()).into_par_iter().for_each(|task| {
        let (rows, panels) = (cut.rows(task), cut.panels(task));
        let weights = w.some(panels.start, panels.len());
        // SAFETY: `Cut` gives each task rows and columns of its own inside the
        // m × n values of `out`, which is borrowed until all tasks are done; the
        // processor has that width.
        unsafe {
            let to = shared.at(rows.start * n + panels.start * NR);
            let x = Left {
                values: &x[rows.start * k..],
                row: k,
                step: 1,
            };
            product(width, x, rows.len(), weights, to, n, accumulate);
            if act != Activation::None {
                for row in 0..rows.len() {
                    let row = std::slice::from_raw_parts_mut(to.add(row * n), weights.n);
                    act.apply(row);
                }
            }
        }
    });
}

/// A result that tasks write to, each in its own place.
struct Shared(*mut f32);

// SAFETY: whoever writes through it sees to it that no two threads touch the
// same value.
unsafe impl Sync for Shared {}

impl Shared {
    /// # Safety
    /// `offset` lies inside the result.
    unsafe fn at(&self, offset: usize) -> *mut f32 {
        // SAFETY: as the caller vouches.
        unsafe { self.0.add(offset) }
    }
}

/// How a product is cut into tasks: those of the same columns follow each
/// other.
#[derive(Clone, Copy)]
struct Cut {
    m: usize,
    rows: usize,
    panels: usize,
    width: usize,
}

impl Cut {
    /// Enough tasks for every thread, none too small to be worth it.
    fn of(m: usize, k: usize, n: usize) -> Self {
        let width = (WEIGHTS / (4 * NR * k)).max(PANELS);
        let panels = n.div_ceil(NR);
        let groups = panels.div_ceil(width);
        let wanted = (4 * rayon::current_num_threads()).div_ceil(groups);
        let share = m.div_ceil(wanted.max(m.div_ceil(ROWS)).max(1));
        Self {
            m,
            rows: share.next_multiple_of(MOST_ROWS),
            panels,
            // Even, since tiles may be two panels wide.
            width: panels.div_ceil(groups).next_multiple_of(2),
        }
    }

    fn blocks_of_rows(self) -> usize {
        self.m.div_ceil(self.rows)
    }

    fn tasks(self) -> usize {
        self.blocks_of_rows() * self.panels.div_ceil(self.width)
    }

    fn rows(self, task: usize) -> std::ops::Range<usize> {
        let from = task % self.blocks_of_rows() * self.rows;
        from..self.m.min(from + self.rows)
    }

    fn panels(self, task: usize) -> std::ops::Range<usize> {
        let from = task / self.blocks_of_rows() * self.width;
        from..self.panels.min(from + self.width)
    }
}
