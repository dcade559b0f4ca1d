use super::*;
use crate::attention::testing::{HEADS, definition, every_kind, grid, plain};

#[test]
fn matrices_follow_the_definition() {
    for record in every_kind() {
        for group in 0..record.group_count() {
            for head in 0..HEADS {
                let got = matrix(&record, head, group)
                    .unwrap()
                    .to_vec2::<f32>()
                    .unwrap();
                let want = definition(&record, head, group);
                assert_eq!(got.len(), want.len());
                for (got, want) in got.iter().zip(&want) {
                    assert_eq!(got.len(), want.len());
                    assert!((got.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                    for (got, want) in got.iter().zip(want) {
                        assert!((f64::from(*got) - want).abs() < 1e-5, "{}", record.layer);
                    }
                }
            }
        }
    }
}

#[test]
fn shapes_are_those_of_the_reference_implementations() {
    let shapes: Vec<_> = every_kind()
        .iter()
        .map(|record| {
            (
                record.layer.clone(),
                attentions(record).unwrap().dims().to_vec(),
            )
        })
        .collect();
    let want: [(&str, &[usize]); 10] = [
        ("class token", &[1, HEADS, 36, 36]),
        ("registers", &[1, HEADS, 40, 40]),
        ("table", &[1, HEADS, 38, 38]),
        ("reduced", &[1, HEADS, 24, 6]),
        ("phases", &[4, HEADS, 6, 6]),
        ("global", &[HEADS, 35, 35]),
        ("windows", &[4 * HEADS, 16, 16]),
        ("to image", &[1, HEADS, 6, 35]),
        ("from image", &[1, HEADS, 35, 6]),
        ("tiny vit", &[4 * HEADS, 16, 16]),
    ];
    for ((layer, shape), (name, dims)) in shapes.iter().zip(want) {
        assert_eq!((layer.as_str(), &shape[..]), (name, dims));
    }
}

#[test]
fn windows_are_slower_than_heads() {
    let records = every_kind();
    for name in ["windows", "phases"] {
        let record = records.iter().find(|r| r.layer == name).unwrap();
        let all = attentions(record).unwrap();
        let all = all.flatten_to(all.rank() - 3).unwrap();
        for group in 0..record.group_count() {
            for head in 0..HEADS {
                let part = all.get(group * HEADS + head).unwrap();
                let want = matrix(record, head, group).unwrap();
                let part = part.to_vec2::<f32>().unwrap();
                assert_eq!(part, want.to_vec2::<f32>().unwrap());
            }
        }
    }
}

#[test]
fn what_does_not_exist_or_fit_is_refused() {
    let record = plain(1, grid(2, 2), 1);
    assert!(matches!(
        matrix(&record, HEADS, 0),
        Err(AttentionError::NoHead { .. })
    ));
    assert!(matches!(
        matrix(&record, 0, 1),
        Err(AttentionError::Compute(_))
    ));
    let error = check(&[12, 1 << 20, 1 << 20], LIMIT)
        .unwrap_err()
        .to_string();
    assert!(error.contains("attention matrix"), "{error}");
    assert!(
        check(&[usize::MAX, usize::MAX], LIMIT).is_err()
            && check(&[12, 4096, 4096], FILE_LIMIT).is_ok()
    );
}

#[test]
fn files_hold_the_matrices_in_their_shape() {
    for record in every_kind() {
        let all = attentions(&record).unwrap();
        let values: Vec<f32> = all.flatten_all().unwrap().to_vec1().unwrap();
        let file = attentions_npy(&record).unwrap();
        assert_eq!(file, npy(all.dims(), &values).unwrap(), "{}", record.layer);
    }
    assert!(check(&[12, 8192, 8192], FILE_LIMIT).is_err(), "3.2 GB");
}
