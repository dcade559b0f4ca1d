//! What the program remembers between runs, as JSON in the user's configuration
//! folder. A missing or unreadable file means the defaults: settings are never a
//! reason not to start.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::inspector::Look;
use crate::formats::{LabelImport, OpenOptions};
use crate::models::{Capability, ModelInfo, predict};

/// How many recently opened photos are remembered.
const RECENT: usize = 12;

/// Dark, light, or what the desktop says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThemeChoice {
    /// As the desktop says.
    System,
    /// Dark, whatever the desktop says.
    #[default]
    Dark,
    /// Light, whatever the desktop says.
    Light,
}

/// What of a photo models that are not prompted are shown: see
/// [`predict::Framing`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// The whole photo: as in training, or squashed to the trained input size
    /// where training cut its edges off.
    #[default]
    #[serde(alias = "Squash")]
    Whole,
    /// The whole photo, padded to the trained input size.
    Pad,
    /// Overlapping tiles at the photo's own resolution.
    Slide,
    /// The checkpoint's own preprocessing, a centre crop included.
    Trained,
}

impl Framing {
    /// All of them, as menus list them.
    pub const ALL: [Self; 4] = [Self::Whole, Self::Pad, Self::Slide, Self::Trained];

    /// What menus call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Whole => "Whole photo",
            Self::Pad => "Whole photo, padded",
            Self::Slide => "Tiles at full resolution",
            Self::Trained => "Exactly as in training",
        }
    }

    /// What it means, for a tooltip.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Whole => "As in training, but squashed where that would cut its edges off",
            Self::Pad => "With its aspect kept; what is left of the model's input stays empty",
            Self::Slide => "Slow, for small things in large photos",
            Self::Trained => "The checkpoint's own preprocessing, even where it cuts edges off",
        }
    }

    /// Whether it suits the model: tiles are for class maps only.
    pub fn suits(self, model: &ModelInfo) -> bool {
        self != Self::Slide || model.can(Capability::ClassMap)
    }

    /// How `model` is shown a photo.
    pub fn of(self, model: &ModelInfo) -> predict::Framing {
        match self {
            Self::Pad => predict::Framing::Pad,
            Self::Slide if self.suits(model) => predict::Framing::Slide,
            Self::Trained => predict::Framing::Trained,
            Self::Whole | Self::Slide if model.crops => predict::Framing::Squash,
            Self::Whole | Self::Slide => predict::Framing::Trained,
        }
    }
}

/// Everything that is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Dark or light.
    pub theme: ThemeChoice,
    /// Opacity of the segments' fill, 0..=1.
    pub overlay_opacity: f32,
    /// Whether segments are outlined.
    pub contours: bool,
    /// Radius of brush and eraser in photo pixels.
    pub brush_radius: f32,
    /// Whether the eraser touches the selected segments only.
    pub erase_selected_only: bool,
    /// Whether the panels at the right are shown.
    pub panel_open: bool,
    /// Whether the strip with the folder's photos is shown.
    pub filmstrip_open: bool,
    /// Save without asking when another photo is opened.
    pub save_on_switch: bool,
    /// Largest photo that is opened, in megapixels.
    pub max_megapixels: u32,
    /// Label PNGs of other programs: one segment per class instead of one per
    /// connected area.
    pub import_one_per_class: bool,
    /// Label PNGs of other programs: ids that are not in the list of classes become
    /// classes; otherwise such a file opens read-only.
    pub import_unknown_classes: bool,
    /// Write label PNGs with the VOC palette instead of the classes' colours.
    pub voc_palette: bool,
    /// Whether the first-steps line has served its purpose.
    pub first_steps_done: bool,
    /// Photos opened lately, newest first.
    pub recent: Vec<PathBuf>,
    /// Folders of models chosen lately, newest first.
    pub recent_models: Vec<PathBuf>,
    /// What of a photo models that are not prompted are shown.
    pub framing: Framing,
    /// Accepted classes become a segment per connected area, not one per class.
    pub separate_areas: bool,
    /// How attention looks.
    pub attention: Look,
    /// Where the sample photo is put: the user's data folder if `None`.
    #[serde(skip)]
    pub samples: Option<PathBuf>,
    #[serde(skip)]
    file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::default(),
            overlay_opacity: 0.4,
            contours: true,
            brush_radius: 12.0,
            erase_selected_only: false,
            panel_open: true,
            filmstrip_open: true,
            save_on_switch: false,
            max_megapixels: 256,
            import_one_per_class: false,
            import_unknown_classes: false,
            voc_palette: false,
            first_steps_done: false,
            recent: Vec::new(),
            recent_models: Vec::new(),
            framing: Framing::default(),
            separate_areas: false,
            attention: Look::default(),
            samples: None,
            file: None,
        }
    }
}

