//! Where a network's parameters come from: a checkpoint, or a training that
//! begins.

use crate::models::{ModelError, Weights};
use candle_core::{Device, Tensor};

/// What a parameter is before it has learned anything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// 0.
    Zeros,
    /// 1.
    Ones,
    /// The same everywhere.
    Constant(f32),
    /// Normally distributed about 0 with this standard deviation.
    Normal(f32),
    /// Normally distributed with variance 2 / fan-in (He et al. 2015,
    /// arXiv 1502.01852), for layers that ReLU follows.
    KaimingFanIn(usize),
}

/// Gives a network its parameters, one by one, by name.
pub trait Source {
    /// The parameter `name`, f32 and of this shape.
    ///
    /// # Errors
    /// If there is no such parameter, or it has another shape.
    fn tensor(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor, ModelError>;
}

impl Source for Weights<'_> {
    fn tensor(&self, name: &str, shape: &[usize], _: Init) -> Result<Tensor, ModelError> {
        Ok(Tensor::from_vec(
            self.get(name, shape)?,
            shape,
            &Device::Cpu,
        )?)
    }
}

/// The parameters of a part of a network: those whose names begin with a
/// prefix.
#[derive(Clone)]
pub(super) struct Part<'a> {
    source: &'a dyn Source,
    prefix: String,
}

impl<'a> Part<'a> {
    pub fn of(source: &'a dyn Source, prefix: &str) -> Self {
        Self {
            source,
            prefix: prefix.to_owned(),
        }
    }

    /// The part `name` of this part.
    pub fn part(&self, name: impl std::fmt::Display) -> Self {
        Self {
            source: self.source,
            prefix: format!("{}.{name}", self.prefix),
        }
    }

    pub fn tensor(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor, ModelError> {
        let name = format!("{}.{name}", self.prefix);
        self.source.tensor(&name, shape, init)
    }
}
