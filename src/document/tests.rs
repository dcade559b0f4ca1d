use proptest::prelude::*;

use super::*;
use crate::label::{
    ClassError, ClassId, Classes, IGNORE, LabelMap, Mask, Rect, Segment, SegmentId,
};

fn rect(x0: u32, y0: u32, x1: u32, y1: u32) -> Mask {
    Mask::from_rect(Rect::new(x0, y0, x1, y1))
}

fn blank() -> Document {
    Document::new(600, 300, Classes::default())
}

/// A document with a segment of each rectangle, in class 1.
fn with_segments(masks: &[Mask]) -> Document {
    masks.iter().fold(blank(), |document, mask| {
        accept(&document, mask, 1, None).unwrap().document
    })
}

fn ids(document: &Document) -> Vec<SegmentId> {
    document
        .segments()
        .iter()
        .map(|segment| segment.id)
        .collect()
}

/// Fails unless areas and boxes are those of the pixels.
fn check_statistics(document: &Document) {
    let pixels = document.labels().to_vec();
    let known: Vec<_> = document
        .segments()
        .iter()
        .map(|s| (s.id, s.area, s.bounds))
        .collect();
    let map = LabelMap::from_ids(document.width(), document.height(), &pixels);
    let real: Vec<_> = map
        .totals()
        .iter()
        .map(|t| (t.id, t.area, t.bounds))
        .collect();
    assert_eq!(known, real);
}

#[test]
fn painting_makes_segments_and_extends_them() {
    let first = paint(&blank(), &rect(10, 10, 20, 20), Target::New(1)).unwrap();
    assert_eq!(
        (first.segment, first.dirty),
        (Some(1), Rect::new(10, 10, 20, 20))
    );
    let more = paint(&first.document, &rect(15, 10, 300, 12), Target::Segment(1)).unwrap();
    assert_eq!(more.dirty, Rect::new(20, 10, 300, 12), "only what changed");
    let segment = more.document.segment(1).unwrap();
    assert_eq!(
        (segment.area, segment.bounds),
        (660, Rect::new(10, 10, 300, 20))
    );
    assert_eq!(more.document.class_at(299, 11), 1);
    assert_eq!(more.document.class_at(299, 12), 0);
    check_statistics(&more.document);
}

#[test]
fn a_segment_that_loses_its_last_pixel_disappears() {
    let document = with_segments(&[rect(0, 0, 5, 5), rect(300, 0, 310, 5)]);
    let painted = paint(&document, &rect(0, 0, 9, 9), Target::Segment(2))
        .unwrap()
        .document;
    assert_eq!(ids(&painted), [2]);
    assert_eq!(painted.next_segment_id(), Ok(1));
    let erased = erase(&painted, &painted_area(&painted), None).unwrap();
    assert_eq!((ids(&erased.document), erased.segment), (vec![], None));
}

fn painted_area(document: &Document) -> Mask {
    Mask::from_rect(document.rect())
}

#[test]
fn locked_segments_keep_their_pixels() {
    let document = with_segments(&[rect(0, 0, 10, 10), rect(10, 0, 20, 10)]);
    let locked = set_locked(&document, &[1], true).unwrap();
    assert_eq!(locked.dirty, Rect::EMPTY);
    let locked = locked.document;
    let all = painted_area(&locked);
    let painted = paint(&locked, &all, Target::Segment(2)).unwrap().document;
    assert_eq!(painted.segment(1).unwrap().area, 100);
    let erased = erase(&locked, &all, None).unwrap().document;
    assert_eq!(ids(&erased), [1]);
    let unchanged = accept(&locked, &rect(2, 2, 5, 5), 1, None).unwrap();
    assert_eq!((unchanged.segment, unchanged.dirty), (None, Rect::EMPTY));
    assert_eq!(unchanged.document.revision(), locked.revision());
    for refused in [
        paint(&locked, &all, Target::Segment(1)),
        erase(&locked, &all, Some(1)),
        delete_segment(&locked, 1),
        merge_segments(&locked, &[2, 1]),
        merge_segments(&locked, &[1, 2]),
        delete_class(&locked, 1, ClassRemoval::DeleteSegments),
    ] {
        assert_eq!(refused.unwrap_err(), EditError::Locked(1));
    }
}

