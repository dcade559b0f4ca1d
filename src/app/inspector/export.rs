//! What the inspector shows, on its way to files.

use std::path::{Path, PathBuf};

use super::state::{Comparison, Inspector, Subject};
use super::{Asking, Look, Picture, Unit};
use crate::app::{ActivityKind, App};
use crate::attention::{Direction, Heads, LayerMaps, Query, Style, TokenMask, ValueRange, blocky};
use crate::formats::{exports_folder, plain_name};
use crate::label::Mask;
use crate::worker::{AttentionFile, ContactSheet, HeatmapPicture, JobKind, SheetLayer, ShownRow};

/// What of the attention can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionExport {
    /// The heatmap over the photo, as on the canvas.
    Overlay,
    /// The heatmap without the photo.
    Heatmap,
    /// All attention heads of the layer beside each other.
    LayerSheet,
    /// All attention heads of all layers.
    AllLayersSheet,
    /// The values of the heatmap.
    Values,
    /// The rows of all attention heads of the layer.
    Rows,
    /// The attention matrices of the layer.
    Matrices,
    /// What is shown, in words and numbers.
    Report,
}

impl AttentionExport {
    /// All of them, in the order that they are offered in.
    pub const ALL: [Self; 8] = [
        Self::Overlay,
        Self::Heatmap,
        Self::LayerSheet,
        Self::AllLayersSheet,
        Self::Values,
        Self::Rows,
        Self::Matrices,
        Self::Report,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overlay => "Heatmap over the photo",
            Self::Heatmap => "Heatmap alone",
            Self::LayerSheet => "Contact sheet of the layer",
            Self::AllLayersSheet => "Contact sheet of all layers",
            Self::Values => "Values of the heatmap",
            Self::Rows => "Rows of all attention heads",
            Self::Matrices => "Attention matrices of the layer",
            Self::Report => "Description",
        }
    }

    /// What is in the file.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Overlay => "PNG of the photo's size, with the outlines on the canvas",
            Self::Heatmap => "PNG of the photo's size: the colours, without photo and outlines",
            Self::LayerSheet => "PNG: each attention head of the shown layer",
            Self::AllLayersSheet => "PNG: each attention head of each layer",
            Self::Values => "NPY: (rows, columns) of the token grid",
            Self::Rows => {
                "NPY: (attention heads, rows, columns) of the layer, without class token and registers"
            }
            Self::Matrices => "NPY: who looks at whom, as transformers gives it",
            Self::Report => "JSON: model, layer, attention head, query and statistics",
        }
    }

    /// What the file's name ends in, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Overlay | Self::Heatmap | Self::LayerSheet | Self::AllLayersSheet => "png",
            Self::Values | Self::Rows | Self::Matrices => "npy",
            Self::Report => "json",
        }
    }

    /// Why there is nothing to export, in words for a tooltip.
    pub fn blocked(self, app: &App) -> Option<&'static str> {
        let inspector = &app.inspector;
        let shown = inspector.shown && app.open.is_some() && inspector.inspection().is_some();
        if !shown {
            return Some("Open the attention inspector first (A)");
        }
        let there = match self {
            Self::Overlay | Self::Heatmap | Self::Values | Self::Report => {
                !inspector.pictures().is_empty()
            }
            Self::LayerSheet | Self::Rows => inspector.maps_of(inspector.layer).is_some(),
            Self::AllLayersSheet => inspector.maps().iter().any(Result::is_ok),
            Self::Matrices => inspector.layers().is_some(),
        };
        (!there).then_some("Show the attention of a token first (A)")
    }

    /// A file to offer for `photo`, in the folder of its other exports: as
    /// `street-attention-layer3-head2.png`.
    pub fn proposed_path(self, photo: &Path, inspector: &Inspector) -> PathBuf {
        let layer = inspector.layer_name(inspector.layer);
        let rows = inspector.rows_name(inspector.layer);
        let what = match self {
            Self::Overlay | Self::Values | Self::Report => inspector.shown_name(),
            Self::Heatmap => format!("{}-alone", inspector.shown_name()),
            Self::LayerSheet => rows,
            Self::AllLayersSheet => "all-layers".to_owned(),
            Self::Rows => format!("{rows}-rows"),
            Self::Matrices => format!("{layer}-matrices"),
        };
        let mut name = photo.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-attention-{what}.{}", self.extension()));
        exports_folder(photo).join(name)
    }
}

impl App {
    /// Write what is shown to a file.
    pub(in crate::app) fn export_attention(&mut self, kind: AttentionExport, path: PathBuf) {
        let (Some(open), Some(file)) = (&self.open, self.attention_file(kind)) else {
            return;
        };
        let job = JobKind::ExportAttention {
            photo: open.photo.clone(),
            file: Box::new(file),
            path: path.clone(),
        };
        let document = open.id;
        self.dialog = None;
        self.start(document, job, ActivityKind::Export(path));
    }

