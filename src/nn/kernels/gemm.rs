//! Matrix products with a weight matrix that was repacked once.
//!
//! `out = a · b (+ bias) (+ out)` with `a` row-major (m × k) and `b` packed
//! into panels of sixteen columns, so that the inner loop reads it straight
//! through: six rows by sixteen columns of sums stay in registers. Packing
//! once at loading and starting the sums from bias and residual is what makes
//! this faster here than a general product.

use super::{Activation, fma, wide_vectors};
use rayon::prelude::*;

/// Columns per panel: two AVX registers.
const NR: usize = 16;
/// Rows per tile: 6 × 2 sums, 2 panel values and a broadcast fit 16 registers.
const MR: usize = 6;
/// Depth per pass, so that a panel (32 KiB) and a tile's rows stay near.
const KC: usize = 512;
/// Rows that one thread takes at a time in [`linear`].
const ROWS: usize = 16 * MR;

/// A (k × n) matrix in panels of sixteen columns, zero-filled at the right,
/// with an optional bias of n.
#[derive(Clone, Debug)]
pub struct Packed {
    k: usize,
    n: usize,
    panels: Vec<f32>,
    bias: Option<Vec<f32>>,
}

/// A borrowed packed matrix; see [`Packed`].
#[derive(Clone, Copy, Debug)]
pub struct PackedView<'a> {
    k: usize,
    n: usize,
    panels: &'a [f32],
    bias: Option<&'a [f32]>,
}

/// A buffer that matrices met during a forward pass (keys, values) are packed
/// into again and again.
#[derive(Clone, Debug, Default)]
pub struct Scratch(Vec<f32>);

impl Packed {
    /// Pack a linear layer: `weight` (n, k) row-major, as checkpoints store it
    /// (out features, in features), and `bias` (n).
    ///
    /// # Panics
    /// If a length does not fit n and k.
    pub fn from_linear(weight: &[f32], bias: Option<&[f32]>, n: usize, k: usize) -> Self {
        assert_eq!(weight.len(), n * k, "weight of a linear layer");
        let mut panels = Vec::new();
        pack_transposed(weight, k, n, k, &mut panels);
        let bias = bias.map(|bias| {
            assert_eq!(bias.len(), n, "bias of a linear layer");
            let mut padded = bias.to_vec();
            padded.resize(n.next_multiple_of(NR), 0.0);
            padded
        });
        Self { k, n, panels, bias }
    }

    /// Rows of the matrix: input features.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of the matrix: output features.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        4 * (self.panels.len() + self.bias.as_ref().map_or(0, Vec::len))
    }

    /// The matrix, borrowed.
    pub fn view(&self) -> PackedView<'_> {
        PackedView {
            k: self.k,
            n: self.n,
            panels: &self.panels,
            bias: self.bias.as_deref(),
        }
    }
}

impl PackedView<'_> {
    /// The same matrix with its zero columns counted, up to a multiple of 16:
    /// for results whose rows have room for them, which is faster.
    pub fn padded(self) -> Self {
        Self {
            n: self.n.next_multiple_of(NR),
            ..self
        }
    }

    /// Columns.
    pub fn n(&self) -> usize {
        self.n
    }
}

impl Scratch {
    /// Pack the transpose of `rows` (n rows of k values, `stride` apart), so
    /// that multiplying by it gives each row's dot products.
    pub fn pack_transposed(
        &mut self,
        rows: &[f32],
        stride: usize,
        n: usize,
        k: usize,
    ) -> PackedView<'_> {
        pack_transposed(rows, stride, n, k, &mut self.0);
        PackedView {
            k,
            n,
            panels: &self.0,
            bias: None,
        }
    }

    /// Pack `rows` (k rows of n values, `stride` apart) as they are, so that
    /// multiplying by it mixes the rows.
    pub fn pack(&mut self, rows: &[f32], stride: usize, k: usize, n: usize) -> PackedView<'_> {
        let panels = n.div_ceil(NR);
        self.0.clear();
        self.0.resize(panels * k * NR, 0.0);
        for (p, panel) in self.0.chunks_exact_mut((k * NR).max(1)).enumerate() {
            let columns = NR.min(n - p * NR);
            for (row, packed) in panel.chunks_exact_mut(NR).enumerate() {
                let from = row * stride + p * NR;
                packed[..columns].copy_from_slice(&rows[from..from + columns]);
            }
        }
        PackedView {
            k,
            n,
            panels: &self.0,
            bias: None,
        }
    }
}

