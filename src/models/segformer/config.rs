//! SegFormer's `config.json`.

use crate::models::ModelError;
use crate::models::checkpoint::Config;
use serde::Deserialize;

/// More stages, blocks or channels than any SegFormer has; keeps nonsense from
/// being multiplied.
const MOST_STAGES: usize = 16;
const MOST_BLOCKS: usize = 1000;
const MOST_CHANNELS: usize = 1 << 16;

/// The fields that the encoder and the head are made from; what is missing
/// takes the reference implementation's defaults, which are B0's.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct SegFormerConfig {
    /// Channels of a picture.
    pub num_channels: usize,
    /// Number of stages.
    pub num_encoder_blocks: usize,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// How much smaller the map of keys is, per side.
    pub sr_ratios: Vec<usize>,
    /// Channels of each stage.
    pub hidden_sizes: Vec<usize>,
    /// Side of each patch embedding's filter.
    pub patch_sizes: Vec<usize>,
    /// Stride of each patch embedding.
    pub strides: Vec<usize>,
    /// Attention heads of each stage.
    pub num_attention_heads: Vec<usize>,
    /// Width inside the Mix-FFN over the stage's channels.
    pub mlp_ratios: Vec<f64>,
    /// Activation of the Mix-FFN.
    pub hidden_act: String,
    /// Width of the decode head.
    pub decoder_hidden_size: usize,
}

impl Default for SegFormerConfig {
    fn default() -> Self {
        Self {
            num_channels: 3,
            num_encoder_blocks: 4,
            depths: vec![2, 2, 2, 2],
            sr_ratios: vec![8, 4, 2, 1],
            hidden_sizes: vec![32, 64, 160, 256],
            patch_sizes: vec![7, 3, 3, 3],
            strides: vec![4, 2, 2, 2],
            num_attention_heads: vec![1, 2, 5, 8],
            mlp_ratios: vec![4.0; 4],
            hidden_act: "gelu".into(),
            decoder_hidden_size: 256,
        }
    }
}

/// One stage of the encoder.
#[derive(Clone, Copy, Debug)]
pub(super) struct StageConfig {
    pub inputs: usize,
    pub channels: usize,
    pub depth: usize,
    pub patch: usize,
    pub stride: usize,
    pub ratio: usize,
    pub heads: usize,
    /// Width inside the Mix-FFN.
    pub hidden: usize,
}

impl SegFormerConfig {
    /// Read and check.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn read(config: &Config) -> Result<Self, ModelError> {
        let fields: Self = config.parse()?;
        fields.check().map_err(|why| config.bad(why))?;
        Ok(fields)
    }

    fn check(&self) -> Result<(), String> {
        let stages = self.num_encoder_blocks;
        if self.num_channels != 3 {
            let found = self.num_channels;
            return Err(format!(
                "num_channels is {found}; only pictures of 3 are supported"
            ));
        }
        if !(1..=MOST_STAGES).contains(&stages) {
            return Err(format!(
                "num_encoder_blocks is {stages}, expected 1 to {MOST_STAGES}"
            ));
        }
        let lists = [
            ("depths", &self.depths, 0, MOST_BLOCKS),
            ("sr_ratios", &self.sr_ratios, 1, 64),
            ("hidden_sizes", &self.hidden_sizes, 1, MOST_CHANNELS),
            ("patch_sizes", &self.patch_sizes, 1, 64),
            ("strides", &self.strides, 1, 64),
            (
                "num_attention_heads",
                &self.num_attention_heads,
                1,
                MOST_CHANNELS,
            ),
        ];
        for (name, list, least, most) in lists {
            let list = list
                .get(..stages)
                .ok_or_else(|| short(name, stages, list.len()))?;
            if let Some(bad) = list.iter().find(|v| !(least..=most).contains(*v)) {
                return Err(format!("{name} has {bad}, expected {least} to {most}"));
            }
        }
        let ratios = &self.mlp_ratios;
        let ratios = ratios
            .get(..stages)
            .ok_or_else(|| short("mlp_ratios", stages, ratios.len()))?;
        for (stage, ratio) in ratios.iter().enumerate() {
            let hidden = self.hidden_sizes[stage] as f64 * ratio;
            if !(1.0..=MOST_CHANNELS as f64).contains(&hidden) {
                return Err(format!("mlp_ratios has {ratio}, which makes no sense"));
            }
            let (heads, channels) = (self.num_attention_heads[stage], self.hidden_sizes[stage]);
            if heads > channels {
                return Err(format!(
                    "num_attention_heads has {heads} for {channels} channels"
                ));
            }
        }
        match self.decoder_hidden_size {
            1..=MOST_CHANNELS => Ok(()),
            other => Err(format!(
                "decoder_hidden_size is {other}, expected 1 to {MOST_CHANNELS}"
            )),
        }
    }

    /// The stages, first to last.
    pub(super) fn stages(&self) -> impl Iterator<Item = StageConfig> + '_ {
        (0..self.num_encoder_blocks).map(|i| {
            let channels = self.hidden_sizes[i];
            StageConfig {
                inputs: match i {
                    0 => self.num_channels,
                    _ => self.hidden_sizes[i - 1],
                },
                channels,
                depth: self.depths[i],
                patch: self.patch_sizes[i],
                stride: self.strides[i],
                ratio: self.sr_ratios[i],
                heads: self.num_attention_heads[i],
                hidden: (channels as f64 * self.mlp_ratios[i]) as usize,
            }
        })
    }
}

impl StageConfig {
    /// Width of all heads' queries together: heads of whole width, so it may
    /// be less than the channels.
    pub fn inner(self) -> usize {
        self.channels / self.heads * self.heads
    }
}

fn short(name: &str, stages: usize, found: usize) -> String {
    format!("{name} has {found} entries for {stages} stages")
}
