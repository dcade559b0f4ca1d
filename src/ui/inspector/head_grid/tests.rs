use super::*;
use crate::nn::capture::Grid;
use egui::Modifiers;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

/// Three layers with 4, 4 and 2 attention heads, of which the last cannot answer.
#[derive(Default)]
struct Bench {
    grid: HeadGrid,
    chosen: Vec<(usize, usize)>,
    off: Vec<(usize, usize)>,
    actions: Vec<GridAction>,
}

impl Bench {
    /// Does what the panel would do.
    fn show(&mut self, ui: &mut Ui) {
        let grid = Grid {
            rows: 4,
            columns: 4,
        };
        let maps = vec![Heatmap::zeros(grid); 4];
        let layer = |name, maps, reason, heads| LayerThumbs {
            name,
            maps,
            reason,
            heads,
        };
        let layers = [
            layer("blocks.0.attn", &maps[..], None, 4),
            layer("blocks.1.attn", &maps[..], None, 4),
            layer("blocks.2.attn", &[][..], Some("No class token here"), 2),
        ];
        let mut out = Vec::new();
        let off = |layer, head| self.off.contains(&(layer, head));
        let input = GridInput {
            layers: &layers,
            chosen: &self.chosen,
            compared: Some((0, 3)),
            highlighted: Some((1, 3)),
            off: &off,
            colors: ColorMap::Viridis,
            shared_range: false,
            serial: 1,
        };
        self.grid.show(ui, &input, &mut out);
        for action in &out {
            if let GridAction::Choose(layer, head) = action {
                self.chosen = vec![(*layer, *head)];
            }
        }
        self.actions.extend(out);
    }
}

fn harness() -> Harness<'static, Bench> {
    let bench = Bench {
        chosen: vec![(0, 0)],
        off: vec![(1, 1)],
        ..Bench::default()
    };
    let mut harness = Harness::builder()
        .with_size(Vec2::new(300.0, 400.0))
        .build_ui_state(|ui, bench: &mut Bench| bench.show(ui), bench);
    harness.run();
    harness
}

/// What happened apart from hovering, and forget it.
fn done(harness: &mut Harness<'static, Bench>) -> Vec<GridAction> {
    let actions = std::mem::take(&mut harness.state_mut().actions);
    let hover = |action: &GridAction| matches!(action, GridAction::Hover(..));
    actions
        .into_iter()
        .filter(|action| !hover(action))
        .collect()
}

#[test]
fn every_attention_head_has_a_name() {
    let harness = harness();
    for (layer, heads) in [(0, 4), (1, 4), (2, 2)] {
        for head in 0..heads {
            harness.get_by_label(&format!("Layer {layer}, attention head {head}"));
        }
    }
    let none = harness.query_by_label("Layer 2, attention head 2");
    assert!(none.is_none());
}

#[test]
fn clicks_choose_compare_and_collect() {
    let mut harness = harness();
    for (modifiers, action) in [
        (Modifiers::SHIFT, GridAction::Compare(1, 2)),
        (Modifiers::COMMAND, GridAction::ToggleInSet(1, 2)),
        (Modifiers::NONE, GridAction::Choose(1, 2)),
    ] {
        let cell = harness.get_by_label("Layer 1, attention head 2");
        cell.click_modifiers(modifiers);
        harness.run();
        assert_eq!(done(&mut harness), [action]);
    }
    assert_eq!(harness.state().chosen, [(1, 2)]);
}

#[test]
fn hovering_tells_which_one() {
    let mut harness = harness();
    harness.get_by_label("Layer 2, attention head 1").hover();
    harness.run();
    let actions = &harness.state().actions;
    assert_eq!(actions.last(), Some(&GridAction::Hover(2, 1)));
    harness.get_by_label_contains("No class token here");
    harness.remove_cursor();
    harness.run();
    let seen = harness.state().actions.len();
    harness.step();
    assert_eq!(harness.state().actions.len(), seen);
}

#[test]
fn the_menu_switches_off_and_on() {
    let mut harness = harness();
    for (cell, item, action) in [
        (
            "Layer 0, attention head 1",
            "Switch off",
            GridAction::ToggleOff(0, 1),
        ),
        (
            "Layer 1, attention head 1",
            "Switch on",
            GridAction::ToggleOff(1, 1),
        ),
        (
            "Layer 0, attention head 0",
            "Take out of those shown",
            GridAction::ToggleInSet(0, 0),
        ),
        (
            "Layer 1, attention head 3",
            "Compare with this one",
            GridAction::Compare(1, 3),
        ),
    ] {
        harness.get_by_label(cell).click_secondary();
        harness.run();
        harness.get_by_label(item).click();
        harness.run();
        assert_eq!(done(&mut harness), [action], "{item}");
    }
}

#[test]
fn arrows_move_the_choice() {
    let mut harness = harness();
    harness.get_by_label("Layer 0, attention head 0").focus();
    harness.run();
    for (key, chosen) in [
        (Key::ArrowRight, (0, 1)),
        (Key::ArrowRight, (0, 2)),
        (Key::ArrowRight, (0, 3)),
        (Key::ArrowRight, (0, 3)),
        (Key::ArrowUp, (0, 3)),
        (Key::ArrowDown, (1, 3)),
        // The last layer has two.
        (Key::ArrowDown, (2, 1)),
        (Key::ArrowDown, (2, 1)),
        (Key::ArrowLeft, (2, 0)),
    ] {
        harness.key_press(key);
        harness.run();
        assert_eq!(harness.state().chosen, [chosen], "{key:?}");
    }
}

#[test]
fn cells_fit_the_panel_or_keep_their_least_size() {
    let layers = |heads| {
        [LayerThumbs {
            name: "layer",
            maps: &[],
            reason: None,
            heads,
        }]
    };
    let side = |width, heads| Layout::new(width, &layers(heads)).cell.x;
    assert_eq!(side(276.0, 4), 40.0);
    assert_eq!(side(276.0, 6), 39.0);
    assert_eq!(side(276.0, 16), 18.0);
    for heads in [1, 6, 10, 12] {
        let layout = Layout::new(276.0, &layers(heads));
        assert!(layout.extent.x <= 276.0, "{heads}");
    }
    assert_eq!(Layout::new(276.0, &[]).extent.y, size::THUMBNAIL_NUMBERS.y);
}

#[test]
fn twelve_layers_are_seen_at_once() {
    let maps = vec![
        Heatmap::zeros(Grid {
            rows: 3,
            columns: 2
        });
        2
    ];
    let layer = LayerThumbs {
        name: "layer",
        maps: &maps,
        reason: None,
        heads: 2,
    };
    let layout = Layout::new(276.0, &[layer; 12]);
    assert!(layout.extent.y <= size::HEAD_GRID, "{}", layout.extent.y);
    assert_eq!(layout.cell, Vec2::new(20.0, 30.0));
}

#[test]
fn no_layers_are_no_grid() {
    let mut grid = HeadGrid::default();
    let mut harness = Harness::new_ui(move |ui| {
        let input = GridInput {
            layers: &[],
            chosen: &[],
            compared: None,
            highlighted: None,
            off: &|_, _| false,
            colors: ColorMap::Magma,
            shared_range: true,
            serial: 0,
        };
        grid.show(ui, &input, &mut Vec::new());
    });
    harness.run();
}
