//! Gradients against central differences.

use super::*;
use candle_core::backprop::GradStore;

/// The sum of an operation's values, each times a number of its own.
fn loss(y: &Tensor) -> Tensor {
    let factors = tensor(y.dims(), 99);
    (y * factors).unwrap().sum_all().unwrap()
}

/// The same in double precision.
fn exact_loss(y: &Tensor) -> f64 {
    let factors = noise(y.elem_count(), 99);
    let pairs = values(y).into_iter().zip(factors);
    pairs.map(|(y, f)| f64::from(y) * f64::from(f)).sum()
}

fn backward(arguments: &[Var], operation: &dyn Fn(&[Tensor]) -> Result<Tensor>) -> GradStore {
    let tensors: Vec<Tensor> = arguments.iter().map(|v| v.as_tensor().clone()).collect();
    loss(&operation(&tensors).unwrap()).backward().unwrap()
}

/// Compares the gradients of all arguments with differences, and those with
/// two threads with those with one.
fn check(shapes: &[&[usize]], operation: impl Fn(&[Tensor]) -> Result<Tensor> + Sync) {
    let arguments: Vec<Var> = (1..)
        .zip(shapes)
        .map(|(seed, dims)| Var::from_tensor(&tensor(dims, seed)).unwrap())
        .collect();
    let with = |threads: usize| -> Vec<Vec<f32>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let found = backward(&arguments, &operation);
            let gradient = |v: &Var| values(found.get(v).expect("a gradient"));
            arguments.iter().map(gradient).collect()
        })
    };
    let found = with(1);
    assert_eq!(found, with(2), "depends on the number of threads");
    let plain: Vec<Tensor> = arguments.iter().map(|v| v.as_detached_tensor()).collect();
    for (i, found) in found.iter().enumerate() {
        let moved = |place: usize, by: f32| {
            let mut plain = plain.clone();
            let mut changed = values(&plain[i]);
            changed[place] += by;
            plain[i] = Tensor::from_vec(changed, plain[i].shape(), &Device::Cpu).unwrap();
            exact_loss(&operation(&plain).unwrap())
        };
        const STEP: f32 = 4e-3;
        let slope =
            |place| ((moved(place, STEP) - moved(place, -STEP)) / f64::from(2.0 * STEP)) as f32;
        let want: Vec<f32> = (0..found.len()).map(slope).collect();
        close(found, &want, 1e-3);
    }
    only_variables_get_gradients(&arguments, &plain, &operation);
}

/// With one variable at a time, the other arguments cost nothing.
fn only_variables_get_gradients(
    arguments: &[Var],
    plain: &[Tensor],
    operation: &dyn Fn(&[Tensor]) -> Result<Tensor>,
) {
    for (i, argument) in arguments.iter().enumerate() {
        let mut mixed = plain.to_vec();
        mixed[i] = argument.as_tensor().clone();
        let found = loss(&operation(&mixed).unwrap()).backward().unwrap();
        for (j, other) in mixed.iter().enumerate() {
            assert_eq!(found.get(other).is_some(), i == j);
        }
    }
}

#[test]
fn of_linear_layers() {
    check(&[&[2, 3, 5], &[4, 5], &[4]], |a| {
        linear(&a[0], &a[1], Some(&a[2]))
    });
    check(&[&[7, 3], &[19, 3]], |a| linear(&a[0], &a[1], None));
    check(&[&[1, 35], &[1, 35]], |a| linear(&a[0], &a[1], None));
}

#[test]
fn of_a_linear_layer_with_many_rows() {
    let (x, weight) = (
        tensor(&[1000, 33], 1),
        Var::from_tensor(&tensor(&[21, 33], 2)).unwrap(),
    );
    let bias = Var::from_tensor(&tensor(&[21], 3)).unwrap();
    let y = linear(&x, &weight, Some(&bias)).unwrap();
    let found = loss(&y).backward().unwrap();
    let upstream = tensor(&[1000, 21], 99);
    let want = upstream.t().unwrap().matmul(&x).unwrap();
    close(&values(found.get(&weight).unwrap()), &values(&want), 1e-5);
    let want = upstream.sum(0).unwrap();
    close(&values(found.get(&bias).unwrap()), &values(&want), 1e-5);
}

