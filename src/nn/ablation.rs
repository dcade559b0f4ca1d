//! Switching attention heads off, to see what they did.

use std::sync::Arc;

/// Attention heads that a forward pass leaves out: their output (the weighted
/// values, before the output projection) is zero. Michel, Levy & Neubig 2019,
/// "Are Sixteen Heads Really Better than One?" (arXiv 1905.10650).
///
/// A layer's number, from 0, is its place in the order in which a forward pass
/// records its attention layers; attention heads count from 0, too. What does
/// not exist is ignored by the pass: whoever asks checks. Clones share the set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ablation {
    /// (layer, attention head), sorted, none twice.
    off: Arc<[(usize, usize)]>,
}

impl Ablation {
    /// All attention heads work.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether all attention heads work.
    pub fn is_empty(&self) -> bool {
        self.off.is_empty()
    }

    /// Number of attention heads that are off.
    pub fn len(&self) -> usize {
        self.off.len()
    }

    /// Whether this attention head is off.
    pub fn is_off(&self, layer: usize, attention_head: usize) -> bool {
        self.off.binary_search(&(layer, attention_head)).is_ok()
    }

    /// This attention head off, too.
    pub fn with(&self, layer: usize, attention_head: usize) -> Self {
        self.iter().chain([(layer, attention_head)]).collect()
    }

    /// This attention head on again.
    pub fn without(&self, layer: usize, attention_head: usize) -> Self {
        self.kept(|at| at != (layer, attention_head))
    }

    /// This attention head off if it was on, and on if it was off.
    pub fn toggled(&self, layer: usize, attention_head: usize) -> Self {
        if self.is_off(layer, attention_head) {
            self.without(layer, attention_head)
        } else {
            self.with(layer, attention_head)
        }
    }

    /// The first `attention_heads` attention heads of a layer off: all, if it
    /// has as many.
    pub fn with_layer(&self, layer: usize, attention_heads: usize) -> Self {
        let more = (0..attention_heads).map(|head| (layer, head));
        self.iter().chain(more).collect()
    }

    /// All attention heads of a layer on again.
    pub fn without_layer(&self, layer: usize) -> Self {
        self.kept(|(other, _)| other != layer)
    }

    /// (layer, attention head) of each that is off, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.off.iter().copied()
    }

    /// What is off in one layer.
    pub fn layer(&self, layer: usize) -> LayerAblation<'_> {
        let from = self.off.partition_point(|(other, _)| *other < layer);
        let to = self.off.partition_point(|(other, _)| *other <= layer);
        LayerAblation(&self.off[from..to])
    }

    fn kept(&self, wanted: impl Fn((usize, usize)) -> bool) -> Self {
        self.iter().filter(|at| wanted(*at)).collect()
    }
}

impl FromIterator<(usize, usize)> for Ablation {
    fn from_iter<I: IntoIterator<Item = (usize, usize)>>(pairs: I) -> Self {
        let mut off: Vec<(usize, usize)> = pairs.into_iter().collect();
        off.sort_unstable();
        off.dedup();
        Self { off: off.into() }
    }
}

/// The attention heads of one layer that are off. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerAblation<'a>(&'a [(usize, usize)]);

impl LayerAblation<'_> {
    /// Whether all attention heads of the layer work.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Zero what attention heads give that are off: `rows` is (tokens, heads,
    /// `head_dim`), `inner` values a token.
    pub(super) fn silence(self, rows: &mut [f32], inner: usize, head_dim: usize) {
        for (_, head) in self.0 {
            let Some(from) = head.checked_mul(head_dim).filter(|from| *from < inner) else {
                continue;
            };
            for row in rows.chunks_exact_mut(inner) {
                row[from..from + head_dim].fill(0.0);
            }
        }
    }

    /// What `heads` attention heads are multiplied by, `head_dim` values each:
    /// 0 if it is off, otherwise 1.
    pub(crate) fn factors(self, heads: usize, head_dim: usize) -> Vec<f32> {
        let mut factors = vec![1.0; heads * head_dim];
        self.silence(&mut factors, heads * head_dim, head_dim);
        factors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn attention_heads_go_off_and_on_again() {
        let none = Ablation::none();
        assert!(none.is_empty() && !none.is_off(0, 0));
        let some = none.with(2, 1).with(0, 3).with(2, 1);
        assert_eq!(some.iter().collect::<Vec<_>>(), [(0, 3), (2, 1)]);
        assert!(some.is_off(2, 1) && !some.is_off(1, 2));
        assert_eq!(some.toggled(2, 1), none.with(0, 3));
        assert_eq!(some.toggled(2, 1).toggled(2, 1), some);
        let layer = some.with_layer(2, 3);
        assert_eq!(layer.len(), 4);
        assert_eq!(layer.without_layer(2), none.with(0, 3));
        assert_eq!(layer.without_layer(2).without(0, 3), none);
        // Part of the keys of caches: the same for the same set.
        let other = none.with(0, 3).with(2, 1);
        assert_eq!(format!("{some:?}"), format!("{other:?}"));
        assert_eq!(format!("{some:?}"), "Ablation { off: [(0, 3), (2, 1)] }");
    }

    #[test]
    fn what_is_off_is_zeroed_and_nothing_else() {
        let off = Ablation::none().with(1, 2).with(1, 0).with(0, 1);
        let off = off.with(1, 3).with(1, usize::MAX);
        let mut rows: Vec<f32> = (1..=12).map(|v| v as f32).collect();
        off.layer(1).silence(&mut rows, 6, 2);
        let want = [0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 9.0, 10.0, 0.0, 0.0];
        assert_eq!(rows, want);
        off.layer(7).silence(&mut rows, 6, 2);
        assert_eq!(rows, want);
        assert!(off.layer(7).is_empty() && !off.layer(0).is_empty());
        assert_eq!(off.layer(0).factors(2, 2), [1.0, 1.0, 0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((0usize..4, 0usize..4), 0..40)) {
            let mut set = BTreeSet::new();
            let mut ablation = Ablation::none();
            for (layer, head) in steps {
                ablation = ablation.toggled(layer, head);
                if !set.remove(&(layer, head)) {
                    set.insert((layer, head));
                }
                prop_assert_eq!(ablation.is_off(layer, head), set.contains(&(layer, head)));
                prop_assert!(ablation.iter().eq(set.iter().copied()));
            }
        }
    }
}
