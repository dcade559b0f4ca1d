//! Which photos a subcommand works on, and what their results are called.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::Failure;
use crate::dataset::scan;

/// One photo and the name of what is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The photo.
    pub photo: PathBuf,
    /// Its stem, or its full file name where two of the photos share a stem
    /// (letters' case apart, since files may move to a disk that ignores it).
    pub name: OsString,
}

impl Named {
    /// `NAME` with `ending` in `folder`.
    pub fn file(&self, folder: &Path, ending: &str) -> PathBuf {
        let mut name = self.name.clone();
        name.push(ending);
        folder.join(name)
    }
}

/// These photos, each once, and all photos of the folders among them.
///
/// # Errors
/// If a folder cannot be listed or has no photos.
pub fn expanded(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut photos = Vec::new();
    for path in paths {
        if !path.is_dir() {
            photos.push(path.clone());
            continue;
        }
        let found = scan(path).map_err(|error| Failure::Sentence(error.to_string()))?;
        if found.is_empty() {
            let path = path.display();
            return Err(Failure::Sentence(format!("there are no photos in {path}")));
        }
        photos.extend(found.into_iter().map(|entry| entry.path));
    }
    let mut seen = HashSet::new();
    photos.retain(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    Ok(photos)
}

/// A name for each photo.
pub fn named(photos: Vec<PathBuf>) -> Vec<Named> {
    let mut stems: HashMap<OsString, u32> = HashMap::new();
    for photo in &photos {
        *stems.entry(stem(photo).to_ascii_lowercase()).or_default() += 1;
    }
    let name = |photo: &Path| {
        let shared = stems
            .get(&stem(photo).to_ascii_lowercase())
            .is_some_and(|count| *count > 1);
        let file = photo.file_name().unwrap_or_default();
        if shared { file } else { stem(photo) }.to_owned()
    };
    let named = |photo: PathBuf| Named {
        name: name(&photo),
        photo,
    };
    photos.into_iter().map(named).collect()
}

fn stem(photo: &Path) -> &OsStr {
    photo.file_stem().unwrap_or_default()
}

/// The files that were promised to photos so far, so that no photo's results
/// replace another's.
#[derive(Debug, Default)]
pub struct Taken(HashSet<PathBuf>);

impl Taken {
    /// Promise `files` to `photo`.
    ///
    /// # Errors
    /// If one of them is another photo's.
    pub fn take(&mut self, photo: &Path, files: &[PathBuf]) -> Result<(), Failure> {
        let key = |file: &PathBuf| PathBuf::from(file.as_os_str().to_ascii_lowercase());
        if let Some(file) = files.iter().find(|file| self.0.contains(&key(file))) {
            return Err(Failure::Sentence(format!(
                "{} would overwrite what was made of another photo, {}: use another folder for it",
                photo.display(),
                file.display()
            )));
        }
        self.0.extend(files.iter().map(key));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stems_unless_two_photos_share_one() {
        let photos = ["d/a.jpg", "d/A.png", "d/b.c.jpg", "e/c.jpg"].map(PathBuf::from);
        let names: Vec<PathBuf> = named(photos.into())
            .iter()
            .map(|named| named.file(Path::new("out"), ".png"))
            .collect();
        let expected = ["out/a.jpg.png", "out/A.png.png", "out/b.c.png", "out/c.png"];
        assert_eq!(names, expected.map(PathBuf::from));
    }

    #[test]
    fn a_file_is_promised_once() {
        let mut taken = Taken::default();
        let file = |name: &str| [PathBuf::from(name)];
        taken
            .take(Path::new("d/a.jpg"), &file("out/a.png"))
            .unwrap();
        taken
            .take(Path::new("d/b.jpg"), &file("out/b.png"))
            .unwrap();
        let told = taken.take(Path::new("e/A.jpg"), &file("out/A.png"));
        let Err(Failure::Sentence(told)) = told else {
            panic!("{told:?}")
        };
        assert!(told.contains("e/A.jpg would overwrite"), "{told}");
    }

    #[test]
    fn folders_stand_for_their_photos_and_each_photo_comes_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["b10.png", "b9.png", "c.txt", ".d.png"] {
            std::fs::write(at(name), "").unwrap();
        }
        let paths = [at("b10.png"), folder.path().to_owned(), at("missing.png")];
        let found = expanded(&paths).unwrap();
        assert_eq!(found, [at("b10.png"), at("b9.png"), at("missing.png")]);
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(
            expanded(&[empty.path().to_owned()]),
            Err(Failure::Sentence(_))
        ));
    }
}
