//! The attention inspector: which model's attention is looked at, from where,
//! and what of it is shown.
//!
//! Recording is one job per photo and model. From then on the rows of all
//! attention heads are computed here, between two frames, as the pointer moves;
//! what takes longer is asked of the worker, one question of a kind at a time.

mod answers;
mod ask;
mod command;
mod export;
mod labels;
mod look;
mod probe;
mod search;
mod show;
mod state;
mod what_if;

pub use command::AttentionCommand;
pub use export::AttentionExport;
pub use look::Look;
pub use search::{Hit, Search};
pub use show::{AskedTokens, Picture, Unit};
pub use state::{Asking, Comparison, Inspector, Subject};
pub use what_if::{Experiment, HeadId, Ranking};

#[cfg(test)]
mod tests;
