//! `patchlens.json`: the classes of a folder, and whatever else was put there.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::StoreError;
use super::record::VERSION;
use crate::label::{Class, ClassId, Classes};

/// What `patchlens.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FolderFile {
    pub version: u32,
    pub classes: Classes,
    /// Settings that this version does not know: kept when the file is rewritten.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The classes of a folder of photos; `None` where it has no `patchlens.json`.
pub fn folder_classes(folder: &Path) -> Result<Option<Classes>, StoreError> {
    let file = FolderFile::load(&folder.join("patchlens.json"))?;
    Ok(file.map(|file| file.classes))
}

impl FolderFile {
    /// Read the file; `None` where there is none.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, StoreError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::read(path, &error)),
        };
        let wrong = |why: String| StoreError::FolderFile {
            file: path.display().to_string(),
            why,
        };
        let file: Self = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if file.version > VERSION {
            return Err(wrong("a later PatchLens wrote it".to_owned()));
        }
        Ok(Some(file))
    }

    /// This file with the classes of a photo being saved merged into it.
    ///
    /// `base` are the classes that the photo was opened with: what differs from
    /// them was changed in the photo, so that photos and programs that save in
    /// turn do not undo each other's changes. A class that was deleted in the
    /// photo stays while `is_used` says that other photos need it; then its name
    /// is put into `kept`.
    pub(super) fn merged(
        &self,
        base: &Classes,
        ours: &Classes,
        is_used: impl Fn(ClassId) -> bool,
        kept: &mut Vec<String>,
        path: &Path,
    ) -> Result<Self, StoreError> {
        let theirs = &self.classes;
        let ids: BTreeSet<ClassId> = theirs.iter().chain(ours).map(|class| class.id).collect();
        let mut list = Vec::with_capacity(ids.len());
        for id in ids {
            match (ours.get(id), theirs.get(id), base.get(id)) {
                (Some(ours), Some(theirs), base) => {
                    let class =
                        merge(ours, theirs, base).ok_or_else(|| StoreError::ClassConflict {
                            id,
                            ours: ours.name.clone(),
                            theirs: theirs.name.clone(),
                            file: path.display().to_string(),
                        })?;
                    list.push(class);
                }
                (Some(ours), None, _) => list.push(ours.clone()),
                (None, Some(theirs), None) => list.push(theirs.clone()),
                (None, Some(theirs), Some(_)) => {
                    if is_used(id) {
                        kept.push(theirs.name.clone());
                        list.push(theirs.clone());
                    }
                }
                (None, None, _) => {}
            }
        }
        let classes = Classes::from_list(list).map_err(|error| StoreError::FolderFile {
            file: path.display().to_string(),
            why: error.to_string(),
        })?;
        Ok(Self {
            classes,
            ..self.clone()
        })
    }
}

/// One class out of two versions; `None` where both gave it another name.
fn merge(ours: &Class, theirs: &Class, base: Option<&Class>) -> Option<Class> {
    let name = if ours.name == theirs.name || base.is_some_and(|base| base.name == theirs.name) {
        &ours.name
    } else if base.is_some_and(|base| base.name == ours.name) {
        &theirs.name
    } else {
        return None;
    };
    let untouched = base.is_some_and(|base| base.color == ours.color);
    Some(Class {
        id: ours.id,
        name: name.clone(),
        color: if untouched { theirs.color } else { ours.color },
    })
}
