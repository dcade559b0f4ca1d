//! What a forward pass records, and which attention heads it leaves out.

use super::ablation::{Ablation, LayerAblation};
use super::capture::{Capture, QueryKey};

/// How a forward pass is watched and interfered with. The default does neither
/// and costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Whether queries and keys are recorded.
    pub capture: Capture,
    /// Attention heads that are off.
    pub ablation: Ablation,
}

impl From<Capture> for Watch {
    fn from(capture: Capture) -> Self {
        Self {
            capture,
            ablation: Ablation::none(),
        }
    }
}

/// A [`Watch`] on its way through a network, from one attention layer to the
/// next. Every layer that can be recorded asks for [`Probe::next_layer`] once,
/// so that layers count as records do. The default records nothing and leaves
/// all attention heads on.
#[derive(Debug, Default)]
pub struct Probe<'a> {
    records: Option<&'a mut Vec<QueryKey>>,
    ablation: Option<&'a Ablation>,
    passed: usize,
}

impl<'a> Probe<'a> {
    /// Leaves records in `records`, if `watch` wants any.
    pub fn new(watch: &'a Watch, records: &'a mut Vec<QueryKey>) -> Self {
        Self {
            records: watch.capture.is_on().then_some(records),
            ablation: Some(&watch.ablation),
            passed: 0,
        }
    }

    /// Which attention heads are off in the layer that comes next.
    pub fn next_layer(&mut self) -> LayerAblation<'a> {
        let layer = self.passed;
        self.passed += 1;
        match self.ablation {
            Some(ablation) if !ablation.is_empty() => ablation.layer(layer),
            _ => LayerAblation::default(),
        }
    }

    /// Whether records are wanted.
    pub fn is_recording(&self) -> bool {
        self.records.is_some()
    }

    /// Keep a layer's record, if records are wanted.
    pub fn keep(&mut self, record: QueryKey) {
        if let Some(records) = self.records.as_deref_mut() {
            records.push(record);
        }
    }

    /// What has been recorded.
    pub fn records(&mut self) -> &mut [QueryKey] {
        self.records
            .as_deref_mut()
            .map_or(&mut [], Vec::as_mut_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_counted_and_nothing_is_wanted_by_default() {
        let watch = Watch {
            ablation: Ablation::none().with(1, 0),
            ..Watch::from(Capture::Off)
        };
        let mut records = Vec::new();
        let mut probe = Probe::new(&watch, &mut records);
        let off: Vec<bool> = (0..3).map(|_| !probe.next_layer().is_empty()).collect();
        assert_eq!(off, [false, true, false]);
        assert!(!probe.is_recording() && probe.records().is_empty());
        let mut probe = Probe::default();
        assert!(probe.next_layer().is_empty() && !probe.is_recording());
        let (watch, mut records) = (Watch::from(Capture::QueriesAndKeys), Vec::new());
        assert!(Probe::new(&watch, &mut records).is_recording());
    }
}
