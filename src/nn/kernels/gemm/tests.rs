//! Products against their definition.

use super::*;
use crate::nn::kernels::Activation;
use crate::nn::testing::{close, noise};

fn naive(a: &[f32], lda: usize, m: usize, w: &[f32], n: usize, k: usize) -> Vec<f32> {
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            let sum: f64 = (0..k)
                .map(|t| f64::from(a[i * lda + t]) * f64::from(w[j * k + t]))
                .sum();
            out[i * n + j] = sum as f32;
        }
    }
    out
}

#[test]
fn every_tile_shape_matches_the_definition() {
    for m in [1, 2, 3, 4, 5, 6, 7, 11, 13, 49] {
        for (n, k) in [(1, 1), (4, 256), (16, 27), (40, 32), (64, 1030)] {
            let lda = k + 3;
            let (a, w, bias) = (noise(m * lda, 1), noise(n * k, 2), noise(n, 3));
            let packed = Packed::from_linear(&w, Some(&bias), n, k);
            let ldc = n + 2;
            let mut out = vec![7.0; m * ldc];
            gemm(&a, lda, m, packed.view(), &mut out, ldc, false);
            gemm(&a, lda, m, packed.view(), &mut out, ldc, true);
            let want = naive(&a, lda, m, &w, n, k);
            for i in 0..m {
                for j in 0..n {
                    let want = 2.0 * (want[i * n + j] + bias[j]);
                    assert!((out[i * ldc + j] - want).abs() < 2e-4, "{m} {n} {k}");
                }
                assert_eq!(
                    &out[i * ldc + n..(i + 1) * ldc],
                    &[7.0; 2],
                    "the gap was written"
                );
            }
        }
    }
}

/// Every width that this processor has.
fn widths() -> Vec<Width> {
    let mut widths = vec![Width::Portable];
    #[cfg(target_arch = "x86_64")]
    {
        if crate::nn::kernels::wide_vectors() {
            widths.push(Width::Avx2);
        }
        if Width::of_processor() == Width::Avx512 {
            widths.push(Width::Avx512);
        }
    }
    widths
}

#[test]
fn all_widths_agree_and_leave_gaps_alone() {
    for (m, n, k) in [(6, 16, 300), (13, 47, 40), (25, 33, 800), (1, 5, 1)] {
        let (a, w, bias) = (noise(m * k, 4), noise(n * k, 5), noise(n, 6));
        let packed = Packed::from_linear(&w, Some(&bias), n, k);
        let ldc = n + 3;
        let left = Left {
            values: &a,
            row: k,
            step: 1,
        };
        for width in widths() {
            let mut out = vec![1.0; m * ldc];
            // SAFETY: `out` holds m rows and is nobody else's; the processor
            // has these widths.
            unsafe { product(width, left, m, packed.view(), out.as_mut_ptr(), ldc, true) };
            for (row, want) in out
                .chunks_exact(ldc)
                .zip(naive(&a, k, m, &w, n, k).chunks(n))
            {
                let want: Vec<f32> = want.iter().zip(&bias).map(|(v, b)| v + b + 1.0).collect();
                close(&row[..n], &want, 1e-5);
                assert_eq!(&row[n..], &[1.0; 3], "{width:?} wrote the gap");
            }
        }
    }
}

#[test]
fn a_turned_left_side_is_its_transpose() {
    for (m, n, k) in [(5, 40, 7), (30, 16, 500)] {
        let (lda, a, w) = (m + 2, noise(k * (m + 2), 7), noise(k * n, 8));
        let packed = Packed::from_matrix(&w, k, n);
        let mut out = vec![1.0; m * n];
        gemm_turned(&a, lda, m, packed.view(), &mut out, n);
        let turned: Vec<f32> = (0..m * k).map(|i| a[i % k * lda + i / k]).collect();
        let right: Vec<f32> = (0..n * k).map(|i| w[i % k * n + i / k]).collect();
        let want: Vec<f32> = naive(&turned, k, m, &right, n, k)
            .iter()
            .map(|v| v + 1.0)
            .collect();
        close(&out, &want, 1e-5);
    }
}

/// Shapes that are cut in rows, in columns, in both and not at all.
const CUTS: [(usize, usize, usize); 5] = [
    (1000, 24, 40),
    (3, 700, 1000),
    (200, 300, 500),
    (97, 17, 4100),
    (1, 1, 1),
];

#[test]
fn linear_has_no_seams() {
    for (m, n, k) in CUTS {
        let (x, w, bias) = (noise(m * k, 6), noise(n * k, 7), noise(n, 8));
        let packed = Packed::from_linear(&w, Some(&bias), n, k);
        let mut want = naive(&x, k, m, &w, n, k);
        for row in want.chunks_exact_mut(n) {
            row.iter_mut().zip(&bias).for_each(|(v, b)| *v += b);
        }
        let mut sum = vec![1.5; m * n];
        linear_add(&x, &packed, &mut sum);
        sum.iter_mut().for_each(|v| *v -= 1.5);
        close(&sum, &want, 1e-5);
        let mut out = vec![0.0; m * n];
        linear(&x, &packed, &mut out, Activation::Relu);
        want.iter_mut().for_each(|v| *v = v.max(0.0));
        close(&out, &want, 1e-5);
    }
}

#[test]
fn scratch_packs_both_ways() {
    let (n, k) = (21, 10);
    let rows = noise(n * k, 9);
    let a = noise(3 * k, 10);
    let mut scratch = Scratch::default();
    let mut out = vec![0.0; 3 * n];
    gemm(
        &a,
        k,
        3,
        scratch.pack_transposed(&rows, k, n, k),
        &mut out,
        n,
        false,
    );
    close(&out, &naive(&a, k, 3, &rows, n, k), 1e-5);
    let a = noise(2 * n, 11);
    let mut out = vec![0.0; 2 * k];
    gemm(&a, n, 2, scratch.pack(&rows, k, n, k), &mut out, k, false);
    let transposed: Vec<f32> = (0..k)
        .flat_map(|c| (0..n).map(move |r| (r, c)))
        .map(|(r, c)| rows[r * k + c])
        .collect();
    close(&out, &naive(&a, n, 2, &transposed, k, n), 1e-5);
}

#[test]
fn a_packed_matrix_can_be_turned() {
    for (n, k) in [(1, 1), (16, 3), (17, 40), (50, 33)] {
        let weight = noise(n * k, 3);
        let turned = Packed::from_linear(&weight, Some(&noise(n, 4)), n, k).transposed();
        assert_eq!((turned.k(), turned.n()), (n, k));
        let rows = noise(5 * n, 5);
        let mut got = vec![f32::NAN; 5 * k];
        gemm(&rows, n, 5, turned.view(), &mut got, k, false);
        let mut want = vec![0.0; 5 * k];
        let matrix = Packed::from_matrix(&weight, n, k);
        gemm(&rows, n, 5, matrix.view(), &mut want, k, false);
        assert_eq!(got, want);
    }
}
