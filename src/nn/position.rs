//! Positions as random Fourier features, as in SAM's prompt encoder.

/// Sines and cosines of random projections of a position.
#[derive(Clone, Debug)]
pub struct RandomFourier {
    /// (2, features).
    matrix: Vec<f32>,
}

impl RandomFourier {
    /// From a checkpoint's matrix (2, features).
    ///
    /// # Panics
    /// If the length is odd or zero.
    pub fn new(matrix: Vec<f32>) -> Self {
        assert!(
            !matrix.is_empty() && matrix.len().is_multiple_of(2),
            "matrix of positions"
        );
        Self { matrix }
    }

    /// Width of an encoded position.
    pub fn width(&self) -> usize {
        self.matrix.len()
    }

    /// Encode (x, y), each 0..1 inside the frame: sines, then cosines.
    pub fn encode(&self, x: f32, y: f32) -> Vec<f32> {
        let (x, y) = (2.0 * x - 1.0, 2.0 * y - 1.0);
        self.features(|a, b| x * a + y * b)
    }

    /// Encode the centres of the cells of a grid: (rows · columns, width).
    pub fn grid(&self, rows: usize, columns: usize) -> Vec<f32> {
        let centre = |i: usize, n: usize| 2.0 * ((i as f32 + 0.5) / n as f32) - 1.0;
        (0..rows)
            .flat_map(|y| (0..columns).map(move |x| (x, y)))
            .flat_map(|(x, y)| {
                let (x, y) = (centre(x, columns), centre(y, rows));
                self.features(|a, b| y.mul_add(b, x * a))
            })
            .collect()
    }

    /// Projections to features. Angles may reach thousands, so that a rounding
    /// shows: the sums above round as PyTorch's do, for few and for many rows.
    fn features(&self, project: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        let (row_x, row_y) = self.matrix.split_at(self.matrix.len() / 2);
        let angles: Vec<f32> = row_x
            .iter()
            .zip(row_y)
            .map(|(a, b)| project(*a, *b) * (2.0 * std::f32::consts::PI))
            .collect();
        let sines = angles.iter().map(|a| a.sin());
        sines.chain(angles.iter().map(|a| a.cos())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::close;

    #[test]
    fn known_angles() {
        let encoder = RandomFourier::new(vec![1.0, 0.0, 0.0, 0.5]);
        // x = 1 gives 1·2π, y = 0.75 gives 0.5·0.5·2π.
        close(&encoder.encode(1.0, 0.75), &[0.0, 1.0, 1.0, 0.0], 1e-5);
        let grid = encoder.grid(2, 3);
        assert_eq!(grid.len(), 2 * 3 * 4);
        assert_eq!(grid[4 * 4..5 * 4], encoder.encode(0.5, 0.75));
    }
}
