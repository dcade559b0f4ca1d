//! Atrous spatial pyramid pooling.

use super::conv2d::{Map, rows_per_task};
use super::kernels::{Activation, Packed, gemm};
use super::rows::mean_row;
use super::values::{Values, map_size};
use super::{Conv2d, FoldedConv, Linear, Reach};
use candle_core::{Result, Tensor};
use rayon::prelude::*;

/// DeepLabV3's atrous spatial pyramid pooling (Chen et al. 2017, figure 5):
/// the same map seen at several scales, side by side.
///
/// ```text
/// x ─┬─ 1×1 ───────────────────┐
///    ├─ 3×3, dilated rate 1 ───┤
///    ├─ …                      ├─ concatenate ── 1×1 ──
///    ├─ 3×3, dilated rate n ───┤
///    └─ mean ── 1×1 ── spread ─┘
/// ```
///
/// Batch normalisation is folded in and ReLU follows each convolution. The
/// spread mean is the same everywhere, so what the last convolution makes of
/// it is computed once and added like a bias; the concatenated map exists a
/// few rows at a time.
#[derive(Clone, Debug)]
pub struct Aspp {
    /// The 1×1 convolution and the dilated ones.
    branches: Vec<Conv2d>,
    pooled: Linear,
    /// Of the branches to the output, without bias.
    project: Packed,
    /// Of the spread mean to the output, with the bias.
    project_pooled: Linear,
}

impl Aspp {
    /// Any number of `dilated` convolutions with their rates. `project` takes
    /// the branches in the order of the arguments.
    ///
    /// # Panics
    /// If the channels do not fit.
    pub fn new(
        point: &FoldedConv,
        dilated: &[(FoldedConv, usize)],
        pooled: &FoldedConv,
        project: &FoldedConv,
    ) -> Self {
        let act = Activation::None; // applied to all branches together
        let mut branches = vec![Conv2d::new(point, Reach::centred(1, 1, 1), act)];
        branches.extend(
            dilated
                .iter()
                .map(|(conv, rate)| Conv2d::new(conv, Reach::centred(3, 1, *rate), act)),
        );
        let same = |branch: &Conv2d| branch.inputs() == point.inputs;
        assert!(branches.iter().all(same) && pooled.inputs == point.inputs);
        let width: usize = branches.iter().map(Conv2d::outputs).sum();
        assert_eq!(width + pooled.outputs, project.inputs, "branches");
        let columns = |from: usize, count: usize| -> Vec<f32> {
            let rows = project.weight.chunks_exact(project.inputs);
            rows.flat_map(|row| &row[from..from + count])
                .copied()
                .collect()
        };
        let (weights, n) = (columns(0, width), project.outputs);
        let pooled_weights = columns(width, pooled.outputs);
        Self {
            branches,
            pooled: Linear::from(pooled),
            project: Packed::from_linear(&weights, None, n, width),
            project_pooled: Linear::new(
                &pooled_weights,
                project.bias.as_deref(),
                n,
                pooled.outputs,
            ),
        }
    }

    /// Input channels.
    pub fn inputs(&self) -> usize {
        self.pooled.inputs()
    }

    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.project.n()
    }

    /// (rows, columns, in) to (rows, columns, out).
    ///
    /// # Errors
    /// If the channels differ or the tensor is not plain f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (rows, columns) = map_size(x, self.inputs())?;
        let values = Values::of(x)?;
        let everywhere = self.pooled_part(&values);
        let map = Map {
            values: &values,
            rows,
            columns,
        };
        let n = self.outputs();
        let mut out = vec![0.0; rows * columns * n];
        let band = rows_per_task(rows, columns);
        out.par_chunks_mut(band * columns * n)
            .enumerate()
            .for_each_init(Default::default, |buffers, (i, out)| {
                for pixel in out.chunks_exact_mut(n) {
                    pixel.copy_from_slice(&everywhere);
                }
                self.add_branches(map, i * band, out, buffers);
                Activation::Relu.apply(out);
            });
        Tensor::from_vec(out, (rows, columns, n), x.device())
    }

    /// What the mean of the map contributes to each pixel, with the bias.
    fn pooled_part(&self, map: &[f32]) -> Vec<f32> {
        let mut pooled = self.pooled.apply(&mean_row(map, self.inputs()));
        Activation::Relu.apply(&mut pooled);
        self.project_pooled.apply(&pooled)
    }

    /// Add what the branches contribute to the rows from `first` on.
    fn add_branches(
        &self,
        map: Map<'_>,
        first: usize,
        out: &mut [f32],
        [side_by_side, gathered]: &mut [Vec<f32>; 2],
    ) {
        let (width, n) = (self.project.k(), self.outputs());
        let count = out.len() / n;
        side_by_side.resize(count * width, 0.0);
        let mut from = 0;
        for branch in &self.branches {
            let columns = (&mut side_by_side[from..], width);
            branch.rows(map, first, map.columns, columns, gathered);
            from += branch.outputs();
        }
        Activation::Relu.apply(side_by_side);
        gemm(
            side_by_side,
            width,
            count,
            self.project.view(),
            out,
            n,
            true,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};
    use candle_core::Device;

    fn conv(outputs: usize, inputs: usize, area: usize, seed: u64) -> FoldedConv {
        FoldedConv {
            weight: noise(outputs * inputs * area, seed),
            bias: Some(noise(outputs, seed + 1)),
            outputs,
            inputs,
        }
    }

    #[test]
    fn it_is_its_branches_side_by_side() {
        agrees((17, 23));
        // Narrower than the largest rate: its outer columns see nothing.
        agrees((40, 7));
    }

    fn agrees((rows, columns): (usize, usize)) {
        let (c, n) = (5, 4);
        let point = conv(n, c, 1, 1);
        let dilated = [(conv(n, c, 9, 3), 2), (conv(n, c, 9, 5), 18)];
        let (pooled, project) = (conv(3, c, 1, 7), conv(6, 3 * n + 3, 1, 9));
        let x = noise(rows * columns * c, 11);
        let map = Tensor::from_vec(x.clone(), (rows, columns, c), &Device::Cpu).unwrap();
        let mut branches = vec![Conv2d::new(
            &point,
            Reach::centred(1, 1, 1),
            Activation::Relu,
        )];
        for (conv, rate) in &dilated {
            branches.push(Conv2d::new(
                conv,
                Reach::centred(3, 1, *rate),
                Activation::Relu,
            ));
        }
        let mut parts: Vec<Tensor> = branches.iter().map(|b| b.forward(&map).unwrap()).collect();
        let mut mean = Linear::from(&pooled).apply(&mean_row(&x, c));
        Activation::Relu.apply(&mut mean);
        let mean = Tensor::from_vec(mean, (1, 1, 3), &Device::Cpu).unwrap();
        parts.push(mean.broadcast_as((rows, columns, 3)).unwrap());
        let cat = Tensor::cat(&parts, 2).unwrap().contiguous().unwrap();
        let want = Linear::from(&project)
            .forward(&cat)
            .unwrap()
            .relu()
            .unwrap();
        let aspp = Aspp::new(&point, &dilated, &pooled, &project);
        let got = aspp.forward(&map).unwrap();
        let flat = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        close(&flat(got), &flat(want), 1e-5);
        assert!(
            aspp.forward(&map.narrow(2, 0, 4).unwrap().contiguous().unwrap())
                .is_err()
        );
    }
}
