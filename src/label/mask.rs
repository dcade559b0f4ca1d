//! A set of pixels as horizontal spans.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Rect;

/// Pixels `x0..x1` of row `y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Row.
    pub y: u32,
    /// First column.
    pub x0: u32,
    /// One past the last column.
    pub x1: u32,
}

impl Span {
    /// Pixels `x0..x1` of row `y`.
    pub const fn new(y: u32, x0: u32, x1: u32) -> Self {
        Self { y, x0, x1 }
    }

    /// Number of pixels.
    pub const fn len(&self) -> u32 {
        self.x1.saturating_sub(self.x0)
    }

    /// Whether no pixel is inside.
    pub const fn is_empty(&self) -> bool {
        self.x0 >= self.x1
    }
}

/// An immutable set of pixels. Cloning copies a pointer.
///
/// The spans are sorted by row, then column; they are not empty, do not overlap
/// and do not touch within a row, so two masks of the same pixels are equal.
/// Memory and the cost of set operations go with the length of the outline,
/// not with the area.
#[derive(Clone, Debug)]
pub struct Mask {
    spans: Arc<[Span]>,
    bounds: Rect,
    area: u64,
}

impl PartialEq for Mask {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.spans, &other.spans) || self.spans == other.spans
    }
}

impl Eq for Mask {}

impl Default for Mask {
    fn default() -> Self {
        Self::empty()
    }
}

impl Mask {
    /// No pixels.
    pub fn empty() -> Self {
        Self {
            spans: Arc::new([]),
            bounds: Rect::EMPTY,
            area: 0,
        }
    }

    /// The union of `spans`, in any order; they may overlap and be empty. The
    /// row `u32::MAX`, which no box can hold, is left out.
    pub fn from_spans(mut spans: Vec<Span>) -> Self {
        spans.retain(|span| !span.is_empty() && span.y < u32::MAX);
        if !spans.is_sorted() {
            spans.sort_unstable();
        }
        let mut merged = Builder::with_capacity(spans.len());
        for span in spans {
            merged.push(span);
        }
        merged.finish()
    }

    /// The union of `spans` that are already as this type keeps them: sorted,
    /// disjoint, not touching, not empty. Saves the sort and the merge.
    pub fn from_sorted_spans(spans: Vec<Span>) -> Self {
        debug_assert!(
            spans.iter().all(|span| !span.is_empty())
                && spans
                    .windows(2)
                    .all(|two| (two[0].y, two[0].x1) < (two[1].y, two[1].x0)),
            "spans must be sorted, merged and not empty"
        );
        let (mut bounds, mut area) = (Rect::EMPTY, 0);
        if let (Some(first), Some(last)) = (spans.first(), spans.last()) {
            bounds = Rect::new(u32::MAX, first.y, 0, last.y + 1);
        }
        for span in &spans {
            bounds.x0 = bounds.x0.min(span.x0);
            bounds.x1 = bounds.x1.max(span.x1);
            area += u64::from(span.len());
        }
        Self {
            spans: spans.into(),
            bounds,
            area,
        }
    }

    /// Every pixel of `rect`.
    pub fn from_rect(rect: Rect) -> Self {
        if rect.is_empty() {
            return Self::empty();
        }
        let row = |y| Span::new(y, rect.x0, rect.x1);
        Self::from_sorted_spans((rect.y0..rect.y1).map(row).collect())
    }

    /// The pixels of `rect` for which `inside(x, y)` holds; asks for each of
    /// them once, row by row.
    pub fn from_fn(rect: Rect, mut inside: impl FnMut(u32, u32) -> bool) -> Self {
        let mut spans = Vec::new();
        for y in rect.y0..rect.y1 {
            let mut start = None;
            for x in rect.x0..rect.x1 {
                match (inside(x, y), start) {
                    (true, None) => start = Some(x),
                    (false, Some(x0)) => {
                        spans.push(Span::new(y, x0, x));
                        start = None;
                    }
                    _ => {}
                }
            }
            if let Some(x0) = start {
                spans.push(Span::new(y, x0, rect.x1));
            }
        }
        Self::from_sorted_spans(spans)
    }

