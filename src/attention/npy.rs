//! NumPy's array files, version 1.0
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).

use super::{AttentionError, Heatmap};

/// The bytes of an `.npy` file with `values` in C order (the last axis fastest)
/// as little-endian f32. `shape` may be empty for a single number.
///
/// # Errors
/// If the number of values does not fit the shape, or the shape has hundreds of
/// axes.
pub fn npy(shape: &[usize], values: &[f32]) -> Result<Vec<u8>, AttentionError> {
    let count = shape
        .iter()
        .try_fold(1usize, |count, side| count.checked_mul(*side));
    if count != Some(values.len()) {
        return Err(shape_error(
            shape,
            format!("the shape of {} values", values.len()),
        ));
    }
    let sides: String = shape.iter().map(|side| format!("{side}, ")).collect();
    // As Python writes tuples: (), (3,), (3, 4).
    let sides = match shape.len() {
        1 => sides.trim_end(),
        _ => sides.trim_end_matches(", "),
    };
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sides}), }}").into_bytes();
    // Magic, version and length take 10 bytes; the data starts at a multiple of 64.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.resize(length - 1, b' ');
    header.push(b'\n');
    let length = u16::try_from(length)
        .map_err(|_| shape_error(shape, "a shape with fewer axes".to_owned()))?;
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(length.to_le_bytes());
    file.extend(header);
    file.reserve(4 * values.len());
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    Ok(file)
}

/// The bytes of an `.npy` file with maps of one grid: (maps, rows, columns).
///
/// # Errors
/// If they have different grids.
pub fn maps_npy(maps: &[&Heatmap]) -> Result<Vec<u8>, AttentionError> {
    let grid = maps.first().map(|map| map.grid);
    let [rows, columns] = grid.map_or([0, 0], |grid| [grid.rows, grid.columns]);
    let shape = [maps.len(), rows, columns];
    if let Some(other) = maps.iter().find(|map| Some(map.grid) != grid) {
        let other = other.grid;
        let expected = format!("one grid, and one has {} × {}", other.rows, other.columns);
        return Err(shape_error(&shape, expected));
    }
    let values: Vec<f32> = maps.iter().flat_map(|map| &map.values).copied().collect();
    npy(&shape, &values)
}

fn shape_error(shape: &[usize], expected: String) -> AttentionError {
    AttentionError::Option {
        name: "the array's shape",
        value: format!("{shape:?}"),
        expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_numpy_writes() {
        // numpy.save of numpy.array([[1, 2, 3], [4, 5, 6]], "<f4").
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let file = npy(&[2, 3], &values).unwrap();
        let mut want = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        want.extend(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
        want.resize(127, b' ');
        want.push(b'\n');
        want.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        assert_eq!(file, want);
    }

    #[test]
    fn shapes_are_python_tuples() {
        let header = |shape: &[usize], values: &[f32]| {
            let file = npy(shape, values).unwrap();
            assert!(
                file.len().is_multiple_of(4) && (file.len() - 4 * values.len()).is_multiple_of(64)
            );
            String::from_utf8_lossy(&file[10..128]).into_owned()
        };
        assert!(header(&[], &[1.0]).contains("'shape': (), }"));
        assert!(header(&[2], &[1.0, 2.0]).contains("'shape': (2,), }"));
        assert!(header(&[1, 0, 7], &[]).contains("'shape': (1, 0, 7), }"));
    }

    #[test]
    fn maps_of_one_grid_are_stacked() {
        let map = |rows, columns, first: f32| {
            let grid = crate::nn::capture::Grid { rows, columns };
            let values = (0..grid.len()).map(|at| first + at as f32).collect();
            Heatmap { grid, values }
        };
        let (a, b) = (map(2, 1, 0.0), map(2, 1, 5.0));
        let want = npy(&[2, 2, 1], &[0.0, 1.0, 5.0, 6.0]).unwrap();
        assert_eq!(maps_npy(&[&a, &b]).unwrap(), want);
        assert_eq!(maps_npy(&[]).unwrap(), npy(&[0, 0, 0], &[]).unwrap());
        assert!(maps_npy(&[&a, &map(1, 2, 0.0)]).is_err(), "another grid");
    }

    #[test]
    fn values_must_fit_the_shape() {
        for shape in [&[2, 2][..], &[usize::MAX, 2], &[0]] {
            let error = npy(shape, &[1.0]).unwrap_err().to_string();
            assert!(error.contains("the shape of 1 values"), "{error}");
        }
        assert!(npy(&[1; 30_000], &[1.0]).is_err());
    }
}