#[test]
fn of_convolutions() {
    for (rows, columns, stride, dilation) in [
        (4, 5, 1, 1),
        (5, 4, 2, 1),
        (2, 3, 1, 3),
        (6, 5, 2, 2),
        (4, 7, 1, 3),
        (7, 5, 3, 2),
        (1, 5, 4, 1),
        (1, 1, 1, 1),
    ] {
        let x = [2, rows, columns, 3];
        check(&[&x, &[4, 3, 3, 3], &[4]], |a| {
            conv3x3(&a[0], &a[1], Some(&a[2]), stride, dilation)
        });
    }
    check(&[&[1, 3, 3, 17], &[2, 17, 3, 3]], |a| {
        conv3x3(&a[0], &a[1], None, 1, 1)
    });
}

#[test]
fn of_depthwise_convolutions() {
    for (rows, columns, c, dilation) in [(4, 5, 3, 1), (2, 3, 9, 3), (1, 1, 2, 1), (10, 2, 2, 2)] {
        check(&[&[2, rows, columns, c], &[c, 1, 3, 3], &[c]], |a| {
            depthwise3x3(&a[0], &a[1], Some(&a[2]), dilation)
        });
    }
    check(&[&[1, 3, 4, 43], &[43, 1, 3, 3]], |a| {
        depthwise3x3(&a[0], &a[1], None, 1)
    });
}

#[test]
fn of_normalisations() {
    for then in [Activation::None, Activation::Gelu] {
        check(&[&[2, 3, 19], &[19], &[19]], |a| {
            layer_norm(&a[0], &a[1], &a[2], 1e-2, then)
        });
        check(&[&[70, 4], &[4], &[4]], |a| {
            layer_norm(&a[0], &a[1], &a[2], 1e-2, then)
        });
    }
}

/// Differences across ReLU's kink would be off, so a definition in candle's
/// operations is what it is compared with.
#[test]
fn of_a_normalisation_with_relu() {
    let (x, weight, bias) = (tensor(&[70, 19], 1), tensor(&[19], 2), tensor(&[19], 3));
    let arguments = [x, weight, bias].map(|t| Var::from_tensor(&t).unwrap());
    let found = backward(&arguments, &|a| {
        layer_norm(&a[0], &a[1], &a[2], 1e-5, Activation::Relu)
    });
    let want = backward(&arguments, &|a| {
        let centred = a[0].broadcast_sub(&a[0].mean_keepdim(1)?)?;
        let variance = centred.sqr()?.mean_keepdim(1)?;
        let scaled = centred.broadcast_div(&(variance + 1e-5)?.sqrt()?)?;
        scaled.broadcast_mul(&a[1])?.broadcast_add(&a[2])?.relu()
    });
    for argument in &arguments {
        let [found, want] = [&found, &want].map(|g| values(g.get(argument).unwrap()));
        close(&found, &want, 1e-5);
    }
}

#[test]
fn of_activations_and_resizing() {
    check(&[&[3, 7]], |a| gelu(&(&a[0] * 3.0)?));
    for to in [(7, 9), (2, 3), (5, 1), (4, 5)] {
        check(&[&[2, 4, 5, 3]], |a| resize(&a[0], to));
    }
    check(&[&[1, 1, 1, 2]], |a| resize(&a[0], (3, 2)));
}

#[test]
fn of_attention() {
    check(&[&[2, 5, 18]], |a| attention(&a[0], 2));
    check(&[&[1, 1, 3]], |a| attention(&a[0], 1));
    // More queries than are looked at at once.
    check(&[&[1, 101, 6]], |a| attention(&a[0], 1));
}

#[test]
fn of_a_loss_that_brings_its_own() {
    let x = Var::from_tensor(&tensor(&[2, 3], 1)).unwrap();
    let given = tensor(&[2, 3], 2);
    let loss = with_gradient(&x, 4.0, given.clone()).unwrap();
    assert_eq!(loss.to_scalar::<f32>().unwrap(), 4.0);
    let found = (loss * 2.0).unwrap().backward().unwrap();
    let want = (given * 2.0).unwrap();
    assert_eq!(values(found.get(&x).unwrap()), values(&want));
}

#[test]
fn of_arguments_that_are_not_contiguous() {
    let x = Var::from_tensor(&tensor(&[3, 4], 1)).unwrap();
    let weight = Var::from_tensor(&tensor(&[3, 2], 2)).unwrap();
    let turned = |x: &Var| x.t().unwrap();
    let y = linear(&turned(&x), &turned(&weight), None).unwrap();
    let found = y.t().unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(found.get(&x).unwrap().dims(), [3, 4]);
    assert_eq!(found.get(&weight).unwrap().dims(), [3, 2]);
    let want = turned(&weight).sum(0).unwrap();
    let got = found.get(&x).unwrap().get_on_dim(1, 0).unwrap();
    close(&values(&got), &values(&want), 1e-6);
}
