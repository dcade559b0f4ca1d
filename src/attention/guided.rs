//! The guided filter of He, Sun & Tang 2013 ("Guided Image Filtering"), with a
//! colour guide, on a coarser grid as in He & Sun 2015 ("Fast Guided Filter").
//!
//! In every window, a map is explained as a linear function of the guide's
//! colour; the coefficients, averaged over the windows, give a map whose edges
//! are the guide's.

use rayon::prelude::*;

/// How much colours must vary for an edge to count, as a variance of colours
/// from 0 to 1: about 2 % of the range, so that noise is none.
const EPSILON: f32 = 4e-4;
/// Rows of a band that is summed at a time.
const BAND: usize = 32;

/// Coefficients of one pixel: what red, green and blue are multiplied by, and
/// what is added.
pub type Linear = [f32; 4];

/// For each pixel of `guide` (width, height; colours from 0 to 1), the linear
/// function of its colour that explains `map` best in the windows of that
/// `radius` around it.
pub fn coefficients(
    guide: &[[f32; 3]],
    map: &[f32],
    size: (usize, usize),
    radius: usize,
) -> Vec<Linear> {
    let pixels = guide.par_iter().zip(map);
    let moments: Vec<Moments> = pixels
        .map(|(color, value)| moments(*color, *value))
        .collect();
    let means = box_mean(&moments, size, radius);
    let fitted: Vec<Linear> = means.par_iter().map(fit).collect();
    box_mean(&fitted, size, radius)
}

/// Colour, value, products of colour and value, products of colours (red·red,
/// red·green, red·blue, green·green, green·blue, blue·blue).
type Moments = [f32; 13];

fn moments([r, g, b]: [f32; 3], value: f32) -> Moments {
    [
        r,
        g,
        b,
        value,
        r * value,
        g * value,
        b * value,
        r * r,
        r * g,
        r * b,
        g * g,
        g * b,
        b * b,
    ]
}

/// The least-squares fit with ridge [`EPSILON`] from the means of a window:
/// equations 19 and 20 of the paper, with the inverse of the covariance matrix
/// written out.
fn fit(mean: &Moments) -> Linear {
    let [r, g, b, value, rv, gv, bv, products @ ..] = *mean;
    let with_value = [rv - r * value, gv - g * value, bv - b * value];
    let [rr, rg, rb, gg, gb, bb] = products;
    let (rg, rb, gb) = (rg - r * g, rb - r * b, gb - g * b);
    let rr = (rr - r * r).max(0.0) + EPSILON;
    let gg = (gg - g * g).max(0.0) + EPSILON;
    let bb = (bb - b * b).max(0.0) + EPSILON;
    // The matrix is symmetric, and so is its adjugate.
    let adjugate = [
        [gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb],
        [gb * rb - rg * bb, rr * bb - rb * rb, rg * rb - rr * gb],
        [rg * gb - gg * rb, rg * rb - rr * gb, rr * gg - rg * rg],
    ];
    let dot = |a: [f32; 3], b: [f32; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    // Never below the cube of the ridge but for rounding.
    let determinant = dot([rr, rg, rb], adjugate[0]).max(EPSILON * EPSILON * EPSILON);
    let slope = adjugate.map(|row| dot(row, with_value) / determinant);
    let offset = value - dot(slope, [r, g, b]);
    [slope[0], slope[1], slope[2], offset]
}

/// The mean of the pixels within `radius` along both axes, as far as they are
/// inside: by running sums, so that the radius costs nothing.
fn box_mean<const N: usize>(
    pixels: &[[f32; N]],
    (width, height): (usize, usize),
    radius: usize,
) -> Vec<[f32; N]> {
    let mut out = vec![[0.0; N]; pixels.len()];
    let bands = out.par_chunks_mut((width * BAND).max(1)).enumerate();
    bands.for_each(|(band, out)| {
        let first = band * BAND;
        // The sums of each column over the rows of the window.
        let mut sums = vec![[0.0; N]; width];
        let row = |y: usize| &pixels[y * width..][..width];
        let window = |y: usize| y.saturating_sub(radius)..(y + radius + 1).min(height);
        for y in window(first) {
            combine(&mut sums, row(y), 1.0);
        }
        for (y, out) in (first..).zip(out.chunks_exact_mut(width)) {
            if y > first {
                if y + radius < height {
                    combine(&mut sums, row(y + radius), 1.0);
                }
                if y > radius {
                    combine(&mut sums, row(y - radius - 1), -1.0);
                }
            }
            row_means(&sums, radius, window(y).len(), out);
        }
    });
    out
}

/// The means of a row from the sums of its columns over `rows` rows.
fn row_means<const N: usize>(sums: &[[f32; N]], radius: usize, rows: usize, out: &mut [[f32; N]]) {
    let width = sums.len();
    let mut sum = [0.0; N];
    for column in &sums[..radius.min(width)] {
        add(&mut sum, column, 1.0);
    }
    for (x, out) in out.iter_mut().enumerate() {
        if let Some(column) = sums.get(x + radius) {
            add(&mut sum, column, 1.0);
        }
        if x > radius {
            add(&mut sum, &sums[x - radius - 1], -1.0);
        }
        let columns = (x + radius + 1).min(width) - x.saturating_sub(radius);
        let share = 1.0 / (columns * rows) as f32;
        *out = sum.map(|value| value * share);
    }
}

fn combine<const N: usize>(sums: &mut [[f32; N]], row: &[[f32; N]], sign: f32) {
    sums.iter_mut()
        .zip(row)
        .for_each(|(sum, pixel)| add(sum, pixel, sign));
}

fn add<const N: usize>(sum: &mut [f32; N], values: &[f32; N], sign: f32) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += sign * value;
    }
}

#[cfg(test)]
mod tests;