#[test]
fn erasing_can_be_limited_to_one_segment() {
    let document = with_segments(&[rect(0, 0, 10, 10), rect(10, 0, 20, 10)]);
    let erased = erase(&document, &rect(5, 0, 15, 10), Some(2)).unwrap();
    assert_eq!(erased.dirty, Rect::new(10, 0, 15, 10));
    assert_eq!(erased.segment, Some(2));
    assert_eq!(erased.document.segment(1).unwrap().area, 100);
    assert_eq!(
        erased.document.segment(2).unwrap().bounds,
        Rect::new(15, 0, 20, 10)
    );
}

fn of_class(mask: Mask, class: ClassId) -> Classified {
    Classified {
        mask,
        class,
        score: None,
    }
}

#[test]
fn classes_of_a_model_take_the_place_of_the_first_ones_or_join_the_users() {
    let empty = Document::new(9, 9, Classes::default());
    let names = ["background", "cat", "Cup", "cat"].map(|name| (name, None));
    let (edited, ids) = adopt_classes(&empty, &names).unwrap();
    assert_eq!(ids, [0, 1, 2, 1]);
    assert_eq!(edited.document.classes().len(), 3);
    let (colored, _) = adopt_classes(&empty, &[("cat", Some([1, 2, 3]))]).unwrap();
    assert_eq!(colored.document.classes().color(1), [1, 2, 3]);
    let (edited, _) = add_class(&edited.document, "dog").unwrap();
    let (edited, ids) = adopt_classes(
        &edited.document,
        &["sky", "DOG", "cup"].map(|name| (name, None)),
    )
    .unwrap();
    assert_eq!(ids, [4, 3, 2]);
    // One that has work in it keeps what it has.
    let used = with_segments(&[rect(0, 0, 2, 2)]);
    let (kept, ids) = adopt_classes(&used, &[("cat", None)]).unwrap();
    assert_eq!((ids, kept.document.classes().name(1)), (vec![2], "object"));
    assert!(adopt_classes(&edited.document, &[("", None)]).is_err());
}

#[test]
fn accepting_many_masks_never_overwrites_labels() {
    let document = with_segments(&[rect(0, 0, 10, 10)]);
    let masks = [
        of_class(rect(5, 0, 15, 10), 1),
        of_class(rect(2, 2, 4, 4), 1),
    ];
    let after = accept_all(&document, &masks).unwrap().document;
    assert_eq!(ids(&after), [1, 2]);
    assert_eq!(after.segment(1).unwrap().area, 100);
    assert_eq!(after.segment(2).unwrap().area, 50);
    check_statistics(&after);
}

#[test]
fn accepting_many_masks_is_one_edit_and_the_first_has_the_pixel() {
    let document = with_segments(&[rect(0, 0, 2, 2), rect(500, 0, 501, 1), rect(3, 3, 4, 4)]);
    let document = delete_segment(&document, 2).unwrap().document;
    let mut masks = [
        of_class(rect(10, 0, 20, 10), IGNORE),
        of_class(rect(15, 0, 25, 10), IGNORE),
        of_class(rect(11, 1, 12, 2), IGNORE),
    ];
    masks[0].score = Some(0.9);
    let edited = accept_all(&document, &masks).unwrap();
    let after = edited.document;
    assert_eq!(
        ids(&after),
        [1, 2, 3, 4],
        "the third mask had no pixel left"
    );
    assert_eq!(
        (
            after.segment(2).unwrap().area,
            after.segment(4).unwrap().area
        ),
        (100, 50)
    );
    assert_eq!(after.segment(2).unwrap().score, Some(0.9));
    assert_eq!(after.class_at(12, 5), IGNORE);
    check_statistics(&after);
}

