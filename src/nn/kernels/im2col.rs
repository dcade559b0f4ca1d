//! Gathering 3×3 neighbourhoods, so that a dense convolution is a product.

/// The neighbourhoods of one output row. `rows` are the three input rows, each
/// beginning with the column left of the first centre (already padded);
/// `out` gets (pixels, 9, channels): tap by tap, channels last.
///
/// # Panics
/// If a row is too short for the pixels that `out` has room for.
pub fn im2col3x3_row(rows: [&[f32]; 3], channels: usize, stride: usize, out: &mut [f32]) {
    let span = 3 * channels;
    for (x, pixel) in out.chunks_exact_mut(3 * span).enumerate() {
        let at = x * stride * channels;
        for (taps, row) in pixel.chunks_exact_mut(span).zip(rows) {
            taps.copy_from_slice(&row[at..at + span]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_are_in_reading_order() {
        let rows: Vec<Vec<f32>> = (0..3)
            .map(|y| (0..10).map(|i| (y * 100 + i) as f32).collect())
            .collect();
        let mut out = vec![0.0; 2 * 18];
        im2col3x3_row([&rows[0], &rows[1], &rows[2]], 2, 2, &mut out);
        assert_eq!(&out[..6], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(&out[12..18], &[200.0, 201.0, 202.0, 203.0, 204.0, 205.0]);
        assert_eq!(&out[18..24], &[4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    }
}
