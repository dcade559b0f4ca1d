//! Against what Pillow 13.0.0 makes of the same pictures.

use super::*;

/// Pixels that anybody can compute: the top byte of i · 2654435761 mod 2³².
fn picture((width, height): (usize, usize), channels: usize) -> Vec<u8> {
    let byte = |i: usize| ((i as u64 * 2_654_435_761 % (1 << 32)) >> 24) as u8;
    (0..width * height * channels).map(byte).collect()
}

/// FNV-1a, to keep the expectations short.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

type Case = ((usize, usize), usize, (usize, usize), Filter, u64);

/// Size, channels, target, filter and hash of Pillow's result. The third has
/// its height shrunk first.
#[rustfmt::skip]
const CASES: &[Case] = &[
    ((7, 5), 3, (3, 4), Filter::Nearest, 0x66dedb1d31381ddb),
    ((7, 5), 3, (3, 4), Filter::Lanczos, 0x730b28091a6d2e25),
    ((7, 5), 3, (3, 4), Filter::Bilinear, 0x7d524390e1b1158c),
    ((7, 5), 3, (3, 4), Filter::Bicubic, 0x2368b87a80acd4fe),
    ((7, 5), 3, (3, 4), Filter::Box, 0x7b00241c37f3cda1),
    ((5, 7), 3, (11, 9), Filter::Nearest, 0xb0e802115b132e9e),
    ((5, 7), 3, (11, 9), Filter::Lanczos, 0x8daa76e7a23e998e),
    ((5, 7), 3, (11, 9), Filter::Bilinear, 0xf5ef45762b9da7c6),
    ((5, 7), 3, (11, 9), Filter::Bicubic, 0x1e37346a79bc7d72),
    ((5, 7), 3, (11, 9), Filter::Box, 0xb0e802115b132e9e),
    ((4, 40), 3, (3, 2), Filter::Nearest, 0xc015a0beed400bb9),
    ((4, 40), 3, (3, 2), Filter::Lanczos, 0xbf8ded0fefde1f4a),
    ((4, 40), 3, (3, 2), Filter::Bilinear, 0xb19c1839ea16ce67),
    ((4, 40), 3, (3, 2), Filter::Bicubic, 0x2215c667762cc1a3),
    ((4, 40), 3, (3, 2), Filter::Box, 0x0271db45b7458921),
    ((40, 4), 1, (6, 9), Filter::Nearest, 0xc0ca73b107e8e753),
    ((40, 4), 1, (6, 9), Filter::Lanczos, 0xd410f03d2a980b8b),
    ((40, 4), 1, (6, 9), Filter::Bilinear, 0x5b0ec1156c32dcea),
    ((40, 4), 1, (6, 9), Filter::Bicubic, 0xa193f9e4a5966893),
    ((40, 4), 1, (6, 9), Filter::Box, 0x3885837ff46daf76),
    ((9, 9), 4, (9, 4), Filter::Nearest, 0x5a9394b3c99cab9f),
    ((9, 9), 4, (9, 4), Filter::Lanczos, 0x2836a4bd914c97ce),
    ((9, 9), 4, (9, 4), Filter::Bilinear, 0x17bcac2df38d6890),
    ((9, 9), 4, (9, 4), Filter::Bicubic, 0x31e2c99153f681c2),
    ((9, 9), 4, (9, 4), Filter::Box, 0xf7658474ac93677f),
    ((9, 9), 3, (4, 9), Filter::Nearest, 0xd8655f18e49039e6),
    ((9, 9), 3, (4, 9), Filter::Lanczos, 0x091df654388eda9b),
    ((9, 9), 3, (4, 9), Filter::Bilinear, 0x6cb3ca0e5a7972a4),
    ((9, 9), 3, (4, 9), Filter::Bicubic, 0x3087c1a29cf4323d),
    ((9, 9), 3, (4, 9), Filter::Box, 0x12f61a5c643e9e52),
    ((1, 1), 3, (3, 2), Filter::Nearest, 0xb51fb9906fd32ac5),
    ((1, 1), 3, (3, 2), Filter::Lanczos, 0xb51fb9906fd32ac5),
    ((1, 1), 3, (3, 2), Filter::Bilinear, 0xb51fb9906fd32ac5),
    ((1, 1), 3, (3, 2), Filter::Bicubic, 0xb51fb9906fd32ac5),
    ((1, 1), 3, (3, 2), Filter::Box, 0xb51fb9906fd32ac5),
    ((13, 6), 1, (1, 1), Filter::Nearest, 0xaf64824c8603069e),
    ((13, 6), 1, (1, 1), Filter::Lanczos, 0xaf643d4c8602915f),
    ((13, 6), 1, (1, 1), Filter::Bilinear, 0xaf643d4c8602915f),
    ((13, 6), 1, (1, 1), Filter::Bicubic, 0xaf643d4c8602915f),
    ((13, 6), 1, (1, 1), Filter::Box, 0xaf63f24c860211ee),
];

#[test]
fn every_filter_equals_pillow_bit_for_bit() {
    for (size, channels, target, filter, want) in CASES {
        let got = resize(
            &picture(*size, *channels),
            *size,
            *channels,
            *target,
            *filter,
        );
        assert_eq!(got.len(), target.0 * target.1 * channels);
        assert_eq!(
            hash(&got),
            *want,
            "{size:?}×{channels} to {target:?} with {filter:?}"
        );
    }
}

#[test]
fn bilinear_in_full() {
    let got = resize(&picture((6, 4), 3), (6, 4), 3, (4, 3), Filter::Bilinear);
    let want = [
        91, 154, 56, 199, 101, 131, 145, 47, 197, 93, 107, 153, 81, 192, 94, 195, 139, 56, 183, 85,
        144, 131, 33, 191, 71, 230, 132, 91, 177, 79, 201, 123, 51, 169, 71, 162,
    ];
    assert_eq!(got, want);
}

#[test]
fn pillow_numbers() {
    assert_eq!(Filter::from_pillow(2), Some(Filter::Bilinear));
    assert_eq!(Filter::from_pillow(5), None);
}
