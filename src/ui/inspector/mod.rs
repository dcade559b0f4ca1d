//! The attention inspector: what each attention head looks at.

pub mod color_bar;
pub mod head_grid;
pub mod help;
pub mod scale;
pub mod statistics_plot;
mod thumbnails;
