//! The attention inspector: what each attention head looks at.

mod asking;
pub mod color_bar;
mod export;
pub mod head_grid;
mod heads;
pub mod help;
mod keep;
mod panel;
pub mod scale;
pub mod statistics_plot;
mod style;
mod thumbnails;
mod what_if;

pub use panel::InspectorPanel;
pub use style::percent;
