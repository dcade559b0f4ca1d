use super::*;
use crate::nn::kernels::{Axis, resize_plane};
use crate::nn::testing::noise;
use crate::task::{Cancel, detached};
use candle_core::Device;

fn whole(width: usize, height: usize) -> View {
    View {
        left: 0.0,
        top: 0.0,
        right: width as f64,
        bottom: height as f64,
    }
}

fn map(logits: &Tensor, view: &View, size: (usize, usize)) -> ClassMap {
    detached(|task| ClassMap::from_logits(logits, view, size, task))
        .unwrap()
        .unwrap()
}

#[test]
fn it_is_interpolation_and_argmax() {
    let (rows, columns, classes) = (5, 7, 6);
    let values = noise(rows * columns * classes, 4);
    let logits = Tensor::from_slice(&values, (rows, columns, classes), &Device::Cpu).unwrap();
    for (width, height) in [(50, 31), (7, 5), (3, 2), (1, 40)] {
        let planes: Vec<Vec<f32>> = (0..classes)
            .map(|class| {
                let plane: Vec<f32> = values
                    .iter()
                    .skip(class)
                    .step_by(classes)
                    .copied()
                    .collect();
                resize_plane(&plane, &Axis::new(rows, height), &Axis::new(columns, width))
            })
            .collect();
        let got = map(&logits, &whole(width, height), (width, height));
        for (i, id) in got.ids.iter().enumerate() {
            let scores: Vec<f32> = planes.iter().map(|plane| plane[i]).collect();
            let best = scores[highest(&scores)];
            assert!(
                best - scores[usize::from(*id)] < 1e-6,
                "{width}×{height} at {i}"
            );
        }
    }
}

#[test]
fn what_the_network_has_not_seen_has_no_class() {
    let logits = Tensor::from_slice(&[0f32, 1.0, 1.0, 0.0], (1, 2, 2), &Device::Cpu).unwrap();
    // The middle 4 of 8 columns and the lower 2 of 3 rows.
    let view = View {
        left: 2.0,
        top: 1.0,
        right: 6.0,
        bottom: 3.0,
    };
    let got = map(&logits, &view, (8, 3));
    let (n, o) = (1, 0);
    let (x, row) = (OUTSIDE, [OUTSIDE, OUTSIDE, n, n, o, o, OUTSIDE, OUTSIDE]);
    let want = [[x; 8], row, row].concat();
    assert_eq!(got.ids, want);
    let masks = got.masks();
    assert_eq!(masks.len(), 2);
    assert_eq!((masks[0].id, masks[0].mask.area()), (0, 4));
    assert!(masks[1].mask.contains(2, 1) && !masks[1].mask.contains(4, 1));
    assert_eq!(got.counts(3), [4, 4, 0]);
}

#[test]
fn padding_beyond_the_photo_is_cut_off() {
    let logits = Tensor::from_slice(&[0f32, 1.0, 1.0, 0.0], (1, 2, 2), &Device::Cpu).unwrap();
    let view = View {
        left: 0.0,
        top: 0.0,
        right: 8.0,
        bottom: 2.0,
    };
    let got = map(&logits, &view, (4, 2));
    assert_eq!(got.ids, [1; 8]);
}

#[test]
fn confidence_is_the_mean_probability_where_a_class_wins() {
    let logits = [0.0, 3f32.ln(), 0.0, 0.0, 9f32.ln(), 0.0];
    let logits = Tensor::from_slice(&logits, (1, 2, 3), &Device::Cpu).unwrap();
    let got = confidence(&logits).unwrap();
    let want = (3.0 / 5.0 + 9.0 / 11.0) / 2.0;
    assert!((got[1] - want).abs() < 1e-6, "{got:?}");
    assert_eq!((got[0], got[2]), (0.0, 0.0));
}

#[test]
fn it_can_be_stopped() {
    let logits = Tensor::zeros((2, 2, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
    let cancel = Cancel::new();
    cancel.cancel();
    let outcome =
        ClassMap::from_logits(&logits, &whole(9, 9), (9, 9), Task::new(&cancel, &|_| {})).unwrap();
    assert_eq!(outcome, Err(Cancelled));
}
