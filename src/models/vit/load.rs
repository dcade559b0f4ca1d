//! Tensors of a checkpoint by their names.

use super::config::{FeedForwardConfig, VitConfig};
use super::embeddings::Embeddings;
use crate::models::{Family, ModelError, Weights};
use crate::nn::capture::Grid;
use crate::nn::{
    FeedForward, Linear, MlpBlock, MultiHeadSelfAttention, PatchEmbedding, PositionEncoding,
    SwiGlu, TransformerBlock, TransformerEncoder,
};

/// How the parts of a block are called.
struct Names {
    norms: [&'static str; 2],
    mlp: [&'static str; 2],
}

const VIT: Names = Names {
    norms: ["layernorm_before", "layernorm_after"],
    mlp: ["intermediate.dense", "output.dense"],
};

const DINOV2: Names = Names {
    norms: ["norm1", "norm2"],
    mlp: ["mlp.fc1", "mlp.fc2"],
};

/// What is read, where and as what.
pub(super) struct Loader<'a> {
    weights: &'a Weights<'a>,
    config: &'a VitConfig,
    /// What the encoder's names begin with.
    root: &'static str,
    names: Names,
}

impl<'a> Loader<'a> {
    /// For a checkpoint of `family`. An encoder by itself has names without a
    /// root, that of a classifier is called after the family.
    pub(super) fn new(weights: &'a Weights, config: &'a VitConfig, family: Family) -> Self {
        let (root, names) = match family {
            Family::Deit => ("deit.", VIT),
            Family::Dinov2 => ("dinov2.", DINOV2),
            Family::Dinov2WithRegisters => ("dinov2_with_registers.", DINOV2),
            _ => ("vit.", VIT),
        };
        Self {
            weights,
            config,
            root: weights.rooted(&[root, ""], "embeddings.cls_token"),
            names,
        }
    }

    pub(super) fn embeddings(&self) -> Result<Embeddings, ModelError> {
        let (config, width) = (self.config, self.config.width);
        let get = |name: &str, shape: &[usize]| {
            let name = format!("{}embeddings.{name}", self.root);
            self.weights.get(&name, shape)
        };
        let mut class_tokens = get("cls_token", &[1, 1, width])?;
        if config.distillation {
            class_tokens.extend(get("distillation_token", &[1, 1, width])?);
        }
        let registers = match config.registers {
            0 => Vec::new(),
            count => get("register_tokens", &[1, count, width])?,
        };
        let (rows, columns) = config.patch;
        let projection = "patch_embeddings.projection";
        let weight = get(&format!("{projection}.weight"), &[width, 3, rows, columns])?;
        let bias = get(&format!("{projection}.bias"), &[width])?;
        let (rows, columns) = config.trained_grid();
        let (grid, prefix) = (Grid { rows, columns }, config.class_tokens());
        let table = get("position_embeddings", &[1, prefix + grid.len(), width])?;
        Ok(Embeddings {
            patches: PatchEmbedding::new(&weight, &bias, config.patch, 3),
            class_tokens,
            registers,
            positions: PositionEncoding::learned(table, prefix, grid, config.interpolation),
        })
    }

    pub(super) fn encoder(&self) -> Result<TransformerEncoder, ModelError> {
        let name = |i| format!("{}encoder.layer.{i}", self.root);
        let blocks = (0..self.config.depth).map(|i| self.block(&name(i)));
        let norm = format!("{}layernorm", self.root);
        let (width, eps) = (self.config.width, self.config.eps);
        Ok(TransformerEncoder::new(
            blocks.collect::<Result<_, _>>()?,
            self.weights.norm(&norm, width, eps)?,
        ))
    }

    fn block(&self, name: &str) -> Result<TransformerBlock, ModelError> {
        let (weights, config) = (self.weights, self.config);
        let (width, inner) = (config.width, config.attention_heads * config.head_dim);
        let norm = |i: usize| {
            let name = format!("{name}.{}", self.names.norms[i]);
            weights.norm(&name, width, config.eps)
        };
        let attention = format!("{name}.attention.attention");
        let qkv = ["query", "key", "value"].map(|part| format!("{attention}.{part}"));
        let qkv = qkv.each_ref().map(String::as_str);
        let qkv = weights.linears(&qkv, inner, width, config.qkv_bias)?;
        let project = format!("{name}.attention.output.dense");
        let project = self.branch_end(&project, inner, &format!("{name}.layer_scale1"))?;
        let attended = MultiHeadSelfAttention::new(norm(0)?, qkv, project, config.attention_heads);

        let scale = format!("{name}.layer_scale2");
        let feed_forward = match config.feed_forward {
            FeedForwardConfig::Mlp { hidden, act } => {
                let [fc1, fc2] = self.names.mlp.map(|part| format!("{name}.{part}"));
                let fc1 = weights.linear(&fc1, hidden, width)?;
                let fc2 = self.branch_end(&fc2, hidden, &scale)?;
                FeedForward::Mlp(MlpBlock::new(norm(1)?, fc1, fc2, act))
            }
            FeedForwardConfig::SwiGlu { hidden } => {
                let gate_up = format!("{name}.mlp.weights_in");
                let gate_up = weights.linear(&gate_up, 2 * hidden, width)?;
                let down = self.branch_end(&format!("{name}.mlp.weights_out"), hidden, &scale)?;
                FeedForward::SwiGlu(SwiGlu::new(norm(1)?, gate_up, down))
            }
        };
        Ok(TransformerBlock {
            name: attention,
            attention: attended,
            feed_forward,
        })
    }

    /// The linear layer at the end of a residual branch, from `inputs` to a
    /// token, with the LayerScale that follows it folded in.
    fn branch_end(&self, name: &str, inputs: usize, scale: &str) -> Result<Linear, ModelError> {
        let width = self.config.width;
        if !self.config.layer_scale {
            return self.weights.linear(name, width, inputs);
        }
        let factors = self.weights.get(&format!("{scale}.lambda1"), &[width])?;
        let weight = format!("{name}.weight");
        let mut weight = self.weights.get(&weight, &[width, inputs])?;
        let mut bias = self.weights.get(&format!("{name}.bias"), &[width])?;
        for (i, factor) in factors.iter().enumerate() {
            weight[i * inputs..(i + 1) * inputs]
                .iter_mut()
                .for_each(|value| *value *= factor);
            bias[i] *= factor;
        }
        Ok(Linear::new(&weight, Some(&bias), width, inputs))
    }
}
