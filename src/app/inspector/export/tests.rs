use super::*;
use crate::attention::{ColorMap, Fusion, Heatmap};
use crate::models::geometry::View;
use crate::nn::capture::Grid;

fn name(kind: AttentionExport, inspector: &Inspector) -> String {
    let path = kind.proposed_path(Path::new("photos/street.jpg"), inspector);
    assert_eq!(path.parent(), Some(Path::new("photos/exports")));
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn picture(unit: Unit, values: [f32; 2]) -> Picture {
    let grid = Grid {
        rows: 1,
        columns: 2,
    };
    Picture {
        title: String::new(),
        map: Heatmap {
            grid,
            values: values.to_vec(),
        },
        view: View::whole((8, 4)),
        unit,
        asked: Some((grid, View::whole((8, 4)), vec![(0, 1)])),
        windows: Vec::new(),
        held: Some(TokenMask::from_tokens(grid, &[(0, 0)])),
    }
}

#[test]
fn names_say_what_is_in_the_file() {
    use AttentionExport as E;
    let mut inspector = Inspector {
        layer: 3,
        heads: vec![2],
        ..Inspector::default()
    };
    for (kind, expected) in [
        (E::Overlay, "street-attention-layer3-head2.png"),
        (E::Heatmap, "street-attention-layer3-head2-alone.png"),
        (E::LayerSheet, "street-attention-layer3.png"),
        (E::AllLayersSheet, "street-attention-all-layers.png"),
        (E::Values, "street-attention-layer3-head2.npy"),
        (E::Rows, "street-attention-layer3-rows.npy"),
        (E::Matrices, "street-attention-layer3-matrices.npy"),
        (E::Report, "street-attention-layer3-head2.json"),
    ] {
        assert_eq!(name(kind, &inspector), expected);
        assert!(expected.ends_with(kind.extension()));
    }
    inspector.heads = vec![1, 4];
    inspector.fusion = Fusion::Max;
    inspector.direction = Direction::To;
    let expected = "street-attention-layer3-reverse-heads1-4-max.png";
    assert_eq!(name(E::Overlay, &inspector), expected);
    let expected = "street-attention-layer3-reverse-rows.npy";
    assert_eq!(name(E::Rows, &inspector), expected);
    let expected = "street-attention-layer3-matrices.npy";
    assert_eq!(name(E::Matrices, &inspector), expected, "has no direction");
}

#[test]
fn names_of_comparisons_name_both() {
    let mut inspector = Inspector {
        compared: Some((1, 0)),
        ..Inspector::default()
    };
    let both = "street-attention-layer0-mean-and-layer1-head0.png";
    assert_eq!(name(AttentionExport::Overlay, &inspector), both);
    inspector.comparison = Comparison::Difference;
    inspector.pictures = vec![picture(Unit::Difference, [0.0, 0.1])];
    let less = "street-attention-layer0-mean-less-layer1-head0.png";
    assert_eq!(name(AttentionExport::Overlay, &inspector), less);
    inspector.compared = None;
    inspector.asking = Asking::Prompt;
    let decoder = "street-attention-decoder-layer0-mean.png";
    assert_eq!(name(AttentionExport::Overlay, &inspector), decoder);
    inspector.subject = Subject::Rollout;
    let rollout = "street-attention-rollout.json";
    assert_eq!(name(AttentionExport::Report, &inspector), rollout);
}

#[test]
fn colours_are_those_on_the_canvas() {
    let look = Look {
        colors: ColorMap::Magma,
        fades: true,
        ..Look::default()
    };
    let range = |picture: &Picture, shown: &[Picture]| {
        let style = style_of(&look, picture, shown);
        let ValueRange::Fixed { low, high } = style.range else {
            panic!("{style:?}");
        };
        (style.colors, style.fades, low, high)
    };
    let one = picture(Unit::Attention, [0.1, 0.2]);
    let other = picture(Unit::Attention, [0.3, 0.4]);
    let magma = ColorMap::Magma;
    assert_eq!(
        range(&one, std::slice::from_ref(&one)),
        (magma, true, 0.0, 0.2)
    );
    let both = [one.clone(), other];
    assert_eq!(range(&one, &both), (magma, true, 0.0, 0.4));
    let less = picture(Unit::Difference, [0.1, -0.3]);
    let symmetric = (ColorMap::Difference, false, -0.3, 0.3);
    assert_eq!(range(&less, std::slice::from_ref(&less)), symmetric);
    let norms = picture(Unit::Norm, [3.0, 4.0]);
    assert_eq!(
        range(&norms, std::slice::from_ref(&norms)),
        (magma, true, 3.0, 4.0)
    );
}

#[test]
fn outlines_are_those_on_the_canvas() {
    let picture = picture(Unit::Attention, [0.1, 0.2]);
    let rect = |x0, x1| Mask::from_rect(crate::label::Rect::new(x0, 0, x1, 4));
    let (held, asked) = (rect(0, 4), rect(4, 8));
    assert_eq!(marks(&picture, true, (8, 4)), [held, asked.clone()]);
    assert_eq!(marks(&picture, false, (8, 4)), [asked]);
}
