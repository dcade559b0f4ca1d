//! The requests that any model can answer, not only one that takes prompts. They
//! need nothing but the photo to be open.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::request::{self, AttentionRequest, PredictRequest};
use super::{Body, Session};
use crate::attention::{reverse, row};
use crate::cli::classes::{Legend, check_count, legend, palette};
use crate::cli::classify::likeliest;
use crate::cli::layers::{Layers, Side};
use crate::cli::model::check_options;
use crate::cli::output::milliseconds;
use crate::formats::{IndexedPicture, Protected, StoreError, write_files};
use crate::models::predict::{Classification, Observation, Options};
use crate::models::{Capability, ClassMap, LoadedModel, ModelError, Output};
use crate::nn::Capture;
use crate::photo::Photo;
use crate::task::detached;
use crate::worker::{Observed, Seen, unwatched};

/// How many classes of a photo are told if nobody says.
const TOP: usize = 5;

impl Session<'_> {
    pub(super) fn predict(&mut self, request: PredictRequest) -> Result<Body, String> {
        let photo = self.photo()?;
        let options = Options {
            framing: request::framing(request.fit.as_deref())?,
            ..Options::default()
        };
        if let Some(out) = &request.out {
            check_output(out, &photo)?;
        }
        let name = request::model(request.model, &self.settings.model);
        let start = Instant::now();
        let observed = self.observed(&name, &options)?;
        let model = &*observed.model;
        let Seen::Observation(seen) = &observed.seen else {
            return Err(text(model.needs(Capability::ClassMap))
                .err()
                .unwrap_or_default());
        };
        match &seen.run.output {
            Output::Classes { logits, .. } => {
                let found = Classification::new(logits.clone());
                let top = request.top.unwrap_or(TOP);
                Ok(Body::Classes {
                    classes: likeliest(&found, &model.info.labels, top),
                    predict_ms: milliseconds(start.elapsed()),
                })
            }
            _ => {
                let found = painted(model, seen, &photo)?;
                let path = self.place(request.out, &photo)?;
                write(&path, &found, model, &photo)?;
                Ok(Body::Pixels {
                    size: [photo.height(), photo.width()],
                    classes: found.classes,
                    labels: path.to_string_lossy().into_owned(),
                    predict_ms: milliseconds(start.elapsed()),
                })
            }
        }
    }

    pub(super) fn attention(&mut self, request: AttentionRequest) -> Result<Body, String> {
        let photo = self.photo()?;
        let options = Options {
            framing: request::framing(request.fit.as_deref())?,
            capture: Capture::QueriesAndKeys,
            ..Options::default()
        };
        let heads = request::attention_heads(request.attention_head.as_ref())?;
        let asked = request::asked(request.query.as_ref())?;
        let name = request::model(request.model, &self.settings.model);
        let observed = self.observed(&name, &options)?;
        let start = Instant::now();
        let layers = Layers::of(&observed, &photo)?;
        let (_, record) = layers.get(request.layer)?;
        let found = if request.reverse {
            let query = layers.query(record, Side::Keys, asked)?;
            text(reverse(record, &heads, &query))?
        } else {
            let query = layers.query(record, Side::Queries, asked)?;
            text(row(record, &heads, &query))?
        };
        let nowhere = || {
            format!(
                "the tokens of layer {} have no place on the photo",
                record.layer
            )
        };
        let map = found.grid.ok_or_else(nowhere)?;
        Ok(Body::Attention {
            grid: [map.grid.rows, map.grid.columns],
            values: map.values,
            prefix: found.prefix,
            attention_ms: milliseconds(start.elapsed()),
        })
    }

    /// What a model makes of the open photo, computed once.
    fn observed(&mut self, model: &OsStr, options: &Options) -> Result<Observed, String> {
        let photo = self.photo()?;
        let observed = unwatched(|steps| self.engine.observe(&photo, model, options, steps));
        let observed = text(observed)?;
        check_options(&observed.model.info, options)?;
        Ok(observed)
    }

    /// Where to write a class map: where the request says, or else into a folder
    /// that lasts as long as the session.
    fn place(&mut self, out: Option<PathBuf>, photo: &Photo) -> Result<PathBuf, String> {
        if let Some(out) = out {
            return Ok(out);
        }
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => tempfile::Builder::new()
                .prefix("patchlens-")
                .tempdir()
                .map_err(|error| format!("no temporary folder can be made: {error}"))?,
        };
        let stem = photo.path().and_then(Path::file_stem).unwrap_or_default();
        let name = format!("{}-{}.png", self.maps, stem.to_string_lossy());
        self.maps += 1;
        Ok(self.folder.insert(folder).path().join(name))
    }
}

fn check_output(out: &Path, photo: &Photo) -> Result<(), String> {
    let folder = out.parent().filter(|folder| *folder != Path::new(""));
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let folder = folder.display().to_string();
        return text(Err(StoreError::NoFolder { folder }));
    }
    if out.is_dir() {
        return Err(format!(
            "{} is a folder: name a file to write",
            out.display()
        ));
    }
    text(Protected::of(photo.path()).check(out))
}

/// The classes that a dense model gives to the photo's pixels.
fn painted(model: &LoadedModel, seen: &Observation, photo: &Photo) -> Result<Legend, String> {
    text(model.needs(Capability::ClassMap))?;
    check_count(&model.info)?;
    let Output::Dense(dense) = &seen.run.output else {
        return Err(format!("{} gave no scores", model.info.title));
    };
    let size = (photo.width() as usize, photo.height() as usize);
    let map = detached(|task| ClassMap::from_logits(&dense.logits, &seen.view, size, task));
    let map = text(map.map_err(ModelError::from))?;
    legend(&text(map)?, &model.info.labels)
}

fn write(path: &Path, found: &Legend, model: &LoadedModel, photo: &Photo) -> Result<(), String> {
    let colors = palette(&model.info.labels);
    let picture = IndexedPicture {
        size: (photo.width(), photo.height()),
        ids: &found.ids,
        colors: &colors,
    };
    text(
        picture
            .png()
            .and_then(|png| write_files(&[(path.to_owned(), png)])),
    )
}

/// An error as its sentence.
fn text<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}
