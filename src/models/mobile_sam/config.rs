//! Sizes of the network, from `config.json`.

use crate::models::promptable::{Choice, Design};
use crate::models::{Config, ModelError};
use crate::nn::kernels::Activation;
use serde::Deserialize;

/// The largest width, depth or ratio that is believed.
const LIMIT: usize = 8192;

/// Sizes of the network; what a configuration leaves out is MobileSAM's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MobileSamConfig {
    /// Side of the square frame that photos are fitted into, in pixels.
    pub image_size: usize,
    /// Channels of the encoder's four stages.
    pub embed_dims: [usize; 4],
    /// Blocks of the encoder's four stages.
    pub depths: [usize; 4],
    /// Attention heads per stage; the first stage is convolutional.
    pub num_heads: [usize; 4],
    /// Window sides per stage; the first stage is convolutional.
    pub window_sizes: [usize; 4],
    /// Hidden width of an encoder block's MLP, in channels.
    pub mlp_ratio: usize,
    /// Expansion of the convolutional blocks.
    pub mbconv_expand_ratio: usize,
    /// Channels of embedding and decoder.
    pub hidden_size: usize,
    /// Blocks of the decoder.
    pub decoder_layers: usize,
    /// Attention heads of the decoder.
    pub decoder_heads: usize,
    /// Hidden width of the decoder's MLPs.
    pub decoder_mlp_dim: usize,
    /// What the decoder's cross-attention divides its width by.
    pub attention_downsample_rate: usize,
    /// Masks per prompt.
    pub num_mask_tokens: usize,
    /// Channels inside the mask prompt's encoder.
    pub mask_input_channels: usize,
}

impl Default for MobileSamConfig {
    fn default() -> Self {
        Self {
            image_size: 1024,
            embed_dims: [64, 128, 160, 320],
            depths: [2, 2, 6, 2],
            num_heads: [2, 4, 5, 10],
            window_sizes: [7, 7, 14, 7],
            mlp_ratio: 4,
            mbconv_expand_ratio: 4,
            hidden_size: 256,
            decoder_layers: 2,
            decoder_heads: 8,
            decoder_mlp_dim: 2048,
            attention_downsample_rate: 2,
            num_mask_tokens: 4,
            mask_input_channels: 16,
        }
    }
}

impl MobileSamConfig {
    /// Read and check a configuration.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn of(config: &Config) -> Result<Self, ModelError> {
        let sizes: Self = config.parse()?;
        sizes.check().map_err(|why| config.bad(why))?;
        Ok(sizes)
    }

    fn check(&self) -> Result<(), &'static str> {
        let lists = [
            self.embed_dims,
            self.depths,
            self.num_heads,
            self.window_sizes,
        ];
        let single = [self.image_size, self.mlp_ratio, self.mbconv_expand_ratio];
        if !lists
            .as_flattened()
            .iter()
            .chain(&single)
            .all(|v| (1..=LIMIT).contains(v))
        {
            return Err("a size is zero or absurdly large");
        }
        if !self.image_size.is_multiple_of(16) || self.image_size > 4096 {
            return Err("image_size must be a multiple of 16, at most 4096");
        }
        if self.window_sizes.iter().any(|side| *side > 64) {
            return Err("window_sizes must be at most 64");
        }
        if self
            .embed_dims
            .iter()
            .zip(self.num_heads)
            .any(|(dim, heads)| dim % heads != 0)
        {
            return Err("embed_dims must be multiples of num_heads");
        }
        self.design().check()
    }

    /// Sizes of the prompt encoder and the decoder.
    pub fn design(&self) -> Design {
        Design {
            frame: self.image_size,
            grid: self.image_size / 16,
            width: self.hidden_size,
            mask_prompt: (self.mask_input_channels, Activation::Gelu),
            layers: self.decoder_layers,
            heads: self.decoder_heads,
            block_downsampling: self.attention_downsample_rate,
            last_downsampling: self.attention_downsample_rate,
            mlp: (self.decoder_mlp_dim, Activation::Relu),
            masks: self.num_mask_tokens,
            score_head: (3, self.hidden_size),
            mask_prompt_eps: 1e-6,
            block_eps: 1e-5,
            choice: Choice::ByDoubt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<MobileSamConfig, ModelError> {
        MobileSamConfig::of(&Config::parse_text(text, "here.json")?)
    }

    #[test]
    fn what_is_missing_is_mobile_sams() {
        let config = parse(r#"{"model_type": "mobile_sam"}"#).unwrap();
        assert_eq!(config, MobileSamConfig::default());
        assert_eq!(config.design().grid, 64);
    }

    #[test]
    fn nonsense_is_refused_with_the_file_named() {
        for text in [
            "",
            "[]",
            r#"{"image_size": 0}"#,
            r#"{"image_size": 99999999999999999999}"#,
            r#"{"image_size": 1000}"#,
            r#"{"embed_dims": [1]}"#,
            r#"{"num_heads": [2, 4, 7, 10]}"#,
            r#"{"decoder_heads": 3}"#,
            r#"{"window_sizes": [7, 7, 1000, 7]}"#,
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.contains("here.json") && !error.contains('\n'),
                "{error}"
            );
        }
    }
}
