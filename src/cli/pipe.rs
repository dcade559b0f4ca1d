//! `patchlens pipe`: JSON lines, one request a line, one answer a line, in order.
//!
//! A bad request is answered with a sentence and changes nothing, except that an
//! `open` that fails leaves no photo open: a script that does not look at the
//! answer must not get masks of the photo before.

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Failure;
use super::output::{json_line, milliseconds, score, stdout_failure};
use super::prompt::check;
use crate::label::CocoRle;
use crate::models::{LowResMask, Prompt, PromptPoint};
use crate::photo::{self, Limits, Photo};
use crate::worker::{Engine, MobileSamEngine, Wanted, panic_sentence, unwatched};

/// The longest request in bytes; a longer line is skipped without being kept.
pub const LONGEST_LINE: usize = 1 << 20;

/// What the requests are served with.
#[derive(Debug)]
pub struct Args {
    /// The model.
    pub model: OsString,
    /// What decoding may use.
    pub limits: Limits,
}

/// Run the subcommand on standard input and output. The model is loaded first, so
/// that an unknown one ends the program instead of failing each request.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut engine = MobileSamEngine::new(&args.model);
    unwatched(|steps| engine.load_model(&args.model, steps))?;
    let mut session = Session::new(&mut engine, args.limits);
    serve(
        &mut io::stdin().lock(),
        &mut io::stdout().lock(),
        &mut session,
    )
}

/// Answer each line of `input` on `output`, until the input ends.
pub fn serve(
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    session: &mut Session<'_>,
) -> Result<(), Failure> {
    loop {
        let line = read_line(input).map_err(|error| {
            Failure::Sentence(format!("standard input cannot be read: {error}"))
        })?;
        let answer = match line {
            Line::End => return Ok(()),
            Line::TooLong => Answer::bad(
                Value::Null,
                format!("a request has at most {LONGEST_LINE} bytes, this one is longer"),
            ),
            Line::Text(text) => session.answer(&text),
        };
        let text = json_line(&answer)?;
        output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush())
            .map_err(stdout_failure)?;
    }
}

/// One line of input.
enum Line {
    Text(Vec<u8>),
    TooLong,
    End,
}

/// Read to the next line feed, keeping at most [`LONGEST_LINE`] bytes.
fn read_line(input: &mut dyn BufRead) -> io::Result<Line> {
    let (mut line, mut length) = (Vec::new(), 0_usize);
    loop {
        let chunk = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        let feed = chunk.iter().position(|byte| *byte == b'\n');
        let used = feed.unwrap_or(chunk.len());
        if chunk.is_empty() && length == 0 {
            return Ok(Line::End);
        }
        length = length.saturating_add(used);
        if length <= LONGEST_LINE {
            line.extend(chunk.iter().take(used));
        }
        let ended = feed.is_some() || chunk.is_empty();
        input.consume(used + usize::from(feed.is_some()));
        if ended {
            return Ok(if length > LONGEST_LINE {
                Line::TooLong
            } else {
                Line::Text(line)
            });
        }
    }
}

/// An answer; the fields are in the order in which they are printed.
#[derive(Serialize)]
struct Answer {
    id: Value,
    ok: bool,
    #[serde(flatten)]
    body: Body,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    Opened {
        width: u32,
        height: u32,
        encode_ms: f64,
    },
    Segmented {
        mask: CocoRle,
        score: f64,
        decode_ms: f64,
    },
    Bad {
        error: String,
    },
}

impl Answer {
    fn bad(id: Value, error: String) -> Self {
        Self {
            id,
            ok: false,
            body: Body::Bad { error },
        }
    }
}

/// Fields that every request may have; `id` and `op` are read before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenRequest {
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "op")]
    _op: IgnoredAny,
    path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentRequest {
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "op")]
    _op: IgnoredAny,
    #[serde(default)]
    points: Option<Vec<Vec<f32>>>,
    #[serde(default, rename = "box")]
    bbox: Option<[f32; 4]>,
    #[serde(default = "yes")]
    reset: bool,
}

/// Starting anew is the default: a prior must be asked for.
fn yes() -> bool {
    true
}

/// What is kept between requests.
pub struct Session<'a> {
    engine: &'a mut dyn Engine,
    limits: Limits,
    open: Option<Open>,
}