#[test]
fn merging_keeps_the_first_segment() {
    let document = with_segments(&[rect(0, 0, 4, 4), rect(500, 200, 510, 210), rect(4, 4, 6, 6)]);
    let merged = merge_segments(&document, &[2, 1]).unwrap();
    assert_eq!(
        (merged.segment, ids(&merged.document)),
        (Some(2), vec![2, 3])
    );
    assert_eq!(merged.dirty, Rect::new(0, 0, 4, 4));
    assert_eq!(
        merged.document.segment(2).unwrap().bounds,
        Rect::new(0, 0, 510, 210)
    );
    check_statistics(&merged.document);
    let revision = document.revision();
    assert_eq!(
        merge_segments(&document, &[3]).unwrap().document.revision(),
        revision
    );
    assert_eq!(
        merge_segments(&document, &[]).unwrap().document.revision(),
        revision
    );
    assert_eq!(
        merge_segments(&document, &[1, 9]).unwrap_err(),
        EditError::UnknownSegment(9)
    );
}

#[test]
fn classes_of_segments_change_without_touching_pixels() {
    let (edited, cat) = add_class(&with_segments(&[rect(0, 0, 4, 4)]), "cat").unwrap();
    let document = edited.document;
    let changed = set_segment_class(&document, &[1], cat).unwrap();
    assert_eq!(
        (changed.dirty, changed.segment),
        (Rect::new(0, 0, 4, 4), Some(1))
    );
    assert_eq!(changed.document.class_at(1, 1), cat);
    assert_eq!(document.class_at(1, 1), 1, "the old value stays");
    let same = set_segment_class(&changed.document, &[1], cat).unwrap();
    assert_eq!(same.document.revision(), changed.document.revision());
    assert_eq!(
        set_segment_class(&document, &[1], 0).unwrap_err(),
        EditError::Background
    );
    let unknown = set_segment_class(&document, &[1], 77).unwrap_err();
    assert_eq!(unknown, EditError::Class(ClassError::Unknown(77)));
    assert!(matches!(
        accept(&document, &rect(0, 0, 1, 1), 77, None),
        Err(EditError::Class(_))
    ));
}

#[test]
fn deleting_a_class_deletes_or_moves_its_segments() {
    let (edited, cat) = add_class(&with_segments(&[rect(0, 0, 4, 4)]), "cat").unwrap();
    let document = accept(&edited.document, &rect(10, 0, 14, 4), cat, None)
        .unwrap()
        .document;
    let deleted = delete_class(&document, cat, ClassRemoval::DeleteSegments).unwrap();
    assert_eq!(
        (ids(&deleted.document), deleted.dirty),
        (vec![1], Rect::new(10, 0, 14, 4))
    );
    assert!(deleted.document.classes().get(cat).is_none());
    let moved = delete_class(&document, cat, ClassRemoval::MoveTo(IGNORE))
        .unwrap()
        .document;
    assert_eq!(moved.class_at(11, 1), IGNORE);
    assert!(delete_class(&document, cat, ClassRemoval::MoveTo(cat)).is_err());
    assert!(delete_class(&document, 0, ClassRemoval::DeleteSegments).is_err());
    let unused = add_class(&document, "unused").unwrap();
    let gone = delete_class(&unused.0.document, unused.1, ClassRemoval::DeleteSegments).unwrap();
    assert_eq!(gone.document.classes(), document.classes());
    assert_ne!(gone.document.revision(), unused.0.document.revision());
}

#[test]
fn colours_and_names_of_classes_are_edits_too() {
    let document = with_segments(&[rect(0, 0, 4, 4)]);
    let red = recolor_class(&document, 1, [255, 0, 0]).unwrap();
    assert_eq!(red.dirty, Rect::new(0, 0, 4, 4));
    assert_eq!(
        dirty_between(&red.document, &document),
        Rect::new(0, 0, 4, 4)
    );
    let named = rename_class(&red.document, 1, "cup").unwrap();
    assert_eq!(
        (named.document.classes().name(1), named.dirty),
        ("cup", Rect::EMPTY)
    );
    let same = rename_class(&named.document, 1, "cup").unwrap();
    assert_eq!(same.document.revision(), named.document.revision());
}

