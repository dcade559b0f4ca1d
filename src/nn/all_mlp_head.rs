//! SegFormer's decode head.

use super::kernels::{Activation, Axis, Packed, add_resized_row, gemm, interpolate};
use super::values::{Values, map_size};
use super::{FoldedConv, Linear};
use candle_core::{Device, Result, Tensor, bail};
use rayon::prelude::*;

/// Pixels that a task should have at least.
const PIXELS: usize = 64;

/// The weights of one stage's linear layer in a checkpoint: (width, channels)
/// and (width).
#[derive(Clone, Debug)]
pub struct StageLinear {
    /// (width, channels) row-major.
    pub weight: Vec<f32>,
    /// (width).
    pub bias: Vec<f32>,
}

/// The all-MLP decoder (Xie et al. 2021, equation 4): each stage's map gets a
/// linear layer to a common width and is resized to the first stage's size;
/// they are concatenated, last stage first, and a linear layer with batch
/// normalisation and ReLU fuses them; another one gives the classes' scores.
///
/// ```text
/// stage 1 ── linear ─────────────┐
/// stage 2 ── linear ── resize ───┤
///  …                             ├─ concatenate ── fuse ── ReLU ── classify
/// stage n ── linear ── resize ───┘
/// ```
///
/// Resizing is linear and leaves constants alone, so it may as well come after
/// the fusion. Then a stage's linear layer and its part of the fusion are one
/// matrix, applied at the stage's own size: the same result for a tenth of the
/// arithmetic. The fused map exists a few rows at a time.
#[derive(Clone, Debug)]
pub struct AllMlpHead {
    /// Of the first stage, with the bias of all.
    first: Packed,
    /// Of the others, without bias.
    others: Vec<Linear>,
    classify: Packed,
}

impl AllMlpHead {
    /// From each stage's linear layer, first stage first, the fusion (1×1,
    /// batch normalisation folded in) and the classifier (1×1).
    ///
    /// # Panics
    /// If there is no stage or the widths do not fit.
    pub fn new(stages: &[StageLinear], fuse: &FoldedConv, classify: &FoldedConv) -> Self {
        let width = fuse.outputs;
        assert!(!stages.is_empty(), "a head without stages");
        assert_eq!(fuse.inputs, width * stages.len(), "stages of the fusion");
        assert_eq!(classify.inputs, width, "classifier");
        let mut bias: Vec<f64> = match &fuse.bias {
            Some(bias) => bias.iter().map(|v| f64::from(*v)).collect(),
            None => vec![0.0; width],
        };
        let matrices: Vec<Vec<f32>> = stages
            .iter()
            .enumerate()
            .map(|(stage, linear)| {
                let block = stages.len() - 1 - stage;
                through_fusion(linear, fuse, block, &mut bias)
            })
            .collect();
        let bias: Vec<f32> = bias.iter().map(|v| *v as f32).collect();
        let channels = |matrix: &[f32]| matrix.len() / width;
        let other = |m: &Vec<f32>| Linear::new(m, None, width, channels(m));
        Self {
            first: Packed::from_linear(&matrices[0], Some(&bias), width, channels(&matrices[0])),
            others: matrices[1..].iter().map(other).collect(),
            classify: Packed::from_linear(
                &classify.weight,
                classify.bias.as_deref(),
                classify.outputs,
                width,
            ),
        }
    }

    /// `stages`, (rows, columns, channels) each, the largest first, to scores
    /// (rows, columns, classes) at the size of the first.
    ///
    /// # Errors
    /// If they are not as many as the head has, their channels differ or they
    /// are not plain f32.
    pub fn forward(&self, stages: &[Tensor]) -> Result<Tensor> {
        let [largest, smaller @ ..] = stages else {
            bail!("a decode head was given no maps");
        };
        if smaller.len() != self.others.len() {
            bail!("a decode head was given {} maps", stages.len());
        }
        let (rows, columns) = map_size(largest, self.first.k())?;
        let mut fused = Vec::with_capacity(smaller.len());
        for (linear, map) in self.others.iter().zip(smaller) {
            let (high, wide) = map_size(map, linear.inputs())?;
            let values = linear.forward(map)?;
            fused.push(Resized {
                values,
                rows: Axis::new(high, rows),
                columns: Axis::new(wide, columns),
            });
        }
        self.classify(largest, &fused, (rows, columns))
    }

