//! Reproducible noise and tolerant comparison for the tests of this layer.

/// Values in -1..1 from a small generator; the same for the same arguments.
pub fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Asserts that `got` and `want` differ nowhere by more than `tolerance` times
/// the largest magnitude of `want`.
pub fn close(got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len());
    let top = want.iter().fold(1e-6f32, |a, v| a.max(v.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (got - want).abs() <= tolerance * top,
            "value {i}: {got}, not {want}"
        );
    }
}
