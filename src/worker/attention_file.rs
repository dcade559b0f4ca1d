//! Files about recorded attention that the user asks for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::contact_sheet::ContactSheet;
use super::heatmap_picture::{HeatmapPicture, heatmaps_png};
use super::steps::JobError;
use crate::attention::{
    AttentionError, HeadStatistics, Heatmap, Layers, Query, Report, Subject, attentions_npy,
    maps_npy, npy, statistics_on_photo,
};
use crate::formats::{export_target, write_files};
use crate::models::geometry::View;
use crate::nn::capture::QueryKey;
use crate::photo::Photo;
use crate::task::Task;

/// What is in a file. Clones share what was recorded.
#[derive(Clone, Debug)]
pub enum AttentionFile {
    /// A heatmap, or several beside each other, as a PNG.
    Heatmaps(Vec<HeatmapPicture>),
    /// Thumbnails of many attention heads, as a PNG.
    Sheet(ContactSheet),
    /// The values of a heatmap, as an NPY: (rows, columns).
    Values(Heatmap),
    /// Those of all attention heads of a layer, as an NPY: (heads, rows, columns).
    Rows(Vec<Heatmap>),
    /// All attention weights of a layer, as an NPY, in the shape of
    /// [`attentions`](crate::attention::attentions).
    Matrices {
        /// What was recorded.
        layers: Layers,
        /// The layer.
        layer: usize,
    },
    /// What is shown, in words and numbers, as JSON: see [`Report`].
    Report(Box<ShownRow>),
}

/// A row of attention that is shown, or something else with a value per token.
#[derive(Clone, Debug)]
pub struct ShownRow {
    /// What the window calls it.
    pub shown: String,
    /// The model as it was asked for: a name or a folder.
    pub model: String,
    /// The model's title.
    pub title: String,
    /// What was recorded.
    pub layers: Layers,
    /// The layer.
    pub layer: usize,
    /// What is shown of it: `row`, `reverse`, `rollout` and the like.
    pub kind: &'static str,
    /// Through which attention heads, in words.
    pub heads: String,
    /// Whose attention; `None` of what is nobody's.
    pub query: Option<Query>,
    /// The values.
    pub map: Heatmap,
    /// The part of the photo under them.
    pub view: View,
    /// Attention on tokens without a place, in order.
    pub prefix: Vec<f32>,
    /// The statistics of the layer's attention heads, where they are known
    /// already: they are computed else.
    pub statistics: Option<Vec<HeadStatistics>>,
    /// What is shown beside it.
    pub compared: Option<Box<ShownRow>>,
}

/// The JSON of a [`ShownRow`].
#[derive(Serialize)]
struct Printed {
    image: String,
    shown: String,
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<Compared>,
}

/// What is shown beside something.
#[derive(Serialize)]
struct Compared {
    shown: String,
    #[serde(flatten)]
    report: Report,
}

impl AttentionFile {
    /// What the file's name ends in, without the dot.
    pub fn extension(&self) -> &'static str {
        match self {
            Self::Heatmaps(_) | Self::Sheet(_) => "png",
            Self::Values(_) | Self::Rows(_) | Self::Matrices { .. } => "npy",
            Self::Report(_) => "json",
        }
    }

    /// Write the file, replacing one of that name. Returns its path.
    pub(super) fn write(
        &self,
        photo: &Arc<Photo>,
        path: &Path,
        task: Task<'_>,
    ) -> Result<PathBuf, JobError> {
        let path = export_target(photo, path, self.extension())?;
        let bytes = self.bytes(photo, task)?;
        task.check()?;
        write_files(&[(path.clone(), bytes)])?;
        Ok(path)
    }

    fn bytes(&self, photo: &Photo, task: Task<'_>) -> Result<Vec<u8>, JobError> {
        Ok(match self {
            Self::Heatmaps(pictures) => heatmaps_png(pictures, photo)?,
            Self::Sheet(sheet) => sheet.png(photo)?,
            Self::Values(map) => npy(&[map.grid.rows, map.grid.columns], &map.values)?,
            Self::Rows(maps) => maps_npy(&maps.iter().collect::<Vec<_>>())?,
            Self::Matrices { layers, layer } => attentions_npy(record(layers, *layer)?)?,
            Self::Report(shown) => shown.json(photo, task)?,
        })
    }
}

impl ShownRow {
    fn json(&self, photo: &Photo, task: Task<'_>) -> Result<Vec<u8>, JobError> {
        let path = photo.path();
        let image = path.map_or_else(|| photo.name(), |path| path.to_string_lossy().into_owned());
        let compared = self.compared.as_ref().map(|compared| {
            let (shown, report) = (compared.shown.clone(), compared.report(photo, task)?);
            Ok::<_, AttentionError>(Compared { shown, report })
        });
        let printed = Printed {
            image,
            shown: self.shown.clone(),
            report: self.report(photo, task)?,
            compared: compared.transpose()?,
        };
        let text = serde_json::to_string_pretty(&printed)
            .map_err(|error| JobError::Failed(format!("no JSON can be made: {error}")))?;
        Ok((text + "\n").into_bytes())
    }

    fn report(&self, photo: &Photo, task: Task<'_>) -> Result<Report, AttentionError> {
        let record = record(&self.layers, self.layer)?;
        let subject = Subject {
            model: &self.model,
            title: &self.title,
            layer: self.layer,
            layers: self.layers.records.len(),
            record,
            kind: self.kind,
            heads: &self.heads,
            query: self.query.as_ref(),
            view: self.view,
        };
        let report = Report::new(&subject, &[&self.map], &self.prefix);
        Ok(match &self.statistics {
            Some(known) => report.with_statistics(known),
            None => {
                let size = (photo.width(), photo.height());
                let found = statistics_on_photo(record, self.layers.view, size, task)?;
                report.with_statistics(&found)
            }
        })
    }
}

fn record(layers: &Layers, layer: usize) -> Result<&QueryKey, AttentionError> {
    layers.records.get(layer).ok_or(AttentionError::NoLayers)
}

#[cfg(test)]
mod tests;
