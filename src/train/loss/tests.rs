use super::*;
use crate::train::{OUTSIDE, Random};
use candle_core::{Device, Var};

fn target(labels: &[u8], annotated: &[bool], boundary: Option<&[u8]>) -> Target {
    Target {
        rows: 1,
        columns: labels.len(),
        labels: labels.to_vec(),
        boundary: boundary.map(<[u8]>::to_vec),
        annotated: annotated.into(),
    }
}

fn measure() -> Measure {
    Measure {
        shares: LossShares {
            cross_entropy: 0.7,
            dice: 1.3,
            boundary: 0.4,
            presence: 0.6,
        },
        class_weights: vec![0.5, 1.0, 2.0, 1.5],
    }
}

fn targets() -> Vec<Target> {
    let all = [true; 4];
    let some = [true, false, true, false];
    vec![
        target(&[0, 1, 3, 255, 1], &all, Some(&[0, 1, 0, 255, 1])),
        target(&[0, 2, 2, OUTSIDE, 0], &some, Some(&[255; 5])),
    ]
}

fn logits(count: usize) -> Vec<f32> {
    let mut random = Random::new(3, "logits", 0);
    (0..count).map(|_| 2.0 * random.normal()).collect()
}

fn check_gradient(values: &[f32], graded: impl Fn(&[f32]) -> Graded) {
    let gradient = graded(values).gradient;
    for at in 0..values.len() {
        let moved = |by: f32| {
            let mut values = values.to_vec();
            values[at] += by;
            graded(&values).parts.total
        };
        let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        let found = f64::from(gradient[at]);
        assert!((found - expected).abs() < 2e-4, "{at}: {found} {expected}");
    }
}

#[test]
fn gradients_of_pixels_are_those_of_finite_differences() {
    let (targets, measure) = (targets(), measure());
    check_gradient(&logits(2 * 5 * 5), |values| {
        dense::graded(values, 5, &targets, &measure)
    });
    // without the channel of rims
    check_gradient(&logits(2 * 5 * 4), |values| {
        dense::graded(values, 4, &targets, &measure)
    });
}

#[test]
fn gradients_of_presence_are_those_of_finite_differences() {
    let targets = targets();
    check_gradient(&logits(8), |values| presence::graded(values, &targets, 0.6));
}

#[test]
fn ignored_pixels_and_classes_that_are_not_annotated_have_no_gradient() {
    let graded = dense::graded(&logits(50), 5, &targets(), &measure());
    let pixel = |photo: usize, pixel: usize| &graded.gradient[(photo * 5 + pixel) * 5..][..5];
    assert_eq!(pixel(0, 3), [0.0; 5]);
    assert_eq!(pixel(1, 3), [0.0; 5]);
    for at in [0, 1, 2, 4] {
        let gradient = pixel(1, at);
        assert_eq!([gradient[1], gradient[3], gradient[4]], [0.0; 3]);
        assert!(gradient[0] != 0.0 && gradient[2] != 0.0);
    }
    assert!(pixel(0, 0).iter().all(|g| *g != 0.0));
    let graded = presence::graded(&logits(8), &targets(), 1.0);
    assert_eq!([graded.gradient[5], graded.gradient[7]], [0.0; 2]);
}

#[test]
fn values_are_those_computed_by_hand() {
    let measure = Measure {
        shares: LossShares::default(),
        class_weights: vec![1.0, 1.0],
    };
    let targets = [target(&[0, 1], &[true, true], None)];
    let graded = dense::graded(&[0.0, 0.0, 0.0, 3f32.ln()], 2, &targets, &measure);
    // p = (1/2, 1/2), (1/4, 3/4)
    let expected = -(0.5f64.ln() + 0.75f64.ln()) / 2.0;
    assert!((graded.parts.cross_entropy - expected).abs() < 1e-6);
    let dice = [
        1.0 - (2.0 * 0.5 + 1.0) / (0.75 + 2.0),
        1.0 - (2.0 * 0.75 + 1.0) / (1.25 + 2.0),
    ];
    assert!((graded.parts.dice - (dice[0] + dice[1]) / 2.0).abs() < 1e-6);
}

#[test]
fn a_batch_without_labels_has_no_loss() {
    let targets = [target(&[255, 255], &[true, true], Some(&[255, 255]))];
    let measure = Measure {
        shares: LossShares::default(),
        class_weights: vec![1.0, 1.0],
    };
    let graded = dense::graded(&logits(6), 3, &targets, &measure);
    assert_eq!(graded.parts.total, 0.0);
    assert!(graded.gradient.iter().all(|g| *g == 0.0));
}

#[test]
fn the_loss_does_not_depend_on_threads() {
    let mut random = Random::new(1, "labels", 0);
    let labels: Vec<u8> = (0..20_000).map(|_| random.below(4) as u8).collect();
    let targets = [target(&labels, &[true; 4], None)];
    let logits = logits(20_000 * 4);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap()
            .install(|| dense::graded(&logits, 4, &targets, &measure()))
    };
    let (one, three) = (with(1), with(3));
    assert_eq!(one.parts, three.parts);
    assert_eq!(one.gradient, three.gradient);
}

#[test]
fn a_small_map_is_resized_and_the_gradient_reaches_it() {
    let targets = [Target {
        rows: 4,
        columns: 4,
        labels: vec![1; 16],
        boundary: None,
        annotated: [true, true].into(),
    }];
    let dense = Var::from_vec(logits(2 * 2 * 3), (1, 2, 2, 3), &Device::Cpu).unwrap();
    let presence = Var::from_vec(logits(2), (1, 2), &Device::Cpu).unwrap();
    let scores = Scores {
        dense: dense.as_tensor().clone(),
        presence: Some(presence.as_tensor().clone()),
    };
    let measure = Measure {
        shares: LossShares::default(),
        class_weights: vec![1.0, 1.0],
    };
    let (loss, parts) = of(&scores, &targets, &measure).unwrap();
    assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - parts.total).abs() < 1e-5);
    let gradients = loss.backward().unwrap();
    for variable in [&dense, &presence] {
        let gradient = gradients.get(variable).unwrap().abs().unwrap();
        assert!(gradient.sum_all().unwrap().to_scalar::<f32>().unwrap() > 0.0);
    }
}

#[test]
fn rare_classes_count_more_within_bounds() {
    let sets = [(1.0, vec![900, 90, 10, 0]), (1.0, vec![999_999, 0, 0, 1])];
    let weights = class_weights(&sets, 4);
    assert_eq!(weights[0], 0.5);
    // the median of 1e-6, 0.01, 0.09, 1.9 halves is the third
    assert_eq!(weights[1], 1.0);
    assert!((weights[2] - 3.0).abs() < 1e-3);
    assert_eq!(weights[3], 4.0);
    assert_eq!(class_weights(&[], 2), [1.0, 1.0]);
}