    fn attention_file(&self, kind: AttentionExport) -> Option<AttentionFile> {
        let inspector = &self.inspector;
        Some(match kind {
            AttentionExport::Overlay => AttentionFile::Heatmaps(self.heatmaps(true)?),
            AttentionExport::Heatmap => AttentionFile::Heatmaps(self.heatmaps(false)?),
            AttentionExport::LayerSheet => {
                let layer = inspector.layer;
                self.sheet(layer..layer + 1)?
            }
            AttentionExport::AllLayersSheet => self.sheet(0..inspector.maps().len())?,
            AttentionExport::Values => {
                AttentionFile::Values(inspector.pictures().first()?.map.clone())
            }
            AttentionExport::Rows => {
                AttentionFile::Rows(inspector.maps_of(inspector.layer)?.maps.clone())
            }
            AttentionExport::Matrices => AttentionFile::Matrices {
                layers: inspector.layers()?.clone(),
                layer: inspector.layer,
            },
            AttentionExport::Report => AttentionFile::Report(Box::new(inspector.report()?)),
        })
    }

    /// The pictures on the canvas, over the photo with their outlines, or alone.
    fn heatmaps(&self, over_photo: bool) -> Option<Vec<HeatmapPicture>> {
        let open = self.open.as_ref()?;
        let size = (open.photo.width() as usize, open.photo.height() as usize);
        let (look, shown) = (&self.settings.attention, self.inspector.pictures());
        let contour = look.contour && self.inspector.grown.is_none();
        let drawn = |picture: &Picture| HeatmapPicture {
            map: picture.map.clone(),
            view: picture.view,
            style: style_of(look, picture, shown),
            opacity: over_photo.then_some(look.opacity),
            windows: picture.windows.clone(),
            marks: match over_photo {
                true => marks(picture, contour, size),
                false => Vec::new(),
            },
        };
        (!shown.is_empty()).then(|| shown.iter().map(drawn).collect())
    }

    /// Those of the layers that show something.
    fn sheet(&self, layers: std::ops::Range<usize>) -> Option<AttentionFile> {
        let look = &self.settings.attention;
        let layer = |index: usize| {
            let maps = self.inspector.maps_of(index)?;
            let seen = self.inspector.in_sight(index, maps);
            let (maps, view) = seen.unwrap_or_else(|| (maps.maps.clone(), maps.view));
            Some(SheetLayer { index, maps, view })
        };
        let layers: Vec<SheetLayer> = layers.filter_map(layer).collect();
        let style = Style {
            colors: look.colors,
            interpolation: look.interpolation,
            range: look.range(),
            fades: false,
        };
        (!layers.is_empty()).then_some(AttentionFile::Sheet(ContactSheet {
            layers,
            style,
            shared: look.shared_range,
        }))
    }
}

/// As on the canvas.
fn style_of(look: &Look, picture: &Picture, shown: &[Picture]) -> Style {
    let (colors, (low, high)) = look.colors_of(picture, shown);
    Style {
        colors,
        interpolation: look.interpolation,
        range: ValueRange::Fixed { low, high },
        fades: look.fades_in(picture),
    }
}

/// What is outlined on a photo of (width, height) pixels: what holds most of the
/// attention, if that is wanted, and the tokens asked for.
fn marks(picture: &Picture, contour: bool, size: (usize, usize)) -> Vec<Mask> {
    let held = picture.held.as_ref().filter(|_| contour);
    let held = held.map(|held| blocky(held, picture.view, size));
    let asked = picture.asked.as_ref().map(|(grid, view, tokens)| {
        let tokens = TokenMask::from_tokens(*grid, tokens);
        blocky(&tokens, *view, size)
    });
    held.into_iter().chain(asked).collect()
}

/// What a heatmap is of, apart from its values.
struct Of {
    layer: usize,
    kind: &'static str,
    heads: String,
    query: Option<Query>,
    prefix: Vec<f32>,
}

impl Inspector {
    fn maps_of(&self, layer: usize) -> Option<&LayerMaps> {
        self.maps().get(layer)?.as_ref().ok()
    }

    /// What is shown, and what is shown beside it.
    fn report(&self) -> Option<ShownRow> {
        let mut shown = self.shown_row(self.pictures.first()?, self.of_shown()?)?;
        if let Some(second) = self.pictures.get(1) {
            let (layer, head) = self.compared?;
            let of = self.of_heads(layer, &[head])?;
            shown.compared = Some(Box::new(self.shown_row(second, of)?));
        }
        Some(shown)
    }

