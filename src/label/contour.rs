//! Outlines of masks.

use super::Mask;
use super::mask::{for_each_change, for_each_line};

/// A horizontal piece of outline on the line above row `y`, from corner `x0`
/// to corner `x1`.
struct Edge {
    y: u32,
    x0: u32,
    x1: u32,
    /// Whether the pixels below are the ones inside.
    enters: bool,
}

/// Index of one end of an edge: `2 * edge` for the left end, one more for the
/// right end.
type End = u32;

const NONE: End = u32::MAX;

/// The boundary of `mask` as closed polylines over pixel corners `[x, y]`: pixel
/// `(x, y)` has the corners `[x, y]` to `[x + 1, y + 1]`.
///
/// Only corners where the outline turns are listed, each once; the last one
/// connects back to the first. The inside is to the right of the direction of
/// travel: outer outlines run clockwise on screen, holes counter-clockwise.
/// Filling all of them by the even-odd (or the non-zero) rule gives the mask
/// back.
///
/// Pixels that touch only at a corner are kept apart (4 neighbours), so that
/// no outline crosses itself, as polygon formats want it. Outlines are in the
/// order of their topmost, then leftmost edges.
///
/// Time and memory go with the length of the outline plus the width of the
/// box around the mask.
pub fn contours(mask: &Mask) -> Vec<Vec<[u32; 2]>> {
    let (edges, across) = edges(mask);
    let mut seen = vec![false; edges.len()];
    let mut contours = Vec::new();
    for first in 0..edges.len() {
        if seen[first] {
            continue;
        }
        let mut contour = Vec::new();
        let mut at = first;
        while !seen[at] {
            seen[at] = true;
            let edge = &edges[at];
            let (left, right) = ([edge.x0, edge.y], [edge.x1, edge.y]);
            let end = if edge.enters {
                contour.extend([left, right]);
                2 * at + 1
            } else {
                contour.extend([right, left]);
                2 * at
            };
            at = across[end] as usize / 2;
        }
        contours.push(contour);
    }
    contours
}

/// All horizontal edges, and for each [`End`] the one that the vertical edge
/// at it leads to.
fn edges(mask: &Mask) -> (Vec<Edge>, Vec<End>) {
    let mut edges: Vec<Edge> = Vec::new();
    let mut links = Links {
        across: Vec::new(),
        open: vec![NONE; mask.bounds().width() as usize + 1],
        left: mask.bounds().x0,
    };
    for_each_line(mask.spans(), |y, above, below| {
        let line = edges.len();
        for_each_change(above, below, |x0, x1, enters| {
            edges.push(Edge { y, x0, x1, enters });
        });
        links.across.resize(2 * edges.len(), NONE);
        let mut index = line;
        while index < edges.len() {
            let edge = &edges[index];
            let (left, right) = (2 * index as End, 2 * index as End + 1);
            // A left end that touches the edge before was linked with it.
            if index == line || edges[index - 1].x1 != edge.x0 {
                links.corner(edge.x0, left);
            }
            match edges.get(index + 1) {
                Some(next) if next.x0 == edge.x1 => {
                    links.saddle(edge.x1, right, right + 1, edge.enters);
                }
                _ => links.corner(edge.x1, right),
            }
            index += 1;
        }
    });
    (edges, links.across)
}

/// Links ends of edges along vertical edges, line by line from the top.
struct Links {
    across: Vec<End>,
    /// For each column of corners from `left` on, the end from which a vertical
    /// edge goes on down.
    open: Vec<End>,
    left: u32,
}

impl Links {
    /// A corner with one horizontal and one vertical edge.
    fn corner(&mut self, x: u32, end: End) {
        let open = &mut self.open[(x - self.left) as usize];
        if *open == NONE {
            *open = end;
        } else {
            let above = std::mem::replace(open, NONE);
            self.link(above, end);
        }
    }