fn pack_transposed(rows: &[f32], stride: usize, n: usize, k: usize, panels: &mut Vec<f32>) {
    panels.clear();
    panels.resize(n.div_ceil(NR) * k * NR, 0.0);
    for (p, panel) in panels.chunks_exact_mut((k * NR).max(1)).enumerate() {
        for column in 0..NR.min(n - p * NR) {
            let from = (p * NR + column) * stride;
            let row = &rows[from..from + k];
            for (packed, value) in panel.chunks_exact_mut(NR).zip(row) {
                packed[column] = *value;
            }
        }
    }
}

/// `out = a · b + bias`, plus what is in `out` already if `accumulate`.
/// `a` is (m × k) with rows `lda` apart, `out` (m × n) with rows `ldc` apart;
/// the gaps of `out` are left alone. On the calling thread only.
///
/// # Panics
/// If a slice is too short for its shape.
pub fn gemm(
    a: &[f32],
    lda: usize,
    m: usize,
    b: PackedView<'_>,
    out: &mut [f32],
    ldc: usize,
    accumulate: bool,
) {
    if m == 0 || b.n == 0 {
        return;
    }
    // These checks are what the raw pointers of the tiles rest on.
    assert!(a.len() >= (m - 1) * lda + b.k, "left matrix too short");
    assert!(
        out.len() >= (m - 1) * ldc + b.n && (m == 1 || ldc >= b.n),
        "result too short"
    );
    assert!(
        b.panels.len() >= b.n.div_ceil(NR) * b.k * NR,
        "right matrix too short"
    );
    assert!(
        b.bias
            .is_none_or(|bias| bias.len() >= b.n.next_multiple_of(NR)),
        "bias too short"
    );
    let wide = wide_vectors();
    let mut k0 = 0;
    loop {
        let depth = KC.min(b.k - k0);
        for panel in 0..b.n.div_ceil(NR) {
            let weights = &b.panels[(panel * b.k + k0) * NR..][..depth * NR];
            let columns = NR.min(b.n - panel * NR);
            let start = Start {
                bias: b
                    .bias
                    .filter(|_| k0 == 0)
                    .map(|bias| &bias[panel * NR..][..NR]),
                accumulate: accumulate || k0 > 0,
            };
            let mut row = 0;
            while row < m {
                let rows = tile_rows(m - row);
                let left = &a[row * lda + k0..];
                let right = &mut out[row * ldc + panel * NR..];
                tile(
                    rows, columns, left, lda, depth, weights, start, right, ldc, wide,
                );
                row += rows;
            }
        }
        k0 += depth;
        if k0 >= b.k {
            return;
        }
    }
}

/// Six rows at a time; a remainder of seven to eleven is split evenly, since a
/// tile of few rows wastes most of the multipliers.
fn tile_rows(left: usize) -> usize {
    match left {
        0..=MR => left,
        7..=11 => left.div_ceil(2),
        _ => MR,
    }
}

/// What the sums of a tile start from.
#[derive(Clone, Copy)]
struct Start<'a> {
    bias: Option<&'a [f32]>,
    accumulate: bool,
}

#[allow(clippy::too_many_arguments)]
#[inline]
fn tile(
    rows: usize,
    columns: usize,
    a: &[f32],
    lda: usize,
    k: usize,
    panel: &[f32],
    start: Start<'_>,
    out: &mut [f32],
    ldc: usize,
    wide: bool,
) {
    if columns < NR {
        // A partial panel goes through a full-width tile on the stack.
        let mut full = [0.0; MR * NR];
        if start.accumulate {
            for (row, full) in full.chunks_exact_mut(NR).take(rows).enumerate() {
                full[..columns].copy_from_slice(&out[row * ldc..][..columns]);
            }
        }
        tile_of(rows, a, lda, k, panel, start, &mut full, NR, wide);
        for (row, full) in full.chunks_exact(NR).take(rows).enumerate() {
            out[row * ldc..][..columns].copy_from_slice(&full[..columns]);
        }
    } else {
        tile_of(rows, a, lda, k, panel, start, out, ldc, wide);
    }
}

#[allow(clippy::too_many_arguments)]
#[inline]
fn tile_of(
    rows: usize,
    a: &[f32],
    lda: usize,
    k: usize,
    panel: &[f32],
    start: Start<'_>,
    out: &mut [f32],
    ldc: usize,
    wide: bool,
) {
    assert!(rows >= 1 && a.len() >= (rows - 1) * lda + k && panel.len() >= k * NR);
    assert!(out.len() >= (rows - 1) * ldc + NR && start.bias.is_none_or(|b| b.len() >= NR));
    // Only x86-64 has a wide path of its own here.
    let _ = wide;
    macro_rules! run {
        ($m:literal) => {{
            #[cfg(target_arch = "x86_64")]
            if wide {
                // SAFETY: `wide` says that AVX2 and FMA are there; the lengths
                // that the tile reads and writes were checked just above.
                unsafe { tile_avx2::<$m>(a, lda, k, panel, start, out, ldc) };
                return;
            }
            tile_portable::<$m>(a, lda, k, panel, start, out, ldc)
        }};
    }
    match rows {
        1 => run!(1),
        2 => run!(2),
        3 => run!(3),
        4 => run!(4),
        5 => run!(5),
        _ => run!(6),
    }
}

