//! Headers of safetensors files that lie.

use super::*;
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn refused(bytes: &[u8]) -> String {
    let error = Weights::parse(bytes.to_vec(), "w.safetensors")
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("w.safetensors") && !error.contains('\n'),
        "{error}"
    );
    error
}

#[test]
fn broken_headers_are_refused_at_once() {
    let started = Instant::now();
    refused(b"");
    refused(&[0; 7]);
    refused(&[0; 4096]);
    refused(&[0xff; 64]);
    refused(&file("not json", &[]));
    refused(b"PK\x03\x04 a zip file, for instance");
    let good = checkpoint(&[("a", &[2], &[1.0, 2.0])]);
    for len in 0..good.len() {
        refused(&good[..len]);
    }
    let entry = |shape: &str, start: u64, end: u64| {
        format!(r#""a":{{"dtype":"F32","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    };
    let terabyte = 1u64 << 40;
    refused(&file(
        &format!("{{{}}}", entry("[274877906944]", 0, terabyte)),
        &[0; 8],
    ));
    refused(&file(
        &format!("{{{}}}", entry("[18446744073709551615,4]", 0, 8)),
        &[0; 8],
    ));
    refused(&file(&format!("{{{}}}", entry("[2]", 8, 0)), &[0; 8]));
    refused(&file(&format!("{{{}}}", entry("[3]", 0, 8)), &[0; 8]));
    let overlapping = format!(
        r#"{{{},"b":{{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}}}"#,
        entry("[2]", 0, 8)
    );
    refused(&file(&overlapping, &[0; 12]));
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[test]
fn pointers_of_git_lfs_are_recognised() {
    let error =
        refused(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 346293852\n");
    assert!(error.contains("git lfs pull"), "{error}");
}

#[test]
fn claims_are_named() {
    let error = refused(&[0xff; 64]);
    assert!(
        error.contains("header claims 18446744073709551615 bytes, the file has 64"),
        "{error}"
    );
    let mut long = checkpoint(&[("a", &[2], &[1.0, 2.0])]);
    long.extend([0; 5]);
    let error = refused(&long);
    assert!(error.contains("take 8 bytes, the file has 13"), "{error}");
}

proptest! {
    /// Whatever the bytes: an error, or tensors that can be asked for.
    #[test]
    fn any_header_is_refused_or_true(
        header in "[\\{\\}\\[\\]\":,0-9a-zA-Z_ ]{0,80}",
        data in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        readable(&file(&header, &data));
    }

    #[test]
    fn any_change_to_a_good_file_is_refused_or_harmless(
        at in 0usize..200,
        byte in any::<u8>(),
        cut in 0usize..200,
    ) {
        let mut bytes = checkpoint(&[("a", &[2, 1], &[1.0, 2.0]), ("b.c", &[3], &[0.5; 3])]);
        let at = at % bytes.len();
        bytes[at] = byte;
        readable(&bytes);
        bytes.truncate(cut);
        readable(&bytes);
    }

    #[test]
    fn any_offsets_are_refused_or_true(
        shape in proptest::collection::vec(prop_oneof![0u64..4, Just(u64::MAX), Just(1 << 40)], 0..4),
        start in prop_oneof![0u64..20, any::<u64>()],
        end in prop_oneof![0u64..20, any::<u64>()],
        length in 0usize..40,
    ) {
        let header = format!(
            r#"{{"a":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start},{end}]}}}}"#
        );
        readable(&file(&header, &vec![0; length]));
    }
}

/// If the header is accepted, then each tensor is inside the file and is read
/// or refused.
fn readable(bytes: &[u8]) {
    let Ok(weights) = Weights::parse(bytes.to_vec(), "w") else {
        return;
    };
    for name in weights.names() {
        let shape = weights.shape(name).unwrap().to_vec();
        let count: usize = shape.iter().product();
        match weights.get(name, &shape) {
            Ok(values) => assert_eq!(values.len(), count),
            Err(error) => assert!(matches!(
                error,
                ModelError::NumberType { .. } | ModelError::NotFinite { .. }
            )),
        }
    }
}
