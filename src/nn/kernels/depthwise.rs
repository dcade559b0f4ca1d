//! Depthwise 3×3 convolution: every channel has a filter of its own.

use super::dispatch;
use rayon::prelude::*;

#[inline(always)]
fn row_body<const FMA: bool>(
    rows: [&[f32]; 3],
    weight: &[f32],
    bias: &[f32],
    stride: usize,
    out: &mut [f32],
) {
    let c = bias.len();
    let w: [&[f32]; 9] = std::array::from_fn(|tap| &weight[tap * c..][..c]);
    for (x, out) in out.chunks_exact_mut(c).enumerate() {
        let at = x * stride * c;
        let v: [&[f32]; 9] = std::array::from_fn(|tap| &rows[tap / 3][at + tap % 3 * c..][..c]);
        let (bias, out) = (&bias[..c], &mut out[..c]);
        for i in 0..c {
            let mut sum = bias[i];
            for tap in 0..9 {
                sum = super::fma::<FMA>(v[tap][i], w[tap][i], sum);
            }
            out[i] = sum;
        }
    }
}

dispatch! {
    /// One output row. `rows` are the three input rows, each beginning with
    /// the column left of the first tap's centre (so already padded: output
    /// pixel x reads input pixels x·stride .. x·stride + 3); `weight` is
    /// (9, channels) tap by tap, `bias` (channels), `out` (pixels, channels).
    ///
    /// # Panics
    /// If a row is too short.
    pub fn depthwise3x3_row(
        rows: [&[f32]; 3],
        weight: &[f32],
        bias: &[f32],
        stride: usize,
        out: &mut [f32],
    ) => row_body
}

/// Sum the taps that lie inside the map into one pixel.
#[inline(always)]
fn pixel_body<const FMA: bool>(
    taps: impl Iterator<Item = (usize, usize, usize)>,
    rows: [&[f32]; 3],
    weight: &[f32],
    bias: &[f32],
    out: &mut [f32],
) {
    let c = bias.len();
    out.copy_from_slice(bias);
    for (tap, row, x) in taps {
        let (values, weight) = (&rows[row][x * c..][..c], &weight[tap * c..][..c]);
        for ((out, value), weight) in out.iter_mut().zip(values).zip(weight) {
            *out = super::fma::<FMA>(*value, *weight, *out);
        }
    }
}

/// Channels whose sums stay in registers: four wide ones.
const BLOCK: usize = 32;

#[inline(always)]
fn inner_body<const FMA: bool, const N: usize>(
    rows: [&[f32]; 3],
    columns: [usize; 3],
    weight: &[f32],
    bias: &[f32],
    from: usize,
    out: &mut [f32],
) {
    let c = bias.len();
    let mut sums = [0.0; N];
    sums.copy_from_slice(&bias[from..from + N]);
    for tap in 0..9 {
        let values = &rows[tap / 3][columns[tap % 3] * c + from..][..N];
        let weight = &weight[tap * c + from..][..N];
        for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weight) {
            *sum = super::fma::<FMA>(*value, *weight, *sum);
        }
    }
    out[from..from + N].copy_from_slice(&sums);
}

#[inline(always)]
fn dilated_body<const FMA: bool>(
    rows: [&[f32]; 3],
    weight: &[f32],
    bias: &[f32],
    stride: usize,
    dilation: usize,
    out: &mut [f32],
) {
    let c = bias.len();
    let width = rows.iter().map(|row| row.len()).max().unwrap_or(0) / c;
    let whole = rows.iter().all(|row| !row.is_empty());
    for (x, out) in out.chunks_exact_mut(c).enumerate() {
        // Columns are counted from `dilation` left of the map, so that they
        // are never negative.
        let column = |tap: usize| x * stride + tap * dilation;
        if whole && column(0) >= dilation && column(2) < width + dilation {
            let columns = [0, 1, 2].map(|tap| column(tap) - dilation);
            let mut from = 0;
            while from + BLOCK <= c {
                inner_body::<FMA, BLOCK>(rows, columns, weight, bias, from, out);
                from += BLOCK;
            }
            while from + 8 <= c {
                inner_body::<FMA, 8>(rows, columns, weight, bias, from, out);
                from += 8;
            }
            while from < c {
                inner_body::<FMA, 1>(rows, columns, weight, bias, from, out);
                from += 1;
            }
        } else {
            let inside = |tap: usize| {
                let column = column(tap % 3).checked_sub(dilation)?;
                let there = !rows[tap / 3].is_empty() && column < width;
                there.then_some((tap, tap / 3, column))
            };
            pixel_body::<FMA>((0..9).filter_map(inside), rows, weight, bias, out);
        }
    }
}

dispatch! {
    /// One output row with any stride and dilation, padded by the dilation.
    /// `rows` are the input rows (pixels, channels) of the three rows of taps,
    /// empty where they lie outside of the map; output pixel x reads input
    /// pixels x·stride + {-1, 0, 1}·dilation, zeros outside. `weight` is
    /// (9, channels) tap by tap, `bias` (channels), `out` (pixels, channels).
    ///
    /// # Panics
    /// If rows differ in length, or `weight` does not fit `bias`.
    pub fn depthwise_row(
        rows: [&[f32]; 3],
        weight: &[f32],
        bias: &[f32],
        stride: usize,
        dilation: usize,
        out: &mut [f32],
    ) => dilated_body
}

