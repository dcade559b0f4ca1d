//! `config.json` of a `SamModel`. Checkpoints leave out what is as in
//! transformers' `configuration_sam.py`.

use crate::models::promptable::{Choice, Design};
use crate::models::{Config, ModelError};
use crate::nn::kernels::Activation;
use serde::Deserialize;

/// The largest width or depth that is believed.
const LIMIT: usize = 65_536;
/// What the cross-attention of the decoder's blocks divides its width by: the
/// reference ignores `attention_downsample_rate` there.
const BLOCK_DOWNSAMPLING: usize = 2;
/// The fewest layers of the head that predicts scores: the first and the last.
const MIN_SCORE_LAYERS: usize = 2;

/// The three parts of the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SamConfig {
    /// The image encoder.
    pub vision_config: VisionConfig,
    /// The prompt encoder.
    pub prompt_encoder_config: PromptEncoderConfig,
    /// The mask decoder.
    pub mask_decoder_config: MaskDecoderConfig,
}

/// Sizes of the image encoder; the defaults are those of SAM ViT-B.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct VisionConfig {
    /// Width of the tokens.
    pub hidden_size: usize,
    /// Channels of the embedding.
    pub output_channels: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Colour channels; 3.
    pub num_channels: usize,
    /// Side of the frame in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Activation of the MLPs.
    pub hidden_act: String,
    /// Epsilon of the blocks' norms.
    pub layer_norm_eps: f32,
    /// Whether queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Width of the MLPs in terms of the tokens', if `mlp_dim` is not given.
    pub mlp_ratio: f64,
    /// Whether there is a table of positions.
    pub use_abs_pos: bool,
    /// Whether attention knows relative positions.
    pub use_rel_pos: bool,
    /// Side of the windows in tokens; 0 for none.
    pub window_size: usize,
    /// Blocks that attend to the whole map.
    pub global_attn_indexes: Vec<usize>,
    /// Random projections of a position: half of the decoder's width.
    pub num_pos_feats: usize,
    /// Width of the MLPs.
    pub mlp_dim: Option<usize>,
}

/// Sizes of the prompt encoder.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct PromptEncoderConfig {
    /// Width of the tokens.
    pub hidden_size: usize,
    /// Side of the frame in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Channels inside the mask prompt's encoder.
    pub mask_input_channels: usize,
    /// Kinds of points; 4 are used.
    pub num_point_embeddings: usize,
    /// Activation of the mask prompt's encoder.
    pub hidden_act: String,
    /// Epsilon of the mask prompt's norms.
    pub layer_norm_eps: f32,
}

/// Sizes of the mask decoder.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct MaskDecoderConfig {
    /// Width of the tokens.
    pub hidden_size: usize,
    /// Activation of the MLPs.
    pub hidden_act: String,
    /// Width of the MLPs.
    pub mlp_dim: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// What the last cross-attention divides its width by.
    pub attention_downsample_rate: usize,
    /// Masks for a prompt, besides the one for prompts that leave no doubt.
    pub num_multimask_outputs: usize,
    /// Layers of the head that predicts scores.
    pub iou_head_depth: usize,
    /// Their width.
    pub iou_head_hidden_dim: usize,
    /// Epsilon of the blocks' norms.
    pub layer_norm_eps: f32,
}

impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            output_channels: 256,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 1024,
            patch_size: 16,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-6,
            qkv_bias: true,
            mlp_ratio: 4.0,
            use_abs_pos: true,
            use_rel_pos: true,
            window_size: 14,
            global_attn_indexes: vec![2, 5, 8, 11],
            num_pos_feats: 128,
            mlp_dim: None,
        }
    }
}

impl Default for PromptEncoderConfig {
    fn default() -> Self {
        Self {
            hidden_size: 256,
            image_size: 1024,
            patch_size: 16,
            mask_input_channels: 16,
            num_point_embeddings: 4,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-6,
        }
    }
}

impl Default for MaskDecoderConfig {
    fn default() -> Self {
        Self {
            hidden_size: 256,
            hidden_act: "relu".into(),
            mlp_dim: 2048,
            num_hidden_layers: 2,
            num_attention_heads: 8,
            attention_downsample_rate: 2,
            num_multimask_outputs: 3,
            iou_head_depth: 3,
            iou_head_hidden_dim: 256,
            layer_norm_eps: 1e-6,
        }
    }
}

