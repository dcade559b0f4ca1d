//! Checkpoints that `torch.save` of PyTorch 2.15 wrote, and damaged ones.

use super::*;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/torch")
        .join(name)
}

fn open(bytes: &[u8]) -> Result<Weights<'static>, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
    Weights::open(folder.path())
}

fn load(name: &str) -> Result<Weights<'static>, ModelError> {
    open(&fs::read(fixture(name)).unwrap())
}

fn expected(name: &str) -> Weights<'static> {
    Weights::parse(fs::read(fixture(name)).unwrap(), name).unwrap()
}

fn all(weights: &Weights, expected: &Weights) {
    for name in expected.names() {
        let shape = expected.shape(name).unwrap();
        assert_eq!(
            weights.get(name, shape).unwrap(),
            expected.get(name, shape).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn tensors_of_all_layouts_are_read() {
    let weights = load("plain.pt").unwrap();
    let expected = expected("expected.safetensors");
    all(&weights, &expected);
    assert_eq!(expected.names().count(), 8);
    // Integers are there but are no weights.
    assert_eq!(weights.names().count(), 9);
    assert!(matches!(
        weights.get("num_batches_tracked", &[]),
        Err(ModelError::NumberType { .. })
    ));
}

#[test]
fn the_state_dict_is_found_inside_a_training_checkpoint() {
    let expected = expected("module.safetensors");
    all(&load("module.pt").unwrap(), &expected);
    // {"model": {"module.…"}, "optimizer": …, "args": …}
    all(&load("nested.pth").unwrap(), &expected);
}

#[test]
fn what_cannot_be_read_is_said() {
    for (name, why) in [
        ("old.bin", "PyTorch before 1.6"),
        ("program.pt", "a program, not its state dict"),
        ("expected.safetensors", "it is no archive"),
    ] {
        let error = load(name).err().unwrap().to_string();
        assert!(
            error.contains(why) && error.contains("pytorch_model.bin"),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
    for (bytes, why) in [
        (&b""[..], "it is no archive"),
        (b"PK\x03\x04", "the file is cut off"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "git lfs pull",
        ),
    ] {
        let error = open(bytes).err().unwrap().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn cut_off_archives_are_refused() {
    let whole = fs::read(fixture("plain.pt")).unwrap();
    for length in (0..whole.len()).step_by(7) {
        assert!(
            open(&whole[..length]).is_err(),
            "{length} bytes were accepted"
        );
    }
}

#[test]
fn numbers_in_the_other_order_are_refused() {
    let mut bytes = fs::read(fixture("plain.pt")).unwrap();
    let at = bytes.windows(6).position(|six| six == b"little").unwrap();
    bytes[at..at + 6].copy_from_slice(b"bigbig");
    let error = open(&bytes).err().unwrap().to_string();
    assert!(error.contains("big-endian"), "{error}");
}

/// Replace the pickle of `plain.pt`, which is stored, by one of equal length.
fn with_pickle(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = fs::read(fixture("plain.pt")).unwrap();
    let start = bytes.windows(2).position(|two| two == b"\x80\x02").unwrap();
    let end = start
        + bytes[start..]
            .windows(4)
            .position(|four| four == b"PK\x07\x08" || four == b"PK\x03\x04")
            .unwrap();
    change(&mut bytes[start..end]);
    bytes
}

#[test]
fn tensors_that_claim_more_than_their_storage_are_refused() {
    // The shape (3, 5) of the first tensor: BININT1 3, BININT1 5, TUPLE2.
    let claim = |shape: [u8; 5]| {
        let bytes = with_pickle(|pickle| {
            let at = pickle
                .windows(5)
                .position(|five| five == b"K\x03K\x05\x86")
                .unwrap();
            pickle[at..at + 5].copy_from_slice(&shape);
        });
        open(&bytes).err().map(|error| error.to_string())
    };
    assert_eq!(claim(*b"K\x03K\x05\x86"), None);
    for shape in [*b"K\x04K\x05\x86", *b"K\xffK\xff\x86", *b"K\x03K\xff\x86"] {
        let error = claim(shape).unwrap();
        assert!(
            error.contains("tensor plain.weight: it reaches beyond"),
            "{error}"
        );
    }
}

#[test]
fn values_used_more_than_once_are_refused() {
    // The strides (5, 1) of the first tensor become (0, 0).
    let bytes = with_pickle(|pickle| {
        let at = pickle
            .windows(5)
            .position(|five| five == b"K\x05K\x01\x86")
            .unwrap();
        pickle[at..at + 5].copy_from_slice(b"K\x00K\x00\x86");
    });
    let error = open(&bytes).err().unwrap().to_string();
    assert!(error.contains("plain.weight: it reaches beyond"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Bytes anywhere, or in the pickle, become others.
    #[test]
    fn any_change_is_refused_or_harmless(
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        in_pickle in any::<bool>(),
    ) {
        let change = |bytes: &mut [u8]| {
            for (at, byte) in &changes {
                let at = at % bytes.len();
                bytes[at] = *byte;
            }
        };
        let bytes = if in_pickle {
            with_pickle(change)
        } else {
            let mut bytes = fs::read(fixture("plain.pt")).unwrap();
            change(&mut bytes);
            bytes
        };
        let started = Instant::now();
        if let Ok(weights) = open(&bytes) {
            for name in weights.names() {
                let shape = weights.shape(name).unwrap().to_vec();
                let count: usize = shape.iter().product();
                prop_assert!(count <= bytes.len());
                if let Ok(values) = weights.get(name, &shape) {
                    prop_assert_eq!(values.len(), count);
                }
            }
        }
        prop_assert!(started.elapsed() < Duration::from_secs(1));
    }
}
