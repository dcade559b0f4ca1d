//! From the words of the command line to what they ask for.
//!
//! Each subcommand reads its own words, in its own file, through [`read`]. What
//! several of them take is here: options that mean the same everywhere
//! ([`Common`]) and the values of options ([`value`]).

pub mod value;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};
use lexopt::Parser;

use super::{attention, classify, dump, eval, export, help, models, pipe, predict, segment, train};
use crate::models::predict::{Framing, Options};
use crate::photo::Limits;
use crate::worker::DEFAULT_MODEL;
use value::{framing, input_size, threads, whole};

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
    /// Tell what photos show.
    Classify(classify::Args),
    /// Give each pixel of photos a class.
    Predict(predict::Args),
    /// Show where a model looks.
    Attention(Box<attention::Args>),
    /// Write what a model computes.
    Dump(dump::Args),
    /// Serve requests on standard input.
    Pipe(pipe::Args),
    /// List the models.
    Models(models::Args),
    /// Write exports of saved labels.
    Export(export::Args),
    /// Tell how good predictions are.
    Eval(Box<eval::Args>),
    /// Train a model.
    Train(Box<train::Args>),
}

/// A complaint about the words, before it is known whose help to point to.
type Complaint = Box<dyn std::error::Error + Send + Sync>;
/// What reading the words gives.
pub type Parsed<T> = Result<T, Complaint>;

/// How a subcommand reads its words.
type Read = fn(&mut Parser, &mut Common) -> Parsed<Action>;

/// All subcommands.
const SUBCOMMANDS: [(&str, Read); 10] = [
    ("segment", segment::parse),
    ("classify", classify::parse),
    ("predict", predict::parse),
    ("attention", attention::parse),
    ("dump", dump::parse),
    ("pipe", pipe::parse),
    ("models", models::parse),
    ("export", export::parse),
    ("eval", eval::parse),
    ("train", train::parse),
];

/// What short options stand for.
const SHORT: [(char, &str); 5] = [
    ('o', "output"),
    ('p', "point"),
    ('b', "box"),
    ('m', "model"),
    ('h', "help"),
];

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
#[derive(Debug, Default)]
pub struct Common {
    threads: Option<usize>,
    /// What decoding may use.
    pub limits: Limits,
    model: Option<OsString>,
    /// Print JSON.
    pub json: bool,
    output: Option<PathBuf>,
    framing: Framing,
    input: Option<(usize, usize)>,
}

impl Common {
    /// Where to write, if that was said.
    pub fn output_if_any(&mut self) -> Option<PathBuf> {
        self.output.take()
    }

    /// Where to write.
    pub fn output(&mut self) -> Parsed<PathBuf> {
        self.output_if_any()
            .ok_or_else(|| "say where to write with -o".into())
    }

    /// The model, or the program's default, which takes prompts.
    pub fn model_or_default(&mut self) -> OsString {
        self.model.take().unwrap_or_else(|| DEFAULT_MODEL.into())
    }

    /// The model, where the default could not do what is asked.
    pub fn model(&mut self) -> Parsed<OsString> {
        self.model
            .take()
            .ok_or_else(|| "name the model with --model: its folder, or a built-in one".into())
    }

    /// How to show a photo to a model.
    pub fn options(&self) -> Options {
        Options {
            framing: self.framing,
            input: self.input,
            ..Options::default()
        }
    }

    /// As [`Common::options`], where the model has to see the photo at once.
    pub fn options_at_once(&self) -> Parsed<Options> {
        if self.framing == Framing::Slide {
            return Err("--fit slide is for predict only: use trained, squash or pad".into());
        }
        Ok(self.options())
    }

    /// Take the value of the option `name`. Whether there is such an option.
    fn take(&mut self, name: &str, parser: &mut Parser) -> Parsed<bool> {
        match name {
            "threads" => self.threads = Some(threads(&parser.value()?)?),
            "max-megapixels" => {
                self.limits = Limits::megapixels(whole(&parser.value()?, "--max-megapixels")?);
            }
            "model" => self.model = Some(parser.value()?),
            "json" => self.json = true,
            "output" => self.output = Some(parser.value()?.into()),
            "fit" => self.framing = framing(&parser.value()?)?,
            "size" => self.input = Some(input_size(&parser.value()?)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// A word of the command line.
pub enum Word<'a> {
    /// An option by its long name, without dashes.
    Option(&'a str),
    /// Anything else.
    Plain(OsString),
}

/// Read all words of a subcommand. `common` are the options of [`Common`] that
/// it knows besides `--threads`; `own` takes other words and says whether it
/// could. `Some` if its help was asked for.
pub fn read(
    parser: &mut Parser,
    values: &mut Common,
    common: &[&str],
    own: &mut dyn FnMut(Word<'_>, &mut Parser) -> Parsed<bool>,
) -> Parsed<Option<Help>> {
    while let Some(arg) = parser.next()? {
        let (name, shown) = match arg {
            Long(name) => (name.to_owned(), format!("--{name}")),
            Short(letter) => (long_name(letter), format!("-{letter}")),
            Value(word) => {
                let shown = word.clone();
                if !own(Word::Plain(word), parser)? {
                    return Err(format!("{shown:?} is too much").into());
                }
                continue;
            }
        };
        if name == "help" {
            return Ok(Some(Help));
        }
        let known = name == "threads" || common.contains(&name.as_str());
        let taken = known && values.take(&name, parser)?;
        if !taken && !own(Word::Option(&name), parser)? {
            return Err(format!("there is no option {shown} here").into());
        }
    }
    Ok(None)
}

/// That the help was asked for.
#[derive(Debug)]
pub struct Help;

fn long_name(letter: char) -> String {
    let known = SHORT.iter().find(|(short, _)| *short == letter);
    known.map_or(String::new(), |(_, long)| (*long).to_owned())
}

/// Put the one photo that a subcommand takes into `place`.
pub fn one_photo(place: &mut Option<PathBuf>, word: OsString) -> Parsed<()> {
    if place.is_some() {
        return Err(format!("only one photo at a time, so {word:?} is too much").into());
    }
    *place = Some(PathBuf::from(word));
    Ok(())
}

/// The words before the subcommand, then the subcommand's own. `name` tells which
/// one it was, also after a complaint.
fn program(
    parser: &mut Parser,
    common: &mut Common,
    name: &mut Option<&'static str>,
) -> Parsed<Action> {
    let mut path: Option<OsString> = None;
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Action::Help(help::PROGRAM)),
            Short('V') | Long("version") => return Ok(Action::Version),
            Long("threads") => {
                common.take("threads", parser)?;
            }
            Long(option) => return Err(format!("there is no option --{option} here").into()),
            Value(word) if path.is_none() => {
                let known = SUBCOMMANDS
                    .iter()
                    .find(|(name, _)| word == OsStr::new(name));
                if let Some((known, read)) = known {
                    *name = Some(known);
                    return read(parser, common);
                }
                path = Some(word);
            }
            Value(_) => return Err(two_paths(path.as_deref())),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Action::Window {
        path: path.map(PathBuf::from),
    })
}

fn two_paths(first: Option<&OsStr>) -> Complaint {
    let first = first.unwrap_or_default().to_string_lossy();
    format!("{first} is not a subcommand, and the window opens one photo or folder at a time")
        .into()
}