impl SamConfig {
    /// Read and check a configuration.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn of(config: &Config) -> Result<Self, ModelError> {
        let section = |key: &str| config.section(key);
        let parts = Self {
            vision_config: parse(section("vision_config"))?,
            prompt_encoder_config: parse(section("prompt_encoder_config"))?,
            mask_decoder_config: parse(section("mask_decoder_config"))?,
        };
        parts.check().map_err(|why| config.bad(why))?;
        Ok(parts)
    }

    fn check(&self) -> Result<(), &'static str> {
        let (vision, prompts) = (&self.vision_config, &self.prompt_encoder_config);
        vision.check()?;
        if (prompts.image_size, prompts.patch_size) != (vision.image_size, vision.patch_size) {
            return Err("image_size and patch_size differ between its sections");
        }
        if prompts.num_point_embeddings < 4 {
            return Err("num_point_embeddings must be at least 4");
        }
        let width = prompts.hidden_size;
        let decoder = &self.mask_decoder_config;
        if [vision.output_channels, decoder.hidden_size] != [width; 2]
            || width.checked_div(2) != Some(vision.num_pos_feats)
        {
            return Err(
                "output_channels, the hidden_size of prompt encoder and decoder, and twice num_pos_feats must be the same",
            );
        }
        let eps = [prompts.layer_norm_eps, decoder.layer_norm_eps];
        if !eps.iter().all(sensible_eps) {
            return Err("layer_norm_eps must be positive and small");
        }
        for name in [&prompts.hidden_act, &decoder.hidden_act] {
            activation(name)?;
        }
        self.design().check()
    }

    /// Sizes of the prompt encoder and the decoder.
    pub fn design(&self) -> Design {
        let (vision, prompts) = (&self.vision_config, &self.prompt_encoder_config);
        let decoder = &self.mask_decoder_config;
        let act = |name: &str| activation(name).unwrap_or_default();
        Design {
            frame: vision.image_size,
            grid: vision.grid_side(),
            width: prompts.hidden_size,
            mask_prompt: (prompts.mask_input_channels, act(&prompts.hidden_act)),
            layers: decoder.num_hidden_layers,
            heads: decoder.num_attention_heads,
            block_downsampling: BLOCK_DOWNSAMPLING,
            last_downsampling: decoder.attention_downsample_rate,
            mlp: (decoder.mlp_dim, act(&decoder.hidden_act)),
            masks: decoder.num_multimask_outputs.saturating_add(1),
            score_head: (
                decoder.iou_head_depth.max(MIN_SCORE_LAYERS),
                decoder.iou_head_hidden_dim,
            ),
            mask_prompt_eps: prompts.layer_norm_eps,
            block_eps: decoder.layer_norm_eps,
            choice: Choice::ByScore,
        }
    }
}

impl VisionConfig {
    /// Side of the token grid. Pixels that fill no patch are left out.
    pub fn grid_side(&self) -> usize {
        self.image_size / self.patch_size.max(1)
    }

    /// Width of the MLPs.
    pub fn mlp_width(&self) -> usize {
        let by_ratio = self.hidden_size as f64 * self.mlp_ratio;
        self.mlp_dim.unwrap_or(by_ratio as usize)
    }

    /// Activation of the MLPs.
    pub fn activation(&self) -> Activation {
        activation(&self.hidden_act).unwrap_or_default()
    }

    /// Side of the windows of a block; none if it attends to the whole map.
    pub fn window(&self, block: usize) -> Option<usize> {
        let whole = self.window_size == 0 || self.global_attn_indexes.contains(&block);
        (!whole).then_some(self.window_size)
    }

    fn check(&self) -> Result<(), &'static str> {
        let sizes = [
            self.hidden_size,
            self.output_channels,
            self.num_attention_heads,
            self.image_size,
            self.patch_size,
            self.mlp_width(),
        ];
        if !sizes.iter().all(|size| (1..=LIMIT).contains(size)) || self.num_hidden_layers > LIMIT {
            return Err("a size of vision_config is zero or absurdly large");
        }
        if self.num_channels != 3 {
            return Err("num_channels must be 3");
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err("num_attention_heads must divide the hidden_size of vision_config");
        }
        if self.window_size > 256 {
            return Err("window_size must be at most 256");
        }
        if !sensible_eps(&self.layer_norm_eps) {
            return Err("layer_norm_eps must be positive and small");
        }
        activation(&self.hidden_act).map(|_| ())
    }
}

/// A section, or what it is if it is left out.
fn parse<T: Default + serde::de::DeserializeOwned>(
    section: Option<Config>,
) -> Result<T, ModelError> {
    section.map_or_else(|| Ok(T::default()), |section| section.parse())
}

fn activation(name: &str) -> Result<Activation, &'static str> {
    Activation::named(name).ok_or("its hidden_act is not supported")
}

fn sensible_eps(eps: &f32) -> bool {
    (0.0..1.0).contains(eps)
}