    fn classify(
        &self,
        largest: &Tensor,
        smaller: &[Resized],
        (rows, columns): (usize, usize),
    ) -> Result<Tensor> {
        let (c, width, classes) = (self.first.k(), self.first.n(), self.classify.n());
        let largest = Values::of(largest)?;
        let smaller = smaller
            .iter()
            .map(|map| Ok((Values::of(&map.values)?, map)))
            .collect::<Result<Vec<_>>>()?;
        let share = rows.div_ceil(4 * rayon::current_num_threads());
        let per_task = share.min(PIXELS.div_ceil(columns));
        let mut out = vec![0.0; rows * columns * classes];
        out.par_chunks_mut(per_task * columns * classes)
            .zip(largest.par_chunks(per_task * columns * c))
            .enumerate()
            .for_each_init(
                || [const { Vec::new() }; 2],
                |[fused, line], (i, (out, x))| {
                    let count = x.len() / c;
                    fused.resize(count * width, 0.0);
                    gemm(x, c, count, self.first.view(), fused, width, false);
                    for (y, fused) in fused.chunks_exact_mut(columns * width).enumerate() {
                        for (values, map) in &smaller {
                            map.add_row(values, i * per_task + y, width, line, fused);
                        }
                    }
                    Activation::Relu.apply(fused);
                    let weights = self.classify.view();
                    gemm(fused, width, count, weights, out, classes, false);
                },
            );
        Tensor::from_vec(out, (rows, columns, classes), &Device::Cpu)
    }
}

/// A map at its own size and how it is resized.
struct Resized {
    values: Tensor,
    rows: Axis,
    columns: Axis,
}

impl Resized {
    /// Add row `y` of the resized map to `out`; `line` is a buffer.
    fn add_row(
        &self,
        values: &[f32],
        y: usize,
        width: usize,
        line: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let pitch = self.columns.source * width;
        let (upper, lower, share) = self.rows.at(y);
        line.resize(pitch, 0.0);
        let row = |y: usize| &values[y * pitch..][..pitch];
        interpolate(row(upper), row(lower), share, line);
        add_resized_row(line, &self.columns, width, out);
    }
}

/// What `linear` followed by block `block` of the columns of `fuse` is as one
/// matrix (width, channels); its bias is added to `bias`. In double precision.
fn through_fusion(
    linear: &StageLinear,
    fuse: &FoldedConv,
    block: usize,
    bias: &mut [f64],
) -> Vec<f32> {
    let width = fuse.outputs;
    let channels = linear.weight.len() / width;
    assert_eq!(linear.bias.len(), width, "bias of a stage");
    assert_eq!(linear.weight.len(), width * channels, "weights of a stage");
    let mut out = vec![0.0; width * channels];
    out.par_chunks_mut(channels)
        .zip(bias)
        .zip(fuse.weight.par_chunks(fuse.inputs))
        .for_each(|((out, bias), fuse)| {
            let mut sums = vec![0f64; channels];
            let rows = linear.weight.chunks_exact(channels).zip(&linear.bias);
            for (factor, (row, shift)) in fuse[block * width..][..width].iter().zip(rows) {
                let factor = f64::from(*factor);
                *bias += factor * f64::from(*shift);
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += factor * f64::from(*value);
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = sum as f32;
            }
        });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{close, noise};
    use crate::nn::{Interpolation, resize_map};

    #[test]
    fn fusing_before_resizing_is_fusing_after() {
        let (width, classes) = (7, 5);
        let sizes = [(13, 17, 3), (7, 9, 4), (2, 3, 6)];
        let stages: Vec<StageLinear> = sizes
            .iter()
            .map(|(_, _, c)| StageLinear {
                weight: noise(width * c, 1 + *c as u64),
                bias: noise(width, 20 + *c as u64),
            })
            .collect();
        let conv = |outputs: usize, inputs: usize, seed| FoldedConv {
            weight: noise(outputs * inputs, seed),
            bias: Some(noise(outputs, seed + 1)),
            outputs,
            inputs,
        };
        let (fuse, classify) = (conv(width, 3 * width, 40), conv(classes, width, 50));
        let maps: Vec<Tensor> = sizes
            .iter()
            .map(|(h, w, c)| {
                let values = noise(h * w * c, 60 + *c as u64);
                Tensor::from_vec(values, (*h, *w, *c), &Device::Cpu).unwrap()
            })
            .collect();

        let mut parts: Vec<Tensor> = Vec::new();
        for ((stage, map), (h, w, c)) in stages.iter().zip(&maps).zip(sizes) {
            let linear = Linear::new(&stage.weight, Some(&stage.bias), width, c);
            let small = linear.forward(map).unwrap().flatten_all().unwrap();
            let small = small.to_vec1::<f32>().unwrap();
            let large = resize_map(&small, (h, w, width), (13, 17), Interpolation::Bilinear);
            parts.push(Tensor::from_vec(large, (13, 17, width), &Device::Cpu).unwrap());
        }
        parts.reverse();
        let cat = Tensor::cat(&parts, 2).unwrap().contiguous().unwrap();
        let fused = Linear::from(&fuse).forward(&cat).unwrap().relu().unwrap();
        let want = Linear::from(&classify).forward(&fused).unwrap();
        let head = AllMlpHead::new(&stages, &fuse, &classify);
        let got = head.forward(&maps).unwrap();
        assert_eq!(got.dims(), [13, 17, classes]);
        let flat = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        close(&flat(got), &flat(want), 1e-5);
        assert!(head.forward(&maps[..2]).is_err());
        assert!(head.forward(&[]).is_err());
    }
}
