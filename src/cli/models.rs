//! `patchlens models`: which models there are and what they can do.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use lexopt::Parser;
use serde::{Deserialize, Serialize};

use super::args::{Action, Common, Parsed, Word, read};
use super::output::{complain, json_line, print};
use super::{Failure, help};
use crate::models::checkpoint::Checkpoint;
use crate::models::{ModelError, ModelInfo, registry};

/// What to list.
#[derive(Debug)]
pub struct Args {
    /// These folders; if there are none, the models that are built in and those
    /// that the window has used.
    pub folders: Vec<PathBuf>,
    /// As one JSON object.
    pub json: bool,
}

/// Read the words after `models`.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    let mut folders = Vec::new();
    let help = read(parser, common, &["json"], &mut |word, _| match word {
        Word::Plain(word) => {
            folders.push(PathBuf::from(word));
            Ok(true)
        }
        Word::Option(_) => Ok(false),
    })?;
    if help.is_some() {
        return Ok(Action::Help(help::MODELS));
    }
    Ok(Action::Models(Args {
        folders,
        json: common.json,
    }))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    models: Vec<Row>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Row {
    Model {
        name: String,
        title: String,
        family: &'static str,
        parameters: usize,
        licence: String,
        capabilities: Vec<&'static str>,
        classes: usize,
        embedded: bool,
    },
    Unusable {
        name: String,
        error: String,
    },
}

/// Run the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let rows = if args.folders.is_empty() {
        let embedded = registry::embedded();
        let seen = recent_folders();
        let embedded = embedded.iter().map(|info| row(info, info.parameters));
        embedded
            .chain(seen.iter().map(|folder| described(folder)))
            .collect()
    } else {
        args.folders
            .iter()
            .map(|folder| described(folder))
            .collect::<Vec<Row>>()
    };
    let report = Report { models: rows };
    print(&if args.json {
        json_line(&report)?
    } else {
        listed(&report.models)
    })?;
    if args.folders.is_empty() {
        return Ok(());
    }
    // A folder that was named is an answer owed; one that was used once may be gone.
    let errors = report.models.iter().filter_map(Row::error);
    let told = errors.inspect(|error| complain(error)).count();
    if told > 0 { Err(Failure::Told) } else { Ok(()) }
}

fn described(folder: &Path) -> Row {
    let described = registry::describe(folder).and_then(|info| {
        let parameters = parameters(&info, folder)?;
        Ok(row(&info, parameters))
    });
    described.unwrap_or_else(|error| Row::Unusable {
        name: folder.to_string_lossy().into_owned(),
        error: error.to_string(),
    })
}

/// A folder's number of parameters, from the headers of its weights.
fn parameters(info: &ModelInfo, folder: &Path) -> Result<usize, ModelError> {
    if info.parameters > 0 {
        return Ok(info.parameters);
    }
    Ok(Checkpoint::read(folder)?.weights()?.parameters())
}

fn row(info: &ModelInfo, parameters: usize) -> Row {
    Row::Model {
        name: info.name.to_string(),
        title: info.title.to_string(),
        family: info.family.model_type(),
        parameters,
        licence: info.licence.to_string(),
        capabilities: info.capabilities.iter().map(|what| what.name()).collect(),
        classes: info.labels.classes.len(),
        embedded: info.embedded,
    }
}

impl Row {
    fn error(&self) -> Option<&str> {
        match self {
            Self::Unusable { error, .. } => Some(error),
            Self::Model { .. } => None,
        }
    }

    /// For people.
    fn line(&self) -> String {
        match self {
            Self::Unusable { name, error } => format!("{name:<22} cannot be used: {error}\n"),
            Self::Model {
                name,
                title,
                parameters,
                licence,
                capabilities,
                classes,
                ..
            } => {
                let what = capabilities.join(", ");
                let millions = *parameters as f64 / 1e6;
                let classes = match classes {
                    0 => String::new(),
                    count => format!(", {count} classes"),
                };
                format!(
                    "{name:<22} {title}: {what}; {millions:.1} M parameters{classes}, {licence}\n"
                )
            }
        }
    }
}

fn listed(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "No model is built in: name a checkpoint folder with --model.\n".to_owned();
    }
    rows.iter().map(Row::line).collect()
}

/// The part of the window's settings that is of interest here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    recent_models: Vec<PathBuf>,
}

/// The folders of models that the window has used, the last one first.
fn recent_folders() -> Vec<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "patchlens");
    let file = folders.map(|folders| folders.config_dir().join("settings.json"));
    file.map_or(Vec::new(), |file| recent_in(&file))
}

/// From that file; none where it is missing or not understood. Folders that bear
/// a built-in model's name are meant as folders.
fn recent_in(file: &Path) -> Vec<PathBuf> {
    let settings = fs::read(file).ok();
    let settings = settings.and_then(|bytes| serde_json::from_slice::<Settings>(&bytes).ok());
    let mut folders = settings.unwrap_or_default().recent_models;
    folders.retain(|folder| folder.as_os_str() != OsStr::new(""));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_the_window_has_used_are_found_in_its_settings() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.json");
        assert!(recent_in(&file).is_empty());
        std::fs::write(
            &file,
            r#"{"theme": "Dark", "recent_models": ["/b", "", "/a"]}"#,
        )
        .unwrap();
        assert_eq!(recent_in(&file), [PathBuf::from("/b"), PathBuf::from("/a")]);
        for text in ["{", r#"{"recent_models": 7}"#, r#"{"theme": "Dark"}"#] {
            std::fs::write(&file, text).unwrap();
            assert!(recent_in(&file).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_folder_that_is_no_model_is_listed_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let row = described(folder.path());
        let error = row.error().unwrap().to_owned();
        assert!(error.contains("config.json"), "{error}");
        assert!(row.line().contains(&error) && row.line().ends_with('\n'));
    }
}
