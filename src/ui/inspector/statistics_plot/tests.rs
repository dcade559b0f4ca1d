use super::*;
use egui::Vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

fn head(distance: Option<f32>, entropy: f32, prefix_mass: f32) -> HeadStatistics {
    HeadStatistics {
        entropy,
        mean_distance: distance,
        prefix_mass,
        padding_mass: 0.0,
    }
}

#[derive(Default)]
struct Bench {
    plot: StatisticsPlot,
    statistics: Vec<Vec<HeadStatistics>>,
    actions: Vec<GridAction>,
}

fn harness(statistics: Vec<Vec<HeadStatistics>>) -> Harness<'static, Bench> {
    let bench = Bench {
        statistics,
        ..Bench::default()
    };
    let show = |ui: &mut Ui, bench: &mut Bench| {
        let input = PlotInput {
            statistics: &bench.statistics,
            chosen: &[(0, 0)],
            highlighted: Some((1, 0)),
        };
        bench.plot.show(ui, &input, &mut bench.actions);
    };
    let mut harness = Harness::builder()
        .with_size(Vec2::new(300.0, 260.0))
        .build_ui_state(show, bench);
    harness.run_steps(3);
    harness
}

#[test]
fn values_that_are_none_or_no_numbers_have_no_point() {
    let statistics = [
        vec![head(Some(10.0), 1.0, 0.1), head(None, f32::NAN, 0.2)],
        vec![],
        vec![head(Some(f32::INFINITY), 3.0, 0.3)],
    ];
    let found = |measure| -> Vec<(usize, usize, f32)> {
        let points = points(measure, &statistics).into_iter();
        points.map(|at| (at.layer, at.head, at.value)).collect()
    };
    assert_eq!(found(Measure::Distance), [(0, 0, 10.0)]);
    assert_eq!(found(Measure::Entropy), [(0, 0, 1.0), (2, 0, 3.0)]);
    let shares = [(0, 0, 0.1), (0, 1, 0.2), (2, 0, 0.3)];
    assert_eq!(found(Measure::PrefixShare), shares);
}

#[test]
fn the_nearest_point_within_reach_is_meant() {
    let points: Vec<Point> = (0..3)
        .map(|head| Point {
            layer: 0,
            head,
            value: 6.0 * head as f32,
        })
        .collect();
    let place = |point: &Point| Pos2::new(50.0, point.value);
    let head = |y: f32| nearest(&points, place, Pos2::new(50.0, y)).map(|point| point.head);
    assert_eq!(head(2.9), Some(0));
    assert_eq!(head(3.1), Some(1));
    assert_eq!(head(21.9), Some(2));
    assert_eq!(head(22.1), None);
}

#[test]
fn pointing_and_clicking_name_the_attention_head() {
    // Two layers: the right point is at three quarters of the width.
    let mut harness = harness(vec![
        vec![head(Some(20.0), 1.0, 0.0)],
        vec![head(Some(80.0), 1.0, 0.0)],
    ]);
    let chart = "Chart: Mean attention distance of 2 attention heads";
    let rect = harness.get_by_label(chart).rect();
    let x = rect.left() + 0.75 * rect.width();
    let heights = (0..40).map(|step| rect.top() + step as f32 / 40.0 * rect.height());
    let found = heights.into_iter().find(|y| {
        harness.hover_at(Pos2::new(x, *y));
        harness.step();
        !harness.state().actions.is_empty()
    });
    let at = Pos2::new(x, found.unwrap() + 2.0);
    harness.state_mut().actions.clear();
    harness.drag_at(at);
    harness.drop_at(at);
    harness.run_steps(2);
    let actions = &harness.state().actions;
    assert!(actions.contains(&GridAction::Choose(1, 0)), "{actions:?}");
    let other =
        |action: &GridAction| ![GridAction::Choose(1, 0), GridAction::Hover(1, 0)].contains(action);
    assert!(!actions.iter().any(other), "{actions:?}");
}

#[test]
fn the_measure_is_chosen_by_name() {
    let mut harness = harness(vec![vec![head(None, 1.5, 0.0), head(None, 2.0, 0.0)]]);
    harness.get_by_label("No attention head here has this number");
    harness.get_by_label("Entropy").click();
    harness.run_steps(2);
    harness.get_by_label("Chart: Entropy of attention of 2 attention heads");
    assert_eq!(harness.state().plot.measure, Measure::Entropy);
    harness.get_by_label("Prefix share").click();
    // It comes to rest.
    harness.run();
    // All shares are zero, which is a chart too.
    harness.get_by_label("Chart: Share of attention on prefix tokens of 2 attention heads");
}

#[test]
fn deep_models_leave_out_some_layer_numbers() {
    let numbers = |layers| whole_numbers(layers).len();
    assert_eq!(
        [numbers(0), numbers(1), numbers(12), numbers(24)],
        [0, 1, 12, 12]
    );
}
