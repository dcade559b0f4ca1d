//! Several examples as one input.

use std::sync::mpsc::SyncSender;

use candle_core::{Device, Tensor};

use super::sampler::Sampler;
use super::{Example, Random, Target, TrainError, TrainingSet};

/// What one step is computed on.
pub(super) struct Batch {
    /// (photos, rows, columns, channels) each.
    pub inputs: Vec<Tensor>,
    pub targets: Vec<Target>,
}

impl Batch {
    /// Stack examples of one size.
    pub fn of(examples: Vec<Example>) -> Result<Self, TrainError> {
        let count = examples.len();
        let mut inputs: Vec<(Vec<f32>, [usize; 3])> = Vec::new();
        let mut targets = Vec::with_capacity(count);
        for (at, example) in examples.into_iter().enumerate() {
            for (place, map) in example.inputs.into_iter().enumerate() {
                match inputs.get_mut(place) {
                    None if at == 0 => {
                        let mut values = Vec::with_capacity(map.values.len() * count);
                        values.extend(map.values);
                        inputs.push((values, map.size));
                    }
                    Some((values, size)) if *size == map.size => values.extend(map.values),
                    _ => {
                        let why = "examples of one batch have other sizes".to_owned();
                        return Err(crate::models::ModelError::Compute(why).into());
                    }
                }
            }
            targets.push(example.target);
        }
        let tensor = |(values, [rows, columns, channels]): (Vec<f32>, [usize; 3])| {
            Tensor::from_vec(values, (count, rows, columns, channels), &Device::Cpu)
        };
        let inputs = inputs.into_iter().map(tensor);
        Ok(Self {
            inputs: inputs.collect::<Result<_, _>>()?,
            targets,
        })
    }

    /// The next `count` samples.
    pub fn draw(
        sets: &[TrainingSet],
        sampler: &mut Sampler,
        seed: u64,
        count: usize,
    ) -> Result<Self, TrainError> {
        let examples = (0..count).map(|_| {
            let draw = sampler.draw();
            let mut random = Random::new(seed, "sample", draw.number);
            sets[draw.set].train.training(draw.photo, &mut random)
        });
        Self::of(examples.collect::<Result<_, _>>()?)
    }
}

/// Make batches until nobody wants more, or one fails.
pub(super) fn supply(
    sets: &[TrainingSet],
    mut sampler: Sampler,
    (seed, count): (u64, usize),
    batches: usize,
    to: &SyncSender<Result<Batch, TrainError>>,
) {
    for _ in 0..batches {
        let batch = Batch::draw(sets, &mut sampler, seed, count);
        let failed = batch.is_err();
        if to.send(batch).is_err() || failed {
            return;
        }
    }
}
