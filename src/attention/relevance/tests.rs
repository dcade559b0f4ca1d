use super::*;
use crate::attention::testing::{grid, tokens};
use crate::label::Rect;
use crate::models::predict::{Framing, Options, Picture, observe};
use crate::models::registry;
use crate::models::testing::{folder, model};
use crate::nn::Ablation;
use crate::nn::testing::close;
use crate::photo::{Limits, Photo, decode};
use crate::task::{Cancel, detached};
use std::path::Path;

/// A layer of attention heads of three tokens with these weights, (tokens,
/// tokens) each, rows summing to 1, and these gradients of them.
fn layer(heads: &[([f32; 9], [f32; 9])]) -> LayerGradient {
    let (n, count) = (3, heads.len());
    let (mut qkv, mut outputs) = (Vec::new(), Vec::new());
    for token in 0..n {
        // exp(q · k / √3) is the weight, as keys are unit vectors.
        let row = |values: &[f32; 9]| values[token * n..][..n].to_vec();
        let queries = heads.iter().flat_map(|(weights, _)| row(weights));
        qkv.extend(queries.map(|weight| weight.ln() * 3f32.sqrt()));
        for _ in 0..2 * count {
            qkv.extend((0..n).map(|i| f32::from(i == token)));
        }
        // dA = dO · Vᵀ, and values are unit vectors, too.
        outputs.extend(heads.iter().flat_map(|(_, gradients)| row(gradients)));
    }
    LayerGradient::new(tokens(1, grid(1, 2)), count, qkv, outputs).unwrap()
}

fn rows(query: Asking, layers: &[LayerGradient]) -> Relevance {
    let mut rows = Rows { query, found: None };
    layers.iter().for_each(|layer| rows.visit(layer).unwrap());
    rows.finish(4).unwrap()
}

#[test]
fn it_is_the_product_of_weights_times_positive_gradients() {
    // Ā of the last layer is the mean of
    //   [.4 .2 0; 0 .5 0; .1 0 .3] and [0 .2 .2; .2 0 0; 0 .6 .1].
    let last = layer(&[
        (
            [0.2, 0.4, 0.4, 0.25, 0.5, 0.25, 0.1, 0.6, 0.3],
            [2.0, 0.5, -1.0, -3.0, 1.0, 0.0, 1.0, -2.0, 1.0],
        ),
        (
            [0.5, 0.1, 0.4, 0.2, 0.2, 0.6, 0.3, 0.6, 0.1],
            [-1.0, 2.0, 0.5, 1.0, -1.0, -2.0, 0.0, 1.0, 1.0],
        ),
    ]);
    // And of the first of [0 .5 0; .3 0 0; 0 0 1] and [.1 .1 0; .1 .2 0; 0 0 0].
    let first = layer(&[
        (
            [0.4, 0.5, 0.1, 0.3, 0.3, 0.4, 0.2, 0.3, 0.5],
            [-1.0, 1.0, 0.0, 1.0, 0.0, -1.0, 0.0, -1.0, 2.0],
        ),
        (
            [0.1, 0.2, 0.7, 0.2, 0.4, 0.4, 0.3, 0.3, 0.4],
            [1.0, 0.5, 0.0, 0.5, 0.5, -1.0, -1.0, 0.0, 0.0],
        ),
    ]);
    // I + Ā: [1.2 .2 .1; .1 1.25 0; .05 .3 1.2] · [1.05 .3 0; .2 1.1 0; 0 0 1.5].
    let got = rows(Asking::Class, &[last.clone(), first.clone()]);
    close(&got.row.prefix, &[1.3], 1e-5);
    let map = got.row.grid.clone().unwrap().values;
    close(&map, &[0.58, 0.15], 1e-5);
    assert_eq!(got.class, 4);
    close(&got.gathered().prefix, &[0.3], 1e-4);
    // The mean of both tokens of the grid, the second named twice as often.
    let places = Asking::Places(grid(2, 2), vec![true, true, false, true]);
    let got = rows(places, &[last, first]);
    let mean = |a: f32, b: f32| (a + 2.0 * b) / 3.0;
    close(&got.row.prefix, &[mean(0.355, 0.1125)], 1e-5);
    let want = [mean(1.405, 0.345), mean(0.0, 1.8)];
    close(&got.row.grid.unwrap().values, &want, 1e-5);
}

fn photo(path: &Path) -> Photo {
    decode(path, &Limits::default()).unwrap()
}

fn seen(model: &LoadedModel, photo: &Photo, options: &Options) -> Observation {
    let picture = Picture {
        rgb: photo.rgb(),
        width: photo.width(),
        height: photo.height(),
    };
    detached(|task| observe(model, picture, options, task)).unwrap()
}

fn of(
    model: &LoadedModel,
    seen: &Observation,
    target: &Target,
) -> Result<Relevance, AttentionError> {
    detached(|task| relevance(model, seen, target, task))
}

fn region(rect: Rect) -> Target {
    Target::Region {
        class: 0,
        mask: Mask::from_fn(rect, |_, _| true),
    }
}

