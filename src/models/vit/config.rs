//! `config.json` of the plain Vision Transformers.

use crate::models::{Config, Family, ModelError};
use crate::nn::Interpolation;
use crate::nn::kernels::Activation;
use serde::Deserialize;

/// Wider, deeper or larger than any Vision Transformer is; keeps nonsense from
/// being multiplied.
const MOST: usize = 1 << 16;

/// The architecture of a plain Vision Transformer: what makes ViT, DeiT, DINO
/// and DINOv2 different from each other.
#[derive(Clone, Debug, PartialEq)]
pub struct VitConfig {
    /// Width of a token.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads of a block.
    pub attention_heads: usize,
    /// Width of a query, key or value.
    pub head_dim: usize,
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// What a block does to each token by itself.
    pub feed_forward: FeedForwardConfig,
    /// Whether each half of a block is scaled, channel by channel, before it is
    /// added (LayerScale, Touvron et al. 2021).
    pub layer_scale: bool,
    /// Epsilon of all norms.
    pub eps: f32,
    /// Rows and columns of the picture that the positions were trained for, in
    /// pixels.
    pub image: (usize, usize),
    /// Rows and columns of a patch, in pixels.
    pub patch: (usize, usize),
    /// Whether a distillation token follows the class token (DeiT).
    pub distillation: bool,
    /// Tokens without meaning or position that the attention may use as
    /// scratch paper (Darcet et al. 2024).
    pub registers: usize,
    /// How positions are resized for another token grid.
    pub interpolation: Interpolation,
}

/// The feed-forward half of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForwardConfig {
    /// Two linear layers.
    Mlp {
        /// Width between them.
        hidden: usize,
        /// What is applied between them.
        act: Activation,
    },
    /// SwiGLU.
    SwiGlu {
        /// Width of the gated values.
        hidden: usize,
    },
}

/// The fields as they are written; what is missing takes the reference
/// implementation's defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Fields {
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    head_dim: Option<usize>,
    hidden_act: String,
    layer_norm_eps: Option<f64>,
    image_size: Sides,
    patch_size: Option<Sides>,
    num_channels: usize,
    qkv_bias: bool,
    /// ViT and DeiT only.
    intermediate_size: usize,
    /// DINOv2 only, as the next ones.
    mlp_ratio: f64,
    use_swiglu_ffn: bool,
    num_register_tokens: usize,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            head_dim: None,
            hidden_act: "gelu".into(),
            layer_norm_eps: None,
            image_size: Sides::Square(224),
            patch_size: None,
            num_channels: 3,
            qkv_bias: true,
            intermediate_size: 3072,
            mlp_ratio: 4.0,
            use_swiglu_ffn: false,
            num_register_tokens: 4,
        }
    }
}

/// One side of a square, or height and width.
#[derive(Clone, Copy, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a whole number, or height and width in a list"
)]
enum Sides {
    Square(usize),
    Both([usize; 2]),
}

impl Sides {
    /// Rows and columns.
    fn size(self) -> (usize, usize) {
        match self {
            Self::Square(side) => (side, side),
            Self::Both([rows, columns]) => (rows, columns),
        }
    }
}

impl VitConfig {
    /// What `config` says about a model of `family`, one of those of this
    /// module.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn read(config: &Config, family: Family) -> Result<Self, ModelError> {
        let fields: Fields = config.parse()?;
        let dinov2 = matches!(family, Family::Dinov2 | Family::Dinov2WithRegisters);
        let registers = family == Family::Dinov2WithRegisters;
        let (patch, eps) = match family {
            Family::Dinov2 => (14, 1e-6),
            Family::Dinov2WithRegisters => (16, 1e-6),
            _ => (16, 1e-12),
        };
        let heads = fields.num_attention_heads;
        let shared = fields.hidden_size.checked_div(heads).unwrap_or(0);
        let this = Self {
            width: fields.hidden_size,
            depth: fields.num_hidden_layers,
            attention_heads: heads,
            head_dim: fields.head_dim.unwrap_or(shared),
            qkv_bias: fields.qkv_bias,
            feed_forward: fields.feed_forward(config, dinov2)?,
            layer_scale: dinov2,
            eps: fields.layer_norm_eps.unwrap_or(eps) as f32,
            image: fields.image_size.size(),
            patch: fields.patch_size.unwrap_or(Sides::Square(patch)).size(),
            distillation: family == Family::Deit,
            registers: if registers {
                fields.num_register_tokens
            } else {
                0
            },
            interpolation: match registers {
                true => Interpolation::BicubicAntialias,
                false => Interpolation::Bicubic,
            },
        };
        this.check(config, fields.num_channels)?;
        Ok(this)
    }

    fn check(&self, config: &Config, channels: usize) -> Result<(), ModelError> {
        let hidden = match self.feed_forward {
            FeedForwardConfig::Mlp { hidden, .. } | FeedForwardConfig::SwiGlu { hidden } => hidden,
        };
        let sizes = [
            ("hidden_size", self.width),
            ("num_attention_heads", self.attention_heads),
            ("the width of an attention head", self.head_dim),
            ("the width of the feed-forward layer", hidden),
            ("patch_size", self.patch.0.min(self.patch.1)),
            ("patch_size", self.patch.0.max(self.patch.1)),
            ("image_size", self.image.0.max(self.image.1)),
        ];
        for (name, size) in sizes {
            if size == 0 || size > MOST {
                return Err(config.bad(format!("{name} is {size}, expected 1 to {MOST}")));
            }
        }
        for (name, count) in [
            ("num_hidden_layers", self.depth),
            ("num_register_tokens", self.registers),
        ] {
            if count > MOST {
                return Err(config.bad(format!("{name} is {count}, expected {MOST} at most")));
            }
        }
        if !(0.0..=1.0).contains(&self.eps) {
            let eps = self.eps;
            return Err(config.bad(format!("layer_norm_eps is {eps}, expected 0 to 1")));
        }
        let (rows, columns) = self.trained_grid();
        if rows * columns == 0 {
            return Err(config.bad("image_size is smaller than patch_size"));
        }
        if channels != 3 {
            return Err(config.bad(format!(
                "num_channels is {channels}, only pictures with 3 are supported"
            )));
        }
        Ok(())
    }

    /// Rows and columns of the token grid that the positions were trained for.
    pub fn trained_grid(&self) -> (usize, usize) {
        (self.image.0 / self.patch.0, self.image.1 / self.patch.1)
    }

    /// Tokens before the patches that have a position: the class token and
    /// DeiT's distillation token.
    pub fn class_tokens(&self) -> usize {
        1 + usize::from(self.distillation)
    }
}

impl Fields {
    fn feed_forward(&self, config: &Config, dinov2: bool) -> Result<FeedForwardConfig, ModelError> {
        // Rounded towards zero, twice where there is a gate, as the reference
        // implementation does.
        let expanded = (self.hidden_size as f64 * self.mlp_ratio) as usize;
        if dinov2 && self.use_swiglu_ffn {
            let two_thirds = (expanded as f64 * 2.0 / 3.0) as usize;
            let hidden = two_thirds.min(MOST + 1).next_multiple_of(8);
            return Ok(FeedForwardConfig::SwiGlu { hidden });
        }
        let hidden = if dinov2 {
            expanded
        } else {
            self.intermediate_size
        };
        let act = Activation::named(&self.hidden_act).ok_or_else(|| {
            let found = &self.hidden_act;
            config.bad(format!("hidden_act is {found:?}, which is not supported"))
        })?;
        Ok(FeedForwardConfig::Mlp { hidden, act })
    }
}