#[test]
fn hiding_makes_the_segment_dirty() {
    let document = with_segments(&[rect(0, 0, 4, 4), rect(9, 9, 12, 12)]);
    let hidden = set_hidden(&document, &[2], true).unwrap();
    assert_eq!(hidden.dirty, Rect::new(9, 9, 12, 12));
    assert_eq!(dirty_between(&document, &hidden.document), hidden.dirty);
    assert!(set_hidden(&document, &[3], true).is_err());
}

#[test]
fn ids_run_out_with_a_reason() {
    let pixels: Vec<SegmentId> = (0..=65535).collect();
    let labels = LabelMap::from_ids(256, 256, &pixels);
    let record = |id| (id, 1 as ClassId, false, false, None);
    let full = Document::from_parts(
        labels.clone(),
        (1..=65535).map(record).collect(),
        Classes::default(),
    );
    let full = full.unwrap();
    assert_eq!(full.next_segment_id(), Err(EditError::TooManySegments));
    let pixel = rect(0, 0, 1, 1);
    assert_eq!(
        accept(&full, &pixel, 1, None).unwrap_err(),
        EditError::TooManySegments
    );
    let masks = [of_class(pixel.clone(), 1), of_class(pixel, 1)];
    let nearly = delete_segment(&full, 40000).unwrap().document;
    assert_eq!(nearly.next_segment_id(), Ok(40000));
    assert_eq!(
        accept_all(&nearly, &masks).unwrap_err(),
        EditError::TooManySegments
    );
}

#[test]
fn parts_from_files_are_checked() {
    let labels = LabelMap::from_ids(3, 1, &[0, 4, 4]);
    let build = |records| Document::from_parts(labels.clone(), records, Classes::default());
    let good = build(vec![
        (9, 1, false, false, None),
        (4, 1, true, true, Some(0.5)),
    ])
    .unwrap();
    let expected = Segment {
        id: 4,
        class: 1,
        locked: true,
        hidden: true,
        area: 2,
        bounds: Rect::new(1, 0, 3, 1),
        score: Some(0.5),
    };
    assert_eq!(good.segments(), [expected]);
    let plain = |id, class| (id, class, false, false, None);
    let (id, class, area) = (4, 3, 2);
    assert_eq!(
        build(vec![]).unwrap_err(),
        DocumentError::UnknownSegment { id, area }
    );
    assert_eq!(
        build(vec![plain(4, 3)]).unwrap_err(),
        DocumentError::UnknownClass { id, class }
    );
    assert_eq!(
        build(vec![plain(4, 1), plain(4, 1)]).unwrap_err(),
        DocumentError::SegmentTwice(4)
    );
    assert_eq!(
        build(vec![plain(4, 1), plain(0, 1)]).unwrap_err(),
        DocumentError::SegmentZero
    );
}

/// The pixels and segments of a document, for comparing values.
fn content(document: &Document) -> (Vec<SegmentId>, Vec<Segment>) {
    (document.labels().to_vec(), document.segments().to_vec())
}

#[derive(Clone, Debug)]
enum Step {
    Paint(Rect, SegmentId),
    Accept(Rect),
    AcceptAll(Vec<Rect>),
    Erase(Rect, SegmentId),
    Merge(SegmentId, SegmentId),
    Delete(SegmentId),
    Lock(SegmentId, bool),
    Undo,
    Redo,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let edge = || prop_oneof![0..320u32, Just(256)];
    let area = || {
        (edge(), 0..60u32, edge(), 0..60u32)
            .prop_map(|(a, b, c, d)| Rect::new(a.min(c), b.min(d), a.max(c), b.max(d)))
    };
    let id = || 0..6u16;
    let step = prop_oneof![
        (area(), id()).prop_map(|(area, id)| Step::Paint(area, id)),
        area().prop_map(Step::Accept),
        prop::collection::vec(area(), 0..4).prop_map(Step::AcceptAll),
        (area(), id()).prop_map(|(area, id)| Step::Erase(area, id)),
        (id(), id()).prop_map(|(a, b)| Step::Merge(a, b)),
        id().prop_map(Step::Delete),
        (id(), any::<bool>()).prop_map(|(id, on)| Step::Lock(id, on)),
        Just(Step::Undo),
        Just(Step::Undo),
        Just(Step::Redo),
    ];
    prop::collection::vec(step, 1..14)
}

