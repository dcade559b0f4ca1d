//! Tiles of up to 6 × 16 sums: the inner loops of every product.
//!
//! Results go through raw pointers, because tiles of one matrix are computed
//! by several threads at a time, next to each other in the same rows.

use super::super::fma;

/// Columns per panel: two AVX registers.
pub const NR: usize = 16;
/// Rows per tile: 6 × 2 sums, 2 panel values and a broadcast fit 16 registers.
pub const MR: usize = 6;

/// Six rows at a time; a remainder of seven to eleven is split evenly, since a
/// tile of few rows wastes most of the multipliers.
pub fn tile_rows(left: usize) -> usize {
    match left {
        0..=MR => left,
        7..=11 => left.div_ceil(2),
        _ => MR,
    }
}

/// What the sums of a tile start from.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// Sixteen values, added to each row.
    pub bias: Option<&'a [f32]>,
    /// Whether what is in the result already is added.
    pub accumulate: bool,
}

/// The left side of a tile: rows of `k` values, `lda` apart.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    /// From the first row's first value on.
    pub values: &'a [f32],
    /// Distance of the rows.
    pub lda: usize,
    /// Values per row that count.
    pub k: usize,
}

/// `rows` × `columns` sums of products of `left` and a panel, to `out` whose
/// rows are `ldc` apart. `wide` says that the processor has AVX2 and FMA.
///
/// # Safety
/// `out` may be written, and where `start.accumulate` read, by this thread
/// alone at `row · ldc + column` of all `rows` and `columns` (at most 16);
/// `wide` is true.
#[inline]
pub unsafe fn tile(
    (rows, columns): (usize, usize),
    left: Left<'_>,
    panel: &[f32],
    start: Start<'_>,
    out: *mut f32,
    ldc: usize,
    wide: bool,
) {
    if columns == NR {
        // SAFETY: as the caller vouches.
        return unsafe { full_tile(rows, left, panel, start, out, ldc, wide) };
    }
    // A partial panel goes through a full-width tile on the stack.
    let mut full = [0.0; MR * NR];
    // SAFETY: rows of `columns` values that are this thread's alone, as the
    // caller vouches; `full` has room for six rows of sixteen.
    unsafe {
        let row = |row: usize| std::slice::from_raw_parts_mut(out.add(row * ldc), columns);
        if start.accumulate {
            for (y, full) in full.chunks_exact_mut(NR).take(rows).enumerate() {
                full[..columns].copy_from_slice(row(y));
            }
        }
        full_tile(rows, left, panel, start, full.as_mut_ptr(), NR, wide);
        for (y, full) in full.chunks_exact(NR).take(rows).enumerate() {
            row(y).copy_from_slice(&full[..columns]);
        }
    }
}

/// As [`tile`] with all sixteen columns.
///
/// # Safety
/// As [`tile`].
#[inline]
unsafe fn full_tile(
    rows: usize,
    left: Left<'_>,
    panel: &[f32],
    start: Start<'_>,
    out: *mut f32,
    ldc: usize,
    wide: bool,
) {
    assert!((1..=MR).contains(&rows) && panel.len() >= left.k * NR);
    assert!(left.values.len() >= (rows - 1) * left.lda + left.k);
    assert!(start.bias.is_none_or(|bias| bias.len() >= NR));
    // Only x86-64 has a wide path of its own here.
    let _ = wide;
    macro_rules! run {
        ($m:literal) => {{
            #[cfg(target_arch = "x86_64")]
            if wide {
                // SAFETY: the lengths that the tile reads were checked just
                // above; the caller vouches for the rest.
                return unsafe { tile_avx2::<$m>(left, panel, start, out, ldc) };
            }
            // SAFETY: the caller vouches for `out`.
            unsafe { tile_portable::<$m>(left, panel, start, out, ldc) }
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
/// The processor has AVX2 and FMA; `left` holds (M-1)·lda + k values, `panel`
/// 16·k and a bias 16; `out` is as for [`tile`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_avx2<const M: usize>(
    left: Left<'_>,
    panel: &[f32],
    start: Start<'_>,
    out: *mut f32,
    ldc: usize,
) {
    use std::arch::x86_64::*;
    let mut sums = [[_mm256_setzero_ps(); 2]; M];
    let (mut a, mut b) = (left.values.as_ptr(), panel.as_ptr());
    // SAFETY: the caller vouches for the lengths; step `i` of `k` reads
    // left[row·lda + i] and panel[16·i .. 16·i + 16], within them. The sums
    // read and write out[row·ldc .. row·ldc + 16] and read bias[..16].
    unsafe {
        for _ in 0..left.k {
            let low = _mm256_loadu_ps(b);
            let high = _mm256_loadu_ps(b.add(8));
            for (row, sums) in sums.iter_mut().enumerate() {
                let value = _mm256_broadcast_ss(&*a.add(row * left.lda));
                sums[0] = _mm256_fmadd_ps(value, low, sums[0]);
                sums[1] = _mm256_fmadd_ps(value, high, sums[1]);
            }
            a = a.wrapping_add(1);
            b = b.wrapping_add(NR);
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
            let to = out.add(row * ldc);
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
///
/// # Safety
/// `out` is as for [`tile`].
pub unsafe fn tile_portable<const M: usize>(
    left: Left<'_>,
    panel: &[f32],
    start: Start<'_>,
    out: *mut f32,
    ldc: usize,
) {
    let mut sums = [[0.0f32; NR]; M];
    for (i, weights) in panel.chunks_exact(NR).take(left.k).enumerate() {
        for (row, sums) in sums.iter_mut().enumerate() {
            let value = left.values[row * left.lda + i];
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = fma::<false>(value, *weight, *sum);
            }
        }
    }
    for (row, sums) in sums.iter_mut().enumerate() {
        // SAFETY: a row of sixteen values that is this thread's alone, as the
        // caller vouches.
        let out = unsafe { std::slice::from_raw_parts_mut(out.add(row * ldc), NR) };
        for (i, (out, sum)) in out.iter_mut().zip(sums).enumerate() {
            let bias = start.bias.map_or(0.0, |bias| bias[i]);
            let before = if start.accumulate { *out } else { 0.0 };
            *out = *sum + bias + before;
        }
    }
}
