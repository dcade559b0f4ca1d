//! `preprocessor_config.json`, in both of its generations: dictionaries of
//! sizes under `image_processor_type`, or integers under
//! `feature_extractor_type`.

use super::processor::{self, Processor, UNIT};
use super::{Preprocessor, Resize};
use crate::models::ModelError;
use crate::models::checkpoint::{Config, brief};
use crate::models::family::Family;
use crate::photo::resample::Filter;
use serde_json::Value;
use std::path::Path;

/// The largest side that is believed, in pixels.
const MAX_SIDE: usize = 8192;

impl Preprocessor {
    /// What a snapshot's `preprocessor_config.json` says, or the
    /// `image_processor` of its `processor_config.json`; where there is
    /// neither, what is usual for the family and the model's `config`.
    ///
    /// # Errors
    /// If a file cannot be read or asks for something impossible.
    pub fn read(folder: &Path, family: Family, config: &Config) -> Result<Self, ModelError> {
        let path = folder.join("preprocessor_config.json");
        if path.exists() {
            return Self::from_config(&Config::read(&path)?, family);
        }
        let path = folder.join("processor_config.json");
        if path.exists()
            && let Some(section) = Config::read(&path)?.section("image_processor")
        {
            return Self::from_config(&section, family);
        }
        Self::usual(family, config)
    }

    /// What is usual for a family, for the input size that the model's `config`
    /// tells.
    ///
    /// # Errors
    /// If the size is impossible.
    pub fn usual(family: Family, config: &Config) -> Result<Self, ModelError> {
        let side = side(
            config,
            "image_size",
            processor::side(family, config)? as u64,
        )?;
        Ok(processor::usual(family, side))
    }

    /// From the fields of a preprocessor's configuration.
    ///
    /// # Errors
    /// [`ModelError::Config`] for impossible or unsupported values.
    pub fn from_config(config: &Config, family: Family) -> Result<Self, ModelError> {
        let name = config
            .str("image_processor_type")
            .or_else(|| config.str("feature_extractor_type"));
        let processor = name.and_then(Processor::by_name);
        let processor = processor.unwrap_or_else(|| Processor::of(family));
        let usual = processor.defaults();
        let steps = Self {
            resize: if config.bool("do_resize", true)? {
                size(config, processor)?.unwrap_or(usual.resize)
            } else {
                Resize::None
            },
            filter: filter(config)?.unwrap_or(usual.filter),
            crop: crop(config, processor, usual.crop)?,
            rescale: if config.bool("do_rescale", true)? {
                Some(config.f64("rescale_factor", UNIT)?)
            } else {
                None
            },
            normalize: normalize(config, processor, usual.normalize)?,
            bgr: usual.bgr && config.bool("do_flip_channel_order", true)?,
            pad: pad(config, processor, usual.pad)?,
            divisor: divisor(config, usual.divisor)?,
        };
        let finite = steps.tables().iter().flatten().all(|v| v.is_finite());
        if !finite {
            return Err(config.bad("rescaling and normalising do not give finite numbers"));
        }
        Ok(steps)
    }
}

fn side(config: &Config, key: &str, value: u64) -> Result<usize, ModelError> {
    match usize::try_from(value) {
        Ok(side) if (1..=MAX_SIDE).contains(&side) => Ok(side),
        _ => Err(config.bad(format!("{key} is {value}, expected 1 to {MAX_SIDE} pixels"))),
    }
}

/// Where sizes may be written as an object, these are its keys.
struct Size {
    /// Width, height.
    exact: Option<(usize, usize)>,
    shortest: Option<usize>,
    longest: Option<usize>,
    /// A lone number.
    side: Option<usize>,
}

impl Size {
    fn read(config: &Config, key: &str) -> Result<Option<Self>, ModelError> {
        let Some(value) = config.get(key) else {
            return Ok(None);
        };
        let bad = || config.bad(format!("{key} {} is not supported", brief(value)));
        let pixels = |value: &Value| side(config, key, value.as_u64().ok_or_else(bad)?);
        let field = |name: &str| value.get(name).map(pixels).transpose();
        let mut size = Self {
            exact: None,
            shortest: None,
            longest: None,
            side: None,
        };
        match value {
            Value::Number(_) => size.side = Some(pixels(value)?),
            Value::Array(sides) => match sides.as_slice() {
                [height, width] => size.exact = Some((pixels(width)?, pixels(height)?)),
                _ => return Err(bad()),
            },
            Value::Object(_) => {
                size.exact = field("width")?.zip(field("height")?);
                size.shortest = field("shortest_edge")?;
                size.longest = field("longest_edge")?;
            }
            _ => return Err(bad()),
        }
        let given = [size.shortest, size.longest, size.side];
        let given = given.iter().flatten().count() + usize::from(size.exact.is_some());
        if given == 1 {
            Ok(Some(size))
        } else {
            Err(bad())
        }
    }

