//! The reference implementation's image processors: which there are and what
//! each does where its configuration says nothing.

use super::{Preprocessor, Resize};
use crate::models::checkpoint::Config;
use crate::models::family::Family;
use crate::photo::resample::Filter;

/// Mean and standard deviation of ImageNet's colours.
pub(super) const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
/// What makes -1..=1 of 0..=1.
pub(super) const HALF: ([f32; 3], [f32; 3]) = ([0.5; 3], [0.5; 3]);
/// Mean and standard deviation of the colours that CLIP was trained on.
const CLIP: ([f32; 3], [f32; 3]) = (
    [0.48145466, 0.4578275, 0.40821073],
    [0.26862954, 0.2613026, 0.2757771],
);
/// ImageNet's on a scale of 0..=255, as the original SAM has them.
const IMAGENET_BYTES: ([f32; 3], [f32; 3]) = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]);
/// What makes 0..=1 of bytes.
pub(super) const UNIT: f64 = 1.0 / 255.0;

/// An image processor of transformers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Processor {
    Vit,
    Deit,
    /// Also CLIP's, which does the same.
    Bit,
    MobileVit,
    Segformer,
    Sam,
    /// This program's own, for the networks that it trains.
    VitDeepLab,
}

impl Processor {
    /// By `image_processor_type` or `feature_extractor_type`, whatever the
    /// generation: `ViTFeatureExtractor`, `ViTImageProcessorFast`.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        let end = ["ImageProcessor", "FeatureExtractor"]
            .iter()
            .find_map(|part| name.find(part));
        Some(match &name[..end?] {
            "ViT" => Self::Vit,
            "DeiT" => Self::Deit,
            "Bit" | "CLIP" => Self::Bit,
            "MobileViT" => Self::MobileVit,
            "Segformer" => Self::Segformer,
            "Sam" => Self::Sam,
            "VitDeepLabV3Plus" => Self::VitDeepLab,
            _ => return None,
        })
    }

    /// The one that a family comes with.
    pub(super) fn of(family: Family) -> Self {
        match family {
            Family::MobileSam | Family::Sam => Self::Sam,
            Family::Vit => Self::Vit,
            Family::Deit => Self::Deit,
            Family::Dinov2 | Family::Dinov2WithRegisters => Self::Bit,
            Family::MobileVit => Self::MobileVit,
            Family::SegFormer => Self::Segformer,
            Family::VitDeepLab => Self::VitDeepLab,
        }
    }

    /// What a lone number as `size` means.
    pub(super) fn size(self, side: usize) -> Resize {
        match self {
            Self::Vit | Self::Deit | Self::Segformer => square(side),
            Self::Bit | Self::MobileVit => Resize::ShortestEdge(side),
            Self::Sam | Self::VitDeepLab => Resize::LongestEdge(side),
        }
    }

    /// Its steps where the file leaves everything out. Whether it crops or
    /// pads is for the file to say; these are the sizes.
    pub(super) fn defaults(self) -> Preprocessor {
        let steps = |resize, filter, crop: Option<usize>, normalize| Preprocessor {
            resize,
            filter,
            crop: crop.map(|side| (side, side)),
            rescale: Some(UNIT),
            normalize,
            bgr: false,
            pad: None,
            divisor: 1,
        };
        let shortest = Resize::ShortestEdge(224);
        let (smooth, sharp) = (Filter::Bilinear, Filter::Bicubic);
        match self {
            Self::Vit => steps(square(224), smooth, None, Some(HALF)),
            Self::Deit => steps(square(256), sharp, Some(224), Some(HALF)),
            Self::Bit => steps(shortest, sharp, Some(224), Some(CLIP)),
            Self::MobileVit => Preprocessor {
                bgr: true,
                ..steps(shortest, sharp, Some(256), None)
            },
            Self::Segformer => steps(square(512), smooth, None, Some(IMAGENET)),
            Self::Sam => Preprocessor {
                pad: Some((1024, 1024)),
                ..steps(Resize::LongestEdge(1024), smooth, None, Some(IMAGENET))
            },
            Self::VitDeepLab => Preprocessor {
                divisor: 16,
                ..steps(Resize::LongestEdge(384), smooth, None, Some(IMAGENET))
            },
        }
    }
}

pub(super) fn square(side: usize) -> Resize {
    Resize::Exact {
        width: side,
        height: side,
    }
}

/// What a family was trained with, for snapshots without a preprocessor's
/// configuration; `side` is the network's input size.
pub(super) fn usual(family: Family, side: usize) -> Preprocessor {
    // 256 and 224, the usual pair of ImageNet, for other sizes.
    let before_crop = side * 8 / 7;
    let trained = Processor::of(family).defaults();
    match family {
        Family::MobileSam => Preprocessor {
            resize: Resize::LongestEdge(side),
            pad: Some((side, side)),
            rescale: None,
            normalize: Some(IMAGENET_BYTES),
            ..trained
        },
        Family::Sam => Preprocessor {
            resize: Resize::LongestEdge(side),
            pad: Some((side, side)),
            ..trained
        },
        Family::Vit | Family::SegFormer => Preprocessor {
            resize: square(side),
            ..trained
        },
        Family::Deit => Preprocessor {
            resize: square(before_crop),
            crop: Some((side, side)),
            normalize: Some(IMAGENET),
            ..trained
        },
        Family::Dinov2 | Family::Dinov2WithRegisters => Preprocessor {
            resize: Resize::ShortestEdge(before_crop),
            crop: Some((side, side)),
            normalize: Some(IMAGENET),
            ..trained
        },
        Family::VitDeepLab => Preprocessor {
            resize: Resize::LongestEdge(side),
            ..trained
        },
        Family::MobileVit => Preprocessor {
            resize: Resize::ShortestEdge(side + 32),
            filter: Filter::Bilinear,
            crop: Some((side, side)),
            ..trained
        },
    }
}

/// The side of the network's input that a model's configuration tells. Of
/// SegFormer it tells what the encoder was pretrained with, which says nothing.
pub(super) fn side(family: Family, config: &Config) -> Result<usize, crate::models::ModelError> {
    match family {
        Family::SegFormer => Ok(512),
        Family::MobileSam => config.usize("image_size", 1024),
        Family::Sam => match config.section("vision_config") {
            Some(vision) => vision.usize("image_size", 1024),
            None => Ok(1024),
        },
        Family::MobileVit => config.usize("image_size", 256),
        Family::VitDeepLab => config.usize("image_size", 384),
        _ => config.usize("image_size", 224),
    }
}
