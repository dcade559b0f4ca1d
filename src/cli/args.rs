//! From the words of the command line to what they ask for.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};
use lexopt::Parser;

use super::{export, help, pipe, segment};
use crate::models::{Prompt, PromptPoint};
use crate::photo::Limits;
use crate::worker::DEFAULT_MODEL;

/// More threads than any machine has cores are a slip of the finger.
const MOST_THREADS: usize = 1024;

/// The command line does not make sense; one sentence that says why and where
/// the help is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; see `{help}`")]
pub struct UsageError {
    message: String,
    help: String,
}

/// What the command line asks for.
#[derive(Debug)]
pub struct Invocation {
    /// How many threads to compute with, if that was said.
    pub threads: Option<usize>,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Debug)]
pub enum Action {
    /// Open the window, on a photo or folder if one was named.
    Window {
        /// The photo or folder.
        path: Option<PathBuf>,
    },
    /// Print this help.
    Help(&'static str),
    /// Print name and version.
    Version,
    /// Segment one object of one photo.
    Segment(segment::Args),
    /// Serve requests on standard input.
    Pipe(pipe::Args),
    /// List the models.
    Models {
        /// As one JSON object.
        json: bool,
    },
    /// Write exports of saved labels.
    Export(export::Args),
}

/// A complaint about the words, before it is known whose help to point to.
type Complaint = Box<dyn std::error::Error + Send + Sync>;
type Parsed<T> = Result<T, Complaint>;

/// Understand the arguments `args`, the program's own name first.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut parser = Parser::from_iter(args);
    let mut common = Common::default();
    let mut subcommand = None;
    program(&mut parser, &mut common, &mut subcommand)
        .map(|action| Invocation {
            threads: common.threads,
            action,
        })
        .map_err(|complaint| UsageError {
            message: complaint.to_string(),
            help: match subcommand {
                Some(name) => format!("patchlens {name} --help"),
                None => "patchlens --help".to_owned(),
            },
        })
}

/// Options that mean the same everywhere.
struct Common {
    threads: Option<usize>,
    limits: Limits,
    model: OsString,
    json: bool,
    output: Option<PathBuf>,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            threads: None,
            limits: Limits::default(),
            model: DEFAULT_MODEL.into(),
            json: false,
            output: None,
        }
    }
}

impl Common {
    fn output(&mut self) -> Parsed<PathBuf> {
        self.output
            .take()
            .ok_or_else(|| "say where to write with -o".into())
    }
}

/// Which of the options in [`Common`] a subcommand knows, besides `--threads`.
struct Knows(&'static [&'static str]);

impl Knows {
    /// Take the option `name` if it is one of these. Whether it was.
    fn take(&self, name: &str, parser: &mut Parser, common: &mut Common) -> Parsed<bool> {
        if name != "threads" && !self.0.contains(&name) {
            return Ok(false);
        }
        match name {
            "threads" => common.threads = Some(threads(&parser.value()?)?),
            "max-megapixels" => {
                common.limits = Limits::megapixels(whole(&parser.value()?, "--max-megapixels")?);
            }
            "model" => common.model = parser.value()?,
            "json" => common.json = true,
            "output" => common.output = Some(parser.value()?.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The words before the subcommand, then the subcommand's own. `name` tells which
/// one it was, also after a complaint.
fn program(
    parser: &mut Parser,
    common: &mut Common,
    name: &mut Option<&'static str>,
) -> Parsed<Action> {
    const KNOWS: Knows = Knows(&[]);
    let mut path = None;
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Action::Help(help::PROGRAM)),
            Short('V') | Long("version") => return Ok(Action::Version),
            Long(option) => {
                let option = option.to_owned();
                if !KNOWS.take(&option, parser, common)? {
                    return Err(no_option(&option));
                }
            }
            Value(word) if path.is_none() => {
                *name = subcommand_name(&word);
                match name {
                    Some("segment") => return segment(parser, common),
                    Some("pipe") => return pipe(parser, common),
                    Some("models") => return models(parser, common),
                    Some("export") => return export(parser, common),
                    _ => path = Some(word),
                }
            }
            Value(_) => return Err(two_paths(path.as_deref())),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Action::Window {
        path: path.map(PathBuf::from),
    })
}

fn subcommand_name(word: &OsStr) -> Option<&'static str> {
    ["segment", "pipe", "models", "export"]
        .into_iter()
        .find(|name| word == OsStr::new(name))
}

fn two_paths(first: Option<&OsStr>) -> Complaint {
    let first = first.unwrap_or_default().to_string_lossy();
    format!("{first} is not a subcommand, and the window opens one photo or folder at a time")
        .into()
}

fn no_option(name: &str) -> Complaint {
    format!("there is no option --{name} here").into()
}

fn segment(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    const KNOWS: Knows = Knows(&["max-megapixels", "model", "json", "output"]);
    let mut image = None;
    let mut prompt = Prompt::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Action::Help(help::SEGMENT)),
            Short('o') => common.output = Some(parser.value()?.into()),
            Short('p') | Long("point") => prompt.points.push(point(&parser.value()?)?),
            Short('b') | Long("box") => prompt.bbox = Some(bbox(&parser.value()?)?),
            Long(option) => {
                let option = option.to_owned();
                if !KNOWS.take(&option, parser, common)? {
                    return Err(no_option(&option));
                }
            }
            Value(word) if image.is_none() => image = Some(PathBuf::from(word)),
            Value(word) => {
                return Err(format!("only one photo at a time, so {word:?} is too much").into());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let image = image.ok_or("name the photo to segment")?;
    if prompt.points.is_empty() && prompt.bbox.is_none() {
        return Err("say what to segment with --point X,Y or --box X0,Y0,X1,Y1".into());
    }
    Ok(Action::Segment(segment::Args {
        image,
        prompt,
        output: common.output()?,
        model: std::mem::take(&mut common.model),
        limits: common.limits,
        json: common.json,
    }))
}

fn pipe(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    const KNOWS: Knows = Knows(&["max-megapixels", "model"]);
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Action::Help(help::PIPE)),
            Long(option) => {
                let option = option.to_owned();
                if !KNOWS.take(&option, parser, common)? {
                    return Err(no_option(&option));
                }
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let model = std::mem::take(&mut common.model);
    Ok(Action::Pipe(pipe::Args {
        model,
        limits: common.limits,
    }))
}

fn models(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    const KNOWS: Knows = Knows(&["json"]);
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Action::Help(help::MODELS)),
            Long(option) => {
                let option = option.to_owned();
                if !KNOWS.take(&option, parser, common)? {
                    return Err(no_option(&option));
                }
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Action::Models { json: common.json })
}

