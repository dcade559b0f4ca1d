use super::*;
use candle_core::Device;

#[test]
fn windows_locate_and_position_are_inverse() {
    let windows = Windows::covering(
        Grid {
            rows: 9,
            columns: 16,
        },
        7,
    );
    assert_eq!(
        windows.padded,
        Grid {
            rows: 14,
            columns: 21
        }
    );
    assert_eq!(windows.count(), 6);
    for row in 0..9 {
        for column in 0..16 {
            let (window, place) = windows.locate(row, column);
            assert_eq!(windows.position(window, place), (row, column));
        }
    }
    assert_eq!(windows.locate(8, 15), (5, 8));
}

#[test]
fn a_row_is_the_biased_softmax() {
    let tokens = Tokens {
        prefix: 2,
        grid: None,
    };
    let tensor = |v: &[f32], dims: &[usize]| Tensor::from_slice(v, dims, &Device::Cpu).unwrap();
    let queries = (tokens, tensor(&[1.0, 2.0], &[1, 2, 1]));
    let keys = (tokens, tensor(&[1.0, 3.0], &[1, 2, 1]));
    let bias = tensor(&[0.0, 0.0, 1.0, 0.0], &[1, 2, 2]);
    let bias = Bias::Table(bias);
    let record = QueryKey::stored("layer".into(), queries.clone(), keys, 0.5, bias).unwrap();
    // 2·1·0.5 + 1 against 2·3·0.5 + 0.
    let row = record.row(0, 0, 1).unwrap();
    let want = 1.0 / (1.0 + 1f32.exp());
    assert!((row[0] - want).abs() < 1e-6 && (row[1] - (1.0 - want)).abs() < 1e-6);
    assert!(record.row(1, 0, 0).is_err() && record.row(0, 0, 2).is_err());
    assert!(record.row(0, 1, 0).is_err());
    assert_eq!(record.queries_and_keys().unwrap().0.dims(), [1, 1, 2, 1]);
    let few = (tokens, tensor(&[1.0], &[1, 1, 1]));
    assert!(QueryKey::stored("layer".into(), queries, few, 0.5, Bias::None).is_err());
    assert_eq!(record.bytes(), 16);
}

#[test]
fn phases_locate_and_position_are_inverse() {
    let grid = Grid {
        rows: 6,
        columns: 4,
    };
    let grouping = Grouping::Phases { side: 2, grid };
    let tokens = Tokens {
        prefix: 0,
        grid: Some(grid),
    };
    assert_eq!(grouping.count(), 4);
    assert_eq!(grouping.locate(tokens, 3, 2), (2, 3));
    for row in 0..6 {
        for column in 0..4 {
            let (group, place) = grouping.locate(tokens, row, column);
            let back = grouping.position(tokens, group, place);
            assert_eq!(back, Some((row, column)));
        }
    }
}

#[test]
fn prefix_tokens_have_no_position() {
    let tokens = Tokens {
        prefix: 2,
        grid: Some(Grid {
            rows: 2,
            columns: 3,
        }),
    };
    assert_eq!(Grouping::Whole.locate(tokens, 1, 2), (0, 7));
    assert_eq!(Grouping::Whole.position(tokens, 0, 7), Some((1, 2)));
    assert_eq!(Grouping::Whole.position(tokens, 0, 1), None);
}

#[test]
fn relative_positions_use_the_unscaled_query() {
    let grid = Grid {
        rows: 1,
        columns: 2,
    };
    let tokens = Tokens {
        prefix: 0,
        grid: Some(grid),
    };
    let tensor = |v: &[f32], dims: &[usize]| Tensor::from_slice(v, dims, &Device::Cpu).unwrap();
    let queries = (tokens, tensor(&[2.0, 3.0], &[1, 2, 1]));
    let keys = (tokens, tensor(&[0.0, 0.0], &[1, 2, 1]));
    let bias = Bias::Relative {
        rows: tensor(&[7.0], &[1, 1]),
        // Key to the right of the query, at it, to the left of it.
        columns: tensor(&[0.1, 0.2, 0.4], &[3, 1]),
        grid,
    };
    let record = QueryKey::stored("layer".into(), queries, keys, 0.5, bias).unwrap();
    let row = record.row(0, 0, 1).unwrap();
    // Key 0 lies to the left of query 1.
    let odds = (3.0 * (0.4 - 0.2f32)).exp();
    assert!((row[0] / row[1] - odds).abs() < 1e-5, "{row:?}");
}

#[test]
fn records_that_do_not_fit_their_description_are_refused() {
    let grid = Grid {
        rows: 4,
        columns: 4,
    };
    let tokens = Tokens {
        prefix: 0,
        grid: Some(grid),
    };
    let windows = Grouping::Windows(Windows::covering(grid, 2));
    let zeros = |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu);
    let record = |shape: &[usize], bias: Bias| {
        let side = || (tokens, zeros(shape).unwrap());
        QueryKey::grouped("layer".into(), windows, side(), side(), 1.0, bias)
    };
    assert_eq!(windows.members(tokens), 4);
    assert!(record(&[4, 1, 4, 3], Bias::None).is_ok());
    for shape in [[4, 1, 16, 3], [1, 1, 4, 3], [4, 0, 4, 3], [4, 1, 4, 0]] {
        assert!(record(&shape, Bias::None).is_err(), "{shape:?}");
    }
    let table = |shape: &[usize]| Bias::Table(zeros(shape).unwrap());
    assert!(record(&[4, 1, 4, 3], table(&[1, 4, 4])).is_ok());
    assert!(record(&[4, 1, 4, 3], table(&[2, 4, 4])).is_err());
    let relative = |rows: &[usize], side: usize| Bias::Relative {
        rows: zeros(rows).unwrap(),
        columns: zeros(&[2 * side - 1, 3]).unwrap(),
        grid: Grid {
            rows: side,
            columns: side,
        },
    };
    assert!(record(&[4, 1, 4, 3], relative(&[3, 3], 2)).is_ok());
    assert!(record(&[4, 1, 4, 3], relative(&[4, 3], 2)).is_err());
    assert!(record(&[4, 1, 4, 3], relative(&[7, 3], 4)).is_err());
}

#[test]
fn a_vit_base_at_480_pixels_records_less_than_150_mb() {
    let grid = Grid {
        rows: 30,
        columns: 30,
    };
    let tokens = Tokens {
        prefix: 1,
        grid: Some(grid),
    };
    let (layers, heads, dim) = (12, 12, 64);
    let shape = (heads, tokens.len(), dim);
    let side = || {
        let zeros = Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu);
        (tokens, zeros.unwrap())
    };
    let record = QueryKey::stored("layer".into(), side(), side(), 1.0, Bias::None).unwrap();
    assert_eq!(record.bytes(), 2 * 4 * heads * 901 * dim);
    assert!(layers * record.bytes() < 150_000_000);
}
