//! Made-up attention: every token looks at its surroundings, each attention
//! head farther than the one before.

use candle_core::{Device, Tensor};

use crate::attention::Layers;
use crate::models::Prompt;
use crate::models::geometry::View;
use crate::nn::capture::{Bias, Grid, QueryKey, Tokens};
use crate::photo::Photo;
use crate::worker::analysis::PromptAttention;
use crate::worker::steps::JobError;

/// The token grid of the fake models.
pub const GRID: Grid = Grid {
    rows: 8,
    columns: 12,
};
/// Their layers, and the attention heads of each.
pub const LAYERS: usize = 2;
/// Attention heads of a layer.
pub const ATTENTION_HEADS: usize = 3;

/// How fast attention falls with the squared distance in tokens.
const FALL: [f32; ATTENTION_HEADS] = [1.0, 0.3, 0.05];

/// What the fake models see in any photo.
pub fn layers(photo: &Photo) -> Result<Layers, JobError> {
    let tokens = Tokens {
        prefix: 1,
        grid: Some(GRID),
    };
    let layer = |at: usize| record(format!("fake.{at}"), tokens, tokens);
    let records: Result<Vec<_>, JobError> = (0..LAYERS).map(layer).collect();
    Ok(Layers {
        records: records?.into(),
        view: view(photo),
    })
}

/// What the fake prompt decoder looks at.
pub fn prompt(photo: &Photo, prompt: &Prompt) -> Result<PromptAttention, JobError> {
    let mut tokens = vec!["score".to_owned(), "mask 1".to_owned()];
    tokens.extend((1..=prompt.points.len()).map(|point| format!("point {point}")));
    let asking = Tokens {
        prefix: tokens.len(),
        grid: None,
    };
    let asked = Tokens {
        prefix: 0,
        grid: Some(GRID),
    };
    let records = vec![record("fake.prompt".to_owned(), asking, asked)?];
    Ok(PromptAttention {
        layers: Layers {
            records: records.into(),
            view: view(photo),
        },
        tokens,
        mask_token: 1,
    })
}

fn view(photo: &Photo) -> View {
    View::whole((photo.width() as usize, photo.height() as usize))
}

/// A layer whose logits are `-fall · distance²`: queries (x, y, 1, x² + y²),
/// keys (2 fall x, 2 fall y, -fall (x² + y²), -fall). Tokens without a place
/// are all zero.
fn record(layer: String, queries: Tokens, keys: Tokens) -> Result<QueryKey, JobError> {
    let asking = side(queries, |_, x, y| [x, y, 1.0, x * x + y * y])?;
    let asked = side(keys, |head, x, y| {
        let fall = FALL[head];
        let squared = x * x + y * y;
        [2.0 * fall * x, 2.0 * fall * y, -fall * squared, -fall]
    })?;
    QueryKey::stored(layer, (queries, asking), (keys, asked), 1.0, Bias::None).map_err(said)
}

/// (heads, tokens, 4).
fn side(
    tokens: Tokens,
    of: impl Fn(usize, f32, f32) -> [f32; 4] + Copy,
) -> Result<Tensor, JobError> {
    let grid = tokens.grid.into_iter();
    let places: Vec<_> = grid
        .flat_map(|grid| (0..grid.len()).map(move |at| (at % grid.columns, at / grid.columns)))
        .collect();
    let values: Vec<f32> = (0..ATTENTION_HEADS)
        .flat_map(|head| {
            let prefix = std::iter::repeat_n([0.0; 4], tokens.prefix);
            let placed = places
                .iter()
                .map(move |(x, y)| of(head, *x as f32, *y as f32));
            prefix.chain(placed).flatten().collect::<Vec<_>>()
        })
        .collect();
    Tensor::from_vec(values, (ATTENTION_HEADS, tokens.len(), 4), &Device::Cpu).map_err(said)
}

fn said(error: candle_core::Error) -> JobError {
    JobError::Failed(error.to_string())
}
