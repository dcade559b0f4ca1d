//! Tiles of sums in registers: the inner loops of every product.
//!
//! Results go through raw pointers, because tiles of one matrix are computed
//! by several threads at a time, next to each other in the same rows.

use super::super::fma;
#[cfg(target_arch = "x86_64")]
mod avx512;

/// Columns per panel: two AVX registers, or one of AVX-512.
pub const NR: usize = 16;
/// Most rows of any tile.
pub const MOST_ROWS: usize = 12;
/// Rows of a tile in AVX2: 6 × 2 sums, 2 panel values and a broadcast fit 16
/// registers.
const MR: usize = 6;

/// The instructions that tiles are computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Plain Rust, which the compiler vectorises as far as the target's
    /// baseline allows.
    Portable,
    /// AVX2 and FMA, 6 rows × 1 panel.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F, 12 rows × 2 panels.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Width {
    /// The widest that this processor has (the standard library caches what
    /// it finds, so asking is cheap).
    pub fn of_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if super::super::wide_vectors() {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Rows of a tile.
    pub fn rows(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => MOST_ROWS,
            _ => MR,
        }
    }

    /// Panels of a tile.
    pub fn panels(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 2,
            _ => 1,
        }
    }

    /// Rows of the next tile where `left` are left. What is more than one tile
    /// but less than two is split evenly, since a tile of few rows wastes most
    /// of the multipliers.
    pub fn rows_of(self, left: usize) -> usize {
        let most = self.rows();
        match left.div_ceil(most) {
            0 | 1 => left,
            2 => left.div_ceil(2),
            _ => most,
        }
    }
}

/// What the sums of a tile start from.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// Sixteen values for each panel, added to each row.
    pub bias: Option<&'a [f32]>,
    /// Whether what is in the result already is added.
    pub accumulate: bool,
}

/// The left side of a tile or of a product.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    /// From the first row's first value on.
    pub values: &'a [f32],
    /// Distance of the rows.
    pub row: usize,
    /// Distance of a row's values.
    pub step: usize,
}

impl<'a> Left<'a> {
    /// From a row's value on.
    pub fn at(self, row: usize, value: usize) -> Self {
        let values = &self.values[row * self.row + value * self.step..];
        Self { values, ..self }
    }

    /// Whether it has so many rows of so many values.
    pub fn holds(&self, rows: usize, values: usize) -> bool {
        let last = |count: usize, distance| (count - 1) * distance;
        rows == 0
            || values == 0
            || self.values.len() > last(rows, self.row) + last(values, self.step)
    }
}

/// The right side of a tile: panels of sixteen columns.
#[derive(Clone, Copy)]
pub struct Right<'a> {
    /// From the first panel's first row on.
    pub values: &'a [f32],
    /// Distance of the panels.
    pub pitch: usize,
    /// Rows that count.
    pub k: usize,
}

/// `rows` × `columns` sums of products of `left` and `right`, to `out` whose
/// rows are `ldc` apart.
///
/// # Safety
/// `out` may be written, and where `start.accumulate` read, by this thread
/// alone at `row · ldc + column` of all `rows` and `columns`, at most as many
/// as `width` does at once, which the processor has.
#[inline]
pub unsafe fn tile(
    width: Width,
    (rows, columns): (usize, usize),
    (left, right): (Left<'_>, Right<'_>),
    start: Start<'_>,
    out: *mut f32,
    ldc: usize,
) {
    let panels = columns.div_ceil(NR);
    assert!((1..=width.rows()).contains(&rows) && (1..=width.panels()).contains(&panels));
    assert!(left.holds(rows, right.k));
    assert!(right.values.len() >= (panels - 1) * right.pitch + right.k * NR);
    assert!(start.bias.is_none_or(|bias| bias.len() >= panels * NR));
    #[cfg(target_arch = "x86_64")]
    if width == Width::Avx512 {
        // SAFETY: what is read was just checked; the caller vouches for `out`
        // and for the processor.
        return unsafe { avx512::tile((rows, columns), left, right, start, out, ldc) };
    }
    if columns == NR {
        // SAFETY: as the caller vouches.
        return unsafe { full_tile(width, rows, left, right, start, out, ldc) };
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
        full_tile(width, rows, left, right, start, full.as_mut_ptr(), NR);
        for (y, full) in full.chunks_exact(NR).take(rows).enumerate() {
            row(y).copy_from_slice(&full[..columns]);
        }
    }
}

/// As [`tile`], narrower than AVX-512, with all sixteen columns.
///
/// # Safety
/// As [`tile`], which has checked the lengths.
#[inline]
unsafe fn full_tile(
    width: Width,
    rows: usize,
    left: Left<'_>,
    right: Right<'_>,
    start: Start<'_>,
    out: *mut f32,
    ldc: usize,
) {
    macro_rules! run {
        ($m:literal) => {
            match width {
                // SAFETY: as the caller vouches.
                Width::Portable => unsafe { tile_portable::<$m>(left, right, start, out, ldc) },
                // SAFETY: as the caller vouches; AVX-512 implies AVX2 and FMA.
                #[cfg(target_arch = "x86_64")]
                _ => unsafe { tile_avx2::<$m>(left, right, start, out, ldc) },
            }
        };
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
/// The processor has AVX2 and FMA; `left` holds M rows of k values, `right` a
/// panel and a bias 16 values; `out` is as for [`tile`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_avx2<const M: usize>(
    left: Left<'_>,
    right: Right<'_>,
    start: Start<'_>,
    out: *mut f32,
    ldc: usize,
) {
    use std::arch::x86_64::*;
    let mut sums = [[_mm256_setzero_ps(); 2]; M];
    let (mut a, mut b) = (left.values.as_ptr(), right.values.as_ptr());
    // SAFETY: the caller vouches for the lengths; step `i` of `k` reads value
    // `i` of each of the M rows and right[16·i .. 16·i + 16], within them. The
    // sums read and write out[row·ldc .. row·ldc + 16] and read bias[..16].
    unsafe {
        for _ in 0..right.k {
            let low = _mm256_loadu_ps(b);
            let high = _mm256_loadu_ps(b.add(8));
            for (row, sums) in sums.iter_mut().enumerate() {
                let value = _mm256_broadcast_ss(&*a.add(row * left.row));
                sums[0] = _mm256_fmadd_ps(value, low, sums[0]);
                sums[1] = _mm256_fmadd_ps(value, high, sums[1]);
            }
            a = a.wrapping_add(left.step);
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
unsafe fn tile_portable<const M: usize>(
    left: Left<'_>,
    right: Right<'_>,
    start: Start<'_>,
    out: *mut f32,
    ldc: usize,
) {
    let mut sums = [[0.0f32; NR]; M];
    for (i, weights) in right.values.chunks_exact(NR).take(right.k).enumerate() {
        for (row, sums) in sums.iter_mut().enumerate() {
            let value = left.values[row * left.row + i * left.step];
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
