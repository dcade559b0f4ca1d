use super::*;
use crate::nn::testing::{close, noise};

/// The map that the expected values below were made from.
fn pattern(rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns)
        .map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0)
        .collect()
}

#[test]
fn a_taller_and_narrower_map_is_pytorchs() {
    // torch.nn.functional.interpolate(…, size=(5, 3)) of a (3, 4) map.
    let expected = [
        (
            Interpolation::Bilinear,
            [
                -0.876667, 0.110000, -0.586667, -0.500667, 0.082000, -0.345333, 0.063333, 0.040000,
                0.016667, 0.425333, -0.002000, -0.429334, 0.666667, -0.030000, -0.726667,
            ],
        ),
        (
            Interpolation::Bicubic,
            [
                -1.000_25, 0.324275, -0.662492, -0.572598, 0.203777, -0.310458, 0.068426, 0.040000,
                0.011574, 0.515025, -0.021515, -0.406219, 0.742492, -0.036720, -0.815932,
            ],
        ),
        (
            Interpolation::BicubicAntialias,
            [
                -0.939116, 0.191756, -0.465872, -0.503779, 0.134748, -0.306428, 0.196110, 0.040000,
                -0.116110, 0.454522, -0.011766, -0.403592, 0.545872, -0.035283, -0.616438,
            ],
        ),
    ];
    for (mode, want) in expected {
        close(
            &resize_map(&pattern(3, 4), (3, 4, 1), (5, 3), mode),
            &want,
            2e-6,
        );
    }
}

#[test]
fn a_much_smaller_map_is_pytorchs() {
    // torch.nn.functional.interpolate(…, size=(3, 2)) of a (7, 9) map.
    let expected = [
        (
            Interpolation::Bilinear,
            [
                -0.315000, -0.015000, 0.075000, -0.635000, -0.208333, 0.260000,
            ],
        ),
        (
            Interpolation::Bicubic,
            [
                -0.398668, 0.004462, -0.030703, -0.813359, -0.430175, 0.338845,
            ],
        ),
        (
            Interpolation::BicubicAntialias,
            [-0.174111, 0.023143, 0.157863, -0.112796, 0.104606, 0.020177],
        ),
    ];
    for (mode, want) in expected {
        close(
            &resize_map(&pattern(7, 9), (7, 9, 1), (3, 2), mode),
            &want,
            5e-6,
        );
    }
}

#[test]
fn channels_do_not_mix() {
    let (rows, columns, channels) = (5, 3, 7);
    let map = noise(rows * columns * channels, 1);
    for mode in [
        Interpolation::Bilinear,
        Interpolation::Bicubic,
        Interpolation::BicubicAntialias,
    ] {
        let together = resize_map(&map, (rows, columns, channels), (4, 6), mode);
        for channel in 0..channels {
            let pick = |map: &[f32]| -> Vec<f32> {
                map.iter()
                    .skip(channel)
                    .step_by(channels)
                    .copied()
                    .collect()
            };
            let alone = resize_map(&pick(&map), (rows, columns, 1), (4, 6), mode);
            assert_eq!(pick(&together), alone);
        }
    }
}

#[test]
fn one_sample_becomes_a_constant_map() {
    for mode in [
        Interpolation::Bilinear,
        Interpolation::Bicubic,
        Interpolation::BicubicAntialias,
    ] {
        close(
            &resize_map(&[2.0], (1, 1, 1), (3, 2), mode),
            &[2.0; 6],
            1e-6,
        );
    }
}
