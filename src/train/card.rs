//! The model card of a trained network: what it was trained on and how, how good
//! it is, and what it cannot do.

use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;

use super::checkpoint::Position;
use super::{OpenedSet, Snapshot, Validation, pngs};
use crate::models::checkpoint::licence_of;
use crate::models::deeplab::BackboneConfig;

/// Fewer photos than this deserve a warning.
const FEW: usize = 50;

/// Where labelled photos come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSource {
    /// Name of the set.
    pub name: String,
    /// Photos to train on.
    pub photos: usize,
    /// Photos to validate on.
    pub dev: usize,
    /// Whether those are a part of the set's own that was held out.
    pub held_out: bool,
    /// Licence, where a file of the set states one.
    pub licence: Option<String>,
    /// Where its maker got it.
    pub source: Option<String>,
    /// Whom to name.
    pub attribution: Option<String>,
}

/// What a set's `classes.json` may say besides the classes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct About {
    #[serde(alias = "license")]
    licence: Option<String>,
    source: Option<String>,
    attribution: Option<String>,
}

impl DataSource {
    /// What the files in a set's folder, or one folder up, say about it.
    pub fn of(set: &OpenedSet) -> Self {
        let folder = &set.config.train;
        let folders = || {
            [Some(folder.as_path()), folder.parent()]
                .into_iter()
                .flatten()
        };
        let about = folders().find_map(about).unwrap_or_default();
        Self {
            name: set.config.name.clone(),
            photos: set.photos(),
            dev: set.dev_photos(),
            held_out: set.config.hold_out,
            licence: about.licence.or_else(|| folders().find_map(licence_of)),
            source: about.source,
            attribution: about.attribution,
        }
    }
}

fn about(folder: &Path) -> Option<About> {
    let text = pngs::small_text(&folder.join("classes.json")).ok()?;
    serde_json::from_str(&text).ok()
}

/// Everything that a model card says.
pub struct Card<'a> {
    /// The network and its configuration.
    pub snapshot: &'a Snapshot<'a>,
    /// What it was trained on.
    pub sources: &'a [DataSource],
    /// How long it was trained.
    pub position: &'a Position,
    /// Weights that were trained.
    pub parameters: usize,
    /// Bytes of the file of weights.
    pub bytes: usize,
    /// How good it is.
    pub validation: Option<&'a Validation>,
}