    /// The pixels of `rect` whose byte in `bitmap` is not 0. `bitmap` is
    /// row-major, `rect.height()` × `rect.width()`; missing bytes count as 0.
    pub fn from_bitmap(rect: Rect, bitmap: &[u8]) -> Self {
        let mut spans = Vec::new();
        if rect.is_empty() {
            return Self::empty();
        }
        let rows = bitmap.chunks(rect.width() as usize);
        for (y, row) in (rect.y0..rect.y1).zip(rows) {
            let mut x = 0;
            while let Some(start) = find(row, x, |byte| byte != 0) {
                let end = find(row, start, |byte| byte == 0).unwrap_or(row.len());
                spans.push(Span::new(y, rect.x0 + start as u32, rect.x0 + end as u32));
                x = end;
            }
        }
        Self::from_sorted_spans(spans)
    }

    /// All spans, sorted by row, then column.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The spans of row `y`.
    pub fn row(&self, y: u32) -> &[Span] {
        self.rows_between(y, y.saturating_add(1))
    }

    /// The spans of rows `y0..y1`.
    pub fn rows_between(&self, y0: u32, y1: u32) -> &[Span] {
        let first = self.spans.partition_point(|span| span.y < y0);
        let count = self.spans[first..].partition_point(|span| span.y < y1);
        &self.spans[first..first + count]
    }

    /// The smallest box around all pixels.
    pub fn bounds(&self) -> Rect {
        self.bounds
    }

    /// Number of pixels.
    pub fn area(&self) -> u64 {
        self.area
    }

    /// Whether there are no pixels.
    pub fn is_empty(&self) -> bool {
        self.area == 0
    }

    /// Whether the pixel `(x, y)` is in the set.
    pub fn contains(&self, x: u32, y: u32) -> bool {
        let after = self.spans.partition_point(|s| (s.y, s.x0) <= (y, x));
        after > 0 && {
            let span = self.spans[after - 1];
            span.y == y && x < span.x1
        }
    }

    /// The pixels in either.
    pub fn union(&self, other: &Mask) -> Mask {
        if other.is_empty() {
            return self.clone();
        }
        if self.is_empty() {
            return other.clone();
        }
        let (a, b) = (&self.spans, &other.spans);
        let mut merged = Builder::with_capacity(a.len() + b.len());
        let (mut i, mut j) = (0, 0);
        while i < a.len() || j < b.len() {
            let take_a = j == b.len() || (i < a.len() && a[i] <= b[j]);
            merged.push(if take_a { a[i] } else { b[j] });
            if take_a { i += 1 } else { j += 1 }
        }
        merged.finish()
    }

    /// The pixels in both.
    pub fn intersect(&self, other: &Mask) -> Mask {
        let mut spans = Vec::new();
        if self.bounds.intersect(other.bounds).is_empty() {
            return Self::empty();
        }
        for_each_overlap(&self.spans, &other.spans, |span| spans.push(span));
        Self::from_sorted_spans(spans)
    }

    /// The pixels of this one that are not in `other`.
    pub fn subtract(&self, other: &Mask) -> Mask {
        if self.bounds.intersect(other.bounds).is_empty() {
            return self.clone();
        }
        let b = &other.spans;
        let mut spans = Vec::with_capacity(self.spans.len());
        let mut j = 0;
        for span in self.spans.iter() {
            let mut rest = *span;
            while j < b.len() && (b[j].y, b[j].x1) <= (rest.y, rest.x0) {
                j += 1;
            }
            // A cut that reaches beyond this span may cut the next one too, so
            // look ahead with `k` and leave `j` where it is.
            let mut k = j;
            while k < b.len() && b[k].y == rest.y && b[k].x0 < rest.x1 {
                if b[k].x0 > rest.x0 {
                    spans.push(Span::new(rest.y, rest.x0, b[k].x0));
                }
                rest.x0 = b[k].x1;
                k += 1;
            }
            if !rest.is_empty() {
                spans.push(rest);
            }
            j = k.saturating_sub(1).max(j);
        }
        Self::from_sorted_spans(spans)
    }