    /// For what is cut out or filled up: a lone number is a square.
    fn area(self) -> Option<(usize, usize)> {
        self.exact.or(self.side.map(|side| (side, side)))
    }
}

fn size(config: &Config, processor: Processor) -> Result<Option<Resize>, ModelError> {
    let Some(size) = Size::read(config, "size")? else {
        return Ok(None);
    };
    Ok(match size {
        Size {
            exact: Some((width, height)),
            ..
        } => Some(Resize::Exact { width, height }),
        Size {
            shortest: Some(side),
            ..
        } => Some(Resize::ShortestEdge(side)),
        Size {
            longest: Some(side),
            ..
        } => Some(Resize::LongestEdge(side)),
        Size { side, .. } => side.map(|side| processor.size(side)),
    })
}

fn filter(config: &Config) -> Result<Option<Filter>, ModelError> {
    let Some(value) = config.get("resample") else {
        return Ok(None);
    };
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    match number.and_then(Filter::from_pillow) {
        Some(filter) => Ok(Some(filter)),
        None => Err(config.bad(format!("resample {} is not supported", brief(value)))),
    }
}

fn crop(
    config: &Config,
    processor: Processor,
    usual: Option<(usize, usize)>,
) -> Result<Option<(usize, usize)>, ModelError> {
    // SegFormer's processor has no such step, whatever its file says.
    if processor == Processor::Segformer || !config.bool("do_center_crop", usual.is_some())? {
        return Ok(None);
    }
    area(config, "crop_size", usual)
}

fn pad(
    config: &Config,
    processor: Processor,
    usual: Option<(usize, usize)>,
) -> Result<Option<(usize, usize)>, ModelError> {
    let never = matches!(processor, Processor::Segformer | Processor::MobileVit);
    if never || !config.bool("do_pad", usual.is_some())? {
        return Ok(None);
    }
    if config.get("pad_size").is_none() {
        return Ok(usual);
    }
    area(config, "pad_size", usual)
}

/// `size_divisor`, of this program's own processor: the others of the
/// supported families have no such step.
fn divisor(config: &Config, usual: usize) -> Result<usize, ModelError> {
    match usual {
        1 => Ok(1),
        usual => side(
            config,
            "size_divisor",
            config.usize("size_divisor", usual)? as u64,
        ),
    }
}

fn area(
    config: &Config,
    key: &str,
    usual: Option<(usize, usize)>,
) -> Result<Option<(usize, usize)>, ModelError> {
    let area = match Size::read(config, key)? {
        Some(size) => size.area(),
        None => usual,
    };
    let wanted = || config.bad(format!("{key} must be a number or have height and width"));
    area.ok_or_else(wanted).map(Some)
}

type MeanAndStd = ([f32; 3], [f32; 3]);

fn normalize(
    config: &Config,
    processor: Processor,
    usual: Option<MeanAndStd>,
) -> Result<Option<MeanAndStd>, ModelError> {
    // MobileViT's processor has no such step, whatever its file says.
    let Some((mean, std)) = usual.filter(|_| processor != Processor::MobileVit) else {
        return Ok(None);
    };
    if !config.bool("do_normalize", true)? {
        return Ok(None);
    }
    Ok(Some((
        channels(config, "image_mean")?.unwrap_or(mean),
        channels(config, "image_std")?.unwrap_or(std),
    )))
}

/// One number per channel, or one for all.
fn channels(config: &Config, key: &str) -> Result<Option<[f32; 3]>, ModelError> {
    let Some(value) = config.get(key) else {
        return Ok(None);
    };
    let number = |value: &Value| value.as_f64().map(|v| v as f32);
    let numbers: Option<[f32; 3]> = match value {
        Value::Array(list) => {
            let list: Option<Vec<f32>> = list.iter().map(number).collect();
            list.and_then(|list| list.try_into().ok())
        }
        _ => number(value).map(|v| [v; 3]),
    };
    match numbers {
        Some(numbers) => Ok(Some(numbers)),
        None => Err(config.bad(format!("{key} is {}, expected three numbers", brief(value)))),
    }
}
