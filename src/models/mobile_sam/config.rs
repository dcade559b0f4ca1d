//! Sizes of the network, from `config.json`.

use crate::models::ModelError;
use serde::Deserialize;
use std::path::Path;

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
    /// Read and check a configuration file.
    ///
    /// # Errors
    /// [`ModelError::Read`] or [`ModelError::Config`].
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(path).map_err(|error| ModelError::Read {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Parse and check a configuration; `file` is for errors.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn parse(text: &str, file: &str) -> Result<Self, ModelError> {
        let bad = |why: String| ModelError::Config {
            file: file.to_owned(),
            why,
        };
        // By way of a map: a list would pass for a structure that has only defaults.
        let fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        let config: Self =
            serde_json::from_value(fields.into()).map_err(|error| bad(error.to_string()))?;
        config.check().map_err(|why| bad(why.to_owned()))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), &'static str> {
        let lists = [
            self.embed_dims,
            self.depths,
            self.num_heads,
            self.window_sizes,
        ];
        let single = [
            self.image_size,
            self.mlp_ratio,
            self.mbconv_expand_ratio,
            self.hidden_size,
            self.decoder_layers,
            self.decoder_heads,
            self.decoder_mlp_dim,
            self.attention_downsample_rate,
            self.num_mask_tokens,
            self.mask_input_channels,
        ];
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
        if self.num_mask_tokens < 2 || !self.hidden_size.is_multiple_of(8) {
            return Err("num_mask_tokens must be at least 2, hidden_size a multiple of 8");
        }
        if !self.mask_input_channels.is_multiple_of(4) {
            return Err("mask_input_channels must be a multiple of 4");
        }
        if self.hidden_size != 16 * self.decoder_heads * self.attention_downsample_rate {
            return Err("the decoder's cross-attention must have heads of width 16");
        }
        Ok(())
    }

    /// Side of the embedding, in tokens.
    pub fn grid_side(&self) -> usize {
        self.image_size / 16
    }

    /// Side of a low-resolution mask.
    pub fn mask_side(&self) -> usize {
        4 * self.grid_side()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_mobile_sams() {
        let config = MobileSamConfig::parse(r#"{"model_type": "mobile_sam"}"#, "c").unwrap();
        assert_eq!(config, MobileSamConfig::default());
        assert_eq!((config.grid_side(), config.mask_side()), (64, 256));
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
            let error = MobileSamConfig::parse(text, "here.json")
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("here.json") && !error.contains('\n'),
                "{error}"
            );
        }
    }
}
