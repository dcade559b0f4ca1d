//! The rules of who may import whom, and a few that keep the program honest,
//! checked on the source itself. `src/lib.rs` says why each is there.

#[path = "architecture/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::{Source, Token};

/// For each folder of `src`, the others that it may import. `task` is free for
/// all; `main.rs` and `lib.rs` see everything.
const IMPORTS: &[(&str, &[&str])] = &[
    ("task", &[]),
    ("label", &[]),
    ("photo", &[]),
    ("nn", &[]),
    ("document", &["label"]),
    ("evaluation", &["label"]),
    ("dataset", &["label", "document", "photo"]),
    ("formats", &["label", "document", "photo", "dataset"]),
    ("models", &["nn", "label", "document", "photo"]),
    ("attention", &["nn", "models", "label", "photo"]),
    (
        "train",
        &[
            "evaluation",
            "nn",
            "models",
            "attention",
            "label",
            "document",
            "photo",
            "dataset",
            "formats",
        ],
    ),
    (
        "worker",
        &[
            "evaluation",
            "label",
            "document",
            "photo",
            "formats",
            "dataset",
            "nn",
            "models",
            "attention",
            "train",
        ],
    ),
    (
        "app",
        &[
            "evaluation",
            "label",
            "document",
            "photo",
            "formats",
            "dataset",
            "nn",
            "models",
            "attention",
            "train",
            "worker",
        ],
    ),
    (
        "ui",
        &[
            "evaluation",
            "label",
            "document",
            "photo",
            "formats",
            "dataset",
            "nn",
            "models",
            "attention",
            "train",
            "worker",
            "app",
        ],
    ),
    (
        "cli",
        &[
            "evaluation",
            "label",
            "document",
            "photo",
            "formats",
            "dataset",
            "nn",
            "models",
            "attention",
            "train",
            "worker",
        ],
    ),
];

/// Packages that only some folders may see.
const PACKAGES: &[(&[&str], &[&str])] = &[
    (&["egui", "egui_plot", "eframe", "rfd"], &["ui", "main"]),
    (
        &["candle_core", "candle_nn"],
        &["nn", "models", "attention", "train", "worker"],
    ),
];

/// The only packages that these folders may see.
const ONLY: &[(&str, &[&str])] = &[
    ("label", &["std", "serde", "thiserror"]),
    ("document", &["std", "serde", "thiserror"]),
    (
        "evaluation",
        &["std", "serde", "thiserror", "rayon", "ab_glyph"],
    ),
];

/// Names that begin a path without being a package.
const NOT_PACKAGES: &[&str] = &["crate", "self", "super", "Self"];

/// A place in a file that breaks a rule.
#[derive(Debug, PartialEq)]
struct Violation {
    line: usize,
    what: String,
}

/// All violations in the file at `path` (relative to `src`).
fn check(path: &str, text: &str) -> Vec<Violation> {
    let source = Source::new(text);
    let module = module_path(path);
    let folder = module.first().map_or("lib", String::as_str);
    let mut found = Vec::new();
    let mut report = |line, what: String| found.push(Violation { line, what });
    for at in 0..source.tokens.len() {
        let line = source.tokens[at].line;
        for name in imported(&source.tokens, at, &module) {
            if !may_import(folder, &name) {
                report(line, format!("`{folder}` must not import `{name}`"));
            }
        }
        let package = package(&source.tokens, at);
        if let Some(package) = package.filter(|package| !may_see(folder, package)) {
            let what = format!("`{folder}` must not see the package `{package}`");
            report(line, what);
        }
        if let Some(what) = misuse(&source, at, path) {
            report(line, what);
        }
    }
    found
}

/// The modules from the root of the crate to the file: `label/tiles.rs` is
/// `[label, tiles]`.
fn module_path(path: &str) -> Vec<String> {
    let stem = path.trim_end_matches(".rs");
    let parts = stem
        .split('/')
        .filter(|part| !["mod", "lib"].contains(part));
    parts.map(str::to_owned).collect()
}

