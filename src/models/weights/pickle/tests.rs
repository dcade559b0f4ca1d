//! Pickles that are larger on the inside.

use super::*;
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn refused(pickle: &[u8]) -> String {
    let started = Instant::now();
    let error = tensors(pickle).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(1), "{error}");
    assert!(!error.contains('\n') && error.len() < 200, "{error}");
    error
}

#[test]
fn billions_of_copies_are_not_made() {
    // t = (); t = (t, t), remembered and doubled again, 200 times over.
    let mut bomb = b"\x80\x02)".to_vec();
    for _ in 0..200 {
        bomb.extend(b"q\x00h\x00\x86");
    }
    bomb.push(b'.');
    assert!(refused(&bomb).contains("far more than it is"));
    // The same without growing deeper: a list to which itself is appended.
    let mut bomb = b"\x80\x02]".to_vec();
    for _ in 0..200 {
        bomb.extend(b"q\x00(h\x00h\x00h\x00e0");
    }
    bomb.push(b'.');
    refused(&bomb);
}

#[test]
fn nesting_does_not_overflow_the_stack() {
    let mut deep = b"\x80\x02)".to_vec();
    deep.resize(1_000_000, 0x85);
    deep.push(b'.');
    assert!(refused(&deep).contains("nested too deep"));
    let mut deep = b"\x80\x02".to_vec();
    deep.extend(b"]".repeat(100_000));
    deep.extend(b"a".repeat(99_999));
    deep.push(b'.');
    assert!(refused(&deep).contains("nested too deep"));
}

#[test]
fn texts_are_not_allocated_before_they_are_read() {
    assert!(refused(b"\x80\x02X\xff\xff\xff\xffabc").contains("claims a text of 4294967295"));
    assert!(refused(b"\x80\x02X\xff").contains("cut off"));
    // Copies of a long text count too.
    let mut copies = b"\x80\x02X\x00\x00\x01\x00".to_vec();
    copies.resize(copies.len() + 65_536, b'x');
    copies.extend(b"q\x00");
    copies.extend(b"h\x00".repeat(500_000));
    copies.push(b'.');
    assert!(refused(&copies).contains("far more than it is"));
}

#[test]
fn odd_ones_are_refused() {
    for pickle in [
        &b""[..],
        b".",
        b"\x80\x02",
        b"\x80\x02N",
        b"\x80\x02N.",
        b"\x80\x02}.",
        b"\x80\x02R.",
        b"\x80\x02h\x05.",
        b"\x80\x02\x8a\xff\x01.",
        b"\x80\x02\x8a.",
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.",
        b"cos\nsystem\n(X\x04\x00\x00\x00trueetR.",
        b"cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
        // Arguments that are too few or of the wrong kind.
        b"}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n)Rs.",
        b"}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n(NNNNtRs.",
        b"}X\x01\x00\x00\x00actorch._utils\n_rebuild_parameter\n)Rs.",
        b"}X\x01\x00\x00\x00actorch._tensor\n_rebuild_from_type_v2\nN\x85Rs.",
    ] {
        refused(pickle);
    }
}

#[test]
fn other_protocols_are_named() {
    assert!(refused(b"\x80\x04\x95").contains("protocol 4, not 2"));
}

#[test]
fn a_program_is_named_not_run() {
    let error = refused(b"cos\nsystem\nX\x04\x00\x00\x00true\x85R.");
    assert!(error.contains("a program, not its state dict"), "{error}");
}

/// A state dict of `count` tensors of one value, as `torch.save` writes it.
fn state_dict(count: usize) -> Vec<u8> {
    let text = |out: &mut Vec<u8>, text: &str| {
        out.push(b'X');
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    };
    let mut out = b"\x80\x02}q\x00(".to_vec();
    for i in 0..count {
        text(
            &mut out,
            &format!("encoder.layer.{i}.attention.query.weight"),
        );
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(b"ctorch\nFloatStorage\n");
        text(&mut out, &i.to_string());
        text(&mut out, "cpu");
        out.extend(
            b"K\x01tq\x01QK\x00K\x01\x85K\x01\x85\x89ccollections\nOrderedDict\n)Rtq\x02Rq\x03",
        );
        if i % 1000 == 999 {
            out.extend(b"u(");
        }
    }
    out.extend(b"u.");
    out
}

#[test]
fn large_models_are_not_taken_for_bombs() {
    for count in [1, 10, 1000, 20_000] {
        let started = Instant::now();
        assert_eq!(tensors(&state_dict(count)).unwrap().len(), count);
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "{count} tensors"
        );
    }
    let one = tensors(&state_dict(1)).unwrap().remove(0);
    let expected = Described {
        name: "encoder.layer.0.attention.query.weight".to_owned(),
        dtype: Dtype::F32,
        shape: vec![1],
        strides: vec![1],
        offset: 0,
        storage: "0".to_owned(),
    };
    assert_eq!(one, expected);
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read(
        bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), proptest::sample::select(b"()]}tRbqhQsuae.NKX\x85\x86\x87".to_vec())],
            0..200,
        ),
    ) {
        let started = Instant::now();
        let _ = tensors(&bytes);
        prop_assert!(started.elapsed() < Duration::from_secs(1));
    }
}
