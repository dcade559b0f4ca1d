//! `patchlens models`: what is built in.

use serde::Serialize;

use super::Failure;
use super::output::{json_line, print};
use crate::models::{ModelInfo, registry};

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    models: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    title: &'a str,
    family: &'a str,
    parameters: usize,
    licence: &'a str,
    capabilities: Vec<&'static str>,
    embedded: bool,
}

/// Run the subcommand.
pub fn run(json: bool) -> Result<(), Failure> {
    let models = registry::embedded();
    if json {
        let models = models.iter().map(row).collect();
        return print(&json_line(&Report { models })?);
    }
    if models.is_empty() {
        return print("No model is built in: name a checkpoint folder with --model.\n");
    }
    print(&models.iter().map(line).collect::<String>())
}

fn row(info: &ModelInfo) -> Row<'_> {
    Row {
        name: &info.name,
        title: &info.title,
        family: info.family.model_type(),
        parameters: info.parameters,
        licence: &info.licence,
        capabilities: capabilities(info).collect(),
        embedded: info.embedded,
    }
}

fn line(info: &ModelInfo) -> String {
    let millions = info.parameters as f64 / 1e6;
    let what = capabilities(info).collect::<Vec<_>>().join(", ");
    let ModelInfo {
        name,
        title,
        licence,
        ..
    } = info;
    format!("{name:<14} {title}: {what}; {millions:.1} M parameters, {licence}\n")
}

fn capabilities(info: &ModelInfo) -> impl Iterator<Item = &'static str> {
    info.capabilities.iter().map(|capability| capability.name())
}