impl Card<'_> {
    /// The card as Markdown.
    pub fn text(&self) -> String {
        let parts = [
            self.head(),
            self.data(),
            self.figures(),
            self.training(),
            self.limits(),
        ];
        parts.join("\n")
    }

    fn is_tiny(&self) -> bool {
        matches!(self.snapshot.network.backbone, BackboneConfig::TinyVit(_))
    }

    fn head(&self) -> String {
        let config = self.snapshot.config;
        let names: Vec<&str> = self.sources.iter().map(|source| &*source.name).collect();
        let (title, base) = match self.is_tiny() {
            true => (
                "TinyViT-DeepLabV3+",
                "MobileSAM's TinyViT encoder, which is frozen and not in this folder",
            ),
            false => (
                "ViT-DeepLabV3+",
                "a plain Vision Transformer, all of it trained",
            ),
        };
        let boundary = match self.snapshot.objects.is_empty() {
            true => String::new(),
            false => {
                let objects = self.snapshot.objects.iter();
                let names = objects.filter_map(|id| config.classes.get(*id));
                let names: Vec<&str> = names.map(|class| &*class.name).collect();
                format!("| Objects told apart | {} |\n", names.join(", "))
            }
        };
        format!(
            "# {title}: {}\n\n\
             A class for each pixel of a photo: DeepLabV3+ on {base}. Made with `patchlens train` \
             {}.\n\n    patchlens predict PHOTOS --model THIS_FOLDER -o OUT\n\n\
             | | |\n|---|---|\n| Classes | {} |\n{boundary}| Parameters | {} |\n\
             | File | `model.safetensors`, {} bytes, half precision |\n\
             | Licence | not stated; the licences of the data bind it |\n",
            names.join(", "),
            env!("CARGO_PKG_VERSION"),
            config.class_names().join(", "),
            grouped(self.parameters),
            grouped(self.bytes),
        )
    }

    fn data(&self) -> String {
        let mut text = "## Data\n| set | trained on | validated on | licence | source |\n\
                        |---|---|---|---|---|\n"
            .to_owned();
        let or = |text: &Option<String>, other: &str| text.as_deref().unwrap_or(other).to_owned();
        for source in self.sources {
            let line = [
                source.name.clone(),
                source.photos.to_string(),
                source.dev.to_string(),
                or(&source.licence, "not stated"),
                or(&source.source, "not stated"),
            ];
            let line = line.map(|cell| cell.replace('|', "/").replace('\n', " "));
            text += &format!("| {} |\n", line.join(" | "));
        }
        for source in self.sources {
            if let Some(whom) = &source.attribution {
                text += &format!("\n{}: {whom}\n", source.name);
            }
        }
        if self.sources.iter().any(|source| source.held_out) {
            text +=
                "\nPhotos to validate on are a tenth of each set, chosen by a hash of the name.\n";
        }
        text
    }

    fn figures(&self) -> String {
        let mut text = "## Figures\n".to_owned();
        let Some(validation) = self.validation else {
            return text + "There were no photos to validate on: how good it is, nobody knows.\n";
        };
        text += "On the photos to validate on, each at once, at the size of the labels. The \
                 weights are those that did best on them, so expect a little less elsewhere.\n";
        for set in &validation.sets {
            // writing to a string never fails
            let _ = write!(
                text,
                "\n{}: mean IoU {:.3}, pixel accuracy {:.3}, {}\n\n| class | IoU |\n|---|---|\n",
                set.name,
                set.mean_iou,
                set.accuracy,
                counted(set.photos)
            );
            for class in &set.classes {
                let iou = class.iou.map_or("-".to_owned(), |iou| format!("{iou:.3}"));
                text += &format!("| {} | {iou} |\n", class.name);
            }
        }
        text + "\n![Loss and mean IoU over the steps](curves.png)\n"
    }

    fn training(&self) -> String {
        let (config, position) = (self.snapshot.config, self.position);
        let best = position.best.map_or(String::new(), |(_, step)| {
            format!("; the weights are the averaged ones after step {step}")
        });
        let begun = match &config.init {
            None => "random weights".to_owned(),
            Some(init) => {
                let name = init.file_stem().unwrap_or_default().to_string_lossy();
                format!("the weights of {name}, where they fit")
            }
        };
        let rims = if config.boundary {
            ", rims of objects"
        } else {
            ""
        };
        format!(
            "## Training\n| | |\n|---|---|\n\
             | Steps | {} of {}{best} |\n\
             | Samples | {}, {} a step, crops of {} pixels of photos {} pixels long |\n\
             | Time | {} |\n\
             | Begun with | {begun} |\n\
             | Optimizer | AdamW, learning rate {} with {} steps of warm-up and a cosine, weight \
             decay {}, gradients clipped at {}, weights averaged with {} |\n\
             | Loss | cross-entropy and Dice of pixels over the classes that a set annotates{rims}, \
             classes of the photo |\n\
             | Seed | {} |\n\nEvery step is in `log.jsonl`.\n",
            position.step,
            config.steps,
            grouped(position.step * config.batch),
            config.batch,
            config.crop,
            config.long_edge,
            duration(position.seconds),
            config.learning_rate,
            config.warmup,
            config.weight_decay,
            config.clip,
            config.ema,
            config.seed,
        )
    }

    fn limits(&self) -> String {
        let photos: usize = self.sources.iter().map(|source| source.photos).sum();
        let dev: usize = self.sources.iter().map(|source| source.dev).sum();
        let mut text = format!(
            "## Limits\n\
             - It knows the classes above and nothing else: everything on a photo becomes one of \
             them.\n\
             - Photos that look unlike those it was trained on (other cameras, light, kinds) give \
             worse results; check them.\n\
             - A photo is seen with its longer side at {} pixels: what is only a few pixels wide \
             then is lost.\n",
            self.snapshot.config.long_edge
        );
        if photos < FEW {
            text += &format!(
                "- Trained on {}, which is little: more labels will make it better.\n",
                counted(photos)
            );
        }
        if dev > 0 && dev < FEW / 5 {
            text += &format!("- Figures from {} are rough.\n", counted(dev));
        }
        text
    }
}

/// A number with commas between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 photo`, `2 photos`.
pub fn counted(photos: usize) -> String {
    format!("{photos} photo{}", if photos == 1 { "" } else { "s" })
}

/// A time for people.
pub fn duration(seconds: f64) -> String {
    match seconds.max(0.0) {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 100.0 * 60.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests;