impl Settings {
    /// Read the user's settings, or the defaults where there are none.
    pub fn load() -> Self {
        match directories::ProjectDirs::from("", "", "patchlens") {
            Some(dirs) => Self::load_from(&dirs.config_dir().join("settings.json")),
            None => Self::default(),
        }
    }

    /// Read settings from `file`, which is also where [`Settings::save`] writes.
    pub fn load_from(file: &Path) -> Self {
        let mut settings: Self = fs::read(file)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        settings.make_sane();
        settings.file = Some(file.to_path_buf());
        settings
    }

    /// Whether nothing has been remembered yet: the program starts for the
    /// first time.
    pub fn are_new(&self) -> bool {
        self.file.as_ref().is_some_and(|file| !file.exists())
    }

    /// Write the settings; failing to is not worth a word to the user.
    pub fn save(&self) {
        let Some(file) = &self.file else { return };
        let mut kept = self.clone();
        // JSON holds Unicode only: a path that is not cannot be remembered.
        kept.recent.retain(|path| path.to_str().is_some());
        kept.recent_models.retain(|path| path.to_str().is_some());
        let _ = serde_json::to_vec_pretty(&kept)
            .map_err(std::io::Error::other)
            .and_then(|bytes| replace(file, &bytes));
    }

    /// How label PNGs of other programs are to be read.
    pub fn import(&self) -> OpenOptions {
        let import = if self.import_one_per_class {
            LabelImport::OnePerClass
        } else {
            LabelImport::ConnectedAreas
        };
        OpenOptions {
            import,
            add_classes: self.import_unknown_classes,
        }
    }

    /// Note that `path` was opened.
    pub fn remember(&mut self, path: &Path) {
        self.recent.retain(|known| known != path);
        self.recent.insert(0, path.to_path_buf());
        self.recent.truncate(RECENT);
    }

    /// Note that the model in `folder` was used.
    pub fn remember_model(&mut self, folder: &Path) {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        self.recent_models.retain(|known| *known != folder);
        self.recent_models.insert(0, folder);
        self.recent_models.truncate(RECENT);
    }

    /// Hand-edited values outside their ranges must not break the window.
    fn make_sane(&mut self) {
        let sane = |value: f32, low: f32, high: f32, default: f32| {
            if value.is_finite() {
                value.clamp(low, high)
            } else {
                default
            }
        };
        self.overlay_opacity = sane(self.overlay_opacity, 0.0, 1.0, 0.4);
        self.attention.make_sane();
        self.brush_radius = sane(
            self.brush_radius,
            super::tool::MIN_RADIUS,
            super::tool::MAX_RADIUS,
            12.0,
        );
        self.max_megapixels = self.max_megapixels.clamp(1, 4000);
        self.recent.truncate(RECENT);
        self.recent_models.truncate(RECENT);
    }
}

/// Replace `file` by `bytes` without a moment at which it is half written.
fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/settings.json");
        let mut settings = Settings::load_from(&file);
        settings.theme = ThemeChoice::Light;
        settings.remember(Path::new("/photos/a.png"));
        settings.remember(Path::new("/photos/b.png"));
        settings.remember(Path::new("/photos/a.png"));
        settings.save();
        let again = Settings::load_from(&file);
        assert_eq!(again, settings);
        assert_eq!(
            again.recent,
            [Path::new("/photos/a.png"), Path::new("/photos/b.png")]
        );
    }

    #[test]
    fn squashing_of_older_versions_is_the_whole_photo() {
        let old: Settings = serde_json::from_str(r#"{"framing": "Squash"}"#).unwrap();
        assert_eq!(old.framing, Framing::Whole);
    }

    #[test]
    fn settings_are_new_until_they_are_saved() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::load_from(&folder.path().join("settings.json"));
        assert!(settings.are_new());
        settings.save();
        assert!(!settings.are_new());
        assert!(!Settings::default().are_new(), "nothing is ever saved");
    }

    #[test]
    fn nonsense_in_the_file_means_defaults_or_the_nearest_sane_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.json");
        fs::write(&file, b"{ not json").unwrap();
        assert_eq!(Settings::load_from(&file).overlay_opacity, 0.4);
        fs::write(
            &file,
            br#"{"overlay_opacity": 9, "brush_radius": -3, "unknown": 1}"#,
        )
        .unwrap();
        let settings = Settings::load_from(&file);
        assert_eq!(settings.overlay_opacity, 1.0);
        assert_eq!(settings.brush_radius, crate::app::tool::MIN_RADIUS);
    }
}
