//! AdamW with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101),
//! clipping, and averaged weights: one pass over plain numbers per variable.

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp1, Layout, Var, bail};
use rayon::prelude::*;

use super::variables::Named;
use super::{Config, TrainError};

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;
/// The learning rate at the end, as a share of the highest.
const LAST_RATE: f64 = 0.01;

/// The learning rate of a step: a linear warm-up, then half a cosine.
pub fn rate(config: &Config, step: usize) -> f32 {
    let highest = f64::from(config.learning_rate);
    if step < config.warmup {
        return (highest * (step + 1) as f64 / config.warmup as f64) as f32;
    }
    let left = config.steps.saturating_sub(config.warmup).max(1) as f64;
    let done = ((step - config.warmup) as f64 / left).min(1.0);
    let cosine = 0.5 + 0.5 * (std::f64::consts::PI * done).cos();
    (highest * (LAST_RATE + (1.0 - LAST_RATE) * cosine)) as f32
}

/// A variable with everything that is remembered about it.
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The weights.
    pub weights: Vec<f32>,
    /// Their average over the last steps, which is what is used later.
    pub average: Vec<f32>,
    /// Average of the gradient.
    pub first: Vec<f32>,
    /// Average of its square.
    pub second: Vec<f32>,
    variable: Var,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    /// Norm of the gradient of all weights, before clipping.
    pub norm: f32,
    /// Whether it was finite; otherwise nothing was changed.
    pub is_finite: bool,
}

/// Which weights the network computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Those that are trained.
    Weights,
    /// Their average.
    Average,
}

/// The optimizer and its state.
pub struct AdamW {
    /// In the network's order.
    pub parameters: Vec<Parameter>,
    /// Steps that changed the weights.
    pub updates: u64,
    weight_decay: f32,
    clip: f32,
    ema: f32,
}

impl AdamW {
    /// For these variables.
    ///
    /// # Errors
    /// If they are not f32 in main memory.
    pub fn new(variables: Vec<Named>, config: &Config) -> Result<Self, TrainError> {
        let parameter = |(name, variable): Named| {
            let weights: Vec<f32> = variable.flatten_all()?.to_vec1()?;
            Ok(Parameter {
                name,
                shape: variable.dims().to_vec(),
                average: weights.clone(),
                first: vec![0.0; weights.len()],
                second: vec![0.0; weights.len()],
                weights,
                variable,
            })
        };
        let parameters = variables.into_iter().map(parameter);
        Ok(Self {
            parameters: parameters.collect::<Result<_, TrainError>>()?,
            updates: 0,
            weight_decay: config.weight_decay,
            clip: config.clip,
            ema: config.ema,
        })
    }

    /// Number of weights.
    pub fn count(&self) -> usize {
        self.parameters.iter().map(|p| p.weights.len()).sum()
    }

    /// Move all weights against their gradients.
    ///
    /// # Errors
    /// If a variable has no gradient, or candle fails.
    pub fn step(&mut self, gradients: &GradStore, rate: f32) -> Result<Moved, TrainError> {
        let gradients = self.gradients(gradients)?;
        // in parts of their own, so that the sum does not depend on threads
        let square = |values: &Vec<f32>| -> f64 {
            let squares = values.iter().map(|v| f64::from(*v) * f64::from(*v));
            squares.sum()
        };
        let squares: Vec<f64> = gradients.par_iter().map(square).collect();
        let norm = squares.iter().sum::<f64>().sqrt() as f32;
        if !norm.is_finite() {
            let is_finite = false;
            return Ok(Moved { norm, is_finite });
        }
        self.updates += 1;
        let n = self.updates as f32;
        let update = Update {
            scale: if norm > self.clip {
                self.clip / norm
            } else {
                1.0
            },
            rate,
            correction1: 1.0 - BETA1.powf(n),
            correction2: 1.0 - BETA2.powf(n),
            keep: self.ema.min((1.0 + n) / (10.0 + n)),
        };
        let decay = self.weight_decay;
        let parameters = self.parameters.par_iter_mut().zip(&gradients);
        parameters.for_each(|(parameter, gradient)| {
            let decays = parameter.shape.len() > 1;
            let decay = if decays { rate * decay } else { 0.0 };
            parameter.update(gradient, &update, 1.0 - decay);
        });
        self.show(Shown::Weights)?;
        let is_finite = true;
        Ok(Moved { norm, is_finite })
    }

    fn gradients(&self, gradients: &GradStore) -> Result<Vec<Vec<f32>>, TrainError> {
        let of = |p: &Parameter| gradients.get(p.variable.as_tensor());
        let missing: Vec<&str> = self
            .parameters
            .iter()
            .filter(|p| of(p).is_none())
            .map(|p| p.name.as_str())
            .collect();
        if !missing.is_empty() {
            let names = missing.join(", ");
            return Err(TrainError::NoGradient { names });
        }
        let found = self.parameters.iter().filter_map(of);
        found
            .map(|gradient| Ok(gradient.flatten_all()?.to_vec1()?))
            .collect()
    }

    /// Let the network compute with these weights.
    ///
    /// # Errors
    /// If candle fails.
    pub fn show(&self, which: Shown) -> Result<(), TrainError> {
        for parameter in &self.parameters {
            let values = match which {
                Shown::Weights => &parameter.weights,
                Shown::Average => &parameter.average,
            };
            parameter.variable.inplace_op1(&Overwrite(values))?;
        }
        Ok(())
    }
}

