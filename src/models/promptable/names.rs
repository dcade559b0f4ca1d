//! The two name maps: what tensors are called in the checkpoints of SAM's and
//! MobileSAM's authors, and in those of transformers' `SamModel`. Names that
//! are the same in both are in the code that reads them.

/// Names of tensors where checkpoints disagree.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// The matrix of positions, under any of these names.
    pub positions: &'static [&'static str],
    /// Embeddings of the kinds of points, before their number.
    pub points: &'static str,
    /// Encoder of mask prompts: convolution and norm, twice, then a
    /// convolution.
    pub mask_prompt: [&'static str; 5],
    /// Norms of a decoder block, before their number (from 1 on).
    pub block_norm: &'static str,
    /// The norm after the last cross-attention.
    pub last_norm: &'static str,
    /// Convolution, norm, convolution.
    pub upscaling: [&'static str; 3],
    /// Layers of the MLPs that read mask and score tokens.
    pub mlp: MlpNames,
    /// The image encoder's neck: convolution and norm, twice.
    pub neck: [&'static str; 4],
}

/// What the layers of an MLP are called.
#[derive(Clone, Copy, Debug)]
pub enum MlpNames {
    /// `layers.0`, `layers.1`, …
    Numbered,
    /// `proj_in`, `layers.0`, …, `proj_out`.
    InAndOut,
}

impl MlpNames {
    /// Layer `index` of the `count` layers of the MLP `name`.
    pub fn layer(self, name: &str, index: usize, count: usize) -> String {
        match self {
            Self::InAndOut if index == 0 => format!("{name}.proj_in"),
            Self::InAndOut if index + 1 == count => format!("{name}.proj_out"),
            Self::InAndOut => format!("{name}.layers.{}", index - 1),
            Self::Numbered => format!("{name}.layers.{index}"),
        }
    }
}

/// As in the checkpoints of SAM's and MobileSAM's authors.
pub const ORIGINAL: Names = Names {
    positions: &["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"],
    points: "prompt_encoder.point_embeddings",
    mask_prompt: [
        "prompt_encoder.mask_downscaling.0",
        "prompt_encoder.mask_downscaling.1",
        "prompt_encoder.mask_downscaling.3",
        "prompt_encoder.mask_downscaling.4",
        "prompt_encoder.mask_downscaling.6",
    ],
    block_norm: "norm",
    last_norm: "mask_decoder.transformer.norm_final_attn",
    upscaling: [
        "mask_decoder.output_upscaling.0",
        "mask_decoder.output_upscaling.1",
        "mask_decoder.output_upscaling.3",
    ],
    mlp: MlpNames::Numbered,
    neck: [
        "image_encoder.neck.0",
        "image_encoder.neck.1",
        "image_encoder.neck.2",
        "image_encoder.neck.3",
    ],
};

/// As in transformers' `SamModel`. Its two matrices of positions are tied, so
/// that files hold one or both.
pub const HUGGING_FACE: Names = Names {
    positions: &[
        "shared_image_embedding.positional_embedding",
        "prompt_encoder.shared_embedding.positional_embedding",
    ],
    points: "prompt_encoder.point_embed",
    mask_prompt: [
        "prompt_encoder.mask_embed.conv1",
        "prompt_encoder.mask_embed.layer_norm1",
        "prompt_encoder.mask_embed.conv2",
        "prompt_encoder.mask_embed.layer_norm2",
        "prompt_encoder.mask_embed.conv3",
    ],
    block_norm: "layer_norm",
    last_norm: "mask_decoder.transformer.layer_norm_final_attn",
    upscaling: [
        "mask_decoder.upscale_conv1",
        "mask_decoder.upscale_layer_norm",
        "mask_decoder.upscale_conv2",
    ],
    mlp: MlpNames::InAndOut,
    neck: [
        "vision_encoder.neck.conv1",
        "vision_encoder.neck.layer_norm1",
        "vision_encoder.neck.conv2",
        "vision_encoder.neck.layer_norm2",
    ],
};