fn export(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    const KNOWS: Knows = Knows(&["max-megapixels", "output"]);
    let (mut images, mut kind, mut class) = (Vec::new(), None, None);
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Action::Help(help::EXPORT)),
            Short('o') => common.output = Some(parser.value()?.into()),
            Long("kind") => kind = Some(text(parser.value()?, "--kind")?),
            Long("class") => class = Some(text(parser.value()?, "--class")?),
            Long(option) => {
                let option = option.to_owned();
                if !KNOWS.take(&option, parser, common)? {
                    return Err(no_option(&option));
                }
            }
            Value(word) => images.push(PathBuf::from(word)),
            other => return Err(other.unexpected().into()),
        }
    }
    if images.is_empty() {
        return Err("name the photos to export".into());
    }
    let kind = export_kind(kind.as_deref(), class)?;
    Ok(Action::Export(export::Args {
        images,
        kind,
        folder: common.output()?,
        limits: common.limits,
    }))
}

fn export_kind(kind: Option<&str>, class: Option<String>) -> Parsed<export::Kind> {
    let kind = kind.unwrap_or(if class.is_some() { "binary" } else { "classes" });
    Ok(match (kind, class) {
        ("binary", Some(class)) => export::Kind::Binary { class },
        ("binary", None) => return Err("a binary export needs --class NAME or --class ID".into()),
        (_, Some(_)) => return Err("--class goes with --kind binary only".into()),
        ("classes", None) => export::Kind::Classes,
        ("instances", None) => export::Kind::Instances,
        ("overlay", None) => export::Kind::Overlay,
        (other, None) => {
            return Err(
                format!("--kind is classes, instances, binary or overlay, not {other:?}").into(),
            );
        }
    })
}

/// An option's value as text.
fn text(value: OsString, option: &str) -> Parsed<String> {
    let complaint = |value: OsString| format!("{option} {value:?} is not readable text");
    Ok(value.into_string().map_err(complaint)?)
}

/// A whole number from 1 on.
fn whole(value: &OsStr, option: &str) -> Parsed<u32> {
    let number = value
        .to_str()
        .and_then(|text| text.parse().ok())
        .filter(|n| *n > 0);
    Ok(number.ok_or_else(|| format!("{option} takes a whole number from 1 on, not {value:?}"))?)
}

fn threads(value: &OsStr) -> Parsed<usize> {
    let count = whole(value, "--threads")? as usize;
    if count > MOST_THREADS {
        return Err(format!("--threads takes at most {MOST_THREADS}, not {count}").into());
    }
    Ok(count)
}

/// Numbers between commas; `None` if one is no finite number.
fn numbers(value: &OsStr) -> Option<Vec<f32>> {
    let number = |part: &str| part.trim().parse::<f32>().ok().filter(|n| n.is_finite());
    value.to_str()?.split(',').map(number).collect()
}

/// `X,Y` or `X,Y,1` for a point inside the object, `X,Y,0` for one outside.
fn point(value: &OsStr) -> Parsed<PromptPoint> {
    let (x, y, label) = match numbers(value).as_deref() {
        Some([x, y]) => (*x, *y, 1.0),
        Some([x, y, label]) if *label == 0.0 || *label == 1.0 => (*x, *y, *label),
        _ => return Err(format!("--point is X,Y or X,Y,0 in pixels, not {value:?}").into()),
    };
    Ok(PromptPoint {
        x,
        y,
        positive: label == 1.0,
    })
}

/// Two opposite corners, in any order.
fn bbox(value: &OsStr) -> Parsed<[f32; 4]> {
    let Some([x0, y0, x1, y1]) = numbers(value).and_then(|n| <[f32; 4]>::try_from(n).ok()) else {
        return Err(format!("--box is X0,Y0,X1,Y1 in pixels, not {value:?}").into());
    };
    if x0 == x1 || y0 == y1 {
        return Err(format!("--box {value:?} has no area: give two opposite corners").into());
    }
    Ok([x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)])
}
