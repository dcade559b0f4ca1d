//! Edits of segments and their pixels.

use super::Document;
use crate::label::{BACKGROUND, ClassError, ClassId, MapEditor, Mask, Rect, Segment, SegmentId};

/// A document after an edit, and what changed.
#[derive(Clone, Debug)]
pub struct Edited {
    /// The document after the edit; with the revision of the one before if
    /// nothing changed.
    pub document: Document,
    /// Box around all pixels that may look different.
    pub dirty: Rect,
    /// The segment that was made or changed, if it is one and it exists.
    pub segment: Option<SegmentId>,
}

/// Where painted pixels go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A new segment of this class, under the smallest free id.
    New(ClassId),
    /// A segment that exists.
    Segment(SegmentId),
}

/// Why an edit cannot be done. The document stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// No segment has this id.
    #[error("there is no segment {0} any more")]
    UnknownSegment(SegmentId),
    /// The segment is locked.
    #[error("segment {0} is locked: unlock it first")]
    Locked(SegmentId),
    /// All ids are taken.
    #[error("a photo can have at most 65535 segments: delete or merge some first")]
    TooManySegments,
    /// Background is where no segment is.
    #[error("a segment cannot have the class background: use the eraser instead")]
    Background,
    /// What is wrong with a class.
    #[error(transparent)]
    Class(#[from] ClassError),
}

impl Edited {
    /// An edit that turned out to change nothing.
    fn unchanged(document: &Document) -> Self {
        let (dirty, segment) = (Rect::EMPTY, None);
        let document = document.clone();
        Self {
            document,
            dirty,
            segment,
        }
    }
}

/// Gives the pixels of `mask` to `target`. Pixels of other locked segments stay
/// theirs; a segment that loses its last pixel disappears.
///
/// # Errors
/// If the target does not exist or is locked, the class of a new one is not in
/// the list, or no id is free.
pub fn paint(document: &Document, mask: &Mask, target: Target) -> Result<Edited, EditError> {
    match target {
        Target::New(class) => accept(document, mask, class, None),
        Target::Segment(id) => {
            unlocked(document, id)?;
            let keeps = Locks::of(document);
            let mut editor = MapEditor::new(document.labels());
            editor.apply(mask, |old| if keeps.hold(old) { old } else { id });
            Ok(finish(document, editor, &[], Some(id)))
        }
    }
}

/// Takes the pixels of `mask` from all segments, or from `only` one. Locked
/// segments keep theirs.
///
/// # Errors
/// If `only` names a segment that does not exist or is locked.
pub fn erase(
    document: &Document,
    mask: &Mask,
    only: Option<SegmentId>,
) -> Result<Edited, EditError> {
    if let Some(id) = only {
        unlocked(document, id)?;
    }
    let keeps = Locks::of(document);
    let mut editor = MapEditor::new(document.labels());
    editor.apply(mask, |old| {
        let kept = only.is_some_and(|id| id != old) || keeps.hold(old);
        if kept { old } else { 0 }
    });
    Ok(finish(document, editor, &[], only))
}

/// Makes a new segment of `class` of the pixels of `mask`, but for those that
/// locked segments hold. If none is left, nothing changes.
///
/// # Errors
/// If the class is not in the list, or no id is free.
pub fn accept(
    document: &Document,
    mask: &Mask,
    class: ClassId,
    score: Option<f32>,
) -> Result<Edited, EditError> {
    assignable(document, class)?;
    let id = document.next_segment_id()?;
    let keeps = Locks::of(document);
    let mut editor = MapEditor::new(document.labels());
    editor.apply(mask, |old| if keeps.hold(old) { old } else { id });
    let added = new_segment(id, class, score);
    Ok(finish(document, editor, &[added], Some(id)))
}

/// A mask with the class that it is to get.
#[derive(Clone, Debug)]
pub struct Classified {
    /// The pixels.
    pub mask: Mask,
    /// Their class.
    pub class: ClassId,
    /// The model's own estimate of the mask's quality, 0..=1.
    pub score: Option<f32>,
}

/// Makes a new segment of each mask, as one edit. Only unlabelled pixels are
/// taken: proposals in bulk never overwrite work, and where masks overlap, the
/// first one has the pixel. A mask that finds nothing unlabelled makes nothing.
///
/// # Errors
/// If a class is not in the list, or not enough ids are free.
pub fn accept_all(document: &Document, masks: &[Classified]) -> Result<Edited, EditError> {
    let mut added = Vec::with_capacity(masks.len());
    let mut free = FreeIds::of(document);
    let mut editor = MapEditor::new(document.labels());
    for Classified { mask, class, score } in masks {
        assignable(document, *class)?;
        let id = free.next().ok_or(EditError::TooManySegments)?;
        editor.apply(mask, |old| if old == 0 { id } else { old });
        added.push(new_segment(id, *class, *score));
    }
    let only = match added[..] {
        [only] => Some(only.id),
        _ => None,
    };
    Ok(finish(document, editor, &added, only))
}

/// Deletes a segment; its pixels become background.
///
/// # Errors
/// If it does not exist or is locked.
pub fn delete_segment(document: &Document, id: SegmentId) -> Result<Edited, EditError> {
    delete_segments(document, &[id])
}

/// Deletes segments, as one edit.
///
/// # Errors
/// If one of them does not exist or is locked.
pub fn delete_segments(document: &Document, ids: &[SegmentId]) -> Result<Edited, EditError> {
    move_pixels(document, ids, 0)
}

