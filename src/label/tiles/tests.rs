use proptest::prelude::*;

use super::*;
use crate::label::MapEditor;

/// A plain array that the map is compared with.
struct Plain {
    width: u32,
    height: u32,
    ids: Vec<SegmentId>,
}

impl Plain {
    fn new(width: u32, height: u32) -> Self {
        let ids = vec![0; (width * height) as usize];
        Self { width, height, ids }
    }

    fn apply(&mut self, mask: &Mask, replace: impl Fn(SegmentId) -> SegmentId) {
        for span in mask.clip(Rect::of_size(self.width, self.height)).spans() {
            for x in span.x0..span.x1 {
                let id = &mut self.ids[(span.y * self.width + x) as usize];
                *id = replace(*id);
            }
        }
    }

    fn totals(&self) -> Vec<SegmentTotal> {
        let mut totals: Vec<SegmentTotal> = Vec::new();
        for (index, &id) in (0..).zip(&self.ids) {
            let (x, y) = (index % self.width, index / self.width);
            if id == 0 {
                continue;
            }
            let found = totals.iter().position(|total| total.id == id);
            let place = found.unwrap_or_else(|| {
                let (area, bounds) = (0, Rect::EMPTY);
                totals.push(SegmentTotal { id, area, bounds });
                totals.len() - 1
            });
            totals[place].area += 1;
            totals[place].bounds = totals[place].bounds.union(Rect::new(x, y, x + 1, y + 1));
        }
        totals.sort_unstable_by_key(|total| total.id);
        totals
    }
}

/// Rectangles that reach across and beyond the tiles of a 300 × 520 map.
fn rects() -> impl Strategy<Value = Rect> {
    let edge = |size: u32| prop_oneof![0..size + 40, Just(0), Just(256), Just(size)];
    (edge(300), edge(520), edge(300), edge(520))
        .prop_map(|(x0, y0, x1, y1)| Rect::new(x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn edits_are_those_of_a_plain_array(
        edits in prop::collection::vec((rects(), 0..5u16, 0..5u16), 1..7),
        window in rects(),
    ) {
        let (mut map, mut plain) = (LabelMap::new(300, 520), Plain::new(300, 520));
        for (rect, id, kept) in edits {
            let replace = |old| if old == kept { old } else { id };
            let mask = Mask::from_rect(rect);
            let before = plain.ids.clone();
            plain.apply(&mask, replace);
            let mut editor = MapEditor::new(&map);
            editor.apply(&mask, replace);
            let edit = editor.finish();
            let changed = Mask::from_fn(map.rect(), |x, y| {
                let index = (y * 300 + x) as usize;
                before[index] != plain.ids[index]
            });
            prop_assert_eq!(edit.dirty, changed.bounds());
            map = edit.map;
            prop_assert!(map.to_vec() == plain.ids);
            prop_assert_eq!(map.totals(), plain.totals());
        }
        prop_assert!(LabelMap::from_ids(300, 520, &plain.ids).to_vec() == plain.ids);
        for id in 1..5 {
            let ids = &plain.ids;
            let expected = Mask::from_fn(map.rect(), |x, y| ids[(y * 300 + x) as usize] == id);
            prop_assert_eq!(map.mask_of(id), expected);
        }
        let mut read = Vec::new();
        map.read_rect(window, &mut read);
        let expected: Vec<SegmentId> = (window.y0..window.y1)
            .flat_map(|y| (window.x0..window.x1).map(move |x| (x, y)))
            .map(|(x, y)| if x < 300 && y < 520 { plain.ids[(y * 300 + x) as usize] } else { 0 })
            .collect();
        prop_assert!(read == expected);
    }

    #[test]
    fn several_masks_in_one_edit_are_those_edits_in_turn(
        edits in prop::collection::vec((rects(), 0..4u16), 1..5),
    ) {
        let (map, mut plain) = (LabelMap::new(300, 520), Plain::new(300, 520));
        let mut editor = MapEditor::new(&map);
        for (rect, id) in edits {
            editor.apply(&Mask::from_rect(rect), |_| id);
            plain.apply(&Mask::from_rect(rect), |_| id);
        }
        let map = editor.finish().map;
        prop_assert!(map.to_vec() == plain.ids);
        prop_assert_eq!(map.totals(), plain.totals());
    }
}

#[test]
fn an_empty_map_costs_next_to_nothing() {
    let map = LabelMap::new(8192, 8192);
    let other = LabelMap::new(8192, 8192);
    let pointers = 1024 * size_of::<usize>();
    assert!(map.bytes_not_shared_with(&other) < pointers + 1024 * 150);
    assert!(Arc::ptr_eq(map.tile(0, 0), map.tile(31, 31)));
    assert_eq!(map.bytes_not_shared_with(&map.clone()), 0);
}

#[test]
fn an_edit_copies_only_the_tiles_it_changes() {
    let map = LabelMap::new(1000, 1000);
    let edit = |map: &LabelMap, rect, id| {
        let mut editor = MapEditor::new(map);
        editor.apply(&Mask::from_rect(rect), |_| id);
        editor.finish().map
    };
    let once = edit(&map, Rect::new(250, 10, 260, 20), 1);
    let shared = |a: &LabelMap, b: &LabelMap| {
        let same = a.tiles().iter().zip(b.tiles());
        same.filter(|(a, b)| Arc::ptr_eq(a, b)).count()
    };
    assert_eq!(shared(&map, &once), 14);
    assert_eq!(once.difference(&map), Rect::new(0, 0, 512, 256));
    let again = edit(&once, Rect::new(250, 10, 260, 20), 1);
    assert_eq!(
        shared(&once, &again),
        16,
        "nothing changed, so nothing was copied"
    );
    let gone = edit(&once, once.rect(), 0);
    assert!(gone.tiles().iter().all(|tile| tile.uniform() == Some(0)));
    let full = edit(&once, once.rect(), 7);
    assert!(full.tiles().iter().all(|tile| tile.uniform() == Some(7)));
}

#[test]
fn runs_go_on_across_tiles_and_beyond_the_map() {
    let mut editor_base = LabelMap::new(600, 2);
    let mut editor = MapEditor::new(&editor_base);
    editor.apply(&Mask::from_rect(Rect::new(100, 0, 550, 1)), |_| 3);
    editor_base = editor.finish().map;
    let runs: Vec<_> = editor_base.runs(Span::new(0, 0, 700)).collect();
    assert_eq!(runs, [(0, 100, 0), (100, 550, 3), (550, 700, 0)]);
    let below: Vec<_> = editor_base.runs(Span::new(9, 5, 700)).collect();
    assert_eq!(below, [(5, 700, 0)]);
}

#[test]
fn missing_ids_are_zero() {
    let map = LabelMap::from_ids(300, 300, &[5; 310]);
    assert_eq!(map.totals()[0].area, 310);
    assert_eq!(map.get(9, 1), 5);
    assert_eq!(
        (map.get(10, 1), map.get(300, 0), map.get(0, 300)),
        (0, 0, 0)
    );
    assert!(LabelMap::new(0, 0).to_vec().is_empty());
}