    /// The pixels inside `rect`.
    pub fn clip(&self, rect: Rect) -> Mask {
        if rect.contains_rect(&self.bounds) {
            return self.clone();
        }
        if rect.intersect(self.bounds).is_empty() {
            return Self::empty();
        }
        let cut = |span: &Span| Span::new(span.y, span.x0.max(rect.x0), span.x1.min(rect.x1));
        let rows = self.rows_between(rect.y0, rect.y1).iter();
        Self::from_sorted_spans(rows.map(cut).filter(|span| !span.is_empty()).collect())
    }

    /// Intersection over union, 0..=1; 0 when both are empty.
    pub fn iou(&self, other: &Mask) -> f64 {
        let mut both = 0u64;
        if !self.bounds.intersect(other.bounds).is_empty() {
            for_each_overlap(&self.spans, &other.spans, |span| {
                both += u64::from(span.len());
            });
        }
        let either = self.area + other.area - both;
        if either == 0 {
            0.0
        } else {
            both as f64 / either as f64
        }
    }
}

/// Calls `found` with each overlap of two sorted span lists, in order.
fn for_each_overlap(a: &[Span], b: &[Span], mut found: impl FnMut(Span)) {
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a[i].y.cmp(&b[j].y) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => {
                let span = Span::new(a[i].y, a[i].x0.max(b[j].x0), a[i].x1.min(b[j].x1));
                if !span.is_empty() {
                    found(span);
                }
                if a[i].x1 < b[j].x1 { i += 1 } else { j += 1 }
            }
        }
    }
}

/// Calls `line(y, above, below)` for every horizontal line `y` between two rows
/// of which at least one has spans: `above` are those of row `y - 1`, `below`
/// those of row `y`.
pub(super) fn for_each_line(spans: &[Span], mut line: impl FnMut(u32, &[Span], &[Span])) {
    let (mut above, mut rest): (&[Span], _) = (&[], spans);
    let mut y = spans.first().map_or(0, |span| span.y);
    loop {
        let count = rest.iter().take_while(|span| span.y == y).count();
        let (below, further) = rest.split_at(count);
        if above.is_empty() && below.is_empty() {
            // A gap: go on at the next row that has spans.
            let Some(next) = further.first() else { return };
            y = next.y;
            continue;
        }
        line(y, above, below);
        (above, rest) = (below, further);
        // At the last row there is nothing left, so staying there ends the loop.
        y = y.saturating_add(1);
    }
}

/// Calls `change(x0, x1, enters)` from left to right for each maximal run of
/// columns that are in exactly one of two rows: in `below` if `enters`, else
/// in `above`.
pub(super) fn for_each_change(
    above: &[Span],
    below: &[Span],
    mut change: impl FnMut(u32, u32, bool),
) {
    let boundary = |row: &[Span], index: usize| {
        let span = row.get(index / 2)?;
        Some(if index.is_multiple_of(2) {
            span.x0
        } else {
            span.x1
        })
    };
    let (mut i, mut j, mut x) = (0, 0, 0);
    loop {
        let (a, b) = (boundary(above, i), boundary(below, j));
        let Some(next) = a.into_iter().chain(b).min() else {
            return;
        };
        if i % 2 != j % 2 {
            change(x, next, j % 2 == 1);
        }
        i += usize::from(a == Some(next));
        j += usize::from(b == Some(next));
        x = next;
    }
}

/// The index of the first byte at or after `from` that `wanted` accepts. Looks
/// at 16 bytes at a time, because masks are mostly long runs.
fn find(row: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let mut at = from;
    while let Some(chunk) = row.get(at..at + 16) {
        if chunk.iter().fold(false, |any, &byte| any | wanted(byte)) {
            break;
        }
        at += 16;
    }
    row[at..].iter().position(|&b| wanted(b)).map(|i| at + i)
}

/// Takes spans sorted by `(y, x0)` and merges those that overlap or touch.
struct Builder(Vec<Span>);

impl Builder {
    fn with_capacity(spans: usize) -> Self {
        Self(Vec::with_capacity(spans))
    }

    fn push(&mut self, span: Span) {
        match self.0.last_mut() {
            Some(last) if last.y == span.y && span.x0 <= last.x1 => {
                last.x1 = last.x1.max(span.x1);
            }
            _ => self.0.push(span),
        }
    }

    fn finish(self) -> Mask {
        Mask::from_sorted_spans(self.0)
    }
}

#[cfg(test)]
mod tests;
