//! How good predictions are: measures on class maps, instance maps and masks.
//!
//! Everything is counted on plain values, row by row, and knows neither photos
//! nor models nor files: the command line brings those, and training asks the
//! same measures during validation.
//!
//! | question | measure |
//! |---|---|
//! | does each pixel have the right class? | [`Confusion`]: IoU, precision, recall, accuracy |
//! | are the outlines right? | [`BoundaryScores`]: boundary F-score |
//! | is each object found, and apart from its neighbours? | [`InstanceScore`]: DSB2018's average precision |
//! | how many clicks does an object take? | [`click_through`]: a robot user, NoC |

mod boundary;
mod canvas;
mod chart;
mod clicks;
mod confusion;
mod distance;
mod matching;

pub use boundary::{BoundaryMatch, BoundaryScores, TOLERANCE};
pub use canvas::{Anchor, Canvas, Turn, text_width};
pub use chart::confusion_chart;
pub use clicks::{
    Click, ClickOptions, ClickTarget, ClickTrace, TargetError, click_through, mean_iou_after,
    next_click, number_of_clicks,
};
pub use confusion::Confusion;
pub use distance::squared_distances;
pub use matching::{InstanceScore, THRESHOLDS, dsb_average_precision};
