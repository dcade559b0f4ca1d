//! MobileViT's `config.json`.

use crate::models::ModelError;
use crate::models::checkpoint::Config;
use serde::Deserialize;

/// More channels than any MobileViT has; keeps nonsense from being multiplied.
const MOST_CHANNELS: usize = 1 << 16;
/// The largest dilation of the ASPP that is believed.
const MOST_RATE: usize = 1 << 12;

/// The fields that backbone and head are made from; what is missing takes the
/// reference implementation's defaults, which are MobileViT-small's.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct MobileVitConfig {
    /// Channels of a picture.
    pub num_channels: usize,
    /// Side of a patch of the MobileViT blocks.
    pub patch_size: usize,
    /// Widths of the three Transformers.
    pub hidden_sizes: Vec<usize>,
    /// Channels of the stem, of the five stages and of the last 1×1
    /// convolution of classifiers.
    pub neck_hidden_sizes: Vec<usize>,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width inside the Transformer's MLP over its width.
    pub mlp_ratio: f64,
    /// Width inside an inverted residual over its input's.
    pub expand_ratio: f64,
    /// Activation of everything but the ASPP.
    pub hidden_act: String,
    /// Side of the filters of the MobileViT blocks.
    pub conv_kernel_size: usize,
    /// Input pixels per pixel of the coarsest map: 8, 16, or else 32.
    pub output_stride: usize,
    /// Epsilon of the layer norms.
    pub layer_norm_eps: f32,
    /// Whether queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Channels of the ASPP.
    pub aspp_out_channels: usize,
    /// Dilations of the ASPP.
    pub atrous_rates: Vec<usize>,
}

impl Default for MobileVitConfig {
    fn default() -> Self {
        Self {
            num_channels: 3,
            patch_size: 2,
            hidden_sizes: vec![144, 192, 240],
            neck_hidden_sizes: vec![16, 32, 64, 96, 128, 160, 640],
            num_attention_heads: 4,
            mlp_ratio: 2.0,
            expand_ratio: 4.0,
            hidden_act: "silu".into(),
            conv_kernel_size: 3,
            output_stride: 32,
            layer_norm_eps: 1e-5,
            qkv_bias: true,
            aspp_out_channels: 256,
            atrous_rates: vec![6, 12, 18],
        }
    }
}

impl MobileVitConfig {
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
        let numbers = [
            ("num_channels", self.num_channels, 3, 3),
            ("patch_size", self.patch_size, 1, 64),
            (
                "num_attention_heads",
                self.num_attention_heads,
                1,
                MOST_CHANNELS,
            ),
            ("conv_kernel_size", self.conv_kernel_size, 1, 63),
            (
                "aspp_out_channels",
                self.aspp_out_channels,
                1,
                MOST_CHANNELS,
            ),
            ("the length of hidden_sizes", self.hidden_sizes.len(), 3, 3),
            (
                "the length of neck_hidden_sizes",
                self.neck_hidden_sizes.len(),
                7,
                7,
            ),
            ("the length of atrous_rates", self.atrous_rates.len(), 3, 3),
        ];
        for (name, value, least, most) in numbers {
            in_range(name, value, least, most)?;
        }
        if !(0.0..=1.0).contains(&self.layer_norm_eps) {
            let eps = self.layer_norm_eps;
            return Err(format!("layer_norm_eps is {eps}, expected 0 to 1"));
        }
        let channels = self.hidden_sizes.iter().chain(&self.neck_hidden_sizes);
        for size in channels {
            in_range("a hidden size", *size, 1, MOST_CHANNELS)?;
        }
        for rate in &self.atrous_rates {
            in_range("an atrous rate", *rate, 1, MOST_RATE)?;
        }
        if self.conv_kernel_size.is_multiple_of(2) {
            // Even filters change the size of the map, which cannot be fused.
            return Err(format!(
                "conv_kernel_size is {}, expected an odd number",
                self.conv_kernel_size
            ));
        }
        let heads = self.num_attention_heads;
        if let Some(size) = self
            .hidden_sizes
            .iter()
            .find(|size| !size.is_multiple_of(heads))
        {
            return Err(format!(
                "hidden size {size} is not a multiple of {heads} attention heads"
            ));
        }
        for (name, ratio) in [
            ("mlp_ratio", self.mlp_ratio),
            ("expand_ratio", self.expand_ratio),
        ] {
            if !(0.0..=1024.0).contains(&ratio) {
                return Err(format!("{name} is {ratio}, expected 0 to 1024"));
            }
        }
        if self
            .hidden_sizes
            .iter()
            .any(|size| self.mlp_width(*size) == 0)
        {
            return Err(format!(
                "mlp_ratio is {}, which leaves nothing",
                self.mlp_ratio
            ));
        }
        Ok(())
    }

    /// Width inside the MLP of a Transformer of width `width`.
    pub(super) fn mlp_width(&self, width: usize) -> usize {
        (width as f64 * self.mlp_ratio) as usize
    }

    /// Width inside an inverted residual with `inputs` channels.
    pub(super) fn expanded(&self, inputs: usize) -> usize {
        // Python's `round` takes halves to the even number.
        let width = (inputs as f64 * self.expand_ratio).round_ties_even() as usize;
        make_divisible(width, 8)
    }

    /// Stride and dilation of the inverted residuals before the three MobileViT
    /// blocks.
    ///
    /// Where a stage's map is not to get smaller, the stride that is left out
    /// becomes dilation. A dilated stage's first convolution still runs with
    /// the dilation of the stage before; what follows it in this network has
    /// none.
    pub(super) fn downsampling(&self) -> [(usize, usize); 3] {
        match self.output_stride {
            8 => [(2, 1), (1, 1), (1, 2)],
            16 => [(2, 1), (2, 1), (1, 1)],
            _ => [(2, 1); 3],
        }
    }

    /// Input pixels per pixel of the coarsest map.
    pub(super) fn stride(&self) -> usize {
        let strides = self.downsampling().map(|(stride, _)| stride);
        4 * strides.iter().product::<usize>()
    }
}

/// `value` rounded to a multiple of `divisor`, but not down by more than a
/// tenth (MobileNet's rule).
fn make_divisible(value: usize, divisor: usize) -> usize {
    let rounded = (value + divisor / 2) / divisor * divisor;
    let rounded = rounded.max(divisor);
    if 10 * rounded < 9 * value {
        rounded + divisor
    } else {
        rounded
    }
}

fn in_range(name: &str, value: usize, least: usize, most: usize) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(match least == most {
        true => format!("{name} is {value}; only {least} is supported"),
        false => format!("{name} is {value}, expected {least} to {most}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_rounded_as_in_mobilenet() {
        // Values of transformers' make_divisible.
        let pairs = [
            (0, 8),
            (3, 8),
            (11, 16),
            (12, 16),
            (20, 24),
            (19, 24),
            (43, 40),
            (64, 64),
            (36, 40),
        ];
        for (value, want) in pairs {
            assert_eq!(make_divisible(value, 8), want, "{value}");
        }
        let config = MobileVitConfig {
            expand_ratio: 0.5,
            ..Default::default()
        };
        // 12.5 becomes 12 and then 16; 13 would be 16 too, 20.5 becomes 20, not 21.
        assert_eq!((config.expanded(25), config.expanded(41)), (16, 24));
    }
}
