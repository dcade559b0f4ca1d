//! Rows of tokens or pixels, summed up.

use super::values::Values;
use candle_core::{Result, Tensor};

/// Length (L2) of each row of `x` (…, width).
///
/// # Errors
/// If the tensor is not plain f32.
pub fn row_lengths(x: &Tensor) -> Result<Vec<f32>> {
    let width = x.dims().last().copied().unwrap_or(1);
    let length = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>().sqrt();
    let values = Values::of(x)?;
    Ok(values.chunks_exact(width.max(1)).map(length).collect())
}

/// The mean of `rows` of `width` values; not a number if there are none.
pub fn mean_row(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0f64; width];
    for row in rows.chunks_exact(width) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    let count = (rows.len() / width) as f64;
    sums.iter().map(|sum| (sum / count) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn means_and_lengths() {
        let rows = vec![3f32, 4.0, 0.0, 0.0, 6.0, 8.0];
        assert_eq!(mean_row(&rows, 2), [3.0, 4.0]);
        let rows = Tensor::from_vec(rows, (1, 3, 2), &Device::Cpu).unwrap();
        assert_eq!(row_lengths(&rows).unwrap(), [5.0, 0.0, 10.0]);
    }
}