/// What the plain array becomes; the rules of the edits, written once more.
fn expected_pixels(document: &Document, step: &Step) -> Vec<SegmentId> {
    let mut pixels = document.labels().to_vec();
    let width = document.width();
    let locked = |id| document.segment(id).is_some_and(|segment| segment.locked);
    let free = |skip: usize| {
        let free = (1..).filter(|&id| document.segment(id).is_none());
        free.into_iter().nth(skip).unwrap()
    };
    let mut set = |area: Rect, new: &dyn Fn(SegmentId) -> SegmentId| {
        for y in area.y0..area.y1.min(document.height()) {
            for x in area.x0..area.x1.min(width) {
                let pixel = &mut pixels[(y * width + x) as usize];
                if !locked(*pixel) {
                    *pixel = new(*pixel);
                }
            }
        }
    };
    match step {
        Step::Paint(area, id) => set(*area, &|_| *id),
        Step::Accept(area) => set(*area, &|_| free(0)),
        Step::AcceptAll(areas) => {
            for (index, area) in areas.iter().enumerate() {
                set(*area, &|old| if old == 0 { free(index) } else { old });
            }
        }
        Step::Erase(area, 0) => set(*area, &|_| 0),
        Step::Erase(area, id) => set(*area, &|old| if old == *id { 0 } else { old }),
        Step::Merge(a, b) => set(document.rect(), &|old| if old == *b { *a } else { old }),
        Step::Delete(id) => set(document.rect(), &|old| if old == *id { 0 } else { old }),
        Step::Lock(..) | Step::Undo | Step::Redo => {}
    }
    pixels
}

fn run(document: &Document, step: &Step) -> Result<Edited, EditError> {
    match step {
        Step::Paint(area, id) => paint(document, &Mask::from_rect(*area), Target::Segment(*id)),
        Step::Accept(area) => accept(document, &Mask::from_rect(*area), 1, None),
        Step::AcceptAll(areas) => {
            let masks = areas.iter().map(|area| of_class(Mask::from_rect(*area), 1));
            accept_all(document, &masks.collect::<Vec<_>>())
        }
        Step::Erase(area, id) => erase(document, &Mask::from_rect(*area), (*id > 0).then_some(*id)),
        Step::Merge(a, b) => merge_segments(document, &[*a, *b]),
        Step::Delete(id) => delete_segment(document, *id),
        Step::Lock(id, on) => set_locked(document, &[*id], *on),
        Step::Undo | Step::Redo => unreachable!("not an edit"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn random_edits_undo_and_redo_agree_with_a_plain_array(steps in steps()) {
        let document = Document::new(300, 50, Classes::default());
        let mut values = vec![content(&document)];
        let mut at = 0usize;
        let mut history = History::new(document, usize::MAX);
        for step in steps {
            match step {
                Step::Undo => {
                    prop_assert_eq!(history.undo().is_some(), at > 0);
                    at = at.saturating_sub(1);
                }
                Step::Redo => {
                    let possible = at + 1 < values.len();
                    prop_assert_eq!(history.redo().is_some(), possible);
                    at += usize::from(possible);
                }
                edit => {
                    let before = history.current().clone();
                    let expected = expected_pixels(&before, &edit);
                    let Ok(edited) = run(&before, &edit) else { continue };
                    prop_assert!(edited.document.labels().to_vec() == expected);
                    if history.apply("edit", edited.document) {
                        at += 1;
                        values.truncate(at);
                        values.push(content(history.current()));
                    }
                }
            }
            check_statistics(history.current());
            prop_assert!(content(history.current()) == values[at]);
        }
    }
}
