//! What all subcommands that ask a model have in common.

use std::ffi::OsStr;
use std::sync::Arc;

use super::Failure;
use crate::models::predict::{Framing, Options, Picture};
use crate::models::{Capability, LoadedModel, ModelInfo, registry};
use crate::photo::Photo;
use crate::task::detached;

/// Load a model.
pub fn load(name: &OsStr) -> Result<Arc<LoadedModel>, Failure> {
    Ok(detached(|task| registry::load(name, task))?)
}

/// A photo as models take it.
pub fn picture(photo: &Photo) -> Picture<'_> {
    Picture {
        rgb: photo.rgb(),
        width: photo.width(),
        height: photo.height(),
    }
}

/// Complain about `--fit` and `--size` for a model that they do not concern.
pub fn check_options(info: &ModelInfo, options: &Options) -> Result<(), String> {
    let usual = options.framing == Framing::default() && options.input.is_none();
    if usual || !info.can(Capability::Prompts) {
        return Ok(());
    }
    Err(format!(
        "{} fits each photo into its own square frame: leave out the fit and the size",
        info.title
    ))
}