    /// A corner at which two pixels touch diagonally, with all four edges; the
    /// links keep the two pixels apart.
    fn saddle(&mut self, x: u32, left: End, right: End, left_enters: bool) {
        let (with_above, with_below) = if left_enters {
            (right, left)
        } else {
            (left, right)
        };
        let open = &mut self.open[(x - self.left) as usize];
        let above = std::mem::replace(open, with_below);
        self.link(above, with_above);
    }

    fn link(&mut self, a: End, b: End) {
        self.across[a as usize] = b;
        self.across[b as usize] = a;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{Rect, Span};
    use proptest::prelude::*;

    /// Fills polylines by the even-odd rule, looking at pixel centres.
    fn filled(contours: &[Vec<[u32; 2]>], size: u32) -> Mask {
        Mask::from_fn(Rect::of_size(size, size), |x, y| {
            let mut inside = false;
            for contour in contours {
                for (i, a) in contour.iter().enumerate() {
                    let b = contour[(i + 1) % contour.len()];
                    let (top, bottom) = (a[1].min(b[1]), a[1].max(b[1]));
                    inside ^= a[0] == b[0] && a[0] <= x && top <= y && y < bottom;
                }
            }
            inside
        })
    }

    /// Twice the signed area; positive for clockwise on screen.
    fn shoelace(contour: &[[u32; 2]]) -> i64 {
        let next = contour.iter().cycle().skip(1);
        let cross = |(a, b): (&[u32; 2], &[u32; 2])| {
            i64::from(a[0]) * i64::from(b[1]) - i64::from(b[0]) * i64::from(a[1])
        };
        contour.iter().zip(next).map(cross).sum()
    }

    #[test]
    fn a_rectangle_has_four_corners_clockwise() {
        let mask = Mask::from_rect(Rect::new(2, 3, 7, 5));
        assert_eq!(contours(&mask), [[[2, 3], [7, 3], [7, 5], [2, 5]]]);
        assert!(contours(&Mask::empty()).is_empty());
    }

    #[test]
    fn a_hole_runs_the_other_way() {
        let ring = Mask::from_rect(Rect::new(0, 0, 5, 5))
            .subtract(&Mask::from_rect(Rect::new(1, 1, 4, 3)));
        let found = contours(&ring);
        assert_eq!(found.len(), 2);
        assert_eq!(shoelace(&found[0]), 50);
        assert_eq!(shoelace(&found[1]), -12);
    }

    #[test]
    fn diagonal_pixels_are_kept_apart() {
        let falling = Mask::from_spans(vec![Span::new(0, 0, 1), Span::new(1, 1, 2)]);
        let rising = Mask::from_spans(vec![Span::new(0, 1, 2), Span::new(1, 0, 1)]);
        for mask in [falling, rising] {
            let found = contours(&mask);
            assert_eq!(found.len(), 2, "{found:?}");
            assert!(found.iter().all(|contour| shoelace(contour) == 2));
        }
    }

    proptest! {
        #[test]
        fn filling_the_contours_gives_the_mask_back(bits in prop::collection::vec(any::<bool>(), 144)) {
            let mask = Mask::from_fn(Rect::of_size(12, 12), |x, y| bits[(y * 12 + x) as usize]);
            let found = contours(&mask);
            prop_assert_eq!(filled(&found, 12), mask.clone());
            let area: i64 = found.iter().map(|contour| shoelace(contour)).sum();
            prop_assert_eq!(area, 2 * mask.area() as i64);
            for contour in &found {
                for i in 0..contour.len() {
                    let at = |k: usize| contour[(i + k) % contour.len()];
                    let (a, b, c) = (at(0), at(1), at(2));
                    prop_assert!((a[0] == b[0]) != (b[0] == c[0]), "b is no corner");
                    prop_assert!((a[1] == b[1]) != (b[1] == c[1]), "b is no corner");
                }
                let mut corners = contour.clone();
                corners.sort_unstable();
                let double = corners.windows(2).filter(|two| two[0] == two[1]).count();
                // Touching itself at a corner is fine, crossing is not: then the
                // inside would be on both sides.
                prop_assert!(double <= contour.len() / 4);
            }
        }
    }
}
