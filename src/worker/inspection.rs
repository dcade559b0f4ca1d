//! What the attention of a model shows of a photo: made by one job, then read
//! as often as the pointer moves.

use std::ffi::OsString;

use super::engine::{Observed, Seen};
use crate::attention::Layers;
use crate::models::geometry::View;
use crate::models::predict::{self, Observation};
use crate::models::{LoadedModel, ModelInfo};
use crate::nn::capture::QueryKey;

/// The recorded attention of a model on a photo. Clones share it.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// What the worker loads: an embedded name or a folder.
    pub name: OsString,
    /// How the photo was shown to it.
    pub options: predict::Options,
    /// The model.
    pub model: ModelInfo,
    /// Its layers that look at the photo; at least one.
    pub layers: Layers,
}

impl Observed {
    /// Queries and keys, layer by layer; none if they were not asked for, or
    /// if the model has no such layers.
    pub fn records(&self) -> &[QueryKey] {
        match &self.seen {
            Seen::Encoding(encoding) => encoding.records(),
            Seen::Observation(observation) => &observation.run.records,
        }
    }

    /// The part of the photo under the query grids of the layers.
    pub fn view(&self) -> View {
        match &self.seen {
            Seen::Encoding(encoding) => encoding.frame_view(),
            Seen::Observation(observation) => grid_view(&self.model, observation),
        }
    }

    /// Both.
    pub fn layers(&self) -> Layers {
        Layers {
            records: self.records().into(),
            view: self.view(),
        }
    }
}

/// What the tokens cover: whole patches only, where a network cuts its input
/// into such.
fn grid_view(model: &LoadedModel, observation: &Observation) -> View {
    let hidden = observation.run.hidden.as_ref();
    let grid = hidden.and_then(|hidden| hidden.layout.grid);
    let patch = model.vision().map_or(0, |network| network.stride());
    match (grid, observation.pixels.dims()) {
        (Some(grid), [rows, columns, _]) if patch > 0 => {
            let share = |tokens: usize, side: usize| {
                ((tokens * patch) as f64 / side.max(1) as f64).min(1.0)
            };
            let across = share(grid.columns, *columns);
            observation.view.upper_left(across, share(grid.rows, *rows))
        }
        _ => observation.view,
    }
}

#[cfg(test)]
mod tests;
