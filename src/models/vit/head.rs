//! Decode heads: what is read off the encoder's output.

use crate::models::{Config, ModelError, Output, OutputKind, Weights};
use crate::nn::capture::Tokens;
use crate::nn::kernels::add_assign;
use crate::nn::{Linear, Pooling};
use candle_core::Tensor;

/// A linear classifier of a pooled vector.
#[derive(Clone, Debug)]
pub(super) struct Classifier {
    pooling: Pooling,
    linear: Linear,
}

/// What a checkpoint was trained to tell.
#[derive(Clone, Debug)]
pub(super) enum DecodeHead {
    /// Nothing: an encoder by itself.
    Features,
    /// The class of the picture.
    Classes(Classifier),
    /// DeiT: what the class token says, what the distillation token learnt from
    /// a teacher, and as the result their mean.
    Distilled {
        class: Classifier,
        distillation: Classifier,
    },
}

impl Classifier {
    fn load(
        weights: &Weights,
        config: &Config,
        name: &str,
        width: usize,
        pooling: Pooling,
    ) -> Result<Self, ModelError> {
        // Without a list of classes there are as many as were trained.
        let trained = weights.shape(&format!("{name}.bias"));
        let trained = trained.and_then(|shape| shape.first().copied());
        let classes = declared_classes(config).or(trained).unwrap_or(2);
        if classes == 0 {
            return Err(config.bad("it is a classifier without classes"));
        }
        let linear = weights.linear(name, classes, pooling.outputs(width))?;
        Ok(Self { pooling, linear })
    }

    /// A score for each class.
    fn logits(&self, tokens: &Tensor, layout: Tokens) -> Result<Vec<f32>, ModelError> {
        let pooled = self.pooling.apply(tokens, layout)?;
        Ok(self.linear.apply(&pooled))
    }

    /// The gradient of tokens (tokens, `width`) from that of the scores.
    fn gradient(
        &self,
        scores: &[f32],
        layout: Tokens,
        width: usize,
    ) -> Result<Vec<f32>, ModelError> {
        if scores.len() != self.linear.outputs() {
            let (found, expected) = (scores.len(), self.linear.outputs());
            let why = format!("a gradient of {found} values for {expected} classes");
            return Err(ModelError::Compute(why));
        }
        let vector = self.linear.turned().apply(scores);
        Ok(self.pooling.gradient(&vector, layout, width)?)
    }
}

/// How many classes a configuration lists.
fn declared_classes(config: &Config) -> Option<usize> {
    let names = config.get("id2label").map(|names| {
        let object = names.as_object().map(serde_json::Map::len);
        object.or_else(|| names.as_array().map(Vec::len))
    });
    match names {
        Some(names) => names,
        None => config.get("num_labels")?.as_u64()?.try_into().ok(),
    }
}

impl DecodeHead {
    /// The head of the class in `architectures`, or, where that tells nothing,
    /// the one that there are weights for. `pooling` is what the family's plain
    /// classifier looks at.
    pub(super) fn load(
        weights: &Weights,
        config: &Config,
        width: usize,
        pooling: Pooling,
    ) -> Result<Self, ModelError> {
        let classes = config.get("architectures");
        let class = classes.and_then(|list| list.get(0)?.as_str()).unwrap_or("");
        let classifier = |name, pooling| Classifier::load(weights, config, name, width, pooling);
        let has = |name: &str| weights.has(&format!("{name}.weight"));
        let silent = !class.ends_with("Model") && !class.contains("ForImageClassification");
        let two = class.ends_with("WithTeacher") || silent && has("cls_classifier");
        let one = class.ends_with("ForImageClassification") || silent && has("classifier");
        Ok(if two {
            Self::Distilled {
                class: classifier("cls_classifier", Pooling::CLASS)?,
                distillation: classifier("distillation_classifier", Pooling::Token(1))?,
            }
        } else if one {
            Self::Classes(classifier("classifier", pooling)?)
        } else {
            Self::Features
        })
    }

    /// What kind of result it gives.
    pub(super) fn kind(&self) -> OutputKind {
        match self {
            Self::Features => OutputKind::Features,
            Self::Classes(_) | Self::Distilled { .. } => OutputKind::Classes,
        }
    }

    /// The gradient of the tokens after the final norm (tokens, `width`) from that
    /// of the classes' scores.
    pub(super) fn gradient(
        &self,
        scores: &[f32],
        layout: Tokens,
        width: usize,
    ) -> Result<Vec<f32>, ModelError> {
        match self {
            Self::Features => Err(ModelError::Compute("it gives no scores".to_owned())),
            Self::Classes(classifier) => classifier.gradient(scores, layout, width),
            Self::Distilled {
                class,
                distillation,
            } => {
                let half: Vec<f32> = scores.iter().map(|score| score / 2.0).collect();
                let mut sum = class.gradient(&half, layout, width)?;
                add_assign(&mut sum, &distillation.gradient(&half, layout, width)?);
                Ok(sum)
            }
        }
    }

    /// What `tokens` after the final norm say.
    pub(super) fn read(&self, tokens: &Tensor, layout: Tokens) -> Result<Output, ModelError> {
        Ok(match self {
            Self::Features => Output::Features,
            Self::Classes(classifier) => Output::Classes {
                logits: classifier.logits(tokens, layout)?,
                others: Vec::new(),
            },
            Self::Distilled {
                class,
                distillation,
            } => {
                let class = class.logits(tokens, layout)?;
                let distillation = distillation.logits(tokens, layout)?;
                let both = class.iter().zip(&distillation);
                Output::Classes {
                    logits: both.map(|(a, b)| (a + b) / 2.0).collect(),
                    others: vec![("cls_logits", class), ("distillation_logits", distillation)],
                }
            }
        })
    }
}
