//! The document value.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::EditError;
use crate::label::{
    BACKGROUND, ClassId, Classes, LabelMap, MapEdit, Rect, Segment, SegmentDelta, SegmentId,
};

/// The labels of one photo: label map, segments and classes.
///
/// An immutable value; cloning copies pointers. Every edit makes a new one with
/// a new [revision](Document::revision).
#[derive(Clone, Debug)]
pub struct Document {
    labels: LabelMap,
    /// Sorted by id; exactly those that have pixels.
    segments: Arc<Vec<Segment>>,
    classes: Arc<Classes>,
    revision: u64,
}

/// A segment as a file knows it: id, class, locked, hidden, score. Area and box
/// come from the label map.
pub type SegmentRecord = (SegmentId, ClassId, bool, bool, Option<f32>);

/// Why a label map, segments and classes do not make a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The label map holds an id that no segment has.
    #[error("{area} pixels belong to segment {id}, which is not in the list of segments")]
    UnknownSegment {
        /// The id.
        id: SegmentId,
        /// Number of pixels.
        area: u64,
    },
    /// Two segments have the same id.
    #[error("segment {0} is listed twice")]
    SegmentTwice(SegmentId),
    /// Id 0 means "no segment".
    #[error("a segment has the number 0, which stands for \"no segment\"")]
    SegmentZero,
    /// The class of a segment is not in the list, or background.
    #[error("segment {id} has the class {class}, which is not in the list of classes")]
    UnknownClass {
        /// The segment.
        id: SegmentId,
        /// Its class.
        class: ClassId,
    },
}

impl Document {
    /// A document of `width` × `height` pixels without segments.
    pub fn new(width: u32, height: u32, classes: Classes) -> Self {
        Self {
            labels: LabelMap::new(width, height),
            segments: Arc::new(Vec::new()),
            classes: Arc::new(classes),
            revision: next_revision(),
        }
    }

    /// A document of what was read from files. Segments without pixels are left
    /// out.
    ///
    /// # Errors
    /// If the label map holds ids that are not listed, ids are listed twice, or
    /// classes are not in the list.
    pub fn from_parts(
        labels: LabelMap,
        mut records: Vec<SegmentRecord>,
        classes: Classes,
    ) -> Result<Self, DocumentError> {
        records.sort_unstable_by_key(|record| record.0);
        if let Some(twice) = records.windows(2).find(|two| two[0].0 == two[1].0) {
            return Err(DocumentError::SegmentTwice(twice[0].0));
        }
        for &(id, class, ..) in &records {
            if id == 0 {
                return Err(DocumentError::SegmentZero);
            }
            if !classes.is_assignable(class) {
                return Err(DocumentError::UnknownClass { id, class });
            }
        }
        let mut segments = Vec::with_capacity(records.len());
        for total in labels.totals() {
            let (id, area, bounds) = (total.id, total.area, total.bounds);
            let found = records.binary_search_by_key(&id, |record| record.0);
            let index = found.map_err(|_| DocumentError::UnknownSegment { id, area })?;
            let (_, class, locked, hidden, score) = records[index];
            segments.push(Segment {
                id,
                class,
                locked,
                hidden,
                area,
                bounds,
                score,
            });
        }
        Ok(Self {
            labels,
            segments: Arc::new(segments),
            classes: Arc::new(classes),
            revision: next_revision(),
        })
    }

    /// Number of columns.
    pub fn width(&self) -> u32 {
        self.labels.width()
    }

    /// Number of rows.
    pub fn height(&self) -> u32 {
        self.labels.height()
    }

    /// All of the photo.
    pub fn rect(&self) -> Rect {
        self.labels.rect()
    }

    /// One segment id per pixel.
    pub fn labels(&self) -> &LabelMap {
        &self.labels
    }

    /// The segments that have pixels, sorted by id.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The segment with this id.
    pub fn segment(&self, id: SegmentId) -> Option<&Segment> {
        let found = self
            .segments
            .binary_search_by_key(&id, |segment| segment.id);
        found.ok().map(|index| &self.segments[index])
    }

    /// The classes.
    pub fn classes(&self) -> &Arc<Classes> {
        &self.classes
    }

    /// A number that no other document value of this process has; clones, being
    /// the same value, share it. Later values have larger numbers.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The class of pixel `(x, y)`; background where no segment is, also
    /// outside of the photo.
    pub fn class_at(&self, x: u32, y: u32) -> ClassId {
        self.segment_at(x, y)
            .map_or(BACKGROUND, |segment| segment.class)
    }

