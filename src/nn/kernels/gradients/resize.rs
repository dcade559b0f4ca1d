//! Bilinear resizing of maps and its gradient.

use crate::nn::kernels::{Axis, add_resized_row, dispatch, fma, interpolate};
use rayon::prelude::*;

/// A resizing of (samples, rows, columns, channels).
#[derive(Clone, Debug)]
pub struct Resize {
    /// Where the rows come from.
    pub rows: Axis,
    /// Where the columns come from.
    pub columns: Axis,
    /// Channels.
    pub channels: usize,
}

/// Resize `x` to `out`.
///
/// # Panics
/// If a length does not fit.
pub fn resize(x: &[f32], to: &Resize, out: &mut [f32]) {
    let pitch = to.columns.source * to.channels;
    let rows = to.rows.index.len();
    out.par_chunks_mut(to.columns.index.len() * to.channels)
        .enumerate()
        .for_each_init(
            || vec![0.0; pitch],
            |line, (row, out)| {
                let x = &x[row / rows * to.rows.source * pitch..];
                let (above, below, share) = to.rows.at(row % rows);
                let (above, below) = (&x[above * pitch..][..pitch], &x[below * pitch..][..pitch]);
                interpolate(above, below, share, line);
                out.fill(0.0);
                add_resized_row(line, &to.columns, to.channels, out);
            },
        );
}

/// The gradient of a resizing's argument from that of its result.
///
/// # Panics
/// If a length does not fit.
pub fn resize_gradient(gradient: &[f32], to: &Resize, out: &mut [f32]) {
    let pitch = to.columns.index.len() * to.channels;
    let users = users(&to.rows);
    out.par_chunks_mut(to.columns.source * to.channels)
        .enumerate()
        .for_each_init(
            || vec![0.0; pitch],
            |line, (row, out)| {
                let sample = row / to.rows.source * to.rows.index.len();
                line.fill(0.0);
                for (user, share) in &users[row % to.rows.source] {
                    let user = &gradient[(sample + user) * pitch..][..pitch];
                    add_share(user, *share, line);
                }
                out.fill(0.0);
                spread_row(line, &to.columns, to.channels, out);
            },
        );
}

/// For each sample of the source, which samples use it and with what share.
fn users(axis: &Axis) -> Vec<Vec<(usize, f32)>> {
    let mut users = vec![Vec::new(); axis.source];
    for i in 0..axis.index.len() {
        let (lower, upper, share) = axis.at(i);
        users[lower].push((i, 1.0 - share));
        users[upper].push((i, share));
    }
    users
}

#[inline(always)]
fn share_body<const FMA: bool>(values: &[f32], share: f32, out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = fma::<FMA>(share, *value, *out);
    }
}

#[inline(always)]
fn spread_body<const FMA: bool>(line: &[f32], columns: &Axis, channels: usize, out: &mut [f32]) {
    for (x, values) in line.chunks_exact(channels).enumerate() {
        let (left, right, share) = columns.at(x);
        share_body::<FMA>(values, 1.0 - share, &mut out[left * channels..][..channels]);
        share_body::<FMA>(values, share, &mut out[right * channels..][..channels]);
    }
}

dispatch! {
    /// Adds `share` times `values` to `out`.
    fn add_share(values: &[f32], share: f32, out: &mut [f32]) => share_body
}

dispatch! {
    /// Adds a resized row's values to the pixels that they came from.
    fn spread_row(line: &[f32], columns: &Axis, channels: usize, out: &mut [f32]) => spread_body
}