    fn shown_row(&self, picture: &Picture, of: Of) -> Option<ShownRow> {
        let known = self.inspection()?;
        let encoder = self.asking != Asking::Prompt;
        let statistics = self.statistics().filter(|_| encoder);
        Some(ShownRow {
            shown: picture.title.clone(),
            model: known.name.to_string_lossy().into_owned(),
            title: known.model.title.to_string(),
            layers: self.layers()?.clone(),
            layer: of.layer,
            kind: of.kind,
            heads: of.heads,
            query: of.query,
            map: picture.map.clone(),
            view: picture.view,
            prefix: of.prefix,
            statistics: statistics.and_then(|all| all.get(of.layer).cloned()),
            compared: None,
        })
    }

    /// What the first picture is of.
    fn of_shown(&self) -> Option<Of> {
        let last = self.layers()?.records.len().saturating_sub(1);
        let whole = |kind, heads: String, prefix: &[f32]| Of {
            layer: last,
            kind,
            heads,
            query: None,
            prefix: prefix.to_vec(),
        };
        Some(match self.subject {
            Subject::Heads => self.of_first()?,
            Subject::Rollout => {
                let (_, options, found) = self.recorded.as_ref()?.rollout.as_ref()?;
                Of {
                    query: self.maps_of(last).map(|maps| maps.query.clone()),
                    ..whole("rollout", options.fusion.to_string(), &found.row.prefix)
                }
            }
            Subject::Relevance => {
                let row = &self.explained()?.row;
                whole("relevance", "all".to_owned(), &row.prefix)
            }
            Subject::Norms => Of {
                layer: self.layer,
                ..whole("norms", "none".to_owned(), &[])
            },
            Subject::Similarity => whole("similarity", "none".to_owned(), &[]),
        })
    }

    /// The chosen attention heads, or what they differ by.
    fn of_first(&self) -> Option<Of> {
        let of = self.of_heads(self.layer, &self.heads)?;
        Some(match (self.pictures.first()?.unit, self.compared) {
            (Unit::Difference, Some((layer, head))) => Of {
                kind: "difference",
                heads: format!("{} less {head} of layer {layer}", of.heads),
                // Of two rows, there is no one share of the class token.
                prefix: Vec::new(),
                ..of
            },
            _ => of,
        })
    }

    fn of_heads(&self, layer: usize, heads: &[usize]) -> Option<Of> {
        let maps = self.maps_of(layer)?;
        let record = self.layers()?.records.get(layer)?;
        // Tokens without a place are asked the other way round in such layers.
        let turned = self.asking == Asking::Prompt && record.query_tokens.prefix == 0;
        Some(Of {
            layer,
            kind: if turned || self.is_reverse() {
                "reverse"
            } else {
                "row"
            },
            heads: match heads {
                [] => self.fusion.to_string(),
                [one] => Heads::One(*one).to_string(),
                some => Heads::Set(some.to_vec(), self.fusion).to_string(),
            },
            query: Some(maps.query.clone()),
            prefix: maps.fused_prefix(heads, self.fusion)?,
        })
    }

    /// What is shown, as a part of a file's name.
    fn shown_name(&self) -> String {
        match self.subject {
            Subject::Heads => self.heads_name(),
            Subject::Rollout => "rollout".to_owned(),
            Subject::Relevance => {
                let name = self.explained().map_or("", |found| &found.name);
                format!("relevance-{}", plain_name(name))
            }
            Subject::Norms => format!("{}-norms", self.layer_name(self.layer)),
            Subject::Similarity => "similarity".to_owned(),
        }
    }

    fn heads_name(&self) -> String {
        let heads = |layer: usize, heads: &[usize]| {
            let layer = self.rows_name(layer);
            match heads {
                [] => format!("{layer}-{}", self.fusion),
                [one] => format!("{layer}-head{one}"),
                some => {
                    let some: Vec<String> = some.iter().map(usize::to_string).collect();
                    format!("{layer}-heads{}-{}", some.join("-"), self.fusion)
                }
            }
        };
        let first = heads(self.layer, &self.heads);
        let between = match self.comparison {
            Comparison::Difference if self.pictures.len() == 1 => "less",
            _ => "and",
        };
        match self.compared {
            None => first,
            Some((layer, head)) => format!("{first}-{between}-{}", heads(layer, &[head])),
        }
    }

    /// Whether it is shown who looks at the tokens asked for.
    fn is_reverse(&self) -> bool {
        self.direction == Direction::To && self.asking != Asking::Prompt
    }

    /// A layer, and which way it is looked at.
    fn rows_name(&self, layer: usize) -> String {
        let way = if self.is_reverse() { "-reverse" } else { "" };
        format!("{}{way}", self.layer_name(layer))
    }

    fn layer_name(&self, layer: usize) -> String {
        match self.asking {
            Asking::Prompt => format!("decoder-layer{layer}"),
            _ => format!("layer{layer}"),
        }
    }
}

#[cfg(test)]
mod tests;
