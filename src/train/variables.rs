//! The parameters of a network that is trained.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Tensor, Var};

use super::{Random, TrainError};
use crate::models::deeplab::{Init, Source};
use crate::models::{ModelError, registry};

/// A variable and its name.
pub type Named = (String, Var);

/// Makes a network's parameters as it asks for them: at random, from a seed and
/// the parameter's name alone, or from a file.
pub struct Variables {
    seed: u64,
    /// What the file is called, and its tensors.
    begin: Option<(String, HashMap<String, Tensor>)>,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    variables: Vec<Named>,
    /// What the file lacks.
    missing: Vec<String>,
}

impl Variables {
    /// Parameters at random.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            begin: None,
            made: Mutex::default(),
        }
    }

    /// Parameters of a safetensors file (f32, f16 or bf16), or of the built-in
    /// model of that name. Those that it lacks, or has in another shape, are made
    /// at random; see [`missing`](Self::missing).
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn beginning_with(seed: u64, file: &Path) -> Result<Self, TrainError> {
        let tensors = match registry::embedded_weights(file.as_os_str()) {
            Some(bytes) => candle_core::safetensors::load_buffer(bytes, &Device::Cpu),
            None => candle_core::safetensors::load(file, &Device::Cpu),
        };
        let tensors = tensors.map_err(|error| TrainError::Weights {
            file: file.display().to_string(),
            why: error.to_string(),
        })?;
        Ok(Self {
            begin: Some((file.display().to_string(), tensors)),
            ..Self::new(seed)
        })
    }

    /// The parameters that the file lacked or had in another shape, each with
    /// what is wrong.
    pub fn missing(&self) -> Vec<String> {
        self.made().missing.clone()
    }

    /// All variables in the order in which the network asked for them.
    pub fn into_list(self) -> Vec<Named> {
        let made = self.made.into_inner();
        made.unwrap_or_else(PoisonError::into_inner).variables
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The values of a parameter in the file; `Err` says what is wrong with it.
    fn in_file(&self, name: &str, shape: &[usize]) -> Option<Result<Tensor, String>> {
        let (_, tensors) = self.begin.as_ref()?;
        let Some(tensor) = tensors.get(name) else {
            return Some(Err(format!("{name} is missing")));
        };
        if tensor.dims() != shape {
            let found = tensor.dims();
            return Some(Err(format!("{name} is {found:?} instead of {shape:?}")));
        }
        Some(tensor.to_dtype(DType::F32).map_err(|e| e.to_string()))
    }

    fn random(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor, ModelError> {
        let count = shape.iter().product();
        let mut random = Random::new(self.seed, name, 0);
        let mut normal = |deviation: f32| (0..count).map(|_| deviation * random.normal()).collect();
        let values: Vec<f32> = match init {
            Init::Zeros => vec![0.0; count],
            Init::Ones => vec![1.0; count],
            Init::Constant(value) => vec![value; count],
            Init::Normal(deviation) => normal(deviation),
            Init::KaimingFanIn(fan) => normal((2.0 / fan.max(1) as f32).sqrt()),
        };
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }
}

impl Source for Variables {
    fn tensor(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor, ModelError> {
        let known = |(other, _): &&Named| other == name;
        if let Some((_, variable)) = self.made().variables.iter().find(known) {
            let tensor = variable.as_tensor().clone();
            if tensor.dims() == shape {
                return Ok(tensor);
            }
            return Err(ModelError::Shape {
                file: "the network".to_owned(),
                tensor: name.to_owned(),
                expected: shape.to_vec(),
                found: tensor.dims().to_vec(),
            });
        }
        let tensor = match self.in_file(name, shape) {
            Some(Ok(tensor)) => tensor,
            Some(Err(why)) => {
                self.made().missing.push(why);
                self.random(name, shape, init)?
            }
            None => self.random(name, shape, init)?,
        };
        let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
        if values.iter().any(|value| !value.is_finite()) {
            let file = self.begin.as_ref().map(|(file, _)| file.clone());
            return Err(ModelError::NotFinite {
                file: file.unwrap_or_default(),
                tensor: name.to_owned(),
            });
        }
        let variable = Var::from_vec(values, shape, &Device::Cpu)?;
        let tensor = variable.as_tensor().clone();
        self.made().variables.push((name.to_owned(), variable));
        Ok(tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(source: &dyn Source, name: &str, init: Init) -> Vec<f32> {
        let tensor = source.tensor(name, &[200], init).unwrap();
        tensor.to_vec1().unwrap()
    }

    #[test]
    fn parameters_depend_on_seed_and_name_but_not_on_the_order() {
        let (one, two) = (Variables::new(1), Variables::new(1));
        let kind = Init::KaimingFanIn(2);
        let (a, b) = (values(&one, "a", kind), values(&one, "b", kind));
        assert_eq!(values(&two, "b", kind), b);
        assert_eq!(values(&two, "a", kind), a);
        assert_ne!(a, b);
        assert_ne!(values(&Variables::new(2), "a", kind), a);
        let squares: f32 = a.iter().map(|v| v * v).sum();
        assert!((squares / 200.0 - 1.0).abs() < 0.4);
        assert_eq!(values(&one, "c", Init::Ones), [1.0; 200]);
        let names: Vec<String> = one.into_list().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn a_file_gives_what_it_has_and_the_rest_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.safetensors");
        let half = |count: usize, value: f32| {
            let tensor = Tensor::full(value, count, &Device::Cpu).unwrap();
            tensor.to_dtype(DType::F16).unwrap()
        };
        let bad = half(200, f32::NAN);
        let tensors = [("a", half(200, 0.5)), ("b", half(3, 0.5)), ("bad", bad)];
        let tensors: HashMap<&str, Tensor> = tensors.into_iter().collect();
        candle_core::safetensors::save(&tensors, &file).unwrap();
        let source = Variables::beginning_with(1, &file).unwrap();
        assert_eq!(values(&source, "a", Init::Zeros), [0.5; 200]);
        assert_eq!(values(&source, "b", Init::Zeros), [0.0; 200]);
        assert_eq!(values(&source, "c", Init::Zeros), [0.0; 200]);
        let missing = source.missing();
        assert_eq!(missing, ["b is [3] instead of [200]", "c is missing"]);
        assert!(source.tensor("bad", &[200], Init::Zeros).is_err());
    }
}
