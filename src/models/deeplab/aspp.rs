//! Atrous spatial pyramid pooling that can be trained.

use super::layers::{Conv, Point, Separable};
use super::source::Part;
use crate::models::ModelError;
use candle_core::Tensor;

/// DeepLabV3's pyramid (Chen et al. 2017, arXiv 1706.05587): the deep map
/// point by point, with three dilated 3×3 convolutions, and as a whole.
///
/// On a map that is smaller than twice the largest rate, the rates shrink along
/// with it: else only the middle of each 3×3 would see anything but padding.
pub(super) struct Aspp {
    point: Point,
    dilated: Vec<(Dilated, usize)>,
    pooled: Point,
    project: Point,
}

/// A 3×3 convolution, whole or depthwise-separable.
enum Dilated {
    Whole(Conv),
    Separable(Separable),
}

impl Aspp {
    /// `separable` as in DeepLabV3+, which is cheaper for wide maps.
    pub fn new(
        part: &Part<'_>,
        (from, to): (usize, usize),
        rates: &[usize],
        separable: bool,
    ) -> Result<Self, ModelError> {
        let dilated = rates.iter().enumerate().map(|(i, rate)| {
            let part = part.part(format_args!("dilated.{i}"));
            let conv = match separable {
                true => Dilated::Separable(Separable::new(&part, from, to)?),
                false => Dilated::Whole(Conv::new(&part, from, to)?),
            };
            Ok((conv, *rate))
        });
        Ok(Self {
            point: Point::new(&part.part("point"), from, to)?,
            dilated: dilated.collect::<Result<_, ModelError>>()?,
            pooled: Point::new(&part.part("pooled"), from, to)?,
            project: Point::new(&part.part("project"), (2 + rates.len()) * to, to)?,
        })
    }

    /// (photos, rows, columns, from) to (photos, rows, columns, to).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (photos, rows, columns, _) = x.dims4()?;
        let largest = self.dilated.iter().map(|(_, rate)| *rate).max();
        let mut branches = vec![self.point.forward(x)?];
        for (conv, rate) in &self.dilated {
            let rate = fitted(*rate, largest.unwrap_or(1), rows.min(columns));
            branches.push(match conv {
                Dilated::Whole(conv) => conv.forward(x, 1, rate)?,
                Dilated::Separable(conv) => conv.forward(x, rate)?,
            });
        }
        let pooled = self.pooled.forward(&x.mean((1, 2))?)?;
        let (_, channels) = pooled.dims2()?;
        let pooled = pooled.reshape((photos, 1, 1, channels))?;
        branches.push(pooled.broadcast_as((photos, rows, columns, channels))?);
        self.project.forward(&Tensor::cat(&branches, 3)?)
    }
}

/// A rate on a map whose shorter side is `side`.
fn fitted(rate: usize, largest: usize, side: usize) -> usize {
    match side < 2 * largest {
        true => (rate * side / (2 * largest)).max(1),
        false => rate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_shrink_with_the_map() {
        assert_eq!([6, 12, 18].map(|rate| fitted(rate, 18, 64)), [6, 12, 18]);
        assert_eq!([6, 12, 18].map(|rate| fitted(rate, 18, 36)), [6, 12, 18]);
        assert_eq!([6, 12, 18].map(|rate| fitted(rate, 18, 18)), [3, 6, 9]);
        assert_eq!([6, 12, 18].map(|rate| fitted(rate, 18, 1)), [1, 1, 1]);
    }
}
