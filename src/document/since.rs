//! What may still be taken of a mask after the labels have moved on.

use super::Document;
use crate::label::Mask;

/// The pixels of `mask` whose segment is the same in `now` as it was in `base`:
/// a mask that was made looking at `base` does not overwrite what was drawn since.
/// Looks only at tiles that differ.
pub fn unchanged_since(base: &Document, now: &Document, mask: &Mask) -> Mask {
    if base.revision() == now.revision() {
        return mask.clone();
    }
    let (before, after) = (base.labels(), now.labels());
    let differing = after.difference(before).intersect(mask.bounds());
    if differing.is_empty() {
        return mask.clone();
    }
    let changed = Mask::from_fn(differing, |x, y| before.get(x, y) != after.get(x, y));
    mask.subtract(&changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Target, paint};
    use crate::label::{Classes, Rect};

    #[test]
    fn what_was_painted_since_is_left_out() {
        let base = Document::new(600, 300, Classes::default());
        let mask = Mask::from_rect(Rect::new(10, 10, 500, 20));
        assert_eq!(unchanged_since(&base, &base, &mask), mask);
        let stroke = Mask::from_rect(Rect::new(250, 0, 260, 15));
        let now = paint(&base, &stroke, Target::New(1)).unwrap().document;
        let left = unchanged_since(&base, &now, &mask);
        assert_eq!(left, mask.subtract(&stroke));
        assert!(left.area() < mask.area());
    }
}