/// The top-level modules that a path beginning at token `at` leads to:
/// `crate::label::Mask`, `crate::{label, task}`, or `super::…` up to the root.
fn imported(tokens: &[Token], at: usize, module: &[String]) -> Vec<String> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let follows = |at: usize| at > 0 && text(at - 1) == "::";
    let mut next = at;
    match text(at) {
        "crate" if text(at.wrapping_sub(1)) != "(" && text(at + 1) == "::" => next += 2,
        "super" if !follows(at) => {
            let mut ups = 0;
            while text(next) == "super" && text(next + 1) == "::" {
                (ups, next) = (ups + 1, next + 2);
            }
            if ups != module.len() {
                return Vec::new();
            }
        }
        _ => return Vec::new(),
    }
    if text(next) != "{" {
        return vec![text(next).to_owned()];
    }
    let (mut names, mut depth) = (Vec::new(), 0);
    for at in next.. {
        match text(at) {
            "{" => depth += 1,
            "}" => depth -= 1,
            "" => break,
            name if depth == 1 && ["{", ","].contains(&text(at - 1)) => {
                names.push(name.to_owned());
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn may_import(folder: &str, name: &str) -> bool {
    let is_module = IMPORTS.iter().any(|(module, _)| *module == name);
    if ["lib", "main", name].contains(&folder) || name == "task" {
        return true;
    }
    if !is_module {
        // A macro or item of the root, or a folder that the table lacks: only
        // the root itself may have those.
        return false;
    }
    let rule = IMPORTS.iter().find(|(module, _)| *module == folder);
    rule.is_some_and(|(_, allowed)| allowed.contains(&name))
}

/// The package that a path beginning at token `at` names, if it looks like one:
/// `egui::…` or `use egui…`.
fn package(tokens: &[Token], at: usize) -> Option<&str> {
    let is_own = |name: &str| {
        let two = tokens.windows(2);
        two.into_iter()
            .any(|two| two[0].text == "mod" && two[1].text == name)
    };
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let before = if at == 0 { "" } else { text(at - 1) };
    let name = text(at);
    let lower = name.starts_with(|c: char| c.is_lowercase());
    let begins = before == "use" || (text(at + 1) == "::" && before != "::");
    let root = before == "use" && ["::", ";", "as"].contains(&text(at + 1));
    let known = PACKAGES.iter().any(|(names, _)| names.contains(&name));
    let grouped = ["{", ",", "::"].contains(&before) && known && text(at + 1) == "::";
    let is_path = lower && !NOT_PACKAGES.contains(&name);
    let is_package = known && (begins || grouped) || root && !is_own(name);
    (is_path && is_package).then_some(name)
}

fn may_see(folder: &str, package: &str) -> bool {
    let shared = PACKAGES.iter().find(|(names, _)| names.contains(&package));
    let allowed = shared.is_none_or(|(_, folders)| folders.contains(&folder));
    let only = ONLY.iter().find(|(name, _)| *name == folder);
    allowed && only.is_none_or(|(_, packages)| packages.contains(&package))
}

/// What is wrong with token `at` by itself.
fn misuse(source: &Source, at: usize, path: &str) -> Option<String> {
    let text = |at: usize| {
        source
            .tokens
            .get(at)
            .map_or("", |token| token.text.as_str())
    };
    let line = source.tokens[at].line;
    match text(at) {
        "unsafe" if !path.starts_with("nn/kernels") => {
            Some("`unsafe` belongs into nn/kernels".to_owned())
        }
        name @ ("unwrap" | "expect") if at > 0 && text(at - 1) == "." && text(at + 1) == "(" => {
            let explained = source.is_explained(line, "cannot fail:");
            (!explained).then(|| format!("`{name}` without a comment `cannot fail: …`"))
        }
        "Color32" if path != "ui/theme.rs" => {
            let literal = text(at + 1) == "::"
                && text(at + 2).starts_with("from_")
                && text(at + 4).starts_with(|c: char| c.is_ascii_digit());
            literal.then(|| "colours are chosen in ui/theme.rs".to_owned())
        }
        _ => None,
    }
}

/// All Rust files below `folder` but those of tests.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            found.extend(files(&path));
        } else if name.ends_with(".rs") && name != "tests.rs" && name != "testing.rs" {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn the_source_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = files(&root);
    assert!(files.len() > 10, "the source was not found");
    let mut report = String::new();
    for file in files {
        let path = file
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .replace('\\', "/");
        let text = fs::read_to_string(&file).unwrap();
        for Violation { line, what } in check(&path, &text) {
            report += &format!("src/{path}:{line}: {what}\n");
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn every_folder_of_the_source_has_a_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        let known = IMPORTS.iter().any(|(folder, _)| *folder == module);
        assert!(
            known || ["lib", "main"].contains(&module),
            "src/{name} has no rule in IMPORTS"
        );
    }
}

#[cfg(test)]
mod checks_of_the_checker {
    use super::*;

    /// The lines at which `text` as `path` breaks a rule.
    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(path, text)
            .iter()
            .map(|violation| violation.line)
            .collect()
    }

    #[test]
    fn imports_against_the_direction_are_found() {
        assert_eq!(
            lines(
                "label/mask.rs",
                "use std::fmt;\nuse crate::document::Edited;"
            ),
            [2]
        );
        assert_eq!(
            lines("label/mod.rs", "fn f() -> super::document::Edited {}"),
            [1]
        );
        assert_eq!(
            lines("label/a/b.rs", "use super::super::super::document::X;"),
            [1]
        );
        assert_eq!(
            lines(
                "formats/voc.rs",
                "use crate::{label::Mask, worker::{Job, app}, task};"
            ),
            [1]
        );
        assert_eq!(lines("dataset/scan.rs", "use crate::formats::open;"), [1]);
        assert_eq!(lines("cli/mod.rs", "use crate::app::App;"), [1]);
        assert_eq!(
            lines("worker/mod.rs", "fn f(a: &crate::ui::Window) {}"),
            [1]
        );
        assert_eq!(lines("nn/mod.rs", "use crate::elsewhere::Thing;"), [1]);
    }

    #[test]
    fn imports_along_the_direction_are_fine() {
        let text = "use crate::label::{Mask, app};\nuse super::value;\nuse crate::task::Task;";
        assert_eq!(lines("document/edit.rs", text), []);
        assert_eq!(lines("label/a/b.rs", "use super::super::mask::Mask;"), []);
        assert_eq!(lines("main.rs", "use patchlens::ui; use eframe::egui;"), []);
        assert_eq!(
            lines(
                "label/mask.rs",
                "pub(crate) fn f() {} pub(in crate::label) fn g() {}"
            ),
            []
        );
        assert_eq!(
            lines(
                "models/a.rs",
                "/// See [`crate::ui`].\nuse crate::photo::resample;"
            ),
            []
        );
    }

    #[test]
    fn packages_stay_where_they_belong() {
        assert_eq!(lines("app/mod.rs", "use egui::Color32;"), [1]);
        assert_eq!(lines("app/mod.rs", "\nfn f(c: egui::Context) {}"), [2]);
        assert_eq!(
            lines("app/mod.rs", "use eframe::{self, egui::Context};"),
            [1, 1]
        );
        assert_eq!(lines("cli/mod.rs", "use candle_core::Tensor;"), [1]);
        assert_eq!(lines("worker/a.rs", "use candle_core as candle;"), []);
        assert_eq!(
            lines("ui/a.rs", "use egui as gui; use rfd::FileDialog;"),
            []
        );
        assert_eq!(lines("label/a.rs", "use rayon::prelude::*;"), [1]);
        assert_eq!(
            lines("document/a.rs", "use serde::Serialize; use std::fmt;"),
            []
        );
        assert_eq!(
            lines(
                "label/mod.rs",
                "mod mask; pub use mask::Mask; use other::Mask;"
            ),
            [1]
        );
    }

    #[test]
    fn unsafe_code_is_for_kernels_only() {
        assert_eq!(lines("nn/a.rs", "fn f() {\n  unsafe { g() }\n}"), [2]);
        assert_eq!(lines("nn/kernels/a.rs", "fn f() { unsafe { g() } }"), []);
        assert_eq!(
            lines(
                "nn/a.rs",
                "// no unsafe here\nlet a = \"unsafe\"; /* unsafe */"
            ),
            []
        );
    }

    #[test]
    fn unwrapping_needs_a_reason() {
        assert_eq!(lines("nn/a.rs", "let a = b.unwrap();"), [1]);
        assert_eq!(
            lines(
                "nn/a.rs",
                "// cannot fail: c is full\n\nlet a = b\n    .expect(\"c\");"
            ),
            [4]
        );
        assert_eq!(
            lines(
                "nn/a.rs",
                "// cannot fail: c\n// is full\nlet a = b.unwrap();"
            ),
            []
        );
        assert_eq!(
            lines("nn/a.rs", "let a = b.unwrap(); // cannot fail: c is full"),
            []
        );
        assert_eq!(
            lines("nn/a.rs", "let a = b.unwrap_or(0); c.unwrap_or_default();"),
            []
        );
    }

    #[test]
    fn tests_may_unwrap() {
        let text = "#[cfg(test)]\nmod tests {\n fn f() { a.unwrap(); }\n}\nfn g() { b.unwrap(); }";
        assert_eq!(lines("nn/a.rs", text), [5]);
        assert_eq!(
            lines(
                "nn/a.rs",
                "#[cfg(test)]\nmod tests;\nfn g() { b.unwrap(); }"
            ),
            [3]
        );
    }

    #[test]
    fn colours_are_for_the_theme_only() {
        let text = "let a = Color32::from_rgb(1, 2, 3);";
        assert_eq!(lines("ui/canvas.rs", text), [1]);
        assert_eq!(lines("ui/theme.rs", text), []);
        assert_eq!(
            lines(
                "ui/canvas.rs",
                "Color32::from_rgb(color[0], color[1], color[2])"
            ),
            []
        );
    }

    #[test]
    fn texts_and_lifetimes_do_not_confuse_the_lexer() {
        let text = "fn f<'a>(x: &'a str) { let c = '\\''; let r = r#\"a \" b\"#; let d = '\"'; }\n\
                    let s = \"two \\\" lines\n\"; x.unwrap();";
        assert_eq!(lines("nn/a.rs", text), [3]);
    }
}