/// A whole map on every core, stride 1: `x` and the result are (height, width,
/// channels); zeros are assumed outside.
///
/// # Panics
/// If a slice's length does not fit.
pub fn depthwise3x3(x: &[f32], width: usize, weight: &[f32], bias: &[f32], out: &mut [f32]) {
    let pitch = width * bias.len();
    assert!(
        pitch > 0 && x.len() == out.len() && x.len().is_multiple_of(pitch),
        "depthwise map"
    );
    let height = x.len() / pitch;
    let c = bias.len();
    out.par_chunks_mut(pitch).enumerate().for_each_init(
        || vec![0.0; 3 * (pitch + 2 * c)],
        |padded, (y, out)| {
            for (i, row) in padded.chunks_exact_mut(pitch + 2 * c).enumerate() {
                let inner = &mut row[c..c + pitch];
                match (y + i).checked_sub(1).filter(|y| *y < height) {
                    Some(y) => inner.copy_from_slice(&x[y * pitch..][..pitch]),
                    None => inner.fill(0.0),
                }
            }
            let (first, rest) = padded.split_at(pitch + 2 * c);
            let (second, third) = rest.split_at(pitch + 2 * c);
            depthwise3x3_row([first, second, third], weight, bias, 1, out);
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};

    fn naive(
        x: &[f32],
        (h, w, c): (usize, usize, usize),
        weight: &[f32],
        bias: &[f32],
    ) -> Vec<f32> {
        let mut out = Vec::new();
        for y in 0..h as isize {
            for x0 in 0..w as isize {
                for ch in 0..c {
                    let mut sum = bias[ch];
                    for tap in 0..9 {
                        let (yy, xx) = (y + tap / 3 - 1, x0 + tap % 3 - 1);
                        if yy >= 0 && xx >= 0 && yy < h as isize && xx < w as isize {
                            sum += x[(yy as usize * w + xx as usize) * c + ch]
                                * weight[tap as usize * c + ch];
                        }
                    }
                    out.push(sum);
                }
            }
        }
        out
    }

    #[test]
    fn a_map_matches_the_definition() {
        for (h, w, c) in [(1, 1, 1), (5, 7, 19), (4, 3, 32)] {
            let (x, weight, bias) = (noise(h * w * c, 1), noise(9 * c, 2), noise(c, 3));
            let mut out = vec![0.0; h * w * c];
            depthwise3x3(&x, w, &weight, &bias, &mut out);
            close(&out, &naive(&x, (h, w, c), &weight, &bias), 1e-5);
        }
    }

    #[test]
    fn any_stride_and_dilation_match_the_definition() {
        for (h, w, c, stride, dilation) in [
            (1, 1, 1, 1, 1),
            (5, 7, 43, 1, 1),
            (6, 9, 8, 2, 1),
            (7, 5, 3, 1, 2),
            (4, 3, 33, 1, 4),
            (9, 8, 5, 2, 2),
        ] {
            let (x, weight, bias) = (noise(h * w * c, 1), noise(9 * c, 2), noise(c, 3));
            let columns = (w - 1) / stride + 1;
            for y in 0..(h - 1) / stride + 1 {
                let at = |tap: usize, i: usize, side: usize| {
                    (i * stride + tap * dilation)
                        .checked_sub(dilation)
                        .filter(|i| *i < side)
                };
                let rows = [0, 1, 2].map(|tap| match at(tap, y, h) {
                    Some(y) => &x[y * w * c..][..w * c],
                    None => &[],
                });
                let (mut chosen, mut portable) = (vec![0.0; columns * c], vec![0.0; columns * c]);
                depthwise_row(rows, &weight, &bias, stride, dilation, &mut chosen);
                dilated_body::<false>(rows, &weight, &bias, stride, dilation, &mut portable);
                let want: Vec<f32> = (0..columns * c)
                    .map(|i| {
                        let tap = |tap: usize| {
                            let x = rows[tap / 3].get(at(tap % 3, i / c, w)? * c + i % c)?;
                            Some(x * weight[tap * c + i % c])
                        };
                        bias[i % c] + (0..9).filter_map(tap).sum::<f32>()
                    })
                    .collect();
                close(&chosen, &want, 1e-5);
                close(&portable, &want, 1e-5);
            }
        }
    }

    #[test]
    fn the_portable_row_agrees_with_stride_two() {
        let (c, pixels) = (13, 4);
        let rows: Vec<Vec<f32>> = (0..3).map(|i| noise((2 * pixels + 1) * c, i)).collect();
        let rows = [rows[0].as_slice(), &rows[1], &rows[2]];
        let (weight, bias) = (noise(9 * c, 4), noise(c, 5));
        let (mut chosen, mut portable) = (vec![0.0; pixels * c], vec![0.0; pixels * c]);
        depthwise3x3_row(rows, &weight, &bias, 2, &mut chosen);
        row_body::<false>(rows, &weight, &bias, 2, &mut portable);
        close(&chosen, &portable, 1e-5);
        let by_hand: f32 = bias[2]
            + (0..9)
                .map(|t| rows[t / 3][(2 + t % 3) * c + 2] * weight[t * c + 2])
                .sum::<f32>();
        assert!((chosen[c + 2] - by_hand).abs() < 1e-5);
    }
}