/// Merges segments into the first one, which keeps its class.
///
/// # Errors
/// If one of them does not exist or is locked.
pub fn merge_segments(document: &Document, ids: &[SegmentId]) -> Result<Edited, EditError> {
    let Some((&first, others)) = ids.split_first() else {
        return Ok(Edited::unchanged(document));
    };
    unlocked(document, first)?;
    move_pixels(document, others, first)
}

/// Gives segments another class. Locks protect pixels only, so locked ones
/// change as well.
///
/// # Errors
/// If one of them does not exist, or the class is not in the list.
pub fn set_segment_class(
    document: &Document,
    ids: &[SegmentId],
    class: ClassId,
) -> Result<Edited, EditError> {
    assignable(document, class)?;
    change_segments(document, ids, |segment| {
        std::mem::replace(&mut segment.class, class) != class
    })
}

/// Locks segments, or unlocks them.
///
/// # Errors
/// If one of them does not exist.
pub fn set_locked(
    document: &Document,
    ids: &[SegmentId],
    locked: bool,
) -> Result<Edited, EditError> {
    let mut edited = change_segments(document, ids, |segment| {
        std::mem::replace(&mut segment.locked, locked) != locked
    })?;
    edited.dirty = Rect::EMPTY;
    Ok(edited)
}

/// Hides segments, or shows them.
///
/// # Errors
/// If one of them does not exist.
pub fn set_hidden(
    document: &Document,
    ids: &[SegmentId],
    hidden: bool,
) -> Result<Edited, EditError> {
    change_segments(document, ids, |segment| {
        std::mem::replace(&mut segment.hidden, hidden) != hidden
    })
}

/// Changes what is known of segments; `change` says whether it did anything.
fn change_segments(
    document: &Document,
    ids: &[SegmentId],
    mut change: impl FnMut(&mut Segment) -> bool,
) -> Result<Edited, EditError> {
    for &id in ids {
        known(document, id)?;
    }
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let (mut dirty, mut changed) = (Rect::EMPTY, false);
    let after = document.with_segments(|segment| {
        if sorted.binary_search(&segment.id).is_ok() && change(segment) {
            dirty = dirty.union(segment.bounds);
            changed = true;
        }
    });
    if !changed {
        return Ok(Edited::unchanged(document));
    }
    let (document, segment) = (after, single(ids));
    Ok(Edited {
        document,
        dirty,
        segment,
    })
}

/// Gives all pixels of `ids` to `to`, which may be among them.
fn move_pixels(document: &Document, ids: &[SegmentId], to: SegmentId) -> Result<Edited, EditError> {
    let mut reach = Rect::EMPTY;
    for &id in ids {
        reach = reach.union(unlocked(document, id)?.bounds);
    }
    let mut moved = ids.to_vec();
    moved.sort_unstable();
    let mut editor = MapEditor::new(document.labels());
    editor.replace_ids(&moved, reach, |old| {
        if moved.binary_search(&old).is_ok() {
            to
        } else {
            old
        }
    });
    Ok(finish(document, editor, &[], Some(to)))
}

/// The edited document; unchanged, with its revision, if no pixel changed.
fn finish(
    before: &Document,
    editor: MapEditor<'_>,
    added: &[Segment],
    segment: Option<SegmentId>,
) -> Edited {
    let edit = editor.finish();
    if edit.dirty.is_empty() {
        return Edited::unchanged(before);
    }
    let dirty = edit.dirty;
    let document = before.with_map_edit(edit, added);
    let segment = segment.filter(|&id| document.segment(id).is_some());
    Edited {
        document,
        dirty,
        segment,
    }
}

fn new_segment(id: SegmentId, class: ClassId, score: Option<f32>) -> Segment {
    Segment {
        id,
        class,
        locked: false,
        hidden: false,
        area: 0,
        bounds: Rect::EMPTY,
        score,
    }
}

fn single(ids: &[SegmentId]) -> Option<SegmentId> {
    match ids {
        [id] => Some(*id),
        _ => None,
    }
}

fn known(document: &Document, id: SegmentId) -> Result<&Segment, EditError> {
    document.segment(id).ok_or(EditError::UnknownSegment(id))
}

fn unlocked(document: &Document, id: SegmentId) -> Result<&Segment, EditError> {
    let segment = known(document, id)?;
    if segment.locked {
        return Err(EditError::Locked(id));
    }
    Ok(segment)
}

pub(super) fn assignable(document: &Document, class: ClassId) -> Result<(), EditError> {
    if class == BACKGROUND {
        return Err(EditError::Background);
    }
    if !document.classes().is_assignable(class) {
        return Err(ClassError::Unknown(class).into());
    }
    Ok(())
}

/// The segments that keep their pixels in an edit.
struct Locks(Vec<SegmentId>);

impl Locks {
    fn of(document: &Document) -> Self {
        let locked = document.segments().iter().filter(|segment| segment.locked);
        Self(locked.map(|segment| segment.id).collect())
    }

    fn hold(&self, id: SegmentId) -> bool {
        self.0.binary_search(&id).is_ok()
    }
}

/// Ids above 0 that no segment of a document has, in increasing order.
struct FreeIds<'a> {
    taken: std::iter::Peekable<std::slice::Iter<'a, Segment>>,
    next: u32,
}

impl<'a> FreeIds<'a> {
    fn of(document: &'a Document) -> Self {
        let taken = document.segments().iter().peekable();
        Self { taken, next: 1 }
    }
}

impl Iterator for FreeIds<'_> {
    type Item = SegmentId;

    fn next(&mut self) -> Option<SegmentId> {
        while self
            .taken
            .next_if(|segment| u32::from(segment.id) == self.next)
            .is_some()
        {
            self.next += 1;
        }
        let id = SegmentId::try_from(self.next).ok();
        self.next += 1;
        id
    }
}
