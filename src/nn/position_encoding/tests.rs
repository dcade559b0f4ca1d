use super::*;
use crate::nn::testing::{close, noise};
use proptest::prelude::*;

fn modes() -> impl Strategy<Value = Interpolation> {
    prop_oneof![
        Just(Interpolation::Bilinear),
        Just(Interpolation::Bicubic),
        Just(Interpolation::BicubicAntialias),
    ]
}

fn grids() -> impl Strategy<Value = Grid> {
    (1usize..20, 1usize..20).prop_map(|(rows, columns)| Grid { rows, columns })
}

proptest! {
    #[test]
    fn equal_positions_stay_equal(
        mode in modes(), from in grids(), to in grids(), value in -3f32..3.0,
    ) {
        let table = vec![value; (1 + from.len()) * 3];
        let got = PositionEncoding::learned(table, 1, from, mode).of(to);
        prop_assert_eq!(got.len(), (1 + to.len()) * 3);
        for got in got {
            prop_assert!((got - value).abs() < 1e-5 * (1.0 + value.abs()));
        }
    }

    #[test]
    fn the_trained_grid_gets_the_table_itself(
        mode in modes(), grid in grids(), prefix in 0usize..4, seed: u64,
    ) {
        let table = noise((prefix + grid.len()) * 5, seed);
        let encoding = PositionEncoding::learned(table.clone(), prefix, grid, mode);
        prop_assert_eq!(encoding.of(grid), table);
    }

    #[test]
    fn prefix_tokens_keep_theirs(
        mode in modes(), from in grids(), to in grids(), prefix in 0usize..4, seed: u64,
    ) {
        let table = noise((prefix + from.len()) * 2, seed);
        let got = PositionEncoding::learned(table.clone(), prefix, from, mode).of(to);
        prop_assert_eq!(&got[..prefix * 2], &table[..prefix * 2]);
    }

    #[test]
    fn resizing_is_linear(
        mode in modes(), from in grids(), to in grids(), factor in -2f32..2.0, seed: u64,
    ) {
        let of = |table: Vec<f32>| PositionEncoding::learned(table, 0, from, mode).of(to);
        let (a, b) = (noise(from.len() * 2, seed), noise(from.len() * 2, !seed));
        let sum = a.iter().zip(&b).map(|(a, b)| a + factor * b).collect();
        let (together, a, b) = (of(sum), of(a), of(b));
        for ((together, a), b) in together.iter().zip(&a).zip(&b) {
            prop_assert!((together - (a + factor * b)).abs() < 2e-5);
        }
    }

    #[test]
    fn turning_the_table_turns_the_result(
        mode in modes(), from in grids(), to in grids(), seed: u64,
    ) {
        let table = noise(from.len(), seed);
        let upright = PositionEncoding::learned(table.clone(), 0, from, mode).of(to);
        let other = PositionEncoding::learned(transposed(&table, from), 0, turned(from), mode);
        let got = other.of(turned(to));
        let want = transposed(&upright, to);
        for (got, want) in got.iter().zip(&want) {
            prop_assert!((got - want).abs() < 2e-5);
        }
    }
}

fn turned(grid: Grid) -> Grid {
    Grid {
        rows: grid.columns,
        columns: grid.rows,
    }
}

fn transposed(map: &[f32], grid: Grid) -> Vec<f32> {
    (0..grid.columns)
        .flat_map(|column| (0..grid.rows).map(move |row| row * grid.columns + column))
        .map(|at| map[at])
        .collect()
}

#[test]
fn sines_and_cosines_are_maes() {
    // get_2d_sincos_pos_embed of facebookresearch/mae, width 8: the tokens at
    // row 0, column 1 and row 1, column 2 of a 2×3 grid.
    let grid = Grid {
        rows: 2,
        columns: 3,
    };
    let got = PositionEncoding::sin_cos(1, 8).of(grid);
    assert_eq!(got.len(), 7 * 8);
    assert_eq!(got[..8], [0.0; 8]);
    let token = |i: usize| &got[(1 + i) * 8..][..8];
    close(
        token(1),
        &[0.841471, 0.01, 0.540302, 0.99995, 0.0, 0.0, 1.0, 1.0],
        1e-6,
    );
    close(
        token(5),
        &[
            0.909297, 0.019999, -0.416147, 0.9998, 0.841471, 0.01, 0.540302, 0.99995,
        ],
        1e-6,
    );
}