struct Open {
    photo: Arc<Photo>,
    /// Logits of the last answer, for `reset: false`.
    prior: Option<LowResMask>,
}

impl<'a> Session<'a> {
    /// A session with no photo open.
    pub fn new(engine: &'a mut dyn Engine, limits: Limits) -> Self {
        Self {
            engine,
            limits,
            open: None,
        }
    }

    /// Answer one line.
    fn answer(&mut self, line: &[u8]) -> Answer {
        let request: Value = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(error) => return Answer::bad(Value::Null, format!("this is not JSON: {error}")),
        };
        let id = request.get("id").cloned().unwrap_or(Value::Null);
        // Unwind safe: the engine is reset, and the photo is closed.
        let body = catch_unwind(AssertUnwindSafe(|| self.body(request))).unwrap_or_else(|panic| {
            self.open = None;
            self.engine.reset();
            Err(panic_sentence(panic.as_ref()))
        });
        match body {
            Ok(body) => Answer { id, ok: true, body },
            Err(error) => Answer::bad(id, error),
        }
    }

    fn body(&mut self, request: Value) -> Result<Body, String> {
        if !request.is_object() {
            return Err("a request is a JSON object".to_owned());
        }
        match request.get("op") {
            Some(Value::String(op)) => match op.as_str() {
                "open" => {
                    self.open = None;
                    self.open(&fields::<OpenRequest>(request)?.path)
                }
                "segment" => self.segment(fields(request)?),
                "predict" | "attention" => Err(format!(
                    "this version of PatchLens has no model for \"{op}\": it answers \"open\" and \"segment\""
                )),
                _ => Err(format!(
                    "there is no op {op:?}: use \"open\" or \"segment\""
                )),
            },
            Some(_) => Err("\"op\" is a text, \"open\" or \"segment\"".to_owned()),
            None => Err("the request has no \"op\": use \"open\" or \"segment\"".to_owned()),
        }
    }

    fn open(&mut self, path: &Path) -> Result<Body, String> {
        let photo = photo::decode(path, &self.limits).map_err(|error| error.to_string())?;
        let photo = Arc::new(photo);
        let start = Instant::now();
        let encoded = unwatched(|steps| self.engine.encode(&photo, steps));
        encoded.map_err(|error| error.to_string())?;
        let encode_ms = milliseconds(start.elapsed());
        let (width, height) = (photo.width(), photo.height());
        self.open = Some(Open { photo, prior: None });
        Ok(Body::Opened {
            width,
            height,
            encode_ms,
        })
    }

    fn segment(&mut self, request: SegmentRequest) -> Result<Body, String> {
        let points = points(request.points.unwrap_or_default())?;
        let open = self
            .open
            .as_mut()
            .ok_or("no photo is open: send an \"open\" request first")?;
        let mask = if request.reset {
            None
        } else {
            open.prior.clone()
        };
        let prompt = Prompt {
            points,
            bbox: request.bbox.map(sorted),
            mask,
        };
        let (width, height) = (open.photo.width(), open.photo.height());
        check(&prompt, width, height)?;
        let start = Instant::now();
        let found = unwatched(|steps| {
            self.engine
                .prompt(&open.photo, &prompt, Wanted::Best, steps)
        });
        let (proposals, best) = found.map_err(|error| error.to_string())?;
        let decode_ms = milliseconds(start.elapsed());
        let proposal = proposals
            .into_iter()
            .nth(best)
            .ok_or("the model gave no mask")?;
        let mask = CocoRle::encode(&proposal.mask, width, height);
        open.prior = Some(proposal.low_res);
        Ok(Body::Segmented {
            mask,
            score: score(proposal.score),
            decode_ms,
        })
    }
}

/// The fields of a request.
fn fields<T: DeserializeOwned>(request: Value) -> Result<T, String> {
    serde_json::from_value(request).map_err(|error| format!("the request is not right: {error}"))
}

/// `[x, y]` or `[x, y, 1]` inside the object, `[x, y, 0]` outside.
fn points(list: Vec<Vec<f32>>) -> Result<Vec<PromptPoint>, String> {
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
fn sorted([x0, y0, x1, y1]: [f32; 4]) -> [f32; 4] {
    [x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)]
}

#[cfg(test)]
mod tests;
