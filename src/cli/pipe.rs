//! `patchlens pipe`: JSON lines, one request a line, one answer a line, in order.
//!
//! A bad request is answered with a sentence and changes nothing, except that an
//! `open` that fails leaves no photo open: a script that does not look at the
//! answer must not get masks of the photo before.

mod ask;
mod request;

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lexopt::Parser;
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

use super::args::{Action, Common, Parsed, read};
use super::classes::ClassPixels;
use super::classify::Likely;
use super::output::{json_line, milliseconds, score, stdout_failure};
use super::prompt::check;
use super::{Failure, help};
use crate::label::CocoRle;
use crate::models::{Capability, LowResMask, Prompt};
use crate::photo::{self, Limits, Photo};
use crate::worker::{Engine, ModelEngine, Wanted, panic_sentence, unwatched};
use request::{OpenRequest, SegmentRequest, fields, points, sorted};

/// The longest request in bytes; a longer line is skipped without being kept.
pub const LONGEST_LINE: usize = 1 << 20;

/// What a request may ask for.
const OPS: &str = "\"open\", \"segment\", \"predict\" or \"attention\"";

/// What the requests are served with.
#[derive(Debug)]
pub struct Args {
    /// The model.
    pub model: OsString,
    /// What decoding may use.
    pub limits: Limits,
}

/// Read the words after `pipe`.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    let help = read(parser, common, &["max-megapixels", "model"], &mut |_, _| {
        Ok(false)
    })?;
    if help.is_some() {
        return Ok(Action::Help(help::PIPE));
    }
    Ok(Action::Pipe(Args {
        model: common.model_or_default(),
        limits: common.limits,
    }))
}

/// Run the subcommand on standard input and output. The model is loaded first, so
/// that an unknown one ends the program instead of failing each request.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut engine = ModelEngine::new(&args.model);
    let info = unwatched(|steps| engine.load_model(&args.model, steps))?;
    let settings = Settings {
        model: args.model.clone(),
        takes_prompts: info.can(Capability::Prompts),
        limits: args.limits,
    };
    let mut session = Session::new(&mut engine, settings);
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
    /// Of a dense model.
    Pixels {
        /// Height and width in pixels.
        size: [u32; 2],
        classes: Vec<ClassPixels>,
        labels: String,
        predict_ms: f64,
    },
    /// Of a classifier.
    Classes {
        classes: Vec<Likely>,
        predict_ms: f64,
    },
    Attention {
        /// Rows and columns of the token grid.
        grid: [usize; 2],
        /// Row by row.
        values: Vec<f32>,
        /// On tokens without a place.
        prefix: Vec<f32>,
        attention_ms: f64,
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

/// What a session is held with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The model that is asked where a request names none.
    pub model: OsString,
    /// Whether it takes prompts: then photos are encoded when they are opened.
    pub takes_prompts: bool,
    /// What decoding may use.
    pub limits: Limits,
}

/// What is kept between requests.
pub struct Session<'a> {
    engine: &'a mut dyn Engine,
    settings: Settings,
    open: Option<Open>,
    /// Where class maps go, from the first one to the end of the session.
    folder: Option<TempDir>,
    /// Class maps made so far.
    maps: usize,
}

struct Open {
    photo: Arc<Photo>,
    /// Logits of the last answer, for `reset: false`.
    prior: Option<LowResMask>,
}

impl<'a> Session<'a> {
    /// A session with no photo open.
    pub fn new(engine: &'a mut dyn Engine, settings: Settings) -> Self {
        Self {
            engine,
            settings,
            open: None,
            folder: None,
            maps: 0,
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
                "predict" => self.predict(fields(request)?),
                "attention" => self.attention(fields(request)?),
                _ => Err(format!("there is no op {op:?}: use {OPS}")),
            },
            Some(_) => Err(format!("\"op\" is a text, {OPS}")),
            None => Err(format!("the request has no \"op\": use {OPS}")),
        }
    }

    /// The photo that is open.
    fn photo(&self) -> Result<Arc<Photo>, String> {
        let open = self.open.as_ref();
        let open = open.ok_or("no photo is open: send an \"open\" request first")?;
        Ok(open.photo.clone())
    }

    fn open(&mut self, path: &Path) -> Result<Body, String> {
        let photo =
            photo::decode(path, &self.settings.limits).map_err(|error| error.to_string())?;
        let photo = Arc::new(photo);
        let start = Instant::now();
        if self.settings.takes_prompts {
            let encoded = unwatched(|steps| self.engine.encode(&photo, steps));
            encoded.map_err(|error| error.to_string())?;
        }
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
        let photo = self.photo()?;
        let prior = self.open.as_ref().and_then(|open| open.prior.clone());
        let prompt = Prompt {
            points: points(request.points.unwrap_or_default())?,
            bbox: request.bbox.map(sorted),
            mask: prior.filter(|_| !request.reset),
        };
        let (width, height) = (photo.width(), photo.height());
        check(&prompt, width, height)?;
        let start = Instant::now();
        let found = unwatched(|steps| self.engine.prompt(&photo, &prompt, Wanted::Best, steps));
        let (proposals, best) = found.map_err(|error| error.to_string())?;
        let decode_ms = milliseconds(start.elapsed());
        let proposal = proposals.into_iter().nth(best);
        let proposal = proposal.ok_or("the model gave no mask")?;
        let mask = CocoRle::encode(&proposal.mask, width, height);
        if let Some(open) = &mut self.open {
            open.prior = Some(proposal.low_res);
        }
        Ok(Body::Segmented {
            mask,
            score: score(proposal.score),
            decode_ms,
        })
    }
}

#[cfg(test)]
mod tests;
