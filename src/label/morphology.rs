//! Connected areas of masks: components, holes, islands.
//!
//! Pixels of a mask that touch at a corner belong together (8 neighbours), so
//! the pixels around it do so only across an edge (4 neighbours): a diagonal
//! line closes a hole.

use super::{Mask, Rect, Span};

impl Mask {
    /// The connected areas, pixels that touch at a corner belonging together;
    /// in the order of their topmost, then leftmost pixels.
    pub fn components(&self) -> Vec<Mask> {
        let areas = Areas::of(self.spans(), Neighbours::Eight);
        let mut parts = vec![Vec::new(); areas.count];
        for (span, &area) in self.spans().iter().zip(&areas.of_span) {
            parts[area].push(*span);
        }
        parts.into_iter().map(Mask::from_sorted_spans).collect()
    }

    /// This mask with every hole of less than `area` pixels filled. A bay that
    /// is open to the outside is no hole.
    pub fn fill_holes_below(&self, area: u64) -> Mask {
        let bounds = self.bounds();
        let outside = complement(self, bounds);
        let areas = Areas::of(&outside, Neighbours::Four);
        let mut sizes = areas.sizes(&outside);
        for (span, &number) in outside.iter().zip(&areas.of_span) {
            let at_edge = span.x0 == bounds.x0
                || span.x1 == bounds.x1
                || span.y == bounds.y0
                || span.y + 1 == bounds.y1;
            if at_edge {
                sizes[number] = u64::MAX;
            }
        }
        let fill = keep(&outside, |index| sizes[areas.of_span[index]] < area);
        self.union(&Mask::from_sorted_spans(fill))
    }

    /// This mask without connected areas of less than `area` pixels; the
    /// largest one always stays, so that something is left.
    pub fn drop_islands_below(&self, area: u64) -> Mask {
        let areas = Areas::of(self.spans(), Neighbours::Eight);
        let sizes = areas.sizes(self.spans());
        let limit = area.min(sizes.iter().copied().max().unwrap_or(0));
        if sizes.iter().all(|&size| size >= limit) {
            return self.clone();
        }
        let spans = keep(self.spans(), |index| sizes[areas.of_span[index]] >= limit);
        Self::from_sorted_spans(spans)
    }
}

/// The spans whose index `wanted` accepts.
fn keep(spans: &[Span], wanted: impl Fn(usize) -> bool) -> Vec<Span> {
    let indexed = spans.iter().enumerate();
    let kept = indexed.filter(|(index, _)| wanted(*index));
    kept.map(|(_, span)| *span).collect()
}

/// The pixels of `rect` that are not in `mask`, sorted.
fn complement(mask: &Mask, rect: Rect) -> Vec<Span> {
    let mut spans = Vec::with_capacity(mask.spans().len());
    let mut rest = mask.rows_between(rect.y0, rect.y1);
    for y in rect.y0..rect.y1 {
        let (row, further) = rest.split_at(rest.iter().take_while(|s| s.y == y).count());
        rest = further;
        let mut x = rect.x0;
        for span in row {
            if span.x0 > x {
                spans.push(Span::new(y, x, span.x0.min(rect.x1)));
            }
            x = x.max(span.x1);
        }
        if x < rect.x1 {
            spans.push(Span::new(y, x, rect.x1));
        }
    }
    spans
}

/// Which pixels belong together.
#[derive(Clone, Copy, PartialEq)]
enum Neighbours {
    /// Those that share an edge.
    Four,
    /// Those that share an edge or a corner.
    Eight,
}

/// The connected areas of a sorted list of spans.
struct Areas {
    /// For each span, the number of its area; numbers go by first span.
    of_span: Vec<usize>,
    count: usize,
}

impl Areas {
    fn of(spans: &[Span], neighbours: Neighbours) -> Self {
        // Union-find over spans; the root of an area is its first span.
        let mut parents: Vec<usize> = (0..spans.len()).collect();
        let reach = u32::from(neighbours == Neighbours::Eight);
        let mut above = 0;
        for (index, span) in spans.iter().enumerate() {
            // `above` is the first span of the row before that can touch this
            // span or one after it.
            let passed = |up: &Span| (up.y + 1, up.x1.saturating_add(reach)) <= (span.y, span.x0);
            while passed(&spans[above]) {
                above += 1;
            }
            let end = span.x1.saturating_add(reach);
            let row = &spans[above..index];
            let touching = row
                .iter()
                .take_while(|up| up.y + 1 == span.y && up.x0 < end);
            for (other, _) in (above..).zip(touching) {
                join(&mut parents, other, index);
            }
        }
        let mut count = 0;
        let mut of_span = vec![0; spans.len()];
        for index in 0..spans.len() {
            let root = find(&mut parents, index);
            of_span[index] = if root == index { count } else { of_span[root] };
            count += usize::from(root == index);
        }
        Self { of_span, count }
    }

    fn sizes(&self, spans: &[Span]) -> Vec<u64> {
        let mut sizes = vec![0; self.count];
        for (span, &area) in spans.iter().zip(&self.of_span) {
            sizes[area] += u64::from(span.len());
        }
        sizes
    }
}

fn find(parents: &mut [usize], mut index: usize) -> usize {
    while parents[index] != index {
        parents[index] = parents[parents[index]];
        index = parents[index];
    }
    index
}

fn join(parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (find(parents, a), find(parents, b));
    parents[a.max(b)] = a.min(b);
}

#[cfg(test)]
mod tests;
