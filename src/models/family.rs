//! Architectures, and how a configuration names them.

use super::checkpoint::Config;

/// Architectures that this program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// TinyViT with SAM's prompt encoder and mask decoder (Zhang et al. 2023).
    MobileSam,
    /// Segment Anything (Kirillov et al. 2023), pruned ones included.
    Sam,
    /// Vision Transformer (Dosovitskiy et al. 2021); DINO's too.
    Vit,
    /// ViT with a distillation token (Touvron et al. 2021).
    Deit,
    /// DINOv2 (Oquab et al. 2023).
    Dinov2,
    /// DINOv2 with register tokens (Darcet et al. 2024).
    Dinov2WithRegisters,
    /// MobileViT (Mehta & Rastegari 2022) with DeepLabV3.
    MobileVit,
    /// SegFormer (Xie et al. 2021).
    SegFormer,
    /// DeepLabV3+ (Chen et al. 2018) on a plain ViT or on MobileSAM's TinyViT,
    /// as this program trains them.
    VitDeepLab,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::MobileSam,
        Self::Sam,
        Self::Vit,
        Self::Deit,
        Self::Dinov2,
        Self::Dinov2WithRegisters,
        Self::MobileVit,
        Self::SegFormer,
        Self::VitDeepLab,
    ];

    /// Its `model_type` in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::MobileSam => "mobile_sam",
            Self::Sam => "sam",
            Self::Vit => "vit",
            Self::Deit => "deit",
            Self::Dinov2 => "dinov2",
            Self::Dinov2WithRegisters => "dinov2_with_registers",
            Self::MobileVit => "mobilevit",
            Self::SegFormer => "segformer",
            Self::VitDeepLab => "vit_deeplabv3plus",
        }
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::MobileSam => "MobileSAM",
            Self::Sam => "SAM",
            Self::Vit => "ViT",
            Self::Deit => "DeiT",
            Self::Dinov2 => "DINOv2",
            Self::Dinov2WithRegisters => "DINOv2 with registers",
            Self::MobileVit => "MobileViT + DeepLabV3",
            Self::SegFormer => "SegFormer",
            Self::VitDeepLab => "ViT-DeepLabV3+",
        }
    }

    /// How the names of its classes in `architectures` begin.
    fn prefix(self) -> &'static str {
        match self {
            Self::MobileSam => "MobileSam",
            Self::Sam => "Sam",
            Self::Vit => "ViT",
            Self::Deit => "DeiT",
            Self::Dinov2 => "Dinov2",
            Self::Dinov2WithRegisters => "Dinov2WithRegisters",
            Self::MobileVit => "MobileViT",
            Self::SegFormer => "Segformer",
            Self::VitDeepLab => "VitDeepLabV3Plus",
        }
    }

    /// The one class in `architectures` that is supported. `None` where any
    /// will do, because the encoder is of use by itself.
    fn only(self) -> Option<&'static str> {
        match self {
            Self::Sam => Some("SamModel"),
            Self::MobileVit => Some("MobileViTForSemanticSegmentation"),
            Self::SegFormer => Some("SegformerForSemanticSegmentation"),
            Self::VitDeepLab => Some("VitDeepLabV3PlusForSemanticSegmentation"),
            _ => None,
        }
    }

    /// The family that a configuration names by its `model_type`, or else by
    /// the first of its `architectures`.
    ///
    /// # Errors
    /// The name that it has, if that is none of ours.
    pub fn of(config: &Config) -> Result<Self, String> {
        let class = config
            .get("architectures")
            .and_then(|list| list.get(0)?.as_str());
        let model_type = config.str("model_type").filter(|name| !name.is_empty());
        let family = match (model_type, class) {
            (Some(name), _) => Self::ALL.into_iter().find(|f| f.model_type() == name),
            (None, Some(class)) => Self::by_class(class),
            (None, None) => None,
        };
        let Some(family) = family else {
            return Err(model_type.or(class).unwrap_or("unnamed").to_owned());
        };
        match (family.only(), class) {
            (Some(only), Some(class)) if class != only => Err(class.to_owned()),
            _ => Ok(family),
        }
    }

    /// By the words that a class begins with: `ViTModel` is a ViT, `ViTMAEModel`
    /// is not.
    fn by_class(class: &str) -> Option<Self> {
        let is_class_of = |family: &Self| {
            let rest = class.strip_prefix(family.prefix());
            let ends = ["Model", "For", "Backbone"];
            rest.is_some_and(|rest| ends.iter().any(|end| rest.starts_with(end)))
        };
        Self::ALL.into_iter().find(is_class_of)
    }

    /// What is supported, for error messages: each `model_type`, and the class
    /// where only one will do.
    pub fn supported() -> String {
        let name = |family: Self| match family.only() {
            Some(class) => format!("{} ({class})", family.model_type()),
            None => family.model_type().to_owned(),
        };
        Self::ALL.map(name).join(", ")
    }
}

#[cfg(test)]
mod tests;
