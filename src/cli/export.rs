//! `patchlens export`: the saved labels of many photos into one folder.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use lexopt::Parser;

use super::args::value::text;
use super::args::{Action, Common, Parsed, Word, read};
use super::output::{each, print};
use super::photos::{Taken, named};
use super::{Failure, help};
use crate::document::Document;
use crate::formats::{self, ExportKind, ExportRequest, Opened, Protected};
use crate::label::{ClassId, Classes};
use crate::photo::{self, Limits};

/// What to export and where.
#[derive(Debug)]
pub struct Args {
    /// The photos, in the order named.
    pub images: Vec<PathBuf>,
    /// What to write for each.
    pub kind: Kind,
    /// The folder to write into.
    pub folder: PathBuf,
    /// What decoding may use.
    pub limits: Limits,
}

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Class map.
    Classes,
    /// Segment map.
    Instances,
    /// Mask of one class.
    Binary {
        /// Its name or number.
        class: String,
    },
    /// The photo with its labels.
    Overlay,
}

/// Read the words after `export`.
pub fn parse(parser: &mut Parser, common: &mut Common) -> Parsed<Action> {
    let (mut images, mut kind, mut class) = (Vec::new(), None, None);
    let known = ["max-megapixels", "output"];
    let help = read(parser, common, &known, &mut |word, parser| {
        match word {
            Word::Option("kind") => kind = Some(text(parser.value()?, "--kind")?),
            Word::Option("class") => class = Some(text(parser.value()?, "--class")?),
            Word::Plain(word) => images.push(PathBuf::from(word)),
            Word::Option(_) => return Ok(false),
        }
        Ok(true)
    })?;
    if help.is_some() {
        return Ok(Action::Help(help::EXPORT));
    }
    if images.is_empty() {
        return Err("name the photos to export".into());
    }
    Ok(Action::Export(Args {
        images,
        kind: Kind::parse(kind.as_deref(), class)?,
        folder: common.output()?,
        limits: common.limits,
    }))
}

impl Kind {
    fn parse(kind: Option<&str>, class: Option<String>) -> Parsed<Self> {
        let kind = kind.unwrap_or(if class.is_some() { "binary" } else { "classes" });
        Ok(match (kind, class) {
            ("binary", Some(class)) => Self::Binary { class },
            ("binary", None) => {
                return Err("a binary export needs --class NAME or --class ID".into());
            }
            (_, Some(_)) => return Err("--class goes with --kind binary only".into()),
            ("classes", None) => Self::Classes,
            ("instances", None) => Self::Instances,
            ("overlay", None) => Self::Overlay,
            (other, None) => {
                return Err(format!(
                    "--kind is classes, instances, binary or overlay, not {other:?}"
                )
                .into());
            }
        })
    }
}

/// Run the subcommand: every photo is tried.
pub fn run(args: &Args) -> Result<(), Failure> {
    let folder = &args.folder;
    if !folder.is_dir() {
        let folder = folder.display();
        return Err(Failure::Sentence(format!(
            "there is no folder {folder} to export into: create it or choose another place"
        )));
    }
    let mut seen = HashSet::new();
    let mut images = args.images.clone();
    images.retain(|image| seen.insert(image.clone()));
    let protected = Protected::of(images.iter().map(PathBuf::as_path));
    let mut taken = Taken::default();
    each(named(images), |photo| {
        let target = photo.file(folder, ".png");
        taken.take(&photo.photo, std::slice::from_ref(&target))?;
        protected.check(&target)?;
        let paths = export(args, &photo.photo, &target).map_err(Failure::Sentence)?;
        let written = paths
            .iter()
            .map(|path| format!("Wrote {}.\n", path.display()));
        print(&written.collect::<String>())
    })
}

/// Export one photo; the files written.
fn export(args: &Args, image: &Path, target: &Path) -> Result<Vec<PathBuf>, String> {
    let photo = photo::decode(image, &args.limits).map_err(|error| error.to_string())?;
    let document = saved_labels(image, photo.width(), photo.height())?;
    let kind = match &args.kind {
        Kind::Classes => ExportKind::ClassMap,
        Kind::Instances => ExportKind::InstanceMap,
        Kind::Overlay => ExportKind::Overlay,
        Kind::Binary { class } => ExportKind::Binary(
            find_class(document.classes(), class)
                .ok_or_else(|| format!("{} has no class {class:?}", image.display()))?,
        ),
    };
    let request = ExportRequest {
        kind,
        path: target.to_owned(),
    };
    formats::export(&photo, &document, &request).map_err(|error| error.to_string())
}

/// The labels saved beside a photo. Ones that cannot be trusted are not exported.
fn saved_labels(image: &Path, width: u32, height: u32) -> Result<Document, String> {
    match formats::open(image, width, height, &Classes::default()) {
        Ok(Opened::Loaded(document)) => Ok(document),
        Ok(Opened::Fresh(_)) => Err(format!("{} has no saved labels", image.display())),
        Ok(Opened::ReadOnly { why, .. }) => Err(why),
        Err(error) => Err(error.to_string()),
    }
}

/// A class by its name, or else by its number: a class may be called "7".
fn find_class(classes: &Classes, wanted: &str) -> Option<ClassId> {
    let named = classes.iter().find(|class| class.name == wanted);
    let numbered = || wanted.parse().ok().and_then(|id| classes.get(id));
    named.or_else(numbered).map(|class| class.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_found_by_name_before_number() {
        let mut classes = Classes::default();
        let cat = classes.add("cat").unwrap();
        let seven = classes.add("0").unwrap();
        assert_eq!(find_class(&classes, "cat"), Some(cat));
        assert_eq!(find_class(&classes, &cat.to_string()), Some(cat));
        assert_eq!(find_class(&classes, "0"), Some(seven));
        assert_eq!(find_class(&classes, "dog"), None);
        assert_eq!(find_class(&classes, "999"), None);
    }
}