/// The numbers of a step.
struct Update {
    scale: f32,
    rate: f32,
    correction1: f32,
    correction2: f32,
    keep: f32,
}

impl Parameter {
    fn update(&mut self, gradient: &[f32], update: &Update, shrink: f32) {
        let moments = self.first.iter_mut().zip(&mut self.second);
        let weights = self.weights.iter_mut().zip(&mut self.average);
        for ((weights, moments), gradient) in weights.zip(moments).zip(gradient) {
            let ((weight, average), (first, second)) = (weights, moments);
            let gradient = gradient * update.scale;
            *first = BETA1 * *first + (1.0 - BETA1) * gradient;
            *second = BETA2 * *second + (1.0 - BETA2) * gradient * gradient;
            let direction =
                (*first / update.correction1) / ((*second / update.correction2).sqrt() + EPSILON);
            *weight = *weight * shrink - update.rate * direction;
            *average += (1.0 - update.keep) * (*weight - *average);
        }
    }
}

/// Puts values into a variable's own memory.
struct Overwrite<'a>(&'a [f32]);

impl InplaceOp1 for Overwrite<'_> {
    fn name(&self) -> &'static str {
        "overwrite"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let place = layout.contiguous_offsets();
        match (storage, place) {
            (CpuStorage::F32(values), Some((start, end))) if end - start == self.0.len() => {
                values[start..end].copy_from_slice(self.0);
                Ok(())
            }
            _ => bail!("a variable is not what it was made as"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::testing;
    use candle_core::{Device, Tensor};

    fn optimizer(values: &[f32], shape: &[usize], config: &Config) -> AdamW {
        let variable = Var::from_slice(values, shape, &Device::Cpu).unwrap();
        AdamW::new(vec![("w".to_owned(), variable)], config).unwrap()
    }

    /// A step with the gradient `factor` for every weight.
    fn step(optimizer: &mut AdamW, factor: f64, rate: f32) -> Moved {
        let variable = optimizer.parameters[0].variable.as_tensor();
        let loss = (variable * factor).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        optimizer.step(&gradients, rate).unwrap()
    }

    #[test]
    fn steps_are_those_of_adamw() {
        let mut config = testing::small();
        config.weight_decay = 0.1;
        config.clip = 100.0;
        let mut matrix = optimizer(&[1.0, -2.0], &[1, 2], &config);
        let mut vector = optimizer(&[1.0, -2.0], &[2], &config);
        for optimizer in [&mut matrix, &mut vector] {
            step(optimizer, 3.0, 0.01);
        }
        // the first step has the length of the rate, whatever the gradient
        let expected = [1.0 * 0.999 - 0.01, -2.0 * 0.999 - 0.01];
        for (found, expected) in matrix.parameters[0].weights.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6);
        }
        assert!((vector.parameters[0].weights[0] - 0.99).abs() < 1e-6);
        // 1 + 0.5 % of 10 after one step: keep is 2 / 11
        let average = vector.parameters[0].average[0];
        assert!((average - (1.0 - 9.0 / 11.0 * 0.01)).abs() < 1e-6);
        let shown: Vec<f32> = vector.parameters[0].variable.to_vec1().unwrap();
        assert_eq!(shown, vector.parameters[0].weights);
        vector.show(Shown::Average).unwrap();
        let shown: Vec<f32> = vector.parameters[0].variable.to_vec1().unwrap();
        assert_eq!(shown, vector.parameters[0].average);
    }

    #[test]
    fn large_gradients_are_clipped_and_others_skipped() {
        let mut config = testing::small();
        config.clip = 1.0;
        let mut optimizer = optimizer(&[0.0; 4], &[4], &config);
        let moved = step(&mut optimizer, 10.0, 0.1);
        assert!((moved.norm - 20.0).abs() < 1e-4);
        assert!((optimizer.parameters[0].first[0] - 0.05).abs() < 1e-6);
        let before = optimizer.parameters[0].weights.clone();
        let moved = step(&mut optimizer, f64::INFINITY, 0.1);
        assert!(!moved.is_finite);
        assert_eq!(optimizer.parameters[0].weights, before);
        assert_eq!(optimizer.updates, 1);
    }

    #[test]
    fn a_variable_without_gradient_is_named() {
        let mut optimizer = optimizer(&[0.0], &[1], &testing::small());
        let other = Var::zeros(1, candle_core::DType::F32, &Device::Cpu).unwrap();
        let loss: Tensor = other.sum_all().unwrap();
        let error = optimizer.step(&loss.backward().unwrap(), 0.1);
        assert!(error.unwrap_err().to_string().contains("gradient for w"));
    }

    #[test]
    fn the_rate_rises_and_falls() {
        let config = testing::small();
        let rates: Vec<f32> = (0..=12).map(|step| rate(&config, step)).collect();
        assert!((rates[0] - 0.01 / 3.0).abs() < 1e-8);
        assert!((rates[2] - 0.01).abs() < 1e-8 && (rates[3] - 0.01).abs() < 1e-8);
        assert!(rates[3..].windows(2).all(|two| two[1] < two[0]));
        assert!((rates[12] - 0.0001).abs() < 1e-8);
    }
}