    /// The segment that holds pixel `(x, y)`.
    pub fn segment_at(&self, x: u32, y: u32) -> Option<&Segment> {
        self.segment(self.labels.get(x, y))
    }

    /// The smallest id above 0 that no segment has.
    ///
    /// # Errors
    /// If all 65535 are taken.
    pub fn next_segment_id(&self) -> Result<SegmentId, EditError> {
        // Ids are sorted and unique, so they run 1, 2, 3… up to the first gap.
        let (mut low, mut high) = (0, self.segments.len());
        while low < high {
            let middle = (low + high) / 2;
            if usize::from(self.segments[middle].id) == middle + 1 {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        SegmentId::try_from(low + 1).map_err(|_| EditError::TooManySegments)
    }

    /// Memory that this value holds and `other` does not: tiles, and the lists
    /// if they are not shared.
    pub fn bytes_not_shared_with(&self, other: &Document) -> usize {
        let mut bytes = self.labels.bytes_not_shared_with(&other.labels);
        if !Arc::ptr_eq(&self.segments, &other.segments) {
            bytes += size_of_val(&self.segments[..]);
        }
        if !Arc::ptr_eq(&self.classes, &other.classes) {
            let names: usize = self.classes.iter().map(|class| class.name.len()).sum();
            bytes += names + self.classes.len() * size_of::<crate::label::Class>();
        }
        bytes
    }

    /// The document after `edit` of its label map; `added` describes new
    /// segments, whose area and box are filled in here.
    pub(super) fn with_map_edit(&self, edit: MapEdit, added: &[Segment]) -> Self {
        let mut segments = Vec::with_capacity(self.segments.len() + added.len());
        segments.extend_from_slice(&self.segments);
        for segment in added {
            let place = segments.partition_point(|other| other.id < segment.id);
            segments.insert(place, *segment);
        }
        let mut vanished = false;
        for (&id, delta) in &edit.deltas {
            let found = segments.binary_search_by_key(&id, |segment| segment.id);
            if let Ok(index) = found {
                update(&mut segments[index], delta, &edit.map);
                vanished |= segments[index].area == 0;
            }
        }
        if vanished || !added.is_empty() {
            segments.retain(|segment| segment.area > 0);
        }
        Self {
            labels: edit.map,
            segments: Arc::new(segments),
            classes: Arc::clone(&self.classes),
            revision: next_revision(),
        }
    }

    /// The document with each segment changed by `change`; the pixels stay.
    pub(super) fn with_segments(&self, change: impl FnMut(&mut Segment)) -> Self {
        let mut segments = self.segments.to_vec();
        segments.iter_mut().for_each(change);
        Self {
            segments: Arc::new(segments),
            revision: next_revision(),
            ..self.clone()
        }
    }

    /// The document with other classes.
    pub(super) fn with_classes(&self, classes: Classes) -> Self {
        Self {
            classes: Arc::new(classes),
            revision: next_revision(),
            ..self.clone()
        }
    }
}

/// Brings area and box of a segment up to date.
fn update(segment: &mut Segment, delta: &SegmentDelta, map: &LabelMap) {
    segment.area = segment.area.saturating_add_signed(delta.area);
    let reach = segment.bounds.union(delta.grown);
    segment.bounds = if delta.shrunk {
        map.bounds_within(segment.id, reach)
    } else {
        reach
    };
}

/// The box around everything that may look different in `after`: tiles that the
/// two do not share, segments whose class or visibility changed, and segments
/// of classes whose colour changed.
pub fn dirty_between(before: &Document, after: &Document) -> Rect {
    let mut dirty = before.labels.difference(&after.labels);
    let same_segments = Arc::ptr_eq(&before.segments, &after.segments);
    let same_classes = Arc::ptr_eq(&before.classes, &after.classes);
    if same_segments && same_classes {
        return dirty;
    }
    let color = |document: &Document, of: &Segment| document.classes.color(of.class);
    let mut olds = before.segments().iter().peekable();
    for segment in after.segments() {
        // Both lists are sorted by id. Segments that are in one of them only
        // differ in their tiles, which have been compared already.
        while olds.next_if(|old| old.id < segment.id).is_some() {}
        let Some(old) = olds.next_if(|old| old.id == segment.id) else {
            continue;
        };
        let looks_same = segment.hidden == old.hidden
            && segment.class == old.class
            && (same_classes || color(before, old) == color(after, segment));
        if !looks_same {
            dirty = dirty.union(segment.bounds).union(old.bounds);
        }
    }
    dirty
}

fn next_revision() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
