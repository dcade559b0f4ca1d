//! Layers whose tokens do not see the whole photo.

use super::*;
use crate::attention::testing::every_kind;
use crate::attention::{TokenRect, mass_threshold};
use crate::models::geometry::View;
use crate::nn::capture::Grid;

/// The inspector with such layers: windows of 4 × 4 on 5 × 7 tokens, patches of
/// 2 × 2 on 4 × 6, and one that sees everything; the first one is shown.
fn inspecting() -> Bench {
    let mut bench = Bench::inspecting();
    let wanted = ["windows", "phases", "global"];
    let kinds = every_kind();
    let find = |name: &&str| kinds.iter().find(|record| record.layer == **name).unwrap();
    let recorded = bench.app.inspector.recorded.as_mut().unwrap();
    recorded.inspection.layers.records = wanted.iter().map(find).cloned().collect();
    bench.app.inspector.layer = 0;
    bench
}

#[test]
fn windows_are_shown_whichever_way_it_is_looked() {
    let mut bench = inspecting();
    bench.app.settings.attention.clip = 5.0;
    let window = TokenRect {
        top: 0,
        left: 4,
        bottom: 4,
        right: 7,
    };
    for direction in [Direction::From, Direction::To] {
        bench.app.inspector.direction = direction;
        bench.app.look_at([110.0, 5.0]);
        bench.settle();
        let picture = &bench.inspector().pictures()[0];
        assert_eq!(picture.windows, [window], "{direction:?}");
        // What is outside of them does not pass for the lowest values.
        let style = &bench.app.settings.attention;
        let (_, (_, high)) = style.colors_of(picture, std::slice::from_ref(picture));
        let (_, (_, in_window)) = {
            let cut = Picture {
                map: picture.map.part(window),
                windows: Vec::new(),
                ..picture.clone()
            };
            style.colors_of(&cut, std::slice::from_ref(&cut))
        };
        assert_eq!(high, in_window);
        // Thumbnails and sheets show the window, over its part of the photo.
        let inspector = bench.inspector();
        let maps = inspector.maps()[0].as_ref().unwrap();
        let (cut, view) = inspector.in_sight(0, maps).unwrap();
        assert_eq!((cut[0].grid.rows, cut[0].grid.columns), (4, 3));
        let under = View {
            left: 120.0 * 4.0 / 7.0,
            top: 0.0,
            right: 120.0,
            bottom: 64.0,
        };
        assert_eq!(view, under);
        let maps = inspector.maps()[2].as_ref().unwrap();
        assert!(inspector.in_sight(2, maps).is_none(), "it sees everything");
    }
}

#[test]
fn what_a_token_sees_of_every_patch_stands_for_the_patch() {
    let mut bench = inspecting();
    bench.attention(AttentionCommand::Choose(1, 0));
    for direction in [Direction::From, Direction::To] {
        bench.app.inspector.direction = direction;
        bench.app.look_at([110.0, 5.0]);
        bench.settle();
        let title = "Layer 1, attention head 0, by patches of 2 × 2 tokens";
        assert_eq!(bench.titles(), [title]);
        let picture = &bench.inspector().pictures()[0];
        let patches = Grid {
            rows: 2,
            columns: 3,
        };
        assert_eq!(picture.map.grid, patches);
        assert!(picture.map.values.iter().all(|value| *value > 0.0));
        assert!(picture.windows.is_empty());
        let mass = bench.app.settings.attention.mass;
        assert_eq!(picture.held, Some(mass_threshold(&picture.map, mass)));
    }
}
