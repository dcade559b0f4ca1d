//! Recording attention and asking about it, through both threads.

use super::*;
use crate::attention::{Place, RolloutOptions, TokenMask};

impl Bench {
    fn inspected(&self, photo: &Arc<Photo>) -> Inspection {
        match self.final_of(self.send(1, inspect(photo))) {
            EventKind::Inspected(inspection) => inspection,
            other => panic!("{other:?}"),
        }
    }

    fn analysed(&self, kind: JobKind) -> Analysed {
        match self.final_of(self.send(1, kind)) {
            EventKind::Analysed(analysed) => analysed,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn attention_is_recorded_once_and_asked_often() {
    let bench = Bench::new();
    let photo = photo();
    let inspection = bench.inspected(&photo);
    let ask = |analysis| bench.analysed(analyse(&photo, &inspection, analysis));
    let place = Place::Points(vec![[20.0, 15.0]]);
    let Analysed::Rows(rows) = ask(Analysis::Rows(place.clone())) else {
        panic!("rows are asked for");
    };
    assert_eq!(rows.len(), inspection.layers.records.len());
    let Analysed::Reverse(reverse) = ask(Analysis::Reverse) else {
        panic!("the other way round is asked for");
    };
    assert_eq!(reverse.len(), rows.len());
    let Analysed::Rows(columns) = ask(Analysis::Columns(place.clone(), reverse)) else {
        panic!("who looks there is asked for");
    };
    assert_eq!(columns.len(), rows.len());
    let options = RolloutOptions::default();
    let Analysed::Whole(whole) = ask(Analysis::Rollout(place, options)) else {
        panic!("rollout is asked for");
    };
    assert!((whole.row.total() - 1.0).abs() < 1e-4);
    let grid = whole.row.grid.unwrap().grid;
    let soft = TokenMask::from_tokens(grid, &[(0, 0)]).heatmap();
    let refine = Analysis::Refine {
        soft,
        view: inspection.layers.view,
    };
    let Analysed::Refined(mask) = ask(refine) else {
        panic!("a mask is asked for");
    };
    assert!(mask.contains(1, 1) && !mask.contains(30, 20));
    // None of it needs the engine.
    assert_eq!(bench.control.inspections().len(), 1);
    assert_eq!(bench.control.analyses().len(), 0);
    let Analysed::Outcome(_) = ask(Analysis::WhatIf(WhatIf::default())) else {
        panic!("a prediction is asked for");
    };
    assert_eq!(bench.control.analyses().len(), 1);
}

#[test]
fn a_question_is_held_and_cancelled() {
    let bench = Bench::new();
    let photo = photo();
    let inspection = bench.inspected(&photo);
    bench.control.hold(Stage::Analysing);
    let rank = || analyse(&photo, &inspection, Analysis::Rank(WhatIf::default()));
    let first = bench.send(1, rank());
    assert!(bench.control.wait_until_held(Stage::Analysing, LIMIT));
    let second = bench.send(1, rank());
    assert!(matches!(bench.final_of(first), EventKind::Cancelled));
    bench.worker.cancel(second);
    assert!(matches!(bench.final_of(second), EventKind::Cancelled));
    bench.control.release(Stage::Analysing);
    let asked = Analysis::Relevance {
        class: Some(2),
        part: None,
    };
    let Analysed::Explained(found) = bench.analysed(analyse(&photo, &inspection, asked)) else {
        panic!("a class is asked for");
    };
    assert_eq!((found.class, found.name.as_str()), (2, "cup"));
}
