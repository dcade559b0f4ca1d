//! Sizes of a prompt encoder and a mask decoder.

use crate::nn::kernels::Activation;

/// Nobody's network is larger.
const MAX_FRAME: usize = 4096;
const MAX_GRID: usize = 256;
const MAX_SIZE: usize = 8192;
const MAX_MASKS: usize = 256;

/// Sizes of a prompt encoder and mask decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// Side of the square frame that photos are fitted into, in pixels.
    pub frame: usize,
    /// Side of the embedding, in tokens.
    pub grid: usize,
    /// Channels of embedding, prompt tokens and decoder.
    pub width: usize,
    /// Channels inside the mask prompt's encoder, and what is between its
    /// convolutions.
    pub mask_prompt: (usize, Activation),
    /// Blocks of the two-way transformer.
    pub layers: usize,
    /// Attention heads of the decoder.
    pub heads: usize,
    /// What the cross-attention of the blocks divides the width by.
    pub block_downsampling: usize,
    /// The same for the last cross-attention, after the blocks.
    pub last_downsampling: usize,
    /// Hidden width of the blocks' MLPs, and their activation.
    pub mlp: (usize, Activation),
    /// Mask tokens: one for prompts that leave no doubt, and those for several
    /// masks.
    pub masks: usize,
    /// Linear layers of the head that predicts scores, and their hidden width.
    pub score_head: (usize, usize),
    /// Epsilon of the channel-wise norms of the mask prompt's encoder.
    pub mask_prompt_eps: f32,
    /// Epsilon of the blocks' norms.
    pub block_eps: f32,
    /// Which mask to show first.
    pub choice: Choice,
}

/// Which mask of several to show first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The best of tokens 1 and up for a single point, which may mean a part or
    /// a whole; token 0 for all other prompts. So SAM's authors.
    ByDoubt,
    /// The best of tokens 1 and up, as `SamModel` of transformers gives them.
    ByScore,
}

impl Design {
    /// Side of a low-resolution mask.
    pub fn mask_side(&self) -> usize {
        4 * self.grid
    }

    /// Whether it can be computed.
    ///
    /// # Errors
    /// What is wrong, for a sentence that names the configuration.
    pub(in crate::models) fn check(&self) -> Result<(), &'static str> {
        if !(1..=MAX_FRAME).contains(&self.frame) {
            return Err("the image size must be 1 to 4096 pixels");
        }
        if !(1..=MAX_GRID).contains(&self.grid) {
            return Err("the image must be 1 to 256 patches wide");
        }
        let sizes = [
            self.width,
            self.mask_prompt.0,
            self.heads,
            self.block_downsampling,
            self.last_downsampling,
            self.mlp.0,
            self.score_head.0,
            self.score_head.1,
        ];
        if !sizes.iter().all(|size| (1..=MAX_SIZE).contains(size)) || self.layers > MAX_SIZE {
            return Err("a size of the decoder is zero or absurdly large");
        }
        if !(2..=MAX_MASKS).contains(&self.masks) {
            return Err("the decoder must give 1 to 255 masks at a time");
        }
        if !self.width.is_multiple_of(2) || self.width < 8 {
            return Err("the decoder's width must be even and at least 8");
        }
        if !self.mask_prompt.0.is_multiple_of(4) {
            return Err("the channels of the mask prompt must be a multiple of 4");
        }
        for downsampling in [1, self.block_downsampling, self.last_downsampling] {
            let inner = self.width / downsampling;
            if inner == 0 || !inner.is_multiple_of(self.heads) {
                return Err("the decoder's attention heads must divide the width of its attention");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_computed_is_refused() {
        let good = crate::models::mobile_sam::MobileSamConfig::default().design();
        assert_eq!((good.grid, good.mask_side()), (64, 256));
        assert!(good.check().is_ok());
        let wrong: [fn(&mut Design); 9] = [
            |d| d.frame = 0,
            |d| d.grid = 0,
            |d| d.grid = 257,
            |d| d.heads = 3,
            |d| d.width = 255,
            |d| d.last_downsampling = 512,
            |d| d.masks = 1,
            |d| d.mask_prompt.0 = 6,
            |d| d.layers = usize::MAX,
        ];
        for (i, spoil) in wrong.iter().enumerate() {
            let mut design = good.clone();
            spoil(&mut design);
            assert!(design.check().is_err(), "number {i}");
        }
    }
}
