//! What requests look like. A misspelt field is an error, not ignored.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use crate::attention::Heads;
use crate::cli::layers::{Asked, heads};
use crate::models::PromptPoint;
use crate::models::predict::Framing;

/// `id` and `op`, which every request may have, are read before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRequest {
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "op")]
    _op: IgnoredAny,
    /// The photo.
    pub path: PathBuf,
}

/// Masks for a prompt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentRequest {
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "op")]
    _op: IgnoredAny,
    /// See [`points`].
    #[serde(default)]
    pub points: Option<Vec<Vec<f32>>>,
    /// Two opposite corners.
    #[serde(default, rename = "box")]
    pub bbox: Option<[f32; 4]>,
    /// Whether to forget the mask before.
    #[serde(default = "yes")]
    pub reset: bool,
}

/// Starting anew is the default: a prior must be asked for.
fn yes() -> bool {
    true
}

/// Classes of the pixels, or of the photo.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictRequest {
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "op")]
    _op: IgnoredAny,
    /// The model, if not the session's.
    #[serde(default)]
    pub model: Option<String>,
    /// See [`framing`].
    #[serde(default)]
    pub fit: Option<String>,
    /// Where to write the class map, if not into a temporary folder.
    #[serde(default)]
    pub out: Option<PathBuf>,
    /// How many classes of the photo to tell.
    #[serde(default)]
    pub top: Option<usize>,
}

/// Where a token looks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionRequest {
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "op")]
    _op: IgnoredAny,
    /// The model, if not the session's.
    #[serde(default)]
    pub model: Option<String>,
    /// See [`framing`].
    #[serde(default)]
    pub fit: Option<String>,
    /// The layer from 0, if not the last one.
    #[serde(default)]
    pub layer: Option<usize>,
    /// See [`attention_heads`].
    #[serde(default)]
    pub attention_head: Option<Value>,
    /// See [`asked`].
    #[serde(default)]
    pub query: Option<Value>,
    /// Who looks at the token instead.
    #[serde(default)]
    pub reverse: bool,
}

/// The fields of a request.
pub fn fields<T: DeserializeOwned>(request: Value) -> Result<T, String> {
    serde_json::from_value(request).map_err(|error| format!("the request is not right: {error}"))
}

/// The model of a request, or else the session's.
pub fn model(named: Option<String>, session: &OsString) -> OsString {
    named.map_or_else(|| session.clone(), OsString::from)
}

/// How to show the photo: a model has to see it at once.
pub fn framing(name: Option<&str>) -> Result<Framing, String> {
    let Some(name) = name else {
        return Ok(Framing::default());
    };
    let known = Framing::ALL
        .into_iter()
        .find(|framing| framing.name() == name);
    let known = known.filter(|framing| *framing != Framing::Slide);
    known.ok_or_else(|| format!("\"fit\" is \"trained\", \"squash\" or \"pad\" here, not {name:?}"))
}

/// A number from 0, or `"mean"`, `"max"` or `"min"`.
pub fn attention_heads(value: Option<&Value>) -> Result<Heads, String> {
    let known = match value {
        None => Some(Heads::Mean),
        Some(Value::String(name)) => heads(name),
        Some(number) => number
            .as_u64()
            .and_then(|head| usize::try_from(head).ok())
            .map(Heads::One),
    };
    known.ok_or_else(|| {
        "\"attention_head\" is a number from 0, \"mean\", \"max\" or \"min\"".to_owned()
    })
}

/// `[x, y]` or `"cls"`.
pub fn asked(value: Option<&Value>) -> Result<Option<Asked>, String> {
    let coordinate = |value: &Value| value.as_f64().map(|number| number as f32);
    let asked = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(name)) if name == "cls" => Some(Asked::Class),
        Some(Value::Array(pair)) => match &pair[..] {
            [x, y] => coordinate(x)
                .zip(coordinate(y))
                .map(|(x, y)| Asked::at(x, y)),
            _ => None,
        },
        Some(_) => None,
    };
    let complaint = || "\"query\" is [x, y] in pixels of the photo, or \"cls\"".to_owned();
    asked.map(Some).ok_or_else(complaint)
}

/// `[x, y]` or `[x, y, 1]` inside the object, `[x, y, 0]` outside.
pub fn points(list: Vec<Vec<f32>>) -> Result<Vec<PromptPoint>, String> {
    let point = |numbers: Vec<f32>| match numbers[..] {
        [x, y] => Ok(PromptPoint {
            x,
            y,
            positive: true,
        }),
        [x, y, label] if label == 0.0 || label == 1.0 => Ok(PromptPoint {
            x,
            y,
            positive: label == 1.0,
        }),
        _ => Err("a point is [x, y], [x, y, 1] or [x, y, 0]".to_owned()),
    };
    list.into_iter().map(point).collect()
}

/// A box with its corners in order.
pub fn sorted([x0, y0, x1, y1]: [f32; 4]) -> [f32; 4] {
    [x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)]
}
