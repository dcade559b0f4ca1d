//! The files of two folders that belong together, by their names.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::cli::output::check_folder;
use crate::cli::photos::{expanded, named};
use crate::dataset::natural_order;

/// A PNG of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// The file.
    pub path: PathBuf,
    /// Its name without the ending.
    pub name: OsString,
}

/// The folder itself, or the one of that name in it: a folder of photos that
/// were labelled with this program has its class maps in `labels`, and its
/// instance maps in `instances`.
pub fn maps_folder(folder: &Path, inner: &str) -> PathBuf {
    let inner = folder.join(inner);
    if inner.is_dir() {
        inner
    } else {
        folder.to_owned()
    }
}

/// The PNGs of a folder, in natural order; hidden ones are left out.
///
/// # Errors
/// If there are none. `what` they should be is for the sentence.
pub fn maps(folder: &Path, what: &str) -> Result<Vec<Map>, Failure> {
    let shown = folder.display();
    let failed = |error: std::io::Error| {
        Failure::Sentence(format!("the folder {shown} cannot be listed: {error}"))
    };
    let mut maps = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        let is_png = path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("png"));
        if is_png && !hidden && path.is_file() {
            let name = path.file_stem().unwrap_or_default().to_owned();
            maps.push(Map { path, name });
        }
    }
    if maps.is_empty() {
        return Err(Failure::Sentence(format!("there are no {what} in {shown}")));
    }
    let key = |map: &Map| map.name.to_string_lossy().into_owned();
    maps.sort_by(|a, b| natural_order(&key(a), &key(b)).then_with(|| a.path.cmp(&b.path)));
    Ok(maps)
}

/// The map in `folder` for each of `truth`.
///
/// # Errors
/// If one is missing: names the first and how many are.
pub fn predicted_maps(truth: &[Map], folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !folder.is_dir() {
        let folder = folder.display();
        return Err(Failure::Sentence(format!("there is no folder {folder}")));
    }
    let path = |map: &Map| {
        let path = folder.join(map.path.file_name().unwrap_or_default());
        path.is_file().then_some(path)
    };
    paired(truth, path, &format!("prediction in {}", folder.display()))
}

/// The photo in `folder` for each of `names`, with the file that bears the name.
///
/// # Errors
/// If one is missing, or the folder has no photos.
pub fn photos(maps: &[Map], folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let photos = named(expanded(&[folder.to_owned()])?);
    let photos: HashMap<OsString, PathBuf> = photos
        .into_iter()
        .map(|named| (named.name, named.photo))
        .collect();
    let photo = |map: &Map| photos.get(&map.name).cloned();
    paired(maps, photo, &format!("photo in {}", folder.display()))
}

/// What belongs to each of `maps`.
fn paired<T>(
    maps: &[Map],
    find: impl Fn(&Map) -> Option<T>,
    what: &str,
) -> Result<Vec<T>, Failure> {
    let found: Vec<Option<T>> = maps.iter().map(find).collect();
    let missing: Vec<&Map> = maps
        .iter()
        .zip(&found)
        .filter_map(|(map, found)| found.is_none().then_some(map))
        .collect();
    if let Some(first) = missing.first() {
        let (count, all) = (missing.len(), maps.len());
        return Err(Failure::Sentence(format!(
            "there is no {what} for {}: {count} of {all} are missing",
            first.path.display()
        )));
    }
    Ok(found.into_iter().flatten().collect())
}

/// Complain about a folder for results that cannot be one, or in which they
/// would be taken for labels or photos the next time.
pub fn check_output(output: Option<&Path>, inputs: &[&Path]) -> Result<(), Failure> {
    let Some(folder) = output else {
        return Ok(());
    };
    check_folder(folder)?;
    let real = |path: &Path| path.canonicalize().ok();
    if real(folder).is_some_and(|own| {
        inputs
            .iter()
            .any(|input| real(input).as_ref() == Some(&own))
    }) {
        let folder = folder.display();
        return Err(Failure::Sentence(format!(
            "{folder} holds what is evaluated, and results there would be taken for more of it: choose another folder"
        )));
    }
    Ok(())
}

/// `NAME` and `K` of `NAME__K`.
pub fn object_name(name: &OsStr) -> Option<(&str, &str)> {
    let (photo, number) = name.to_str()?.rsplit_once("__")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !photo.is_empty()).then_some((photo, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_numbered_behind_the_photos_name() {
        let name = |name: &'static str| object_name(OsStr::new(name));
        assert_eq!(name("cat__0"), Some(("cat", "0")));
        assert_eq!(name("a__b__12"), Some(("a__b", "12")));
        for wrong in ["cat", "cat__", "__1", "cat__x", "cat__1x", "cat_1"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn maps_are_listed_in_natural_order() {
        let folder = tempfile::tempdir().unwrap();
        assert!(maps(folder.path(), "label PNGs").is_err());
        for name in ["b10.png", "b9.PNG", ".c.png", "d.jpg", "e.json"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("f.png")).unwrap();
        let found = maps(folder.path(), "label PNGs").unwrap();
        let names: Vec<&str> = found.iter().map(|map| map.name.to_str().unwrap()).collect();
        assert_eq!(names, ["b9", "b10"]);
        assert_eq!(maps_folder(folder.path(), "labels"), folder.path());
        fs::create_dir(folder.path().join("labels")).unwrap();
        assert!(maps_folder(folder.path(), "labels").ends_with("labels"));
    }
}
