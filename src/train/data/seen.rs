//! What the labels of a set show.

use std::collections::HashSet;

use crate::train::pictures::Raw;

/// What the labels of one photo show.
pub(super) struct Seen {
    /// Pixels of each class.
    pub pixels: Vec<u64>,
    /// Segments of each class; `None` where they are not known.
    pub segments: Option<Vec<usize>>,
}

impl Seen {
    pub fn of(raw: &Raw, classes: usize) -> Self {
        let mut pixels = vec![0u64; classes];
        for label in &raw.labels {
            if let Some(count) = pixels.get_mut(usize::from(*label)) {
                *count += 1;
            }
        }
        let segments = raw.instances.as_ref().map(|ids| {
            let (mut pairs, mut last) = (HashSet::new(), None);
            for pair in raw.labels.iter().copied().zip(ids.iter().copied()) {
                if last != Some(pair) {
                    pairs.insert(pair);
                    last = Some(pair);
                }
            }
            let mut segments = vec![0; classes];
            for (label, id) in pairs {
                if let Some(count) = segments.get_mut(usize::from(label)) {
                    *count += usize::from(id != 0);
                }
            }
            segments
        });
        Self { pixels, segments }
    }
}

/// For each class whether it forms objects: most photos that show it have
/// several segments of it.
pub(super) fn objects(seen: &[Seen], classes: usize) -> Vec<bool> {
    let is_of_objects = |class: usize| {
        let counts = seen.iter().filter_map(|seen| seen.segments.as_ref());
        let shown: Vec<usize> = counts
            .map(|counts| counts[class])
            .filter(|n| *n > 0)
            .collect();
        let several = shown.iter().filter(|count| **count > 1).count();
        class > 0 && several * 2 > shown.len()
    };
    (0..classes).map(is_of_objects).collect()
}
