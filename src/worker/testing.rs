//! The engine of the real program on the models of the parity fixtures.

use super::{Analysed, Analysis, Engine as _, Inspection, JobError, ModelEngine, Observed};
use super::{DEFAULT_MODEL, unwatched};
use crate::models::predict::Options;
use crate::models::testing::folder;
use crate::nn::Capture;
use crate::photo::{Limits, Photo, decode};
use std::sync::Arc;

/// The photo of a fixture.
pub fn photo(name: &str) -> Arc<Photo> {
    Arc::new(decode(&folder(name).join("image.png"), &Limits::default()).unwrap())
}

/// A fixture's model, having seen the photo and recorded its attention.
pub fn seen(name: &str, photo: &Arc<Photo>) -> Observed {
    let options = Options {
        capture: Capture::QueriesAndKeys,
        ..Options::default()
    };
    let mut engine = ModelEngine::new(DEFAULT_MODEL);
    let name = folder(name).into_os_string();
    unwatched(|steps| engine.observe(photo, &name, &options, steps)).unwrap()
}

/// A fixture's model under inspection.
pub struct Bench {
    engine: ModelEngine,
    /// The photo.
    pub photo: Arc<Photo>,
    /// What is known of it.
    pub inspection: Inspection,
}

impl Bench {
    /// The model of a fixture on its photo.
    pub fn new(name: &str, options: &Options) -> Self {
        let mut engine = ModelEngine::new(DEFAULT_MODEL);
        let photo = photo(name);
        let name = folder(name).into_os_string();
        let inspection = unwatched(|steps| engine.inspect(&photo, &name, options, steps));
        Self {
            engine,
            photo,
            inspection: inspection.unwrap(),
        }
    }

    /// Ask the engine.
    pub fn ask(&mut self, analysis: &Analysis) -> Result<Analysed, JobError> {
        let (photo, inspection) = (&self.photo, &self.inspection);
        unwatched(|steps| self.engine.analyse(photo, inspection, analysis, steps))
    }
}
