//! Writing: standard output and files, without panics and without halves.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::Failure;

/// Print to standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(stdout_failure)
}

/// What a failed write to standard output means.
pub fn stdout_failure(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Sentence(format!("standard output cannot be written: {error}")),
    }
}

/// One sentence on standard error. If even that is closed, nobody can be told.
pub fn complain(sentence: &str) {
    let _ = writeln!(io::stderr(), "patchlens: {sentence}");
}

/// One JSON object as a line.
pub fn json_line(value: &impl serde::Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|error| Failure::Sentence(format!("no JSON can be made: {error}")))?;
    Ok(text + "\n")
}

/// Milliseconds to a tenth.
pub fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// A score without the digits that only come from its 32 bits.
pub fn score(score: f32) -> f64 {
    (f64::from(score) * 10_000.0).round() / 10_000.0
}

/// Complain about a file whose folder is not there, before work is done for it.
pub fn check_folder_of(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        let path = path.display();
        return Err(Failure::Sentence(format!(
            "{path} is a folder: name a file to write"
        )));
    }
    let folder = folder_of(path);
    if folder.is_dir() {
        return Ok(());
    }
    Err(Failure::Sentence(format!(
        "{} cannot be written, since there is no folder {}: create it or choose another place",
        path.display(),
        folder.display()
    )))
}

/// Complain about a folder that neither is there nor can be created in one that
/// is.
pub fn check_folder(folder: &Path) -> Result<(), Failure> {
    if folder.is_dir() {
        return Ok(());
    }
    let shown = folder.display();
    Err(Failure::Sentence(if folder.exists() {
        format!("{shown} is a file: name a folder to write into")
    } else if folder_of(folder).is_dir() {
        return Ok(());
    } else {
        let parent = folder_of(folder).display();
        format!("there is no folder {parent} in which {shown} could be created")
    }))
}

/// Create the folder if it is not there; another process may do the same.
pub fn create_folder(folder: &Path) -> Result<(), Failure> {
    match fs::create_dir(folder) {
        Err(error) if !folder.is_dir() => {
            let folder = folder.display();
            Err(Failure::Sentence(format!(
                "{folder} cannot be created: {error}"
            )))
        }
        _ => Ok(()),
    }
}

/// Try each of `items`: a failure is told, and the others go on.
///
/// # Errors
/// [`Failure::Told`] at the end if there was one; at once if nobody reads
/// standard output any more.
pub fn each<T>(
    items: impl IntoIterator<Item = T>,
    mut work: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut failed = false;
    for item in items {
        match work(item) {
            Ok(()) => {}
            Err(Failure::Sentence(sentence)) => {
                complain(&sentence);
                failed = true;
            }
            Err(Failure::Told) => failed = true,
            Err(gone @ Failure::ReaderGone) => return Err(gone),
        }
    }
    if failed { Err(Failure::Told) } else { Ok(()) }
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