/// One tile of `M` × 16 sums.
///
/// # Safety
/// The processor has AVX2 and FMA; `a` holds (M-1)·lda + k values, `panel`
/// 16·k, `out` (M-1)·ldc + 16, and a bias 16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_avx2<const M: usize>(
    a: &[f32],
    lda: usize,
    k: usize,
    panel: &[f32],
    start: Start<'_>,
    out: &mut [f32],
    ldc: usize,
) {
    use std::arch::x86_64::*;
    let mut sums = [[_mm256_setzero_ps(); 2]; M];
    let (mut left, mut right) = (a.as_ptr(), panel.as_ptr());
    // SAFETY: the caller vouches for the lengths; step `i` of `k` reads
    // a[row·lda + i] and panel[16·i .. 16·i + 16], within them. The sums read
    // and write out[row·ldc .. row·ldc + 16] and read bias[..16].
    unsafe {
        for _ in 0..k {
            let low = _mm256_loadu_ps(right);
            let high = _mm256_loadu_ps(right.add(8));
            for (row, sums) in sums.iter_mut().enumerate() {
                let value = _mm256_broadcast_ss(&*left.add(row * lda));
                sums[0] = _mm256_fmadd_ps(value, low, sums[0]);
                sums[1] = _mm256_fmadd_ps(value, high, sums[1]);
            }
            left = left.wrapping_add(1);
            right = right.wrapping_add(NR);
        }
        if let Some(bias) = start.bias {
            let (low, high) = (
                _mm256_loadu_ps(bias.as_ptr()),
                _mm256_loadu_ps(bias.as_ptr().add(8)),
            );
            for sums in &mut sums {
                *sums = [_mm256_add_ps(sums[0], low), _mm256_add_ps(sums[1], high)];
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            let to = out.as_mut_ptr().add(row * ldc);
            let (mut low, mut high) = (sums[0], sums[1]);
            if start.accumulate {
                low = _mm256_add_ps(low, _mm256_loadu_ps(to));
                high = _mm256_add_ps(high, _mm256_loadu_ps(to.add(8)));
            }
            _mm256_storeu_ps(to, low);
            _mm256_storeu_ps(to.add(8), high);
        }
    }
}

/// The same tile in plain Rust, which the compiler vectorises as far as the
/// target's baseline allows.
#[allow(clippy::too_many_arguments)]
fn tile_portable<const M: usize>(
    a: &[f32],
    lda: usize,
    k: usize,
    panel: &[f32],
    start: Start<'_>,
    out: &mut [f32],
    ldc: usize,
) {
    let mut sums = [[0.0f32; NR]; M];
    for (i, weights) in panel.chunks_exact(NR).take(k).enumerate() {
        for (row, sums) in sums.iter_mut().enumerate() {
            let value = a[row * lda + i];
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = fma::<false>(value, *weight, *sum);
            }
        }
    }
    for (row, sums) in sums.iter_mut().enumerate() {
        let out = &mut out[row * ldc..][..NR];
        for (i, (out, sum)) in out.iter_mut().zip(sums).enumerate() {
            let bias = start.bias.map_or(0.0, |bias| bias[i]);
            let before = if start.accumulate { *out } else { 0.0 };
            *out = *sum + bias + before;
        }
    }
}

/// A linear layer on every core: `out = act(x · w + bias)`, `x` (m, k) and
/// `out` (m, n), both without gaps.
///
/// # Panics
/// If a slice's length does not fit.
pub fn linear(x: &[f32], w: &Packed, out: &mut [f32], act: Activation) {
    let (k, n) = (w.k, w.n);
    assert!(
        k > 0 && n > 0 && x.len().is_multiple_of(k),
        "input of a linear layer"
    );
    let m = x.len() / k;
    assert_eq!(out.len(), m * n, "output of a linear layer");
    let rows = rows_per_task(m);
    out.par_chunks_mut(rows * n)
        .zip(x.par_chunks(rows * k))
        .for_each(|(out, x)| {
            gemm(x, k, x.len() / k, w.view(), out, n, false);
            act.apply(out);
        });
}

/// Enough tasks for every thread, none too small to be worth packing up.
fn rows_per_task(m: usize) -> usize {
    let share = m.div_ceil(4 * rayon::current_num_threads());
    share.next_multiple_of(MR).clamp(2 * MR, ROWS)
}

#[cfg(test)]
mod tests;
