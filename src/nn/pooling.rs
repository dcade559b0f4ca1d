//! From a token sequence to one vector for the whole picture.

use super::capture::Tokens;
use super::rows::mean_row;
use super::values::Values;
use candle_core::{Result, Tensor, bail};

/// What stands for the whole picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// A prefix token that was trained for it: 0 is the class token, DeiT's
    /// distillation token 1.
    Token(usize),
    /// The mean of the grid's tokens.
    Mean,
    /// The class token followed by the mean of the grid's tokens (DINOv2's
    /// linear classifier).
    ClassAndMean,
}

impl Pooling {
    /// The class token ("[CLS]").
    pub const CLASS: Self = Self::Token(0);

    /// Length of the vector for tokens of `width`.
    pub fn outputs(self, width: usize) -> usize {
        match self {
            Self::Token(_) | Self::Mean => width,
            Self::ClassAndMean => 2 * width,
        }
    }

    /// The vector of `tokens` (tokens, width), which lie as `layout` says.
    ///
    /// # Errors
    /// If there is no such token, or the tensor is not plain f32.
    pub fn apply(self, tokens: &Tensor, layout: Tokens) -> Result<Vec<f32>> {
        let (count, width) = tokens.dims2()?;
        if count != layout.len() {
            bail!("{count} tokens for a layout of {}", layout.len());
        }
        let values = Values::of(tokens)?;
        let token = |index: usize| match values.get(index * width..(index + 1) * width) {
            Some(token) if index < layout.prefix => Ok(token.to_vec()),
            _ => bail!("no prefix token {index} among {}", layout.prefix),
        };
        match self {
            Self::Token(index) => token(index),
            Self::Mean => Ok(mean_row(&values[layout.prefix * width..], width)),
            Self::ClassAndMean => {
                let grid = mean_row(&values[layout.prefix * width..], width);
                Ok([token(0)?, grid].concat())
            }
        }
    }

    /// The gradient of tokens (tokens, width), which lie as `layout` says, from
    /// that of their vector.
    ///
    /// # Errors
    /// If there is no such token, or the vector has another length.
    pub fn gradient(self, vector: &[f32], layout: Tokens, width: usize) -> Result<Vec<f32>> {
        if vector.len() != self.outputs(width) {
            bail!("a vector of {} for tokens of {width}", vector.len());
        }
        let (token, mean) = match self {
            Self::Token(index) => (Some((index, vector)), None),
            Self::Mean => (None, Some(vector)),
            Self::ClassAndMean => (Some((0, &vector[..width])), Some(&vector[width..])),
        };
        let mut out = vec![0.0; layout.len() * width];
        if let Some((index, vector)) = token {
            if index >= layout.prefix {
                bail!("no prefix token {index} among {}", layout.prefix);
            }
            out[index * width..][..width].copy_from_slice(vector);
        }
        if let Some(mean) = mean {
            let share = 1.0 / (layout.len() - layout.prefix).max(1) as f32;
            for row in out[layout.prefix * width..].chunks_exact_mut(width) {
                row.iter_mut()
                    .zip(mean)
                    .for_each(|(to, value)| *to = share * value);
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::capture::Grid;
    use candle_core::Device;

    #[test]
    fn each_pooling_takes_its_tokens() {
        let layout = Tokens {
            prefix: 2,
            grid: Some(Grid {
                rows: 1,
                columns: 2,
            }),
        };
        let values = [1f32, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 60.0];
        let tokens = Tensor::from_slice(&values, (4, 2), &Device::Cpu).unwrap();
        let pooled = |pooling: Pooling| pooling.apply(&tokens, layout).unwrap();
        assert_eq!(pooled(Pooling::CLASS), [1.0, 2.0]);
        assert_eq!(pooled(Pooling::Token(1)), [3.0, 4.0]);
        assert_eq!(pooled(Pooling::Mean), [20.0, 40.0]);
        assert_eq!(pooled(Pooling::ClassAndMean), [1.0, 2.0, 20.0, 40.0]);
        assert_eq!(Pooling::ClassAndMean.outputs(2), 4);
        assert!(Pooling::Token(2).apply(&tokens, layout).is_err());
        let back = |pooling: Pooling, vector: &[f32]| pooling.gradient(vector, layout, 2).unwrap();
        let zero = [0.0; 4];
        assert_eq!(
            back(Pooling::Token(1), &[5.0, 7.0])[..4],
            [0.0, 0.0, 5.0, 7.0]
        );
        assert_eq!(
            back(Pooling::Mean, &[6.0, 8.0]),
            [&zero[..], &[3.0, 4.0, 3.0, 4.0]].concat()
        );
        let both = [1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 3.0, 4.0];
        assert_eq!(back(Pooling::ClassAndMean, &[1.0, 2.0, 6.0, 8.0]), both);
        assert!(Pooling::Token(2).gradient(&[1.0, 2.0], layout, 2).is_err());
        assert!(Pooling::Mean.gradient(&[1.0], layout, 2).is_err());
        let other = Tokens {
            prefix: 1,
            ..layout
        };
        assert!(Pooling::CLASS.apply(&tokens, other).is_err());
    }
}
