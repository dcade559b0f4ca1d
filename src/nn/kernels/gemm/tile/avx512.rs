//! Tiles of up to 12 × 32 sums in AVX-512.

use super::{Left, NR, Right, Start};
use std::arch::x86_64::*;

/// As [`super::tile`].
///
/// # Safety
/// The processor has AVX-512F. `left` holds all rows, at most 12, `right` and a bias one
/// panel, or two for more than 16 columns; `out` is as for [`super::tile`].
#[inline]
pub unsafe fn tile(
    (rows, columns): (usize, usize),
    left: Left<'_>,
    right: Right<'_>,
    start: Start<'_>,
    out: *mut f32,
    ldc: usize,
) {
    macro_rules! run {
        ($m:literal) => {
            match columns.checked_sub(NR) {
                // SAFETY: as the caller vouches, for so many rows and panels.
                None | Some(0) => unsafe { sums::<$m, 1>(left, right, start, out, ldc, columns) },
                // SAFETY: as above.
                Some(last) => unsafe { sums::<$m, 2>(left, right, start, out, ldc, last) },
            }
        };
    }
    match rows {
        1 => run!(1),
        2 => run!(2),
        3 => run!(3),
        4 => run!(4),
        5 => run!(5),
        6 => run!(6),
        7 => run!(7),
        8 => run!(8),
        9 => run!(9),
        10 => run!(10),
        11 => run!(11),
        _ => run!(12),
    }
}

/// A tile of `M` rows and `P` panels, `last` columns of the last panel. At its
/// largest 12 × 2 sums, 2 panel values and a broadcast fit 32 registers.
///
/// # Safety
/// The processor has AVX-512F; `left` holds M rows, `right` P panels and a bias
/// their columns; the result may be read and written by this thread alone.
#[target_feature(enable = "avx512f")]
unsafe fn sums<const M: usize, const P: usize>(
    left: Left<'_>,
    right: Right<'_>,
    start: Start<'_>,
    out: *mut f32,
    ldc: usize,
    last: usize,
) {
    let mut sums = [[_mm512_setzero_ps(); P]; M];
    let (mut a, mut b) = (left.values.as_ptr(), right.values.as_ptr());
    // SAFETY: the caller vouches for the lengths; step `i` of `k` reads value
    // `i` of each of the M rows and row `i` of each of the P panels.
    unsafe {
        for _ in 0..right.k {
            let mut values = [_mm512_setzero_ps(); P];
            for (panel, values) in values.iter_mut().enumerate() {
                *values = _mm512_loadu_ps(b.wrapping_add(panel * right.pitch));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let value = _mm512_set1_ps(*a.add(row * left.row));
                for (sum, values) in sums.iter_mut().zip(&values) {
                    *sum = _mm512_fmadd_ps(value, *values, *sum);
                }
            }
            a = a.wrapping_add(left.step);
            b = b.wrapping_add(NR);
        }
    }
    let whole = __mmask16::MAX;
    for panel in 0..P {
        let mask = if panel + 1 == P {
            whole >> (NR - last)
        } else {
            whole
        };
        // SAFETY: a bias has values for all columns of all panels; the mask
        // leaves of a row what the caller vouches for.
        unsafe {
            let bias = start.bias.map_or(_mm512_setzero_ps(), |bias| {
                _mm512_loadu_ps(bias.as_ptr().add(panel * NR))
            });
            for (row, sums) in sums.iter().enumerate() {
                let to = out.add(row * ldc + panel * NR);
                let mut sum = _mm512_add_ps(sums[panel], bias);
                if start.accumulate {
                    sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, to));
                }
                _mm512_mask_storeu_ps(to, mask, sum);
            }
        }
    }
}