#[test]
fn classifiers_of_one_sequence_are_explained() {
    for name in [
        "vit",
        "deit",
        "deit_distilled",
        "dinov2",
        "dinov2_with_registers",
    ] {
        let (model, photo) = (model(name), photo(&folder(name).join("image.png")));
        let seen_whole = seen(&model, &photo, &Options::default());
        let Output::Classes { logits, .. } = &seen_whole.run.output else {
            // Features only: nothing to explain.
            let error = of(&model, &seen_whole, &Target::Class(0)).unwrap_err();
            assert!(matches!(error, AttentionError::NoClasses { .. }), "{name}");
            continue;
        };
        let found = of(&model, &seen_whole, &Target::Class(0)).unwrap();
        let hidden = seen_whole.run.hidden.as_ref().unwrap();
        assert_eq!(found.row.prefix.len(), hidden.layout.prefix);
        assert!(found.row.prefix[0] >= 1.0, "{name}");
        let map = found.row.grid.as_ref().unwrap();
        assert_eq!(Some(map.grid), hidden.layout.grid);
        assert!(map.values.iter().all(|value| *value >= 0.0));
        assert!(map.sum() > 0.0, "{name}");
        let other = of(&model, &seen_whole, &Target::Class(1)).unwrap();
        assert_ne!(other.row, found.row, "{name}");
        let error = of(&model, &seen_whole, &Target::Class(logits.len())).unwrap_err();
        assert!(matches!(error, AttentionError::NoClass { .. }));
        assert!(error.to_string().contains("there is no class"));
        let error = of(&model, &seen_whole, &region(Rect::new(0, 0, 9, 9))).unwrap_err();
        assert!(matches!(error, AttentionError::NoRegions { .. }));
        // Without attention there is nothing but the class token itself.
        let off = (0..9).flat_map(|layer| (0..16).map(move |head| (layer, head)));
        let off = Options {
            ablation: off.collect::<Ablation>(),
            ..Options::default()
        };
        let found = of(&model, &seen(&model, &photo, &off), &Target::Class(0)).unwrap();
        assert_eq!((found.row.total(), found.gathered().total()), (1.0, 0.0));
    }
}

#[test]
fn other_models_are_refused() {
    for name in ["segformer", "mobilevit_deeplabv3"] {
        let (model, photo) = (model(name), photo(&folder(name).join("image.png")));
        let seen = seen(&model, &photo, &Options::default());
        let Output::Dense(dense) = &seen.run.output else {
            panic!("{name} is dense");
        };
        let class = dense.winners().unwrap()[0];
        let error = of(&model, &seen, &Target::Class(class)).unwrap_err();
        assert!(matches!(error, AttentionError::NotTraceable { .. }));
        assert!(error.to_string().contains("one sequence of tokens"));
    }
    let (model, photo) = (model("dino"), photo(&folder("dino").join("image.png")));
    let seen = seen(&model, &photo, &Options::default());
    let error = of(&model, &seen, &Target::Class(0)).unwrap_err();
    assert!(matches!(error, AttentionError::NoClasses { .. }));
}

#[test]
fn it_stops_when_asked() {
    let (model, photo) = (model("vit"), photo(&folder("vit").join("image.png")));
    let seen = seen(&model, &photo, &Options::default());
    let cancel = Cancel::new();
    cancel.cancel();
    let task = Task::new(&cancel, &|_| {});
    let error = relevance(&model, &seen, &Target::Class(0), task).unwrap_err();
    assert_eq!(error, AttentionError::Cancelled);
}

#[test]
fn regions_of_a_segmentation_are_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = detached(|task| registry::load(root.join("weights/vit-deeplabv3plus"), task));
    let (model, photo) = (
        model.unwrap(),
        photo(&root.join("assets/samples/coffee.png")),
    );
    let options = Options {
        framing: Framing::Squash,
        input: Some((64, 64)),
        ..Options::default()
    };
    let seen = seen(&model, &photo, &options);
    let Output::Dense(dense) = &seen.run.output else {
        panic!("it is dense");
    };
    let (winners, classes) = (dense.winners().unwrap(), dense.logits.dims()[2]);
    assert_eq!(winners.len(), 16 * 16);
    let found = of(&model, &seen, &Target::Class(winners[0])).unwrap();
    assert!(found.row.prefix.is_empty() && found.gathered().total() > 0.0);
    assert!((found.row.total() - found.gathered().total() - 1.0).abs() < 1e-3);
    assert_eq!(found.row.grid.as_ref().unwrap().grid, grid(4, 4));

    // The upper left token of the grid, and one that lies elsewhere.
    let (w, h) = (photo.width(), photo.height());
    let corner = of(&model, &seen, &region(Rect::new(0, 0, w / 4, h / 4))).unwrap();
    let map = corner.row.grid.clone().unwrap();
    assert!(map.at(0, 0).unwrap() >= 1.0);
    let other = of(&model, &seen, &region(Rect::new(w / 2, h / 2, w, h))).unwrap();
    assert_ne!(other.row, corner.row);
    assert!(other.row.grid.unwrap().at(0, 0).unwrap() < 1.0);

    if let Some(absent) = (0..classes).find(|class| !winners.contains(class)) {
        let error = of(&model, &seen, &Target::Class(absent)).unwrap_err();
        assert!(matches!(error, AttentionError::ClassNowhere { .. }));
    }
    let error = of(&model, &seen, &Target::Class(classes)).unwrap_err();
    assert!(matches!(error, AttentionError::NoClass { .. }));
    let nothing = of(&model, &seen, &region(Rect::new(5, 5, 5, 5))).unwrap_err();
    assert_eq!(nothing, AttentionError::NoTokens);
}
