//! Edits of the list of classes.

use super::edit::{assignable, delete_segments, set_segment_class};
use super::{Document, EditError, Edited, dirty_between};
use crate::label::{BACKGROUND, ClassError, ClassId, Classes, Rect, SegmentId};

/// What becomes of the segments of a class that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassRemoval {
    /// They are deleted as well.
    DeleteSegments,
    /// They get this class.
    MoveTo(ClassId),
}

/// Adds a class under the smallest free id, with a fresh colour.
///
/// # Errors
/// If the name is empty, too long or taken, or all ids are.
pub fn add_class(document: &Document, name: &str) -> Result<(Edited, ClassId), EditError> {
    let mut classes = Classes::clone(document.classes());
    let id = classes.add(name)?;
    Ok((with_classes(document, classes), id))
}

/// Sees that there is a class of each of `names`, as one edit: those that are
/// missing are added under the smallest free ids, in order. Names are compared
/// without regard to case. Gives the id of each, [`BACKGROUND`] for what is
/// called background. A new class gets the colour that comes with its name, or
/// else a fresh one.
///
/// A document that has no segments and nothing but the first class that every
/// document begins with gets these classes in its stead, so that a model's
/// numbers become the document's where the model has a background.
///
/// # Errors
/// If a name is empty or too long, or there are too many.
pub fn adopt_classes(
    document: &Document,
    names: &[(&str, Option<[u8; 3]>)],
) -> Result<(Edited, Vec<ClassId>), EditError> {
    let untouched = document.segments().is_empty() && **document.classes() == Classes::default();
    let mut classes = if untouched {
        Classes::only_background()
    } else {
        Classes::clone(document.classes())
    };
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    let mut ids = Vec::with_capacity(names.len());
    for (name, color) in names {
        let known = classes.iter().find(|class| same(&class.name, name.trim()));
        ids.push(match known.map(|class| class.id) {
            Some(id) => id,
            None => {
                let id = classes.add(name)?;
                if let Some(color) = color {
                    classes.recolor(id, *color)?;
                }
                id
            }
        });
    }
    Ok((with_classes(document, classes), ids))
}

/// Gives a class another name.
///
/// # Errors
/// If there is no such class, or the name is empty, too long or taken.
pub fn rename_class(document: &Document, id: ClassId, name: &str) -> Result<Edited, EditError> {
    let mut classes = Classes::clone(document.classes());
    classes.rename(id, name)?;
    Ok(with_classes(document, classes))
}

/// Gives a class another colour: red, green, blue.
///
/// # Errors
/// If there is no such class.
pub fn recolor_class(
    document: &Document,
    id: ClassId,
    color: [u8; 3],
) -> Result<Edited, EditError> {
    let mut classes = Classes::clone(document.classes());
    classes.recolor(id, color)?;
    Ok(with_classes(document, classes))
}

/// Deletes a class, and does with its segments what `removal` says.
///
/// # Errors
/// If there is no such class, it is the background, a segment to be deleted is
/// locked, or the class to move to is the same, background, or not in the list.
pub fn delete_class(
    document: &Document,
    id: ClassId,
    removal: ClassRemoval,
) -> Result<Edited, EditError> {
    let mut classes = Classes::clone(document.classes());
    classes.remove(id)?;
    let of_class = document.segments().iter().filter(|s| s.class == id);
    let ids: Vec<SegmentId> = of_class.map(|segment| segment.id).collect();
    let mut edited = match removal {
        ClassRemoval::MoveTo(class) if class == id => return Err(ClassError::Unknown(id).into()),
        ClassRemoval::MoveTo(class) => {
            assignable(document, class)?;
            set_segment_class(document, &ids, class)?
        }
        ClassRemoval::DeleteSegments => delete_segments(document, &ids)?,
    };
    edited.document = edited.document.with_classes(classes);
    edited.segment = None;
    Ok(edited)
}

/// The document with other classes; the same value if they are the same.
fn with_classes(before: &Document, classes: Classes) -> Edited {
    if classes == **before.classes() {
        let document = before.clone();
        return Edited {
            document,
            dirty: Rect::EMPTY,
            segment: None,
        };
    }
    let recolored = before.classes().color(BACKGROUND) != classes.color(BACKGROUND);
    let document = before.with_classes(classes);
    let dirty = if recolored {
        before.rect()
    } else {
        dirty_between(before, &document)
    };
    Edited {
        document,
        dirty,
        segment: None,
    }
}
